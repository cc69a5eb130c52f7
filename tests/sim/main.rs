//! The seeded simulation: whole nodes, from their logs to their sessions, in one thread, with a simulated network,
//! clock and disk. A seed decides everything that happens; a seed that fails fails again.
//!
//! `QUORATE_SIM_SEEDS=1000..2000` runs these seeds, on all processors; `QUORATE_SIM_TOLD=1` tells what happens.

// Tests print what they did; what they share is public among them.
#![allow(unreachable_pub, clippy::print_stdout)]

#[path = "../it/chaos/linearizable.rs"]
mod linearizable;
#[path = "../it/chaos/outcome.rs"]
mod outcome;
#[path = "../it/chaos/workloads.rs"]
#[allow(dead_code)]
mod workloads;

mod disk;
mod load;
mod log;
mod network;
mod node;
mod schedule;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use log::Lie;
use schedule::{Fault, Plan, Report};

/// Seeds that are tried in everyday use.
const EVERYDAY: u64 = 20;
/// Seeds that are tried with `QUORATE_LONG_TESTS`.
const LONG: u64 = 150;
/// Seeds that may be needed until a control finds what is wrong.
const CONTROL_MAX: u64 = 300;

/// With `QUORATE_SIM_TOLD`, what happens is printed.
fn tell(what: impl FnOnce() -> String) {
    if std::env::var_os("QUORATE_SIM_TOLD").is_some() {
        println!("{:8.3} {}", turmoil::sim_elapsed().unwrap_or_default().as_secs_f64(), what());
    }
}

fn honest(seed: u64) -> Plan {
    Plan { seed, lie: Lie::None, level: "linearizable", faults: schedule::FAULTS }
}

fn is_long() -> bool {
    std::env::var_os("QUORATE_LONG_TESTS").is_some()
}

/// The seeds to run: those asked for, or some that are new each time.
fn seeds() -> Range<u64> {
    if let Ok(asked) = std::env::var("QUORATE_SIM_SEEDS") {
        let (from, to) = asked.split_once("..").expect("QUORATE_SIM_SEEDS=from..to");
        return from.parse().expect("a number")..to.parse().expect("a number");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let first = now.as_secs() * 1000;
    first..first + if is_long() { LONG } else { EVERYDAY }
}

/// Runs schedules on as many threads as there are processors, and adds up what came of them.
fn run_all(seeds: Range<u64>) -> (Report, Vec<u64>) {
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let one = || {
        let (mut total, mut failed) = (Report::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return (total, failed);
            }
            let report = schedule::run(honest(seed));
            if !report.wrong.is_empty() {
                println!("QUORATE_SIM_SEEDS={seed}..{}: {:#?}", seed + 1, report.wrong);
                failed.push(seed);
            }
            total.add(&report);
        }
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        let (mut total, mut failed) = (Report::default(), Vec::new());
        for thread in running {
            let (report, seeds) = thread.join().expect("a schedule has panicked");
            total.add(&report);
            failed.extend(seeds);
        }
        (total, failed)
    })
}

impl Report {
    fn add(&mut self, other: &Report) {
        self.committed += other.committed;
        self.aborted += other.aborted;
        self.unknown += other.unknown;
        self.reads += other.reads;
        self.faults += other.faults;
    }
}

#[test]
fn nothing_is_lost_or_wrong_in_any_schedule() {
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    let started = Instant::now();
    let (total, failed) = run_all(seeds.clone());
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    println!(
        "{count} schedules from seed {}, {:.0} a minute: {} faults; {} transactions that write: {} committed, {} aborted, {} unknown; {} reads",
        seeds.start,
        count as f64 / minutes,
        total.faults,
        total.committed + total.aborted + total.unknown,
        total.committed,
        total.aborted,
        total.unknown,
        total.reads
    );
    assert!(total.committed > 0 && total.faults > 0);
    assert!(failed.is_empty(), "seeds {failed:?}");
}

#[test]
fn a_seed_repeats_itself() {
    if !cfg!(tokio_unstable) {
        return println!("skipped: RUSTFLAGS are not those of .cargo/config.toml");
    }
    for seed in 0..3 {
        let [one, other] = [0, 1].map(|_| schedule::run(honest(seed)));
        assert_eq!(
            (one.trace, one.committed, one.reads),
            (other.trace, other.committed, other.reads),
            "{seed}"
        );
    }
}

/// Heartbeats wait for no disk, and who hears them elects nobody.
#[test]
fn a_disk_that_stalls_deposes_nobody() {
    for seed in 0..10 {
        let report = schedule::run(Plan { faults: &[Fault::StalledDisk], ..honest(seed) });
        assert!(report.wrong.is_empty(), "seed {seed}: {:?}", report.wrong);
        assert!(report.faults > 0 && report.committed > 0);
        assert_eq!(report.leaders, 1, "seed {seed}");
    }
}

/// Runs schedules with something wrong until that is found.
fn find(plan: impl Fn(u64) -> Plan) -> Vec<String> {
    let found = (0..CONTROL_MAX).find_map(|seed| {
        let wrong = schedule::run(plan(seed)).wrong;
        (!wrong.is_empty()).then(|| {
            println!("seed {seed}: {}", wrong[0]);
            wrong
        })
    });
    found.expect("what is wrong is found")
}

#[test]
fn entries_that_were_never_synced_are_found_lost() {
    find(|seed| Plan { lie: Lie::UnsyncedEntries, ..honest(seed) });
}

#[test]
fn votes_that_are_forgotten_are_found() {
    find(|seed| Plan { lie: Lie::LostVotes, ..honest(seed) });
}

/// Faults that leave much unsynced when a process is killed, and take the power soon after.
const UNSYNCED: &[Fault] = &[Fault::StalledDisk, Fault::StalledDisk, Fault::Killed, Fault::LostPowerOnAll];

#[test]
fn a_start_that_does_not_sync_is_found() {
    find(|seed| Plan { lie: Lie::UnsyncedStart, faults: UNSYNCED, ..honest(seed) });
}

/// The same schedules, without what is wrong.
#[test]
fn a_start_that_syncs_loses_nothing() {
    for seed in 0..if is_long() { LONG } else { 5 } {
        let report = schedule::run(Plan { faults: UNSYNCED, ..honest(seed) });
        assert!(report.wrong.is_empty(), "seed {seed}: {:?}", report.wrong);
    }
}

#[test]
fn reads_that_ask_nobody_are_found_stale() {
    let wrong = find(|seed| Plan { level: "none", ..honest(seed) });
    assert!(wrong.iter().any(|what| what.contains("register")), "{wrong:?}");
}
