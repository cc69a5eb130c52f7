//! This node in its group, as the layers above see it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::ClientWriteError;
use openraft::impls::ProgressResponder;
use openraft::{BasicNode, ChangeMembers, Config, ReadPolicy, SnapshotPolicy};

use super::answers::Answers;
use super::copies::{Copies, Fetcher, Progress};
use super::freshness::Freshness;
use super::log_store::LogStore;
use super::network::Network;
use super::rebuild::Rebuilder;
use super::state_machine::{self, StateMachine};
use super::types::{Proposal, Types, log_id};
use crate::error::{Error, Result, state};
use crate::storage::{Databases, Log, LogId};
use crate::telemetry::{self, Random};
use crate::transport::{Own, Service, Transport};

pub(super) type Raft = openraft::Raft<Types, StateMachine>;

/// How often is looked whether the log must be purged.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(200);
/// How often is looked whether the node has stopped by itself.
const FAILURE_INTERVAL: Duration = Duration::from_millis(50);
/// How long flushing all files may take before the next try.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long something may take before the log tells how far it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a transfer of leadership may take.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a node needs to know to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node's number, never changed.
    pub node_id: u64,
    /// Where other nodes reach this one.
    pub address: String,
    /// A follower without news from the leader waits this long before it stands for election, in
    /// milliseconds: a random time between the two.
    pub election_timeout_ms: (u64, u64),
    /// The leader gives news this often, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// The log is purged when it is larger than this, in bytes. What was written last, half as much, stays.
    pub log_bytes_max: u64,
    /// Whether a leader answers for linearizable reads by its lease, without asking the quorum.
    pub lease_reads: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            node_id: 1,
            address: String::new(),
            election_timeout_ms: (300, 600),
            heartbeat_interval_ms: 75,
            log_bytes_max: 64 << 20,
            lease_reads: false,
        }
    }
}

/// One member of the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its number.
    pub node: u64,
    /// Where other nodes reach it.
    pub address: String,
    /// Whether it votes; else it is a learner.
    pub is_voter: bool,
    /// The last entry that it has, as far as the leader knows; `None` if this node does not lead.
    pub matched: Option<u64>,
}

/// What a node tells about itself.
#[derive(Clone, Debug)]
pub struct Status {
    /// This node.
    pub node_id: u64,
    /// `leader`, `follower`, `candidate`, `learner`, `rebuilding` or `stopped`.
    pub role: &'static str,
    /// The leader, if one is known.
    pub leader: Option<u64>,
    /// The term.
    pub term: u64,
    /// The last entry in the log.
    pub last_log_index: Option<u64>,
    /// The last entry applied.
    pub applied_index: Option<u64>,
    /// The last entry purged from the log.
    pub purged_index: Option<u64>,
    /// The log's size, in bytes.
    pub log_bytes: u64,
    /// The members, in the order of their numbers.
    pub members: Vec<Member>,
    /// How far fetching another node's files is.
    pub fetching: Option<Progress>,
}

/// What became of a proposal.
#[derive(Clone, PartialEq, Debug)]
pub enum Fate {
    /// It was applied here.
    Applied(LogId),
    /// It is in no entry and never will be: why.
    Refused(Error),
    /// Another node may have committed it. Entries of a later term will tell.
    Unknown,
}

/// This node.
pub struct RaftNode {
    raft: Raft,
    databases: Arc<Databases>,
    log: Arc<dyn Log>,
    options: Options,
    own: Arc<Own>,
    copies: Arc<Copies>,
    fetcher: Arc<Fetcher>,
    freshness: Arc<Freshness>,
    rebuilder: Arc<Rebuilder>,
    state_machine: StateMachine,
    /// The last entry in the log at the start of the only voter: committed, since nobody else decides, but
    /// maybe not applied again yet. 0 among others.
    own_until: u64,
    /// Whether the leadership is being given away, in which time the log takes nothing.
    is_transferring: AtomicBool,
    /// Whether raft's task has ended by a panic, which its metrics do not tell.
    has_panicked: AtomicBool,
}

/// The settings of openraft.
fn config(options: &Options, is_alone: bool) -> Result<Arc<Config>> {
    let config = Config {
        cluster_name: "quorate".into(),
        election_timeout_min: options.election_timeout_ms.0,
        election_timeout_max: options.election_timeout_ms.1,
        heartbeat_interval: options.heartbeat_interval_ms,
        // Snapshots are taken by `maintain`, by the log's size.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        enable_pre_vote: Some(true),
        // Alone, nobody else can have committed anything. Among others, a leader that came back without an
        // election might not know how far it had committed, and answer reads with less.
        enable_leader_restore: Some(is_alone),
        ..Config::default()
    };
    let config =
        config.validate().map_err(|error| Error::new(state::INVALID_PARAMETER_VALUE, error.to_string()))?;
    Ok(Arc::new(config))
}

/// 57P03: nobody leads, as far as this node knows.
fn no_leader(error: &dyn std::fmt::Display) -> Error {
    Error::new(state::CANNOT_CONNECT_NOW, "the cluster has no leader now")
        .with_detail(format!("This node says: {error}"))
        .with_hint("Try again: an election takes about a second. If it stays so, a majority of the nodes is missing.")
}

/// 40001: nobody else has seen the transaction.
fn not_leading() -> Error {
    Error::new(
        state::SERIALIZATION_FAILURE,
        "could not serialize access: another node became the leader during the transaction",
    )
    .with_hint("The transaction might succeed if retried.")
}

impl RaftNode {
    /// Starts the node with what is on its disk.
    pub async fn start(
        options: Options,
        own: Arc<Own>,
        databases: Arc<Databases>,
        log: Arc<dyn Log>,
        transport: Arc<dyn Transport>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<RaftNode>> {
        let membership = state_machine::kept_membership(&databases)?;
        let is_alone = membership.membership().voter_ids().collect::<Vec<_>>() == [options.node_id];
        let own_until = if is_alone { log.state().last.map_or(0, |id| id.index) } else { 0 };
        let copies = Copies::new(databases.clone(), random);
        let fetcher = Fetcher::new(databases.clone(), transport.clone());
        let rebuilder = Rebuilder::new(options.node_id);
        let state_machine = StateMachine::open(databases.clone(), fetcher.clone(), rebuilder.clone())?;
        let own_address = (options.node_id, options.address.clone());
        let network = Network { transport, copies: copies.clone(), own: own_address };
        let raft = Raft::new(
            options.node_id,
            config(&options, is_alone)?,
            network,
            LogStore(log.clone()),
            state_machine.clone(),
        )
        .await
        .map_err(|error| Error::internal(format!("raft could not start: {error}")))?;
        rebuilder.know(raft.clone());
        let freshness = Arc::default();
        Ok(Arc::new(RaftNode {
            raft,
            databases,
            log,
            options,
            own,
            copies,
            fetcher,
            freshness,
            rebuilder,
            state_machine,
            own_until,
            is_transferring: AtomicBool::new(false),
            has_panicked: AtomicBool::new(false),
        }))
    }

    /// This node's number.
    pub fn id(&self) -> u64 {
        self.options.node_id
    }

    /// Whether the group exists: it has members.
    pub async fn is_initialised(&self) -> Result<bool> {
        self.raft.is_initialized().await.map_err(|error| stopped(&error))
    }

    /// Founds the group.
    pub async fn initialise(&self, members: &[(u64, String)]) -> Result<()> {
        let members: BTreeMap<u64, BasicNode> =
            members.iter().map(|(id, address)| (*id, BasicNode::new(address))).collect();
        self.raft
            .initialize(members)
            .await
            .map_err(|error| Error::internal(format!("the group could not be founded: {error}")))
    }

    /// The service that answers other nodes.
    pub fn service(&self) -> Arc<dyn Service> {
        Arc::new(Answers {
            raft: self.raft.clone(),
            own: self.own.clone(),
            copies: self.copies.clone(),
            fetcher: self.fetcher.clone(),
            state_machine: self.state_machine.clone(),
            freshness: self.freshness.clone(),
        })
    }

    /// The term in which this node leads, if it does.
    pub fn leading_term(&self) -> Option<u64> {
        if self.is_transferring.load(Ordering::Acquire) {
            return None;
        }
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        // Not by the vote alone, as openraft's `as_leader`: after a restart that is the last leadership's.
        metrics.state.is_leader().then_some(metrics.current_term)
    }

    /// Waits until this node, which leads, has applied everything that was committed before its term. 40001
    /// if it leads no more.
    pub async fn wait_to_lead(&self) -> Result<u64> {
        let term = self.leading_term().ok_or_else(not_leading)?;
        let mut applied = self.databases.applied();
        let is_ready = |applied: &LogId| applied.term >= term && applied.index >= self.own_until;
        if !is_ready(&applied.borrow()) {
            tokio::select! {
                biased;
                _ = applied.wait_for(is_ready) => {}
                () = self.wait_while_leading(term) => return Err(not_leading()),
            }
        }
        Ok(term)
    }

    async fn wait_while_leading(&self, term: u64) {
        while self.leading_term() == Some(term) {
            tokio::time::sleep(FAILURE_INTERVAL).await;
        }
    }

    /// Makes sure, by asking the quorum, that this node has led since the start of a term. 40001 if not.
    pub async fn confirm(&self, term: u64) -> Result<()> {
        self.read_index().await.map_err(|_| not_leading())?;
        if self.leading_term() == Some(term) { Ok(()) } else { Err(not_leading()) }
    }

    /// The leader's number and address, if one is known.
    pub fn leader(&self) -> Option<(u64, String)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leader = metrics.current_leader?;
        let node = metrics.membership_config.membership().get_node(&leader)?;
        Some((leader, node.addr.clone()))
    }

    /// Waits, for a while, until a leader is known that is not `before`.
    pub async fn wait_for_leader(&self, before: Option<(u64, u64)>, timeout: Duration) -> bool {
        let wait = self.raft.wait(Some(timeout));
        let is_new = |metrics: &openraft::RaftMetrics<Types>| {
            metrics.current_leader.is_some_and(|leader| Some((metrics.current_term, leader)) != before)
        };
        wait.metrics(is_new, "a leader").await.is_ok()
    }

    /// The term and the leader, as far as they are known.
    pub fn leadership(&self) -> Option<(u64, u64)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        Some((metrics.current_term, metrics.current_leader?))
    }

    /// Proposes an entry in a term in which this node leads. The first wait ends when it has its place
    /// among this node's proposals.
    pub async fn propose(
        &self,
        entry: Vec<u8>,
        term: u64,
    ) -> Result<impl Future<Output = Fate> + Send + use<>> {
        telemetry::metrics::LOG_ENTRIES.increment();
        telemetry::metrics::LOG_BYTES.add(entry.len() as u64);
        let (responder, receiver) = ProgressResponder::complete_only();
        let write = self.raft.write(Proposal(entry.into())).with_leader(term).responder(responder);
        write.await.map_err(|error| stopped(&error))?;
        Ok(async move {
            match receiver.await {
                Ok(Ok(written)) => Fate::Applied(log_id(&written.log_id)),
                Ok(Err(ClientWriteError::ForwardToLeader(_))) => Fate::Refused(not_leading()),
                Ok(Err(_)) | Err(_) => Fate::Unknown,
            }
        })
    }

    /// The entry that a linearizable read must wait for. Only the leader knows; it asks the quorum, unless
    /// it may rely on its lease or is the only voter.
    pub async fn read_index(&self) -> Result<u64> {
        if self.is_alone() {
            return Ok(self.applied_index().max(self.own_until));
        }
        let policy = if self.options.lease_reads { ReadPolicy::LeaseRead } else { ReadPolicy::ReadIndex };
        let (read, _) = self.raft.get_read_log_id(policy).await.map_err(|error| no_leader(&error))?;
        Ok(read.log_id().index())
    }

    /// The last entry applied here.
    pub fn applied_index(&self) -> u64 {
        self.databases.applied().borrow().index
    }

    /// How long ago this node had everything that was committed; `None` if that is not known.
    pub fn age(&self) -> Option<Duration> {
        if self.leading_term().is_some() {
            return Some(Duration::ZERO);
        }
        self.freshness.age(self.applied_index())
    }

    /// Whether this node leads and is the only voter.
    fn is_alone(&self) -> bool {
        let mut voters = self.raft.voter_ids();
        voters.next() == Some(self.options.node_id) && voters.next().is_none() && self.raft.is_leader()
    }

    async fn change(&self, change: ChangeMembers<u64, BasicNode>, retain: bool) -> Result<()> {
        self.raft.change_membership(change, retain).await.map(|_| ()).map_err(|error| {
            Error::new(
                state::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("the members cannot be changed: {error}"),
            )
        })
    }

    /// Adds a member that does not vote.
    pub async fn add_learner(&self, node: u64, address: &str) -> Result<()> {
        self.change(ChangeMembers::AddNodes([(node, BasicNode::new(address))].into()), true).await
    }

    /// Lets a learner vote.
    pub async fn promote(&self, node: u64) -> Result<()> {
        self.change(ChangeMembers::AddVoterIds(BTreeSet::from([node])), true).await
    }

    /// Changes where a member is reached.
    pub async fn move_member(&self, node: u64, address: &str) -> Result<()> {
        self.change(ChangeMembers::SetNodes([(node, BasicNode::new(address))].into()), true).await
    }

    /// Removes a member.
    pub async fn remove(&self, node: u64) -> Result<()> {
        if self.raft.voter_ids().any(|voter| voter == node) {
            self.change(ChangeMembers::RemoveVoters(BTreeSet::from([node])), false).await
        } else {
            self.change(ChangeMembers::RemoveNodes(BTreeSet::from([node])), false).await
        }
    }

    /// Replaces this node's files by another's, when the next entry is applied.
    pub fn rebuild(&self) -> Result<()> {
        if self.leading_term().is_some() {
            return Err(Error::new(state::OBJECT_NOT_IN_PREREQUISITE_STATE, "this node leads")
                .with_hint("Give the leadership away first: quorate leader transfer."));
        }
        self.rebuilder.want();
        Ok(())
    }

    /// Gives the leadership to a voter, the one that is furthest if none is named. Gives who leads then.
    pub async fn transfer(&self, to: Option<u64>) -> Result<u64> {
        let refuse = |why: String| Err(Error::new(state::OBJECT_NOT_IN_PREREQUISITE_STATE, why));
        let status = self.status();
        let Some(before) = self.leadership().filter(|_| self.leading_term().is_some()) else {
            return refuse("this node does not lead".into());
        };
        let voters = status.members.iter().filter(|member| member.is_voter && member.node != self.id());
        let target = match to {
            Some(to) if to == self.id() => return Ok(to),
            Some(to) => voters.into_iter().find(|member| member.node == to),
            None => voters.max_by_key(|member| member.matched),
        };
        let Some(target) = target else {
            return refuse(match to {
                Some(to) => format!("node {to} is not a voter of this cluster"),
                None => "there is no other voter".into(),
            });
        };
        // Clients wait for the next leader meanwhile, instead of being refused by this one.
        let transferring = Transferring::start(&self.is_transferring);
        let triggered = self.raft.trigger().transfer_leader(target.node).await;
        if triggered.is_ok() {
            self.wait_for_leader(Some(before), TRANSFER_TIMEOUT).await;
        }
        drop(transferring);
        triggered.map_err(|error| stopped(&error))?;
        match self.leadership() {
            Some((_, leader)) if leader == target.node => Ok(leader),
            _ => refuse(format!("node {} has not taken the leadership over", target.node)),
        }
    }

    /// Waits until this node leads and has applied what was committed: for tests of one layer.
    #[cfg(test)]
    pub(super) async fn wait_until_ready(&self) -> Result<()> {
        loop {
            if let Some(error) = self.failure() {
                return Err(error);
            }
            if let Ok(index) = self.read_index().await {
                return self.wait_applied(index).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until an entry is applied here.
    pub async fn wait_applied(&self, index: u64) -> Result<()> {
        let mut applied = self.databases.applied();
        let reported = async {
            loop {
                tokio::time::sleep(PATIENCE).await;
                let at = self.databases.applied().borrow().index;
                telemetry::info!("applying the log: entry {at} of {index}");
            }
        };
        tokio::select! {
            biased;
            outcome = applied.wait_for(|applied| applied.index >= index) => {
                outcome.map(|_| ()).map_err(|_| Error::internal("the databases were closed"))
            }
            error = self.stopped() => Err(error),
            () = reported => Ok(()),
        }
    }

    /// Whether this node never votes.
    pub fn is_learner(&self) -> bool {
        !self.raft.voter_ids().any(|voter| voter == self.id())
    }

    /// Why the node has stopped, if it has.
    pub fn failure(&self) -> Option<Error> {
        if self.has_panicked.load(Ordering::Acquire) {
            return Some(stopped(&"raft's task has panicked, see the log"));
        }
        let failed = self.raft.metrics().borrow_watched().running_state.clone().err();
        failed.map(|error| stopped(&error))
    }

    /// Waits until the node has stopped by itself: its disk failed, or its data is not what the log says.
    pub async fn stopped(&self) -> Error {
        let mut metrics = self.raft.metrics();
        loop {
            if let Some(error) = self.failure() {
                return error;
            }
            tokio::time::sleep(FAILURE_INTERVAL).await;
            // A task that has panicked says nothing more: what it told its metrics to is gone with it.
            if let Ok(Err(_)) = tokio::time::timeout(Duration::ZERO, metrics.changed()).await {
                self.has_panicked.store(true, Ordering::Release);
            }
        }
    }

    /// What to tell about this node.
    pub fn status(&self) -> Status {
        let metrics = self.raft.metrics().borrow_watched().clone();
        let role = match metrics.state {
            _ if metrics.running_state.is_err() => "stopped",
            _ if self.rebuilder.is_running() => "rebuilding",
            openraft::ServerState::Leader => "leader",
            openraft::ServerState::Follower => "follower",
            openraft::ServerState::Candidate => "candidate",
            openraft::ServerState::Learner => "learner",
            openraft::ServerState::Shutdown => "stopped",
        };
        let voters: BTreeSet<u64> = metrics.membership_config.membership().voter_ids().collect();
        let replication = metrics.replication.unwrap_or_default();
        let member = |(node, known): (&u64, &BasicNode)| Member {
            node: *node,
            address: known.addr.clone(),
            is_voter: voters.contains(node),
            matched: replication.get(node).and_then(|log_id| log_id.as_ref().map(|id| id.index())),
        };
        Status {
            node_id: self.options.node_id,
            role,
            leader: metrics.current_leader,
            term: metrics.current_term,
            last_log_index: metrics.last_log_index,
            applied_index: metrics.last_applied.as_ref().map(|id| id.index()),
            purged_index: metrics.purged.as_ref().map(|id| id.index()),
            log_bytes: self.log.disk_bytes(),
            members: metrics.membership_config.nodes().map(member).collect(),
            fetching: self.fetcher.progress(),
        }
    }

    /// Runs for the node's life: checkpoints, and purges the log when it has grown. Side by side: a purge
    /// that waited for checkpoints would let the log grow under load.
    pub async fn maintain(&self) {
        let checkpoints = async {
            let mut trouble = Trouble::new("checkpoints fail");
            loop {
                tokio::time::sleep(MAINTENANCE_INTERVAL).await;
                trouble.note(self.databases.checkpoint_if_due().await);
            }
        };
        let purges = async {
            let mut growth = Growth::default();
            let mut trouble = Trouble::new("the log cannot be purged");
            loop {
                tokio::time::sleep(MAINTENANCE_INTERVAL).await;
                self.copies.clean_up().await;
                let bytes = self.log.disk_bytes();
                growth.note(self.status().last_log_index.unwrap_or(0), self.log.appended_bytes());
                if bytes >= self.options.log_bytes_max {
                    trouble.note(self.purge(growth.before(self.options.log_bytes_max / 2)).await);
                }
            }
        };
        tokio::join!(checkpoints, purges);
    }

    /// Purges what the files hold durably, but for what was written lately, and what others still need.
    async fn purge(&self, older: u64) -> Result<()> {
        let before = self.raft.metrics().borrow_watched().snapshot.as_ref().map(log_id);
        let flushed = self.databases.flush().await?;
        // Files that were taken over may have more than was delivered.
        let delivered = self.raft.metrics().borrow_watched().last_applied.as_ref().map(log_id);
        let floor = if delivered.map(|delivered| delivered.min(flushed)) > before {
            self.raft.trigger().snapshot().await.map_err(|error| stopped(&error))?;
            self.wait_for_floor(before).await
        } else {
            before
        };
        let Some(floor) = floor else { return Ok(()) };
        let upto = floor.index.min(older).min(self.copies.held_after().unwrap_or(u64::MAX));
        if Some(upto) > self.status().purged_index {
            self.raft.trigger().purge_log(upto).await.map_err(|error| stopped(&error))?;
            telemetry::debug!("the log is purged up to entry {upto}");
        }
        Ok(())
    }

    /// Waits, for a while, until openraft has taken the snapshot that it was asked for.
    async fn wait_for_floor(&self, before: Option<LogId>) -> Option<LogId> {
        let has_moved = |snapshot: &Option<_>| snapshot.as_ref().map(log_id) > before;
        let wait = self.raft.wait(Some(SNAPSHOT_TIMEOUT));
        let metrics = wait.metrics(|metrics| has_moved(&metrics.snapshot), "a snapshot").await;
        metrics.ok()?.snapshot.as_ref().map(log_id)
    }

    /// Stops the node.
    pub async fn shut_down(&self) {
        if let Err(error) = self.raft.shutdown().await {
            telemetry::warn!("raft did not stop cleanly: {error}");
        }
    }
}

/// Tells the log when something begins to fail, and when it works again; not each time in between.
struct Trouble {
    what: &'static str,
    error: Option<String>,
}

impl Trouble {
    fn new(what: &'static str) -> Trouble {
        Trouble { what, error: None }
    }

    fn note(&mut self, outcome: Result<()>) {
        let error = outcome.err().map(|error| error.to_string());
        if error == self.error {
            return;
        }
        match &error {
            Some(error) => telemetry::warn!("{}: {error}", self.what),
            None => telemetry::warn!("no longer true that {}", self.what),
        }
        self.error = error;
    }
}

/// A transfer in progress, however it ends.
struct Transferring<'a>(&'a AtomicBool);

impl<'a> Transferring<'a> {
    fn start(flag: &'a AtomicBool) -> Transferring<'a> {
        flag.store(true, Ordering::Release);
        Transferring(flag)
    }
}

impl Drop for Transferring<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// How the log has grown lately: which entry was the last one when so many bytes had been written.
#[derive(Default)]
struct Growth(VecDeque<(u64, u64)>);

impl Growth {
    /// Samples kept: at the interval of maintenance, several minutes.
    const SAMPLES_MAX: usize = 4096;

    fn note(&mut self, last_index: u64, bytes: u64) {
        if self.0.back().is_none_or(|(_, last)| *last < bytes) {
            self.0.push_back((last_index, bytes));
        }
        if self.0.len() > Self::SAMPLES_MAX {
            self.0.pop_front();
        }
    }

    /// The entry before the last so many bytes; the last one known if there were fewer since the start.
    fn before(&mut self, bytes: u64) -> u64 {
        let total = self.0.back().map_or(0, |(_, bytes)| *bytes);
        while self.0.len() > 1 && self.0[1].1 + bytes <= total {
            self.0.pop_front();
        }
        self.0.front().map_or(0, |(index, _)| *index)
    }
}

fn stopped(error: &dyn std::fmt::Display) -> Error {
    let text = error.to_string();
    if text.contains("No space left on device") {
        return Error::new(
            state::DISK_FULL,
            "this node has stopped: no space left on the device for its log",
        )
        .with_hint("Free disk space, then start it again: nothing that was acknowledged is lost.");
    }
    Error::new(state::CRASH_SHUTDOWN, format!("this node has stopped: {text}"))
}
