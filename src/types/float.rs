//! float4, float8: stored as doubles; NaN as the text `NaN`, which SQLite sorts after all numbers
//! and holds equal to itself, as PostgreSQL does.

use super::integer::exactly;
use super::{Category, Datum, DatumRef, Format, Oid, Shape, Storage, Type};
use crate::bail;
use crate::error::Result;

const fn float(oid: Oid, name: &'static str, sql_name: &'static str, array_oid: Oid, length: i16) -> Type {
    Type {
        oid,
        name,
        sql_name,
        array_oid,
        length,
        category: Category::Numeric,
        preferred: false,
        storage: Storage::Real,
        collation: None,
        comparable: true,
        input: input8,
        output: output8,
        receive: receive8,
        send: send8,
        typmod: None,
        shape: Shape::Base,
    }
}

/// real
pub const FLOAT4: Type = Type {
    input: input4,
    output: output4,
    receive: receive4,
    send: send4,
    ..float(700, "float4", "real", 1021, 4)
};
/// double precision
pub const FLOAT8: Type = Type { preferred: true, ..float(701, "float8", "double precision", 1022, 8) };

/// The stored form of a double.
pub fn datum(value: f64) -> Datum {
    if value.is_nan() { Datum::text("NaN") } else { Datum::Real(value) }
}

/// What a text says: one of the special words, or a number that still has to be converted.
fn special(word: &str) -> Option<f64> {
    let (sign, unsigned) = match word.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, word.strip_prefix('+').unwrap_or(word)),
    };
    match unsigned.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => Some(sign * f64::INFINITY),
        "nan" => Some(f64::NAN),
        _ => None,
    }
}

/// Reads a number with Rust's parser, which rounds correctly, after checking PostgreSQL's syntax.
fn parse<T>(text: &str, sql_name: &str, is_lost: fn(&T) -> bool) -> Result<T>
where
    T: std::str::FromStr,
{
    let number = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let plausible = number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let Some(value) = plausible.then(|| number.parse::<T>().ok()).flatten() else {
        bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type {sql_name}: \"{text}\"");
    };
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let is_zero = !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    if is_lost(&value) && !is_zero {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{number}\" is out of range for type {sql_name}");
    }
    Ok(value)
}

/// Reads a double precision number.
pub fn parse8(text: &str) -> Result<f64> {
    match special(text.trim()) {
        Some(value) => Ok(value),
        None => parse(text, "double precision", |value: &f64| value.is_infinite() || *value == 0.0),
    }
}

/// Reads a real number.
pub fn parse4(text: &str) -> Result<f32> {
    match special(text.trim()) {
        Some(value) => Ok(value as f32),
        None => parse(text, "real", |value: &f32| value.is_infinite() || *value == 0.0),
    }
}

fn input8(text: &str, _: &Format) -> Result<Datum> {
    parse8(text).map(datum)
}

fn input4(text: &str, _: &Format) -> Result<Datum> {
    parse4(text).map(|value| datum(value.into()))
}

/// Lays out shortest digits as PostgreSQL 12 and later do (`float_to_shortest_decimal_buf`): plain
/// while the decimal exponent is in -4 .. `plain_below`, with an exponent of two digits otherwise.
fn write_shortest(scientific: &str, plain_below: i32, out: &mut Vec<u8>) {
    let (mantissa, exponent) = scientific.split_once('e').expect("{:e} prints an exponent");
    let exponent: i32 = exponent.parse().expect("{:e} prints a decimal exponent");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.extend_from_slice(sign.as_bytes());
    if !(-4..plain_below).contains(&exponent) {
        out.extend_from_slice(mantissa.as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
        return;
    }
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    write_plain(&digits, exponent, out);
}

/// Digits with the decimal point after place `exponent`.
fn write_plain(digits: &str, exponent: i32, out: &mut Vec<u8>) {
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(digits.as_bytes());
        return;
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits.as_bytes());
        out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
    } else {
        out.extend_from_slice(&digits.as_bytes()[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits.as_bytes()[whole..]);
    }
}

fn write_special(value: f64, out: &mut Vec<u8>) -> bool {
    let word: &[u8] = match value {
        _ if value.is_nan() => b"NaN",
        f64::INFINITY => b"Infinity",
        f64::NEG_INFINITY => b"-Infinity",
        _ => return false,
    };
    out.extend_from_slice(word);
    true
}

/// C's `%.{digits}g`, which PostgreSQL uses when extra_float_digits is not positive.
fn write_general(value: f64, digits: i32, out: &mut Vec<u8>) {
    let digits = digits.max(1) as usize;
    let scientific = format!("{:.*e}", digits - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').expect("{:e} prints an exponent");
    let exponent: i32 = exponent.parse().expect("{:e} prints a decimal exponent");
    let trim = |number: &str| match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number.to_owned(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("{}e{sign}{:02}", trim(mantissa), exponent.abs()).as_bytes());
    } else {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        out.extend_from_slice(trim(&format!("{value:.decimals$}")).as_bytes());
    }
}

/// Appends a double as PostgreSQL prints it.
pub fn write8(value: f64, extra_float_digits: i32, out: &mut Vec<u8>) {
    if write_special(value, out) {
        return;
    }
    match extra_float_digits {
        1.. => write_shortest(&format!("{value:e}"), 15, out),
        less => write_general(value, 15 + less, out),
    }
}

fn output8(value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
    write8(value.real(), format.extra_float_digits, out);
}

fn output4(value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
    let value = value.real();
    if write_special(value, out) {
        return;
    }
    match format.extra_float_digits {
        1.. => write_shortest(&format!("{:e}", value as f32), 6, out),
        less => write_general(value, 6 + less, out),
    }
}

fn receive8(bytes: &[u8]) -> Result<Datum> {
    Ok(datum(f64::from_be_bytes(exactly(bytes, "double precision")?)))
}

fn receive4(bytes: &[u8]) -> Result<Datum> {
    Ok(datum(f32::from_be_bytes(exactly(bytes, "real")?).into()))
}

fn send8(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.real().to_be_bytes());
}

fn send4(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.real() as f32).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print8(value: f64) -> String {
        FLOAT8.to_text(datum(value).as_ref(), &Format::default())
    }

    #[test]
    fn doubles_print_as_in_postgresql_15() {
        // SELECT x::float8 on PostgreSQL 15.
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (123456789012345.6, "123456789012345.6"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e300, "1.5e+300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(print8(value), text);
        }
        let real = |value: f32| FLOAT4.to_text(DatumRef::Real(value.into()), &Format::default());
        assert_eq!(real(0.1), "0.1");
        assert_eq!(real(1e6), "1e+06");
        assert_eq!(real(123456.7), "123456.7");
    }

    #[test]
    fn fewer_digits_print_as_c_does() {
        let format = Format { extra_float_digits: 0, ..Format::default() };
        assert_eq!(FLOAT8.to_text(DatumRef::Real(0.1 + 0.2), &format), "0.3");
        assert_eq!(FLOAT8.to_text(DatumRef::Real(1e15), &format), "1e+15");
        assert_eq!(FLOAT8.to_text(DatumRef::Real(100000.0), &format), "100000");
    }

    #[test]
    fn input_knows_words_and_limits() {
        assert_eq!(parse8(" -Inf ").unwrap(), f64::NEG_INFINITY);
        assert_eq!(
            parse8("1e999").unwrap_err().message(),
            "\"1e999\" is out of range for type double precision"
        );
        assert_eq!(parse8("1e-999").unwrap_err().sqlstate().0, "22003");
        assert_eq!(parse8("0e-999").unwrap(), 0.0);
        assert_eq!(parse8("").unwrap_err().sqlstate().0, "22P02");
        assert_eq!(parse4("1e39").unwrap_err().message(), "\"1e39\" is out of range for type real");
    }
}
