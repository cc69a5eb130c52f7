//! More of strings and bytes: format, parse_ident, unistr, bits of bytea, encodings, and binary forms.

use super::array::spread;
use super::session::quoted_name;
use super::string::quoted_literal;
use super::{Env, Function, Signature, scalar, typed};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::array::{Array, TEXT_ARRAY};
use crate::types::boolean::BOOL;
use crate::types::bytea::BYTEA;
use crate::types::float::{FLOAT4, FLOAT8};
use crate::types::integer::{INT2, INT4, INT8};
use crate::types::numeric::NUMERIC;
use crate::types::record::{ANY, ANYELEMENT};
use crate::types::text::{NAME, TEXT, cut_name, from_utf8};
use crate::types::{Datum, DatumRef};

/// The widest field of format().
const WIDTH_MAX: i64 = 1 << 28;

/// format(): %s, %I and %L with positions, widths and `-`.
fn format(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    let DatumRef::Text(template) = args[0] else { return Ok(Datum::Null) };
    let values = if args.len() > 1 { spread(args, signature, 1).unwrap_or_default() } else { Vec::new() };
    let mut out = String::new();
    let mut next = 0;
    let mut chars = template.chars().peekable();
    let unterminated = || {
        Error::new(state::INVALID_PARAMETER_VALUE, "unterminated format() type specifier")
            .with_hint("For a single \"%\" use \"%%\".")
    };
    let few = || Error::new(state::INVALID_PARAMETER_VALUE, "too few arguments for format()");
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            out.push('%');
            continue;
        }
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| -> Result<Option<i64>> {
            let mut value: Option<i64> = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                let grown = value.unwrap_or(0) * 10 + i64::from(digit);
                if grown > i64::from(i32::MAX) {
                    bail!(NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range");
                }
                value = Some(grown);
                chars.next();
            }
            Ok(value)
        };
        let mut position = None;
        let mut width = number(&mut chars)?;
        if width.is_some() && chars.peek() == Some(&'$') {
            chars.next();
            if width == Some(0) {
                bail!(
                    INVALID_PARAMETER_VALUE,
                    "format specifies argument 0, but arguments are numbered from 1"
                );
            }
            position = width.take();
        }
        let mut left = false;
        while chars.peek() == Some(&'-') && width.is_none() {
            left = true;
            chars.next();
        }
        if width.is_none() {
            if chars.peek() == Some(&'*') {
                chars.next();
                let given = number(&mut chars)?;
                let place = match given {
                    Some(place) => {
                        if chars.next() != Some('$') {
                            bail!(INVALID_PARAMETER_VALUE, "width argument position must be ended by \"$\"");
                        }
                        if place == 0 {
                            bail!(
                                INVALID_PARAMETER_VALUE,
                                "format specifies argument 0, but arguments are numbered from 1"
                            );
                        }
                        next = place as usize;
                        place as usize - 1
                    }
                    None => {
                        next += 1;
                        next - 1
                    }
                };
                let (value, ty) = values.get(place).ok_or_else(few)?;
                let shown = match value {
                    Datum::Null => 0,
                    Datum::Integer(value) => *value,
                    value => ty.to_text(value.as_ref(), env.format()).parse().unwrap_or(0),
                };
                left |= shown < 0;
                width = Some(shown.abs());
            } else {
                width = number(&mut chars)?;
            }
        }
        let kind = chars.next().ok_or_else(unterminated)?;
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(Error::new(
                state::INVALID_PARAMETER_VALUE,
                format!("unrecognized format() type specifier \"{kind}\""),
            )
            .with_hint("For a single \"%\" use \"%%\"."));
        }
        let place = match position {
            Some(position) => {
                next = position as usize;
                position as usize - 1
            }
            None => {
                next += 1;
                next - 1
            }
        };
        let (value, ty) = values.get(place).ok_or_else(few)?;
        let text = (!value.is_null()).then(|| ty.to_text(value.as_ref(), env.format()));
        let shown = match (kind, text) {
            ('s', text) => text.unwrap_or_default(),
            ('I', Some(text)) => quoted_name(&text),
            ('I', None) => {
                bail!(NULL_VALUE_NOT_ALLOWED, "null values cannot be formatted as an SQL identifier")
            }
            (_, Some(text)) => quoted_literal(&text),
            (_, None) => "NULL".to_owned(),
        };
        let width = width.unwrap_or(0).min(WIDTH_MAX) as usize;
        let padding = width.saturating_sub(shown.chars().count());
        if !left {
            out.extend(std::iter::repeat_n(' ', padding));
        }
        out.push_str(&shown);
        if left {
            out.extend(std::iter::repeat_n(' ', padding));
        }
    }
    Ok(Datum::Text(out))
}

/// The parts of a qualified name, folded unless quoted.
fn parse_ident(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (text, strict) = (args[0].text(), args.get(1).is_none_or(|flag| flag.integer() != 0));
    let invalid = |detail: Option<String>| {
        let error = Error::new(
            state::INVALID_PARAMETER_VALUE,
            format!("string is not a valid identifier: {}", quoted_name_always(text)),
        );
        match detail {
            Some(detail) => error.with_detail(detail),
            None => error,
        }
    };
    let mut rest = text.trim_start();
    let mut parts = Vec::new();
    let mut after_dot = false;
    loop {
        let mut missing = true;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut chars = quoted.chars();
            loop {
                match chars.next() {
                    Some('"') if chars.as_str().starts_with('"') => {
                        chars.next();
                        name.push('"');
                    }
                    Some('"') => break,
                    Some(c) => name.push(c),
                    None => return Err(invalid(Some("String has unclosed double quotes.".into()))),
                }
            }
            if name.is_empty() {
                return Err(invalid(Some("Quoted identifier must not be empty.".into())));
            }
            rest = chars.as_str();
            parts.push(Datum::Text(name));
            missing = false;
        } else if rest.starts_with(|c: char| c.is_alphabetic() || c == '_' || !c.is_ascii()) {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            parts.push(Datum::Text(rest[..end].to_lowercase()));
            rest = &rest[end..];
            missing = false;
        }
        if missing {
            return Err(match (rest.starts_with('.'), after_dot) {
                (true, _) => invalid(Some("No valid identifier before \".\".".into())),
                (false, true) => invalid(Some("No valid identifier after \".\".".into())),
                (false, false) => invalid(None),
            });
        }
        rest = rest.trim_start();
        match rest.strip_prefix('.') {
            Some(tail) => {
                after_dot = true;
                rest = tail.trim_start();
            }
            None if rest.is_empty() || !strict => break,
            None => return Err(invalid(None)),
        }
    }
    Ok(Array::vector(parts).to_datum(&TEXT))
}

fn quoted_name_always(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Unicode escapes: \XXXX, \+XXXXXX, \uXXXX, \UXXXXXXXX.
fn unistr(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let text = args[0].text();
    let invalid = || {
        Error::new(state::SYNTAX_ERROR, "invalid Unicode escape")
            .with_hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.")
    };
    let mut out = String::new();
    let mut high: Option<u32> = None;
    let pair = || Error::new(state::SYNTAX_ERROR, "invalid Unicode surrogate pair");
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c != '\\' {
            if high.is_some() {
                return Err(pair());
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let tail = &rest[1..];
        if let Some(after) = tail.strip_prefix('\\') {
            if high.is_some() {
                return Err(pair());
            }
            out.push('\\');
            rest = after;
            continue;
        }
        let (skip, length) = match tail.chars().next() {
            Some('+') => (1, 6),
            Some('u') => (1, 4),
            Some('U') => (1, 8),
            _ => (0, 4),
        };
        let digits = tail.get(skip..skip + length).ok_or_else(invalid)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let code = u32::from_str_radix(digits, 16).map_err(|_| invalid())?;
        rest = &tail[skip + length..];
        let code = match (high.take(), code) {
            (Some(high), 0xdc00..=0xdfff) => 0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00),
            (Some(_), _) | (None, 0xdc00..=0xdfff) => return Err(pair()),
            (None, 0xd800..=0xdbff) => {
                high = Some(code);
                continue;
            }
            (None, code) => code,
        };
        match char::from_u32(code).filter(|c| *c != '\0') {
            Some(c) => out.push(c),
            None => bail!(SYNTAX_ERROR, "invalid Unicode code point: {code:04X}"),
        }
    }
    if high.is_some() {
        return Err(pair());
    }
    Ok(Datum::Text(out))
}

fn byte_place(args: &[DatumRef<'_>], limit: i64) -> Result<usize> {
    let place = args[1].integer();
    if !(0..limit).contains(&place) {
        bail!(ARRAY_SUBSCRIPT_ERROR, "index {place} out of valid range, 0..{}", limit - 1);
    }
    Ok(place as usize)
}

fn get_byte(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let bytes = args[0].blob();
    let place = byte_place(args, bytes.len() as i64)?;
    Ok(Datum::Integer(bytes[place].into()))
}

fn set_byte(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let mut bytes = args[0].blob().to_vec();
    let place = byte_place(args, bytes.len() as i64)?;
    bytes[place] = args[2].integer() as u8;
    Ok(Datum::Blob(bytes))
}

fn get_bit(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let bytes = args[0].blob();
    let place = byte_place(args, bytes.len() as i64 * 8)?;
    Ok(Datum::Integer((bytes[place / 8] >> (place % 8) & 1).into()))
}

fn set_bit(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let mut bytes = args[0].blob().to_vec();
    let place = byte_place(args, bytes.len() as i64 * 8)?;
    let mask = 1 << (place % 8);
    match args[2].integer() {
        0 => bytes[place / 8] &= !mask,
        1 => bytes[place / 8] |= mask,
        _ => bail!(INVALID_PARAMETER_VALUE, "new bit must be 0 or 1"),
    }
    Ok(Datum::Blob(bytes))
}

fn bit_count(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(args[0].blob().iter().map(|byte| i64::from(byte.count_ones())).sum()))
}

/// Only the encoding that there is.
fn check_encoding(name: &str, what: &str) -> Result<()> {
    match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        "latin1" | "iso88591" | "win1252" | "euckr" | "eucjp" | "sjis" | "big5" | "gbk" | "latin2" => {
            Err(Error::unsupported(format!("conversion of encoding {name}")))
        }
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid {what} encoding name \"{name}\""),
    }
}

fn convert_from(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    check_encoding(args[1].text(), "source")?;
    from_utf8(args[0].blob()).map(Datum::text)
}

fn convert_to(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    check_encoding(args[1].text(), "destination")?;
    Ok(Datum::Blob(args[0].text().as_bytes().to_vec()))
}

fn quote_any(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    Ok(Datum::Text(quoted_literal(&signature.args[0].to_text(args[0], env.format()))))
}

fn quote_any_nullable(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::text("NULL"));
    }
    quote_any(args, signature, env)
}

/// A value's binary form.
fn send(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let mut bytes = Vec::new();
    signature.args[0].encode(args[0], &mut bytes);
    Ok(Datum::Blob(bytes))
}

/// A name with a number after it, cut so that both fit.
fn name_with_oid(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let suffix = format!("_{}", args[1].integer());
    let name = args[0].text();
    let kept = name.floor_char_boundary(63usize.saturating_sub(suffix.len()));
    Ok(Datum::text(cut_name(&format!("{}{suffix}", &name[..kept.min(name.len())]))))
}

pub(super) const FUNCTIONS: &[Function] = &[
    typed(3539, "format", &[&TEXT, &ANY], &TEXT, format).variadic().stable(),
    typed(3540, "format", &[&TEXT], &TEXT, format).stable(),
    scalar(1268, "parse_ident", &[&TEXT, &BOOL], &TEXT_ARRAY, parse_ident)
        .parameters(&[("str", None), ("strict", Some("true"))]),
    scalar(6198, "unistr", &[&TEXT], &TEXT, unistr),
    scalar(721, "get_byte", &[&BYTEA, &INT4], &INT4, get_byte),
    scalar(722, "set_byte", &[&BYTEA, &INT4, &INT4], &BYTEA, set_byte),
    scalar(723, "get_bit", &[&BYTEA, &INT8], &INT4, get_bit),
    scalar(724, "set_bit", &[&BYTEA, &INT8, &INT4], &BYTEA, set_bit),
    scalar(6163, "bit_count", &[&BYTEA], &INT8, bit_count),
    scalar(1714, "convert_from", &[&BYTEA, &NAME], &TEXT, convert_from),
    scalar(1717, "convert_to", &[&TEXT, &NAME], &BYTEA, convert_to),
    typed(1285, "quote_literal", &[&ANYELEMENT], &TEXT, quote_any).stable(),
    typed(1290, "quote_nullable", &[&ANYELEMENT], &TEXT, quote_any_nullable).stable().called_on_null(),
    typed(2425, "float4send", &[&FLOAT4], &BYTEA, send),
    typed(2427, "float8send", &[&FLOAT8], &BYTEA, send),
    typed(2405, "int2send", &[&INT2], &BYTEA, send),
    typed(2407, "int4send", &[&INT4], &BYTEA, send),
    typed(2409, "int8send", &[&INT8], &BYTEA, send),
    typed(2461, "numeric_send", &[&NUMERIC], &BYTEA, send),
    typed(2415, "textsend", &[&TEXT], &BYTEA, send),
    scalar(266, "nameconcatoid", &[&NAME, &crate::types::oid::OID], &NAME, name_with_oid),
];
