//! oid and the types that print an oid as a name.
//!
//! The names are found through [`super::Objects`], which the session's format carries.

use super::{Category, Datum, DatumRef, Format, Shape, Storage, Type, integer};
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
        shape: Shape::Base,
    }
}

type Reader = fn(&str, &Format) -> Result<Datum>;
type Writer = fn(DatumRef<'_>, &Format, &mut Vec<u8>);

/// A type whose values print as an object's name.
const fn named(oid: Oid, name: &'static str, array_oid: Oid, kind: ObjectKind) -> Type {
    // Functions have no data, so each kind has its own.
    macro_rules! of {
        ($kind:ident) => {
            (
                |text, format| read_name(ObjectKind::$kind, text, format),
                |value, format, out| write_name(ObjectKind::$kind, value, format, out),
            )
        };
    }
    let (input, output): (Reader, Writer) = match kind {
        ObjectKind::Relation => of!(Relation),
        ObjectKind::Type => of!(Type),
        ObjectKind::Function => of!(Function),
        ObjectKind::Signature => of!(Signature),
        ObjectKind::Operator => of!(Operator),
        ObjectKind::OperatorSignature => of!(OperatorSignature),
        ObjectKind::Role => of!(Role),
        ObjectKind::Schema => of!(Schema),
        ObjectKind::Collation => of!(Collation),
    };
    Type { input, output, ..object(oid, name, array_oid, false) }
}

/// What a reg* type's values stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectKind {
    /// regclass
    Relation,
    /// regtype
    Type,
    /// regproc
    Function,
    /// regprocedure
    Signature,
    /// regoper
    Operator,
    /// regoperator
    OperatorSignature,
    /// regrole
    Role,
    /// regnamespace
    Schema,
    /// regcollation
    Collation,
}

/// oid
pub const OID: Type = object(26, "oid", 1028, true);
/// xid: a transaction's number.
pub const XID: Type = Type { category: Category::User, ..object(28, "xid", 1011, false) };
/// cid: a command's number.
pub const CID: Type = Type { category: Category::User, ..object(29, "cid", 1012, false) };
/// regproc
pub const REGPROC: Type = named(24, "regproc", 1008, ObjectKind::Function);
/// regprocedure
pub const REGPROCEDURE: Type = named(2202, "regprocedure", 2207, ObjectKind::Signature);
/// regoper
pub const REGOPER: Type = named(2203, "regoper", 2208, ObjectKind::Operator);
/// regoperator
pub const REGOPERATOR: Type = named(2204, "regoperator", 2209, ObjectKind::OperatorSignature);
/// regclass
pub const REGCLASS: Type = named(2205, "regclass", 2210, ObjectKind::Relation);
/// regtype
pub const REGTYPE: Type = named(2206, "regtype", 2211, ObjectKind::Type);
/// regrole
pub const REGROLE: Type = named(4096, "regrole", 4097, ObjectKind::Role);
/// regnamespace
pub const REGNAMESPACE: Type = named(4089, "regnamespace", 4090, ObjectKind::Schema);
/// regcollation
pub const REGCOLLATION: Type = named(4191, "regcollation", 4192, ObjectKind::Collation);

/// A name, or a number, or `-` for none.
fn read_name(kind: ObjectKind, text: &str, format: &Format) -> Result<Datum> {
    if text == "-" {
        return Ok(Datum::Integer(0));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        return input(text, format);
    }
    let oid = format.objects.names().oid_of(kind, text)?;
    Ok(Datum::Integer(oid.into()))
}

/// The object's name, or its number where there is no such object.
fn write_name(kind: ObjectKind, value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
    let oid = value.integer() as Oid;
    match format.objects.names().name_of(kind, oid) {
        _ if oid == 0 => out.push(b'-'),
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => output(value, format, out),
    }
}

fn input(text: &str, _: &Format) -> Result<Datum> {
    // PostgreSQL's oidin accepts negative numbers and wraps them.
    let value = integer::parse(text, i32::MIN.into(), u32::MAX.into(), "oid")?;
    Ok(Datum::Integer((value as u32).into()))
}

fn output(value: DatumRef<'_>, _: &Format, out: &mut Vec<u8>) {
    integer::write_decimal(value.integer(), out);
}

fn receive(bytes: &[u8]) -> Result<Datum> {
    Ok(Datum::Integer(u32::from_be_bytes(integer::exactly(bytes, "oid")?).into()))
}

fn send(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.integer() as u32).to_be_bytes());
}
