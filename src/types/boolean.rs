//! bool: stored as 0 and 1.

use super::{Category, Datum, DatumRef, Format, Shape, Storage, Type};
use crate::bail;
use crate::error::Result;

/// boolean
pub const BOOL: Type = Type {
    oid: 16,
    name: "bool",
    sql_name: "boolean",
    array_oid: 1000,
    length: 1,
    category: Category::Boolean,
    preferred: true,
    storage: Storage::Integer,
    collation: None,
    comparable: true,
    input,
    output,
    receive,
    send,
    typmod: None,
    shape: Shape::Base,
};

/// Reads a boolean as PostgreSQL's parse_bool does: any unique prefix of a word, in any case.
pub fn parse(text: &str) -> Option<bool> {
    let word = text.trim_matches(|c: char| c.is_ascii_whitespace()).to_ascii_lowercase();
    let prefix_of = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if prefix_of("true", 1) || prefix_of("yes", 1) || word == "on" || word == "1" {
        Some(true)
    } else if prefix_of("false", 1) || prefix_of("no", 1) || prefix_of("off", 2) || word == "0" {
        Some(false)
    } else {
        None
    }
}

fn input(text: &str, _: &Format) -> Result<Datum> {
    match parse(text) {
        Some(value) => Ok(Datum::bool(value)),
        None => bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type boolean: \"{text}\""),
    }
}

fn output(value: DatumRef<'_>, _: &Format, out: &mut Vec<u8>) {
    out.push(if value.integer() != 0 { b't' } else { b'f' });
}

fn receive(bytes: &[u8]) -> Result<Datum> {
    match bytes {
        [byte] => Ok(Datum::bool(*byte != 0)),
        _ => super::integer::wrong_length("bool", bytes),
    }
}

fn send(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.push(value.integer() as u8);
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn prefixes_are_accepted_where_unique() {
        assert_eq!(parse(" TrU "), Some(true));
        assert_eq!(parse("of"), Some(false));
        assert_eq!(parse("o"), None);
        assert_eq!(parse("yess"), None);
        assert_eq!(parse(""), None);
    }
}
