//! The transport over TCP: one connection a peer, on which requests overtake each other.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, BufWriter, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::frame::{self, Frame, Kind};
use super::{Service, Transport};
use crate::error::{Error, Result, state};
use crate::telemetry;

/// Frames that wait to be written on one connection.
const QUEUE_FRAMES: usize = 64;
/// Requests of one peer that are being answered at once.
const CONCURRENT_REQUESTS: usize = 64;
/// Connections of peers at once.
const PEERS_MAX: usize = 256;
/// How long connecting and greeting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

fn broken(address: &str, error: &io::Error) -> Error {
    Error::new(state::CONNECTION_FAILURE, format!("no answer from node {address}: {error}"))
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<io::Result<Vec<u8>>>>>>;

/// A connection to a peer.
#[derive(Clone)]
struct Peer {
    outgoing: mpsc::Sender<Frame>,
    waiting: Waiting,
}

/// Requests over TCP.
#[derive(Default)]
pub struct Tcp {
    peers: Mutex<HashMap<String, Peer>>,
    next: std::sync::atomic::AtomicU64,
}

impl Tcp {
    fn known(&self, address: &str) -> Option<Peer> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.get(address).filter(|peer| !peer.outgoing.is_closed()).cloned()
    }

    async fn peer(&self, address: &str) -> io::Result<Peer> {
        if let Some(peer) = self.known(address) {
            return Ok(peer);
        }
        let connecting = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            frame::greet(&mut stream).await?;
            io::Result::Ok(stream)
        };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        let peer = start(stream);
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).insert(address.to_owned(), peer.clone());
        Ok(peer)
    }

    async fn try_call(&self, address: &str, request: Vec<u8>) -> io::Result<Vec<u8>> {
        let peer = self.peer(address).await?;
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        peer.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        let forget = Forget { waiting: &peer.waiting, number };
        let frame = Frame { kind: Kind::Request, number, content: request };
        peer.outgoing.send(frame).await.map_err(|_| io::ErrorKind::ConnectionReset)?;
        let answer = receiver.await.map_err(|_| io::ErrorKind::ConnectionReset)?;
        drop(forget);
        answer
    }
}

/// Takes a request off the list when nobody waits for it any more.
struct Forget<'a> {
    waiting: &'a Waiting,
    number: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

#[async_trait]
impl Transport for Tcp {
    async fn call(&self, address: &str, request: Vec<u8>) -> Result<Vec<u8>> {
        self.try_call(address, request).await.map_err(|error| broken(address, &error))
    }
}

/// Starts the two tasks of a connection to a peer.
fn start(stream: TcpStream) -> Peer {
    let (reading, writing) = split(stream);
    let (outgoing, frames) = mpsc::channel(QUEUE_FRAMES);
    let waiting = Waiting::default();
    let answers = waiting.clone();
    tokio::spawn(async move {
        // Whichever ends first ends the other: the connection is of no use without both.
        tokio::select! {
            _ = write_frames(writing, frames) => {}
            _ = read_answers(reading, &answers) => {}
        }
        answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    });
    Peer { outgoing, waiting }
}

async fn write_frames(stream: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Frame>) -> io::Result<()> {
    let mut stream = BufWriter::new(stream);
    while let Some(frame) = frames.recv().await {
        frame::write(&mut stream, &frame).await?;
    }
    Ok(())
}

async fn read_answers(stream: impl AsyncRead + Unpin, waiting: &Waiting) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(frame) = frame::read(&mut stream).await? {
        let answer = match frame.kind {
            Kind::Answer => Ok(frame.content),
            Kind::Failure => Err(io::Error::other(String::from_utf8_lossy(&frame.content).into_owned())),
            Kind::Request => return Err(io::ErrorKind::InvalidData.into()),
        };
        let sender = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&frame.number);
        if let Some(sender) = sender {
            let _ = sender.send(answer);
        }
    }
    Ok(())
}

/// Answers the requests of peers until the task is stopped. A peer that sends nonsense is cut off.
pub async fn serve(listener: TcpListener, service: Arc<dyn Service>) {
    let peers = Arc::new(Semaphore::new(PEERS_MAX));
    loop {
        let Ok(permit) = peers.clone().acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                telemetry::warn!("could not accept a node's connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = service.clone();
        tokio::spawn(async move {
            if let Err(error) = answer_peer(stream, service).await {
                telemetry::warn!("connection of node {address} ended: {error}");
            }
            drop(permit);
        });
    }
}

async fn answer_peer(mut stream: TcpStream, service: Arc<dyn Service>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    tokio::time::timeout(CONNECT_TIMEOUT, frame::greet(&mut stream))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??;
    let (reading, writing) = split(stream);
    let (outgoing, frames) = mpsc::channel(QUEUE_FRAMES);
    tokio::select! {
        outcome = write_frames(writing, frames) => outcome,
        outcome = read_requests(reading, service, outgoing) => outcome,
    }
}

async fn read_requests(
    stream: impl AsyncRead + Unpin,
    service: Arc<dyn Service>,
    outgoing: mpsc::Sender<Frame>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let running = Arc::new(Semaphore::new(CONCURRENT_REQUESTS));
    while let Some(frame) = frame::read(&mut stream).await? {
        if frame.kind != Kind::Request {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let Ok(permit) = running.clone().acquire_owned().await else { return Ok(()) };
        let (service, outgoing) = (service.clone(), outgoing.clone());
        tokio::spawn(async move {
            let (kind, content) = match service.answer(frame.content).await {
                Ok(content) => (Kind::Answer, content),
                Err(error) => (Kind::Failure, error.to_string().into_bytes()),
            };
            let _ = outgoing.send(Frame { kind, number: frame.number, content }).await;
            drop(permit);
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    struct Echo;

    #[async_trait]
    impl Service for Echo {
        async fn answer(&self, request: Vec<u8>) -> Result<Vec<u8>> {
            match request.as_slice() {
                b"fail" => Err(Error::internal("as asked")),
                b"slow" => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Ok(request)
                }
                _ => Ok(request),
            }
        }
    }

    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(serve(listener, Arc::new(Echo)));
        address
    }

    #[tokio::test]
    async fn answers_find_their_requests_and_overtake_slow_ones() {
        let address = echo().await;
        let transport = Arc::new(Tcp::default());
        let slow = tokio::spawn({
            let (transport, address) = (transport.clone(), address.clone());
            async move { transport.call(&address, b"slow".to_vec()).await }
        });
        assert_eq!(transport.call(&address, b"quick".to_vec()).await.unwrap(), b"quick");
        assert!(!slow.is_finished());
        assert!(transport.call(&address, b"fail".to_vec()).await.unwrap_err().message().contains("as asked"));
        assert_eq!(slow.await.unwrap().unwrap(), b"slow");
    }

    #[tokio::test]
    async fn nonsense_is_cut_off_and_others_notice_nothing() {
        let address = echo().await;
        let transport = Tcp::default();
        for nonsense in [&b"GET / HTTP/1.0\r\n\r\n"[..], b"QRTE\x09", b"QRTE\x01\xff\xff\xff\xff", b"QR"] {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(nonsense).await.unwrap();
        }
        assert_eq!(transport.call(&address, b"still there".to_vec()).await.unwrap(), b"still there");
        assert!(transport.call("127.0.0.1:1", b"nobody".to_vec()).await.is_err());
    }
}
