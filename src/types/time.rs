//! time: stored as microseconds since midnight; 24:00:00 exists.

use super::calendar::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use super::datetime_input::{self, Refusal, Special};
use super::typmod::single;
use super::{Category, Datum, DatumRef, Format, Shape, Storage, Type, Typmod, integer};
use crate::bail;
use crate::error::{Error, Result, state};

/// time without time zone
pub const TIME: Type = Type {
    oid: 1083,
    name: "time",
    sql_name: "time without time zone",
    array_oid: 1183,
    length: 8,
    category: Category::DateTime,
    preferred: false,
    storage: Storage::Integer,
    collation: None,
    comparable: true,
    input,
    output: |value, _, out| write(value.integer(), out),
    receive,
    send: |value, out| out.extend_from_slice(&value.integer().to_be_bytes()),
    typmod: Some(&Typmod {
        input: |modifiers| precision(modifiers, "TIME"),
        output: precision_suffix,
        apply,
    }),
    shape: Shape::Base,
};

/// The modifier of the time types: 0 to 6 digits of a second.
pub(crate) fn precision(modifiers: &[i64], sql_name: &str) -> Result<i32> {
    let digits = single(modifiers, sql_name)?;
    if digits < 0 {
        bail!(INVALID_PARAMETER_VALUE, "{sql_name}({digits}) precision must not be negative");
    }
    Ok(digits.min(6) as i32)
}

pub(crate) fn precision_suffix(typmod: i32) -> String {
    format!("({typmod})")
}

/// Rounds microseconds to that many digits of a second, half away from zero.
pub(crate) fn round_to_precision(value_us: i64, digits: i32) -> i64 {
    let unit = 10_i64.pow(6 - digits.clamp(0, 6) as u32);
    let half = if value_us < 0 { -unit / 2 } else { unit / 2 };
    value_us.saturating_add(half) / unit * unit
}

fn input(text: &str, format: &Format) -> Result<Datum> {
    let refuse = |refusal: Refusal| refusal.into_error(text, "time");
    let parsed = datetime_input::parse(text, format).map_err(refuse)?;
    match (parsed.special, parsed.time_us) {
        (None, Some(time)) => Ok(Datum::Integer(time)),
        (Some(Special::Now), None) => {
            let offset = i64::from(format.time_zone.offset_at(format.now_us)) * SECOND_US;
            Ok(Datum::Integer((format.now_us + offset).rem_euclid(DAY_US)))
        }
        _ => Err(refuse(Refusal::BadFormat)),
    }
}

/// Appends `.ffffff` without trailing zeros, or nothing.
pub(crate) fn write_fraction(fraction_us: i64, out: &mut Vec<u8>) {
    if fraction_us != 0 {
        let digits = format!("{fraction_us:06}");
        out.push(b'.');
        out.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    }
}

/// Appends `hh:mm:ss` and the fraction.
pub fn write(time_us: i64, out: &mut Vec<u8>) {
    let (hour, minute, second) = (time_us / HOUR_US, time_us / MINUTE_US % 60, time_us / SECOND_US % 60);
    for (value, end) in [(hour, b':'), (minute, b':'), (second, 0)] {
        out.push(b'0' + (value / 10) as u8);
        out.push(b'0' + (value % 10) as u8);
        if end != 0 {
            out.push(end);
        }
    }
    write_fraction(time_us % SECOND_US, out);
}

fn receive(bytes: &[u8]) -> Result<Datum> {
    let time = i64::from_be_bytes(integer::exactly(bytes, "time")?);
    if !(0..=DAY_US).contains(&time) {
        return Err(Error::new(state::DATETIME_FIELD_OVERFLOW, "time out of range"));
    }
    Ok(Datum::Integer(time))
}

fn apply(value: DatumRef<'_>, typmod: i32, _: bool) -> Result<Datum> {
    let DatumRef::Integer(time) = value else { return Ok(Datum::Null) };
    Ok(Datum::Integer(round_to_precision(time, typmod)))
}
