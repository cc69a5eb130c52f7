//! The fields of nodes' messages. Version 1: the version, the kind, then fields that each message
//! defines; numbers are 8 bytes, big-endian; bytes come after their length.

use crate::bail;
use crate::error::{Error, Result, state};

/// The version of all messages. A node refuses what it does not know; who sends asks for less then.
const VERSION: u8 = 1;

/// Writes a message.
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// A message of a kind.
    pub fn new(kind: u8) -> Encoder {
        Encoder(vec![VERSION, kind])
    }

    /// The message.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// How long it is by now.
    pub fn byte_count(&self) -> usize {
        self.0.len()
    }

    /// A small number.
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// A yes or no.
    pub fn flag(&mut self, value: bool) {
        self.0.push(value.into());
    }

    /// A number.
    pub fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// A number that may be missing.
    pub fn optional_number(&mut self, value: Option<u64>) {
        self.flag(value.is_some());
        if let Some(value) = value {
            self.number(value);
        }
    }

    /// Bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A text that may be missing.
    pub fn optional_text(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        if let Some(text) = text {
            self.text(text);
        }
    }
}

/// Reads a message; the bytes are another machine's.
#[derive(Clone, Copy)]
pub struct Decoder<'a>(&'a [u8]);

/// 08P01: the message is not what it says it is.
pub fn nonsense() -> Error {
    Error::new(state::PROTOCOL_VIOLATION, "a message of another node cannot be read")
}

impl<'a> Decoder<'a> {
    /// The kind of a message, and its fields.
    pub fn new(bytes: &'a [u8]) -> Result<(u8, Decoder<'a>)> {
        match bytes {
            [VERSION, kind, rest @ ..] => Ok((*kind, Decoder(rest))),
            [version, ..] => bail!(PROTOCOL_VIOLATION, "a message of another node has version {version}"),
            [] => Err(nonsense()),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(nonsense)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A small number.
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// A yes or no.
    pub fn flag(&mut self) -> Result<bool> {
        Ok(self.byte()? != 0)
    }

    /// A number.
    pub fn number(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.take(8)?.try_into().expect("eight bytes")))
    }

    /// A number of things, each of which takes at least a byte.
    pub fn count(&mut self) -> Result<u64> {
        let count = self.number()?;
        if count > self.0.len() as u64 { Err(nonsense()) } else { Ok(count) }
    }

    /// A number that may be missing.
    pub fn optional_number(&mut self) -> Result<Option<u64>> {
        if self.flag()? { self.number().map(Some) } else { Ok(None) }
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.number()?).map_err(|_| nonsense())?;
        self.take(length)
    }

    /// A text.
    pub fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| nonsense())
    }

    /// A text that may be missing.
    pub fn optional_text(&mut self) -> Result<Option<&'a str>> {
        if self.flag()? { self.text().map(Some) } else { Ok(None) }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
