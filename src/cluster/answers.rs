//! What this node answers others.

use std::sync::Arc;

use async_trait::async_trait;

use super::message::{self, Hello, IndexKind, NodeStatus, Question};
use super::{Cluster, QUESTIONS, RAFT};
use crate::bail;
use crate::error::Result;
use crate::storage;
use crate::telemetry;
use crate::transport::{Peer, Service, Stream};

/// Answers all channels.
pub(super) struct Answers {
    pub(super) cluster: Arc<Cluster>,
    pub(super) raft: Arc<dyn Service>,
}

#[async_trait]
impl Service for Answers {
    async fn answer(&self, peer: Peer, mut request: Vec<u8>) -> Result<Vec<u8>> {
        match request.first() {
            Some(&RAFT) => {
                request.remove(0);
                self.raft.answer(peer, request).await
            }
            Some(&QUESTIONS) => {
                let question = Question::decode(&request[1..])?;
                self.cluster.check_may_ask(peer, &question)?;
                match question {
                    Question::Join { node, address } => self.cluster.take_in(peer, node, &address).await,
                    question => self.cluster.answer(question).await,
                }
            }
            _ => bail!(PROTOCOL_VIOLATION, "a message of node {} is for nobody", peer.node),
        }
    }

    async fn accept(&self, peer: Peer, first: Vec<u8>, stream: Stream) {
        match self.cluster.sessions.get() {
            Some(sessions) if peer.cluster == self.cluster.id() && peer.cluster != 0 => {
                sessions.serve(first, stream).await;
            }
            _ => telemetry::warn!("a session of node {} was refused", peer.node),
        }
    }
}

impl Cluster {
    /// Nodes that are in no cluster yet may only ask to be.
    fn check_may_ask(&self, peer: Peer, question: &Question) -> Result<()> {
        let is_open =
            matches!(question, Question::Hello { .. } | Question::Found { .. } | Question::Join { .. });
        if !is_open && (peer.cluster == 0 || peer.cluster != self.id()) {
            bail!(CONNECTION_EXCEPTION, "node {} is not in this cluster", peer.node);
        }
        Ok(())
    }

    /// Answers a question, whoever asks.
    pub(super) async fn answer(&self, question: Question) -> Result<Vec<u8>> {
        let done = || Vec::new();
        match question {
            Question::Hello { node } => Ok(self.hello(node).await?.encode()),
            Question::Found { cluster, members } => self.promise(cluster, &members).await.map(|()| done()),
            Question::Join { node, .. } => bail!(CONNECTION_EXCEPTION, "node {node} must ask itself"),
            Question::Promote { node } => self.node.promote(node).await.map(|()| done()),
            Question::Move { node, address } => self.node.move_member(node, &address).await.map(|()| done()),
            Question::Remove { node } => Box::pin(self.remove_member(node)).await.map(|()| done()),
            Question::Transfer { to } => {
                self.node.transfer(to).await.map(|leader| message::encode_number(Some(leader)))
            }
            Question::Index(kind) => {
                let index = match kind {
                    // Reads of several nodes share the leader's rounds.
                    IndexKind::Linearizable if self.node.leading_term().is_some() => {
                        self.read_rounds.get().await?
                    }
                    kind => self.own_index(kind).await?,
                };
                Ok(message::encode_number(Some(index)))
            }
            Question::Status => Ok(self.own_status().encode()),
            Question::StartDigest => {
                let number = self.random.next_u64();
                self.propose_digest(number).await?;
                Ok(message::encode_number(Some(number)))
            }
            Question::Digest { number } => {
                Ok(message::encode_digest(self.databases.digest(number).as_deref()))
            }
            Question::Rebuild => self.node.rebuild().map(|()| done()),
        }
    }

    async fn hello(&self, asking: u64) -> Result<Hello> {
        let status = self.node.status();
        let leads = self.node.leading_term().is_some();
        Ok(Hello {
            node: self.node.id(),
            nonce: self.nonce,
            cluster: self.id(),
            is_initialised: self.node.is_initialised().await?,
            expect: self.options.expect as u64,
            address: self.options.address.clone(),
            leader: self.node.leader(),
            is_member: leads.then(|| status.members.iter().any(|member| member.node == asking)),
        })
    }

    /// What this node says about itself.
    pub(super) fn own_status(&self) -> NodeStatus {
        let status = self.node.status();
        NodeStatus {
            node: status.node_id,
            client_address: self.options.client_address.clone(),
            role: status.role.to_owned(),
            term: status.term,
            applied: status.applied_index.unwrap_or(0),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.started.elapsed().as_secs(),
            sessions: self.sessions.get().map_or(0, |sessions| sessions.count() as u64),
            fetching: status.fetching.map(|progress| (progress.done, progress.total)),
        }
    }

    async fn propose_digest(&self, number: u64) -> Result<()> {
        use crate::raft::Fate;

        let Some(term) = self.node.leading_term() else { return Err(super::no_leader(None)) };
        match self.node.propose(storage::encode_digest(number), term).await?.await {
            Fate::Applied(_) => Ok(()),
            Fate::Refused(error) => Err(error),
            Fate::Unknown => Err(super::no_leader(None)),
        }
    }
}
