//! openraft's state machine: committed entries go to the databases.
//!
//! The files are durable only up to a floor ([`Databases::flush`]), so that is what openraft is told was
//! applied at a start: it delivers again what came after, and each file recognises what it has. A
//! snapshot is the files themselves; for openraft it is only the floor, up to which the log may go. The
//! files are fetched before openraft is told of another node's snapshot ([`super::copies`]).

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::entry::EntryPayload;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot, SnapshotMeta};

use super::copies::Fetcher;
use super::message::OpenedCopy;
use super::rebuild::Rebuilder;
use super::types::{
    Elected, Proposal, RaftLogId, StoredMembership, Types, log_id, membership_text, raft_log_id,
    read_membership,
};
use crate::error::{Error, Result, state};
use crate::storage::{Databases, LogId};
use crate::telemetry;

type Meta = SnapshotMeta<Elected, u64, openraft::BasicNode>;
type FilesSnapshot = Snapshot<Elected, u64, openraft::BasicNode, ()>;

/// Memberships remembered for snapshots of before them.
const EARLIER_MAX: usize = 16;

/// The fact of this node that keeps the last membership, which the log may have lost to purging.
const MEMBERSHIP: &str = "membership";

/// The databases, for openraft.
#[derive(Clone)]
pub(super) struct StateMachine {
    pub(super) databases: Arc<Databases>,
    membership: StoredMembership,
    /// The last entry that openraft knows to be applied. Files that were taken over may have more.
    delivered: Arc<Mutex<Option<RaftLogId>>>,
    /// Those before it, the last one last.
    earlier: VecDeque<StoredMembership>,
    fetcher: Arc<Fetcher>,
    /// The files that were fetched for the snapshot that is installed next.
    fetched: Arc<Mutex<Option<OpenedCopy>>>,
    rebuilder: Arc<Rebuilder>,
}

fn io_error(error: Error) -> io::Error {
    telemetry::error!("the state of this node cannot go on: {error}");
    io::Error::other(error)
}

/// The membership that a node keeps, as it was last applied.
pub(super) fn kept_membership(databases: &Databases) -> Result<StoredMembership> {
    match databases.directory().fact(MEMBERSHIP)? {
        Some(text) => stored_membership(&text),
        None => Ok(StoredMembership::default()),
    }
}

/// Keeps a membership, durably.
pub(super) async fn keep_membership(databases: &Arc<Databases>, membership: &StoredMembership) -> Result<()> {
    let id = membership.log_id().as_ref().map(log_id).unwrap_or_default();
    let text = format!("{} {}\n{}", id.term, id.index, membership_text(membership.membership()));
    let databases = databases.clone();
    telemetry::run_blocking(move || databases.directory().keep_fact(MEMBERSHIP, &text)).await?
}

impl StateMachine {
    pub(super) fn open(
        databases: Arc<Databases>,
        fetcher: Arc<Fetcher>,
        rebuilder: Arc<Rebuilder>,
    ) -> Result<StateMachine> {
        let membership = kept_membership(&databases)?;
        let delivered = Arc::new(Mutex::new(databases.floor().map(raft_log_id)));
        Ok(StateMachine {
            databases,
            membership,
            delivered,
            earlier: VecDeque::new(),
            fetcher,
            fetched: Arc::default(),
            rebuilder,
        })
    }

    /// Files for the snapshot that is installed next.
    pub(super) fn put_fetched(&self, opened: OpenedCopy) {
        *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    }

    /// Applies an entry. A node whose files are not what the log was written from takes over another's.
    async fn apply_normal(&self, id: LogId, bytes: &[u8]) -> Result<()> {
        if self.rebuilder.take_wanted() {
            let cause = Error::new(state::DATA_CORRUPTED, "an operator has asked for it");
            self.rebuilder.run(&self.databases, &self.fetcher, id.index, &cause).await?;
        }
        loop {
            match self.databases.apply(id, bytes).await {
                Err(error) if self.rebuilder.can_help(&error) => {
                    self.rebuilder.run(&self.databases, &self.fetcher, id.index, &error).await?;
                }
                outcome => return outcome,
            }
        }
    }

    /// The membership as it was at an entry, as far as that is known: a snapshot must not know of later ones.
    fn membership_at(&self, floor: RaftLogId) -> Option<StoredMembership> {
        let known = std::iter::once(&self.membership).chain(self.earlier.iter().rev());
        known.into_iter().find(|membership| *membership.log_id() <= Some(floor)).cloned()
    }

    fn floor(&self) -> Option<RaftLogId> {
        self.databases.floor().map(raft_log_id)
    }

    fn deliver(&self, id: Option<RaftLogId>) {
        *self.delivered.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }

    /// What a snapshot at a floor is called: never later than what openraft knows to be applied, or it would purge what
    /// it has not delivered yet.
    fn known(&self, floor: RaftLogId) -> RaftLogId {
        let delivered = *self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        floor.min(delivered.unwrap_or_else(|| raft_log_id(LogId::default())))
    }

    async fn keep_membership(&mut self, membership: StoredMembership) -> Result<()> {
        keep_membership(&self.databases, &membership).await?;
        let before = std::mem::replace(&mut self.membership, membership);
        self.earlier.push_back(before);
        if self.earlier.len() > EARLIER_MAX {
            self.earlier.pop_front();
        }
        Ok(())
    }
}

/// Reads a kept membership: the place of its entry, then its text.
fn stored_membership(text: &str) -> Result<StoredMembership> {
    let (id, membership) = text.split_once('\n').unwrap_or((text, ""));
    let numbers: Vec<u64> = id.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [term, index] = numbers[..] else {
        return Err(Error::new(
            state::DATA_CORRUPTED,
            "the data directory's file node/membership is damaged",
        ));
    };
    Ok(StoredMembership::new(Some(raft_log_id(LogId { term, index })), read_membership(membership)?))
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
                EntryPayload::Blank => self.databases.apply_blank(id).await.map_err(io_error)?,
                EntryPayload::Normal(Proposal(bytes)) => {
                    self.apply_normal(id, &bytes).await.map_err(io_error)?
                }
                EntryPayload::Membership(membership) => {
                    let stored = StoredMembership::new(Some(entry.log_id), membership);
                    self.keep_membership(stored).await.map_err(io_error)?;
                    self.databases.apply_blank(id).await.map_err(io_error)?;
                }
            }
            self.deliver(Some(entry.log_id));
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> StateMachine {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &Meta, _: ()) -> io::Result<()> {
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(opened) = fetched else {
            return Err(io_error(Error::internal("a snapshot was installed without its files")));
        };
        self.fetcher.take_over(&opened).await.map_err(io_error)?;
        self.deliver(meta.last_log_id);
        self.keep_membership(meta.last_membership.clone()).await.map_err(io_error)
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<FilesSnapshot>> {
        let Some(floor) = self.floor() else { return Ok(None) };
        let mut floor = self.known(floor);
        if self.membership_at(floor).is_none() {
            floor = self.known(raft_log_id(self.databases.flush().await.map_err(io_error)?));
        }
        Ok(self.membership_at(floor).map(|membership| files_snapshot(floor, &membership)))
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
        let floor = self.known(raft_log_id(floor));
        let membership = self.membership_at(floor).unwrap_or_default();
        Ok(files_snapshot(floor, &membership))
    }
}
