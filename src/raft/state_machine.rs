//! openraft's state machine: committed entries go to the databases.
//!
//! The files are durable only up to a floor ([`Databases::flush`]), so that is what openraft is told was
//! applied at a start: it delivers again what came after, and each file recognises what it has. A
//! snapshot is the files themselves; for openraft it is only the floor, up to which the log may go.

use std::io;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::entry::EntryPayload;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot, SnapshotMeta};

use super::types::{
    Leader, Proposal, RaftLogId, StoredMembership, Types, log_id, membership_text, raft_log_id,
    read_membership,
};
use crate::error::{Error, Result};
use crate::storage::{Databases, LogId};
use crate::telemetry;

type Meta = SnapshotMeta<Leader, u64, openraft::BasicNode>;
type FilesSnapshot = Snapshot<Leader, u64, openraft::BasicNode, ()>;

/// The fact of this node that keeps the last membership, which the log may have lost to purging.
const MEMBERSHIP: &str = "membership";

/// The databases, for openraft.
#[derive(Clone)]
pub(super) struct StateMachine {
    databases: Arc<Databases>,
    membership: StoredMembership,
}

fn io_error(error: Error) -> io::Error {
    telemetry::error!("the state of this node cannot go on: {error}");
    io::Error::other(error)
}

impl StateMachine {
    pub(super) fn open(databases: Arc<Databases>) -> Result<StateMachine> {
        let membership = match databases.directory().fact(MEMBERSHIP)? {
            Some(text) => stored_membership(&text)?,
            None => StoredMembership::default(),
        };
        Ok(StateMachine { databases, membership })
    }

    fn floor(&self) -> Option<RaftLogId> {
        self.databases.floor().map(raft_log_id)
    }

    async fn keep_membership(&mut self, membership: StoredMembership) -> Result<()> {
        let id = membership.log_id().as_ref().map(log_id).unwrap_or_default();
        let text =
            format!("{} {} {}\n{}", id.term, id.node, id.index, membership_text(membership.membership()));
        let databases = self.databases.clone();
        let kept =
            tokio::task::spawn_blocking(move || databases.directory().keep_fact(MEMBERSHIP, &text)).await;
        kept.map_err(|_| Error::internal("a write was stopped"))??;
        self.membership = membership;
        Ok(())
    }
}

/// Reads a kept membership: the place of its entry, then its text.
fn stored_membership(text: &str) -> Result<StoredMembership> {
    let (id, membership) = text.split_once('\n').unwrap_or((text, ""));
    let numbers: Vec<u64> = id.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [term, node, index] = numbers[..] else {
        return Err(Error::new(
            crate::error::state::DATA_CORRUPTED,
            "the data directory's file node/membership is damaged",
        ));
    };
    Ok(StoredMembership::new(Some(raft_log_id(LogId { term, node, index })), read_membership(membership)?))
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = ();
    type SnapshotBuilder = StateMachine;

    async fn applied_state(&mut self) -> io::Result<(Option<RaftLogId>, StoredMembership)> {
        Ok((self.floor(), self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        while let Some(entry) = entries.next().await {
            let (entry, responder) = entry?;
            let id = log_id(&entry.log_id);
            match entry.payload {
                EntryPayload::Blank => self.databases.advance(id),
                EntryPayload::Normal(Proposal(bytes)) => {
                    self.databases.apply(id, &bytes).await.map_err(io_error)?
                }
                EntryPayload::Membership(membership) => {
                    let stored = StoredMembership::new(Some(entry.log_id), membership);
                    self.keep_membership(stored).await.map_err(io_error)?;
                    self.databases.advance(id);
                }
            }
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> StateMachine {
        self.clone()
    }

    async fn install_snapshot(&mut self, _: &Meta, _: ()) -> io::Result<()> {
        Err(io_error(Error::unsupported("receiving another node's files")))
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<FilesSnapshot>> {
        Ok(self.floor().map(|floor| files_snapshot(floor, &self.membership)))
    }
}

fn files_snapshot(floor: RaftLogId, membership: &StoredMembership) -> FilesSnapshot {
    let meta = Meta { last_log_id: Some(floor), last_membership: membership.clone() };
    Snapshot { meta, snapshot: () }
}

impl RaftSnapshotBuilder<Types> for StateMachine {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> io::Result<FilesSnapshot> {
        let floor = self.databases.flush().await.map_err(io_error)?;
        Ok(files_snapshot(raft_log_id(floor), &self.membership))
    }
}
