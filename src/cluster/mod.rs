//! How nodes come to be a group. For now a group of one: the first start founds it, later starts take it
//! up again.

use std::sync::Arc;

use crate::error::Result;
use crate::raft::RaftNode;
use crate::telemetry;

/// This node's part in its group.
pub struct Cluster {
    node: Arc<RaftNode>,
}

impl Cluster {
    /// Founds the group if this node has none yet, and waits until the node can serve.
    pub async fn join(node: Arc<RaftNode>, own: (u64, String)) -> Result<Cluster> {
        if !node.is_initialised().await? {
            telemetry::info!("founding a group of one node");
            node.initialise(&[own]).await?;
        }
        node.wait_until_ready().await?;
        Ok(Cluster { node })
    }

    /// The node.
    pub fn node(&self) -> &Arc<RaftNode> {
        &self.node
    }
}
