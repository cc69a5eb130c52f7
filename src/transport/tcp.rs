//! One connection a peer and lane, dialled when it is needed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::split;
use tokio::sync::Semaphore;

use super::connection::{Connection, run_accepted, run_dialled};
use super::network::{Bytes, Listener, Network};
use super::tls::Tls;
use super::{Destination, Lane, Own, Service, Stream, Transport, frame};
use crate::error::{Error, Result, state};
use crate::telemetry;

/// Connections of peers at once.
const PEERS_MAX: usize = 256;
/// How long connecting and greeting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

fn broken(to: &Destination, error: &io::Error) -> Error {
    let node = to.node.map_or_else(|| "the node".to_owned(), |node| format!("node {node}"));
    Error::new(state::CONNECTION_FAILURE, format!("no answer from {node} at {}: {error}", to.address))
}

/// How a node speaks to others, whoever dials.
#[derive(Clone)]
pub struct Options {
    /// Who it is.
    pub own: Arc<Own>,
    /// Encryption, or none.
    pub tls: Option<Arc<Tls>>,
    /// A peer that is silent for longer is gone.
    pub silence_max: Duration,
}

/// Requests over TCP.
pub struct Tcp {
    options: Options,
    network: Arc<dyn Network>,
    connections: Mutex<BTreeMap<(Destination, Lane), Arc<Connection>>>,
}

impl Tcp {
    /// Dials when something is to be said.
    pub fn new(options: Options, network: Arc<dyn Network>) -> Tcp {
        Tcp { options, network, connections: Mutex::default() }
    }

    /// Greets everyone anew: this node's cluster has changed.
    pub fn forget(&self) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn known(&self, key: &(Destination, Lane)) -> Option<Arc<Connection>> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.get(key).filter(|connection| connection.is_open()).cloned()
    }

    async fn connection(&self, to: &Destination, lane: Lane) -> io::Result<Arc<Connection>> {
        let key = (to.clone(), lane);
        if let Some(connection) = self.known(&key) {
            return Ok(connection);
        }
        let mut stream = tokio::time::timeout(CONNECT_TIMEOUT, self.dial(&to.address))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        let greeting = frame::greet(&mut stream, self.options.own.peer(), lane, to.node);
        tokio::time::timeout(CONNECT_TIMEOUT, greeting).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let (connection, queues) = Connection::new();
        let (reading, writing) = split(stream);
        tokio::spawn(run_dialled(reading, writing, connection.clone(), queues, self.options.silence_max));
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|_, connection| connection.is_open());
        connections.insert(key, connection.clone());
        Ok(connection)
    }

    async fn dial(&self, address: &str) -> io::Result<Box<dyn Bytes>> {
        let stream = self.network.connect(address).await?;
        match &self.options.tls {
            Some(tls) => tls.connect(address, stream).await,
            None => Ok(stream),
        }
    }
}

#[async_trait]
impl Transport for Tcp {
    async fn call(&self, to: &Destination, lane: Lane, request: Vec<u8>) -> Result<Vec<u8>> {
        let call = async { self.connection(to, lane).await?.call(request).await };
        call.await.map_err(|error| broken(to, &error))
    }

    fn hang_up(&self, node: u64) {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let to_node = |key: &(Destination, Lane)| key.0.node == Some(node) && key.1 == Lane::Bulk;
        connections.iter().filter(|(key, _)| to_node(key)).for_each(|(_, connection)| connection.hang_up());
    }

    async fn open(&self, to: &Destination, first: Vec<u8>) -> Result<Stream> {
        let open = async { self.connection(to, Lane::Bulk).await?.open(first).await };
        open.await.map_err(|error| broken(to, &error))
    }
}

/// Answers the requests of peers until the task is stopped. A peer that sends nonsense, or nothing for too
/// long, is cut off.
pub async fn serve(mut listener: impl Listener, options: Options, service: Arc<dyn Service>) {
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
        let (service, options) = (service.clone(), options.clone());
        tokio::spawn(async move {
            if let Err(error) = answer_peer(stream, &options, service).await
                && error.kind() != io::ErrorKind::ConnectionReset
            {
                telemetry::info!("the connection of a node from {address} ended: {error}");
            }
            drop(permit);
        });
    }
}

async fn answer_peer(stream: Box<dyn Bytes>, options: &Options, service: Arc<dyn Service>) -> io::Result<()> {
    let greeting = async {
        let mut stream = match &options.tls {
            Some(tls) => tls.accept(stream).await?,
            None => stream,
        };
        let peer = frame::welcome(&mut stream, options.own.peer()).await?;
        io::Result::Ok((stream, peer))
    };
    let (stream, peer) =
        tokio::time::timeout(CONNECT_TIMEOUT, greeting).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let (reading, writing) = split(stream);
    run_accepted(reading, writing, peer, service, options.silence_max).await
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::super::{Certificates, Peer, TcpNetwork};
    use super::*;

    fn options(node: u64, tls: Option<Arc<Tls>>) -> Options {
        Options { own: Own::new(node, 7), tls, silence_max: Duration::from_secs(5) }
    }

    fn tcp_with(tls: Option<Arc<Tls>>) -> Tcp {
        Tcp::new(options(1, tls), Arc::new(TcpNetwork))
    }

    struct Echo;

    #[async_trait]
    impl Service for Echo {
        async fn answer(&self, _: Peer, request: Vec<u8>) -> Result<Vec<u8>> {
            match request.as_slice() {
                b"fail" => Err(Error::internal("as asked")),
                b"slow" => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Ok(request)
                }
                _ => Ok(request),
            }
        }

        async fn accept(&self, _: Peer, first: Vec<u8>, mut stream: Stream) {
            if first == b"drop" {
                return;
            }
            while let Ok(Some(message)) = stream.receiver.next().await {
                if first == b"lazy" {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                }
                if stream.sender.send(&message).await.is_err() {
                    return;
                }
            }
            stream.sender.end().await;
        }
    }

    async fn echo(tls: Option<Arc<Tls>>) -> Destination {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(serve(listener, options(2, tls), Arc::new(Echo)));
        Destination::node(2, address)
    }

    fn tcp() -> Arc<Tcp> {
        Arc::new(tcp_with(None))
    }

    #[tokio::test]
    async fn answers_find_their_requests_and_overtake_slow_ones() {
        let (to, transport) = (echo(None).await, tcp());
        let slow = tokio::spawn({
            let (transport, to) = (transport.clone(), to.clone());
            async move { transport.call(&to, Lane::Control, b"slow".to_vec()).await }
        });
        let quick = transport.call(&to, Lane::Control, b"quick".to_vec()).await;
        assert_eq!(quick.unwrap(), b"quick");
        assert!(!slow.is_finished());
        let failed = transport.call(&to, Lane::Append, b"fail".to_vec()).await.unwrap_err();
        assert!(failed.message().contains("as asked"));
        assert_eq!(slow.await.unwrap().unwrap(), b"slow");
    }

    #[tokio::test]
    async fn nonsense_is_cut_off_and_others_notice_nothing() {
        let (to, transport) = (echo(None).await, tcp());
        let greeting = b"QRTE\x01\x01\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0";
        let then = |bytes: &[u8]| [greeting, bytes].concat();
        for nonsense in [
            b"GET / HTTP/1.0\r\n\r\n".to_vec(),
            b"QRTE\x09\x09".to_vec(),
            b"QR".to_vec(),
            then(b"\xff\xff\xff\xff"),
            then(b"\0\0\0\x09\0\0\0\0\x63\0\0\0\0\0\0\0\0"),
        ] {
            let mut stream = TcpStream::connect(&to.address).await.unwrap();
            stream.write_all(&nonsense).await.unwrap();
        }
        let answer = transport.call(&to, Lane::Control, b"still there".to_vec()).await;
        assert_eq!(answer.unwrap(), b"still there");
        let nobody = Destination::anyone("127.0.0.1:1");
        assert!(transport.call(&nobody, Lane::Control, b"nobody".to_vec()).await.is_err());
        let wrong = Destination::node(3, to.address);
        let error = transport.call(&wrong, Lane::Control, b"x".to_vec()).await.unwrap_err();
        assert!(error.message().contains("this is node 2, not node 3"), "{error}");
    }

    #[tokio::test]
    async fn streams_carry_long_messages_both_ways_and_end() {
        let (to, transport) = (echo(None).await, tcp());
        let mut stream = transport.open(&to, Vec::new()).await.unwrap();
        let long = vec![7; 3 * super::super::stream::WINDOW_BYTES];
        for message in [&b""[..], b"short", &long] {
            let (sent, back) = tokio::join!(stream.sender.send(message), stream.receiver.next());
            sent.unwrap();
            assert_eq!(back.unwrap().unwrap(), message);
        }
        stream.sender.end().await;
        assert_eq!(stream.receiver.next().await.unwrap(), None);
        let mut dropped = transport.open(&to, b"drop".to_vec()).await.unwrap();
        assert!(dropped.receiver.next().await.is_err());
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_stops_its_stream_and_no_other() {
        let (to, transport) = (echo(None).await, tcp());
        let mut lazy = transport.open(&to, b"lazy".to_vec()).await.unwrap();
        let flood = async {
            loop {
                lazy.sender.send(&[0; 60_000]).await.unwrap();
            }
        };
        assert!(tokio::time::timeout(Duration::from_millis(300), flood).await.is_err());
        let mut other = transport.open(&to, Vec::new()).await.unwrap();
        other.sender.send(b"through").await.unwrap();
        assert_eq!(other.receiver.next().await.unwrap().unwrap(), b"through");
    }

    #[tokio::test]
    async fn certificates_are_asked_for_on_both_sides() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        // An authority, and a certificate of its own making for this machine.
        let certificates = |name: &str| {
            let authority_key = rcgen::KeyPair::generate().unwrap();
            let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let authority = parameters.self_signed(&authority_key).unwrap();
            let issuer = rcgen::Issuer::new(parameters, authority_key);
            let key = rcgen::KeyPair::generate().unwrap();
            let names = vec!["127.0.0.1".to_owned()];
            let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
            Certificates {
                authority: write(&format!("{name}-authority.pem"), &authority.pem()),
                certificate: write(&format!("{name}.pem"), &certificate.pem()),
                key: write(&format!("{name}.key"), &key.serialize_pem()),
            }
        };
        let tls = Arc::new(Tls::load(&certificates("node")).unwrap());
        let to = echo(Some(tls.clone())).await;
        let transport = tcp_with(Some(tls));
        assert_eq!(transport.call(&to, Lane::Control, b"secret".to_vec()).await.unwrap(), b"secret");
        assert!(tcp().call(&to, Lane::Control, b"plain".to_vec()).await.is_err());
        let stranger = Arc::new(Tls::load(&certificates("stranger")).unwrap());
        let transport = tcp_with(Some(stranger));
        assert!(transport.call(&to, Lane::Control, b"stranger".to_vec()).await.is_err());
    }
}
