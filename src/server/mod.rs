//! Puts a node together in the order of its layers, and takes it apart again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::admin;
use crate::cluster::{self, Cluster, Parts};
use crate::config::{ClusterConfig, Config};
use crate::engine::{Engine, Replicated};
use crate::error::{Error, Result, state};
use crate::raft::{self, RaftNode};
use crate::session::{self, Sessions};
use crate::storage::{DataDirectory, Databases, LogFile};
use crate::telemetry::{self, Clock, Random, SystemClock, SystemRandom};
use crate::transport::{self, Certificates, Own, Tcp, TcpNetwork, Tls};
use crate::wire::{self, Gate};

/// The number of a node that has always been alone.
const ALONE: u64 = 1;
/// The largest number that is drawn for a node.
const DRAWN_MAX: u64 = 999_999;
/// How long a start waits for a leader before it serves what can be served without one.
const LEADER_PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks.
const LEADER_INTERVAL: Duration = Duration::from_millis(10);
/// How long cancelled statements have to end.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long they have when the node has stopped by itself.
const FAILED_TIMEOUT: Duration = Duration::from_millis(200);

/// A running node.
pub struct Server {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    config: Config,
    databases: Arc<Databases>,
    node: Arc<RaftNode>,
    cluster: Arc<Cluster>,
    sessions: Arc<Sessions>,
    stop: watch::Sender<bool>,
    clients: JoinHandle<()>,
    /// Ends when this node was removed from its cluster.
    upkeep: Mutex<JoinHandle<Error>>,
    /// Tasks that end with the node.
    tasks: Tasks,
}

/// Tasks that end with what they serve.
#[derive(Default)]
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Sessions of other nodes' clients: what the cluster carries and the sessions serve.
struct Guests(session::Forwarded);

#[async_trait]
impl cluster::Sessions for Guests {
    async fn serve(&self, first: Vec<u8>, stream: transport::Stream) {
        self.0.serve(first, stream).await;
    }

    fn count(&self) -> usize {
        self.0.count()
    }
}

async fn bind(address: SocketAddr, option: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Error::new(state::OBJECT_IN_USE, format!("address {address} is in use by another process"))
                .with_hint(format!("Stop it, or choose another address with {option}."))
        }
        _ => Error::new(state::IO_ERROR, format!("could not listen on {address}: {error}")),
    })
}

/// The node's number: as it was before, as it was asked for, or drawn.
fn node_id(directory: &DataDirectory, config: &ClusterConfig, random: &dyn Random) -> Result<u64> {
    let kept = cluster::kept_number(directory, cluster::NODE)?;
    if let (Some(kept), Some(wanted)) = (kept, config.node_id)
        && kept != wanted
    {
        return Err(Error::new(
            state::INVALID_PARAMETER_VALUE,
            format!("the data directory belongs to node {kept}, but --node-id says {wanted}"),
        ));
    }
    let id = match kept.or(config.node_id) {
        Some(id) => id,
        None if config.join.is_empty() => ALONE,
        None => 2 + random.next_u64() % (DRAWN_MAX - 1),
    };
    if kept.is_none() {
        directory.keep_fact(cluster::NODE, &format!("{id:x}"))?;
    }
    Ok(id)
}

fn load_tls(config: &ClusterConfig) -> Result<Option<Arc<Tls>>> {
    let Some(files) = &config.tls else { return Ok(None) };
    let files = Certificates {
        authority: files.authority.clone(),
        certificate: files.certificate.clone(),
        key: files.key.clone(),
    };
    Ok(Some(Arc::new(Tls::load(&files)?)))
}

impl Server {
    /// Starts a node. Ends when it takes connections.
    pub async fn start(config: Config) -> Result<Server> {
        config.check()?;
        let listener = bind(config.listen, "--listen").await?;
        let admin_listener = match config.admin {
            Some(address) => Some(bind(address, "--admin").await?),
            None => None,
        };
        let cluster_listener = match config.cluster.listen {
            Some(address) => Some(bind(address, "--cluster-listen").await?),
            None => None,
        };
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let directory = DataDirectory::open(&config.data)?;
        let node_id = node_id(&directory, &config.cluster, &*random)?;
        let own = Own::new(node_id, cluster::kept_number(&directory, cluster::CLUSTER)?.unwrap_or(0));
        let speech = transport::Options {
            own: own.clone(),
            tls: load_tls(&config.cluster)?,
            silence_max: config.cluster.silence_max(),
        };
        let transport = Arc::new(Tcp::new(speech.clone(), Arc::new(TcpNetwork)));
        let log = LogFile::open(&directory.log()).map_err(|error| {
            Error::new(
                state::IO_ERROR,
                format!("could not open the log in \"{}\": {error}", directory.log().display()),
            )
        })?;
        let databases = Arc::new(Databases::open(directory, random.clone())?);
        let options = raft::Options {
            node_id,
            address: config.cluster.address().unwrap_or_default(),
            log_bytes_max: config.log_bytes_max,
            lease_reads: config.cluster.lease_reads,
            election_timeout_ms: config.cluster.election_timeout_ms,
            heartbeat_interval_ms: config.cluster.heartbeat_ms,
        };
        let raft_transport = cluster::raft_transport(transport.clone());
        let node = RaftNode::start(
            options,
            own.clone(),
            databases.clone(),
            Arc::new(log),
            raft_transport,
            random.clone(),
        )
        .await?;
        let address = local_address(&listener)?;
        let cluster_options = cluster::Options {
            address: config.cluster.address().unwrap_or_else(|| address.to_string()),
            peers: config.cluster.join.clone(),
            expect: config.cluster.expect,
            is_learner: config.cluster.learner,
            client_address: address.to_string(),
        };
        let dialled = transport.clone();
        let parts = Parts {
            node: node.clone(),
            databases: databases.clone(),
            transport,
            own: own.clone(),
            random: random.clone(),
            greet_anew: Box::new(move || dialled.forget()),
        };
        let cluster = Cluster::new(cluster_options, parts);
        let replicated = Replicated::new(node.clone(), cluster.clone());
        let engine = Engine::new(databases.clone(), Arc::new(replicated));
        let sessions = Sessions::new(config.connections_max, random.clone());
        let (stop, stopping) = watch::channel(false);
        let maintained = node.clone();
        let mut tasks = Tasks(vec![
            tokio::spawn(engine.clone().run()),
            tokio::spawn(async move { maintained.maintain().await }),
        ]);
        let admin_address = admin_listener.as_ref().map(local_address).transpose()?;
        if let Some(listener) = admin_listener {
            let state = admin::State {
                cluster: cluster.clone(),
                databases: databases.clone(),
                sessions: sessions.clone(),
            };
            tasks.0.push(tokio::spawn(admin::serve(listener, Arc::new(state))));
        }
        let open = move |parameters| session::Options {
            engine: engine.clone(),
            clock: clock.clone(),
            random: random.clone(),
            parameters,
        };
        let forwarded = session::Forwarded::new(sessions.clone(), Box::new(open.clone()));
        cluster.serve_sessions(Arc::new(Guests(forwarded)));
        if let Some(listener) = cluster_listener {
            tasks.0.push(tokio::spawn(transport::serve(listener, speech, cluster.service())));
        }
        let following = cluster.clone();
        tasks.0.push(tokio::spawn(async move { following.follow_leadership().await }));
        cluster.form().await?;
        wait_for_leader(&cluster).await?;
        let kept_up = cluster.clone();
        let upkeep = Mutex::new(tokio::spawn(async move { kept_up.upkeep().await }));
        let gate = Gate { sessions: sessions.clone(), open: Box::new(open), stop: stopping };
        let clients = tokio::spawn(wire::serve(listener, Arc::new(gate)));
        telemetry::info!("ready for connections on {address}, data in {}", config.data.display());
        Ok(Server {
            address,
            admin_address,
            config,
            databases,
            node,
            cluster,
            sessions,
            stop,
            clients,
            upkeep,
            tasks,
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the status page is.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Waits until the node has stopped by itself, and tells why.
    pub async fn failed(&self) -> Error {
        let mut upkeep = self.upkeep.lock().await;
        tokio::select! {
            error = self.node.stopped() => error,
            ended = &mut *upkeep => ended.unwrap_or_else(|_| Error::internal("the upkeep was stopped")),
        }
    }

    /// Stops: the leadership is given away, no new connections, running statements may end, then
    /// everything is closed.
    pub async fn stop(mut self) -> Result<()> {
        // A node that has stopped by itself has nothing more to tell its clients.
        let patience = if self.node.failure().is_none() { self.config.stop_timeout } else { FAILED_TIMEOUT };
        telemetry::info!("stopping: waiting for {} sessions", self.sessions.count());
        self.give_leadership_away().await;
        // Nobody listens any more if the listener has already ended.
        let _ = self.stop.send(true);
        if tokio::time::timeout(patience, &mut self.clients).await.is_err() {
            if patience > FAILED_TIMEOUT {
                let count = self.sessions.count();
                telemetry::warn!("{count} sessions have not ended in time and are cancelled");
            }
            self.sessions.shut_down();
            if tokio::time::timeout(CANCEL_TIMEOUT, &mut self.clients).await.is_err() {
                self.clients.abort();
            }
        }
        self.upkeep.lock().await.abort();
        drop(self.tasks);
        self.node.shut_down().await;
        let closed = self.databases.close().await;
        telemetry::info!("stopped");
        closed
    }

    /// So that others need not find out that this node is gone.
    async fn give_leadership_away(&self) {
        let others = self.node.status().members.iter().filter(|member| member.is_voter).count();
        if others > 1
            && self.node.failure().is_none()
            && self.node.leading_term().is_some()
            && let Err(error) = self.cluster.transfer(None).await
        {
            telemetry::warn!("the leadership could not be given away: {error}");
        }
    }
}

/// Waits, for a while, until there is a leader and everything committed is applied here.
async fn wait_for_leader(cluster: &Cluster) -> Result<()> {
    let started = tokio::time::Instant::now();
    loop {
        if let Some(error) = cluster.node().failure() {
            return Err(error);
        }
        match cluster.read_index().await {
            Ok(index) => return cluster.node().wait_applied(index).await,
            Err(error) if started.elapsed() > LEADER_PATIENCE => {
                telemetry::warn!("serving without a leader for now: {error}");
                return Ok(());
            }
            Err(_) => tokio::time::sleep(LEADER_INTERVAL).await,
        }
    }
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|error| Error::new(state::IO_ERROR, format!("a listening socket has no address: {error}")))
}

/// Makes a stopped node's data a cluster of its own: applies all of its log, then forgets the cluster. Gives
/// the last entry.
pub async fn recover(data: &std::path::Path) -> Result<u64> {
    let directory = DataDirectory::open(data)?;
    let failed =
        |error: std::io::Error| Error::new(state::IO_ERROR, format!("could not read the log: {error}"));
    let log = LogFile::open(&directory.log()).map_err(failed)?;
    let databases = Arc::new(Databases::open(directory, Arc::new(SystemRandom))?);
    let node = cluster::kept_number(databases.directory(), cluster::NODE)?.unwrap_or(ALONE);
    let last = raft::recover(&log, &databases, node).await?;
    // Another number: the lost nodes, should they come back, are of another cluster.
    let cluster = SystemRandom.next_u64().max(1);
    databases.directory().keep_fact(cluster::CLUSTER, &format!("{cluster:016x}"))?;
    databases.close().await?;
    Ok(last)
}
