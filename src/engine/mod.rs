//! Where and how fresh a statement runs: reads on a reader that has applied what they must see, writes
//! in a transaction on the writer, whose changes go through the log.
//!
//! - [`Connection`] is a session's way to one database; [`Connection::read`] gives a snapshot.
//! - [`Transaction`] is a write transaction: it holds the writer from its first statement to its end.
//! - `proposer` takes completed transactions to the log, several at a time, pipelined.
//! - [`Consensus`] is the log: [`Local`] (none, for tests of the layers above) or [`Replicated`].
//! - `modify` runs a plan that changes rows, `foreign_keys` keeps the references right,
//!   `violation` turns SQLite's refusal into PostgreSQL's error, `definition` runs DDL.

mod connection;
mod consensus;
mod copy;
mod databases;
mod definition;
mod foreign_keys;
mod modify;
mod proposer;
mod transaction;
mod violation;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use crate::cluster::{Decoder, Encoder, Stream, StreamReceiver, StreamSender, nonsense};
pub use crate::storage::{
    CancelToken, Cursor, Fill, Identity, MemoryRelations, OUTCOME_KEPT_US, Reader, Spool, TransactionId,
};
pub use connection::{Connection, Wanted};
pub use consensus::{Consensus, Freshness, Local, Outcome, Replicated};
pub use copy::CopyIn;
pub use modify::{Rows, Spooler};
pub use transaction::{Outcomes, Patience, Refusal, SequenceValues, Surroundings, Transaction};

use crate::error::{Error, Result};
use crate::sql::plan::{Binding, SqliteStatement};
use crate::storage::Databases;
use crate::types::{Datum, DatumRef, Oid};

/// All databases of this node and the log behind them.
pub struct Engine {
    databases: Arc<Databases>,
    consensus: Arc<dyn Consensus>,
    /// Connections open to each database.
    connections: Mutex<HashMap<Oid, usize>>,
}

impl Engine {
    /// An engine whose tasks are not started.
    pub fn new(databases: Arc<Databases>, consensus: Arc<dyn Consensus>) -> Arc<Engine> {
        Arc::new(Engine { databases, consensus, connections: Mutex::new(HashMap::new()) })
    }

    /// An engine on files of its own, without a log, for tests of the layers above.
    #[cfg(test)]
    pub(crate) fn without_log(path: &std::path::Path) -> Arc<Engine> {
        let directory = crate::storage::DataDirectory::open(path).expect("a directory for a test");
        let databases =
            Databases::open(directory, Arc::new(crate::telemetry::SystemRandom)).expect("new files");
        let databases = Arc::new(databases);
        Engine::new(databases.clone(), Arc::new(Local::new(databases)))
    }

    /// Runs for the engine's life: takes transactions to the log, and commits applied ones to the files.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(proposer::run(&self.databases, &*self.consensus), self.databases.settle_in_background());
    }

    /// Connects to a database. 3D000 if there is none with the name.
    pub async fn connect(self: &Arc<Self>, name: &str) -> Result<Connection> {
        let database = match self.databases.get(name) {
            Ok(database) => database,
            // It may have been created a moment ago, through another node.
            Err(_) => {
                let index =
                    self.consensus.read_index(Freshness::Linearizable).await.map_err(Error::into_fatal)?;
                self.consensus.wait_applied(index).await?;
                self.databases.get(name)?
            }
        };
        self.count(database.oid(), 1);
        Ok(Connection::new(self.clone(), database, name.to_owned()))
    }

    /// The databases: oid and name.
    pub fn database_names(&self) -> Vec<(Oid, String)> {
        let names = self.databases.names().borrow().clone();
        names.iter().map(|(name, database)| (database.oid(), name.clone())).collect()
    }

    /// The last entry applied here.
    pub fn applied_index(&self) -> u64 {
        self.databases.applied().borrow().index
    }

    fn count(&self, database: Oid, difference: isize) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let count = connections.entry(database).or_default();
        *count = count.saturating_add_signed(difference);
        if *count == 0 {
            connections.remove(&database);
        }
    }

    fn connection_count(&self, database: Oid) -> usize {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.get(&database).copied().unwrap_or(0)
    }
}

/// The values of a statement's parameters, in SQLite's order.
fn values<'a>(
    statement: &'a SqliteStatement,
    parameters: &'a [Datum],
    source: &'a [Datum],
) -> Vec<DatumRef<'a>> {
    let value = |binding: &'a Binding| match binding {
        Binding::Parameter(place) => parameters[*place].as_ref(),
        Binding::Constant(value) => value.as_ref(),
        Binding::Source(place) => source[*place].as_ref(),
    };
    statement.bindings.iter().map(value).collect()
}
