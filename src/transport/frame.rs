//! Frames: the unit in which bytes travel.
//!
//! A connection starts with a greeting. Who dials says `QRTE`, the oldest and the newest version it
//! speaks (1 byte each), the lane (1), its node, its cluster, and the node it wants (8 each, 0 for none).
//! The other side says `QRTE`, the version to speak (0: it refuses), its node and cluster (8 each), and
//! why it refuses (length, 2 bytes, and text). Then come frames: length (4 bytes, of what follows it),
//! CRC-32 of what follows it (4), kind (1), number of the request or stream (8), content. Integers are
//! big-endian. Version 1.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Lane, Peer};

/// The longest frame. Entries are cut into pieces well below it; whoever announces more is cut off.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

const MAGIC: [u8; 4] = *b"QRTE";
/// The oldest and the newest version that is spoken here.
const VERSIONS: (u8, u8) = (1, 1);
/// Kind and number.
const HEADER_BYTES: usize = 9;
/// The longest reason for a refusal.
const REASON_BYTES_MAX: usize = 1000;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Request,
    Answer,
    /// An answer that is an error: its text.
    Failure,
    /// A stream's first message.
    Open,
    /// A part of a stream's message, not the last.
    Part,
    /// The last part of a stream's message.
    Last,
    /// How many bytes more of a stream are welcome (4 bytes).
    Credit,
    /// A stream ends: no more messages this way.
    End,
    /// A stream breaks, both ways: why.
    Reset,
    /// Shows that the side that dialled lives.
    Ping,
    /// Shows that the other side lives.
    Pong,
}

const KINDS: [Kind; 11] = [
    Kind::Request,
    Kind::Answer,
    Kind::Failure,
    Kind::Open,
    Kind::Part,
    Kind::Last,
    Kind::Credit,
    Kind::End,
    Kind::Reset,
    Kind::Ping,
    Kind::Pong,
];

impl Kind {
    fn byte(self) -> u8 {
        self as u8 + 1
    }

    fn of_byte(byte: u8) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.byte() == byte)
    }
}

/// One frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) content: Vec<u8>,
}

pub(super) fn nonsense(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn lane_byte(lane: Lane) -> u8 {
    match lane {
        Lane::Control => 1,
        Lane::Append => 2,
        Lane::Bulk => 3,
    }
}

/// Greets as the side that dials. Gives who answered.
pub(super) async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    own: Peer,
    lane: Lane,
    wanted: Option<u64>,
) -> io::Result<Peer> {
    let mut greeting = MAGIC.to_vec();
    greeting.extend([VERSIONS.0, VERSIONS.1, lane_byte(lane)]);
    for number in [own.node, own.cluster, wanted.unwrap_or_default()] {
        greeting.extend(number.to_be_bytes());
    }
    stream.write_all(&greeting).await?;
    stream.flush().await?;
    read_magic(stream).await?;
    let version = stream.read_u8().await?;
    let peer = Peer { node: stream.read_u64().await?, cluster: stream.read_u64().await? };
    let length = usize::from(stream.read_u16().await?);
    if length > REASON_BYTES_MAX {
        return Err(nonsense("a greeting is too long"));
    }
    let mut reason = vec![0; length];
    stream.read_exact(&mut reason).await?;
    match version {
        0 => Err(io::Error::new(io::ErrorKind::ConnectionRefused, String::from_utf8_lossy(&reason))),
        version if (VERSIONS.0..=VERSIONS.1).contains(&version) => Ok(peer),
        version => Err(nonsense(&format!("the peer speaks version {version} of the protocol"))),
    }
}

async fn read_magic(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await?;
    if magic == MAGIC { Ok(()) } else { Err(nonsense("the peer is not a node of Quorate")) }
}

/// Greets as the side that was dialled. Gives who dialled; an error if it was refused.
pub(super) async fn welcome(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    own: Peer,
) -> io::Result<Peer> {
    read_magic(stream).await?;
    let (oldest, newest) = (stream.read_u8().await?, stream.read_u8().await?);
    let _lane = stream.read_u8().await?;
    let peer = Peer { node: stream.read_u64().await?, cluster: stream.read_u64().await? };
    let wanted = stream.read_u64().await?;
    let version = newest.min(VERSIONS.1);
    let refusal = if version < oldest.max(VERSIONS.0) {
        Some(format!("this node speaks versions {} to {} of the protocol", VERSIONS.0, VERSIONS.1))
    } else if peer.cluster != 0 && own.cluster != 0 && peer.cluster != own.cluster {
        Some(format!(
            "this node is in cluster {:016x}, the other in cluster {:016x}",
            own.cluster, peer.cluster
        ))
    } else if wanted != 0 && wanted != own.node {
        Some(format!("this is node {}, not node {wanted}", own.node))
    } else {
        None
    };
    let mut answer = MAGIC.to_vec();
    answer.push(if refusal.is_some() { 0 } else { version });
    for number in [own.node, own.cluster] {
        answer.extend(number.to_be_bytes());
    }
    let reason = refusal.as_deref().unwrap_or_default();
    answer.extend((reason.len() as u16).to_be_bytes());
    answer.extend(reason.as_bytes());
    stream.write_all(&answer).await?;
    stream.flush().await?;
    match refusal {
        None => Ok(peer),
        Some(refusal) => Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            format!("node {} was refused: {refusal}", peer.node),
        )),
    }
}

/// Writes one frame; the caller flushes.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    let length = HEADER_BYTES + frame.content.len();
    if length > FRAME_BYTES_MAX {
        return Err(nonsense("a message is too long"));
    }
    let mut header = [0; HEADER_BYTES];
    header[0] = frame.kind.byte();
    header[1..].copy_from_slice(&frame.number.to_be_bytes());
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&header);
    checksum.update(&frame.content);
    stream.write_all(&(length as u32).to_be_bytes()).await?;
    stream.write_all(&checksum.finalize().to_be_bytes()).await?;
    stream.write_all(&header).await?;
    stream.write_all(&frame.content).await
}

/// Reads one frame; `None` at the end of the connection.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length) as usize;
    if !(HEADER_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return Err(nonsense("a frame has an impossible length"));
    }
    let expected = stream.read_u32().await?;
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await?;
    let mut content = vec![0; length - HEADER_BYTES];
    stream.read_exact(&mut content).await?;
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&header);
    checksum.update(&content);
    if checksum.finalize() != expected {
        return Err(nonsense("a frame has a wrong checksum"));
    }
    let kind = Kind::of_byte(header[0]).ok_or_else(|| nonsense("a frame has an unknown kind"))?;
    let number = u64::from_be_bytes(header[1..].try_into().expect("eight bytes"));
    Ok(Some(Frame { kind, number, content }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bytes_of(frame: &Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, frame).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn frames_come_back_and_damaged_ones_are_refused() {
        let frame = Frame { kind: Kind::Answer, number: 7, content: b"hello".to_vec() };
        let bytes = bytes_of(&frame).await;
        assert_eq!(read(&mut bytes.as_slice()).await.unwrap(), Some(frame));
        assert_eq!(read(&mut [].as_slice()).await.unwrap(), None);
        for place in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[place] ^= 1;
            assert!(read(&mut broken.as_slice()).await.is_err(), "byte {place}");
        }
        for length in 4..bytes.len() {
            assert!(read(&mut &bytes[..length]).await.is_err());
        }
        let absurd = [0xff; 64];
        assert!(read(&mut absurd.as_slice()).await.is_err());
        assert!(KINDS.iter().all(|kind| Kind::of_byte(kind.byte()) == Some(*kind)));
    }

    async fn meet(dialling: Peer, wanted: Option<u64>, own: Peer) -> (io::Result<Peer>, io::Result<Peer>) {
        let (mut a, mut b) = tokio::io::duplex(1000);
        tokio::join!(greet(&mut a, dialling, Lane::Control, wanted), welcome(&mut b, own))
    }

    #[tokio::test]
    async fn nodes_of_different_clusters_and_wrong_nodes_refuse_each_other() {
        let (one, two) = (Peer { node: 1, cluster: 5 }, Peer { node: 2, cluster: 5 });
        let (dialled, welcomed) = meet(one, Some(2), two).await;
        assert_eq!((dialled.unwrap(), welcomed.unwrap()), (two, one));
        let new = Peer { node: 3, cluster: 0 };
        assert_eq!(meet(new, None, two).await.0.unwrap(), two);
        let stranger = Peer { node: 1, cluster: 6 };
        let (dialled, welcomed) = meet(stranger, None, two).await;
        assert!(dialled.unwrap_err().to_string().contains("cluster 0000000000000005"));
        assert!(welcomed.is_err());
        let (dialled, _) = meet(one, Some(3), two).await;
        assert_eq!(dialled.unwrap_err().to_string(), "this is node 2, not node 3");
    }
}
