//! Consensus: openraft's traits over our log, storage and transport. It reads no SQL.
//!
//! - [`types`]: what openraft is told about our entries and nodes, and their bytes.
//! - [`log_store`]: openraft's log over [`crate::storage::Log`].
//! - [`state_machine`]: committed entries go to [`crate::storage::Databases`].
//! - [`network`]: openraft's messages over [`crate::transport`]; [`answers`]: the other side.
//! - [`copies`]: files for nodes that need more than the log has; [`rebuild`]: for those whose own are wrong.
//! - [`runtime`]: tokio, as openraft sees it, with random numbers that a simulation replaces.
//! - [`recover`]: a node alone, when the others are lost for good.
//! - [`freshness`]: how old this node's data may be.
//! - [`node`]: the node as the layers above see it.

mod answers;
mod copies;
mod freshness;
mod log_store;
mod message;
mod network;
mod node;
#[cfg(test)]
mod node_tests;
mod rebuild;
mod recover;
mod runtime;
mod state_machine;
mod types;

pub use copies::Progress;
pub use node::{Fate, Member, Options, RaftNode, Status};
pub use recover::recover;
pub use runtime::draw_from;
