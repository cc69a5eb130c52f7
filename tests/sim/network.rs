//! turmoil's network in the place of the machine's.

use std::io;

use async_trait::async_trait;
use quorate::transport::{Bytes, Listener, Network};
use turmoil::net::{TcpListener, TcpStream};

/// The port of all nodes.
pub const PORT: u16 = 7432;

/// The simulation's network.
pub struct SimulatedNetwork;

#[async_trait]
impl Network for SimulatedNetwork {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Bytes>> {
        Ok(Box::new(TcpStream::connect(address.to_owned()).await?))
    }
}

/// Where a node listens.
pub struct SimulatedListener(TcpListener);

impl SimulatedListener {
    pub async fn bind() -> io::Result<SimulatedListener> {
        Ok(SimulatedListener(TcpListener::bind(("0.0.0.0", PORT)).await?))
    }
}

#[async_trait]
impl Listener for SimulatedListener {
    async fn accept(&mut self) -> io::Result<(Box<dyn Bytes>, String)> {
        let (stream, address) = self.0.accept().await?;
        Ok((Box::new(stream), address.to_string()))
    }
}
