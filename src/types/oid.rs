//! oid and the types that print an oid as a name.
//!
//! regclass, regtype and regproc read and print numbers here; the names are resolved where there
//! is a catalog, by casts in `functions`.

use super::{Category, Datum, DatumRef, Format, Storage, Type, integer};
use crate::error::Result;

/// An object identifier. 0 is none.
pub type Oid = u32;

/// The first oid of user objects, as in PostgreSQL.
pub const FIRST_USER_OID: Oid = 16384;

const fn object(oid: Oid, name: &'static str, array_oid: Oid, preferred: bool) -> Type {
    Type {
        oid,
        name,
        sql_name: name,
        array_oid,
        length: 4,
        category: Category::Numeric,
        preferred,
        storage: Storage::Integer,
        collation: None,
        comparable: true,
        input,
        output,
        receive,
        send,
        typmod: None,
    }
}

/// oid
pub const OID: Type = object(26, "oid", 1028, true);
/// regproc
pub const REGPROC: Type = object(24, "regproc", 1008, false);
/// regclass
pub const REGCLASS: Type = object(2205, "regclass", 2210, false);
/// regtype
pub const REGTYPE: Type = Type { output: type_name, ..object(2206, "regtype", 2211, false) };

fn input(text: &str, _: &Format) -> Result<Datum> {
    // PostgreSQL's oidin accepts negative numbers and wraps them.
    let value = integer::parse(text, i32::MIN.into(), u32::MAX.into(), "oid")?;
    Ok(Datum::Integer((value as u32).into()))
}

fn output(value: DatumRef<'_>, _: &Format, out: &mut Vec<u8>) {
    integer::write_decimal(value.integer(), out);
}

/// A type's name, or its number where there is no such type.
fn type_name(value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
    match u32::try_from(value.integer()).ok().and_then(super::by_oid) {
        Some(ty) => out.extend_from_slice(ty.sql_name.as_bytes()),
        None if value.integer() == 0 => out.push(b'-'),
        None => output(value, format, out),
    }
}

fn receive(bytes: &[u8]) -> Result<Datum> {
    Ok(Datum::Integer(u32::from_be_bytes(integer::exactly(bytes, "oid")?).into()))
}

fn send(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.integer() as u32).to_be_bytes());
}
