//! Rows as values, and the pseudo-types that arguments and results can have.
//!
//! A row is stored as text that tells its fields' names, types and values:
//! `<count>;` then for each field `<letter><oid>:<bytes of the name>:<name>` and the value as in arrays. The
//! order is record_cmp's, field by field, NULL last.

use std::cmp::Ordering;
use std::fmt::Write;

use super::array::Array;
use super::{Category, Datum, DatumRef, Format, Oid, Shape, Storage, Type, array, collation};
use crate::bail;
use crate::error::{Error, Result, state};

const fn pseudo(oid: Oid, name: &'static str, array_oid: Oid, length: i16) -> Type {
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
        input: refuse_input,
        output: print_text,
        receive: refuse_receive,
        send: send_text,
        typmod: None,
        shape: Shape::Base,
    }
}

/// record
pub const RECORD: Type = Type {
    collation: Some("record"),
    comparable: true,
    input: |_, _| bail!(FEATURE_NOT_SUPPORTED, "input of anonymous composite types is not implemented"),
    output,
    receive: |_| bail!(FEATURE_NOT_SUPPORTED, "input of anonymous composite types is not implemented"),
    send,
    ..pseudo(2249, "record", 2287, -1)
};
/// any: an argument of any type.
pub const ANY: Type = pseudo(2276, "any", 0, 4);
/// anyarray: an argument of any array type.
pub const ANYARRAY: Type = Type { length: -1, ..pseudo(2277, "anyarray", 0, -1) };
/// anyelement: an argument of any type, and a result of the same.
pub const ANYELEMENT: Type = pseudo(2283, "anyelement", 0, 4);
/// anynonarray: as anyelement, but no array.
pub const ANYNONARRAY: Type = pseudo(2776, "anynonarray", 0, 4);
/// anyenum: as anyelement, but an enum.
pub const ANYENUM: Type = pseudo(3500, "anyenum", 0, 4);
/// anycompatible: arguments that have a common type.
pub const ANYCOMPATIBLE: Type = pseudo(5077, "anycompatible", 0, 4);
/// anycompatiblearray: an array of the common type.
pub const ANYCOMPATIBLEARRAY: Type = pseudo(5078, "anycompatiblearray", 0, -1);
/// void
pub const VOID: Type = pseudo(2278, "void", 0, 4);
/// cstring
pub const CSTRING: Type = pseudo(2275, "cstring", 1263, -2);

fn refuse_input(_: &str, _: &Format) -> Result<Datum> {
    Err(Error::unsupported("input of a pseudo-type"))
}

fn print_text(value: DatumRef<'_>, _: &Format, out: &mut Vec<u8>) {
    out.extend_from_slice(value.text().as_bytes());
}

fn refuse_receive(_: &[u8]) -> Result<Datum> {
    Err(Error::unsupported("binary input of a pseudo-type"))
}

fn send_text(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(value.text().as_bytes());
}

/// One field of a row.
#[derive(Clone, PartialEq, Debug)]
pub struct Field {
    /// Its name: f1, f2 … where nobody gave one.
    pub name: String,
    /// Its type.
    pub type_oid: Oid,
    /// Its value.
    pub value: Datum,
}

/// A row's value.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The fields in order.
    pub fields: Vec<Field>,
}

impl Row {
    /// Reads the stored form.
    pub fn from_stored(text: &str) -> Row {
        let (count, mut rest) = text.split_once(';').unwrap_or(("0", ""));
        let count: usize = count.parse().unwrap_or(0);
        let mut fields = Vec::with_capacity(count.min(2000));
        for _ in 0..count {
            let (oid, tail) = rest.get(1..).unwrap_or("").split_once(':').unwrap_or(("0", ""));
            let (length, tail) = tail.split_once(':').unwrap_or(("0", ""));
            let length: usize = length.parse().unwrap_or(0);
            let name = tail.get(..length).unwrap_or("").to_owned();
            let (value, used) = array::read_element(tail.get(length..).unwrap_or(""));
            fields.push(Field { name, type_oid: oid.parse().unwrap_or(0), value });
            rest = tail.get(length + used..).unwrap_or("");
        }
        Row { fields }
    }

    /// The stored form. `format` finds the users' types.
    pub fn to_datum(&self, format: &Format) -> Datum {
        let mut out = format!("{};", self.fields.len());
        for field in &self.fields {
            let collation = format.type_by_oid(field.type_oid).and_then(|ty| ty.collation);
            let letter = collation::letter(collation);
            let _ = write!(out, "{letter}{}:{}:{}", field.type_oid, field.name.len(), field.name);
            array::push_element(&mut out, field.value.as_ref());
        }
        Datum::Text(out)
    }
}

/// The order of the collation `record`.
pub fn compare_text(a: &str, b: &str) -> Ordering {
    let letters = |text: &str| -> Vec<char> {
        let (count, mut rest) = text.split_once(';').unwrap_or(("0", ""));
        let mut letters = Vec::new();
        for _ in 0..count.parse().unwrap_or(0) {
            letters.push(rest.chars().next().unwrap_or('p'));
            let (_, tail) = rest.get(1..).unwrap_or("").split_once(':').unwrap_or(("0", ""));
            let (length, tail) = tail.split_once(':').unwrap_or(("0", ""));
            let length: usize = length.parse().unwrap_or(0);
            let (_, used) = array::read_element(tail.get(length..).unwrap_or(""));
            rest = tail.get(length + used..).unwrap_or("");
        }
        letters
    };
    let orders = letters(a);
    let (a, b) = (Row::from_stored(a), Row::from_stored(b));
    for (place, (left, right)) in a.fields.iter().zip(&b.fields).enumerate() {
        let order = collation::by_letter(orders.get(place).copied().unwrap_or('p'));
        match super::compare_values(left.value.as_ref(), right.value.as_ref(), order) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    a.fields.len().cmp(&b.fields.len())
}

/// Prints `(1,"a b",)` (record_out).
fn output(value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
    let row = Row::from_stored(value.text());
    out.push(b'(');
    for (place, field) in row.fields.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        if field.value.is_null() {
            continue;
        }
        let start = out.len();
        match format.type_by_oid(field.type_oid) {
            Some(ty) => ty.print(field.value.as_ref(), format, out),
            None => out.extend_from_slice(b"???"),
        }
        quote_field(out, start);
    }
    out.push(b')');
}

/// Quotes what was printed from `start` on where a row's text needs it.
fn quote_field(out: &mut Vec<u8>, start: usize) {
    let needs = out.len() == start
        || out[start..].iter().any(|byte| {
            matches!(byte, b'"' | b'\\' | b'(' | b')' | b',') || byte.is_ascii_whitespace() || *byte == 0x0b
        });
    if needs {
        let text = out.split_off(start);
        out.push(b'"');
        for byte in text {
            if matches!(byte, b'"' | b'\\') {
                out.push(byte);
            }
            out.push(byte);
        }
        out.push(b'"');
    }
}

/// record_send
fn send(value: DatumRef<'_>, out: &mut Vec<u8>) {
    let row = Row::from_stored(value.text());
    out.extend_from_slice(&(row.fields.len() as u32).to_be_bytes());
    for field in &row.fields {
        out.extend_from_slice(&field.type_oid.to_be_bytes());
        if field.value.is_null() {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        if let Some(ty) = super::by_oid(field.type_oid) {
            ty.encode(field.value.as_ref(), out);
        }
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// The fields' texts of a row's literal, `None` for NULL (record_in).
pub fn split_literal(text: &str) -> Result<Vec<Option<String>>> {
    let malformed = |detail: &str| {
        Error::new(state::INVALID_TEXT_REPRESENTATION, format!("malformed record literal: \"{text}\""))
            .with_detail(detail)
    };
    let Some(inner) = text.trim_start().strip_prefix('(') else {
        return Err(malformed("Missing left parenthesis."));
    };
    let mut fields = Vec::new();
    let mut field: Option<String> = None;
    let mut chars = inner.chars();
    let mut quoted = false;
    loop {
        let Some(next) = chars.next() else { return Err(malformed("Unexpected end of input.")) };
        match next {
            '\\' => match chars.next() {
                Some(escaped) => field.get_or_insert_default().push(escaped),
                None => return Err(malformed("Unexpected end of input.")),
            },
            '"' if quoted => {
                if chars.as_str().starts_with('"') {
                    chars.next();
                    field.get_or_insert_default().push('"');
                } else {
                    quoted = false;
                }
            }
            '"' => {
                quoted = true;
                field.get_or_insert_default();
            }
            ',' if !quoted => fields.push(field.take()),
            ')' if !quoted => {
                fields.push(field.take());
                break;
            }
            other => field.get_or_insert_default().push(other),
        }
    }
    if !chars.as_str().trim().is_empty() {
        return Err(malformed("Junk after right parenthesis."));
    }
    Ok(fields)
}

/// The elements of an array of rows, or of anything, as values.
pub fn elements(value: &str) -> Vec<Datum> {
    Array::from_stored(value).elements
}
