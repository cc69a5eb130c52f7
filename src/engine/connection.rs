//! A session's way to one database.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::consensus::{Consensus, Freshness};
use super::transaction::{Patience, Transaction};
use super::{Engine, Stream, values};
use crate::catalog::Catalog;
use crate::error::{Error, Result, state};
use crate::sql::plan::SqliteStatement;
use crate::storage::{CancelToken, Cursor, Database, Identity, Reader, Spool};
use crate::types::{Datum, Oid};

/// A connection to a database. The database cannot be dropped while it lives.
pub struct Connection {
    engine: Arc<Engine>,
    database: Arc<Database>,
    name: String,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.engine.count(self.database.oid(), -1);
    }
}

impl Connection {
    pub(super) fn new(engine: Arc<Engine>, database: Arc<Database>, name: String) -> Connection {
        Connection { engine, database, name }
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The database's oid.
    pub fn oid(&self) -> Oid {
        self.database.oid()
    }

    /// An empty spool.
    pub fn spool(&self) -> Spool {
        self.database.spool()
    }

    /// A snapshot as fresh as it is asked for.
    pub async fn read(&self, wanted: &Wanted<'_>) -> Result<Reader> {
        let consensus = &self.engine.consensus;
        let index = wanted.patiently(consensus.read_index(wanted.freshness(&**consensus))).await?;
        let index = index.max(wanted.at_least);
        if self.engine.applied_index() < index {
            wanted.patiently(consensus.wait_applied(index)).await?;
        }
        self.database.reader().await
    }

    /// What exists, as committed.
    pub async fn catalog(&self, wanted: &Wanted<'_>) -> Result<Arc<Catalog>> {
        Ok(self.read(wanted).await?.catalog().clone())
    }

    /// What exists as far as this node knows, without asking anyone.
    pub async fn likely_catalog(&self) -> Result<Arc<Catalog>> {
        Ok(self.database.reader().await?.catalog().clone())
    }

    /// The version of the catalog, as far as it is known without asking anyone: good enough to take a plan
    /// whose version is checked again when it runs.
    pub fn likely_catalog_version(&self) -> u64 {
        self.database.catalog_version()
    }

    /// Whether write transactions run on this node.
    pub fn leads(&self) -> bool {
        self.engine.consensus.leading_term().is_some()
    }

    /// Starts a write transaction, when those before it in the queue have ended. With a snapshot, 40001
    /// if anything was committed since.
    pub async fn begin(&self, patience: &Patience<'_>, snapshot: Option<Identity>) -> Result<Transaction> {
        Transaction::begin(&self.database, self.engine.consensus.clone(), patience, snapshot).await
    }

    /// Opens a stream to the leader, where another session of this client's will be.
    pub async fn open_to_leader(&self, first: Vec<u8>) -> Result<Stream> {
        self.engine.consensus.open_to_leader(first).await
    }
}

/// How fresh a read must be, and how long it may wait for that.
pub struct Wanted<'a> {
    /// What the session's setting says; `None` for auto.
    pub freshness: Option<Freshness>,
    /// The entry that must be applied in any case.
    pub at_least: u64,
    /// How old the data may be at level none.
    pub max_staleness: Option<Duration>,
    /// The user's request to stop.
    pub cancel: &'a CancelToken,
    /// When statement_timeout strikes.
    pub deadline: Option<Instant>,
}

impl Wanted<'_> {
    fn freshness(&self, consensus: &dyn Consensus) -> Freshness {
        let auto = if consensus.is_learner() { Freshness::None } else { Freshness::Weak };
        let freshness = self.freshness.unwrap_or(auto);
        let is_too_old = |limit| consensus.age().is_none_or(|age| age > limit);
        match freshness {
            Freshness::None if self.max_staleness.is_some_and(is_too_old) => Freshness::Linearizable,
            freshness => freshness,
        }
    }

    /// Waits for something as long as the statement may.
    async fn patiently<T>(&self, wait: impl Future<Output = Result<T>>) -> Result<T> {
        let far = Duration::from_secs(86_400 * 365);
        let left = self.deadline.map_or(far, |deadline| deadline.saturating_duration_since(Instant::now()));
        tokio::select! {
            biased;
            outcome = wait => outcome,
            error = self.cancel.cancelled() => Err(error),
            () = tokio::time::sleep(left) => {
                Err(Error::new(state::QUERY_CANCELED, "canceling statement due to statement timeout"))
            }
        }
    }
}

/// Starts a query on a snapshot.
impl Reader {
    /// Starts a lowered query with the client's parameters.
    pub fn start(&mut self, statement: &SqliteStatement, parameters: &[Datum]) -> Result<Cursor> {
        self.open(&statement.sql, &values(statement, parameters, &[]))
    }

    /// How SQLite would run a lowered statement: (step, parent, what).
    pub fn explain(&mut self, statement: &SqliteStatement) -> Result<Cursor> {
        self.open(&format!("EXPLAIN QUERY PLAN {}", statement.sql).into(), &[])
    }
}
