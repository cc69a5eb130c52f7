//! Chaos: clients work on all nodes of a cluster while its processes, its network and its disks fail. All
//! that they were told is compared with what is there, and with what can be.
//!
//! `QUORATE_CHAOS_MINUTES` makes it longer, `QUORATE_CHAOS_SEED` repeats a schedule of faults. What the
//! processes make of it is never the same twice.

mod disk;
mod faults;
mod linearizable;
mod load;
mod network;
mod outcome;
mod workloads;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adya::r#gen::Rng;
use tokio::task::JoinSet;

use crate::cluster::nodes::{Node, Nodes};
use crate::process::free_port;
use disk::Disk;
use faults::{Fault, Machines};
use load::{Load, Outcome, Session};
use network::Network;
use workloads::{Inserts, Lists, Registers};

/// How soon after the end of a fault every node must take writes.
const RECOVERY: Duration = Duration::from_secs(30);
const NODES: usize = 3;

/// A cluster whose nodes speak through proxies, each on a disk of its own if this machine can.
async fn machines(preload: Option<PathBuf>) -> Machines {
    let memory = std::path::Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.unwrap();
    let disks: Result<Vec<Disk>, String> =
        (1..=NODES).map(|number| Disk::new(directory.path(), &format!("disk{number}"))).collect();
    let disks = disks.unwrap_or_else(|why| {
        println!("skipped: faults of disks, which need root and mount ({why})");
        Vec::new()
    });
    let network = Network::new();
    let mut nodes = Vec::new();
    for number in 1..=NODES as u64 {
        let mut node = Node::new(directory.path(), number);
        if let Some(disk) = disks.get(number as usize - 1) {
            node.data = disk.path.join("data");
        }
        let reached = free_port();
        node.advertised = Some(reached);
        // The defaults: this test is about them.
        node.election_timeout_ms = "250,450";
        node.preload.clone_from(&preload);
        tokio::spawn(network.clone().serve(number, reached, node.cluster));
        nodes.push(node);
    }
    let nodes = Nodes::prepared(directory, nodes, &["--log-mb", "16"]);
    let start = move || {
        let mut machines = Machines { nodes, network, disks };
        machines.nodes.start_all();
        machines
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}

fn ports(machines: &Machines) -> Vec<u16> {
    machines.nodes.nodes.iter().map(|node| node.port).collect()
}

/// One fault, and the times between which it and its consequences were.
struct Suffered {
    fault: Fault,
    from: Duration,
    until: Duration,
}

/// Whether a write succeeds on every node.
async fn all_take_writes(load: &Arc<Load>) -> bool {
    for place in 0..NODES {
        let mut session = Session::new(load, place, "");
        session.stays = true;
        if session.try_once("INSERT INTO probes DEFAULT VALUES").await.is_none() {
            return false;
        }
    }
    true
}

/// Makes faults happen for some time, at least one; after each, all nodes must take writes again.
fn suffer(machines: &mut Machines, load: &Arc<Load>, duration: Duration, seed: u64) -> Vec<Suffered> {
    let mut random = Rng::new(seed);
    let mut left: Vec<Fault> = Vec::new();
    let mut suffered = Vec::new();
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    while suffered.is_empty() || started.elapsed() < duration {
        // All kinds, in a random order, before one comes again.
        if left.is_empty() {
            left = Fault::ALL.to_vec();
        }
        let fault = left.swap_remove(random.below(left.len() as u64) as usize);
        let from = load.now();
        load.set_disks_fail(fault.wants_disks());
        if !machines.suffer(fault, &mut random) {
            continue;
        }
        let healed = load.now();
        let ended = Instant::now();
        while !runtime.block_on(all_take_writes(load)) {
            assert!(ended.elapsed() < RECOVERY, "not all nodes take writes {RECOVERY:?} after {fault:?}");
            // A node that ended by itself, as one without room does, maybe only now.
            machines.restart_ended();
        }
        let until = load.now();
        println!(
            "{:8.3} {fault:?} for {:.3} s, all nodes took writes {:.3} s later",
            from.as_secs_f64(),
            (healed - from).as_secs_f64(),
            (until - healed).as_secs_f64()
        );
        suffered.push(Suffered { fault, from, until });
        load.set_disks_fail(false);
        std::thread::sleep(Duration::from_millis(random.below(1000)));
    }
    suffered
}

/// How often each fault happened, and how long no client's write was acknowledged.
fn report(load: &Load, suffered: &[Suffered]) {
    let mut kinds: BTreeMap<Fault, Vec<Duration>> = BTreeMap::new();
    for one in suffered {
        kinds.entry(one.fault).or_default().push(load.longest_outage(one.from, one.until));
    }
    println!("{:18} {:>5} {:>22} {:>8}", "fault", "times", "no write for (median)", "longest");
    let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
    let mut longest = Duration::ZERO;
    for (fault, mut outages) in kinds {
        outages.sort_unstable();
        let (median, last) = (outages[outages.len() / 2], outages[outages.len() - 1]);
        println!(
            "{:18} {:>5} {:>22} {:>8}",
            format!("{fault:?}"),
            outages.len(),
            seconds(median),
            seconds(last)
        );
        if fault.leaves_majority() {
            longest = longest.max(last);
        }
    }
    println!("longest time without an acknowledged write while a majority could work: {}", seconds(longest));
    println!(
        "{} transactions that write: {} committed, {} aborted, {} unknown; {} reads",
        [Outcome::Committed, Outcome::Aborted, Outcome::Unknown]
            .map(|outcome| load.counted(outcome))
            .iter()
            .sum::<u64>(),
        load.counted(Outcome::Committed),
        load.counted(Outcome::Aborted),
        load.counted(Outcome::Unknown),
        load.reads()
    );
}

/// The whole: all workloads, all faults.
async fn run(duration: Duration, seed: u64) {
    println!("seed {seed}");
    let machines = machines(None).await;
    let load = Load::new(ports(&machines));
    let mut first = Session::new(&load, 0, "");
    first.must(workloads::TABLES, RECOVERY).await;
    first.must("CREATE TABLE probes (id bigint GENERATED ALWAYS AS IDENTITY)", RECOVERY).await;
    let lists = Lists::new("SERIALIZABLE", seed);
    let registers = Registers::new("linearizable");
    let inserts = Arc::new(Inserts::default());
    let mut clients = JoinSet::new();
    for place in 0..NODES {
        let session = || Session::new(&load, place, "");
        let seed = seed + place as u64;
        clients.spawn(lists.clone().client(session()));
        clients.spawn(registers.clone().client(session(), seed));
        clients.spawn(registers.clone().client(session(), seed + 100));
        clients.spawn(inserts.clone().client(session(), seed));
        clients.spawn(workloads::transfers(session(), seed));
        clients.spawn(workloads::audits(session(), seed));
        clients.spawn(workloads::tokens(session(), place));
    }
    clients.spawn(workloads::churn(Session::new(&load, 0, "")));
    let under_faults = {
        let load = load.clone();
        let mut machines = machines;
        move || {
            let suffered = suffer(&mut machines, &load, duration, seed);
            (machines, suffered)
        }
    };
    let (machines, suffered) = tokio::task::spawn_blocking(under_faults).await.unwrap();
    load.stop();
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    report(&load, &suffered);
    let after = Load::new(ports(&machines));
    let (inserted, mut wrong) = inserts.check(&mut Session::new(&after, 0, ""), RECOVERY).await;
    let (read_and_written, found) = registers.check();
    wrong.extend(found);
    let (transactions, found) = lists.check();
    wrong.extend(found);
    wrong.extend(load.all_wrong());
    println!(
        "{transactions} transactions on lists, {read_and_written} operations on registers, {inserted} inserts"
    );
    let differences =
        tokio::task::spawn_blocking(move || (machines.nodes.verify(), machines)).await.unwrap().0;
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    assert_eq!(differences, "", "seed {seed}");
}

/// A control: a few clients of one workload under one fault at a time. What they find wrong is what is wanted.
async fn control(
    machines: Machines,
    faults: &'static [Fault],
    clients: impl Fn(&mut JoinSet<()>, Session, u64),
) -> (Arc<Load>, Machines) {
    let load = Load::new(ports(&machines));
    Session::new(&load, 0, "").must(workloads::TABLES, RECOVERY).await;
    machines.disks.iter().for_each(Disk::sync);
    let mut running = JoinSet::new();
    for place in 0..2 * NODES {
        clients(&mut running, Session::new(&load, place % NODES, ""), place as u64);
    }
    let (suffering, mut machines) = (load.clone(), machines);
    let machines = tokio::task::spawn_blocking(move || {
        let mut random = Rng::new(1);
        for fault in faults {
            suffering.set_disks_fail(fault.wants_disks());
            std::thread::sleep(Duration::from_secs(1));
            assert!(machines.suffer(*fault, &mut random));
        }
        std::thread::sleep(Duration::from_secs(2));
        machines
    });
    let machines = machines.await.unwrap();
    load.stop();
    while let Some(client) = running.join_next().await {
        client.unwrap();
    }
    (load, machines)
}

/// The control of the registers: reads that ask nobody are not linearizable while a node hears nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_a_node_that_asks_nobody_are_found_stale() {
    let registers = Registers::new("none");
    let faults = &[Fault::IsolatedFollower, Fault::IsolatedFollower];
    control(machines(None).await, faults, |clients, session, seed| {
        clients.spawn(registers.clone().client(session, seed));
    })
    .await;
    let (count, wrong) = registers.check();
    println!("{count} operations: {wrong:?}");
    assert!(!wrong.is_empty());
}

/// The control of the lists: READ COMMITTED is not serializable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anomalies_of_a_weaker_isolation_are_found() {
    let lists = Lists::new("READ COMMITTED", 1);
    control(machines(None).await, &[Fault::Transferred], |clients, session, _| {
        clients.spawn(lists.clone().client(session));
    })
    .await;
    let (count, wrong) = lists.check();
    println!("{count} transactions: {wrong:?}");
    assert!(!wrong.is_empty());
}

/// The control of the inserts: without fsync, what was acknowledged is lost with the power.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_never_synced_are_found_lost() {
    let libraries = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let library = libraries.map(|entry| entry.path().join("libeatmydata.so")).find(|path| path.exists());
    let Some(library) = library else { return println!("skipped: there is no libeatmydata") };
    let machines = machines(Some(library)).await;
    if machines.disks.is_empty() {
        return;
    }
    let inserts = Arc::new(Inserts::default());
    let (load, _machines) = control(machines, &[Fault::LostPowerOnAll], |clients, session, seed| {
        clients.spawn(inserts.clone().client(session, seed));
    })
    .await;
    let after = Load::new(load.ports.clone());
    let (count, wrong) = inserts.check(&mut Session::new(&after, 0, ""), RECOVERY).await;
    println!("{count} inserts: {} wrong, the first: {:?}", wrong.len(), wrong.first());
    assert!(wrong.iter().any(|what| what.contains("is lost")));
}

fn variable(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().expect("it is a number"))
}

/// With `QUORATE_LONG_TESTS` a minute and a half, else every kind of fault is too much for everyday use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_wrong_under_faults() {
    let seconds = match variable("QUORATE_CHAOS_MINUTES") {
        Some(minutes) => minutes * 60,
        None if std::env::var_os("QUORATE_LONG_TESTS").is_some() => 90,
        None => 5,
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = variable("QUORATE_CHAOS_SEED").unwrap_or(now.as_secs());
    run(Duration::from_secs(seconds), seed).await;
}
