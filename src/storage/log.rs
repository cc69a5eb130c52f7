//! The raft log's file. Nothing is acknowledged before the callback of its append says that it is
//! on stable storage.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use codeq::{Decode, Encode};
use raft_log::api::raft_log_writer::RaftLogWriter;
use raft_log::{Callback, Config, RaftLog, Types};

/// A chunk's size: purging frees whole chunks.
const CHUNK_BYTES: usize = 16 << 20;
/// Entries kept in memory, so that applying what was just appended does not read the file.
const CACHE_BYTES: usize = 32 << 20;
/// Entries that wait to be written; more than one large append makes the next one wait.
const QUEUE_BYTES: usize = 64 << 20;
/// How much is read at once when the log is opened.
const READ_BYTES: usize = 4 << 20;
/// The largest entry that is read back: more means damage.
const ENTRY_BYTES_MAX: u32 = 1 << 30;

/// The place of an entry in the log, and the leadership that wrote it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct LogId {
    /// The leader's term; each term has one leader at most.
    pub term: u64,
    /// The place, from 0.
    pub index: u64,
}

/// A vote as raft saves it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Default, Debug)]
pub struct StoredVote {
    /// The term.
    pub term: u64,
    /// The candidate, or `None`.
    pub node: Option<u64>,
    /// Whether a quorum granted it.
    pub committed: bool,
}

/// What an entry carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogPayload {
    /// Nothing: a new leader's first entry.
    Blank,
    /// Changes of files: `storage`'s bytes.
    Normal(Arc<[u8]>),
    /// The members: `raft`'s bytes.
    Membership(Arc<[u8]>),
}

/// What the log knows of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogState {
    /// The last vote.
    pub vote: Option<StoredVote>,
    /// The last entry.
    pub last: Option<LogId>,
    /// The last entry known to be committed; may lag.
    pub committed: Option<LogId>,
    /// The last entry that was purged.
    pub purged: Option<LogId>,
}

/// Told when what was appended is on stable storage, or why not.
pub struct OnFlushed(Box<dyn FnOnce(io::Result<()>) + Send>);

impl OnFlushed {
    /// Calls `notify` once.
    pub fn new(notify: impl FnOnce(io::Result<()>) + Send + 'static) -> OnFlushed {
        OnFlushed(Box::new(notify))
    }

    /// Tells.
    pub fn tell(self, outcome: io::Result<()>) {
        (self.0)(outcome);
    }
}

impl Callback for OnFlushed {
    fn send(self, outcome: io::Result<()>) {
        self.tell(outcome);
    }
}

impl Encode for LogId {
    fn encode<W: Write>(&self, mut out: W) -> io::Result<usize> {
        Ok(self.term.encode(&mut out)? + self.index.encode(&mut out)?)
    }
}

impl Decode for LogId {
    fn decode<R: Read>(mut bytes: R) -> io::Result<LogId> {
        Ok(LogId { term: u64::decode(&mut bytes)?, index: u64::decode(&mut bytes)? })
    }
}

impl Encode for StoredVote {
    fn encode<W: Write>(&self, mut out: W) -> io::Result<usize> {
        let flags = u8::from(self.committed) | u8::from(self.node.is_some()) << 1;
        Ok(self.term.encode(&mut out)?
            + self.node.unwrap_or_default().encode(&mut out)?
            + flags.encode(&mut out)?)
    }
}

impl Decode for StoredVote {
    fn decode<R: Read>(mut bytes: R) -> io::Result<StoredVote> {
        let (term, node, flags) =
            (u64::decode(&mut bytes)?, u64::decode(&mut bytes)?, u8::decode(&mut bytes)?);
        Ok(StoredVote { term, node: (flags & 2 != 0).then_some(node), committed: flags & 1 != 0 })
    }
}

/// The payload's kind is also its format: another format takes another number.
const BLANK: u8 = 1;
const NORMAL: u8 = 2;
const MEMBERSHIP: u8 = 3;

impl Encode for LogPayload {
    fn encode<W: Write>(&self, mut out: W) -> io::Result<usize> {
        let (kind, bytes): (u8, &[u8]) = match self {
            LogPayload::Blank => (BLANK, &[]),
            LogPayload::Normal(bytes) => (NORMAL, bytes),
            LogPayload::Membership(bytes) => (MEMBERSHIP, bytes),
        };
        let length = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a log entry is too long"))?;
        out.write_all(&[kind])?;
        out.write_all(&length.to_be_bytes())?;
        out.write_all(bytes)?;
        Ok(1 + 4 + bytes.len())
    }
}

impl Decode for LogPayload {
    fn decode<R: Read>(mut from: R) -> io::Result<LogPayload> {
        let (kind, length) = (u8::decode(&mut from)?, u32::decode(&mut from)?);
        if length > ENTRY_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a log entry's length is damaged"));
        }
        let mut bytes = vec![0; length as usize];
        from.read_exact(&mut bytes)?;
        match kind {
            BLANK => Ok(LogPayload::Blank),
            NORMAL => Ok(LogPayload::Normal(bytes.into())),
            MEMBERSHIP => Ok(LogPayload::Membership(bytes.into())),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a log entry has an unknown kind")),
        }
    }
}

/// Flushes what is there: the last process may have been killed before it did. A vote that is read and acted
/// upon, and then lost with the power, would be given twice.
fn make_durable(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(directory)?.sync_all()
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct LogTypes;

impl Types for LogTypes {
    type LogId = LogId;
    type LogPayload = LogPayload;
    type Vote = StoredVote;
    type Callback = OnFlushed;
    type UserData = u64;

    fn log_index(log_id: &LogId) -> u64 {
        log_id.index
    }

    fn payload_size(payload: &LogPayload) -> u64 {
        match payload {
            LogPayload::Blank => 1,
            LogPayload::Normal(bytes) | LogPayload::Membership(bytes) => bytes.len() as u64,
        }
    }
}

/// The raft log. Calls do not wait for the disk, except [`Log::read`] of what is not in memory; what they
/// wrote is durable, in the order of the calls, when `on_flushed` says so.
pub trait Log: Send + Sync + 'static {
    /// What is in the log, flushed or not.
    fn state(&self) -> LogState;

    /// Entries from `from` up to but not including `to`, as far as they are there.
    fn read(&self, from: u64, to: u64) -> io::Result<Vec<(LogId, LogPayload)>>;

    /// Appends entries.
    fn append(&self, entries: Vec<(LogId, LogPayload)>, on_flushed: OnFlushed) -> io::Result<()>;

    /// Saves a vote.
    fn save_vote(&self, vote: StoredVote, on_flushed: OnFlushed) -> io::Result<()>;

    /// Notes what is committed; durable with the next append.
    fn save_committed(&self, committed: LogId) -> io::Result<()>;

    /// Forgets the entries from an index on.
    fn truncate(&self, from: u64, on_flushed: OnFlushed) -> io::Result<()>;

    /// Forgets the entries up to and including one, and frees their room.
    fn purge(&self, upto: LogId, on_flushed: OnFlushed) -> io::Result<()>;

    /// Bytes of entries appended since the start.
    fn appended_bytes(&self) -> u64;

    /// The log's size on disk, in bytes.
    fn disk_bytes(&self) -> u64;
}

/// The log in files.
pub struct LogFile {
    log: Mutex<RaftLog<LogTypes>>,
    appended_bytes: AtomicU64,
}

impl LogFile {
    /// Opens the log in a directory, creating it if it is missing. An entry that a crash cut off at the
    /// end, and that was therefore never acknowledged, is dropped.
    pub fn open(directory: &Path) -> io::Result<LogFile> {
        std::fs::create_dir_all(directory)?;
        let mut config = Config::new(directory.display());
        config.wal.chunk_max_size = Some(CHUNK_BYTES);
        config.wal.read_buffer_size = Some(READ_BYTES);
        config.wal.flush_queue_max_bytes = Some(QUEUE_BYTES);
        // Appends that come while the disk is busy are flushed together anyway.
        config.wal.flush_batch_wait = Some(Duration::ZERO);
        config.wal.truncate_incomplete_record = Some(true);
        config.log_cache_capacity = Some(CACHE_BYTES);
        let log = RaftLog::open(Arc::new(config))?;
        make_durable(directory)?;
        Ok(LogFile { log: Mutex::new(log), appended_bytes: AtomicU64::new(0) })
    }

    fn log(&self) -> MutexGuard<'_, RaftLog<LogTypes>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a change of the log. When the thread that writes has given up, the error is its own, the first one.
    fn change<T>(&self, change: impl FnOnce(&mut RaftLog<LogTypes>) -> io::Result<T>) -> io::Result<T> {
        let mut log = self.log();
        change(&mut log).map_err(|error| log.wait_worker_idle().err().unwrap_or(error))
    }
}

impl Log for LogFile {
    fn state(&self) -> LogState {
        let log = self.log();
        let state = log.log_state();
        LogState {
            vote: state.vote().copied(),
            last: state.last().copied(),
            committed: state.committed().copied(),
            purged: state.purged().copied(),
        }
    }

    fn read(&self, from: u64, to: u64) -> io::Result<Vec<(LogId, LogPayload)>> {
        self.log().read(from, to).collect()
    }

    fn append(&self, entries: Vec<(LogId, LogPayload)>, on_flushed: OnFlushed) -> io::Result<()> {
        let bytes = entries.iter().map(|(_, payload)| LogTypes::payload_size(payload)).sum();
        self.change(|log| {
            log.append(entries)?;
            log.flush(true, Some(on_flushed))
        })?;
        self.appended_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn save_vote(&self, vote: StoredVote, on_flushed: OnFlushed) -> io::Result<()> {
        self.change(|log| {
            log.save_vote(vote)?;
            log.flush(true, Some(on_flushed))
        })
    }

    /// Not written at once: that would wake the thread that writes a second time for each entry.
    fn save_committed(&self, committed: LogId) -> io::Result<()> {
        self.change(|log| log.commit(committed).map(|_| ()))
    }

    fn truncate(&self, from: u64, on_flushed: OnFlushed) -> io::Result<()> {
        self.change(|log| {
            if log.log_state().last().is_some_and(|last| last.index >= from) {
                log.truncate(from)?;
            }
            log.flush(true, Some(on_flushed))
        })
    }

    /// Frees whole chunks.
    fn purge(&self, upto: LogId, on_flushed: OnFlushed) -> io::Result<()> {
        self.change(|log| {
            log.purge(upto)?;
            log.flush(true, Some(on_flushed))
        })
    }

    fn appended_bytes(&self) -> u64 {
        self.appended_bytes.load(Ordering::Relaxed)
    }

    fn disk_bytes(&self) -> u64 {
        self.log().on_disk_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(work: impl FnOnce(OnFlushed) -> io::Result<()>) {
        let (sender, receiver) = std::sync::mpsc::channel();
        work(OnFlushed::new(move |outcome| sender.send(outcome).unwrap())).unwrap();
        receiver.recv().unwrap().unwrap();
    }

    fn entry(index: u64) -> (LogId, LogPayload) {
        (LogId { term: 1, index }, LogPayload::Normal(vec![index as u8; 1000].into()))
    }

    #[test]
    fn what_was_flushed_is_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let log = LogFile::open(directory.path()).unwrap();
        let vote = StoredVote { term: 1, node: Some(1), committed: true };
        wait(|done| log.save_vote(vote, done));
        wait(|done| log.append((0..10).map(entry).collect(), done));
        wait(|done| log.truncate(8, done));
        log.save_committed(entry(5).0).unwrap();
        wait(|done| log.purge(entry(2).0, done));
        drop(log);
        let log = LogFile::open(directory.path()).unwrap();
        let state = log.state();
        assert_eq!(state.vote, Some(vote));
        assert_eq!(state.last, Some(entry(7).0));
        assert_eq!(state.committed, Some(entry(5).0));
        assert_eq!(state.purged, Some(entry(2).0));
        assert_eq!(log.read(0, 100).unwrap(), (3..8).map(entry).collect::<Vec<_>>());
    }

    #[test]
    fn an_entry_cut_off_by_a_crash_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let log = LogFile::open(directory.path()).unwrap();
        wait(|done| log.append((0..3).map(entry).collect(), done));
        drop(log);
        let chunk = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.metadata().unwrap().len() > 2000)
            .max()
            .unwrap();
        let length = chunk.metadata().unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&chunk).unwrap().set_len(length - 100).unwrap();
        let log = LogFile::open(directory.path()).unwrap();
        assert_eq!(log.state().last, Some(entry(1).0));
    }
}
