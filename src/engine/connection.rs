//! A session's way to one database.

use std::sync::Arc;

use super::transaction::{Patience, Transaction};
use super::{Engine, values};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::sql::plan::SqliteStatement;
use crate::storage::{Cursor, Database, Identity, Reader, Spool};
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

    /// A snapshot of everything that is committed.
    pub async fn read(&self) -> Result<Reader> {
        let index = self.engine.consensus.read_index().await?;
        let applied = self.engine.databases.applied().borrow().index;
        if applied < index {
            self.engine.consensus.wait_applied(index).await?;
        }
        self.database.reader().await
    }

    /// What exists, as committed.
    pub async fn catalog(&self) -> Result<Arc<Catalog>> {
        Ok(self.read().await?.catalog().clone())
    }

    /// The version of the catalog, as far as it is known without asking anyone: good enough to take a plan
    /// whose version is checked again when it runs.
    pub fn likely_catalog_version(&self) -> u64 {
        self.database.catalog_version()
    }

    /// Starts a write transaction, when those before it in the queue have ended. With a snapshot, 40001
    /// if anything was committed since.
    pub async fn begin(&self, patience: &Patience<'_>, snapshot: Option<Identity>) -> Result<Transaction> {
        Transaction::begin(&self.database, patience, snapshot).await
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
