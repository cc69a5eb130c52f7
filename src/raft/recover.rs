//! Making a stopped node the only voter, when the others are lost for good.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use openraft::BasicNode;

use super::log_store::{READ_ENTRIES, flushed};
use super::state_machine::{keep_membership, kept_membership};
use super::types::{Membership, StoredMembership, raft_log_id};
use crate::error::{Error, Result, state};
use crate::storage::{Databases, Log, LogId, LogPayload};

/// Applies all of a node's log, whether it is known to be committed or not, since nobody is left to ask.
/// Then the node is the only voter, and its log is empty after the last entry: whoever joins takes its
/// files over. Gives that entry.
pub async fn recover(log: &dyn Log, databases: &Arc<Databases>, node: u64) -> Result<u64> {
    apply_all(log, databases).await?;
    let floor = databases.flush().await?;
    let before = kept_membership(databases)?;
    let known = before.membership().get_node(&node).cloned().unwrap_or_else(|| BasicNode::new("unknown:0"));
    let alone = Membership::new(vec![BTreeSet::from([node])], BTreeMap::from([(node, known)]))
        .map_err(|error| Error::internal(format!("the membership is impossible: {error}")))?;
    keep_membership(databases, &StoredMembership::new(Some(raft_log_id(floor)), alone)).await?;
    flushed(|done| log.purge(floor, done)).await.map_err(|error| failed(&error))?;
    Ok(floor.index)
}

fn failed(error: &io::Error) -> Error {
    Error::new(state::IO_ERROR, format!("the log cannot be used: {error}"))
}

async fn apply_all(log: &dyn Log, databases: &Databases) -> Result<()> {
    let state = log.state();
    let Some(LogId { index: last, .. }) = state.last else { return Ok(()) };
    let mut next = databases.floor().map_or(0, |floor| floor.index + 1);
    next = next.max(state.purged.map_or(0, |id| id.index + 1));
    while next <= last {
        let read = log.read(next, (last + 1).min(next + READ_ENTRIES)).map_err(|error| failed(&error))?;
        if read.is_empty() {
            break;
        }
        for (id, payload) in read {
            next = id.index + 1;
            match payload {
                LogPayload::Normal(bytes) => databases.apply(id, &bytes).await?,
                LogPayload::Blank | LogPayload::Membership(_) => databases.apply_blank(id).await?,
            }
        }
    }
    Ok(())
}
