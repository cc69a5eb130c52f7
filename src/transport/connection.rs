//! A connection of two nodes, once they have greeted: who waits for what, and the two tasks that carry
//! frames. The side that dialled asks and opens streams; the other answers.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use super::frame::{self, Frame, Kind, nonsense};
use super::stream::{Arrival, PART_COST, Stream, WINDOW_BYTES};
use super::{Peer, Service};
use crate::telemetry;

/// Frames that wait to be written on one connection.
const QUEUE_FRAMES: usize = 64;
/// Requests of one connection that are being answered at once.
const CONCURRENT_REQUESTS: usize = 64;
/// Streams of one connection.
const STREAMS_MAX: usize = 20_000;
/// How often each side shows that it lives.
const PING_INTERVAL: Duration = Duration::from_millis(250);

type Answered = oneshot::Sender<io::Result<Vec<u8>>>;

/// What a stream's frames concern.
#[derive(Debug)]
struct Entry {
    arrivals: mpsc::UnboundedSender<Arrival>,
    credit: Arc<Semaphore>,
    /// Bytes that arrived and that the peer got no credit for yet.
    untaken: AtomicUsize,
}

#[derive(Default, Debug)]
struct Table {
    waiting: BTreeMap<u64, Answered>,
    streams: BTreeMap<u64, Entry>,
    is_broken: bool,
}

/// See the module's description.
#[derive(Debug)]
pub(super) struct Connection {
    outgoing: mpsc::Sender<Frame>,
    /// Frames that cannot wait for a place in the queue: as many as streams have credit for.
    soon: mpsc::UnboundedSender<Frame>,
    next: AtomicU64,
    table: Mutex<Table>,
    /// Told when this side wants no more of it.
    hung_up: Notify,
}

/// The ends of a connection's queues.
pub(super) struct Queues {
    outgoing: mpsc::Receiver<Frame>,
    soon: mpsc::UnboundedReceiver<Frame>,
}

impl Connection {
    pub(super) fn new() -> (Arc<Connection>, Queues) {
        let (outgoing, frames) = mpsc::channel(QUEUE_FRAMES);
        let (soon, urgent) = mpsc::unbounded_channel();
        let connection = Connection {
            outgoing,
            soon,
            next: AtomicU64::new(1),
            table: Mutex::default(),
            hung_up: Notify::new(),
        };
        (Arc::new(connection), Queues { outgoing: frames, soon: urgent })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it still carries anything.
    pub(super) fn is_open(&self) -> bool {
        !self.outgoing.is_closed() && !self.table().is_broken
    }

    /// Ends it, for both sides.
    pub(super) fn hang_up(&self) {
        self.break_off();
        self.hung_up.notify_one();
    }

    /// Sends a frame when there is room in the queue.
    pub(super) async fn send(&self, frame: Frame) -> io::Result<()> {
        self.outgoing.send(frame).await.map_err(|_| io::ErrorKind::ConnectionReset.into())
    }

    /// Sends a small frame without waiting.
    pub(super) fn send_soon(&self, frame: Frame) {
        if frame.kind == Kind::Credit
            && let Some(entry) = self.table().streams.get(&frame.number)
            && let Ok(bytes) = <[u8; 4]>::try_from(&frame.content[..])
        {
            entry.untaken.fetch_sub(u32::from_be_bytes(bytes) as usize, Ordering::AcqRel);
        }
        // A broken connection needs no more frames.
        let _ = self.soon.send(frame);
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn call(&self, request: Vec<u8>) -> io::Result<Vec<u8>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.table().waiting.insert(number, sender);
        let forget = Forget { connection: self, number };
        self.send(Frame { kind: Kind::Request, number, content: request }).await?;
        let answer = receiver.await.map_err(|_| io::ErrorKind::ConnectionReset)?;
        drop(forget);
        answer
    }

    /// Opens a stream.
    pub(super) async fn open(self: &Arc<Self>, first: Vec<u8>) -> io::Result<Stream> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let stream = self.add_stream(number)?;
        self.send(Frame { kind: Kind::Open, number, content: first }).await?;
        Ok(stream)
    }

    fn add_stream(self: &Arc<Self>, number: u64) -> io::Result<Stream> {
        let (arrivals, receiver) = mpsc::unbounded_channel();
        let credit = Arc::new(Semaphore::new(WINDOW_BYTES));
        let entry = Entry { arrivals, credit: credit.clone(), untaken: AtomicUsize::new(0) };
        let mut table = self.table();
        if table.is_broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if table.streams.len() >= STREAMS_MAX || table.streams.contains_key(&number) {
            return Err(nonsense("too many streams on a connection"));
        }
        table.streams.insert(number, entry);
        drop(table);
        Ok(Stream::new(self.clone(), number, credit, receiver))
    }

    /// Nobody here uses a stream any more.
    pub(super) fn end_stream(&self, number: u64) {
        if self.table().streams.remove(&number).is_none() {
            return;
        }
        let content = b"the other node has closed it".to_vec();
        // Behind the stream's last messages.
        if let Err(mpsc::error::TrySendError::Full(frame)) =
            self.outgoing.try_send(Frame { kind: Kind::Reset, number, content })
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let outgoing = self.outgoing.clone();
            runtime.spawn(async move { outgoing.send(frame).await });
        }
    }

    /// Everything that waits ends.
    fn break_off(&self) {
        let mut table = self.table();
        table.is_broken = true;
        table.waiting.clear();
        for (_, entry) in std::mem::take(&mut table.streams) {
            entry.credit.close();
        }
    }

    fn answered(&self, number: u64, answer: io::Result<Vec<u8>>) {
        let sender = self.table().waiting.remove(&number);
        if let Some(sender) = sender {
            let _ = sender.send(answer);
        }
    }

    /// Passes a stream's frame on. Frames of streams that are closed here are on their way still.
    fn arrived(&self, frame: Frame) -> io::Result<()> {
        let mut table = self.table();
        let Some(entry) = table.streams.get(&frame.number) else { return Ok(()) };
        let arrival = match frame.kind {
            Kind::Part | Kind::Last => {
                let cost = frame.content.len().max(PART_COST);
                if entry.untaken.fetch_add(cost, Ordering::AcqRel) + cost > WINDOW_BYTES {
                    return Err(nonsense("more bytes of a stream arrived than were welcome"));
                }
                if frame.kind == Kind::Last {
                    Arrival::Last(frame.content)
                } else {
                    Arrival::Part(frame.content)
                }
            }
            Kind::Credit => {
                let bytes = frame.content.try_into().map_err(|_| nonsense("a credit has no number"))?;
                let credit = u32::from_be_bytes(bytes) as usize;
                if entry.credit.available_permits() + credit > WINDOW_BYTES {
                    return Err(nonsense("a credit is too large"));
                }
                entry.credit.add_permits(credit);
                return Ok(());
            }
            Kind::End => Arrival::End,
            _ => {
                entry.credit.close();
                Arrival::Reset(String::from_utf8_lossy(&frame.content).into_owned())
            }
        };
        let is_over = matches!(arrival, Arrival::Reset(_));
        // Who received may have gone; the stream is then removed soon.
        let _ = entry.arrivals.send(arrival);
        if is_over {
            table.streams.remove(&frame.number);
        }
        Ok(())
    }
}

/// Takes a request off the list when nobody waits for it any more.
struct Forget<'a> {
    connection: &'a Connection,
    number: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.connection.table().waiting.remove(&self.number);
    }
}

/// Carries frames on the side that dialled, until the connection ends.
pub(super) async fn run_dialled(
    reading: impl AsyncRead + Unpin,
    writing: impl AsyncWrite + Unpin,
    connection: Arc<Connection>,
    queues: Queues,
    silence_max: Duration,
) {
    tokio::select! {
        biased;
        _ = write_frames(writing, queues, Kind::Ping) => {}
        _ = read_answers(Watched::new(reading, silence_max), &connection) => {}
        () = connection.hung_up.notified() => {}
    }
    connection.break_off();
}

/// Carries frames on the side that was dialled, until the connection ends.
pub(super) async fn run_accepted(
    reading: impl AsyncRead + Unpin,
    writing: impl AsyncWrite + Unpin,
    peer: Peer,
    service: Arc<dyn Service>,
    silence_max: Duration,
) -> io::Result<()> {
    let (connection, queues) = Connection::new();
    let reading = Watched::new(reading, silence_max);
    let outcome = tokio::select! {
        biased;
        outcome = write_frames(writing, queues, Kind::Pong) => outcome,
        outcome = read_requests(reading, peer, service, &connection) => outcome,
    };
    connection.break_off();
    outcome
}

async fn write_frames(
    stream: impl AsyncWrite + Unpin,
    mut queues: Queues,
    sign_of_life: Kind,
) -> io::Result<()> {
    let mut stream = BufWriter::new(stream);
    let mut pings = tokio::time::interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let frame = tokio::select! {
            biased;
            Some(frame) = queues.soon.recv() => frame,
            _ = pings.tick() => Frame { kind: sign_of_life, number: 0, content: Vec::new() },
            frame = queues.outgoing.recv() => match frame {
                Some(frame) => frame,
                None => return Ok(()),
            },
        };
        frame::write(&mut stream, &frame).await?;
        // What waits already goes with it.
        while let Ok(frame) = queues.soon.try_recv().or_else(|_| queues.outgoing.try_recv()) {
            frame::write(&mut stream, &frame).await?;
        }
        stream.flush().await?;
    }
}

/// A connection's bytes; an error when none arrive for some time.
struct Watched<R> {
    bytes: R,
    silence_max: Duration,
    deadline: Pin<Box<tokio::time::Sleep>>,
}

impl<R> Watched<R> {
    fn new(bytes: R, silence_max: Duration) -> Watched<R> {
        Watched { bytes, silence_max, deadline: Box::pin(tokio::time::sleep(silence_max)) }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(outcome) = Pin::new(&mut self.bytes).poll_read(context, buffer) {
            let deadline = tokio::time::Instant::now() + self.silence_max;
            self.deadline.as_mut().reset(deadline);
            return Poll::Ready(outcome);
        }
        self.deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

async fn read_answers(stream: impl AsyncRead + Unpin, connection: &Connection) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(frame) = frame::read(&mut stream).await? {
        match frame.kind {
            Kind::Answer => connection.answered(frame.number, Ok(frame.content)),
            Kind::Failure => {
                let text = String::from_utf8_lossy(&frame.content).into_owned();
                connection.answered(frame.number, Err(io::Error::other(text)));
            }
            Kind::Pong => {}
            Kind::Request | Kind::Open | Kind::Ping => return Err(nonsense("a frame comes the wrong way")),
            _ => connection.arrived(frame)?,
        }
    }
    Ok(())
}

async fn read_requests(
    stream: impl AsyncRead + Unpin,
    peer: Peer,
    service: Arc<dyn Service>,
    connection: &Arc<Connection>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let running = Arc::new(Semaphore::new(CONCURRENT_REQUESTS));
    while let Some(frame) = frame::read(&mut stream).await? {
        match frame.kind {
            Kind::Request => {
                let Ok(permit) = running.clone().acquire_owned().await else { return Ok(()) };
                let (service, connection) = (service.clone(), connection.clone());
                tokio::spawn(async move {
                    answer(peer, frame, &*service, &connection).await;
                    drop(permit);
                });
            }
            Kind::Open => {
                let opened = connection.add_stream(frame.number)?;
                let service = service.clone();
                tokio::spawn(async move { service.accept(peer, frame.content, opened).await });
            }
            Kind::Ping => {}
            Kind::Answer | Kind::Failure | Kind::Pong => {
                return Err(nonsense("a frame comes the wrong way"));
            }
            _ => connection.arrived(frame)?,
        }
    }
    Ok(())
}

async fn answer(peer: Peer, frame: Frame, service: &dyn Service, connection: &Connection) {
    let (kind, content) = match service.answer(peer, frame.content).await {
        Ok(content) => (Kind::Answer, content),
        Err(error) => {
            telemetry::debug!("a request of node {} failed: {error}", peer.node);
            (Kind::Failure, error.message().as_bytes().to_vec())
        }
    };
    // The peer may have gone.
    let _ = connection.send(Frame { kind, number: frame.number, content }).await;
}
