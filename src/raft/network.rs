//! openraft's network over the transport.

use std::future::Future;
use std::sync::Arc;

use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse, VoteRequest,
};
use openraft::{BasicNode, OptionalSend};

use super::copies::Copies;
use super::message::{self, Appended, Offer, Request, Voted};
use super::types::{Elected, RaftVoteOf, Types, log_id};
use crate::error::Result;
use crate::transport::{Destination, Lane, Transport};

/// Makes connections to nodes.
pub(super) struct Network {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) copies: Arc<Copies>,
    /// This node, for those who must fetch files from it.
    pub(super) own: (u64, String),
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        Connection {
            transport: self.transport.clone(),
            copies: self.copies.clone(),
            own: self.own.clone(),
            to: Destination::node(target, &node.addr),
        }
    }
}

/// One node, as openraft speaks to it.
pub(super) struct Connection {
    transport: Arc<dyn Transport>,
    copies: Arc<Copies>,
    own: (u64, String),
    to: Destination,
}

impl Connection {
    async fn call<T>(
        &self,
        lane: Lane,
        request: Request,
        option: &RPCOption,
        decode: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T, RPCError<Types>> {
        let call = self.transport.call(&self.to, lane, request.encode());
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
        // A heartbeat waits behind no data.
        let lane = if rpc.entries.is_empty() { Lane::Control } else { Lane::Append };
        self.call(lane, Request::Append(rpc), &option, message::decode_appended).await
    }

    async fn vote(&mut self, rpc: VoteRequest<Types>, option: RPCOption) -> Result<Voted, RPCError<Types>> {
        self.call(Lane::Control, Request::Vote(rpc), &option, message::decode_voted).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<Voted, RPCError<Types>> {
        self.call(Lane::Control, Request::PreVote(rpc), &option, message::decode_voted).await
    }

    /// Tells the node to fetch this node's files. They hold what the log has lost, and maybe more.
    async fn full_snapshot(
        &mut self,
        vote: RaftVoteOf,
        snapshot: openraft::storage::Snapshot<Elected, u64, BasicNode, ()>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let meta = snapshot.meta;
        let index = meta.last_log_id.as_ref().map_or(0, |id| log_id(id).index);
        // The log after the snapshot stays until the node has had time to go on from there.
        let _hold = self.copies.hold_log(index);
        let unreachable = |error: crate::error::Error| StreamingError::Unreachable(Unreachable::new(&error));
        let offer = Offer {
            vote,
            last: meta.last_log_id,
            node: self.own.0,
            address: self.own.1.clone(),
            membership: meta.last_membership,
        };
        let request = Request::Snapshot(Box::new(offer)).encode();
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            answer = self.transport.call(&self.to, Lane::Bulk, request) => {
                let answer = answer.map_err(unreachable)?;
                message::decode_installed(&answer).map_err(unreachable)
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let vote = *request.from_leader();
        let request = Request::Transfer(request);
        let accepted = self.call(Lane::Control, request, &option, message::decode_transferred).await?;
        // What the other node saw instead does not matter to the caller.
        let refused = openraft::raft::TransferLeaderError::VoteChanged { expected: vote, actual: vote };
        Ok(if accepted { Ok(()) } else { Err(refused) })
    }
}
