//! Consensus: openraft's traits over our log, storage and transport. It reads no SQL.
//!
//! - [`types`]: what openraft is told about our entries and nodes, and their bytes.
//! - [`log_store`]: openraft's log over [`crate::storage::LogFile`].
//! - [`state_machine`]: committed entries go to [`crate::storage::Databases`].
//! - [`network`]: openraft's messages over [`crate::transport`].
//! - [`node`]: the node as the layers above see it.

mod log_store;
mod message;
mod network;
mod node;
#[cfg(test)]
mod node_tests;
mod state_machine;
mod types;

pub use node::{Options, Proposed, RaftNode, Status};
