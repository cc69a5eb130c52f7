//! uuid: stored as a BLOB of 16 bytes.

use super::{Category, Datum, DatumRef, Format, Shape, Storage, Type, bytea, integer};
use crate::bail;
use crate::error::Result;

/// uuid
pub const UUID: Type = Type {
    oid: 2950,
    name: "uuid",
    sql_name: "uuid",
    array_oid: 2951,
    length: 16,
    category: Category::User,
    preferred: false,
    storage: Storage::Blob,
    collation: None,
    comparable: true,
    input,
    output,
    receive: |bytes| Ok(Datum::Blob(integer::exactly::<16>(bytes, "uuid")?.to_vec())),
    send: |value, out| out.extend_from_slice(value.blob()),
    typmod: None,
    shape: Shape::Base,
};

/// Reads 32 hexadecimal digits, in braces or not, with a hyphen after any group of four.
fn parse(text: &str) -> Option<Vec<u8>> {
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let mut bytes = Vec::with_capacity(16);
    let mut rest = inner.as_bytes();
    for place in 0..16 {
        let (pair, tail) = rest.split_at_checked(2)?;
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        bytes.push((high << 4 | low) as u8);
        let hyphen_allowed = place % 2 == 1 && place < 15;
        rest = if hyphen_allowed { tail.strip_prefix(b"-").unwrap_or(tail) } else { tail };
    }
    rest.is_empty().then_some(bytes)
}

fn input(text: &str, _: &Format) -> Result<Datum> {
    match parse(text) {
        Some(bytes) => Ok(Datum::Blob(bytes)),
        None => bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type uuid: \"{text}\""),
    }
}

fn output(value: DatumRef<'_>, _: &Format, out: &mut Vec<u8>) {
    let bytes = value.blob();
    for (place, part) in [(0, 4), (4, 6), (6, 8), (8, 10), (10, 16)].into_iter().enumerate() {
        if place > 0 {
            out.push(b'-');
        }
        bytea::write_hex(&bytes[part.0..part.1], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_read_in_every_form_postgresql_reads() {
        let expected = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for text in [
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        ] {
            let value = input(text, &Format::default()).unwrap();
            assert_eq!(UUID.to_text(value.as_ref(), &Format::default()), expected);
        }
        assert!(parse("{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11").is_none());
        assert!(parse("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1").is_none());
    }
}
