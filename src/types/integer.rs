//! int2, int4, int8: stored as integers, range-checked here and in `functions`.

use super::{Category, Datum, DatumRef, Format, Oid, Shape, Storage, Type};
use crate::bail;
use crate::error::{Error, Result, state};

const fn integer(oid: Oid, name: &'static str, sql_name: &'static str, array_oid: Oid, length: i16) -> Type {
    Type {
        oid,
        name,
        sql_name,
        array_oid,
        length,
        category: Category::Numeric,
        preferred: false,
        storage: Storage::Integer,
        collation: None,
        comparable: true,
        input: input8,
        output,
        receive: receive8,
        send: send8,
        typmod: None,
        shape: Shape::Base,
    }
}

/// smallint
pub const INT2: Type =
    Type { input: input2, receive: receive2, send: send2, ..integer(21, "int2", "smallint", 1005, 2) };
/// integer
pub const INT4: Type =
    Type { input: input4, receive: receive4, send: send4, ..integer(23, "int4", "integer", 1007, 4) };
/// bigint
pub const INT8: Type = integer(20, "int8", "bigint", 1016, 8);

/// Reads a decimal integer that must lie between `low` and `high`.
pub fn parse(text: &str, low: i64, high: i64, sql_name: &str) -> Result<i64> {
    let digits = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type {sql_name}: \"{text}\"");
    }
    match digits.parse::<i64>() {
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        _ => Err(Error::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{text}\" is out of range for type {sql_name}"),
        )),
    }
}

fn input2(text: &str, _: &Format) -> Result<Datum> {
    parse(text, i16::MIN.into(), i16::MAX.into(), "smallint").map(Datum::Integer)
}

fn input4(text: &str, _: &Format) -> Result<Datum> {
    parse(text, i32::MIN.into(), i32::MAX.into(), "integer").map(Datum::Integer)
}

fn input8(text: &str, _: &Format) -> Result<Datum> {
    parse(text, i64::MIN, i64::MAX, "bigint").map(Datum::Integer)
}

/// Appends a number in decimal.
pub fn write_decimal(mut value: i64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let negative = value < 0;
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10).unsigned_abs() as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

fn output(value: DatumRef<'_>, _: &Format, out: &mut Vec<u8>) {
    write_decimal(value.integer(), out);
}

/// 22P03: a binary value of the wrong length.
pub(crate) fn wrong_length<T>(name: &str, bytes: &[u8]) -> Result<T> {
    bail!(
        INVALID_BINARY_REPRESENTATION,
        "incorrect binary data format: {} bytes for type {name}",
        bytes.len()
    )
}

/// The bytes as an array of the length that the type has.
pub(crate) fn exactly<const N: usize>(bytes: &[u8], name: &str) -> Result<[u8; N]> {
    bytes.try_into().or_else(|_| wrong_length(name, bytes))
}

fn receive2(bytes: &[u8]) -> Result<Datum> {
    Ok(Datum::Integer(i16::from_be_bytes(exactly(bytes, "smallint")?).into()))
}

fn receive4(bytes: &[u8]) -> Result<Datum> {
    Ok(Datum::Integer(i32::from_be_bytes(exactly(bytes, "integer")?).into()))
}

fn receive8(bytes: &[u8]) -> Result<Datum> {
    Ok(Datum::Integer(i64::from_be_bytes(exactly(bytes, "bigint")?)))
}

fn send2(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.integer() as i16).to_be_bytes());
}

fn send4(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.integer() as i32).to_be_bytes());
}

fn send8(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.integer().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_with_postgresqls_errors() {
        assert_eq!(parse(" -12 ", -100, 100, "integer").unwrap(), -12);
        let bad = parse("1x", -100, 100, "integer").unwrap_err();
        assert_eq!(bad.message(), "invalid input syntax for type integer: \"1x\"");
        let large = parse("99999999999999999999", i64::MIN, i64::MAX, "bigint").unwrap_err();
        assert_eq!(large.message(), "value \"99999999999999999999\" is out of range for type bigint");
    }

    #[test]
    fn decimals_of_the_extremes() {
        for value in [0, 7, -7, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            write_decimal(value, &mut out);
            assert_eq!(out, value.to_string().as_bytes());
        }
    }
}
