//! This node in its group, as the layers above see it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::impls::ProgressResponder;
use openraft::{BasicNode, Config, ReadPolicy, SnapshotPolicy};

use super::log_store::LogStore;
use super::network::{Answers, Network};
use super::state_machine::StateMachine;
use super::types::{Proposal, Types, log_id};
use crate::error::{Error, Result, state};
use crate::storage::{Databases, LogFile, LogId};
use crate::telemetry;
use crate::transport::{Service, Transport};

type Raft = openraft::Raft<Types, StateMachine>;

/// How often is looked whether the log must be purged.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(200);
/// How often is looked whether the node has stopped by itself.
const FAILURE_INTERVAL: Duration = Duration::from_millis(50);
/// How long flushing all files may take before the next try.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a start may take until the node can serve, before it says what it waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a node needs to know to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node's number, never changed.
    pub node_id: u64,
    /// A follower without news from the leader waits this long before it stands for election, in
    /// milliseconds: a random time between the two.
    pub election_timeout_ms: (u64, u64),
    /// The leader gives news this often, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// The log is purged when it is larger than this, in bytes.
    pub log_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            node_id: 1,
            election_timeout_ms: (300, 600),
            heartbeat_interval_ms: 75,
            log_bytes_max: 64 << 20,
        }
    }
}

/// What a node tells about itself.
#[derive(Clone, Debug)]
pub struct Status {
    /// This node.
    pub node_id: u64,
    /// `leader`, `follower`, `candidate`, `learner` or `stopped`.
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
    /// The members: number and address.
    pub members: Vec<(u64, String)>,
}

/// What became of a proposal that was not refused outright.
pub type Proposed = Result<LogId>;

/// This node.
pub struct RaftNode {
    raft: Raft,
    databases: Arc<Databases>,
    log: Arc<LogFile>,
    options: Options,
}

/// The settings of openraft.
fn config(options: &Options) -> Result<Arc<Config>> {
    let config = Config {
        cluster_name: "quorate".into(),
        election_timeout_min: options.election_timeout_ms.0,
        election_timeout_max: options.election_timeout_ms.1,
        heartbeat_interval: options.heartbeat_interval_ms,
        // Snapshots are taken by `maintain`, by the log's size.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        enable_pre_vote: Some(true),
        // The committed index and a durable floor are kept, and replay is checked entry by entry.
        enable_leader_restore: Some(true),
        ..Config::default()
    };
    let config =
        config.validate().map_err(|error| Error::new(state::INVALID_PARAMETER_VALUE, error.to_string()))?;
    Ok(Arc::new(config))
}

/// 08007: the log has stopped, or another node leads, with an entry on its way.
fn unknown(why: &dyn std::fmt::Display) -> Error {
    telemetry::warn!("the outcome of a commit is unknown: {why}");
    Error::new(state::TRANSACTION_RESOLUTION_UNKNOWN, "the outcome of the commit is unknown")
        .with_hint("It may have been committed: look before you repeat it.")
}

impl RaftNode {
    /// Starts the node with what is on its disk.
    pub async fn start(
        options: Options,
        databases: Arc<Databases>,
        log: Arc<LogFile>,
        transport: Arc<dyn Transport>,
    ) -> Result<Arc<RaftNode>> {
        let state_machine = StateMachine::open(databases.clone())?;
        let raft = Raft::new(
            options.node_id,
            config(&options)?,
            Network(transport),
            LogStore(log.clone()),
            state_machine,
        )
        .await
        .map_err(|error| Error::internal(format!("raft could not start: {error}")))?;
        Ok(Arc::new(RaftNode { raft, databases, log, options }))
    }

    /// Whether the group exists: it has members.
    pub async fn is_initialised(&self) -> Result<bool> {
        self.raft.is_initialized().await.map_err(|error| stopped(&error))
    }

    /// Founds the group. Every founding member may call it, with the same members.
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
        Arc::new(Answers(self.raft.clone()))
    }

    /// Proposes an entry. The first wait ends when it has its place among this node's proposals; the
    /// future that it gives ends when the entry is applied, or with 08007.
    pub async fn propose(&self, entry: Vec<u8>) -> Result<impl Future<Output = Proposed> + Send + use<>> {
        telemetry::metrics::LOG_ENTRIES.increment();
        telemetry::metrics::LOG_BYTES.add(entry.len() as u64);
        let (responder, receiver) = ProgressResponder::complete_only();
        let proposal = Proposal(entry.into());
        self.raft.client_write_ff(proposal, Some(responder)).await.map_err(|error| unknown(&error))?;
        Ok(async move {
            match receiver.await {
                Ok(Ok(written)) => Ok(log_id(&written.log_id)),
                Ok(Err(error)) => Err(unknown(&error)),
                Err(error) => Err(unknown(&error)),
            }
        })
    }

    /// The entry that a linearizable read must wait for. One round of the quorum; none where this node
    /// is the only voter, because then nobody else can have committed anything.
    pub async fn read_index(&self) -> Result<u64> {
        if self.is_alone() {
            return Ok(self.databases.applied().borrow().index);
        }
        let (read, _) = self.raft.get_read_log_id(ReadPolicy::ReadIndex).await.map_err(|error| {
            Error::new(state::CANNOT_CONNECT_NOW, format!("this node cannot serve reads now: {error}"))
        })?;
        Ok(read.log_id().index())
    }

    /// Whether this node leads and is the only voter.
    fn is_alone(&self) -> bool {
        let mut voters = self.raft.voter_ids();
        voters.next() == Some(self.options.node_id) && voters.next().is_none() && self.raft.is_leader()
    }

    /// Waits until this node can serve: there is a leader, and what was committed is applied here.
    pub async fn wait_until_ready(&self) -> Result<()> {
        let started = tokio::time::Instant::now();
        let mut told = false;
        loop {
            if let Some(error) = self.failure() {
                return Err(error);
            }
            match self.raft.get_read_log_id(ReadPolicy::ReadIndex).await {
                Ok((read, _)) => return self.wait_applied(read.log_id().index()).await,
                Err(error) if !told && started.elapsed() > PATIENCE => {
                    told = true;
                    telemetry::info!("waiting for a leader: {error}");
                }
                Err(_) => {}
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
            outcome = applied.wait_for(|applied| applied.index >= index) => {
                outcome.map(|_| ()).map_err(|_| Error::internal("the databases were closed"))
            }
            error = self.stopped() => Err(error),
            () = reported => Ok(()),
        }
    }

    /// Why the node has stopped, if it has.
    fn failure(&self) -> Option<Error> {
        let failed = self.raft.metrics().borrow_watched().running_state.clone().err();
        failed.map(|error| stopped(&error))
    }

    /// Waits until the node has stopped by itself: its disk failed, or its data is not what the log says.
    pub async fn stopped(&self) -> Error {
        loop {
            if let Some(error) = self.failure() {
                return error;
            }
            tokio::time::sleep(FAILURE_INTERVAL).await;
        }
    }

    /// What to tell about this node.
    pub fn status(&self) -> Status {
        let metrics = self.raft.metrics().borrow_watched().clone();
        let role = match metrics.state {
            _ if metrics.running_state.is_err() => "stopped",
            openraft::ServerState::Leader => "leader",
            openraft::ServerState::Follower => "follower",
            openraft::ServerState::Candidate => "candidate",
            openraft::ServerState::Learner => "learner",
            openraft::ServerState::Shutdown => "stopped",
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
            members: metrics.membership_config.nodes().map(|(id, node)| (*id, node.addr.clone())).collect(),
        }
    }

    /// Runs for the node's life: checkpoints, and purges the log when it has grown. Side by side: a purge
    /// that waited for checkpoints would let the log grow under load.
    pub async fn maintain(&self) {
        let checkpoints = async {
            loop {
                tokio::time::sleep(MAINTENANCE_INTERVAL).await;
                if let Err(error) = self.databases.checkpoint_if_due().await {
                    telemetry::warn!("a checkpoint failed: {error}");
                }
            }
        };
        let purges = async {
            loop {
                tokio::time::sleep(MAINTENANCE_INTERVAL).await;
                if self.log.disk_bytes() >= self.options.log_bytes_max
                    && let Err(error) = self.purge().await
                {
                    telemetry::warn!("the log could not be purged: {error}");
                }
            }
        };
        tokio::join!(checkpoints, purges);
    }

    async fn purge(&self) -> Result<()> {
        let before = self.raft.metrics().borrow_watched().snapshot.as_ref().map(log_id);
        let reached = self.databases.flush().await?;
        if Some(reached) <= before {
            // A large transaction is under way: there is nothing more to purge yet.
            return Ok(());
        }
        self.raft.trigger().snapshot().await.map_err(|error| stopped(&error))?;
        if let Some(floor) = self.wait_for_floor(before).await {
            self.raft.trigger().purge_log(floor.index).await.map_err(|error| stopped(&error))?;
            telemetry::debug!("the log is purged up to entry {}", floor.index);
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
