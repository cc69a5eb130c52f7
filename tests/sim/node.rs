//! A node of a simulation: everything from its log to its sessions as in a server, but for the disk, the network,
//! the clock and the randomness, which are the simulation's.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use adya::r#gen::Rng;
use async_trait::async_trait;
use quorate::cluster::{self, Cluster, Parts};
use quorate::engine::{Engine, Replicated};
use quorate::error::{Error, Result};
use quorate::raft::{self, RaftNode};
use quorate::session::{self, Forwarded, Sessions};
use quorate::storage::{DataDirectory, Databases, LogId};
use quorate::telemetry::{Clock, Random};
use quorate::transport::{self, Own, Stream, Tcp};
use tokio::task::JoinSet;

use crate::disk::Disk;
use crate::load::{Load, Session};
use crate::log::SimulatedLog;
use crate::network::{PORT, SimulatedListener, SimulatedNetwork};
use crate::schedule::Work;

/// Quicker than a server's defaults, so that more happens in a second.
const ELECTION_MS: (u64, u64) = (120, 240);
const HEARTBEAT_MS: u64 = 30;
const SILENCE_MAX: Duration = Duration::from_millis(800);
/// A log of more entries is purged (a kilobyte each: see [`SimulatedLog`]).
const LOG_ENTRIES: u64 = 60;
/// 2026-01-01, in microseconds since 2000-01-01.
const START_US: i64 = 820_454_400_000_000;

/// Random numbers that a seed decides.
pub struct SeededRandom(Mutex<Rng>);

impl SeededRandom {
    pub fn new(seed: u64) -> Arc<SeededRandom> {
        Arc::new(SeededRandom(Mutex::new(Rng::new(seed))))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut random = self.0.lock().unwrap();
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&random.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The simulation's clock, wrong by some time.
struct SimulatedClock {
    skew_us: i64,
}

impl Clock for SimulatedClock {
    fn timestamp_us(&self) -> i64 {
        START_US + self.skew_us + turmoil::sim_elapsed().map_or(0, |elapsed| elapsed.as_micros() as i64)
    }

    fn elapsed(&self) -> Duration {
        turmoil::elapsed()
    }
}

/// What outlives a node's process.
pub struct Machine {
    pub place: usize,
    pub directory: PathBuf,
    pub disk: Arc<Disk>,
    pub log: SimulatedLog,
    /// What is different with each start.
    pub random: Mutex<Rng>,
    pub skew_us: i64,
    /// Whether the node has stopped by itself.
    pub has_ended: AtomicBool,
    /// While it runs.
    pub node: Mutex<Weak<RaftNode>>,
    pub databases: Mutex<Weak<Databases>>,
}

impl Machine {
    pub fn name(place: usize) -> String {
        format!("node{}", place + 1)
    }

    fn address(place: usize) -> String {
        format!("{}:{PORT}", Machine::name(place))
    }

    pub fn node(&self) -> Option<Arc<RaftNode>> {
        self.node.lock().unwrap().upgrade()
    }

    /// The last entry applied.
    pub fn applied(&self) -> Option<LogId> {
        Some(*self.databases.lock().unwrap().upgrade()?.applied().borrow())
    }
}

/// A node's sessions.
pub struct Serving {
    sessions: Arc<Sessions>,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Serving {
    fn options(&self, parameters: Vec<(String, String)>) -> session::Options {
        session::Options {
            engine: self.engine.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            parameters,
        }
    }

    pub async fn session(&self) -> Result<session::Session> {
        let parameters = vec![("user".into(), "postgres".into()), ("database".into(), "postgres".into())];
        session::Session::open(self.options(parameters), self.sessions.enter()?).await
    }
}

/// Sessions of other nodes' clients. Weak: the cluster must not keep the node that it is a part of.
struct Guests(Weak<Forwarded>);

#[async_trait]
impl cluster::Sessions for Guests {
    async fn serve(&self, first: Vec<u8>, stream: Stream) {
        if let Some(forwarded) = self.0.upgrade() {
            forwarded.serve(first, stream).await;
        }
    }

    fn count(&self) -> usize {
        self.0.upgrade().map_or(0, |forwarded| forwarded.count())
    }
}

fn options(node_id: u64, place: usize) -> raft::Options {
    raft::Options {
        node_id,
        address: Machine::address(place),
        election_timeout_ms: ELECTION_MS,
        heartbeat_interval_ms: HEARTBEAT_MS,
        log_bytes_max: LOG_ENTRIES << 10,
        lease_reads: false,
    }
}

/// The process: tells when the node has stopped by itself, and is killed then.
pub async fn run(machine: Arc<Machine>, load: Arc<Load>, work: Arc<Work>, nodes: usize) -> turmoil::Result {
    match serve(&machine, load, work, nodes).await {
        Ok(error) | Err(error) => crate::tell(|| format!("{} ends: {error}", Machine::name(machine.place))),
    }
    machine.has_ended.store(true, Ordering::Release);
    std::future::pending().await
}

async fn serve(machine: &Machine, load: Arc<Load>, work: Arc<Work>, nodes: usize) -> Result<Error> {
    let seed = machine.random.lock().unwrap().next_u64();
    let random: Arc<dyn Random> = SeededRandom::new(seed);
    let mut tasks = JoinSet::new();
    machine.log.open();
    tasks.spawn(machine.log.clone().run(seed));
    let directory = DataDirectory::open(&machine.directory)?;
    let own =
        Own::new(machine.place as u64 + 1, cluster::kept_number(&directory, cluster::CLUSTER)?.unwrap_or(0));
    let databases = Arc::new(Databases::open(directory, random.clone())?);
    let speech = transport::Options { own: own.clone(), tls: None, silence_max: SILENCE_MAX };
    let transport = Arc::new(Tcp::new(speech.clone(), Arc::new(SimulatedNetwork)));
    let node = RaftNode::start(
        options(own.peer().node, machine.place),
        own.clone(),
        databases.clone(),
        Arc::new(machine.log.clone()),
        cluster::raft_transport(transport.clone()),
        random.clone(),
    )
    .await?;
    *machine.node.lock().unwrap() = Arc::downgrade(&node);
    *machine.databases.lock().unwrap() = Arc::downgrade(&databases);
    let cluster_options = cluster::Options {
        address: Machine::address(machine.place),
        peers: (0..nodes).map(Machine::address).collect(),
        expect: nodes,
        is_learner: false,
        client_address: "nowhere:5432".into(),
    };
    let dialled = transport.clone();
    let parts = Parts {
        node: node.clone(),
        databases: databases.clone(),
        transport,
        own,
        random: random.clone(),
        greet_anew: Box::new(move || dialled.forget()),
    };
    let cluster = Cluster::new(cluster_options, parts);
    let engine = Engine::new(databases, Arc::new(Replicated::new(node.clone(), cluster.clone())));
    tasks.spawn(engine.clone().run());
    let maintained = node.clone();
    tasks.spawn(async move { maintained.maintain().await });
    let clock = Arc::new(SimulatedClock { skew_us: machine.skew_us });
    let sessions = Sessions::new(100, random.clone());
    let serving = Arc::new(Serving { sessions: sessions.clone(), engine, clock, random });
    let guests = serving.clone();
    let forwarded =
        Arc::new(Forwarded::new(sessions, Box::new(move |parameters| guests.options(parameters))));
    cluster.serve_sessions(Arc::new(Guests(Arc::downgrade(&forwarded))));
    let listener = SimulatedListener::bind().await.map_err(|error| Error::internal(error.to_string()))?;
    tasks.spawn(transport::serve(listener, speech, cluster.service()));
    let following = cluster.clone();
    tasks.spawn(async move { following.follow_leadership().await });
    cluster.form().await?;
    load.serve(machine.place, &serving);
    let kept_up = cluster.clone();
    tasks.spawn(async move { drop(kept_up.upkeep().await) });
    let session = |place| Session::new(&load, place, "");
    work.start(&mut tasks, machine.place, session, cluster);
    Ok(node.stopped().await)
}
