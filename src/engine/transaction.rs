//! A write transaction: from the queue for the writer to its entry in the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::consensus::Consensus;
use super::modify::{self, Rows};
use super::{copy, definition, proposer, values, violation};
use crate::catalog::{Catalog, Relation};
use crate::error::{Error, Result, state};
use crate::functions::Env;
use crate::sql::ddl::Definition;
use crate::sql::plan::{Modify, SqliteStatement};
use crate::storage::{
    CancelToken, Database, Execution, Failure, Identity, MemoryRelations, Spool, Statement, TransactionId,
    Violation, WritePermit,
};
use crate::telemetry::metrics;
use crate::types::Datum;

/// How long a commit waits for the log before it is unknown.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

/// How often a statement steps aside for readers before it runs undisturbed.
const STEPS_ASIDE_MAX: usize = 3;

/// What a statement's functions may know, and what may stop it.
pub struct Surroundings<'a> {
    /// The session.
    pub env: &'a dyn Env,
    /// The user's request to stop.
    pub cancel: &'a CancelToken,
    /// When statement_timeout strikes.
    pub deadline: Option<Instant>,
    /// The relations in memory.
    pub relations: &'a dyn MemoryRelations,
}

impl<'a> Surroundings<'a> {
    /// For a statement on a reader.
    pub fn on_reader(&self) -> Execution<'a> {
        Execution {
            env: self.env,
            cancel: self.cancel,
            deadline: self.deadline,
            relations: self.relations,
            settle_wanted: None,
        }
    }
}

/// How long to wait for the writer.
pub struct Patience<'a> {
    /// The user's request to stop.
    pub cancel: &'a CancelToken,
    /// When statement_timeout strikes.
    pub deadline: Option<Instant>,
    /// lock_timeout
    pub lock_timeout: Option<Duration>,
}

/// Why a statement failed.
#[derive(Debug)]
pub enum Refusal {
    /// For the client.
    Error(Error),
    /// A constraint refused a row: [`Transaction::diagnose`] finds which.
    Violation(Violation),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Error(error)
    }
}

impl Refusal {
    /// The error where there is no row to look for.
    pub fn into_error(self) -> Error {
        match self {
            Refusal::Error(error) => error,
            Refusal::Violation(violation) => Failure::Violation(violation).into_error(),
        }
    }
}

/// The sequences of a database, while its write transaction is open.
#[derive(Clone)]
pub struct SequenceValues(Arc<Database>);

impl SequenceValues {
    /// nextval
    pub fn next_value(&self, sequence: &Relation) -> Result<i64> {
        self.0.sequences().next_value(sequence)
    }

    /// setval
    pub fn set_value(&self, sequence: &Relation, value: i64, is_called: bool) -> Result<()> {
        self.0.sequences().set_value(sequence, value, is_called)
    }
}

/// What the transactions of a database have become, while a write transaction is open.
#[derive(Clone)]
pub struct Outcomes(Arc<Database>);

impl Outcomes {
    /// Whether a transaction has been committed. It may be on its way still; then the open transaction
    /// has seen its changes, and ends only after it.
    pub fn is_committed(&self, id: TransactionId) -> Result<bool> {
        Ok(self.0.is_pending(id) || self.0.committed(id)?)
    }
}

/// An open write transaction. Dropped, it is rolled back.
pub struct Transaction {
    database: Arc<Database>,
    consensus: Arc<dyn Consensus>,
    /// The term in which this node leads and the transaction runs.
    term: u64,
    /// `None` once it has ended.
    permit: Option<WritePermit>,
    catalog: Arc<Catalog>,
    /// The catalog's version at its start.
    first_version: u64,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let database = self.database.clone();
        metrics::ROLLBACKS.increment();
        // The writer's lock is asynchronous; the permit keeps the next transaction out until then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                database.writer().await.roll_back();
                drop(permit);
            });
        }
    }
}

/// Waits for the right to write.
async fn acquire(database: &Arc<Database>, patience: &Patience<'_>) -> Result<WritePermit> {
    let far = Duration::from_secs(86_400 * 365);
    let until_deadline =
        patience.deadline.map_or(far, |deadline| deadline.saturating_duration_since(Instant::now()));
    tokio::select! {
        biased;
        permit = database.acquire() => permit,
        error = patience.cancel.cancelled() => Err(error),
        () = tokio::time::sleep(patience.lock_timeout.unwrap_or(far)) => {
            Err(Error::new(state::LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout"))
        }
        () = tokio::time::sleep(until_deadline) => {
            Err(Error::new(state::QUERY_CANCELED, "canceling statement due to statement timeout"))
        }
    }
}

impl Transaction {
    pub(super) async fn begin(
        database: &Arc<Database>,
        consensus: Arc<dyn Consensus>,
        patience: &Patience<'_>,
        snapshot: Option<Identity>,
    ) -> Result<Transaction> {
        let permit = acquire(database, patience).await?;
        let term = consensus.wait_to_lead().await?;
        if snapshot.is_some_and(|identity| identity != database.base()) {
            let error = Error::new(
                state::SERIALIZATION_FAILURE,
                "could not serialize access due to concurrent update",
            );
            return Err(error.with_hint("The transaction might succeed if retried."));
        }
        database.begin().await?;
        let catalog = database.writer().await.catalog().clone();
        Ok(Transaction {
            database: database.clone(),
            consensus,
            term,
            permit: Some(permit),
            first_version: catalog.version,
            catalog,
        })
    }

    /// What exists, as this transaction sees it.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Whether it has changed what exists.
    pub fn has_changed_catalog(&self) -> bool {
        self.catalog.version != self.first_version
    }

    /// The term in which it runs.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// What transactions have become.
    pub fn outcomes(&self) -> Outcomes {
        Outcomes(self.database.clone())
    }

    /// The sequences.
    pub fn sequences(&self) -> SequenceValues {
        SequenceValues(self.database.clone())
    }

    /// Runs one statement on the writer, again if it stepped aside for readers.
    pub(super) async fn statement<T>(
        &mut self,
        surroundings: &Surroundings<'_>,
        work: impl FnMut(&mut Statement<'_>) -> Result<T, Failure>,
    ) -> Result<T, Refusal> {
        self.statement_that(false, surroundings, work).await
    }

    async fn statement_that<T>(
        &mut self,
        upserts: bool,
        surroundings: &Surroundings<'_>,
        mut work: impl FnMut(&mut Statement<'_>) -> Result<T, Failure>,
    ) -> Result<T, Refusal> {
        let mut tries = 0;
        loop {
            let mut writer = self.database.writer().await;
            let settle_wanted = (tries < STEPS_ASIDE_MAX).then(|| self.database.settle_wanted());
            let execution = Execution { settle_wanted, ..surroundings.on_reader() };
            match writer.statement(&execution, upserts, &mut work) {
                Ok(value) => {
                    self.catalog = writer.catalog().clone();
                    return Ok(value);
                }
                Err(Failure::SteppedAside) => {
                    tries += 1;
                    self.database.settle(&mut writer)?;
                }
                Err(Failure::Error(error)) => return Err(Refusal::Error(error)),
                Err(Failure::Violation(violation)) => return Err(Refusal::Violation(violation)),
            }
        }
    }

    /// Changes rows: how many, and what RETURNING gives.
    pub async fn modify(
        &mut self,
        modify: &Modify,
        parameters: &[Datum],
        surroundings: &Surroundings<'_>,
    ) -> Result<Rows, Refusal> {
        let database = self.database.clone();
        self.statement_that(modify.upserts, surroundings, |statement| {
            let mut rows = Rows { count: 0, returned: database.spool() };
            modify::run(statement, modify, parameters, surroundings.env, &mut rows)?;
            Ok(rows)
        })
        .await
    }

    /// Runs a plan made row by row until a row is refused, undoes it, and gives the error with that row.
    pub async fn diagnose(
        &mut self,
        modify: &Modify,
        parameters: &[Datum],
        surroundings: &Surroundings<'_>,
        refused: Violation,
    ) -> Error {
        let database = self.database.clone();
        let outcome = self
            .statement_that(modify.upserts, surroundings, |statement| {
                violation::find(statement, modify, parameters, surroundings.env, database.spool())
            })
            .await;
        match outcome {
            Err(Refusal::Error(error)) => error,
            Ok(()) | Err(Refusal::Violation(_)) => {
                violation::describe(&refused, &modify.relation, &self.catalog, None, surroundings.env)
            }
        }
    }

    /// All rows of a query, as this transaction sees them.
    pub async fn query(
        &mut self,
        query: &SqliteStatement,
        parameters: &[Datum],
        surroundings: &Surroundings<'_>,
    ) -> Result<Spool> {
        let database = self.database.clone();
        let outcome = self
            .statement(surroundings, |statement| {
                let mut sink = modify::Spooler::new(database.spool());
                statement.run(&query.sql, &values(query, parameters, &[]), &mut sink)?;
                Ok(sink.finish()?)
            })
            .await;
        outcome.map_err(Refusal::into_error)
    }

    /// How SQLite would run a statement, as this transaction sees the schema.
    pub async fn explain(
        &mut self,
        query: &SqliteStatement,
        surroundings: &Surroundings<'_>,
    ) -> Result<Spool> {
        let explained =
            SqliteStatement { sql: format!("EXPLAIN QUERY PLAN {}", query.sql).into(), bindings: Vec::new() };
        self.query(&explained, &[], surroundings).await
    }

    /// Runs a definition. `see` is told of the catalog as the definition changes it, before its rows are
    /// computed: a new column's default may call its new sequence.
    pub async fn define(
        &mut self,
        definition: &Definition,
        surroundings: &Surroundings<'_>,
        see: &(dyn Fn(Arc<Catalog>) + Sync),
    ) -> Result<()> {
        let database = self.database.clone();
        let outcome = self
            .statement(surroundings, |statement| {
                definition::run(statement, definition, surroundings.env, &database, see)
            })
            .await;
        match outcome {
            Ok(()) => Ok(()),
            Err(Refusal::Error(error)) => Err(error),
            Err(Refusal::Violation(violation)) => Err(violation::of_definition(&violation, &self.catalog)),
        }
    }

    /// Stores some rows of COPY FROM.
    pub async fn copy(&mut self, copy: &mut copy::CopyIn<'_>, surroundings: &Surroundings<'_>) -> Result<()> {
        let catalog = self.catalog.clone();
        let stored =
            self.statement(surroundings, |statement| copy.store(statement, &catalog, surroundings.env)).await;
        copy.clear();
        stored.map_err(Refusal::into_error)
    }

    /// Ends COPY FROM: checks what can only be checked now.
    pub async fn finish_copy(
        &mut self,
        copy: &copy::CopyIn<'_>,
        surroundings: &Surroundings<'_>,
    ) -> Result<()> {
        self.statement(surroundings, |statement| copy.finish(statement, surroundings.env))
            .await
            .map_err(Refusal::into_error)
    }

    /// SAVEPOINT
    pub async fn push_savepoint(&mut self) -> Result<()> {
        self.database.writer().await.push_client_savepoint()
    }

    /// ROLLBACK TO a savepoint by its place among this transaction's.
    pub async fn roll_back_to(&mut self, place: usize) -> Result<()> {
        let mut writer = self.database.writer().await;
        let outcome = writer.roll_back_to(place);
        self.catalog = writer.catalog().clone();
        outcome
    }

    /// RELEASE a savepoint by its place, and those after it.
    pub async fn release(&mut self, place: usize) -> Result<()> {
        self.database.writer().await.release(place)
    }

    /// Commits. Ends when the log has the changes, and gives the index of their entry; 40001 if they are in
    /// no entry, 08007 if nobody knows. The id is kept, for those who ask for the outcome later.
    pub async fn commit(mut self, id: Option<TransactionId>) -> Result<u64> {
        // An error leaves the transaction open, and the drop of `self` rolls it back.
        let (changed, waiting) = self.database.seal(id).await?;
        self.permit = None;
        let mut index = 0;
        if let Some(waiting) = waiting {
            let answer = match tokio::time::timeout(COMMIT_PATIENCE, waiting).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) | Err(_) => Err(proposer::unknown()),
            };
            index = answer?.index;
        }
        if !changed {
            // What it saw was right only if nobody else led meanwhile.
            self.confirm().await?;
        }
        metrics::COMMITS.increment();
        Ok(index)
    }

    /// Makes sure that what the transaction has seen so far was the newest: 40001 if another node leads.
    pub async fn confirm(&self) -> Result<()> {
        self.consensus.confirm(self.term).await
    }

    /// Rolls back.
    pub async fn roll_back(mut self) {
        self.database.writer().await.roll_back();
        metrics::ROLLBACKS.increment();
        self.permit = None;
    }
}
