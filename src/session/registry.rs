//! The sessions of this server: their numbers, and how one cancels what another runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::CancelToken;
use crate::error::{Error, Result, state};
use crate::telemetry::{Random, metrics};

struct Entry {
    secret: i32,
    /// Whether its client is connected to another node.
    is_guest: bool,
    cancel: Arc<CancelToken>,
}

/// Every open session.
pub struct Sessions {
    connections_max: usize,
    random: Arc<dyn Random>,
    open: Mutex<HashMap<i32, Entry>>,
}

/// A session's place among the others, until it is dropped.
pub struct Place {
    sessions: Arc<Sessions>,
    /// The session's number.
    pub pid: i32,
    /// What a cancellation must know.
    pub secret: i32,
    /// What a cancellation does.
    pub cancel: Arc<CancelToken>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let removed = self.sessions.entries().remove(&self.pid);
        if removed.is_some_and(|entry| !entry.is_guest) {
            metrics::CONNECTIONS.add(-1);
        }
    }
}

impl Sessions {
    /// None yet, and never more than a number.
    pub fn new(connections_max: usize, random: Arc<dyn Random>) -> Arc<Sessions> {
        Arc::new(Sessions { connections_max, random, open: Mutex::new(HashMap::new()) })
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<i32, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new session. 53300 if there are too many.
    pub fn enter(self: &Arc<Self>) -> Result<Place> {
        self.enter_as(false)
    }

    /// A place for the half of a session whose client is connected to another node.
    pub(super) fn enter_guest(self: &Arc<Self>) -> Result<Place> {
        self.enter_as(true)
    }

    fn enter_as(self: &Arc<Self>, is_guest: bool) -> Result<Place> {
        /// Other nodes bring as many as they may have themselves.
        const GUESTS: usize = 8;

        let mut open = self.entries();
        let count = open.values().filter(|entry| entry.is_guest == is_guest).count();
        let limit = if is_guest { self.connections_max * GUESTS } else { self.connections_max };
        if count >= limit {
            return Err(Error::fatal(state::TOO_MANY_CONNECTIONS, "sorry, too many clients already"));
        }
        let pid = loop {
            let pid = (self.random.next_u64() & 0x3fff_ffff) as i32;
            if pid != 0 && !open.contains_key(&pid) {
                break pid;
            }
        };
        let secret = self.random.next_u64() as i32;
        let cancel = Arc::new(CancelToken::default());
        open.insert(pid, Entry { secret, is_guest, cancel: cancel.clone() });
        if !is_guest {
            metrics::CONNECTIONS.add(1);
            metrics::CONNECTIONS_TOTAL.increment();
        }
        Ok(Place { sessions: self.clone(), pid, secret, cancel })
    }

    /// Cancels what a session runs, if the secret is right.
    pub fn cancel(&self, pid: i32, secret: i32) {
        let open = self.entries();
        if let Some(entry) = open.get(&pid).filter(|entry| entry.secret == secret) {
            entry.cancel.cancel();
        }
    }

    /// Cancels what all sessions run: the server stops.
    pub fn shut_down(&self) {
        for entry in self.entries().values() {
            entry.cancel.shut_down();
        }
    }

    /// How many there may be.
    pub fn limit(&self) -> usize {
        self.connections_max
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.entries().values().filter(|entry| !entry.is_guest).count()
    }
}
