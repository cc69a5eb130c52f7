//! Functions on text. Positions count characters.

use super::{Env, Function, Operator, Signature, native, operator, pattern, scalar, typed};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::boolean::BOOL;
use crate::types::bytea::BYTEA;
use crate::types::integer::INT4;
use crate::types::record::{ANY, ANYNONARRAY};
use crate::types::text::{BPCHAR, NAME, TEXT};
use crate::types::{Datum, DatumRef, Type};

/// PostgreSQL's MaxAllocSize: no string may be longer, in bytes.
const LENGTH_MAX: usize = 0x3fff_ffff;

fn too_large() -> Error {
    Error::new(state::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
}

fn text(value: impl Into<String>) -> Result<Datum> {
    Ok(Datum::text(value))
}

/// The case mapping of the C.UTF-8 locale: every character by itself, only where one maps to one.
fn cased<I: Iterator<Item = char>>(c: char, map: fn(char) -> I) -> char {
    let mut mapped = map(c);
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

fn lower_case(value: &str) -> String {
    value.chars().map(|c| cased(c, char::to_lowercase)).collect()
}

fn lower(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    text(lower_case(args[0].text()))
}

fn upper(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    text(args[0].text().chars().map(|c| cased(c, char::to_uppercase)).collect::<String>())
}

fn initcap(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let mut starts_word = true;
    let capital = |c: char| {
        let mapped = if starts_word { cased(c, char::to_uppercase) } else { cased(c, char::to_lowercase) };
        starts_word = !c.is_alphanumeric();
        mapped
    };
    text(args[0].text().chars().map(capital).collect::<String>())
}

fn length(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(args[0].text().chars().count() as i64))
}

fn padded_length(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(args[0].text().trim_end_matches(' ').chars().count() as i64))
}

/// The byte range of `count` characters (all if `None`) from character `start`, counted from 1, which
/// may lie before the text, as in PostgreSQL's text_substring.
fn substring_of(value: &str, start: i64, count: Option<i64>) -> Result<&str> {
    let end = match count {
        Some(count) if count < 0 => {
            if start.checked_add(count).is_none() {
                return Ok("");
            }
            bail!(SUBSTRING_ERROR, "negative substring length not allowed");
        }
        Some(count) => start.saturating_add(count),
        None => i64::MAX,
    };
    let first = start.max(1);
    if end <= first {
        return Ok("");
    }
    let offset = |characters: i64| match usize::try_from(characters) {
        Ok(n) if n <= value.len() => value.char_indices().nth(n).map_or(value.len(), |(at, _)| at),
        _ => value.len(),
    };
    let from = offset(first - 1);
    let to = if end == i64::MAX { value.len() } else { offset(end - 1) };
    Ok(&value[from..to])
}

fn substring(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let count = args.get(2).map(|count| count.integer());
    text(substring_of(args[0].text(), args[1].integer(), count)?)
}

fn left(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (value, count) = (args[0].text(), args[1].integer());
    let keep = if count < 0 { value.chars().count() as i64 + count } else { count };
    text(substring_of(value, 1, Some(keep.max(0)))?)
}

fn right(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (value, count) = (args[0].text(), args[1].integer());
    let skip = if count < 0 { -count } else { (value.chars().count() as i64 - count).max(0) };
    text(substring_of(value, skip + 1, None)?)
}

fn in_set(set: &str) -> impl Fn(char) -> bool {
    move |c| set.contains(c)
}

fn trim_set<'a>(args: &[DatumRef<'a>]) -> &'a str {
    args.get(1).map_or(" ", |set| set.text())
}

fn trim_both(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    text(args[0].text().trim_matches(in_set(trim_set(args))))
}

fn trim_left(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    text(args[0].text().trim_start_matches(in_set(trim_set(args))))
}

fn trim_right(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    text(args[0].text().trim_end_matches(in_set(trim_set(args))))
}

fn replace(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (value, from, to) = (args[0].text(), args[1].text(), args[2].text());
    if from.is_empty() {
        return text(value);
    }
    let found = value.matches(from).count();
    if value.len() + found * to.len() > LENGTH_MAX + found * from.len() {
        return Err(too_large());
    }
    text(value.replace(from, to))
}

fn position(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = args[0].text();
    let found = value.find(args[1].text());
    Ok(Datum::Integer(found.map_or(0, |offset| value[..offset].chars().count() as i64 + 1)))
}

/// The characters with which a text is filled up to a length, which may cut it instead.
fn padding(args: &[DatumRef<'_>]) -> Result<(String, String)> {
    let (value, wanted) = (args[0].text(), args[1].integer().max(0) as usize);
    let fill = args.get(2).map_or(" ", |fill| fill.text());
    if wanted > LENGTH_MAX {
        return Err(too_large());
    }
    let kept: String = value.chars().take(wanted).collect();
    let missing = wanted - kept.chars().count();
    if missing.saturating_mul(4) > LENGTH_MAX && fill.len() > 1 {
        return Err(too_large());
    }
    Ok((kept, fill.chars().cycle().take(if fill.is_empty() { 0 } else { missing }).collect()))
}

fn pad_left(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (kept, fill) = padding(args)?;
    text(fill + &kept)
}

fn pad_right(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (kept, fill) = padding(args)?;
    text(kept + &fill)
}

fn repeat(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (value, times) = (args[0].text(), args[1].integer().max(0) as usize);
    if value.len().saturating_mul(times) > LENGTH_MAX {
        return Err(too_large());
    }
    text(value.repeat(times))
}

fn reverse(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    text(args[0].text().chars().rev().collect::<String>())
}

fn split_part(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (value, delimiter, place) = (args[0].text(), args[1].text(), args[2].integer());
    if place == 0 {
        bail!(INVALID_PARAMETER_VALUE, "field position must not be zero");
    }
    if delimiter.is_empty() {
        return text(if place.abs() == 1 { value } else { "" });
    }
    let part = match usize::try_from(place.unsigned_abs() - 1) {
        Ok(skip) if place > 0 => value.split(delimiter).nth(skip),
        Ok(skip) => {
            let parts: Vec<&str> = value.split(delimiter).collect();
            parts.len().checked_sub(skip + 1).map(|at| parts[at])
        }
        Err(_) => None,
    };
    text(part.unwrap_or(""))
}

fn ascii(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(args[0].text().chars().next().map_or(0, |c| i64::from(c as u32))))
}

fn chr(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    match args[0].integer() {
        0 => bail!(PROGRAM_LIMIT_EXCEEDED, "null character not permitted"),
        code if code < 0 => bail!(PROGRAM_LIMIT_EXCEEDED, "character number must be positive"),
        code => match u32::try_from(code).ok().and_then(char::from_u32) {
            Some(c) => text(c),
            None => bail!(PROGRAM_LIMIT_EXCEEDED, "requested character too large for encoding: {code}"),
        },
    }
}

fn translate(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let from: Vec<char> = args[1].text().chars().collect();
    let to: Vec<char> = args[2].text().chars().collect();
    let mapped = |c: char| match from.iter().position(|other| *other == c) {
        Some(place) => to.get(place).copied(),
        None => Some(c),
    };
    text(args[0].text().chars().filter_map(mapped).collect::<String>())
}

fn overlay(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (value, new, start) = (args[0].text(), args[1].text(), args[2].integer());
    let count = args.get(3).map_or(new.chars().count() as i64, |count| count.integer());
    if start <= 0 {
        bail!(SUBSTRING_ERROR, "negative substring length not allowed");
    }
    let head = substring_of(value, 1, Some(start - 1))?;
    let tail = substring_of(value, start.saturating_add(count), None)?;
    text(format!("{head}{new}{tail}"))
}

fn starts_with(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::bool(args[0].text().starts_with(args[1].text())))
}

/// The texts of a variadic call's values from a place on, without NULLs. `None` for VARIADIC NULL.
fn printed(args: &[DatumRef<'_>], signature: &Signature, from: usize, env: &dyn Env) -> Option<Vec<String>> {
    let values = super::array::spread(args, signature, from)?;
    let shown = values.into_iter().filter(|(value, _)| !value.is_null());
    Some(shown.map(|(value, ty)| ty.to_text(value.as_ref(), env.format())).collect())
}

fn concat(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    Ok(printed(args, signature, 0, env).map_or(Datum::Null, |parts| Datum::Text(parts.concat())))
}

fn concat_with_separator(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    let DatumRef::Text(separator) = args[0] else { return Ok(Datum::Null) };
    Ok(printed(args, signature, 1, env).map_or(Datum::Null, |parts| Datum::Text(parts.join(separator))))
}

/// text || anynonarray and the other way round.
fn append_any(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    let shown = |place: usize| signature.args[place].to_text(args[place], env.format());
    Ok(Datum::Text(shown(0) + &shown(1)))
}

/// Quotes an identifier where it needs quotes.
fn quote_identifier(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    text(super::session::quoted_name(args[0].text()))
}

/// Quotes a literal; with E'' if it has backslashes.
pub(super) fn quoted_literal(value: &str) -> String {
    let body = value.replace('\'', "''").replace('\\', "\\\\");
    if value.contains('\\') { format!("E'{body}'") } else { format!("'{body}'") }
}

fn quote_literal(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    text(quoted_literal(args[0].text()))
}

fn quote_nullable(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    match args[0] {
        DatumRef::Null => text("NULL"),
        value => text(quoted_literal(value.text())),
    }
}

fn like(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    pattern::like(args[0].text(), args[1].text()).map(Datum::bool)
}

fn not_like(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    pattern::like(args[0].text(), args[1].text()).map(|matches| Datum::bool(!matches))
}

fn ilike(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    pattern::like(&lower_case(args[0].text()), &lower_case(args[1].text())).map(Datum::bool)
}

fn not_ilike(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(Datum::bool(ilike(args, env)?.as_ref().integer() == 0))
}

fn like_escape(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    pattern::with_escape(args[0].text(), args[1].text()).map(Datum::Text)
}

const ONE: &[&Type] = &[&TEXT];
const TWO: &[&Type] = &[&TEXT, &TEXT];
const COUNTED: &[&Type] = &[&TEXT, &INT4];
const PADDED: &[&Type] = &[&BPCHAR, &TEXT];
const NAMES: &[&Type] = &[&NAME, &TEXT];

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(870, "lower", ONE, &TEXT, lower),
    scalar(871, "upper", ONE, &TEXT, upper),
    scalar(872, "initcap", ONE, &TEXT, initcap),
    scalar(1317, "length", ONE, &INT4, length),
    scalar(1318, "length", &[&BPCHAR], &INT4, padded_length),
    scalar(1381, "char_length", ONE, &INT4, length),
    scalar(1372, "char_length", &[&BPCHAR], &INT4, padded_length),
    scalar(1369, "character_length", ONE, &INT4, length),
    scalar(1367, "character_length", &[&BPCHAR], &INT4, padded_length),
    native(1374, "octet_length", ONE, &INT4, "octet_length({0})"),
    native(1375, "octet_length", &[&BPCHAR], &INT4, "octet_length({0})"),
    native(1811, "bit_length", ONE, &INT4, "(octet_length({0}) * 8)"),
    scalar(877, "substr", &[&TEXT, &INT4, &INT4], &TEXT, substring),
    scalar(883, "substr", COUNTED, &TEXT, substring),
    scalar(936, "substring", &[&TEXT, &INT4, &INT4], &TEXT, substring),
    scalar(937, "substring", COUNTED, &TEXT, substring),
    scalar(3060, "left", COUNTED, &TEXT, left),
    scalar(3061, "right", COUNTED, &TEXT, right),
    scalar(885, "btrim", ONE, &TEXT, trim_both),
    scalar(884, "btrim", TWO, &TEXT, trim_both),
    scalar(881, "ltrim", ONE, &TEXT, trim_left),
    scalar(875, "ltrim", TWO, &TEXT, trim_left),
    scalar(882, "rtrim", ONE, &TEXT, trim_right),
    scalar(876, "rtrim", TWO, &TEXT, trim_right),
    scalar(2087, "replace", &[&TEXT, &TEXT, &TEXT], &TEXT, replace),
    scalar(868, "strpos", TWO, &INT4, position),
    scalar(849, "position", TWO, &INT4, position),
    scalar(879, "lpad", COUNTED, &TEXT, pad_left),
    scalar(873, "lpad", &[&TEXT, &INT4, &TEXT], &TEXT, pad_left),
    scalar(880, "rpad", COUNTED, &TEXT, pad_right),
    scalar(874, "rpad", &[&TEXT, &INT4, &TEXT], &TEXT, pad_right),
    scalar(1622, "repeat", COUNTED, &TEXT, repeat),
    scalar(3062, "reverse", ONE, &TEXT, reverse),
    scalar(2088, "split_part", &[&TEXT, &TEXT, &INT4], &TEXT, split_part),
    scalar(1620, "ascii", ONE, &INT4, ascii),
    scalar(1621, "chr", &[&INT4], &TEXT, chr),
    scalar(878, "translate", &[&TEXT, &TEXT, &TEXT], &TEXT, translate),
    scalar(1405, "overlay", &[&TEXT, &TEXT, &INT4], &TEXT, overlay),
    scalar(1404, "overlay", &[&TEXT, &TEXT, &INT4, &INT4], &TEXT, overlay),
    scalar(3696, "starts_with", TWO, &BOOL, starts_with),
    typed(3058, "concat", &[&ANY], &TEXT, concat).variadic().stable(),
    typed(3059, "concat_ws", &[&TEXT, &ANY], &TEXT, concat_with_separator).variadic().stable(),
    scalar(1282, "quote_ident", ONE, &TEXT, quote_identifier),
    scalar(1283, "quote_literal", ONE, &TEXT, quote_literal),
    scalar(1289, "quote_nullable", ONE, &TEXT, quote_nullable).called_on_null(),
    scalar(1569, "like", TWO, &BOOL, like),
    scalar(1570, "notlike", TWO, &BOOL, not_like),
    scalar(1637, "like_escape", TWO, &TEXT, like_escape),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(654, "||", native(1258, "textcat", TWO, &TEXT, "{0} || {1}")),
    operator(2779, "||", typed(2003, "textanycat", &[&TEXT, &ANYNONARRAY], &TEXT, append_any).stable()),
    operator(2780, "||", typed(2004, "anytextcat", &[&ANYNONARRAY, &TEXT], &TEXT, append_any).stable()),
    operator(2018, "||", scalar(2011, "byteacat", &[&BYTEA, &BYTEA], &BYTEA, super::binary::concat)),
    operator(1209, "~~", scalar(850, "textlike", TWO, &BOOL, like)),
    operator(1211, "~~", scalar(1631, "bpcharlike", PADDED, &BOOL, like)),
    operator(1207, "~~", scalar(858, "namelike", NAMES, &BOOL, like)),
    operator(1210, "!~~", scalar(851, "textnlike", TWO, &BOOL, not_like)),
    operator(1212, "!~~", scalar(1632, "bpcharnlike", PADDED, &BOOL, not_like)),
    operator(1208, "!~~", scalar(859, "namenlike", NAMES, &BOOL, not_like)),
    operator(1627, "~~*", scalar(1633, "texticlike", TWO, &BOOL, ilike)),
    operator(1629, "~~*", scalar(1660, "bpchariclike", PADDED, &BOOL, ilike)),
    operator(1625, "~~*", scalar(1635, "nameiclike", NAMES, &BOOL, ilike)),
    operator(1628, "!~~*", scalar(1634, "texticnlike", TWO, &BOOL, not_ilike)),
    operator(1630, "!~~*", scalar(1661, "bpcharicnlike", PADDED, &BOOL, not_ilike)),
    operator(1626, "!~~*", scalar(1636, "nameicnlike", NAMES, &BOOL, not_ilike)),
    operator(3877, "^@", scalar(3696, "starts_with", TWO, &BOOL, starts_with)),
];
