//! The log as this layer sees it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::cluster::{Cluster, Stream};
use crate::error::{Error, Result};
use crate::raft::{Fate, RaftNode};
use crate::storage::{Databases, LogId};

/// Ends when it is decided what became of an entry, as far as this node can tell.
pub type Outcome = Pin<Box<dyn Future<Output = Fate> + Send>>;

/// How fresh a read must be: design.md §4, and the setting quorate.read_consistency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// Everything that was committed when it was asked for; the quorum says so.
    Linearizable,
    /// The same, through an entry of the log.
    Strong,
    /// Everything that the node that believes to lead has committed.
    Weak,
    /// What is here.
    None,
}

/// Decides what is committed.
#[async_trait]
pub trait Consensus: Send + Sync {
    /// The term in which this node may propose; `None` if another node leads.
    fn leading_term(&self) -> Option<u64>;

    /// Waits until this node leads with everything applied that was committed before its term. 40001 if
    /// another node leads.
    async fn wait_to_lead(&self) -> Result<u64>;

    /// Makes sure that this node has led since the start of a term. 40001 if not.
    async fn confirm(&self, term: u64) -> Result<()>;

    /// Gives an entry its place among this node's proposals of a term.
    async fn propose(&self, entry: Vec<u8>, term: u64) -> Result<Outcome>;

    /// The entry that a read must have applied.
    async fn read_index(&self, freshness: Freshness) -> Result<u64>;

    /// Waits until an entry is applied here.
    async fn wait_applied(&self, index: u64) -> Result<()>;

    /// Why nothing will ever be decided here any more, if that is so.
    fn failure(&self) -> Option<Error>;

    /// Whether this node only follows and never votes.
    fn is_learner(&self) -> bool;

    /// How old what is here may be; `None` if that is not known.
    fn age(&self) -> Option<std::time::Duration>;

    /// Opens a stream to the leader. 40001 if there is none.
    async fn open_to_leader(&self, first: Vec<u8>) -> Result<Stream>;
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
    fn leading_term(&self) -> Option<u64> {
        Some(1)
    }

    async fn wait_to_lead(&self) -> Result<u64> {
        Ok(1)
    }

    async fn confirm(&self, _: u64) -> Result<()> {
        Ok(())
    }

    async fn propose(&self, entry: Vec<u8>, term: u64) -> Result<Outcome> {
        let mut next = self.next.lock().await;
        let log_id = LogId { term, index: *next };
        *next += 1;
        self.databases.apply(log_id, &entry).await?;
        Ok(Box::pin(async move { Fate::Applied(log_id) }))
    }

    async fn read_index(&self, _: Freshness) -> Result<u64> {
        Ok(self.databases.applied().borrow().index)
    }

    async fn wait_applied(&self, _: u64) -> Result<()> {
        Ok(())
    }

    fn failure(&self) -> Option<Error> {
        None
    }

    fn is_learner(&self) -> bool {
        false
    }

    fn age(&self) -> Option<std::time::Duration> {
        Some(std::time::Duration::ZERO)
    }

    async fn open_to_leader(&self, _: Vec<u8>) -> Result<Stream> {
        Err(Error::internal("there is no other node"))
    }
}

/// Raft.
pub struct Replicated {
    node: Arc<RaftNode>,
    cluster: Arc<Cluster>,
}

impl Replicated {
    /// This node in its cluster.
    pub fn new(node: Arc<RaftNode>, cluster: Arc<Cluster>) -> Replicated {
        Replicated { node, cluster }
    }
}

#[async_trait]
impl Consensus for Replicated {
    fn leading_term(&self) -> Option<u64> {
        self.node.leading_term()
    }

    async fn wait_to_lead(&self) -> Result<u64> {
        self.node.wait_to_lead().await
    }

    async fn confirm(&self, term: u64) -> Result<()> {
        self.node.confirm(term).await
    }

    async fn propose(&self, entry: Vec<u8>, term: u64) -> Result<Outcome> {
        Ok(Box::pin(self.node.propose(entry, term).await?))
    }

    async fn read_index(&self, freshness: Freshness) -> Result<u64> {
        match freshness {
            Freshness::Linearizable => self.cluster.read_index().await,
            Freshness::Strong => self.cluster.logged_index().await,
            Freshness::Weak => self.cluster.leaders_index().await,
            Freshness::None => Ok(0),
        }
    }

    async fn wait_applied(&self, index: u64) -> Result<()> {
        self.node.wait_applied(index).await
    }

    fn failure(&self) -> Option<Error> {
        self.node.failure()
    }

    fn is_learner(&self) -> bool {
        self.node.is_learner()
    }

    fn age(&self) -> Option<std::time::Duration> {
        self.node.age()
    }

    async fn open_to_leader(&self, first: Vec<u8>) -> Result<Stream> {
        self.cluster.open_to_leader(first).await
    }
}
