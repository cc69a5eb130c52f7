//! Requests, answers and streams between nodes. It does not know what they carry.
//!
//! - [`frame`]: the greeting of two nodes, and length, checksum, kind and number of what follows.
//! - [`codec`]: the fields of messages.
//! - [`stream`]: messages both ways, as fast as the slower side takes them.
//! - [`connection`]: the two tasks that carry frames, whoever dialled.
//! - [`tcp`]: one connection a peer and lane, dialled when it is needed.
//! - [`network`]: where connections come from, which a simulation replaces.
//! - [`tls`]: both sides prove who they are by certificates.

mod codec;
mod connection;
mod frame;
mod network;
mod stream;
mod tcp;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::error::Result;

pub use codec::{Decoder, Encoder, nonsense};
pub use frame::FRAME_BYTES_MAX;
pub use network::{Bytes, Listener, Network, TcpNetwork};
pub use stream::{MESSAGE_BYTES_MAX, Stream, StreamReceiver, StreamSender};
pub use tcp::{Options, Tcp, serve};
pub use tls::{Certificates, Tls};

/// What travels on a connection of its own, so that it waits for nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// Heartbeats, votes, questions: small and urgent.
    Control,
    /// Entries of the log.
    Append,
    /// Streams of sessions, and files.
    Bulk,
}

/// A node as others are told about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its number.
    pub node: u64,
    /// The cluster it is in; 0 for none yet.
    pub cluster: u64,
}

/// Who this node is.
#[derive(Debug)]
pub struct Own {
    node: u64,
    cluster: AtomicU64,
}

impl Own {
    /// A node in a cluster, 0 for none yet.
    pub fn new(node: u64, cluster: u64) -> Arc<Own> {
        Arc::new(Own { node, cluster: AtomicU64::new(cluster) })
    }

    /// This node now.
    pub fn peer(&self) -> Peer {
        Peer { node: self.node, cluster: self.cluster.load(Ordering::Acquire) }
    }

    /// The node is in a cluster now, and stays there.
    pub fn join(&self, cluster: u64) {
        self.cluster.store(cluster, Ordering::Release);
    }
}

/// Whom to call.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Destination {
    /// `host:port`; the name is resolved at each connection.
    pub address: String,
    /// The node that must be there, if it is known.
    pub node: Option<u64>,
}

impl Destination {
    /// Whoever answers at an address.
    pub fn anyone(address: impl Into<String>) -> Destination {
        Destination { address: address.into(), node: None }
    }

    /// One node.
    pub fn node(node: u64, address: impl Into<String>) -> Destination {
        Destination { address: address.into(), node: Some(node) }
    }
}

/// Sends requests to other nodes.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and waits for the answer. 08006 if there is none; whether the request was carried
    /// out is then unknown.
    async fn call(&self, to: &Destination, lane: Lane, request: Vec<u8>) -> Result<Vec<u8>>;

    /// Breaks the streams to a node.
    fn hang_up(&self, node: u64);

    /// Opens a stream with its first message.
    async fn open(&self, to: &Destination, first: Vec<u8>) -> Result<Stream>;
}

/// Answers requests of other nodes.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Answers one request.
    async fn answer(&self, peer: Peer, request: Vec<u8>) -> Result<Vec<u8>>;

    /// Serves a stream until it ends.
    async fn accept(&self, peer: Peer, first: Vec<u8>, stream: Stream);
}
