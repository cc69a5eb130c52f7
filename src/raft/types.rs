//! What openraft is told about our entries and nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openraft::entry::EntryPayload;
use openraft::impls::leader_id_std::LeaderId;
use openraft::impls::{BasicNode, Entry, LogId, Vote};
use openraft::vote::{RaftLeaderId, RaftVote};

use crate::bail;
use crate::error::{Error, Result, state};
use crate::storage;

/// An entry's bytes, which only storage reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Proposal(pub(super) Arc<[u8]>);

impl std::fmt::Display for Proposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

openraft::declare_raft_types!(
    /// Our choices among openraft's types.
    pub(super) Types:
        D = Proposal,
        R = (),
        NodeId = u64,
        Node = BasicNode,
        // At most one leader a term, as everybody here takes for granted.
        LeaderId = LeaderId<u64, u64>,
        AsyncRuntime = super::runtime::Runtime,
);

pub(super) type Leader = LeaderId<u64, u64>;
/// A leader whom a quorum has voted for.
pub(super) type Elected = <Leader as RaftLeaderId>::Committed;
pub(super) type RaftLogId = LogId<Elected>;
pub(super) type RaftEntry = Entry<Elected, EntryPayload<Proposal, u64, BasicNode>>;
pub(super) type RaftVoteOf = Vote<Leader>;
pub(super) type Membership = openraft::Membership<u64, BasicNode>;
pub(super) type StoredMembership = openraft::StoredMembership<Elected, u64, BasicNode>;

/// Our log id as openraft's.
pub(super) fn raft_log_id(log_id: storage::LogId) -> RaftLogId {
    LogId::new(log_id.term.into(), log_id.index)
}

/// openraft's log id as ours.
pub(super) fn log_id(log_id: &RaftLogId) -> storage::LogId {
    storage::LogId { term: **log_id.committed_leader_id(), index: log_id.index() }
}

/// Our stored vote as openraft's.
pub(super) fn raft_vote(vote: storage::StoredVote) -> RaftVoteOf {
    let leader = LeaderId { term: vote.term, voted_for: vote.node.unwrap_or_default() };
    Vote::from_leader_id(leader, vote.committed)
}

/// openraft's vote as ours.
pub(super) fn vote(vote: &RaftVoteOf) -> storage::StoredVote {
    let leader = vote.leader_id();
    storage::StoredVote { term: leader.term, node: Some(leader.voted_for), committed: vote.is_committed() }
}

/// An entry as the log keeps it.
pub(super) fn stored_entry(entry: RaftEntry) -> (storage::LogId, storage::LogPayload) {
    let payload = match entry.payload {
        EntryPayload::Blank => storage::LogPayload::Blank,
        EntryPayload::Normal(Proposal(bytes)) => storage::LogPayload::Normal(bytes),
        EntryPayload::Membership(membership) => {
            storage::LogPayload::Membership(membership_text(&membership).into_bytes().into())
        }
    };
    (log_id(&entry.log_id), payload)
}

/// An entry of the log as openraft wants it. XX001 for a membership that cannot be read.
pub(super) fn raft_entry((id, payload): (storage::LogId, storage::LogPayload)) -> Result<RaftEntry> {
    let payload = match payload {
        storage::LogPayload::Blank => EntryPayload::Blank,
        storage::LogPayload::Normal(bytes) => EntryPayload::Normal(Proposal(bytes)),
        storage::LogPayload::Membership(bytes) => {
            EntryPayload::Membership(read_membership(&String::from_utf8_lossy(&bytes))?)
        }
    };
    Ok(Entry { log_id: raft_log_id(id), payload })
}

/// A membership as text, format 1: a line for each configuration with the voters' numbers, then a line
/// for each node with its address.
pub(super) fn membership_text(membership: &Membership) -> String {
    let mut text = "membership 1\n".to_owned();
    for config in membership.get_joint_config() {
        let ids: Vec<String> = config.iter().map(u64::to_string).collect();
        text.push_str(&format!("voters {}\n", ids.join(" ")));
    }
    for (id, node) in membership.nodes() {
        text.push_str(&format!("node {id} {}\n", node.addr));
    }
    text
}

/// Reads what [`membership_text`] wrote.
pub(super) fn read_membership(text: &str) -> Result<Membership> {
    let damaged = || Error::new(state::DATA_CORRUPTED, "a stored membership is damaged");
    let mut lines = text.lines();
    if lines.next() != Some("membership 1") {
        bail!(DATA_CORRUPTED, "a stored membership has an unknown format");
    }
    let (mut configs, mut nodes) = (Vec::new(), BTreeMap::new());
    for line in lines {
        let mut words = line.split(' ');
        match words.next() {
            Some("voters") => {
                let ids = words.filter(|word| !word.is_empty()).map(str::parse::<u64>);
                configs.push(ids.collect::<Result<BTreeSet<u64>, _>>().map_err(|_| damaged())?);
            }
            Some("node") => {
                let (Some(Ok(id)), Some(address)) = (words.next().map(str::parse), words.next()) else {
                    return Err(damaged());
                };
                nodes.insert(id, BasicNode::new(address));
            }
            _ => return Err(damaged()),
        }
    }
    if configs.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, nodes).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_come_back() {
        let configs = vec![BTreeSet::from([1, 2]), BTreeSet::from([2, 3])];
        let nodes: BTreeMap<u64, BasicNode> =
            [1, 2, 3, 4].map(|id| (id, BasicNode::new(format!("127.0.0.1:{id}")))).into();
        let membership = Membership::new(configs, nodes).unwrap();
        assert_eq!(read_membership(&membership_text(&membership)).unwrap(), membership);
        assert!(read_membership("membership 2\n").is_err());
        assert!(read_membership("membership 1\nnode x\n").is_err());
    }
}
