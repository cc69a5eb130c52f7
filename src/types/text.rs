//! Character types: stored as TEXT, compared as bytes (the C collation).

use super::typmod::{HEADER, single};
use super::{Category, Datum, DatumRef, Format, Oid, Shape, Storage, Type, Typmod};
use crate::bail;
use crate::error::{Error, Result, state};

/// NAMEDATALEN - 1: names are cut to this many bytes.
pub const NAME_BYTES_MAX: usize = 63;

/// PostgreSQL's MaxAttrSize: the longest varchar(n).
const LENGTH_MAX: i64 = 10 * 1024 * 1024;

const fn character(oid: Oid, name: &'static str, sql_name: &'static str, array_oid: Oid) -> Type {
    Type {
        oid,
        name,
        sql_name,
        array_oid,
        length: -1,
        category: Category::String,
        preferred: false,
        storage: Storage::Text,
        collation: None,
        comparable: true,
        input,
        output,
        receive,
        send: |value, out| out.extend_from_slice(value.text().as_bytes()),
        typmod: None,
        shape: Shape::Base,
    }
}

/// text
pub const TEXT: Type = Type { preferred: true, ..character(25, "text", "text", 1009) };

/// character varying(n)
pub const VARCHAR: Type = Type {
    typmod: Some(&Typmod { input: varchar_typmod, output: length_suffix, apply: apply_varchar }),
    ..character(1043, "varchar", "character varying", 1015)
};

/// character(n): stored padded; RTRIM, because trailing blanks mean nothing in comparisons.
pub const BPCHAR: Type = Type {
    collation: Some("RTRIM"),
    typmod: Some(&Typmod { input: char_typmod, output: length_suffix, apply: apply_char }),
    ..character(1042, "bpchar", "character", 1014)
};

/// name: an identifier, cut to 63 bytes.
pub const NAME: Type = Type {
    length: 64,
    input: |text, _| Ok(Datum::text(cut_name(text))),
    ..character(19, "name", "name", 1003)
};

/// "char": one byte, used in the catalogs.
pub const CHAR: Type = Type {
    length: 1,
    input: |text, _| Ok(Datum::text(text.chars().next().map(String::from).unwrap_or_default())),
    ..character(18, "char", "\"char\"", 1002)
};

/// The type of a string literal that has no other yet.
pub const UNKNOWN: Type =
    Type { length: -2, category: Category::Unknown, ..character(705, "unknown", "unknown", 0) };

/// A name's first 63 bytes, not splitting a character.
pub fn cut_name(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

/// 22021 for a NUL, which neither PostgreSQL's text nor ours can hold.
pub fn refuse_nul(text: &str) -> Result<()> {
    if text.contains('\0') {
        bail!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": 0x00");
    }
    Ok(())
}

fn input(text: &str, _: &Format) -> Result<Datum> {
    Ok(Datum::text(text))
}

fn output(value: DatumRef<'_>, _: &Format, out: &mut Vec<u8>) {
    out.extend_from_slice(value.text().as_bytes());
}

/// Bytes from a client as text: valid UTF-8 without NUL, or 22021.
pub fn from_utf8(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| invalid_sequence(bytes, error.valid_up_to()))?;
    refuse_nul(text)?;
    Ok(text)
}

/// The error names the bytes of the sequence, as many as its first byte announces.
fn invalid_sequence(bytes: &[u8], start: usize) -> Error {
    let announced = match bytes[start] {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    };
    let sequence: Vec<String> =
        bytes[start..].iter().take(announced).map(|byte| format!("0x{byte:02x}")).collect();
    Error::new(
        state::CHARACTER_NOT_IN_REPERTOIRE,
        format!("invalid byte sequence for encoding \"UTF8\": {}", sequence.join(" ")),
    )
}

fn receive(bytes: &[u8]) -> Result<Datum> {
    from_utf8(bytes).map(Datum::text)
}

fn varchar_typmod(modifiers: &[i64]) -> Result<i32> {
    length_typmod(modifiers, "character varying", "varchar")
}

fn char_typmod(modifiers: &[i64]) -> Result<i32> {
    length_typmod(modifiers, "character", "char")
}

fn length_typmod(modifiers: &[i64], sql_name: &str, short_name: &str) -> Result<i32> {
    let length = single(modifiers, sql_name)?;
    if length < 1 {
        bail!(INVALID_PARAMETER_VALUE, "length for type {short_name} must be at least 1");
    }
    if length > LENGTH_MAX {
        bail!(INVALID_PARAMETER_VALUE, "length for type {short_name} cannot exceed {LENGTH_MAX}");
    }
    Ok(length as i32 + HEADER)
}

fn length_suffix(typmod: i32) -> String {
    format!("({})", typmod - HEADER)
}

/// The byte offset of character `length`, or `None` if the text is no longer than that.
fn excess(text: &str, length: usize) -> Option<usize> {
    if text.len() <= length {
        return None;
    }
    text.char_indices().nth(length).map(|(offset, _)| offset)
}

/// Cuts to `length` characters. An assignment may only cut blanks.
fn cut<'a>(text: &'a str, length: usize, explicit: bool, sql_name: &str) -> Result<&'a str> {
    match excess(text, length) {
        None => Ok(text),
        Some(offset) if explicit || text[offset..].bytes().all(|byte| byte == b' ') => Ok(&text[..offset]),
        Some(_) => bail!(STRING_DATA_RIGHT_TRUNCATION, "value too long for type {sql_name}({length})"),
    }
}

fn apply_varchar(value: DatumRef<'_>, typmod: i32, explicit: bool) -> Result<Datum> {
    let DatumRef::Text(text) = value else { return Ok(Datum::Null) };
    let length = (typmod - HEADER) as usize;
    cut(text, length, explicit, "character varying").map(Datum::text)
}

fn apply_char(value: DatumRef<'_>, typmod: i32, explicit: bool) -> Result<Datum> {
    let DatumRef::Text(text) = value else { return Ok(Datum::Null) };
    let length = (typmod - HEADER) as usize;
    let mut padded = cut(text, length, explicit, "character")?.to_owned();
    let missing = length - padded.chars().count();
    padded.extend(std::iter::repeat_n(' ', missing));
    Ok(Datum::Text(padded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_cut_blanks_only_and_casts_cut_all() {
        let typmod = varchar_typmod(&[3]).unwrap();
        assert_eq!(apply_varchar(DatumRef::Text("äöü  "), typmod, false).unwrap(), Datum::text("äöü"));
        assert_eq!(apply_varchar(DatumRef::Text("abcd"), typmod, true).unwrap(), Datum::text("abc"));
        let error = apply_varchar(DatumRef::Text("abcd"), typmod, false).unwrap_err();
        assert_eq!(error.message(), "value too long for type character varying(3)");
        assert_eq!(apply_char(DatumRef::Text("a"), typmod, false).unwrap(), Datum::text("a  "));
    }

    #[test]
    fn invalid_bytes_are_named() {
        let message = |bytes: &[u8]| from_utf8(bytes).unwrap_err().message().to_owned();
        assert_eq!(message(b"a\xff"), "invalid byte sequence for encoding \"UTF8\": 0xff");
        assert_eq!(message(b"\xe2\x28\xa1"), "invalid byte sequence for encoding \"UTF8\": 0xe2 0x28 0xa1");
        assert_eq!(message(b"a\0b"), "invalid byte sequence for encoding \"UTF8\": 0x00");
    }

    #[test]
    fn names_are_cut_between_characters() {
        let long = "ä".repeat(40);
        assert_eq!(cut_name(&long), "ä".repeat(31));
    }
}
