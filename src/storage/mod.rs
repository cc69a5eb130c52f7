//! The only SQLite: every database's file with its writer and readers, the changes captured from the
//! writer, their application on other nodes, and the raft log's file.
//!
//! Invariants of this subsystem:
//!
//! 1. A file's applied index and identity are in the same SQLite transaction as the changes they
//!    stand for ([`meta`]).
//! 2. Nothing is committed to a file before the log says that the quorum has it ([`database`]).
//! 3. An applied change hits exactly the row it was captured from; anything else stops the node
//!    ([`apply`]).
//! 4. Every connection is shut: no ATTACH, no PRAGMA, no schema change but through the calls here
//!    ([`guard`]).
//! 5. A SQLite function's panic or error never crosses into SQLite as anything but an error.

mod aggregates;
mod apply;
mod capture;
mod change;
mod checkpoint;
mod copies;
mod database;
mod databases;
mod digest;
mod directory;
mod entry;
mod execution;
mod failure;
mod functions;
mod guard;
mod identity;
mod log;
mod meta;
mod outcome;
mod pipeline;
mod reader;
#[cfg(test)]
mod script_tests;
mod sequences;
mod spool;
mod sqlite;
mod tables;
mod values;
mod writer;

pub use change::{Change, ChangeList, Mark};
pub use copies::{CopiedFile, CopiedFiles, copied_file_name};
pub use database::{Applied, Database, WritePermit};
pub use databases::{Databases, FIRST_DATABASE, Names};
pub use digest::{Digest, TableDigest, compare};
pub use directory::DataDirectory;
pub use entry::{encode, encode_digest};
pub use execution::{CancelToken, Execution, MemoryRelations};
pub use failure::{Failure, Violation, ViolationKind};
pub use identity::{Identity, TransactionId};
pub use log::{Log, LogFile, LogId, LogPayload, LogState, OnFlushed, StoredVote};
pub use outcome::OUTCOME_KEPT_US;
pub use pipeline::{Batch, CommitOutcome, Sealed};
pub use reader::{Cursor, Fill, Reader};
#[cfg(test)]
pub(crate) use script_tests::test_execution;
pub use sequences::Sequences;
pub use spool::{SpillDirectory, Spool};
pub use writer::{Changed, Statement, Writer};

/// The format of data directories and files that this program writes.
pub const FORMAT_VERSION: u32 = 4;
