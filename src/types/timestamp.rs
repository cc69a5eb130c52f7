//! timestamp and timestamptz: stored as microseconds since 2000-01-01 (UTC for the latter); the
//! extremes of int8 are the infinities.

use super::calendar::{
    Civil, DAY_US, HOUR_US, MINUTE_US, MONTHS, SECOND_US, UNIX_EPOCH_DAYS, WEEKDAYS, civil_from_days,
    day_of_week, days_from_civil, split,
};
use super::datetime_input::{self, Parsed, Refusal, Special, ZoneInput};
use super::time::{precision, precision_suffix, round_to_precision};
use super::timezone::offset_text;
use super::{
    Category, DateOrder, DateStyle, Datum, DatumRef, Format, Oid, Shape, Storage, Type, Typmod, date, integer,
};
use crate::error::{Error, Result, state};

/// -infinity
pub const NEGATIVE_INFINITY: i64 = i64::MIN;
/// infinity
pub const INFINITY: i64 = i64::MAX;
/// 4713-11-24 BC 00:00
const FIRST: i64 = -211_813_488_000_000_000;
/// 294277-01-01 00:00
const END: i64 = 9_223_371_331_200_000_000;

const fn timestamp(oid: Oid, name: &'static str, sql_name: &'static str, array_oid: Oid) -> Type {
    Type {
        oid,
        name,
        sql_name,
        array_oid,
        length: 8,
        category: Category::DateTime,
        preferred: false,
        storage: Storage::Integer,
        collation: None,
        comparable: true,
        input,
        output,
        receive,
        send: |value, out| out.extend_from_slice(&value.integer().to_be_bytes()),
        typmod: Some(&Typmod {
            input: |modifiers| precision(modifiers, "TIMESTAMP"),
            output: precision_suffix,
            apply,
        }),
        shape: Shape::Base,
    }
}

/// timestamp without time zone
pub const TIMESTAMP: Type = timestamp(1114, "timestamp", "timestamp without time zone", 1115);
/// timestamp with time zone
pub const TIMESTAMPTZ: Type = Type {
    preferred: true,
    input: input_tz,
    output: output_tz,
    ..timestamp(1184, "timestamptz", "timestamp with time zone", 1185)
};

/// Whether a number of microseconds is a timestamp.
pub fn in_range(timestamp_us: i64) -> bool {
    (FIRST..END).contains(&timestamp_us)
}

/// Whether one of the infinities.
pub fn is_infinite(timestamp_us: i64) -> bool {
    timestamp_us == INFINITY || timestamp_us == NEGATIVE_INFINITY
}

/// 22008
pub fn out_of_range() -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

fn input(text: &str, format: &Format) -> Result<Datum> {
    if let Some((days, time_us)) = datetime_input::iso(text) {
        return Ok(Datum::Integer(days * DAY_US + time_us.unwrap_or(0)));
    }
    let refuse = |refusal: Refusal| refusal.into_error(text, "timestamp");
    let parsed = datetime_input::parse(text, format).map_err(refuse)?;
    let offset = i64::from(format.time_zone.offset_at(format.now_us)) * SECOND_US;
    let value = match special_value(&parsed, format).map_err(refuse)? {
        Some(Moment::Absolute(value)) if is_infinite(value) => return Ok(Datum::Integer(value)),
        Some(Moment::Absolute(value)) => {
            value + if parsed.special == Some(Special::Now) { offset } else { 0 }
        }
        Some(Moment::Local(value)) => value,
        None => local_value(&parsed).ok_or(Refusal::BadFormat).map_err(refuse)?,
    };
    checked(value, text)
}

fn input_tz(text: &str, format: &Format) -> Result<Datum> {
    let refuse = |refusal: Refusal| refusal.into_error(text, "timestamp with time zone");
    let parsed = datetime_input::parse(text, format).map_err(refuse)?;
    let local = match special_value(&parsed, format).map_err(refuse)? {
        Some(Moment::Absolute(value)) => return Ok(Datum::Integer(value)),
        Some(Moment::Local(value)) => value,
        None => local_value(&parsed).ok_or(Refusal::BadFormat).map_err(refuse)?,
    };
    if !in_range(local) {
        return Err(range_error(text));
    }
    let value = match &parsed.zone {
        Some(ZoneInput::Offset(offset)) => local - i64::from(*offset) * SECOND_US,
        Some(ZoneInput::Named(zone)) => zone.to_utc(local),
        None => format.time_zone.to_utc(local),
    };
    checked(value, text)
}

/// What a special word stands for.
enum Moment {
    /// In UTC, or infinite.
    Absolute(i64),
    /// In the session's zone.
    Local(i64),
}

fn special_value(parsed: &Parsed, format: &Format) -> Result<Option<Moment>, Refusal> {
    let Some(special) = parsed.special else { return Ok(None) };
    if parsed.date.is_some() {
        return Err(Refusal::BadFormat);
    }
    let absolute = match special {
        Special::Day(days) => {
            let midnight = (date::today(format) + days) * DAY_US;
            return Ok(Some(Moment::Local(midnight + parsed.time_us.unwrap_or(0))));
        }
        Special::Infinity => INFINITY,
        Special::NegativeInfinity => NEGATIVE_INFINITY,
        Special::Epoch => -UNIX_EPOCH_DAYS * DAY_US,
        Special::Now => format.now_us,
    };
    if parsed.time_us.is_some() {
        return Err(Refusal::BadFormat);
    }
    Ok(Some(Moment::Absolute(absolute)))
}

/// Date and time as they stand, midnight if there is no time. Saturates far beyond the range.
fn local_value(parsed: &Parsed) -> Option<i64> {
    let days = days_from_civil(parsed.date?);
    Some(days.saturating_mul(DAY_US).saturating_add(parsed.time_us.unwrap_or(0)))
}

fn range_error(text: &str) -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, format!("timestamp out of range: \"{text}\""))
}

fn checked(value: i64, text: &str) -> Result<Datum> {
    if in_range(value) { Ok(Datum::Integer(value)) } else { Err(range_error(text)) }
}

fn write_infinite(value: i64, out: &mut Vec<u8>) -> bool {
    match value {
        INFINITY => out.extend_from_slice(b"infinity"),
        NEGATIVE_INFINITY => out.extend_from_slice(b"-infinity"),
        _ => return false,
    }
    true
}

/// Appends a timestamp without time zone.
pub fn write(value: i64, format: &Format, out: &mut Vec<u8>) {
    if !write_infinite(value, out) {
        write_local(value, format, None, out);
    }
}

/// Appends a timestamp with time zone, in the session's zone.
pub fn write_tz(value: i64, format: &Format, out: &mut Vec<u8>) {
    if write_infinite(value, out) {
        return;
    }
    let offset = format.time_zone.offset_at(value);
    let local = value + i64::from(offset) * SECOND_US;
    let zone = match format.date_style {
        DateStyle::Iso => offset_text(offset),
        _ => format!(" {}", zone_word(format, value, offset)),
    };
    write_local(local, format, Some(&zone), out);
}

/// The zone's abbreviation, or its offset where it has none in letters.
fn zone_word(format: &Format, value: i64, offset: i32) -> String {
    let word = format.time_zone.abbreviation_at(value);
    if word.bytes().all(|byte| byte.is_ascii_alphabetic()) { word } else { offset_text(offset) }
}

fn write_local(local: i64, format: &Format, zone: Option<&str>, out: &mut Vec<u8>) {
    let (days, time) = split(local);
    let date = civil_from_days(days);
    match format.date_style {
        DateStyle::Postgres => write_postgres(date, days, time, format, out),
        _ => {
            date::write_civil(date, format, out);
            out.push(b' ');
            super::time::write(time, out);
        }
    }
    out.extend_from_slice(zone.unwrap_or("").as_bytes());
    if date.year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

/// `Wed Dec 17 07:37:16 1997`
fn write_postgres(date: Civil, days: i64, time: i64, format: &Format, out: &mut Vec<u8>) {
    let weekday = WEEKDAYS[day_of_week(days) as usize];
    let month = MONTHS[date.month as usize - 1];
    let head = match format.date_order {
        DateOrder::Dmy => format!("{weekday} {:02} {month} ", date.day),
        _ => format!("{weekday} {month} {:02} ", date.day),
    };
    out.extend_from_slice(head.as_bytes());
    super::time::write(time, out);
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    out.extend_from_slice(format!(" {year:04}").as_bytes());
}

fn output(value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
    write(value.integer(), format, out);
}

fn output_tz(value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
    write_tz(value.integer(), format, out);
}

fn receive(bytes: &[u8]) -> Result<Datum> {
    let value = i64::from_be_bytes(integer::exactly(bytes, "timestamp")?);
    if is_infinite(value) || in_range(value) { Ok(Datum::Integer(value)) } else { Err(out_of_range()) }
}

fn apply(value: DatumRef<'_>, typmod: i32, _: bool) -> Result<Datum> {
    let DatumRef::Integer(timestamp) = value else { return Ok(Datum::Null) };
    if is_infinite(timestamp) {
        return Ok(value.to_owned());
    }
    Ok(Datum::Integer(round_to_precision(timestamp, typmod)))
}

/// Hours, minutes and microseconds of the day, for functions that take a time apart.
pub fn clock(time_us: i64) -> (i64, i64, i64) {
    (time_us / HOUR_US, time_us / MINUTE_US % 60, time_us % MINUTE_US)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TimeZone;

    fn print(ty: &Type, text: &str, format: &Format) -> String {
        match (ty.input)(text, format) {
            Ok(value) => ty.to_text(value.as_ref(), format),
            Err(error) => format!("{} {}", error.sqlstate(), error.message()),
        }
    }

    #[test]
    fn timestamps_are_read_as_postgresql_15_reads_them() {
        let format = Format::default();
        for (text, expected) in [
            ("2024-02-29 13:14:15.123456", "2024-02-29 13:14:15.123456"),
            ("2024-02-29T13:14:15Z", "2024-02-29 13:14:15"),
            ("20240229T131415", "2024-02-29 13:14:15"),
            ("2021/1/5", "2021-01-05 00:00:00"),
            ("Jan 8, 1999 4:05 PM", "1999-01-08 16:05:00"),
            ("8-Jan-1999", "1999-01-08 00:00:00"),
            ("Jan-08-1999", "1999-01-08 00:00:00"),
            ("1/8/99", "1999-01-08 00:00:00"),
            ("Wed Dec 17 07:37:16 1997", "1997-12-17 07:37:16"),
            ("0044-03-15 BC", "0044-03-15 00:00:00 BC"),
            ("infinity", "infinity"),
            ("epoch", "1970-01-01 00:00:00"),
            ("2024-01-01 24:00:00", "2024-01-02 00:00:00"),
            ("2024-01-01 12:00:00.9999999", "2024-01-01 12:00:01"),
            ("2023-02-29", "22008 date/time field value out of range: \"2023-02-29\""),
            ("13/13/2020", "22008 date/time field value out of range: \"13/13/2020\""),
            ("garbage", "22007 invalid input syntax for type timestamp: \"garbage\""),
            ("", "22007 invalid input syntax for type timestamp: \"\""),
            ("300000-01-01", "22008 timestamp out of range: \"300000-01-01\""),
        ] {
            assert_eq!(print(&TIMESTAMP, text, &format), expected, "{text}");
        }
    }

    #[test]
    fn zones_shift_input_and_output() {
        let format = Format { time_zone: TimeZone::find("America/New_York").unwrap(), ..Format::default() };
        assert_eq!(print(&TIMESTAMPTZ, "2024-07-01 12:00+00", &format), "2024-07-01 08:00:00-04");
        assert_eq!(print(&TIMESTAMPTZ, "2024-01-01 12:00", &format), "2024-01-01 12:00:00-05");
        assert_eq!(print(&TIMESTAMPTZ, "2024-01-01 12:00 Europe/Paris", &format), "2024-01-01 06:00:00-05");
        assert_eq!(print(&TIMESTAMPTZ, "2024-01-01 12:00 PST", &format), "2024-01-01 15:00:00-05");
        let german = Format { date_style: DateStyle::German, ..format };
        assert_eq!(print(&TIMESTAMPTZ, "2024-07-01 12:00:00.5+00", &german), "01.07.2024 08:00:00.5 EDT");
    }

    #[test]
    fn modifiers_round_half_away_from_zero() {
        let rounded = apply(DatumRef::Integer(1_500_000), 0, false).unwrap();
        assert_eq!(rounded, Datum::Integer(2_000_000));
        assert_eq!(apply(DatumRef::Integer(-1_500_000), 0, false).unwrap(), Datum::Integer(-2_000_000));
    }
}
