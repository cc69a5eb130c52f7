//! Frames: the unit in which bytes travel.
//!
//! A connection starts with a greeting of both sides: `QRTE` and the protocol's version. Then come
//! frames: length (4 bytes, of what follows it), CRC-32 of what follows it (4), kind (1), number of the
//! request (8), content. Integers are big-endian. Version 1.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame. Entries are cut into pieces well below it; whoever announces more is cut off.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

const GREETING: [u8; 5] = *b"QRTE\x01";
/// Kind and number.
const HEADER_BYTES: usize = 9;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Request,
    Answer,
    /// An answer that is an error: its text.
    Failure,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Request => 1,
            Kind::Answer => 2,
            Kind::Failure => 3,
        }
    }

    fn of_byte(byte: u8) -> Option<Kind> {
        [Kind::Request, Kind::Answer, Kind::Failure].into_iter().find(|kind| kind.byte() == byte)
    }
}

/// One frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) content: Vec<u8>,
}

fn nonsense(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Exchanges greetings.
pub(super) async fn greet(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.write_all(&GREETING).await?;
    stream.flush().await?;
    let mut theirs = [0; GREETING.len()];
    stream.read_exact(&mut theirs).await?;
    match theirs {
        GREETING => Ok(()),
        [b'Q', b'R', b'T', b'E', version] => {
            Err(nonsense(&format!("the peer speaks version {version} of the protocol")))
        }
        _ => Err(nonsense("the peer is not a node of Quorate")),
    }
}

/// Writes one frame.
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
    stream.write_all(&frame.content).await?;
    stream.flush().await
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
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    if crc32fast::hash(&content) != expected {
        return Err(nonsense("a frame has a wrong checksum"));
    }
    let kind = Kind::of_byte(content[0]).ok_or_else(|| nonsense("a frame has an unknown kind"))?;
    let number = u64::from_be_bytes(content[1..HEADER_BYTES].try_into().expect("eight bytes"));
    content.drain(..HEADER_BYTES);
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
    }
}
