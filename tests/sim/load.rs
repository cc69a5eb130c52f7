//! The clients of a simulation: sessions on the nodes themselves, what became of what they did, and what they
//! saw that cannot be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use adya::r#gen::Rng;
use async_trait::async_trait;
use quorate::session::{self, Client, CopyInput, Formats, Reply, ResultColumn};
use quorate::types::{DatumRef, Format};
use tokio::time::Instant;

use crate::linearizable::Moment;
use crate::node::Serving;
pub use crate::outcome::Outcome;

/// How long a client waits for an answer before it gives up on the session.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a client thinks at most, in milliseconds.
const THINKING_MS: u64 = 40;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Rows, their values as text.
pub type Rows = Vec<Vec<Option<String>>>;

/// What all clients share.
#[derive(Default)]
pub struct Load {
    stop: AtomicBool,
    moment: AtomicU64,
    counts: [AtomicU64; 3],
    reads: AtomicU64,
    random: Mutex<Option<Rng>>,
    /// The sessions of each node that serves.
    serving: Mutex<Vec<Weak<Serving>>>,
    wrong: Mutex<Vec<String>>,
}

impl Load {
    pub fn new(nodes: usize, seed: u64) -> Arc<Load> {
        Arc::new(Load {
            serving: Mutex::new((0..nodes).map(|_| Weak::new()).collect()),
            random: Mutex::new(Some(Rng::new(seed))),
            ..Load::default()
        })
    }

    /// How long a client takes before it asks again: who took no time would stop the clock.
    fn pause_ms(&self) -> u64 {
        self.random.lock().unwrap().as_mut().map_or(1, |random| 1 + random.below(THINKING_MS))
    }

    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// A place in the order of everything that clients see.
    pub fn moment(&self) -> Moment {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    pub fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    pub fn all_wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    /// A node serves from now on.
    pub fn serve(&self, place: usize, serving: &Arc<Serving>) {
        self.serving.lock().unwrap()[place] = Arc::downgrade(serving);
    }

    fn serving(&self, place: usize) -> Option<Arc<Serving>> {
        self.serving.lock().unwrap()[place].upgrade()
    }

    pub fn counted(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

/// Keeps rows as text.
#[derive(Default)]
struct Answers(Rows);

#[async_trait]
impl Client for Answers {
    fn send(&mut self, _: Reply<'_>) {}

    fn row(&mut self, values: &[DatumRef<'_>], columns: &[ResultColumn], _: &Formats, format: &Format) {
        let texts = values.iter().zip(columns).map(|(value, column)| match value {
            DatumRef::Null => None,
            value => Some(column.ty.to_text(*value, format)),
        });
        self.0.push(texts.collect());
    }

    fn is_full(&self) -> bool {
        false
    }

    async fn flush(&mut self) -> quorate::error::Result<()> {
        Ok(())
    }

    async fn copy_input(&mut self) -> quorate::error::Result<CopyInput> {
        Ok(CopyInput::Done)
    }
}

/// One client's session, always on the same node.
pub struct Session {
    pub load: Arc<Load>,
    place: usize,
    first: String,
    session: Option<session::Session>,
}

impl Session {
    pub fn new(load: &Arc<Load>, place: usize, first: &str) -> Session {
        Session { load: load.clone(), place, first: first.to_owned(), session: None }
    }

    /// Connects anew with the next statement.
    pub fn leave(&mut self) {
        self.session = None;
    }

    /// Connects; `false` when all is over before that.
    pub async fn connect(&mut self) -> bool {
        while !self.try_connect().await {
            if self.load.is_over() {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
        true
    }

    async fn try_connect(&mut self) -> bool {
        if self.session.is_none() {
            let Some(serving) = self.load.serving(self.place) else { return false };
            let Ok(session) = serving.session().await else { return false };
            self.session = Some(session);
            let first = std::mem::take(&mut self.first);
            let is_first_done = first.is_empty() || self.try_run(&first).await.is_ok();
            self.first = first;
            return is_first_done;
        }
        true
    }

    async fn try_run(&mut self, sql: &str) -> Result<Rows, Outcome> {
        let Some(session) = &mut self.session else { return Err(Outcome::Unknown) };
        let pause_ms = self.load.pause_ms();
        crate::tell(|| format!("on {} in {pause_ms}: {sql}", self.place));
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        let mut answers = Answers::default();
        let error = match tokio::time::timeout(ANSWER, session.query(sql, &mut answers)).await {
            Ok(Ok(())) => return Ok(answers.0),
            Ok(Err(error)) => error,
            Err(_) => {
                self.leave();
                return Err(Outcome::Unknown);
            }
        };
        if error.is_fatal() {
            self.leave();
        }
        let code = error.sqlstate().to_string();
        Err(Outcome::of_error(&code, true).unwrap_or_else(|| {
            self.load.wrong(format!("no fault explains {code}, {} ({sql})", error.message()));
            Outcome::Unknown
        }))
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
        self.load.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        (outcome, rows)
    }

    /// Runs something that must succeed once all is healed.
    pub async fn must(&mut self, sql: &str, patience: Duration) -> Rows {
        let started = Instant::now();
        loop {
            if self.try_connect().await
                && let Ok(rows) = self.try_run(sql).await
            {
                return rows;
            }
            assert!(started.elapsed() < patience, "not possible within {patience:?}: {sql}");
            self.leave();
            tokio::time::sleep(PAUSE).await;
        }
    }
}
