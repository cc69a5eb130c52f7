//! bytea: stored as a BLOB.

use super::{ByteaOutput, Category, Datum, DatumRef, Format, Shape, Storage, Type};
use crate::bail;
use crate::error::Result;

/// bytea
pub const BYTEA: Type = Type {
    oid: 17,
    name: "bytea",
    sql_name: "bytea",
    array_oid: 1001,
    length: -1,
    category: Category::User,
    preferred: false,
    storage: Storage::Blob,
    collation: None,
    comparable: true,
    input,
    output,
    receive: |bytes| Ok(Datum::Blob(bytes.to_vec())),
    send: |value, out| out.extend_from_slice(value.blob()),
    typmod: None,
    shape: Shape::Base,
};

fn input(text: &str, _: &Format) -> Result<Datum> {
    match text.strip_prefix("\\x") {
        Some(hex) => parse_hex(hex).map(Datum::Blob),
        None => parse_escape(text.as_bytes()).map(Datum::Blob),
    }
}

/// Reads pairs of hexadecimal digits, between which white space may stand.
pub fn parse_hex(hex: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    let mut digits = hex.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r'));
    while let Some(high) = digits.next() {
        let high = hex_digit(high)?;
        let Some(low) = digits.next() else {
            bail!(INVALID_PARAMETER_VALUE, "invalid hexadecimal data: odd number of digits");
        };
        bytes.push(high << 4 | hex_digit(low)?);
    }
    Ok(bytes)
}

fn hex_digit(digit: char) -> Result<u8> {
    match digit.to_digit(16) {
        Some(value) => Ok(value as u8),
        None => bail!(INVALID_PARAMETER_VALUE, "invalid hexadecimal digit: \"{digit}\""),
    }
}

/// Reads the escape format: `\\` and `\nnn` in octal, everything else as it is.
fn parse_escape(text: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        match *rest {
            [b'\\', ..] => {
                bytes.push(b'\\');
                rest = &rest[1..];
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = &rest[3..];
            }
            _ => bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea"),
        }
    }
    Ok(bytes)
}

/// Appends bytes in hexadecimal.
pub fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

fn output(value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
    match format.bytea_output {
        ByteaOutput::Hex => {
            out.extend_from_slice(b"\\x");
            write_hex(value.blob(), out);
        }
        ByteaOutput::Escape => write_escape(value.blob(), out),
    }
}

fn write_escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7e => out.push(byte),
            _ => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read_and_written() {
        let format = Format::default();
        assert_eq!(input("\\xDE ad", &format).unwrap(), Datum::Blob(vec![0xde, 0xad]));
        assert_eq!(input("a\\\\b\\001", &format).unwrap(), Datum::Blob(b"a\\b\x01".to_vec()));
        assert_eq!(input("\\9", &format).unwrap_err().sqlstate().0, "22P02");
        assert_eq!(
            input("\\x1", &format).unwrap_err().message(),
            "invalid hexadecimal data: odd number of digits"
        );
        let escape = Format { bytea_output: ByteaOutput::Escape, ..Format::default() };
        assert_eq!(BYTEA.to_text(DatumRef::Blob(b"a\\\x01"), &escape), "a\\\\\\001");
    }
}
