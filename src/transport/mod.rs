//! Requests and answers between nodes, over one connection a peer. It does not know what it carries.
//!
//! - [`frame`]: length, checksum, number of the request.
//! - [`tcp`]: the real network; [`Transport`] and [`Service`] are what a simulation replaces.

mod frame;
mod tcp;

use async_trait::async_trait;

use crate::error::Result;

pub use frame::FRAME_BYTES_MAX;
pub use tcp::{Tcp, serve};

/// Sends requests to other nodes.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends a request to an address and waits for the answer. 08006 if there is none; whether the
    /// request was carried out is then unknown.
    async fn call(&self, address: &str, request: Vec<u8>) -> Result<Vec<u8>>;
}

/// Answers requests of other nodes.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Answers one request.
    async fn answer(&self, request: Vec<u8>) -> Result<Vec<u8>>;
}
