//! The network between the nodes: each is reached through a proxy here, which holds back, delays or cuts
//! what one node says to another, each way by itself.

use std::sync::Arc;
use std::time::Duration;

use adya::r#gen::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

/// Bytes that are on their way in one direction of one connection.
const ON_THE_WAY_MAX: usize = 64;
/// The start of a greeting of the transport, up to and with the number of the node that dials.
const GREETING_BYTES: usize = 15;
const NODE_AT: usize = 7;

/// What becomes of what one node says to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Link {
    #[default]
    Open,
    /// It is on its way until the link is open again, as packets that are sent again and again are.
    Held,
    /// It takes this many milliseconds, and up to as many more.
    Slow(u64),
}

/// All links, by the numbers of the nodes, from and to.
#[derive(Clone, Debug, Default)]
struct Links {
    links: std::collections::BTreeMap<(u64, u64), Link>,
    /// Connections of earlier generations are cut.
    generation: u64,
}

/// The network.
pub struct Network {
    links: watch::Sender<Links>,
}

impl Network {
    pub fn new() -> Arc<Network> {
        Arc::new(Network { links: watch::Sender::default() })
    }

    /// Serves as a node's address: passes everything on to where it listens.
    pub async fn serve(self: Arc<Self>, node: u64, reached: u16, listens: u16) {
        let listener = TcpListener::bind(("127.0.0.1", reached)).await.unwrap();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(self.clone().pass(stream, node, listens));
        }
    }

    /// What becomes from now on of what `from` says to `to`.
    pub fn set(&self, from: u64, to: u64, link: Link) {
        self.links.send_modify(|links| {
            links.links.insert((from, to), link);
        });
    }

    /// Opens all links.
    pub fn heal(&self) {
        self.links.send_modify(|links| links.links.clear());
    }

    /// Cuts all connections; new ones can be made.
    pub fn reset(&self) {
        self.links.send_modify(|links| links.generation += 1);
    }

    async fn pass(self: Arc<Self>, mut from: TcpStream, node: u64, listens: u16) -> Option<()> {
        let mut greeting = [0; GREETING_BYTES];
        from.read_exact(&mut greeting).await.ok()?;
        let dialling = u64::from_be_bytes(greeting[NODE_AT..].try_into().ok()?);
        let generation = self.links.borrow().generation;
        wait_open(&mut self.links.subscribe(), (dialling, node), generation).await?;
        let mut to = TcpStream::connect(("127.0.0.1", listens)).await.ok()?;
        from.set_nodelay(true).ok()?;
        to.set_nodelay(true).ok()?;
        to.write_all(&greeting).await.ok()?;
        let (from_read, from_write) = from.into_split();
        let (to_read, to_write) = to.into_split();
        let there = self.carry(from_read, to_write, (dialling, node), generation);
        let back = self.carry(to_read, from_write, (node, dialling), generation);
        // One direction that ends ends the connection.
        tokio::select! {
            _ = there => {}
            _ = back => {}
        }
        Some(())
    }

    /// Carries one direction of a connection.
    async fn carry(
        &self,
        mut read: OwnedReadHalf,
        mut write: OwnedWriteHalf,
        link: (u64, u64),
        generation: u64,
    ) -> Option<()> {
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY_MAX);
        let state = self.links.subscribe();
        let reading = async move {
            let mut buffer = vec![0; 64 << 10];
            let mut earliest = Instant::now();
            let mut random = Rng::new(generation << 16 | link.0 << 8 | link.1);
            while let Ok(count @ 1..) = read.read(&mut buffer).await {
                if let Some(Link::Slow(milliseconds)) = state.borrow().links.get(&link) {
                    let more = random.below(*milliseconds + 1);
                    let delay = Duration::from_millis(*milliseconds + more);
                    earliest = earliest.max(Instant::now() + delay);
                }
                if sender.send((earliest, buffer[..count].to_vec())).await.is_err() {
                    break;
                }
            }
        };
        let mut state = self.links.subscribe();
        let writing = async move {
            while let Some((earliest, bytes)) = receiver.recv().await {
                tokio::time::sleep_until(earliest).await;
                wait_open(&mut state, link, generation).await?;
                write.write_all(&bytes).await.ok()?;
            }
            Some(())
        };
        let mut state = self.links.subscribe();
        tokio::select! {
            ended = async { tokio::join!(reading, writing) } => ended.1,
            _ = state.wait_for(|links| links.generation != generation) => None,
        }
    }
}

/// Waits until a link is not held; `None` if the connection is cut.
async fn wait_open(state: &mut watch::Receiver<Links>, link: (u64, u64), generation: u64) -> Option<()> {
    let links = state
        .wait_for(|links| links.generation != generation || links.links.get(&link) != Some(&Link::Held))
        .await
        .ok()?;
    (links.generation == generation).then_some(())
}
