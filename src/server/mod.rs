//! Puts a node together in the order of its layers, and takes it apart again.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::engine::{Engine, Replicated};
use crate::error::{Error, Result, state};
use crate::raft::{self, RaftNode};
use crate::session::{self, Sessions};
use crate::storage::{DataDirectory, Databases, LogFile};
use crate::telemetry::{self, Clock, Random, SystemClock, SystemRandom};
use crate::transport::Tcp;
use crate::wire::{self, Gate};

/// This node's number, as long as a group has one node.
const NODE_ID: u64 = 1;
/// How long cancelled statements have to end.
const CANCEL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// A running node.
pub struct Server {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    config: Config,
    databases: Arc<Databases>,
    node: Arc<RaftNode>,
    sessions: Arc<Sessions>,
    stop: watch::Sender<bool>,
    clients: JoinHandle<()>,
    /// Tasks that end with the node.
    tasks: Vec<JoinHandle<()>>,
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Error::new(state::OBJECT_IN_USE, format!("address {address} is in use by another process"))
                .with_hint("Stop it, or choose another address with --listen or --admin.")
        }
        _ => Error::new(state::IO_ERROR, format!("could not listen on {address}: {error}")),
    })
}

impl Server {
    /// Starts a node. Ends when it takes connections.
    pub async fn start(config: Config) -> Result<Server> {
        config.check()?;
        let listener = bind(config.listen).await?;
        let admin_listener = match config.admin {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let directory = DataDirectory::open(&config.data)?;
        let log = LogFile::open(&directory.log()).map_err(|error| {
            Error::new(
                state::IO_ERROR,
                format!("could not open the log in \"{}\": {error}", directory.log().display()),
            )
        })?;
        let databases = Arc::new(Databases::open(directory, random.clone())?);
        let options = raft::Options {
            node_id: NODE_ID,
            log_bytes_max: config.log_bytes_max,
            ..raft::Options::default()
        };
        let node =
            RaftNode::start(options, databases.clone(), Arc::new(log), Arc::new(Tcp::default())).await?;
        let own = (NODE_ID, config.listen.to_string());
        let cluster = Arc::new(Cluster::join(node.clone(), own).await?);
        let engine = Engine::new(databases.clone(), Arc::new(Replicated(node.clone())));
        let sessions = Sessions::new(config.connections_max, random.clone());
        let (stop, stopping) = watch::channel(false);

        let maintained = node.clone();
        let mut tasks = vec![
            tokio::spawn(engine.clone().run()),
            tokio::spawn(async move { maintained.maintain().await }),
        ];
        let address = local_address(&listener)?;
        let admin_address = admin_listener.as_ref().map(local_address).transpose()?;
        if let Some(listener) = admin_listener {
            let state = admin::State { cluster, databases: databases.clone(), sessions: sessions.clone() };
            tasks.push(tokio::spawn(admin::serve(listener, Arc::new(state))));
        }
        let open = move |parameters| session::Options {
            engine: engine.clone(),
            clock: clock.clone(),
            random: random.clone(),
            parameters,
        };
        let gate = Gate { sessions: sessions.clone(), open: Box::new(open), stop: stopping };
        let clients = tokio::spawn(wire::serve(listener, Arc::new(gate)));
        telemetry::info!("ready for connections on {address}, data in {}", config.data.display());
        Ok(Server { address, admin_address, config, databases, node, sessions, stop, clients, tasks })
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
        self.node.stopped().await
    }

    /// Stops: no new connections, running statements may end, then everything is closed.
    pub async fn stop(mut self) -> Result<()> {
        telemetry::info!("stopping: waiting for {} sessions", self.sessions.count());
        // Nobody listens any more if the listener has already ended.
        let _ = self.stop.send(true);
        if tokio::time::timeout(self.config.stop_timeout, &mut self.clients).await.is_err() {
            telemetry::warn!("{} sessions have not ended in time and are cancelled", self.sessions.count());
            self.sessions.shut_down();
            if tokio::time::timeout(CANCEL_TIMEOUT, &mut self.clients).await.is_err() {
                self.clients.abort();
            }
        }
        for task in &self.tasks {
            task.abort();
        }
        self.node.shut_down().await;
        let closed = self.databases.close().await;
        telemetry::info!("stopped");
        closed
    }
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|error| Error::new(state::IO_ERROR, format!("a listening socket has no address: {error}")))
}
