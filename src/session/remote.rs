//! What needs the writer while another node leads: it goes to this session's other half there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::client::{Client, CopyInput, Reply, ResultColumn};
use super::portal::{Columns, Source, Started, Tag};
use super::prepared::Prepared;
use super::relay::{Begin, Context, Order, Report, Run, StatementKey};
use super::transaction::Write;
use super::{Session, idle_in_transaction};

use crate::bail;
use crate::engine::{Reader, Spool, Stream, TransactionId};
use crate::error::{Error, Result, state};
use crate::sql::plan::Action;
use crate::sql::{self, Statement};
use crate::types::{Datum, DatumRef, Type};

/// How long a transaction that has done nothing yet looks for a leader, and how long the outcome of a
/// commit is asked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before the next try.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// How long a cancelled statement has to end before the leader is given up.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

/// The stream to the other half, and what that knows.
pub(super) struct Link {
    stream: Stream,
    settings_version: u64,
    taken_version: u64,
}

/// A write transaction on the leader.
pub(super) struct Remote {
    id: TransactionId,
    /// Whether the leader knows of it.
    has_begun: bool,
    /// The entry, once it is committed.
    committed: Option<u64>,
    /// Why its last statement, which was done, could not be committed; for when the transaction ends.
    refused: Option<Error>,
    /// Whether it has changed the catalog, so that only the leader can plan.
    pub(super) changed_catalog: bool,
}

impl Remote {
    pub(super) fn new(id: TransactionId) -> Remote {
        Remote { id, has_begun: false, committed: None, refused: None, changed_catalog: false }
    }
}

/// How a try on the leader has failed.
enum Failure {
    /// For the client.
    Error(Error),
    /// The node leads no more and has done nothing.
    NotLeading,
    /// The stream has broken. What was sent to the client, if anything, cannot be taken back.
    Lost { has_answered: bool, ended: Option<Started> },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

/// 40001: the leader is gone, and the transaction with it.
fn lost() -> Error {
    Error::new(
        state::SERIALIZATION_FAILURE,
        "could not serialize access: the connection to the leader was lost during the transaction",
    )
    .with_hint("The transaction might succeed if retried.")
}

/// An error of the other half that ends it need not end this one.
fn survivable(error: Error) -> Error {
    if error.is_fatal() { lost().with_detail(error.message()) } else { error }
}

impl Session {
    /// Whether a statement must run on the leader, and that is another node.
    pub(super) async fn goes_to_leader(&mut self, prepared: &Prepared) -> Result<bool> {
        if self.is_guest {
            return Ok(false);
        }
        let is_remote = match self.transaction.as_ref().and_then(|transaction| transaction.write.as_ref()) {
            Some(Write::Local(_)) => return Ok(false),
            Some(Write::Remote(_)) => true,
            None if self.connection.leads() => return Ok(false),
            None => false,
        };
        let Some(statement) = prepared.statement() else { return Ok(false) };
        Ok(match sql::needs(statement) {
            sql::Needs::Nothing => false,
            sql::Needs::Writer => true,
            sql::Needs::Data => {
                let writes = matches!(statement, Statement::Plannable(..))
                    && !is_remote
                    && !matches!(self.plan_now(prepared).await?.action, Action::Read(_));
                is_remote || writes
            }
        })
    }

    fn remote(&mut self) -> Option<&mut Remote> {
        match self.transaction.as_mut()?.write.as_mut()? {
            Write::Remote(remote) => Some(remote),
            Write::Local(_) => None,
        }
    }

    fn key(prepared: &Prepared) -> Result<StatementKey> {
        match (prepared.shared(), prepared.is_inner()) {
            (Some(parsed), is_inner) => Ok(StatementKey {
                source: parsed.source.clone(),
                start: parsed.range.start,
                is_inner,
                types: prepared
                    .types()
                    .map(|types| types.iter().map(|ty| ty.map_or(0, |ty| ty.oid)).collect()),
            }),
            (None, _) => Err(Error::internal("an empty statement goes nowhere")),
        }
    }

    /// Opens the stream to the leader if there is none.
    async fn link(&mut self) -> Result<&mut Link> {
        if self.link.is_none() {
            let shared = &self.shared;
            let parameters = vec![
                ("user".to_owned(), shared.user.clone()),
                ("database".to_owned(), shared.database.clone()),
            ];
            let first = Order::Open { parameters, pid: shared.backend_pid }.encode();
            let stream = self.connection.open_to_leader(first).await?;
            self.link = Some(Link { stream, settings_version: 0, taken_version: 0 });
        }
        Ok(self.link.as_mut().expect("it was just opened"))
    }

    /// What the other half does not know yet.
    async fn context(&mut self) -> Result<Context> {
        let shared = self.shared.clone();
        let link = self.link().await?;
        let mut context = Context::default();
        {
            let settings = shared.settings();
            if settings.version() != link.settings_version {
                link.settings_version = settings.version();
                context.settings = Some(settings.save());
            }
        }
        let taken = shared.taken();
        if taken.version() != link.taken_version {
            link.taken_version = taken.version();
            context.taken = Some(taken.list());
        }
        Ok(context)
    }

    /// Runs a statement on the leader. `None` if this node has become the leader meanwhile.
    pub(super) async fn start_remote(
        &mut self,
        prepared: &Prepared,
        parameters: &[Datum],
        parameter_types: &[&'static Type],
        client: &mut dyn Client,
    ) -> Result<Option<Started>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.remote().is_none() {
                if self.connection.leads() {
                    return Ok(None);
                }
                let id = self.shared.transaction_id();
                let write = Write::Remote(Remote::new(id));
                self.transaction().write = Some(write);
            }
            let is_first = self.remote().is_some_and(|remote| !remote.has_begun);
            let failure = match self.try_remote(prepared, parameters, parameter_types, client).await {
                Ok(started) => return Ok(Some(started)),
                Err(failure) => failure,
            };
            let (has_answered, ended) = match failure {
                Failure::Error(error) => return Err(survivable(error)),
                Failure::NotLeading => (false, None),
                Failure::Lost { has_answered, ended } => (has_answered, ended),
            };
            self.link = None;
            if !is_first || has_answered {
                return Err(lost());
            }
            if self.commits_with_statement() {
                // The leader may have committed before the stream broke.
                let id = self.remote().map(|remote| remote.id);
                if let Some(id) = id
                    && self.ask_outcome(id).await?
                {
                    let Some(started) = ended else {
                        return Err(Error::new(
                            state::TRANSACTION_RESOLUTION_UNKNOWN,
                            "the statement was committed, but its result was lost with the leader",
                        ));
                    };
                    if let Some(remote) = self.remote() {
                        remote.committed = Some(0);
                    }
                    return Ok(Some(started));
                }
            }
            self.transaction().write = None;
            self.shared.take_transaction_id();
            if Instant::now() >= deadline {
                return Err(lost());
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Whether the statement that runs is a transaction of its own, and its last.
    fn commits_with_statement(&self) -> bool {
        self.is_last && self.transaction.as_ref().is_some_and(|transaction| !transaction.is_block)
    }

    fn begin_order(&mut self, id: TransactionId) -> Begin {
        let transaction = self.transaction();
        Begin {
            id,
            isolation: transaction.isolation(),
            read_only: transaction.read_only,
            start_us: transaction.start_us,
            snapshot: transaction.snapshot.as_ref().map(Reader::identity),
            savepoints: transaction.savepoint_count() as u64,
        }
    }

    async fn try_remote(
        &mut self,
        prepared: &Prepared,
        parameters: &[Datum],
        parameter_types: &[&'static Type],
        client: &mut dyn Client,
    ) -> Result<Started, Failure> {
        if let Err(error) = self.link().await {
            // This node may lead again: then the statement runs here.
            return Err(if self.connection.leads() { Failure::NotLeading } else { error.into() });
        }
        let context = self.context().await?;
        let (id, has_begun) = match self.remote() {
            Some(remote) => (remote.id, remote.has_begun),
            None => return Err(lost().into()),
        };
        let begin = if has_begun { None } else { Some(self.begin_order(id)) };
        let timeout_ms = self.deadline.map(|deadline| {
            deadline.saturating_duration_since(std::time::Instant::now()).as_millis().max(1) as u64
        });
        let commits = self.commits_with_statement();
        let run = Run {
            begin,
            statement: Session::key(prepared)?,
            parameters: parameters.to_vec(),
            parameter_types: parameter_types.iter().map(|ty| ty.oid).collect(),
            context,
            statement_us: self.statement_us,
            timeout_ms,
            commits,
        };
        let order = Order::Run(Box::new(run)).encode();
        let mut gathered = Gathered::new(self.connection.spool());
        if self.send(&order).await.is_err() {
            return Err(gathered.lost());
        }
        loop {
            let report = match self.next_report(client, gathered.copies_in).await {
                Ok(Next::Report(report)) => report,
                Ok(Next::Copied) => continue,
                Err(NextFailure::Client(error)) => return Err(error.into()),
                Err(NextFailure::Broken) => return Err(gathered.lost()),
            };
            match report {
                Report::Done { context, changed_catalog, tag, counts_rows } => {
                    self.adopt(context)?;
                    if let Some(remote) = self.remote() {
                        remote.has_begun = true;
                        remote.changed_catalog = changed_catalog;
                    }
                    gathered.finish(tag, counts_rows)?;
                    if !commits {
                        return gathered.started().ok_or_else(|| lost().into());
                    }
                }
                Report::Committed(index) => {
                    if let Some(remote) = self.remote() {
                        remote.committed = Some(index);
                    }
                    return gathered.started().ok_or_else(|| lost().into());
                }
                Report::NotLeading => return Err(Failure::NotLeading),
                Report::Failed(error) => {
                    let started = gathered.started();
                    let Some(remote) = self.remote() else { return Err(error.into()) };
                    remote.has_begun = true;
                    return match started {
                        Some(started) => {
                            remote.refused = Some(error);
                            Ok(started)
                        }
                        None => Err(error.into()),
                    };
                }
                Report::Notice(notice) => client.send(Reply::Notice(&notice)),
                report => gathered.take(report, client).await?,
            }
        }
    }

    /// What a statement on the leader has changed of what both halves know.
    fn adopt(&mut self, context: Context) -> Result<()> {
        let shared = self.shared.clone();
        if let Some(saved) = context.settings {
            shared.settings().adopt(saved)?;
        }
        if let Some(taken) = context.taken {
            shared.taken().replace(taken);
        }
        if let Some(link) = &mut self.link {
            link.settings_version = shared.settings().version();
            link.taken_version = shared.taken().version();
        }
        Ok(())
    }

    async fn send(&mut self, order: &[u8]) -> Result<()> {
        match &mut self.link {
            Some(link) => link.stream.sender.send(order).await,
            None => Err(lost()),
        }
    }

    /// The next report. During COPY FROM, what the client sends goes on meanwhile.
    async fn next_report(&mut self, client: &mut dyn Client, copies_in: bool) -> Result<Next, NextFailure> {
        let cancel = self.shared.cancel.clone();
        let idle_limit = self.shared.settings().derived().idle_in_transaction_timeout;
        let Some(link) = &mut self.link else { return Err(NextFailure::Broken) };
        let Stream { sender, receiver } = &mut link.stream;
        let input = async {
            if !copies_in {
                return std::future::pending().await;
            }
            match idle_limit {
                Some(limit) => tokio::time::timeout(limit, client.copy_input())
                    .await
                    .unwrap_or_else(|_| Err(idle_in_transaction())),
                None => client.copy_input().await,
            }
        };
        let received = tokio::select! {
            biased;
            received = receiver.next() => received,
            input = input => {
                let order = match input.map_err(NextFailure::Client)? {
                    CopyInput::Data(data) => Order::CopyData(data),
                    CopyInput::Done => Order::CopyDone,
                    CopyInput::Fail(message) => Order::CopyFail(message),
                };
                let is_end = !matches!(order, Order::CopyData(_));
                // The leader may refuse a row while its window is full: it goes on taking what comes.
                sender.send(&order.encode()).await.map_err(|_| NextFailure::Broken)?;
                return Ok(if is_end { Next::Report(Report::CopyDone) } else { Next::Copied });
            }
            error = cancel.cancelled() => {
                if error.is_fatal() {
                    return Err(NextFailure::Client(error));
                }
                sender.send(&Order::Cancel.encode()).await.map_err(|_| NextFailure::Broken)?;
                match tokio::time::timeout(CANCEL_PATIENCE, receiver.next()).await {
                    Ok(received) => received,
                    Err(_) => return Err(NextFailure::Client(error)),
                }
            }
        };
        match received {
            Ok(Some(message)) => Report::decode(&message).map(Next::Report).map_err(|error| {
                // What follows would be taken for the answer to another statement.
                self.link = None;
                NextFailure::Client(error)
            }),
            Ok(None) | Err(_) => Err(NextFailure::Broken),
        }
    }

    /// Gives an order that is answered by one report.
    async fn ask(&mut self, order: Order) -> Result<Report> {
        self.send(&order.encode()).await.map_err(|_| lost())?;
        let Some(link) = &mut self.link else { return Err(lost()) };
        loop {
            let received = link.stream.receiver.next().await;
            match received {
                Ok(Some(message)) => match Report::decode(&message) {
                    Err(error) => {
                        self.link = None;
                        return Err(error);
                    }
                    Ok(Report::Failed(error)) => return Err(survivable(error)),
                    Ok(Report::NotLeading) => return Err(lost()),
                    // What is left of a statement that was given up.
                    Ok(Report::Rows(_) | Report::Columns(_) | Report::Notice(_) | Report::CopyData(_)) => {}
                    Ok(report) => return Ok(report),
                },
                Ok(None) | Err(_) => {
                    self.link = None;
                    return Err(lost());
                }
            }
        }
    }

    fn has_begun(&mut self) -> bool {
        self.remote().is_some_and(|remote| remote.has_begun && remote.committed.is_none())
    }

    /// SAVEPOINT on the leader, if the transaction is there already.
    pub(super) async fn remote_savepoint(&mut self) -> Result<()> {
        if self.has_begun() { self.ask(Order::Savepoint).await.map(|_| ()) } else { Ok(()) }
    }

    /// RELEASE on the leader.
    pub(super) async fn remote_release(&mut self, place: usize) -> Result<()> {
        if self.has_begun() { self.ask(Order::Release(place as u64)).await.map(|_| ()) } else { Ok(()) }
    }

    /// ROLLBACK TO on the leader.
    pub(super) async fn remote_roll_back_to(&mut self, place: usize) -> Result<()> {
        if self.has_begun() { self.ask(Order::RollBackTo(place as u64)).await.map(|_| ()) } else { Ok(()) }
    }

    /// The shape of a statement that only the leader can plan; `None` if this node can.
    pub(super) async fn remote_shape(
        &mut self,
        prepared: &Prepared,
    ) -> Result<Option<(Vec<&'static Type>, Option<Columns>)>> {
        if !self.remote().is_some_and(|remote| remote.has_begun && remote.changed_catalog) {
            return Ok(None);
        }
        let context = self.context().await?;
        let statement = Session::key(prepared)?;
        match self.ask(Order::Shape { statement, context }).await? {
            Report::Shape { parameters, columns } => {
                Ok(Some((parameters, columns.map(|columns| Columns::Own(Arc::new(columns))))))
            }
            _ => bail!(PROTOCOL_VIOLATION, "another node answers something else"),
        }
    }

    /// Commits on the leader. 40001 if it was not, 08007 if nobody can tell.
    pub(super) async fn commit_remote(&mut self, remote: Remote) -> Result<u64> {
        if let Some(index) = remote.committed {
            return Ok(index);
        }
        if !remote.has_begun {
            return Ok(0);
        }
        if let Some(error) = remote.refused {
            return self.refused(remote.id, error).await;
        }
        let sent = self.send(&Order::Commit.encode()).await;
        let answer = match (&mut self.link, sent) {
            (Some(link), Ok(())) => link.stream.receiver.next().await,
            _ => Ok(None),
        };
        match answer.ok().flatten().map(|message| Report::decode(&message)) {
            Some(Ok(Report::Committed(index))) => Ok(index),
            Some(Ok(Report::Failed(error))) => self.refused(remote.id, error).await,
            // No answer, or none that can be read: the commit may have been done.
            _ => {
                self.link = None;
                self.decide(remote.id).await
            }
        }
    }

    /// The leader has answered a commit with an error.
    async fn refused(&mut self, id: TransactionId, error: Error) -> Result<u64> {
        match error.sqlstate() {
            state::TRANSACTION_RESOLUTION_UNKNOWN => self.decide(id).await,
            _ => Err(survivable(error)),
        }
    }

    /// What became of a commit whose answer is lost.
    async fn decide(&mut self, id: TransactionId) -> Result<u64> {
        if self.ask_outcome(id).await? { Ok(0) } else { Err(lost()) }
    }

    /// Asks the leader, when there is one, whether a transaction was committed. 08007 if nobody answers.
    async fn ask_outcome(&mut self, id: TransactionId) -> Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.link = None;
            if self.connection.leads() {
                if let Ok(outcome) = self.own_outcome(id).await {
                    return Ok(outcome);
                }
            } else if self.link().await.is_ok()
                && let Ok(Report::Outcome(outcome)) = self.ask(Order::Outcome(id)).await
            {
                return Ok(outcome);
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        Err(Error::new(state::TRANSACTION_RESOLUTION_UNKNOWN, "the outcome of the commit is unknown")
            .with_detail(format!("The transaction's id is {id}."))
            .with_hint(
                "It may have been committed: ask quorate.commit_status() or look before you repeat it.",
            ))
    }

    async fn own_outcome(&mut self, id: TransactionId) -> Result<bool> {
        let patience =
            crate::engine::Patience { cancel: &self.shared.cancel, deadline: None, lock_timeout: None };
        let write = self.connection.begin(&patience, None).await?;
        let is_committed = write.outcomes().is_committed(id)?;
        write.commit(None).await?;
        Ok(is_committed)
    }

    /// Rolls back on the leader.
    pub(super) async fn roll_back_remote(&mut self, remote: Remote) {
        if remote.has_begun && remote.committed.is_none() && self.ask(Order::RollBack).await.is_err() {
            // The other half ends with its stream, and its transaction with it.
            self.link = None;
        }
    }
}

/// What came next.
enum Next {
    Report(Report),
    /// Data of COPY went on.
    Copied,
}

enum NextFailure {
    Client(Error),
    Broken,
}

/// A statement's results so far. Rows are kept here: a slow client keeps nothing on the leader.
struct Gathered {
    columns: Option<Vec<ResultColumn>>,
    rows: Option<Spool>,
    tag: Option<Tag>,
    copies_in: bool,
    has_answered: bool,
}

impl Gathered {
    fn new(spool: Spool) -> Gathered {
        Gathered { columns: None, rows: Some(spool), tag: None, copies_in: false, has_answered: false }
    }

    fn lost(mut self) -> Failure {
        let has_answered = self.has_answered;
        Failure::Lost { has_answered, ended: self.started() }
    }

    async fn take(&mut self, report: Report, client: &mut dyn Client) -> Result<()> {
        match report {
            Report::Columns(columns) => self.columns = Some(columns),
            Report::Rows(rows) => {
                let Some(spool) = &mut self.rows else { return Ok(()) };
                for row in rows {
                    spool.push(&row.iter().map(Datum::as_ref).collect::<Vec<DatumRef<'_>>>())?;
                }
            }
            Report::CopyIn(columns) => {
                (self.copies_in, self.has_answered) = (true, true);
                client.send(Reply::CopyIn(columns));
                client.flush().await?;
            }
            Report::CopyDone if self.copies_in => self.copies_in = false,
            Report::CopyOut(columns) => {
                self.has_answered = true;
                client.send(Reply::CopyOut(columns));
            }
            Report::CopyData(data) => {
                client.send(Reply::CopyData(&data));
                if client.is_full() {
                    client.flush().await?;
                }
            }
            Report::CopyDone => client.send(Reply::CopyDone),
            _ => bail!(PROTOCOL_VIOLATION, "another node answers something else"),
        }
        Ok(())
    }

    fn finish(&mut self, tag: String, counts_rows: bool) -> Result<()> {
        self.tag = Some(if counts_rows { Tag::Rows(tag.into()) } else { Tag::Fixed(tag) });
        Ok(())
    }

    /// The whole, once it is there.
    fn started(&mut self) -> Option<Started> {
        let tag = self.tag.take()?;
        let columns = self.columns.take().map(|columns| Columns::Own(Arc::new(columns)));
        let source = match &columns {
            Some(_) => self.rows.take().map(|rows| Source::Spool(Box::new(rows))),
            None => None,
        };
        Some(Started { columns, source, scope: None, tag })
    }
}
