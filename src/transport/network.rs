//! Where connections come from: TCP, or a simulation's network in its place.

use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A connection's bytes, both ways, in order.
pub trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// Connects to addresses.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Connects to `host:port`; the name is resolved each time.
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Bytes>>;
}

/// Takes connections at an address.
#[async_trait]
pub trait Listener: Send + 'static {
    /// Waits for the next one, and tells where it is from.
    async fn accept(&mut self) -> io::Result<(Box<dyn Bytes>, String)>;
}

/// The machine's network.
pub struct TcpNetwork;

#[async_trait]
impl Network for TcpNetwork {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Bytes>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

#[async_trait]
impl Listener for TcpListener {
    async fn accept(&mut self) -> io::Result<(Box<dyn Bytes>, String)> {
        let (stream, address) = TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), address.to_string()))
    }
}
