//! One schedule: three nodes and their clients, and what happens to them, as a seed decides.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use adya::r#gen::Rng;
use quorate::cluster::Cluster;
use quorate::raft;
use quorate::storage::LogId;
use tokio::task::JoinSet;

use crate::disk::{self, Disk};
use crate::load::{Load, Outcome, Session};
use crate::log::{Lie, SimulatedLog};
use crate::node::{self, Machine, SeededRandom};
use crate::workloads::{self, Inserts, Lists, Registers};

const NODES: usize = 3;
/// How long faults go on, in milliseconds: mostly short, since another schedule finds more than a longer one; in one of
/// so many long.
const FAULTS_MS: u64 = 900;
const LONG_FAULTS_MS: u64 = 4000;
const LONG_ONE_IN: u64 = 12;
/// How soon after the last fault all must be well.
const RECOVERY: Duration = Duration::from_secs(40);
/// The longest time from one fault to the next, in milliseconds.
const PEACE_MS: u64 = 200;
/// How long a fault lasts at most, in milliseconds.
const LASTING_MS: u64 = 600;
/// How long a stalled disk takes: several election timeouts.
const STALL_MS: u64 = 1000;
const TICK: Duration = Duration::from_millis(1);
/// How often the invariants are looked at: a leader lasts longer.
const CHECKED_STEPS: u64 = 5;

/// What a schedule is made of.
#[derive(Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    /// What is wrong with the nodes, on purpose.
    pub lie: Lie,
    /// How fresh the reads of the registers are.
    pub level: &'static str,
    /// What happens to the nodes.
    pub faults: &'static [Fault],
}

/// What came of it.
#[derive(Default)]
pub struct Report {
    pub wrong: Vec<String>,
    pub committed: u64,
    pub aborted: u64,
    pub unknown: u64,
    pub reads: u64,
    pub faults: u64,
    /// Terms in which somebody led.
    pub leaders: usize,
    /// A number of everything that was applied and told: the same for the same seed.
    pub trace: u64,
}

/// What the clients do.
pub struct Work {
    load: Arc<Load>,
    lists: Arc<Lists>,
    registers: Arc<Registers>,
    inserts: Arc<Inserts>,
    seed: u64,
    has_tables: AtomicUsize,
    /// Each client that works has one of these.
    busy: Arc<()>,
    /// Nodes that have taken a write after the faults.
    well: Mutex<BTreeSet<usize>>,
    checked: Mutex<Option<Vec<String>>>,
}

impl Work {
    /// The clients of one node, each a task of its process.
    pub fn start(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        place: usize,
        session: impl Fn(usize) -> Session,
        cluster: Arc<Cluster>,
    ) {
        let seed = self.seed + place as u64;
        let after_tables = |work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            let (all, mut own) = (self.clone(), session(place));
            let busy = self.busy.clone();
            async move {
                all.create_tables(place, &mut own).await;
                work.await;
                drop(busy);
            }
        };
        tasks.spawn(after_tables(Box::pin(self.lists.clone().client(session(place)))));
        tasks.spawn(after_tables(Box::pin(self.registers.clone().client(session(place), seed))));
        tasks.spawn(after_tables(Box::pin(self.inserts.clone().client(session(place), seed))));
        if place == 0 {
            tasks.spawn(after_tables(Box::pin(workloads::transfers(session(place), seed))));
        } else {
            tasks.spawn(after_tables(Box::pin(workloads::audits(session(place), seed))));
        }
        let (all, own) = (self.clone(), session(place));
        tasks.spawn(async move { all.end(place, own, &cluster).await });
    }

    async fn create_tables(&self, place: usize, session: &mut Session) {
        while self.has_tables.load(Ordering::Acquire) == 0 {
            if place == 0 {
                let tables = workloads::TABLES.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ");
                let tables = tables.replace("CREATE SEQUENCE ", "CREATE SEQUENCE IF NOT EXISTS ");
                let tables = tables.replace(" i;", " i ON CONFLICT DO NOTHING;");
                session.must(&tables, RECOVERY).await;
                self.has_tables.store(1, Ordering::Release);
            } else {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        // What is read at the lower levels is here, too.
        session.must("SELECT 1 FROM churn", RECOVERY).await;
    }

    /// After the faults: each node takes a write; then the first compares what was told with what is there.
    async fn end(&self, place: usize, mut session: Session, cluster: &Cluster) {
        let rest = || tokio::time::sleep(Duration::from_millis(50));
        while !self.load.is_over() || self.has_tables.load(Ordering::Acquire) == 0 {
            rest().await;
        }
        let client = 1000 + place;
        let sql =
            format!("INSERT INTO counters VALUES ({client}, 1) ON CONFLICT (client) DO UPDATE SET value = 1");
        session.must(&sql, RECOVERY).await;
        self.well.lock().unwrap().insert(place);
        if place > 0 {
            return;
        }
        while self.well.lock().unwrap().len() < NODES || Arc::strong_count(&self.busy) > 1 {
            rest().await;
        }
        let (_, mut wrong) = self.inserts.check(&mut session, RECOVERY).await;
        match cluster.verify().await {
            Ok((_, _, differences)) => wrong.extend(differences),
            Err(error) => wrong.push(format!("the nodes cannot be compared: {error}")),
        }
        *self.checked.lock().unwrap() = Some(wrong);
    }
}

/// What happens to the nodes.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Killed,
    LostPower,
    LostPowerOnAll,
    FailedFlush,
    /// One flush takes longer than an election.
    StalledDisk,
    /// Nothing arrives, and what was under way is lost.
    Partition,
    OneWay,
    /// What is said arrives when it is over.
    Held,
    Isolated,
    Slow,
}

pub const FAULTS: &[Fault] = &[
    Fault::Killed,
    Fault::LostPower,
    Fault::LostPowerOnAll,
    Fault::FailedFlush,
    Fault::StalledDisk,
    Fault::Partition,
    Fault::OneWay,
    Fault::Held,
    Fault::Isolated,
    Fault::Slow,
];

/// What was true once must stay so: the invariants of Raft that can be seen from outside.
#[derive(Default)]
struct Invariants {
    leaders: BTreeMap<u64, u64>,
    applied: BTreeMap<u64, u64>,
    trace: DefaultHasher,
    last: [LogId; NODES],
}

impl Invariants {
    fn check(&mut self, machines: &[Arc<Machine>], elapsed: Duration) -> Option<String> {
        for machine in machines {
            let Some(node) = machine.node() else { continue };
            let status = node.status();
            if status.role == "leader" {
                let leader = *self.leaders.entry(status.term).or_insert(status.node_id);
                if leader != status.node_id {
                    return Some(format!("term {} has leaders {leader} and {}", status.term, status.node_id));
                }
            }
            let Some(applied) = machine.applied().filter(|applied| applied.index > 0) else { continue };
            if std::mem::replace(&mut self.last[machine.place], applied) == applied {
                continue;
            }
            crate::tell(|| format!("{elapsed:?} {} has applied {applied:?}", Machine::name(machine.place)));
            (machine.place, applied.term, applied.index, elapsed).hash(&mut self.trace);
            let known = self.applied.entry(applied.index).or_insert(applied.term);
            if *known != applied.term {
                return Some(format!(
                    "entry {} was applied as of terms {known} and {}",
                    applied.index, applied.term
                ));
            }
        }
        None
    }
}

/// A simulation under way.
struct Simulation<'a> {
    sim: turmoil::Sim<'a>,
    machines: Vec<Arc<Machine>>,
    random: Rng,
    kinds: &'static [Fault],
    invariants: Invariants,
    /// What has to be undone, and when.
    ends: Vec<(Duration, Fault, usize, usize)>,
    faults: u64,
    steps: u64,
    has_panicked: bool,
}

impl Simulation<'_> {
    fn below(&mut self, count: usize) -> usize {
        self.random.below(count as u64) as usize
    }

    /// One tick; what cannot be.
    fn step(&mut self) -> Option<String> {
        match catch_unwind(AssertUnwindSafe(|| self.sim.step())) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Some(format!("a node has failed: {error}")),
            Err(_) => {
                self.has_panicked = true;
                return Some("a node has panicked".into());
            }
        }
        self.steps += 1;
        let is_due = self.steps.is_multiple_of(CHECKED_STEPS);
        let wrong = is_due.then(|| self.invariants.check(&self.machines, self.sim.elapsed())).flatten();
        for place in 0..NODES {
            if self.machines[place].has_ended.load(Ordering::Acquire) {
                self.crash(place);
                self.sim.bounce(Machine::name(place));
            }
        }
        wrong
    }

    /// Ends a node's process. It says no goodbye: in which order a runtime drops its tasks, and so their
    /// connections, depends on how many tasks the test's process ever had, and would not repeat itself.
    fn crash(&mut self, place: usize) {
        let name = Machine::name(place);
        let others = (0..NODES).filter(|other| *other != place);
        others.clone().for_each(|other| self.sim.partition(name.as_str(), Machine::name(other)));
        self.sim.crash(name.as_str());
        let is_cut = |other: usize| {
            self.ends.iter().any(|(_, fault, one, end)| {
                let pair = [*one, *end];
                match fault {
                    Fault::Isolated => *one == place || *one == other,
                    Fault::Partition | Fault::OneWay | Fault::Held => {
                        pair.contains(&place) && pair.contains(&other)
                    }
                    _ => false,
                }
            })
        };
        let connected: Vec<usize> = others.filter(|other| !is_cut(*other)).collect();
        connected.into_iter().for_each(|other| self.sim.repair(name.as_str(), Machine::name(other)));
        self.machines[place].has_ended.store(false, Ordering::Release);
        assert_eq!(
            self.machines[place].databases.lock().unwrap().strong_count(),
            0,
            "its files are still open"
        );
    }

    fn lose_power(&mut self, place: usize) {
        let machine = self.machines[place].clone();
        machine.disk.lose_power();
        self.crash(place);
        machine.disk.regain_power(&mut self.random);
        machine.log.lose_power(&mut self.random);
    }

    fn suffer(&mut self) {
        let fault = self.kinds[self.below(self.kinds.len())];
        let one = self.below(NODES);
        let other = (one + 1 + self.below(NODES - 1)) % NODES;
        let until = self.sim.elapsed() + Duration::from_millis(self.random.below(LASTING_MS));
        let [a, b] = [one, other].map(Machine::name);
        let is_away =
            |place: usize| self.ends.iter().any(|(_, fault, at, _)| *at == place && fault.is_crash());
        if fault.is_crash() && (0..NODES).any(is_away) {
            return;
        }
        crate::tell(|| format!("{fault:?} of {a}, {b} until {until:?}"));
        match fault {
            Fault::Killed => self.crash(one),
            Fault::LostPower => self.lose_power(one),
            Fault::LostPowerOnAll => {
                (0..NODES).for_each(|place| self.lose_power(place));
                self.ends.extend((0..NODES).map(|place| (until, fault, place, place)));
            }
            Fault::FailedFlush => self.machines[one].log.fail(),
            Fault::StalledDisk => self.machines[one].log.stall(STALL_MS),
            Fault::Partition => self.sim.partition(a, b),
            Fault::OneWay => self.sim.partition_oneway(a, b),
            Fault::Held => self.sim.hold(a, b),
            Fault::Isolated => {
                for place in (0..NODES).filter(|place| *place != one) {
                    self.sim.partition(a.as_str(), Machine::name(place));
                }
            }
            Fault::Slow => self.sim.set_link_latency(a, b, Duration::from_millis(60)),
        }
        self.faults += 1;
        if !matches!(fault, Fault::LostPowerOnAll | Fault::FailedFlush | Fault::StalledDisk) {
            self.ends.push((until, fault, one, other));
        }
    }

    /// Ends the faults whose time has come.
    fn heal(&mut self, now: Duration) {
        let (over, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.ends).into_iter().partition(|(until, ..)| *until <= now);
        self.ends = rest;
        for (_, fault, one, other) in over {
            let [a, b] = [one, other].map(Machine::name);
            match fault {
                Fault::Killed | Fault::LostPower | Fault::LostPowerOnAll => self.sim.bounce(a),
                Fault::Partition | Fault::OneWay => self.sim.repair(a, b),
                Fault::Held => self.sim.release(a, b),
                Fault::Isolated => {
                    for place in (0..NODES).filter(|place| *place != one) {
                        self.sim.repair(a.as_str(), Machine::name(place));
                    }
                }
                Fault::Slow => self.sim.set_link_latency(a, b, Duration::from_millis(1)),
                Fault::FailedFlush | Fault::StalledDisk => {}
            }
        }
    }
}

impl Fault {
    fn is_crash(self) -> bool {
        matches!(self, Fault::Killed | Fault::LostPower | Fault::LostPowerOnAll)
    }
}

/// Runs one schedule to its end.
pub fn run(plan: Plan) -> Report {
    crate::tell(|| format!("seed {}", plan.seed));
    let mut random = Rng::new(plan.seed);
    raft::draw_from(SeededRandom::new(random.next_u64()));
    let memory = std::path::Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.expect("a temporary directory");
    let machines: Vec<Arc<Machine>> = (0..NODES)
        .map(|place| {
            let directory = directory.path().join(Machine::name(place));
            Arc::new(Machine {
                place,
                disk: Disk::new(&directory),
                directory,
                log: SimulatedLog::new(Machine::name(place), plan.lie),
                random: Mutex::new(Rng::new(random.next_u64())),
                // Minutes, either way.
                has_ended: AtomicBool::new(false),
                skew_us: random.below(600_000_000) as i64 - 300_000_000,
                node: Mutex::new(Weak::new()),
                databases: Mutex::new(Weak::new()),
            })
        })
        .collect();
    let load = Load::new(NODES, random.next_u64());
    let work = Arc::new(Work {
        load: load.clone(),
        lists: Lists::new("SERIALIZABLE", plan.seed),
        registers: Registers::new(plan.level),
        inserts: Arc::default(),
        seed: plan.seed,
        has_tables: AtomicUsize::new(0),
        busy: Arc::default(),
        well: Mutex::default(),
        checked: Mutex::default(),
    });
    let mut sim = turmoil::Builder::new()
        .rng_seed(random.next_u64())
        .tick_duration(TICK)
        .simulation_duration(Duration::from_secs(3600))
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::from_millis(1 + random.below(8)))
        .tcp_capacity(1024)
        .build();
    for machine in &machines {
        let (machine, load, work) = (machine.clone(), load.clone(), work.clone());
        sim.host(Machine::name(machine.place), move || {
            node::run(machine.clone(), load.clone(), work.clone(), NODES)
        });
    }
    let mut simulation = Simulation {
        sim,
        machines: machines.clone(),
        random,
        kinds: plan.faults,
        invariants: Invariants::default(),
        ends: Vec::new(),
        faults: 0,
        steps: 0,
        has_panicked: false,
    };
    let mut wrong = drive(&mut simulation, &load, &work);
    let trace = simulation.invariants.trace.finish();
    let faults = simulation.faults;
    let leaders = simulation.invariants.leaders.len();
    if simulation.has_panicked {
        // A runtime that was shut down by a panic cannot be taken apart.
        std::mem::forget(simulation);
    } else {
        drop(simulation);
    }
    machines.iter().for_each(|machine| disk::remove(&machine.disk));
    wrong.extend(load.all_wrong());
    wrong.extend(work.registers.check().1);
    wrong.extend(work.lists.check().1);
    Report {
        wrong,
        committed: load.counted(Outcome::Committed),
        aborted: load.counted(Outcome::Aborted),
        unknown: load.counted(Outcome::Unknown),
        reads: load.reads(),
        faults,
        leaders,
        trace,
    }
}

/// Lets faults happen for a while, then waits until all is well and checked.
fn drive(simulation: &mut Simulation<'_>, load: &Load, work: &Work) -> Vec<String> {
    // Now and then already while the cluster is formed.
    let is_early = simulation.random.below(8) == 0;
    let limit = |from: Duration| from + RECOVERY;
    while !is_early && work.has_tables.load(Ordering::Acquire) == 0 {
        if let Some(wrong) = simulation.step() {
            return vec![wrong];
        }
        if simulation.sim.elapsed() > limit(Duration::ZERO) {
            return vec!["the cluster was not formed".into()];
        }
    }
    let is_long = simulation.random.below(LONG_ONE_IN) == 0;
    let faults_ms = if is_long { LONG_FAULTS_MS } else { FAULTS_MS };
    let end = simulation.sim.elapsed() + Duration::from_millis(faults_ms);
    let mut next = simulation.sim.elapsed();
    while simulation.sim.elapsed() < end {
        let now = simulation.sim.elapsed();
        if now >= next {
            simulation.suffer();
            next = now + Duration::from_millis(simulation.random.below(PEACE_MS));
        }
        simulation.heal(now);
        if let Some(wrong) = simulation.step() {
            return vec![wrong];
        }
    }
    simulation.heal(Duration::MAX);
    load.stop();
    let started = simulation.sim.elapsed();
    loop {
        if let Some(wrong) = simulation.step() {
            return vec![wrong];
        }
        if let Some(wrong) = work.checked.lock().unwrap().take() {
            return wrong;
        }
        if simulation.sim.elapsed() > limit(started) {
            let states = simulation.machines.iter().map(|machine| machine.node().map(|node| node.status()));
            let states: Vec<_> = states.collect();
            return vec![format!("not all is well {RECOVERY:?} after the last fault: {states:#?}")];
        }
    }
}
