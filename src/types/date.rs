//! date: stored as days since 2000-01-01; the extremes of int4 are the infinities.

use super::calendar::{Civil, DAY_US, EPOCH_JULIAN_DAY, UNIX_EPOCH_DAYS, civil_from_days, days_from_civil};
use super::datetime_input::{self, Refusal, Special};
use super::{Category, DateOrder, DateStyle, Datum, DatumRef, Format, Shape, Storage, Type, integer};
use crate::bail;
use crate::error::{Error, Result, state};

/// -infinity
pub const NEGATIVE_INFINITY: i64 = i32::MIN as i64;
/// infinity
pub const INFINITY: i64 = i32::MAX as i64;
/// 4713-11-24 BC, Julian day 0.
const FIRST: i64 = -EPOCH_JULIAN_DAY;
/// The day after 5874897-12-31.
const END: i64 = 2_147_483_494 - EPOCH_JULIAN_DAY;

/// date
pub const DATE: Type = Type {
    oid: 1082,
    name: "date",
    sql_name: "date",
    array_oid: 1182,
    length: 4,
    category: Category::DateTime,
    preferred: false,
    storage: Storage::Integer,
    collation: None,
    comparable: true,
    input,
    output,
    receive,
    send: |value, out| out.extend_from_slice(&(value.integer() as i32).to_be_bytes()),
    typmod: None,
    shape: Shape::Base,
};

/// Whether a number of days is a date.
pub fn in_range(days: i64) -> bool {
    (FIRST..END).contains(&days)
}

/// Whether one of the infinities.
pub fn is_infinite(days: i64) -> bool {
    days == INFINITY || days == NEGATIVE_INFINITY
}

/// Today in the session's time zone.
pub fn today(format: &Format) -> i64 {
    let offset = i64::from(format.time_zone.offset_at(format.now_us)) * 1_000_000;
    (format.now_us + offset).div_euclid(DAY_US)
}

fn input(text: &str, format: &Format) -> Result<Datum> {
    if let Some((days, None)) = datetime_input::iso(text) {
        return Ok(Datum::Integer(days));
    }
    let parsed = datetime_input::parse(text, format).map_err(|refusal| refusal.into_error(text, "date"))?;
    let days = match (parsed.special, parsed.date) {
        (Some(Special::Infinity), None) => return Ok(Datum::Integer(INFINITY)),
        (Some(Special::NegativeInfinity), None) => return Ok(Datum::Integer(NEGATIVE_INFINITY)),
        (Some(Special::Epoch), None) => -UNIX_EPOCH_DAYS,
        (Some(Special::Now), None) => today(format),
        (Some(Special::Day(days)), None) => today(format) + days,
        (None, Some(date)) => days_from_civil(date),
        _ => return Err(Refusal::BadFormat.into_error(text, "date")),
    };
    if !in_range(days) {
        bail!(DATETIME_FIELD_OVERFLOW, "date out of range: \"{text}\"");
    }
    Ok(Datum::Integer(days))
}

/// Appends a date without BC; a timestamp puts its time between.
pub(crate) fn write_civil(date: Civil, format: &Format, out: &mut Vec<u8>) {
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    let (month, day) = (date.month, date.day);
    let day_first = format.date_order == DateOrder::Dmy;
    let text = match format.date_style {
        DateStyle::Iso => format!("{year:04}-{month:02}-{day:02}"),
        DateStyle::Sql if day_first => format!("{day:02}/{month:02}/{year:04}"),
        DateStyle::Sql => format!("{month:02}/{day:02}/{year:04}"),
        DateStyle::German => format!("{day:02}.{month:02}.{year:04}"),
        DateStyle::Postgres if day_first => format!("{day:02}-{month:02}-{year:04}"),
        DateStyle::Postgres => format!("{month:02}-{day:02}-{year:04}"),
    };
    out.extend_from_slice(text.as_bytes());
}

/// Appends a date as PostgreSQL prints it.
pub fn write(days: i64, format: &Format, out: &mut Vec<u8>) {
    match days {
        INFINITY => out.extend_from_slice(b"infinity"),
        NEGATIVE_INFINITY => out.extend_from_slice(b"-infinity"),
        _ => {
            let date = civil_from_days(days);
            write_civil(date, format, out);
            if date.year <= 0 {
                out.extend_from_slice(b" BC");
            }
        }
    }
}

fn output(value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
    write(value.integer(), format, out);
}

fn receive(bytes: &[u8]) -> Result<Datum> {
    let days = i64::from(i32::from_be_bytes(integer::exactly(bytes, "date")?));
    if !is_infinite(days) && !in_range(days) {
        return Err(Error::new(state::DATETIME_FIELD_OVERFLOW, "date out of range"));
    }
    Ok(Datum::Integer(days))
}
