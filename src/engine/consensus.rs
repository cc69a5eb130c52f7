//! The log as this layer sees it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::error::Result;
use crate::raft::RaftNode;
use crate::storage::{Databases, LogId};

/// Ends when an entry is applied, or with 08007.
pub type Outcome = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Decides what is committed.
#[async_trait]
pub trait Consensus: Send + Sync {
    /// Gives an entry its place among this node's proposals.
    async fn propose(&self, entry: Vec<u8>) -> Result<Outcome>;

    /// The entry that a linearizable read must have applied.
    async fn read_index(&self) -> Result<u64>;

    /// Waits until an entry is applied here.
    async fn wait_applied(&self, index: u64) -> Result<()>;
}

/// No log: what is proposed is applied at once. For tests of the layers above.
pub struct Local {
    databases: Arc<Databases>,
    next: Mutex<u64>,
}

impl Local {
    /// Applies to these files.
    pub fn new(databases: Arc<Databases>) -> Local {
        let next = Mutex::new(databases.applied().borrow().index + 1);
        Local { databases, next }
    }
}

#[async_trait]
impl Consensus for Local {
    async fn propose(&self, entry: Vec<u8>) -> Result<Outcome> {
        let mut next = self.next.lock().await;
        let log_id = LogId { term: 1, node: 1, index: *next };
        *next += 1;
        self.databases.apply(log_id, &entry).await?;
        Ok(Box::pin(async { Ok(()) }))
    }

    async fn read_index(&self) -> Result<u64> {
        Ok(self.databases.applied().borrow().index)
    }

    async fn wait_applied(&self, _: u64) -> Result<()> {
        Ok(())
    }
}

/// Raft.
pub struct Replicated(pub Arc<RaftNode>);

#[async_trait]
impl Consensus for Replicated {
    async fn propose(&self, entry: Vec<u8>) -> Result<Outcome> {
        let proposed = self.0.propose(entry).await?;
        Ok(Box::pin(async move { proposed.await.map(|_| ()) }))
    }

    async fn read_index(&self) -> Result<u64> {
        self.0.read_index().await
    }

    async fn wait_applied(&self, index: u64) -> Result<()> {
        self.0.wait_applied(index).await
    }
}
