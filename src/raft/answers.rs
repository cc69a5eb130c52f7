//! Answers other nodes.

use std::sync::Arc;

use async_trait::async_trait;
use openraft::storage::{Snapshot, SnapshotMeta};

use super::copies::{Copies, Fetcher};
use super::freshness::Freshness;
use super::message::{self, Offer, Request};
use super::node::Raft;
use super::state_machine::StateMachine;
use super::types::log_id;
use crate::bail;
use crate::error::{Error, Result};
use crate::transport::{Destination, Own, Peer, Service, Stream};

/// See the module's description.
pub(super) struct Answers {
    pub(super) raft: Raft,
    pub(super) own: Arc<Own>,
    pub(super) copies: Arc<Copies>,
    pub(super) fetcher: Arc<Fetcher>,
    pub(super) state_machine: StateMachine,
    pub(super) freshness: Arc<Freshness>,
}

fn stopped(error: &dyn std::fmt::Display) -> Error {
    Error::internal(format!("raft does not answer: {error}"))
}

#[async_trait]
impl Service for Answers {
    async fn answer(&self, peer: Peer, request: Vec<u8>) -> Result<Vec<u8>> {
        let own = self.own.peer();
        if own.cluster == 0 || own.cluster != peer.cluster {
            bail!(CONNECTION_EXCEPTION, "node {} is not in the cluster of node {}", own.node, peer.node);
        }
        match Request::decode(&request)? {
            Request::Append(request) => {
                let committed = request.leader_commit.as_ref().map(log_id);
                let answer = self.raft.append_entries(request).await.map_err(|error| stopped(&error))?;
                if matches!(answer, message::Appended::Success) {
                    self.freshness.heard(committed.map_or(0, |id| id.index));
                }
                Ok(message::encode_appended(&answer))
            }
            Request::Vote(request) => {
                let answer = self.raft.vote(request).await.map_err(|error| stopped(&error))?;
                Ok(message::encode_voted(&answer))
            }
            Request::PreVote(request) => {
                let answer = self.raft.pre_vote(request).await.map_err(|error| stopped(&error))?;
                Ok(message::encode_voted(&answer))
            }
            Request::Snapshot(offer) => self.take_snapshot(*offer).await,
            Request::Transfer(request) => {
                let accepted =
                    self.raft.handle_transfer_leader(request).await.map_err(|error| stopped(&error))?;
                Ok(message::encode_transferred(accepted.is_ok()))
            }
            Request::OpenCopy { at_least } => Ok(message::encode_opened(&self.copies.open(at_least).await?)),
            Request::ReadCopy { copy, oid, offset, length } => {
                self.copies.read(copy, oid, offset, length).await
            }
        }
    }

    async fn accept(&self, _: Peer, _: Vec<u8>, _: Stream) {}
}

impl Answers {
    /// Fetches the files, then tells openraft.
    async fn take_snapshot(&self, offer: Offer) -> Result<Vec<u8>> {
        let from = Destination::node(offer.node, offer.address);
        let at_least = offer.last.as_ref().map_or(0, |id| log_id(id).index);
        let opened = self.fetcher.fetch(&from, at_least).await?;
        self.state_machine.put_fetched(opened);
        let meta = SnapshotMeta { last_log_id: offer.last, last_membership: offer.membership };
        let installed = self
            .raft
            .install_full_snapshot(offer.vote, Snapshot { meta, snapshot: () })
            .await
            .map_err(|error| stopped(&error))?;
        Ok(message::encode_installed(&installed))
    }
}
