//! The binary form of values in change lists, log entries and spools. Format 1: a tag, then the value;
//! integers are variable-length, signed ones in zigzag order.

use crate::error::{Error, Result, state};
use crate::types::DatumRef;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

/// Appends an unsigned integer, seven bits a byte.
pub(super) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed integer.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_number(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends bytes after their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a value.
pub(super) fn put_value(out: &mut Vec<u8>, value: DatumRef<'_>) {
    match value {
        DatumRef::Null => out.push(NULL),
        DatumRef::Integer(value) => {
            out.push(INTEGER);
            put_signed(out, value);
        }
        DatumRef::Real(value) => {
            out.push(REAL);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        DatumRef::Text(value) => {
            out.push(TEXT);
            put_bytes(out, value.as_bytes());
        }
        DatumRef::Blob(value) => {
            out.push(BLOB);
            put_bytes(out, value);
        }
    }
}

/// Reads what the functions above wrote. Every read checks its bounds: the bytes may come from a
/// damaged file.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// The error for bytes that are not what was written.
pub(super) fn damaged(what: &str) -> Error {
    Error::new(state::DATA_CORRUPTED, format!("stored bytes are damaged: {what}"))
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| damaged("the end is missing"))?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        if length > self.rest.len() {
            return Err(damaged("the end is missing"));
        }
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N).map(|bytes| bytes.try_into().expect("N bytes were taken"))
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged("an integer is too long"))
    }

    /// A number of things that are still to come, each of at least one byte.
    pub(super) fn count(&mut self) -> Result<usize> {
        let count = self.number()?;
        if count > self.rest.len() as u64 {
            return Err(damaged("a count is too large"));
        }
        Ok(count as usize)
    }

    pub(super) fn signed(&mut self) -> Result<i64> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| damaged("text is not UTF-8"))
    }

    pub(super) fn value(&mut self) -> Result<DatumRef<'a>> {
        Ok(match self.byte()? {
            NULL => DatumRef::Null,
            INTEGER => DatumRef::Integer(self.signed()?),
            REAL => DatumRef::Real(f64::from_bits(u64::from_le_bytes(self.array()?))),
            TEXT => DatumRef::Text(self.text()?),
            BLOB => DatumRef::Blob(self.bytes()?),
            _ => return Err(damaged("a value has an unknown tag")),
        })
    }

    pub(super) fn values(&mut self) -> Result<Vec<DatumRef<'a>>> {
        let count = self.count()?;
        (0..count).map(|_| self.value()).collect()
    }
}

/// Appends several values after their number.
pub(super) fn put_row<'a>(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = DatumRef<'a>>) {
    put_number(out, values.len() as u64);
    for value in values {
        put_value(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Datum;

    #[test]
    fn values_come_back_and_cut_bytes_are_noticed() {
        let values = [
            Datum::Null,
            Datum::Integer(i64::MIN),
            Datum::Integer(-1),
            Datum::Integer(i64::MAX),
            Datum::Real(-0.0),
            Datum::text("é"),
            Datum::Blob(vec![0, 255]),
            Datum::Blob(Vec::new()),
        ];
        let mut bytes = Vec::new();
        put_row(&mut bytes, values.iter().map(Datum::as_ref));
        let read = Reader::new(&bytes).values().unwrap();
        assert_eq!(read.into_iter().map(DatumRef::to_owned).collect::<Vec<_>>(), values);
        for length in 0..bytes.len() {
            assert!(Reader::new(&bytes[..length]).values().is_err());
        }
    }
}
