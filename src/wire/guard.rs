//! The frame guard: nothing reaches pgwire's decoder that could make it panic, read past a frame, or fill
//! the memory. Lengths are checked before a byte of the body is waited for, and the body's structure
//! before it is decoded.

use bytes::{Buf, BytesMut};

use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::text;

/// The longest startup message, as in PostgreSQL.
pub const STARTUP_BYTES_MAX: usize = 10_000;
/// The longest message that carries a statement, parameters or COPY data.
pub const LARGE_BYTES_MAX: usize = 256 << 20;
/// The longest of the others: names, and CopyFail's message.
pub const SMALL_BYTES_MAX: usize = 10_000;

/// 08P01 that ends the connection: where the next frame starts is unknown.
fn lost(message: impl Into<String>) -> Error {
    Error::fatal(state::PROTOCOL_VIOLATION, message)
}

/// The largest length that a message's type allows; `None` for an unknown type.
fn length_max(kind: u8) -> Option<usize> {
    match kind {
        b'Q' | b'P' | b'B' | b'd' => Some(LARGE_BYTES_MAX),
        b'D' | b'C' | b'E' | b'f' | b'p' => Some(SMALL_BYTES_MAX),
        b'S' | b'H' | b'X' | b'c' => Some(4),
        _ => None,
    }
}

/// Cuts a startup packet off, if it is complete.
pub fn take_startup(input: &mut BytesMut) -> Result<Option<BytesMut>> {
    if input.len() < 4 {
        return Ok(None);
    }
    let length = (&input[..4]).get_u32() as usize;
    if !(8..=STARTUP_BYTES_MAX).contains(&length) {
        return Err(lost("invalid length of startup packet"));
    }
    Ok((input.len() >= length).then(|| input.split_to(length)))
}

/// Checks the body of a startup message: strings in pairs, and an empty one at the end.
pub fn check_startup(packet: &[u8]) -> Result<()> {
    let body = &packet[8..];
    let invalid = || lost("invalid startup packet layout: expected terminator as last byte");
    let strings = body.strip_suffix(b"\0").ok_or_else(invalid)?;
    if strings.is_empty() {
        return Ok(());
    }
    let strings = strings.strip_suffix(b"\0").ok_or_else(invalid)?;
    let parts: Vec<&[u8]> = strings.split(|byte| *byte == 0).collect();
    if !parts.len().is_multiple_of(2) || parts.iter().step_by(2).any(|name| name.is_empty()) {
        return Err(invalid());
    }
    parts.into_iter().try_for_each(|part| text::from_utf8(part).map(|_| ()).map_err(Error::into_fatal))
}

/// Cuts a message off, type and length included, if it is complete.
pub fn take(input: &mut BytesMut) -> Result<Option<BytesMut>> {
    let Some(kind) = input.first().copied() else { return Ok(None) };
    let Some(most) = length_max(kind) else {
        return Err(lost(format!("invalid frontend message type {kind}")));
    };
    if input.len() < 5 {
        return Ok(None);
    }
    let length = (&input[1..5]).get_u32() as usize;
    if length < 4 || length > most {
        return Err(lost("invalid message length"));
    }
    Ok((input.len() > length).then(|| input.split_to(length + 1)))
}

/// Whether the next message is a complete Sync.
pub fn is_sync(input: &[u8]) -> bool {
    input.starts_with(b"S\0\0\0\x04")
}

/// Reads a message's body without ever reading past it.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        if self.0.len() < count {
            bail!(PROTOCOL_VIOLATION, "insufficient data left in message");
        }
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u16> {
        self.bytes(2).map(|mut bytes| bytes.get_u16())
    }

    /// A string up to its NUL.
    fn string(&mut self) -> Result<&'a str> {
        let Some(end) = self.0.iter().position(|byte| *byte == 0) else {
            bail!(PROTOCOL_VIOLATION, "invalid string in message");
        };
        let string = text::from_utf8(self.bytes(end)?)?;
        self.bytes(1)?;
        Ok(string)
    }

    fn end(&self) -> Result<()> {
        if !self.0.is_empty() {
            bail!(PROTOCOL_VIOLATION, "invalid message format");
        }
        Ok(())
    }
}

/// Checks the structure of a message that [`take`] has cut off. The error leaves the connection usable.
pub fn check(message: &[u8]) -> Result<()> {
    let mut body = Body(&message[5..]);
    match message[0] {
        b'Q' | b'f' => {
            body.string()?;
        }
        b'P' => {
            body.string()?;
            body.string()?;
            let count = usize::from(body.number()?);
            body.bytes(count * 4)?;
        }
        b'B' => check_bind(&mut body)?,
        b'D' | b'C' => {
            let kind = body.bytes(1)?[0];
            if kind != b'S' && kind != b'P' {
                bail!(PROTOCOL_VIOLATION, "invalid message subtype {kind}");
            }
            body.string()?;
        }
        b'E' => {
            body.string()?;
            body.bytes(4)?;
        }
        b'd' => return Ok(()),
        b'p' => bail!(PROTOCOL_VIOLATION, "unexpected password message"),
        _ => {}
    }
    body.end()
}

fn check_bind(body: &mut Body<'_>) -> Result<()> {
    body.string()?;
    body.string()?;
    let formats = usize::from(body.number()?);
    body.bytes(formats * 2)?;
    for _ in 0..body.number()? {
        let length = body.bytes(4)?.get_i32();
        match usize::try_from(length) {
            Ok(length) => body.bytes(length).map(|_| ())?,
            Err(_) if length == -1 => {}
            Err(_) => bail!(PROTOCOL_VIOLATION, "invalid parameter length in message"),
        }
    }
    let formats = usize::from(body.number()?);
    body.bytes(formats * 2).map(|_| ())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::connection::decode;

    fn message(kind: u8, body: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::from(&[kind][..]);
        bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn lengths_are_judged_before_the_body_is_there() {
        let header = |kind: u8, length: u32| {
            let mut bytes = BytesMut::from(&[kind][..]);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes
        };
        for (kind, length) in
            [(b'Q', 3), (b'Q', u32::MAX), (b'Q', 1 << 30), (b'S', 5), (b'E', 20_000), (b'!', 4)]
        {
            assert!(take(&mut header(kind, length)).unwrap_err().is_fatal());
        }
        assert!(take(&mut header(b'Q', 1 << 20)).unwrap().is_none());
        for length in [0u32, 7, 10_001, u32::MAX] {
            assert!(take_startup(&mut BytesMut::from(&length.to_be_bytes()[..])).is_err());
        }
    }

    #[test]
    fn bodies_are_checked_to_their_end() {
        for (kind, body, good) in [
            (b'Q', &b"SELECT 1\0"[..], true),
            (b'Q', b"SELECT 1", false),
            (b'Q', b"SELECT\0 1\0", false),
            (b'Q', b"\xff\0", false),
            (b'P', b"\0\0\0\0", true),
            (b'P', b"\0\0\0\x01\0\0", false),
            (b'B', b"\0\0\0\0\0\0\0\0", true),
            (b'B', b"\0\0\0\0\0\x01\0\0\0\x05ab\0\0", false),
            (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", false),
            (b'D', b"S\0", true),
            (b'D', b"X\0", false),
            (b'E', b"\0\0\0\0", false),
        ] {
            assert_eq!(check(&message(kind, body)).is_ok(), good, "{} {body:?}", kind as char);
        }
    }

    proptest! {
        /// Whatever comes in, pgwire only sees what it can decode.
        #[test]
        fn what_passes_is_decoded(kind in prop::sample::select(&b"QPBDEpdcfCSHX"[..]), body in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut input = message(kind, &body);
            if let Ok(Some(frame)) = take(&mut input) && check(&frame).is_ok() {
                prop_assert!(decode(frame).is_ok());
            }
        }

        /// Structured bodies with one byte changed.
        #[test]
        fn damaged_binds_never_panic(place in 0usize..40, byte in any::<u8>(), values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..4)), 0..4)) {
            let mut body = b"p\0s\0\0\x01\0\x01".to_vec();
            body.extend_from_slice(&(values.len() as u16).to_be_bytes());
            for value in &values {
                match value {
                    Some(value) => {
                        body.extend_from_slice(&(value.len() as i32).to_be_bytes());
                        body.extend_from_slice(value);
                    }
                    None => body.extend_from_slice(&(-1i32).to_be_bytes()),
                }
            }
            body.extend_from_slice(&[0, 0]);
            prop_assert!(check(&message(b'B', &body)).is_ok());
            if let Some(damaged) = body.get_mut(place) {
                *damaged = byte;
            }
            let frame = message(b'B', &body);
            if check(&frame).is_ok() {
                prop_assert!(decode(frame).is_ok());
            }
        }

        #[test]
        fn startup_packets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut packet = (bytes.len() as u32 + 4).to_be_bytes().to_vec();
            packet.extend_from_slice(&bytes);
            let mut input = BytesMut::from(&packet[..]);
            if let Ok(Some(packet)) = take_startup(&mut input) {
                let _ = check_startup(&packet);
            }
        }
    }
}
