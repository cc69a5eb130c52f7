//! Readers: connections that see one committed state of a file, and the pool they come from.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::execution::{Execution, enter};
use super::failure::Failure;
use super::identity::{Identity, TransactionId};
use super::meta::{self, Meta};
use super::outcome;
use super::sqlite::{Access, Connection, Statement};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::types::{Datum, DatumRef, RowSink};

/// Connections kept open for the next readers; more are opened when needed and closed after use.
const IDLE_MAX: usize = 16;

/// Columns of a row that need no allocation.
const INLINE_COLUMNS: usize = 32;

/// Idle connections to one file.
pub(super) struct ReaderPool {
    path: PathBuf,
    /// The catalog of the committed state. DDL is committed under its write lock, so that a reader's
    /// catalog belongs to its snapshot.
    catalog: Arc<RwLock<Arc<Catalog>>>,
    idle: Mutex<Vec<Connection>>,
}

impl ReaderPool {
    pub(super) fn new(path: PathBuf, catalog: Arc<RwLock<Arc<Catalog>>>) -> Arc<ReaderPool> {
        Arc::new(ReaderPool { path, catalog, idle: Mutex::new(Vec::new()) })
    }

    /// A reader of the state that is committed now.
    pub(super) fn open(self: &Arc<Self>) -> Result<Reader> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.path, Access::Reader)?,
        };
        let catalog = self.catalog.read().unwrap_or_else(PoisonError::into_inner);
        connection.run(&"BEGIN".into(), &[]).map_err(Failure::into_error)?;
        let state = meta::read(&mut connection)?;
        let catalog = catalog.clone();
        Ok(Reader {
            pool: self.clone(),
            catalog,
            state,
            cursors: BTreeMap::new(),
            connection: Some(connection),
            next: 0,
        })
    }

    /// The version of the catalog that readers see now.
    pub(super) fn catalog_version(&self) -> u64 {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).version
    }

    fn put_back(&self, mut connection: Connection) {
        if connection.run(&"COMMIT".into(), &[]).is_err() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    /// Closes the idle connections.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Names a running query of a reader.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cursor(u64);

/// Why a query stopped giving rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// There are no more.
    Done,
    /// The sink wants no more for now.
    Paused,
}

/// A snapshot of a file, on a connection of its own until it is dropped.
pub struct Reader {
    pool: Arc<ReaderPool>,
    catalog: Arc<Catalog>,
    state: Meta,
    /// Before the connection, so that statements are finalized first.
    cursors: BTreeMap<Cursor, Statement>,
    connection: Option<Connection>,
    next: u64,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        for (_, statement) in std::mem::take(&mut self.cursors) {
            connection.put_back(statement);
        }
        self.pool.put_back(connection);
    }
}

impl Reader {
    /// The catalog of the snapshot.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The last log entry that is in the snapshot.
    pub fn index(&self) -> u64 {
        self.state.applied.index
    }

    /// The last transaction that is in the snapshot.
    pub fn identity(&self) -> Identity {
        self.state.identity
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a reader has its connection until it is dropped")
    }

    /// Starts a query.
    pub fn open(&mut self, sql: &Arc<str>, parameters: &[DatumRef<'_>]) -> Result<Cursor> {
        let mut statement = self.connection().take(sql).map_err(Failure::into_error)?;
        if let Err(failure) = statement.bind_all(parameters) {
            self.connection().put_back(statement);
            return Err(failure.into_error());
        }
        let cursor = Cursor(self.next);
        self.next += 1;
        self.cursors.insert(cursor, statement);
        Ok(cursor)
    }

    /// Whether a transaction with an id is in the snapshot.
    pub fn has_committed(&mut self, id: TransactionId) -> Result<bool> {
        outcome::is_noted(self.connection(), id)
    }

    /// All rows of a query of this module's own.
    pub(super) fn query(&mut self, sql: &str) -> Result<Vec<Vec<Datum>>> {
        self.connection().query(sql, &[]).map_err(Failure::into_error)
    }

    /// Gives all rows of a query of this module's own to a sink.
    pub(super) fn feed(&mut self, sql: &str, sink: &mut dyn RowSink) -> Result<()> {
        let connection = self.connection();
        let mut statement = connection.take(&sql.into()).map_err(Failure::into_error)?;
        let outcome = pump(connection, &mut statement, sink);
        connection.put_back(statement);
        outcome.map(|_| ()).map_err(Failure::into_error)
    }

    /// All rows of a query, for tests.
    #[cfg(test)]
    pub fn all(&mut self, sql: &str) -> Result<Vec<Vec<Datum>>> {
        self.query(sql)
    }

    /// Gives rows to a sink until it wants no more or there are none.
    pub fn fill(
        &mut self,
        cursor: Cursor,
        execution: &Execution<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<Fill> {
        let (Some(connection), Some(statement)) = (&self.connection, self.cursors.get_mut(&cursor)) else {
            return Ok(Fill::Done);
        };
        let outcome = enter(execution, || pump(connection, statement, sink));
        if !matches!(outcome, Ok(Fill::Paused)) {
            self.close(cursor);
        }
        outcome.map_err(Failure::into_error)
    }

    /// Ends a query.
    pub fn close(&mut self, cursor: Cursor) {
        if let Some(statement) = self.cursors.remove(&cursor) {
            self.connection().put_back(statement);
        }
    }
}

/// Steps a statement and gives its rows to a sink.
pub(super) fn pump(
    connection: &Connection,
    statement: &mut Statement,
    sink: &mut dyn RowSink,
) -> Result<Fill, Failure> {
    let count = statement.column_count();
    while connection.step(statement)? {
        let flow = if count <= INLINE_COLUMNS {
            let mut row = [DatumRef::Null; INLINE_COLUMNS];
            for (column, value) in row.iter_mut().enumerate().take(count) {
                *value = statement.column(column);
            }
            sink.row(&row[..count])
        } else {
            let row: Vec<DatumRef<'_>> = (0..count).map(|column| statement.column(column)).collect();
            sink.row(&row)
        };
        if let ControlFlow::Break(()) = flow {
            return Ok(Fill::Paused);
        }
    }
    Ok(Fill::Done)
}
