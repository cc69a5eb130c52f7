//! The leader's half of sessions whose clients are connected to other nodes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::client::{Client, CopyInput, Formats, Reply, ResultColumn};
use super::portal::{Columns, Portal, Tag};
use super::prepared::Prepared;
use super::registry::Sessions;
use super::relay::{Begin, Context, Order, Report, RowBatch, Run, StatementKey};
use super::transaction::{Transaction, Write};
use super::{Options, Session};
use crate::bail;
use crate::engine::{Patience, Stream, StreamReceiver, StreamSender};
use crate::error::{Error, Result, state};
use crate::sql;
use crate::telemetry;
use crate::types::record::RECORD;
use crate::types::{DatumRef, Format, Oid, Type};

/// Statements kept parsed and planned for one session.
const STATEMENTS_MAX: usize = 256;
/// Orders that wait while one is carried out: data of COPY.
const ORDERS_MAX: usize = 4;

/// Makes a session of a client's parameters.
type OpenSession = dyn Fn(Vec<(String, String)>) -> Options + Send + Sync;

/// Serves sessions of other nodes.
pub struct Forwarded {
    sessions: Arc<Sessions>,
    open: Box<OpenSession>,
}

impl Forwarded {
    /// With the sessions of this node, and a way to make one.
    pub fn new(sessions: Arc<Sessions>, open: Box<OpenSession>) -> Forwarded {
        Forwarded { sessions, open }
    }

    /// How many clients are connected here.
    pub fn count(&self) -> usize {
        self.sessions.count()
    }

    /// Serves one session until its stream ends.
    pub async fn serve(&self, first: Vec<u8>, stream: Stream) {
        let Stream { sender, receiver } = stream;
        let opened = match Order::decode(&first) {
            Ok(order) => self.open(order).await,
            Err(error) => Err(error),
        };
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let mut relay = Relay { sender, waiting, outbox: Vec::new(), rows: RowBatch::new() };
        let mut half = match opened {
            Ok(half) => half,
            Err(error) => {
                relay.push(&Report::Failed(error));
                let _ = relay.flush().await;
                return;
            }
        };
        let cancel = half.session.shared.cancel.clone();
        let reading = tokio::spawn(async move {
            read_orders(receiver, orders, &cancel).await;
        });
        while let Some(order) = relay.waiting.recv().await {
            if half.carry_out(order, &mut relay).await.is_err() || relay.flush().await.is_err() {
                break;
            }
        }
        reading.abort();
        half.session.close().await;
    }

    async fn open(&self, order: Order) -> Result<Half> {
        let Order::Open { parameters, pid } = order else {
            bail!(PROTOCOL_VIOLATION, "a session of another node does not start with its parameters")
        };
        let place = self.sessions.enter_guest()?;
        let session = Session::open_for((self.open)(parameters), place, Some(pid)).await?;
        Ok(Half { session, statements: HashMap::new() })
    }
}

/// Passes orders on; a cancellation overtakes them, and the end of the stream is one.
async fn read_orders(
    mut receiver: StreamReceiver,
    orders: mpsc::Sender<Order>,
    cancel: &crate::engine::CancelToken,
) {
    loop {
        let order = match receiver.next().await {
            Ok(Some(message)) => Order::decode(&message),
            Ok(None) | Err(_) => break,
        };
        match order {
            Ok(Order::Cancel) => cancel.cancel(),
            Ok(order) => {
                if orders.send(order).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                telemetry::warn!("a session of another node is ended: {error}");
                break;
            }
        }
    }
    cancel.cancel();
}

/// The client, as this half sees it: everything goes to the other.
struct Relay {
    sender: StreamSender,
    waiting: mpsc::Receiver<Order>,
    outbox: Vec<Vec<u8>>,
    rows: RowBatch,
}

impl Relay {
    fn push(&mut self, report: &Report) {
        self.outbox.extend(self.rows.take());
        self.outbox.push(report.encode());
    }
}

#[async_trait]
impl Client for Relay {
    fn send(&mut self, reply: Reply<'_>) {
        match reply {
            Reply::Notice(notice) => self.push(&Report::Notice(notice.clone())),
            Reply::CopyIn(columns) => self.push(&Report::CopyIn(columns)),
            Reply::CopyOut(columns) => self.push(&Report::CopyOut(columns)),
            Reply::CopyData(data) => self.push(&Report::CopyData(data.to_vec())),
            Reply::CopyDone => self.push(&Report::CopyDone),
            // The other half says these itself.
            _ => {}
        }
    }

    fn row(&mut self, values: &[DatumRef<'_>], _: &[ResultColumn], _: &Formats, _: &Format) {
        self.rows.push(values);
    }

    fn is_full(&self) -> bool {
        const MESSAGES: usize = 64;

        self.rows.is_full() || self.outbox.len() >= MESSAGES
    }

    async fn flush(&mut self) -> Result<()> {
        self.outbox.extend(self.rows.take());
        for message in std::mem::take(&mut self.outbox) {
            self.sender.send(&message).await?;
        }
        Ok(())
    }

    async fn copy_input(&mut self) -> Result<CopyInput> {
        match self.waiting.recv().await {
            Some(Order::CopyData(data)) => Ok(CopyInput::Data(data)),
            Some(Order::CopyDone) => Ok(CopyInput::Done),
            Some(Order::CopyFail(message)) => Ok(CopyInput::Fail(message)),
            Some(_) => bail!(PROTOCOL_VIOLATION, "another order came during COPY"),
            None => bail!(CONNECTION_FAILURE, "the node of the client has gone"),
        }
    }
}

/// A session without its client.
struct Half {
    session: Session,
    statements: HashMap<StatementKey, Arc<Prepared>>,
}

impl Half {
    /// Carries an order out and reports. An error means that the stream is broken.
    async fn carry_out(&mut self, order: Order, relay: &mut Relay) -> Result<()> {
        if !matches!(order, Order::Commit | Order::RollBack) {
            self.session.shared.cancel.reset();
        }
        let outcome = match order {
            Order::Run(run) => self.run(*run, relay).await,
            Order::Shape { statement, context } => self.shape(&statement, context).await,
            Order::Savepoint => self.push_savepoint().await.map(|()| done()),
            Order::Release(place) => self.release(place).await.map(|()| done()),
            Order::RollBackTo(place) => self.roll_back_to(place).await.map(|()| done()),
            Order::Commit => self.session.commit().await.map(|()| self.committed()),
            Order::RollBack => {
                self.session.roll_back().await;
                Ok(done())
            }
            Order::Outcome(id) => self.outcome(id).await.map(Report::Outcome),
            // What is left of a COPY that has failed.
            Order::CopyData(_) | Order::CopyDone | Order::CopyFail(_) | Order::Cancel => return Ok(()),
            Order::Open { .. } => bail!(PROTOCOL_VIOLATION, "a session is opened twice"),
        };
        relay.push(&match outcome {
            Ok(report) => report,
            Err(error) => Report::Failed(self.session.confirmed(error).await),
        });
        relay.flush().await
    }

    fn committed(&self) -> Report {
        Report::Committed(self.session.shared.last_commit.load(std::sync::atomic::Ordering::Acquire))
    }

    async fn statement(&mut self, key: &StatementKey) -> Result<Arc<Prepared>> {
        if let Some(prepared) = self.statements.get(key) {
            return Ok(prepared.clone());
        }
        let found = sql::parse(&key.source)?.into_iter().find(|parsed| parsed.range.start == key.start);
        let Some(parsed) = found else {
            bail!(PROTOCOL_VIOLATION, "a statement of another node is not in its text")
        };
        let types = match &key.types {
            Some(types) => Some(self.session.declared_types(types).await?),
            None => None,
        };
        let prepared = Arc::new(match (types, key.is_inner) {
            (Some(types), true) => Prepared::inner(&Arc::new(parsed), types),
            (Some(types), false) => Prepared::new(Some(parsed), types),
            (None, _) => Prepared::simple(parsed),
        });
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        self.statements.insert(key.clone(), prepared.clone());
        Ok(prepared)
    }

    /// Takes over what the other half knows.
    fn learn(&self, context: Context) -> Result<()> {
        if let Some(saved) = context.settings {
            self.session.shared.settings().adopt(saved)?;
        }
        if let Some(taken) = context.taken {
            self.session.shared.taken().replace(taken);
        }
        Ok(())
    }

    async fn begin(&mut self, begin: &Begin) -> Result<()> {
        let session = &mut self.session;
        session.roll_back().await;
        let lock_timeout = session.shared.settings().derived().lock_timeout;
        let patience = Patience { cancel: &session.shared.cancel, deadline: session.deadline, lock_timeout };
        let mut write = session.connection.begin(&patience, begin.snapshot).await?;
        for _ in 0..begin.savepoints {
            write.push_savepoint().await?;
        }
        session.shared.put_transaction_id(begin.id);
        let saved = session.shared.settings().save();
        session.transaction = Some(Transaction::of_other_node(begin, write, saved));
        Ok(())
    }

    async fn run(&mut self, run: Run, relay: &mut Relay) -> Result<Report> {
        self.session.statement_us = run.statement_us;
        self.session.deadline =
            run.timeout_ms.map(|timeout_ms| Instant::now() + Duration::from_millis(timeout_ms));
        self.learn(run.context)?;
        let prepared = self.statement(&run.statement).await?;
        let is_database = prepared.statement().is_some_and(sql::is_about_databases);
        if run.begin.is_some() && !self.session.connection.leads() {
            return Ok(Report::NotLeading);
        }
        match &run.begin {
            Some(begin) if !is_database => self.begin(begin).await?,
            None if !is_database => self.open_write().map(|_| ())?,
            _ => {}
        }
        let (settings_before, taken_before) = self.versions();
        self.check_parameters(&prepared, &run.parameter_types).await?;
        let mut portal = Portal::new(prepared, run.parameters, Formats::TEXT);
        self.session.start(&mut portal, relay).await?;
        if let Some(columns) = portal.columns() {
            let columns = columns.to_vec();
            // A record's fields name their types by OID, which the other node's catalog need not know before the commit.
            let is_record = |ty: &Type| ty.element().unwrap_or(ty).oid == RECORD.oid;
            if columns.iter().any(|column| is_record(column.ty))
                && self.open_write().is_ok_and(|write| write.has_changed_catalog())
            {
                let what = "on a follower, a record as a result in a transaction that has changed the schema";
                return Err(Error::unsupported(what)
                    .with_hint("Commit first, select the record's columns, or connect to the leader."));
            }
            relay.push(&Report::Columns(columns));
        }
        self.session.pump(&mut portal, None, relay).await?;
        let (tag, counts_rows) = match portal.started.as_ref().map(|started| &started.tag) {
            Some(Tag::Rows(verb)) => (verb.to_string(), true),
            Some(Tag::Fixed(tag)) => (tag.clone(), false),
            None => (String::new(), false),
        };
        drop(portal);
        let report = Report::Done {
            tag,
            counts_rows,
            context: self.changed_since(settings_before, taken_before),
            changed_catalog: self.open_write().is_ok_and(|write| write.has_changed_catalog()),
        };
        if !run.commits {
            return Ok(report);
        }
        relay.push(&report);
        self.session.commit().await?;
        Ok(self.committed())
    }

    fn versions(&self) -> (u64, u64) {
        (self.session.shared.settings().version(), self.session.shared.taken().version())
    }

    /// What the statement has changed of what both halves know.
    fn changed_since(&self, settings: u64, taken: u64) -> Context {
        let now = self.versions();
        Context {
            settings: (now.0 != settings).then(|| self.session.shared.settings().save()),
            taken: (now.1 != taken).then(|| self.session.shared.taken().list()),
        }
    }

    /// The other half has read the parameters as the types of its own plan.
    async fn check_parameters(&mut self, prepared: &Prepared, types: &[Oid]) -> Result<()> {
        if types.is_empty() {
            return Ok(());
        }
        let (found, _) = self.session.shape(prepared).await?;
        if !found.iter().map(|ty| ty.oid).eq(types.iter().copied()) {
            bail!(FEATURE_NOT_SUPPORTED, "cached plan must not change the types of its parameters");
        }
        Ok(())
    }

    async fn shape(&mut self, statement: &StatementKey, context: Context) -> Result<Report> {
        self.learn(context)?;
        let prepared = self.statement(statement).await?;
        let (parameters, columns) = self.session.shape(&prepared).await?;
        let columns = columns.as_ref().map(Columns::as_slice).map(<[ResultColumn]>::to_vec);
        Ok(Report::Shape { parameters, columns })
    }

    fn open_write(&mut self) -> Result<&mut crate::engine::Transaction> {
        match self.session.transaction.as_mut().and_then(|transaction| transaction.write.as_mut()) {
            Some(Write::Local(write)) => Ok(write),
            _ => Err(lost()),
        }
    }

    async fn push_savepoint(&mut self) -> Result<()> {
        self.open_write()?.push_savepoint().await
    }

    async fn release(&mut self, place: u64) -> Result<()> {
        self.open_write()?.release(place as usize).await
    }

    async fn roll_back_to(&mut self, place: u64) -> Result<()> {
        self.open_write()?.roll_back_to(place as usize).await
    }

    /// Whether a transaction was committed: asked by a half that has lost the leader before this one.
    async fn outcome(&mut self, id: crate::engine::TransactionId) -> Result<bool> {
        self.session.roll_back().await;
        let patience = Patience { cancel: &self.session.shared.cancel, deadline: None, lock_timeout: None };
        let write = self.session.connection.begin(&patience, None).await?;
        let is_committed = write.outcomes().is_committed(id)?;
        write.commit(None).await?;
        Ok(is_committed)
    }
}

fn done() -> Report {
    Report::Done {
        tag: String::new(),
        counts_rows: false,
        context: Context::default(),
        changed_catalog: false,
    }
}

/// 40001: the transaction is not here.
fn lost() -> Error {
    Error::new(
        state::SERIALIZATION_FAILURE,
        "could not serialize access: another node became the leader during the transaction",
    )
    .with_hint("The transaction might succeed if retried.")
}
