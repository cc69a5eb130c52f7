//! openraft's network over the transport, and the service that answers other nodes.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{AppendEntriesRequest, SnapshotResponse, VoteRequest};
use openraft::{BasicNode, OptionalSend};

use super::message::{self, Appended, Request, Voted};
use super::state_machine::StateMachine;
use super::types::{Leader, RaftVoteOf, Types};
use crate::error::{Error, Result};
use crate::transport::{Service, Transport};

type Raft = openraft::Raft<Types, StateMachine>;

/// Makes connections to nodes.
pub(super) struct Network(pub(super) Arc<dyn Transport>);

impl RaftNetworkFactory<Types> for Network {
    type Network = Connection;

    async fn new_client(&mut self, _: u64, node: &BasicNode) -> Connection {
        Connection { transport: self.0.clone(), address: node.addr.clone() }
    }
}

/// One node, as openraft speaks to it.
pub(super) struct Connection {
    transport: Arc<dyn Transport>,
    address: String,
}

impl Connection {
    async fn call<T>(
        &self,
        request: Request,
        option: &RPCOption,
        decode: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T, RPCError<Types>> {
        let call = self.transport.call(&self.address, request.encode());
        let answer = match tokio::time::timeout(option.hard_ttl(), call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(RPCError::Unreachable(Unreachable::new(&error))),
            Err(elapsed) => return Err(RPCError::Network(NetworkError::new(&elapsed))),
        };
        decode(&answer).map_err(|error| RPCError::Network(NetworkError::new(&error)))
    }
}

impl RaftNetworkV2<Types> for Connection {
    type SnapshotData = ();

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<Appended, RPCError<Types>> {
        self.call(Request::Append(rpc), &option, message::decode_appended).await
    }

    async fn vote(&mut self, rpc: VoteRequest<Types>, option: RPCOption) -> Result<Voted, RPCError<Types>> {
        self.call(Request::Vote(rpc), &option, message::decode_voted).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<Voted, RPCError<Types>> {
        self.call(Request::PreVote(rpc), &option, message::decode_voted).await
    }

    async fn full_snapshot(
        &mut self,
        _: RaftVoteOf,
        _: openraft::storage::Snapshot<Leader, u64, BasicNode, ()>,
        _: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let error = Error::unsupported("sending this node's files to another");
        Err(StreamingError::Unreachable(Unreachable::new(&error)))
    }
}

/// Answers other nodes.
pub(super) struct Answers(pub(super) Raft);

#[async_trait]
impl Service for Answers {
    async fn answer(&self, request: Vec<u8>) -> Result<Vec<u8>> {
        let stopped =
            |error: &dyn std::fmt::Display| Error::internal(format!("raft does not answer: {error}"));
        match Request::decode(&request)? {
            Request::Append(request) => {
                let answer = self.0.append_entries(request).await.map_err(|error| stopped(&error))?;
                Ok(message::encode_appended(&answer))
            }
            Request::Vote(request) => {
                let answer = self.0.vote(request).await.map_err(|error| stopped(&error))?;
                Ok(message::encode_voted(&answer))
            }
            Request::PreVote(request) => {
                let answer = self.0.pre_vote(request).await.map_err(|error| stopped(&error))?;
                Ok(message::encode_voted(&answer))
            }
        }
    }
}
