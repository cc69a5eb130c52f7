//! Streams: messages both ways, in order, as fast as the slower side takes them.
//!
//! Each side may have [`WINDOW_BYTES`] under way that the other has not taken; taking them gives credit
//! for more. So one slow stream fills no queue that others need.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::connection::Connection;
use super::frame::{Frame, Kind};
use crate::error::{Error, Result, state};

/// Bytes of a stream that may be under way.
pub(super) const WINDOW_BYTES: usize = 512 << 10;
/// Bytes of a message that one frame carries.
const PART_BYTES: usize = 64 << 10;
/// Bytes that an empty part counts for, so that empty ones are bounded too.
pub(super) const PART_COST: usize = 64;
/// The longest message: PostgreSQL's longest is 1 GiB.
pub const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// What arrived on a stream.
#[derive(Debug)]
pub(super) enum Arrival {
    Part(Vec<u8>),
    Last(Vec<u8>),
    End,
    Reset(String),
}

/// A stream of one peer.
#[derive(Debug)]
pub struct Stream {
    /// The way out.
    pub sender: StreamSender,
    /// The way in.
    pub receiver: StreamReceiver,
}

/// Tells the peer when both halves are gone.
#[derive(Debug)]
pub(super) struct Lifetime {
    connection: Arc<Connection>,
    number: u64,
}

impl Drop for Lifetime {
    fn drop(&mut self) {
        self.connection.end_stream(self.number);
    }
}

/// The way out of a stream.
#[derive(Debug)]
pub struct StreamSender {
    lifetime: Arc<Lifetime>,
    credit: Arc<Semaphore>,
}

/// The way in of a stream.
#[derive(Debug)]
pub struct StreamReceiver {
    lifetime: Arc<Lifetime>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    /// The parts of a message so far.
    message: Vec<u8>,
    /// Bytes taken that the peer got no credit for yet.
    taken: usize,
}

fn broken(why: &str) -> Error {
    Error::new(state::CONNECTION_FAILURE, format!("the connection to another node broke: {why}"))
}

impl Stream {
    pub(super) fn new(
        connection: Arc<Connection>,
        number: u64,
        credit: Arc<Semaphore>,
        arrivals: mpsc::UnboundedReceiver<Arrival>,
    ) -> Stream {
        let lifetime = Arc::new(Lifetime { connection, number });
        Stream {
            sender: StreamSender { lifetime: lifetime.clone(), credit },
            receiver: StreamReceiver { lifetime, arrivals, message: Vec::new(), taken: 0 },
        }
    }
}

impl StreamSender {
    /// Sends a message; waits until the peer has room for it. 08006 if the stream is broken.
    pub async fn send(&mut self, message: &[u8]) -> Result<()> {
        let mut parts = message.chunks(PART_BYTES).peekable();
        loop {
            let part = parts.next().unwrap_or_default();
            let kind = if parts.peek().is_some() { Kind::Part } else { Kind::Last };
            let cost = part.len().max(PART_COST) as u32;
            let permit = self.credit.acquire_many(cost).await.map_err(|_| broken("it was closed"))?;
            permit.forget();
            let frame = Frame { kind, number: self.lifetime.number, content: part.to_vec() };
            self.lifetime.connection.send(frame).await.map_err(|error| broken(&error.to_string()))?;
            if kind == Kind::Last {
                return Ok(());
            }
        }
    }

    /// Says that no more messages follow.
    pub async fn end(self) {
        let frame = Frame { kind: Kind::End, number: self.lifetime.number, content: Vec::new() };
        // A broken connection has ended it already.
        let _ = self.lifetime.connection.send(frame).await;
    }
}

impl StreamReceiver {
    /// The next message; `None` if the peer has said that there are no more. 08006 if the stream is
    /// broken. May be dropped and called again.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            let (part, is_last) = match self.arrivals.recv().await {
                Some(Arrival::Part(part)) => (part, false),
                Some(Arrival::Last(part)) => (part, true),
                Some(Arrival::End) => return Ok(None),
                Some(Arrival::Reset(why)) => return Err(broken(&why)),
                None => return Err(broken("no answer")),
            };
            self.taken += part.len().max(PART_COST);
            if self.message.len() + part.len() > MESSAGE_BYTES_MAX {
                return Err(broken("a message is too long"));
            }
            if self.message.is_empty() {
                self.message = part;
            } else {
                self.message.extend(part);
            }
            let message = is_last.then(|| std::mem::take(&mut self.message));
            self.give_credit();
            if message.is_some() {
                return Ok(message);
            }
        }
    }

    fn give_credit(&mut self) {
        if self.taken < WINDOW_BYTES / 4 {
            return;
        }
        let credit = std::mem::take(&mut self.taken) as u32;
        let frame = Frame {
            kind: Kind::Credit,
            number: self.lifetime.number,
            content: credit.to_be_bytes().to_vec(),
        };
        self.lifetime.connection.send_soon(frame);
    }
}
