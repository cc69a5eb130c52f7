//! How a node gets into its cluster.
//!
//! A start with members on disk needs nothing of this. Else the node greets its peers until one of two
//! things is so. Either one of them is in a cluster: then the node asks to be taken in. Or as many as are
//! expected, itself included, are in none: then the one with the lowest number founds the cluster.
//!
//! Two clusters can never come of one set of nodes: the founder needs the promise of every founding
//! member, kept durably, to be in this cluster with these members and in no other.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::message::{self, Hello, Question};
use super::{Cluster, QUESTION_TIMEOUT};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::storage::DataDirectory;
use crate::telemetry;
use crate::transport::{Destination, Peer};

/// The fact of a node's own number.
pub const NODE: &str = "number";
/// The fact of the cluster that the node is in.
pub const CLUSTER: &str = "cluster";
/// The fact of the founding members that the node has promised to be with.
const FOUNDING: &str = "founding";

/// How often peers are greeted.
const GREETING_INTERVAL: Duration = Duration::from_millis(200);
/// How often is told what a start waits for.
const TOLD_INTERVAL: Duration = Duration::from_secs(5);
/// How often is looked whether others must be told something.
const UPKEEP_INTERVAL: Duration = Duration::from_millis(500);
/// A learner that is to vote must have all but so many entries.
const PROMOTION_LAG: u64 = 1000;
/// A node that hears of no leader for so long asks whether it is still a member.
const LONELY: Duration = Duration::from_secs(3);

/// A number that is kept as a fact.
pub fn kept_number(directory: &DataDirectory, name: &str) -> Result<Option<u64>> {
    let Some(text) = directory.fact(name)? else { return Ok(None) };
    match u64::from_str_radix(&text, 16) {
        Ok(number) => Ok(Some(number)),
        Err(_) => bail!(DATA_CORRUPTED, "the data directory's file node/{name} is damaged"),
    }
}

fn members_text(members: &[(u64, String)]) -> String {
    members.iter().map(|(node, address)| format!("{node} {address}\n")).collect()
}

fn read_members(text: &str) -> Result<Vec<(u64, String)>> {
    let damaged =
        || Error::new(state::DATA_CORRUPTED, format!("the data directory's file node/{FOUNDING} is damaged"));
    let member = |line: &str| {
        let (node, address) = line.split_once(' ').ok_or_else(damaged)?;
        Ok((node.parse().map_err(|_| damaged())?, address.to_owned()))
    };
    text.lines().map(member).collect()
}

/// What is said every few seconds while a start waits.
struct Waiting {
    told: Instant,
}

impl Waiting {
    fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.told.elapsed() >= TOLD_INTERVAL {
            self.told = Instant::now();
            telemetry::info!("{}", what());
        }
    }
}

impl Cluster {
    /// Ends when this node is a member of its cluster.
    pub async fn form(&self) -> Result<()> {
        let mut waiting = Waiting { told: Instant::now() };
        while !self.node.is_initialised().await? {
            if self.options.expect <= 1 && self.options.peers.is_empty() {
                telemetry::info!("founding a cluster of one node");
                let own = vec![(self.node.id(), self.options.address.clone())];
                self.promise(self.new_id(), &own).await?;
                self.node.initialise(&own).await?;
                return Ok(());
            }
            self.try_to_form(&mut waiting).await?;
            tokio::time::sleep(GREETING_INTERVAL).await;
        }
        Ok(())
    }

    fn new_id(&self) -> u64 {
        match self.id() {
            0 => self.random.next_u64().max(1),
            id => id,
        }
    }

    async fn try_to_form(&self, waiting: &mut Waiting) -> Result<()> {
        let promised = self.databases.directory().fact(FOUNDING)?;
        if let Some(members) = promised.as_deref().map(read_members).transpose()? {
            let founder = members.first().map_or(0, |(node, _)| *node);
            if founder == self.node.id() {
                return self.found(&members, waiting).await;
            }
            waiting.tell(|| format!("waiting for node {founder}, which founds the cluster"));
            return Ok(());
        }
        let greeted = self.greet_peers(waiting).await?;
        if let Some(hello) = greeted.values().find(|hello| hello.is_initialised) {
            return self.ask_to_join(hello, waiting).await;
        }
        let mut members: Vec<(u64, String)> =
            greeted.values().map(|hello| (hello.node, hello.address.clone())).collect();
        members.push((self.node.id(), self.options.address.clone()));
        members.sort();
        if members.len() < self.options.expect {
            waiting.tell(|| {
                format!(
                    "waiting for {} of {} nodes to found a cluster",
                    self.options.expect - members.len(),
                    self.options.expect
                )
            });
            return Ok(());
        }
        if let Some(other) = greeted.values().find(|hello| hello.expect != self.options.expect as u64) {
            waiting.tell(|| {
                format!(
                    "node {} expects {} nodes, this one {}: all must expect the same number",
                    other.node, other.expect, self.options.expect
                )
            });
            return Ok(());
        }
        members.truncate(self.options.expect);
        if members[0].0 != self.node.id() {
            waiting.tell(|| format!("waiting for node {} to found the cluster", members[0].0));
            return Ok(());
        }
        self.promise(self.new_id(), &members).await?;
        self.found(&members, waiting).await
    }

    /// Asks all peers who they are. Peers that do not answer are left out, and so is this node itself.
    async fn greet_peers(&self, waiting: &mut Waiting) -> Result<BTreeMap<u64, Hello>> {
        let mut greeted = BTreeMap::new();
        for peer in &self.options.peers {
            let question = Question::Hello { node: self.node.id() };
            let to = Destination::anyone(peer);
            let asked = tokio::time::timeout(QUESTION_TIMEOUT, self.ask(&to, &question)).await;
            let hello = match asked {
                Ok(Ok(answer)) => Hello::decode(&answer)?,
                Ok(Err(error)) => {
                    waiting.tell(|| error.message().to_owned());
                    continue;
                }
                Err(_) => continue,
            };
            if hello.node == self.node.id() {
                if hello.nonce != self.nonce {
                    bail!(
                        OBJECT_IN_USE,
                        "the node at {peer} has number {} as this one has: give one of them another --node-id and an empty data directory",
                        hello.node
                    );
                }
                continue;
            }
            greeted.insert(hello.node, hello);
        }
        Ok(greeted)
    }

    /// Promises, durably, to be in a cluster and in no other, with these founding members.
    pub(super) async fn promise(&self, cluster: u64, members: &[(u64, String)]) -> Result<()> {
        let directory = self.databases.directory();
        let text = members_text(members);
        let promised = directory.fact(FOUNDING)?;
        let is_same =
            self.id() == cluster && promised.as_deref().is_some_and(|promised| promised == text.trim());
        if is_same {
            return Ok(());
        }
        if self.id() != 0 || promised.is_some() || self.node.is_initialised().await? {
            bail!(
                OBJECT_NOT_IN_PREREQUISITE_STATE,
                "node {} is in cluster {:016x} already, or has promised to be",
                self.node.id(),
                self.id()
            );
        }
        directory.keep_fact(FOUNDING, text.trim())?;
        self.enter(cluster)
    }

    /// This node is in a cluster from now on.
    fn enter(&self, cluster: u64) -> Result<()> {
        self.databases.directory().keep_fact(CLUSTER, &format!("{cluster:016x}"))?;
        self.own.join(cluster);
        (self.greet_anew)();
        Ok(())
    }

    /// Collects all promises, then founds the cluster.
    async fn found(&self, members: &[(u64, String)], waiting: &mut Waiting) -> Result<()> {
        for (node, address) in members.iter().filter(|(node, _)| *node != self.node.id()) {
            let question = Question::Found { cluster: self.id(), members: members.to_vec() };
            let to = Destination::node(*node, address);
            match tokio::time::timeout(QUESTION_TIMEOUT, self.ask(&to, &question)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    waiting.tell(|| format!("cannot found the cluster yet: {}", error.message()));
                    return Ok(());
                }
                Err(_) => return Ok(()),
            }
        }
        let nodes: Vec<String> = members.iter().map(|(node, _)| node.to_string()).collect();
        telemetry::info!("founding cluster {:016x} of nodes {}", self.id(), nodes.join(", "));
        self.node.initialise(members).await
    }

    /// Asks a cluster to take this node in. The leader may be another node than the one that was greeted.
    async fn ask_to_join(&self, hello: &Hello, waiting: &mut Waiting) -> Result<()> {
        let Some((leader, address)) = &hello.leader else {
            waiting.tell(|| format!("waiting for a leader of cluster {:016x}", hello.cluster));
            return Ok(());
        };
        if hello.cluster == 0 || (self.id() != 0 && self.id() != hello.cluster) {
            bail!(
                OBJECT_NOT_IN_PREREQUISITE_STATE,
                "this node's data belongs to cluster {:016x}, but the node at {} is in cluster {:016x}",
                self.id(),
                hello.address,
                hello.cluster
            );
        }
        let question = Question::Join { node: self.node.id(), address: self.options.address.clone() };
        let to = Destination::node(*leader, address);
        match tokio::time::timeout(QUESTION_TIMEOUT, self.ask(&to, &question)).await {
            Ok(Ok(answer)) => {
                if let Some(cluster) = message::decode_number(&answer)?
                    && self.id() == 0
                {
                    telemetry::info!("joining cluster {cluster:016x} as node {}", self.node.id());
                    self.enter(cluster)?;
                }
                Ok(())
            }
            Ok(Err(error)) if error.message().contains("is a member already") => Err(Error::new(
                state::OBJECT_IN_USE,
                format!(
                    "node {} is a member of cluster {:016x} already, with other data. Remove it first (quorate node remove {}), or choose another --node-id",
                    self.node.id(),
                    hello.cluster,
                    self.node.id()
                ),
            )),
            Ok(Err(error)) => {
                waiting.tell(|| format!("cannot join yet: {}", error.message()));
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// Takes a node in, as the leader. The first time it only learns the cluster's number, which it keeps
    /// before it asks again: so a member that has lost its data is told from one that asks twice.
    pub(super) async fn take_in(&self, peer: Peer, node: u64, address: &str) -> Result<Vec<u8>> {
        if self.node.leading_term().is_none() {
            return Err(super::no_leader(None));
        }
        let is_member = self.node.status().members.iter().any(|member| member.node == node);
        let is_known = peer.cluster == self.id() && peer.node == node;
        match (is_member, is_known) {
            (true, false) => bail!(OBJECT_IN_USE, "node {node} is a member already"),
            (false, true) => {
                telemetry::info!("taking in node {node} at {address}");
                self.node.add_learner(node, address).await?;
            }
            (true, true) | (false, false) => {}
        }
        Ok(message::encode_number(Some(self.id())))
    }

    /// Runs for the node's life: tells the leader this node's address if it has changed, asks to vote
    /// when it has caught up, and finds out if it was removed, which ends this.
    pub async fn upkeep(&self) -> Error {
        let mut heard = Instant::now();
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            let status = self.node.status();
            let own = status.members.iter().find(|member| member.node == self.node.id());
            if status.leader.is_some() {
                heard = Instant::now();
            } else if heard.elapsed() > LONELY && self.was_removed(&status.members).await {
                return Error::new(
                    state::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "this node was removed from its cluster",
                );
            }
            let Some(own) = own else { continue };
            let question = if own.address != self.options.address {
                Question::Move { node: own.node, address: self.options.address.clone() }
            } else if !own.is_voter && !self.options.is_learner && self.has_caught_up().await {
                Question::Promote { node: own.node }
            } else {
                continue;
            };
            let Some((leader, address)) = self.node.leader() else { continue };
            let told = async {
                if leader == self.node.id() {
                    self.answer(question).await
                } else {
                    self.ask(&Destination::node(leader, address), &question).await
                }
            };
            if let Ok(Err(error)) = tokio::time::timeout(QUESTION_TIMEOUT, told).await {
                telemetry::info!("the leader could not be told yet: {}", error.message());
            }
        }
    }

    async fn has_caught_up(&self) -> bool {
        let Some(leader) = self.node.leader() else { return false };
        let question = Question::Index(message::IndexKind::Applied);
        let to = Destination::node(leader.0, leader.1);
        let asked = self.ask(&to, &question);
        match tokio::time::timeout(QUESTION_TIMEOUT, asked).await {
            Ok(Ok(answer)) => message::decode_number(&answer)
                .ok()
                .flatten()
                .is_some_and(|index| self.node.applied_index() + PROMOTION_LAG >= index),
            _ => false,
        }
    }

    async fn was_removed(&self, members: &[crate::raft::Member]) -> bool {
        for member in members.iter().filter(|member| member.node != self.node.id()) {
            let question = Question::Hello { node: self.node.id() };
            let to = Destination::node(member.node, &member.address);
            let asked = self.ask(&to, &question);
            if let Ok(Ok(answer)) = tokio::time::timeout(QUESTION_TIMEOUT, asked).await
                && let Ok(hello) = Hello::decode(&answer)
                && hello.is_member == Some(false)
            {
                return true;
            }
        }
        false
    }
}
