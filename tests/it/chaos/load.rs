//! The clients: sessions on all nodes, what became of what they did, and what they saw that cannot be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::linearizable::Moment;
pub use super::outcome::Outcome;

/// How long a client waits for an answer before it gives up on the connection.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it waits for a connection before it tries another node.
const CONNECT: Duration = Duration::from_secs(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Rows, their values as text.
pub type Rows = Vec<Vec<Option<String>>>;

/// What all clients share.
pub struct Load {
    pub ports: Vec<u16>,
    stop: AtomicBool,
    /// Whether a disk is failing, which clients may be told.
    disks_fail: AtomicBool,
    started: Instant,
    moment: AtomicU64,
    /// When transactions that wrote were acknowledged, since the start.
    commits: Mutex<Vec<Duration>>,
    counts: [AtomicU64; 3],
    reads: AtomicU64,
    /// What must not happen, the first of it.
    wrong: Mutex<Vec<String>>,
}

impl Load {
    const WRONG_MAX: usize = 20;

    pub fn new(ports: Vec<u16>) -> Arc<Load> {
        Arc::new(Load {
            ports,
            stop: AtomicBool::new(false),
            disks_fail: AtomicBool::new(false),
            started: Instant::now(),
            moment: AtomicU64::new(1),
            commits: Mutex::default(),
            counts: Default::default(),
            reads: AtomicU64::new(0),
            wrong: Mutex::default(),
        })
    }

    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// From now on disks fail, or no more.
    pub fn set_disks_fail(&self, fail: bool) {
        self.disks_fail.store(fail, Ordering::Release);
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// A place in the order of everything that clients see.
    pub fn moment(&self) -> Moment {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    /// Something that must not happen.
    pub fn wrong(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < Load::WRONG_MAX {
            println!("{:8.3} wrong: {what}", self.now().as_secs_f64());
            wrong.push(what);
        }
    }

    pub fn all_wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    /// Counts a transaction that wrote.
    fn count(&self, outcome: Outcome) -> Outcome {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        if outcome == Outcome::Committed {
            self.commits.lock().unwrap().push(self.now());
        }
        outcome
    }

    pub fn counted(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// The longest time without an acknowledged write that began or ended between two times.
    pub fn longest_outage(&self, from: Duration, until: Duration) -> Duration {
        let mut commits = self.commits.lock().unwrap().clone();
        commits.sort_unstable();
        let first = commits.partition_point(|commit| *commit < from).saturating_sub(1);
        let last = commits.partition_point(|commit| *commit <= until);
        let gaps = commits[first..(last + 1).min(commits.len())].windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or(until - from)
    }
}

/// One client's session, made again on another node when it is lost.
pub struct Session {
    pub load: Arc<Load>,
    place: usize,
    /// Whether it waits for its node instead of going to another.
    pub stays: bool,
    /// What is said first on each connection.
    first: String,
    client: Option<Client>,
}

impl Session {
    /// A session on the node at a place, or on the next that can be reached.
    pub fn new(load: &Arc<Load>, place: usize, first: &str) -> Session {
        Session { load: load.clone(), place, stays: false, first: first.to_owned(), client: None }
    }

    /// Goes to another node.
    pub fn leave(&mut self) {
        self.client = None;
        self.place += usize::from(!self.stays);
    }

    /// Connects; `false` when all is over before that.
    pub async fn connect(&mut self) -> bool {
        while !self.try_connect().await {
            if self.load.is_over() {
                return false;
            }
            self.leave();
            tokio::time::sleep(PAUSE).await;
        }
        true
    }

    async fn try_connect(&mut self) -> bool {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            let port = self.load.ports[self.place % self.load.ports.len()];
            let config = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
            let connected = tokio::time::timeout(CONNECT, tokio_postgres::connect(&config, NoTls)).await;
            let Ok(Ok((client, connection))) = connected else { return false };
            tokio::spawn(connection);
            self.client = Some(client);
            return self.first.is_empty() || self.try_run(&self.first).await.is_ok();
        }
        true
    }

    /// What an error says about a transaction that was being committed.
    fn outcome_of(&self, error: &tokio_postgres::Error, sql: &str) -> Outcome {
        let Some(error) = error.as_db_error() else { return Outcome::Unknown };
        let code = error.code().code();
        Outcome::of_error(code, self.load.disks_fail.load(Ordering::Acquire)).unwrap_or_else(|| {
            self.load.wrong(format!("no fault explains {code}, {} ({sql})", error.message()));
            Outcome::Unknown
        })
    }

    /// Runs statements; what became of them if that failed.
    async fn try_run(&self, sql: &str) -> Result<Rows, Outcome> {
        let Some(client) = &self.client else { return Err(Outcome::Unknown) };
        let answer = match tokio::time::timeout(ANSWER, client.simple_query(sql)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                return Err(self.outcome_of(&error, sql));
            }
            Err(_) => return Err(Outcome::Unknown),
        };
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        };
        Ok(answer.into_iter().filter_map(row).collect())
    }

    /// Runs a part of a transaction, or a read. `None` if it failed: the transaction is rolled back.
    pub async fn run(&mut self, sql: &str) -> Option<Rows> {
        match self.try_run(sql).await {
            Ok(rows) => Some(rows),
            Err(Outcome::Aborted) if self.try_run("ROLLBACK").await.is_ok() => None,
            Err(_) => {
                self.leave();
                None
            }
        }
    }

    /// Runs a read.
    pub async fn read(&mut self, sql: &str) -> Option<Rows> {
        let rows = self.run(sql).await?;
        self.load.reads.fetch_add(1, Ordering::Relaxed);
        Some(rows)
    }

    /// Runs a statement that is a transaction by itself, or the COMMIT of one that wrote.
    pub async fn commit(&mut self, sql: &str) -> (Outcome, Rows) {
        let (outcome, rows) = match self.try_run(sql).await {
            Ok(rows) => (Outcome::Committed, rows),
            Err(outcome) => {
                if outcome == Outcome::Unknown || self.try_run("ROLLBACK").await.is_err() {
                    self.leave();
                }
                (outcome, Rows::new())
            }
        };
        (self.load.count(outcome), rows)
    }

    /// Connects, and runs something once; `None` if that failed.
    pub async fn try_once(&mut self, sql: &str) -> Option<Rows> {
        if !self.try_connect().await {
            return None;
        }
        self.try_run(sql).await.ok()
    }

    /// Runs something that must succeed once all is healed.
    pub async fn must(&mut self, sql: &str, patience: Duration) -> Rows {
        let started = Instant::now();
        loop {
            if let Some(rows) = self.try_once(sql).await {
                return rows;
            }
            assert!(started.elapsed() < patience, "not possible within {patience:?}: {sql}");
            self.leave();
            tokio::time::sleep(PAUSE).await;
        }
    }
}
