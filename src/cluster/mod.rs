//! How nodes come to be a cluster, find each other, and ask each other.
//!
//! - [`forming`]: founding a cluster, joining one, keeping the own address known.
//! - [`answers`]: what this node answers others: raft's messages, and [`message`]'s questions.
//! - [`rounds`]: one question to the leader for all reads that wait.
//! - [`members`]: changes of membership, and what all nodes say about themselves.

mod answers;
mod forming;
mod members;
mod message;
mod rounds;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::{Error, Result, state};
use crate::raft::{Fate, RaftNode};
use crate::storage::Databases;
use crate::telemetry::Random;
use crate::transport::{Destination, Lane, Own, Service, Transport};
use message::{IndexKind, Question};
use rounds::Rounds;

pub use crate::transport::{Decoder, Encoder, Stream, StreamReceiver, StreamSender, nonsense};
pub use forming::{CLUSTER, NODE, kept_number};
pub use members::{MemberStatus, NodeReport};
pub use message::NodeStatus;

/// How long a question waits for a leader before it fails.
const LEADER_PATIENCE: Duration = Duration::from_secs(10);
/// How long one try of a question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait before a question is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// What a node must know of its cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where other nodes reach this one.
    pub address: String,
    /// Where other nodes may be found.
    pub peers: Vec<String>,
    /// How many nodes found the cluster.
    pub expect: usize,
    /// Whether this node shall never vote.
    pub is_learner: bool,
    /// Where clients connect, for others to tell.
    pub client_address: String,
}

/// Serves what other nodes send on behalf of their clients.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Serves one session until its stream ends.
    async fn serve(&self, first: Vec<u8>, stream: Stream);

    /// How many clients are connected here.
    fn count(&self) -> usize;
}

/// This node's part in its cluster.
pub struct Cluster {
    node: Arc<RaftNode>,
    databases: Arc<Databases>,
    transport: Arc<dyn Transport>,
    own: Arc<Own>,
    options: Options,
    random: Arc<dyn Random>,
    /// Told when this node's cluster has changed, so that others are greeted anew.
    greet_anew: Box<dyn Fn() + Send + Sync>,
    sessions: OnceLock<Arc<dyn Sessions>>,
    nonce: u64,
    started: Instant,
    read_rounds: Arc<Rounds>,
}

/// What a cluster is made of.
pub struct Parts {
    /// This node.
    pub node: Arc<RaftNode>,
    /// Its files.
    pub databases: Arc<Databases>,
    /// The way to others.
    pub transport: Arc<dyn Transport>,
    /// Who this node is.
    pub own: Arc<Own>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Breaks connections, because this node's cluster has changed.
    pub greet_anew: Box<dyn Fn() + Send + Sync>,
}

/// The channels of requests, by their first byte.
const RAFT: u8 = b'R';
const QUESTIONS: u8 = b'Q';

/// Marks raft's requests among others.
struct RaftTransport(Arc<dyn Transport>);

/// The transport for [`RaftNode::start`]: its requests reach the raft node of others.
pub fn raft_transport(transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
    Arc::new(RaftTransport(transport))
}

fn marked(channel: u8, mut request: Vec<u8>) -> Vec<u8> {
    request.insert(0, channel);
    request
}

#[async_trait]
impl Transport for RaftTransport {
    async fn call(&self, to: &Destination, lane: Lane, request: Vec<u8>) -> Result<Vec<u8>> {
        self.0.call(to, lane, marked(RAFT, request)).await
    }

    fn hang_up(&self, node: u64) {
        self.0.hang_up(node);
    }

    async fn open(&self, to: &Destination, first: Vec<u8>) -> Result<Stream> {
        self.0.open(to, first).await
    }
}

fn no_leader(last: Option<Error>) -> Error {
    let error = Error::new(state::CANNOT_CONNECT_NOW, "the cluster has no leader now").with_hint(
        "Try again: an election takes about a second. If it stays so, a majority of the nodes is missing.",
    );
    match last {
        Some(last) => error.with_detail(last.message()),
        None => error,
    }
}

impl Cluster {
    /// This node's part, which is not in any cluster before [`Cluster::form`].
    pub fn new(options: Options, parts: Parts) -> Arc<Cluster> {
        let Parts { node, databases, transport, own, random, greet_anew } = parts;
        Arc::new_cyclic(|cluster: &std::sync::Weak<Cluster>| {
            let cluster = cluster.clone();
            let read_rounds = Rounds::new(move || {
                let cluster = cluster.upgrade();
                Box::pin(async move {
                    let cluster = cluster.ok_or_else(|| Error::internal("the node has stopped"))?;
                    cluster.ask_index(IndexKind::Linearizable).await
                })
            });
            Cluster {
                node,
                databases,
                transport,
                own,
                options,
                nonce: random.next_u64(),
                random,
                greet_anew,
                sessions: OnceLock::new(),
                started: Instant::now(),
                read_rounds,
            }
        })
    }

    /// Serves sessions of other nodes from now on.
    pub fn serve_sessions(&self, sessions: Arc<dyn Sessions>) {
        let _ = self.sessions.set(sessions);
    }

    /// The service that answers other nodes.
    pub fn service(self: &Arc<Self>) -> Arc<dyn Service> {
        Arc::new(answers::Answers { cluster: self.clone(), raft: self.node.service() })
    }

    /// The node.
    pub fn node(&self) -> &Arc<RaftNode> {
        &self.node
    }

    /// The cluster's number; 0 for none yet.
    pub fn id(&self) -> u64 {
        self.own.peer().cluster
    }

    /// The entry that a linearizable read must have applied: one round for all who wait.
    pub async fn read_index(&self) -> Result<u64> {
        self.read_rounds.get().await
    }

    /// The same, through an entry of the log.
    pub async fn logged_index(&self) -> Result<u64> {
        self.ask_index(IndexKind::Logged).await
    }

    /// What the node that believes to lead has applied.
    pub async fn leaders_index(&self) -> Result<u64> {
        self.ask_index(IndexKind::Applied).await
    }

    /// What this node itself can say.
    async fn own_index(&self, kind: IndexKind) -> Result<u64> {
        match kind {
            IndexKind::Linearizable => self.node.read_index().await,
            IndexKind::Applied if self.node.leading_term().is_some() => Ok(self.node.applied_index()),
            IndexKind::Logged if self.node.leading_term().is_some() => {
                let term = self.node.leading_term().unwrap_or(0);
                let entry = crate::storage::encode(&[])?.remove(0);
                match self.node.propose(entry, term).await?.await {
                    Fate::Applied(log_id) => Ok(log_id.index),
                    Fate::Refused(error) => Err(error),
                    Fate::Unknown => Err(no_leader(None)),
                }
            }
            _ => Err(no_leader(None)),
        }
    }

    async fn ask_index(&self, kind: IndexKind) -> Result<u64> {
        if self.node.leading_term().is_some() {
            let own = tokio::time::timeout(QUESTION_TIMEOUT, self.own_index(kind)).await;
            if let Ok(Ok(index)) = own {
                return Ok(index);
            }
        }
        let answer = self.ask_leader(&Question::Index(kind)).await?;
        message::decode_number(&answer)?.ok_or_else(|| no_leader(None))
    }

    /// Asks the leader, this node or another, and waits for one while there is none.
    async fn ask_leader(&self, question: &Question) -> Result<Vec<u8>> {
        let deadline = Instant::now() + LEADER_PATIENCE;
        let mut last = None;
        loop {
            let before = self.node.leadership();
            if let Some((leader, address)) = self.node.leader() {
                let asked = async {
                    match question {
                        // Not by way of the rounds: this may be one.
                        Question::Index(kind) if leader == self.node.id() => {
                            let index = self.own_index(*kind).await?;
                            Ok(message::encode_number(Some(index)))
                        }
                        question if leader == self.node.id() => self.answer(question.clone()).await,
                        question => self.ask(&Destination::node(leader, address), question).await,
                    }
                };
                tokio::select! {
                    biased;
                    answer = asked => match answer {
                        Ok(answer) => return Ok(answer),
                        Err(error) => last = Some(error),
                    },
                    // Another leads now, or it is time to ask again.
                    _ = self.node.wait_for_leader(before, QUESTION_TIMEOUT) => {}
                }
            }
            if Instant::now() >= deadline {
                return Err(no_leader(last));
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    async fn ask(&self, to: &Destination, question: &Question) -> Result<Vec<u8>> {
        self.transport.call(to, Lane::Control, marked(QUESTIONS, question.encode())).await
    }

    /// Runs until the node has stopped: when another node leads, what was on its way to the last leader ends at once.
    /// Nothing of it can be committed any more, even if that leader does not know yet, or does not answer.
    pub async fn follow_leadership(&self) {
        let mut before = None;
        loop {
            if !self.node.wait_for_leader(before, LEADER_PATIENCE).await {
                if self.node.failure().is_some() {
                    return;
                }
                continue;
            }
            let now = self.node.leadership();
            if let (Some((_, last)), Some((_, leader))) = (before, now)
                && last != leader
            {
                self.transport.hang_up(last);
            }
            before = now.or(before);
        }
    }

    /// Opens a session's stream to the leader, and waits for one while there is none.
    pub async fn open_to_leader(&self, first: Vec<u8>) -> Result<Stream> {
        let deadline = Instant::now() + LEADER_PATIENCE;
        let mut last = None;
        loop {
            if let Some((leader, address)) = self.node.leader()
                && leader != self.node.id()
            {
                match self.transport.open(&Destination::node(leader, address), first.clone()).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = Some(error),
                }
            }
            if Instant::now() >= deadline || self.node.leading_term().is_some() {
                return Err(no_leader(last));
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
}
