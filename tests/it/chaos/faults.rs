//! What happens to the nodes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adya::r#gen::Rng;

use super::disk::Disk;
use super::network::{Link, Network};
use crate::cluster::nodes::Nodes;

/// How long a pause, a partition and the like last, in milliseconds.
const LASTING_MS: (u64, u64) = (500, 6000);
/// How many milliseconds a message takes in a slow network, and how many more at most.
const SLOW_MS: u64 = 15;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    KilledLeader,
    KilledFollower,
    KilledTwo,
    KilledAll,
    /// SIGSTOP, and later SIGCONT.
    PausedLeader,
    PausedFollower,
    IsolatedLeader,
    IsolatedFollower,
    /// It hears nothing, and the others hear it.
    DeafLeader,
    /// Nobody hears it, and it hears the others.
    MuteLeader,
    /// Two nodes do not hear each other, and both hear the third.
    Bridge,
    /// Nobody hears anybody.
    AllApart,
    ResetConnections,
    SlowNetwork,
    /// What one node has not synced is gone.
    LostPower,
    /// The same on all nodes at once.
    LostPowerOnAll,
    /// No room on the leader's disk.
    FullDisk,
    /// Killed, and back only when the others have purged the log it needs.
    LongAway,
    /// The leadership is given away.
    Transferred,
}

impl Fault {
    pub const ALL: [Fault; 19] = [
        Fault::KilledLeader,
        Fault::KilledFollower,
        Fault::KilledTwo,
        Fault::KilledAll,
        Fault::PausedLeader,
        Fault::PausedFollower,
        Fault::IsolatedLeader,
        Fault::IsolatedFollower,
        Fault::DeafLeader,
        Fault::MuteLeader,
        Fault::Bridge,
        Fault::AllApart,
        Fault::ResetConnections,
        Fault::SlowNetwork,
        Fault::LostPower,
        Fault::LostPowerOnAll,
        Fault::FullDisk,
        Fault::LongAway,
        Fault::Transferred,
    ];

    /// Whether a majority can work all the time.
    pub fn leaves_majority(self) -> bool {
        !matches!(self, Fault::KilledTwo | Fault::KilledAll | Fault::AllApart | Fault::LostPowerOnAll)
    }

    /// Whether clients may be told of trouble with a disk; also, that this machine must be able to mount some.
    pub fn wants_disks(self) -> bool {
        matches!(self, Fault::LostPower | Fault::LostPowerOnAll | Fault::FullDisk)
    }
}

/// The nodes, and what is between and under them.
pub struct Machines {
    pub nodes: Nodes,
    pub network: Arc<Network>,
    /// None if this machine cannot mount disks.
    pub disks: Vec<Disk>,
}

impl Machines {
    fn places(&self) -> std::ops::Range<usize> {
        0..self.nodes.nodes.len()
    }

    fn kill(&mut self, places: impl IntoIterator<Item = usize>) {
        places.into_iter().for_each(|place| self.nodes.kill(place));
    }

    /// Holds what goes from some nodes to others, or the other way.
    fn hold(&self, links: impl IntoIterator<Item = (usize, usize)>) {
        for (from, to) in links.into_iter().filter(|(from, to)| from != to) {
            self.network.set(from as u64 + 1, to as u64 + 1, Link::Held);
        }
    }

    fn lose_power(&mut self, places: impl IntoIterator<Item = usize> + Clone) {
        places.clone().into_iter().for_each(|place| self.disks[place].lose_power());
        self.kill(places.clone());
        places.into_iter().for_each(|place| self.disks[place].regain_power());
    }

    /// Waits until the leader has purged what it now has last, and a little longer.
    fn wait_for_purge(&self, patience: Duration) {
        let leader = self.nodes.leader();
        let number = |name| self.nodes.nodes[leader].status(name).and_then(|value| value.parse::<u64>().ok());
        let now = number("applied index").unwrap_or(0);
        let started = Instant::now();
        while started.elapsed() < patience && number("log purged up to").is_none_or(|purged| purged <= now) {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Makes a fault happen, for as long as it lasts, and ends it. `false` if this machine cannot.
    pub fn suffer(&mut self, fault: Fault, random: &mut Rng) -> bool {
        if fault.wants_disks() && self.disks.is_empty() {
            return false;
        }
        let leader = self.nodes.leader();
        let others: Vec<usize> = self.places().filter(|place| *place != leader).collect();
        let follower = others[random.below(others.len() as u64) as usize];
        let all = self.places();
        let lasting = LASTING_MS.0 + random.below(LASTING_MS.1 - LASTING_MS.0);
        let last = || std::thread::sleep(Duration::from_millis(lasting));
        match fault {
            Fault::KilledLeader => self.kill([leader]),
            Fault::KilledFollower => self.kill([follower]),
            Fault::KilledTwo => self.kill([leader, follower]),
            Fault::KilledAll => self.kill(all),
            Fault::PausedLeader => self.pause(leader, last),
            Fault::PausedFollower => self.pause(follower, last),
            Fault::IsolatedLeader => self.hold(all.flat_map(|other| [(leader, other), (other, leader)])),
            Fault::IsolatedFollower => {
                self.hold(all.flat_map(|other| [(follower, other), (other, follower)]))
            }
            Fault::DeafLeader => self.hold(all.map(|other| (other, leader))),
            Fault::MuteLeader => self.hold(all.map(|other| (leader, other))),
            Fault::Bridge => self.hold([(leader, follower), (follower, leader)]),
            Fault::AllApart => self.hold(all.clone().flat_map(|from| all.clone().map(move |to| (from, to)))),
            Fault::ResetConnections => self.network.reset(),
            Fault::SlowNetwork => {
                let links = all.clone().flat_map(|from| all.clone().map(move |to| (from, to)));
                links.for_each(|(from, to)| {
                    self.network.set(from as u64 + 1, to as u64 + 1, Link::Slow(SLOW_MS))
                });
            }
            Fault::LostPower => self.lose_power([[leader, follower][random.below(2) as usize]]),
            Fault::LostPowerOnAll => self.lose_power(all),
            Fault::FullDisk => self.disks[leader].fill(),
            Fault::LongAway => {
                self.kill([follower]);
                self.wait_for_purge(Duration::from_secs(20));
            }
            Fault::Transferred => {
                self.nodes.nodes[leader].page("POST", "/transfer");
            }
        }
        match fault {
            Fault::PausedLeader | Fault::PausedFollower | Fault::ResetConnections | Fault::Transferred => {}
            _ => last(),
        }
        self.heal(random, fault == Fault::FullDisk, leader);
        true
    }

    fn pause(&self, place: usize, last: impl Fn()) {
        let process = self.nodes.nodes[place].process.as_ref().expect("the node runs");
        process.signal("STOP");
        last();
        process.signal("CONT");
    }

    /// Ends all faults.
    fn heal(&mut self, random: &mut Rng, is_full: bool, leader: usize) {
        if is_full {
            self.disks[leader].empty();
        }
        self.network.heal();
        // What was held arrives late, or never.
        if random.below(2) == 0 {
            self.network.reset();
        }
        self.restart_ended();
    }

    /// Starts again what was killed or has ended by itself.
    pub fn restart_ended(&mut self) {
        for node in &mut self.nodes.nodes {
            if node.process.as_mut().is_some_and(|process| !process.is_running()) {
                node.process = None;
            }
        }
        self.nodes.start_all();
    }
}
