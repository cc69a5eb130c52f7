//! Pseudo-types that a result can have: void, and record as the name of a row.

use super::{Category, Datum, DatumRef, Format, Storage, Type};
use crate::error::{Error, Result};

const fn pseudo(oid: super::Oid, name: &'static str, array_oid: super::Oid, length: i16) -> Type {
    Type {
        oid,
        name,
        sql_name: name,
        array_oid,
        length,
        category: Category::Pseudo,
        preferred: false,
        storage: Storage::Text,
        collation: None,
        comparable: false,
        input,
        output,
        receive,
        send,
        typmod: None,
    }
}

/// record
pub const RECORD: Type = pseudo(2249, "record", 2287, -1);
/// any: an argument of any type.
pub const ANY: Type = pseudo(2276, "any", 0, 4);
/// anyelement: an argument of any type, and a result of the same.
pub const ANYELEMENT: Type = pseudo(2283, "anyelement", 0, 4);
/// void
pub const VOID: Type = pseudo(2278, "void", 0, 4);

fn input(_: &str, _: &Format) -> Result<Datum> {
    Err(Error::unsupported("input of a pseudo-type"))
}

fn output(value: DatumRef<'_>, _: &Format, out: &mut Vec<u8>) {
    out.extend_from_slice(value.text().as_bytes());
}

fn receive(_: &[u8]) -> Result<Datum> {
    Err(Error::unsupported("binary input of a pseudo-type"))
}

fn send(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(value.text().as_bytes());
}
