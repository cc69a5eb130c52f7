//! A log on a simulated disk: what was appended is durable some time later, and what is not is gone, all or
//! some of it, when the power is.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adya::r#gen::Rng;
use quorate::storage::{Log, LogId, LogPayload, LogState, OnFlushed, StoredVote};
use tokio::sync::Notify;

/// What a flush takes at most, in milliseconds; a slow one, seldom, takes more.
const FLUSH_MS: u64 = 4;
const SLOW_FLUSH_MS: u64 = 400;
/// How much later things are durable than a log says that lies about it.
const LIE_MS: u64 = 100;

/// Something that is wrong with a log, for the checks to find.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Lie {
    #[default]
    None,
    /// It says that entries are durable when they are not.
    UnsyncedEntries,
    /// It forgets its votes with the power.
    LostVotes,
    /// What a killed process has left unsynced is believed without being synced.
    UnsyncedStart,
}

#[derive(Clone, Default)]
struct Content {
    entries: BTreeMap<u64, (LogId, LogPayload)>,
    vote: Option<StoredVote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
}

/// A change of the log.
enum Change {
    Append(Vec<(LogId, LogPayload)>),
    Vote(StoredVote),
    Committed(LogId),
    Truncate(u64),
    Purge(LogId),
}

impl Content {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Append(entries) => {
                self.entries.extend(entries.iter().map(|entry| (entry.0.index, entry.clone())))
            }
            Change::Vote(vote) => self.vote = Some(*vote),
            Change::Committed(id) => self.committed = Some(*id),
            Change::Truncate(from) => drop(self.entries.split_off(from)),
            Change::Purge(upto) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                self.purged = Some(*upto);
            }
        }
    }
}

#[derive(Default)]
struct State {
    durable: Content,
    /// With what is not durable yet.
    current: Content,
    unsynced: VecDeque<Change>,
    waiting: Vec<OnFlushed>,
    lie: Lie,
    /// The next flush fails.
    fails: bool,
    /// How long the next flush takes at least, in milliseconds.
    stall_ms: u64,
}

/// One node's log, and its disk.
#[derive(Clone, Default)]
pub struct SimulatedLog {
    name: String,
    state: Arc<Mutex<State>>,
    wanted: Arc<Notify>,
}

impl SimulatedLog {
    pub fn new(name: String, lie: Lie) -> SimulatedLog {
        let log = SimulatedLog { name, ..SimulatedLog::default() };
        log.state.lock().unwrap().lie = lie;
        log
    }

    /// The process starts: what the last one has left is made durable before anyone relies on it.
    pub fn open(&self) {
        let state = &mut *self.state.lock().unwrap();
        state.waiting.clear();
        state.fails = false;
        match state.lie {
            // The process goes on in another file, and never comes back to the last one's.
            Lie::UnsyncedStart => state.unsynced.clear(),
            _ => state.sync(state.unsynced.len()),
        }
    }

    /// Runs while the node does: makes durable what waits.
    pub async fn run(self, seed: u64) {
        let mut random = Rng::new(seed);
        loop {
            self.wanted.notified().await;
            let slow = random.below(200) == 0;
            let most = if slow { SLOW_FLUSH_MS } else { FLUSH_MS };
            let (count, waiting, stall_ms) = {
                let mut state = self.state.lock().unwrap();
                let stall_ms = std::mem::take(&mut state.stall_ms);
                (state.unsynced.len(), std::mem::take(&mut state.waiting), stall_ms)
            };
            if self.lie() == Lie::UnsyncedEntries {
                waiting.into_iter().for_each(|waiting| waiting.tell(Ok(())));
                tokio::time::sleep(Duration::from_millis(random.below(LIE_MS))).await;
                self.state.lock().unwrap().sync(count);
                continue;
            }
            tokio::time::sleep(Duration::from_millis(stall_ms + random.below(most))).await;
            let fails = {
                let mut state = self.state.lock().unwrap();
                let fails = std::mem::take(&mut state.fails);
                if !fails {
                    state.sync(count);
                }
                fails
            };
            for waiting in waiting {
                waiting.tell(if fails { Err(io::Error::other("the disk has failed")) } else { Ok(()) });
            }
        }
    }

    fn lie(&self) -> Lie {
        self.state.lock().unwrap().lie
    }

    /// The next flush takes long.
    pub fn stall(&self, milliseconds: u64) {
        self.state.lock().unwrap().stall_ms = milliseconds;
    }

    /// The next flush fails, and what it was to make durable may be or not.
    pub fn fail(&self) {
        self.state.lock().unwrap().fails = true;
    }

    /// The power was gone.
    pub fn lose_power(&self, random: &mut Rng) {
        let state = &mut *self.state.lock().unwrap();
        let kept = random.below(state.unsynced.len() as u64 + 1) as usize;
        crate::tell(|| format!("{} loses all but {kept} of {} changes", self.name, state.unsynced.len()));
        state.sync(if state.lie == Lie::UnsyncedEntries { 0 } else { kept });
        if state.lie == Lie::LostVotes {
            state.durable.vote = None;
        }
        state.unsynced.clear();
        state.current = state.durable.clone();
    }

    fn change(&self, change: Change, on_flushed: Option<OnFlushed>) {
        let mut state = self.state.lock().unwrap();
        if let Change::Vote(vote) = &change {
            crate::tell(|| format!("{} saves {vote:?}", self.name));
        }
        state.current.apply(&change);
        state.unsynced.push_back(change);
        if let Some(on_flushed) = on_flushed {
            state.waiting.push(on_flushed);
            self.wanted.notify_one();
        }
    }
}

impl State {
    fn sync(&mut self, count: usize) {
        for change in self.unsynced.drain(..count) {
            self.durable.apply(&change);
        }
    }
}

impl Log for SimulatedLog {
    fn state(&self) -> LogState {
        let content = &self.state.lock().unwrap().current;
        LogState {
            vote: content.vote,
            last: content.entries.last_key_value().map(|(_, (id, _))| *id).or(content.purged),
            committed: content.committed,
            purged: content.purged,
        }
    }

    fn read(&self, from: u64, to: u64) -> io::Result<Vec<(LogId, LogPayload)>> {
        let content = &self.state.lock().unwrap().current;
        Ok(content.entries.range(from..to.max(from)).map(|(_, entry)| entry.clone()).collect())
    }

    fn append(&self, entries: Vec<(LogId, LogPayload)>, on_flushed: OnFlushed) -> io::Result<()> {
        self.change(Change::Append(entries), Some(on_flushed));
        Ok(())
    }

    fn save_vote(&self, vote: StoredVote, on_flushed: OnFlushed) -> io::Result<()> {
        self.change(Change::Vote(vote), Some(on_flushed));
        Ok(())
    }

    fn save_committed(&self, committed: LogId) -> io::Result<()> {
        self.change(Change::Committed(committed), None);
        Ok(())
    }

    fn truncate(&self, from: u64, on_flushed: OnFlushed) -> io::Result<()> {
        self.change(Change::Truncate(from), Some(on_flushed));
        Ok(())
    }

    fn purge(&self, upto: LogId, on_flushed: OnFlushed) -> io::Result<()> {
        self.change(Change::Purge(upto), Some(on_flushed));
        Ok(())
    }

    fn appended_bytes(&self) -> u64 {
        // An entry counts for a kilobyte, so that few are enough for a purge.
        self.state().last.map_or(0, |last| last.index << 10)
    }

    fn disk_bytes(&self) -> u64 {
        (self.state.lock().unwrap().current.entries.len() as u64) << 10
    }
}
