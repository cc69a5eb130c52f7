//! openraft's log over the log's file.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use tokio::sync::oneshot;

use super::types::{
    RaftEntry, RaftLogId, RaftVoteOf, Types, log_id, raft_entry, raft_log_id, raft_vote, stored_entry, vote,
};
use crate::storage::{Log, LogPayload, OnFlushed};

/// Bytes of entries read at once for a follower or for applying; at least one entry is.
const READ_BYTES_MAX: usize = 8 << 20;
/// Entries read from the file before their bytes are counted.
pub(super) const READ_ENTRIES: u64 = 64;

/// The log, for openraft to write and read.
#[derive(Clone)]
pub(super) struct LogStore(pub(super) Arc<dyn Log>);

/// Runs a call that ends with a flush, and waits for that.
pub(super) async fn flushed(call: impl FnOnce(OnFlushed) -> io::Result<()>) -> io::Result<()> {
    let (sender, receiver) = oneshot::channel();
    call(OnFlushed::new(move |outcome| {
        let _ = sender.send(outcome);
    }))?;
    receiver.await.map_err(|_| io::Error::other("the log's writer has stopped"))?
}

fn payload_bytes(payload: &LogPayload) -> usize {
    match payload {
        LogPayload::Blank => 0,
        LogPayload::Normal(bytes) | LogPayload::Membership(bytes) => bytes.len(),
    }
}

impl LogStore {
    /// Entries from `start` to before `end`, ended early when they are many bytes.
    fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<RaftEntry>> {
        let (mut entries, mut bytes, mut next) = (Vec::new(), 0, start);
        while next < end && bytes < bytes_max {
            let read = self.0.read(next, end.min(next + READ_ENTRIES))?;
            if read.is_empty() {
                break;
            }
            for (id, payload) in read {
                bytes += payload_bytes(&payload);
                next = id.index + 1;
                entries.push(raft_entry((id, payload)).map_err(io::Error::other)?);
                if bytes >= bytes_max {
                    break;
                }
            }
        }
        Ok(entries)
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<RaftEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.read(start, end, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<RaftEntry>> {
        self.read(start, end, READ_BYTES_MAX)
    }

    async fn read_vote(&mut self) -> io::Result<Option<RaftVoteOf>> {
        Ok(self.0.state().vote.map(raft_vote))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let state = self.0.state();
        Ok(LogState {
            last_purged_log_id: state.purged.map(raft_log_id),
            last_log_id: state.last.or(state.purged).map(raft_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, new: &RaftVoteOf) -> io::Result<()> {
        let stored = vote(new);
        flushed(|done| self.0.save_vote(stored, done)).await
    }

    async fn save_committed(&mut self, committed: Option<RaftLogId>) -> io::Result<()> {
        match committed {
            Some(committed) => self.0.save_committed(log_id(&committed)),
            None => Ok(()),
        }
    }

    async fn read_committed(&mut self) -> io::Result<Option<RaftLogId>> {
        Ok(self.0.state().committed.map(raft_log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let done = OnFlushed::new(move |outcome| callback.io_completed(outcome));
        self.0.append(entries.into_iter().map(stored_entry).collect(), done)
    }

    async fn truncate_after(&mut self, last: Option<RaftLogId>) -> io::Result<()> {
        let from = last.map_or(0, |last| last.index() + 1);
        flushed(|done| self.0.truncate(from, done)).await
    }

    async fn purge(&mut self, upto: RaftLogId) -> io::Result<()> {
        flushed(|done| self.0.purge(log_id(&upto), done)).await
    }
}
