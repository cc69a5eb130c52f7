//! Arithmetic on dates, times and intervals, and functions that take them apart.

use super::{Env, Function, Operator, operator, scalar};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::boolean::BOOL;
use crate::types::calendar::{
    Civil, DAY_US, EPOCH_JULIAN_DAY, HOUR_US, MINUTE_US, SECOND_US, UNIX_EPOCH_DAYS, civil_from_days,
    day_of_week, day_of_year, days_from_civil, days_of_month, iso_week, split,
};
use crate::types::date::{self, DATE};
use crate::types::float::{self, FLOAT8};
use crate::types::integer::INT4;
use crate::types::interval::{INTERVAL, Interval};
use crate::types::numeric::{Decimal, NUMERIC, Numeric};
use crate::types::text::TEXT;
use crate::types::time::TIME;
use crate::types::timestamp::{self, TIMESTAMP, TIMESTAMPTZ};
use crate::types::{Datum, DatumRef, TimeZone, Type};

fn span(value: DatumRef<'_>) -> Interval {
    Interval::from_stored(value.text())
}

fn date_out_of_range() -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, "date out of range")
}

fn checked_date(days: Option<i64>) -> Result<Datum> {
    match days {
        Some(days) if date::in_range(days) => Ok(Datum::Integer(days)),
        _ => Err(date_out_of_range()),
    }
}

fn checked_timestamp(value: Option<i64>) -> Result<i64> {
    value.filter(|value| timestamp::in_range(*value)).ok_or_else(timestamp::out_of_range)
}

fn date_plus_days(days: DatumRef<'_>, count: DatumRef<'_>) -> Result<Datum> {
    match days.integer() {
        infinite if date::is_infinite(infinite) => Ok(Datum::Integer(infinite)),
        days => checked_date(days.checked_add(count.integer())),
    }
}

fn date_add(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    date_plus_days(args[0], args[1])
}

fn days_add(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    date_plus_days(args[1], args[0])
}

fn date_subtract_days(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    date_plus_days(args[0], DatumRef::Integer(-args[1].integer()))
}

fn date_subtract(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (a, b) = (args[0].integer(), args[1].integer());
    if date::is_infinite(a) || date::is_infinite(b) {
        bail!(DATETIME_FIELD_OVERFLOW, "cannot subtract infinite dates");
    }
    Ok(Datum::Integer(a - b))
}

/// Midnight of a day, as a timestamp.
pub(super) fn date_to_timestamp(days: i64) -> Result<i64> {
    match days {
        date::INFINITY => Ok(timestamp::INFINITY),
        date::NEGATIVE_INFINITY => Ok(timestamp::NEGATIVE_INFINITY),
        _ => days
            .checked_mul(DAY_US)
            .filter(|value| timestamp::in_range(*value))
            .ok_or_else(|| Error::new(state::DATETIME_FIELD_OVERFLOW, "date out of range for timestamp")),
    }
}

/// Adds months, keeping the day where the month has it, else the month's last.
fn add_months(days: i64, months: i64) -> i64 {
    let Civil { year, month, day } = civil_from_days(days);
    let total = year * 12 + (month - 1) + months;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    days_from_civil(Civil { year, month, day: day.min(days_of_month(year, month)) })
}

/// A timestamp plus months, then days, then time, as PostgreSQL adds them.
pub(super) fn add_to_timestamp(value: i64, interval: Interval) -> Result<i64> {
    if timestamp::is_infinite(value) {
        return Ok(value);
    }
    let (mut days, time) = split(value);
    if interval.months != 0 {
        days = add_months(days, interval.months.into());
    }
    days += i64::from(interval.days);
    let moved = days.checked_mul(DAY_US).and_then(|whole| whole.checked_add(time));
    let moved = checked_timestamp(moved)?;
    checked_timestamp(moved.checked_add(interval.time_us))
}

/// The same in a time zone: months and days are counted on its clocks.
pub(super) fn add_to_timestamptz(value: i64, interval: Interval, zone: &TimeZone) -> Result<i64> {
    if timestamp::is_infinite(value) {
        return Ok(value);
    }
    let mut moved = value;
    if interval.months != 0 || interval.days != 0 {
        let local = value + i64::from(zone.offset_at(value)) * SECOND_US;
        moved = zone.to_utc(add_to_timestamp(local, Interval { time_us: 0, ..interval })?);
    }
    checked_timestamp(moved.checked_add(interval.time_us))
}

fn timestamp_add(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    add_to_timestamp(args[0].integer(), span(args[1])).map(Datum::Integer)
}

fn interval_timestamp_add(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    add_to_timestamp(args[1].integer(), span(args[0])).map(Datum::Integer)
}

fn timestamp_subtract_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    add_to_timestamp(args[0].integer(), span(args[1]).negate()?).map(Datum::Integer)
}

fn timestamptz_add(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    add_to_timestamptz(args[0].integer(), span(args[1]), &env.format().time_zone).map(Datum::Integer)
}

fn interval_timestamptz_add(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    add_to_timestamptz(args[1].integer(), span(args[0]), &env.format().time_zone).map(Datum::Integer)
}

fn timestamptz_subtract_interval(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    add_to_timestamptz(args[0].integer(), span(args[1]).negate()?, &env.format().time_zone)
        .map(Datum::Integer)
}

fn date_add_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    add_to_timestamp(date_to_timestamp(args[0].integer())?, span(args[1])).map(Datum::Integer)
}

fn interval_date_add(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    add_to_timestamp(date_to_timestamp(args[1].integer())?, span(args[0])).map(Datum::Integer)
}

fn date_subtract_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    add_to_timestamp(date_to_timestamp(args[0].integer())?, span(args[1]).negate()?).map(Datum::Integer)
}

fn date_add_time(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    date_and_time(args[0], args[1])
}

fn time_add_date(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    date_and_time(args[1], args[0])
}

fn date_and_time(days: DatumRef<'_>, time: DatumRef<'_>) -> Result<Datum> {
    let midnight = date_to_timestamp(days.integer())?;
    if timestamp::is_infinite(midnight) {
        return Ok(Datum::Integer(midnight));
    }
    checked_timestamp(midnight.checked_add(time.integer())).map(Datum::Integer)
}

/// The difference in whole days and the rest.
fn timestamp_subtract(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (a, b) = (args[0].integer(), args[1].integer());
    if timestamp::is_infinite(a) || timestamp::is_infinite(b) {
        bail!(DATETIME_FIELD_OVERFLOW, "cannot subtract infinite timestamps");
    }
    let difference = a.checked_sub(b).ok_or_else(crate::types::interval::out_of_range)?;
    Ok(Interval { months: 0, days: (difference / DAY_US) as i32, time_us: difference % DAY_US }.to_datum())
}

fn time_add_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer((args[0].integer() + span(args[1]).time_us % DAY_US).rem_euclid(DAY_US)))
}

fn interval_time_add(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    time_add_interval(&[args[1], args[0]], env)
}

fn time_subtract_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer((args[0].integer() - span(args[1]).time_us % DAY_US).rem_euclid(DAY_US)))
}

fn time_subtract(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let time_us = args[0].integer() - args[1].integer();
    Ok(Interval { time_us, ..Interval::default() }.to_datum())
}

fn interval_add(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(span(args[0]).plus(span(args[1]))?.to_datum())
}

fn interval_subtract(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(span(args[0]).plus(span(args[1]).negate()?)?.to_datum())
}

fn interval_negate(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(span(args[0]).negate()?.to_datum())
}

fn interval_multiply(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(span(args[0]).multiply(args[1].real())?.to_datum())
}

fn multiply_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(span(args[1]).multiply(args[0].real())?.to_datum())
}

fn interval_divide(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    match args[1].real() {
        0.0 => Err(crate::types::numeric::division_by_zero()),
        divisor => Ok(span(args[0]).multiply(1.0 / divisor)?.to_datum()),
    }
}

fn justify_hours(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(justified_hours(span(args[0]))?.to_datum())
}

fn justified_hours(interval: Interval) -> Result<Interval> {
    let mut days = i64::from(interval.days) + interval.time_us / DAY_US;
    let mut time_us = interval.time_us % DAY_US;
    if days > 0 && time_us < 0 {
        (days, time_us) = (days - 1, time_us + DAY_US);
    } else if days < 0 && time_us > 0 {
        (days, time_us) = (days + 1, time_us - DAY_US);
    }
    let days = i32::try_from(days).map_err(|_| crate::types::interval::out_of_range())?;
    Ok(Interval { days, time_us, ..interval })
}

fn justified_days(interval: Interval) -> Result<Interval> {
    let mut months = i64::from(interval.months) + i64::from(interval.days / 30);
    let mut days = interval.days % 30;
    if months > 0 && days < 0 {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && days > 0 {
        (months, days) = (months + 1, days - 30);
    }
    let months = i32::try_from(months).map_err(|_| crate::types::interval::out_of_range())?;
    Ok(Interval { months, days, ..interval })
}

fn justify_days(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(justified_days(span(args[0]))?.to_datum())
}

/// The units that date_trunc and extract know, with their other spellings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Julian,
    Epoch,
    TimeZone,
    TimeZoneHour,
    TimeZoneMinute,
}

fn unit_named(name: &str, ty: &Type) -> Result<Unit> {
    let lower = name.to_ascii_lowercase();
    Ok(match lower.as_str() {
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" | "useconds" => Unit::Microseconds,
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" | "mseconds" => Unit::Milliseconds,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "qtr" | "quarter" => Unit::Quarter,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennium" | "millennia" => Unit::Millennium,
        "dow" => Unit::DayOfWeek,
        "isodow" => Unit::IsoDayOfWeek,
        "doy" => Unit::DayOfYear,
        "isoyear" => Unit::IsoYear,
        "j" | "jd" | "julian" => Unit::Julian,
        "epoch" => Unit::Epoch,
        "timezone" => Unit::TimeZone,
        "timezone_h" | "timezone_hour" => Unit::TimeZoneHour,
        "timezone_m" | "timezone_minute" => Unit::TimeZoneMinute,
        _ => bail!(INVALID_PARAMETER_VALUE, "unit \"{lower}\" not recognized for type {}", ty.sql_name),
    })
}

fn unsupported_unit<T>(name: &str, ty: &Type) -> Result<T> {
    let lower = name.to_ascii_lowercase();
    bail!(FEATURE_NOT_SUPPORTED, "unit \"{lower}\" not supported for type {}", ty.sql_name)
}

/// The first year of a century or millennium: they start with year 1, not 0.
fn first_year(year: i64, length: i64) -> i64 {
    if year > 0 { (year - 1) / length * length + 1 } else { -((-year + length - 1) / length * length) + 1 }
}

fn decade_start(year: i64) -> i64 {
    if year > 0 { year / 10 * 10 } else { -((9 - year) / 10) * 10 }
}

/// Sets everything below a unit to its least value.
fn truncate_local(value: i64, name: &str, ty: &Type) -> Result<i64> {
    let (days, time) = split(value);
    let date = civil_from_days(days);
    let start = |year, month| days_from_civil(Civil { year, month, day: 1 }) * DAY_US;
    Ok(match unit_named(name, ty)? {
        Unit::Microseconds => value,
        Unit::Milliseconds => days * DAY_US + time / 1000 * 1000,
        Unit::Second => days * DAY_US + time / SECOND_US * SECOND_US,
        Unit::Minute => days * DAY_US + time / MINUTE_US * MINUTE_US,
        Unit::Hour => days * DAY_US + time / HOUR_US * HOUR_US,
        Unit::Day => days * DAY_US,
        Unit::Week => (days - (day_of_week(days) + 6) % 7) * DAY_US,
        Unit::Month => start(date.year, date.month),
        Unit::Quarter => start(date.year, (date.month - 1) / 3 * 3 + 1),
        Unit::Year => start(date.year, 1),
        Unit::Decade => start(decade_start(date.year), 1),
        Unit::Century => start(first_year(date.year, 100), 1),
        Unit::Millennium => start(first_year(date.year, 1000), 1),
        _ => return unsupported_unit(name, ty),
    })
}

fn date_trunc(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = args[1].integer();
    if timestamp::is_infinite(value) {
        return Ok(Datum::Integer(value));
    }
    truncate_local(value, args[0].text(), &TIMESTAMP).map(Datum::Integer)
}

fn truncate_in_zone(value: i64, unit: &str, zone: &TimeZone) -> Result<Datum> {
    if timestamp::is_infinite(value) {
        return Ok(Datum::Integer(value));
    }
    let offset = i64::from(zone.offset_at(value)) * SECOND_US;
    let truncated = truncate_local(value + offset, unit, &TIMESTAMPTZ)?;
    // Below a day the offset stays what it was; from a day on it is that of the result.
    let keeps_offset = matches!(
        unit_named(unit, &TIMESTAMPTZ)?,
        Unit::Microseconds | Unit::Milliseconds | Unit::Second | Unit::Minute | Unit::Hour
    );
    Ok(Datum::Integer(if keeps_offset { truncated - offset } else { zone.to_utc(truncated) }))
}

fn date_trunc_tz(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    truncate_in_zone(args[1].integer(), args[0].text(), &env.format().time_zone)
}

fn date_trunc_named_zone(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    truncate_in_zone(args[1].integer(), args[0].text(), &zone_named(args[2].text())?)
}

fn date_trunc_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let Interval { months, days, time_us } = span(args[1]);
    let whole = |months| Interval { months, ..Interval::default() };
    let cut = |unit: i64| Interval { months, days, time_us: time_us / unit * unit };
    Ok(match unit_named(args[0].text(), &INTERVAL)? {
        Unit::Microseconds => span(args[1]),
        Unit::Milliseconds => cut(1000),
        Unit::Second => cut(SECOND_US),
        Unit::Minute => cut(MINUTE_US),
        Unit::Hour => cut(HOUR_US),
        Unit::Day => Interval { months, days, time_us: 0 },
        Unit::Month => whole(months),
        Unit::Quarter => whole(months / 3 * 3),
        Unit::Year => whole(months / 12 * 12),
        Unit::Decade => whole(months / 120 * 120),
        Unit::Century => whole(months / 1200 * 1200),
        Unit::Millennium => whole(months / 12_000 * 12_000),
        _ => return unsupported_unit(args[0].text(), &INTERVAL),
    }
    .to_datum())
}

/// A part of a date or time: exact for extract, as a double for date_part.
pub(super) enum Part {
    Whole(i64),
    /// Microseconds shown as seconds (scale 6).
    Seconds(i64),
    /// Microseconds shown as milliseconds (scale 3).
    Milliseconds(i64),
    Exact(Numeric),
    Infinite(bool),
    /// A part that infinity does not have.
    Missing,
}

impl Part {
    pub(super) fn to_numeric(&self) -> Datum {
        let decimal = |mantissa: i64, scale| Numeric::Finite(Decimal { mantissa: mantissa.into(), scale });
        match self {
            Part::Whole(value) => Numeric::from_i64(*value),
            Part::Seconds(value) => decimal(*value, 6),
            Part::Milliseconds(value) => decimal(*value, 3),
            Part::Exact(value) => value.clone(),
            Part::Infinite(true) => Numeric::Infinity,
            Part::Infinite(false) => Numeric::NegativeInfinity,
            Part::Missing => return Datum::Null,
        }
        .to_datum()
    }

    pub(super) fn to_double(&self) -> Datum {
        match self {
            Part::Whole(value) => Datum::Real(*value as f64),
            Part::Seconds(value) => Datum::Real(*value as f64 / 1e6),
            Part::Milliseconds(value) => Datum::Real(*value as f64 / 1e3),
            Part::Exact(value) => float::datum(value.to_f64()),
            Part::Infinite(true) => Datum::Real(f64::INFINITY),
            Part::Infinite(false) => Datum::Real(f64::NEG_INFINITY),
            Part::Missing => Datum::Null,
        }
    }
}

fn year_shown(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

/// The parts that depend on the date alone.
fn date_part_of(days: i64, unit: Unit) -> Option<Part> {
    let date = civil_from_days(days);
    Some(Part::Whole(match unit {
        Unit::Day => date.day,
        Unit::Week => iso_week(days).1,
        Unit::Month => date.month,
        Unit::Quarter => (date.month - 1) / 3 + 1,
        Unit::Year => year_shown(date.year),
        Unit::Decade => date.year.div_euclid(10),
        Unit::Century if date.year > 0 => (date.year + 99) / 100,
        Unit::Century => -((100 - date.year) / 100),
        Unit::Millennium if date.year > 0 => (date.year + 999) / 1000,
        Unit::Millennium => -((1000 - date.year) / 1000),
        Unit::DayOfWeek => day_of_week(days),
        Unit::IsoDayOfWeek => (day_of_week(days) + 6) % 7 + 1,
        Unit::DayOfYear => day_of_year(days),
        Unit::IsoYear => year_shown(iso_week(days).0),
        _ => return None,
    }))
}

/// The parts that grow with time, which infinity has too.
fn infinite_part(positive: bool, unit: Unit, name: &str, ty: &Type) -> Result<Part> {
    match unit {
        Unit::Year
        | Unit::Decade
        | Unit::Century
        | Unit::Millennium
        | Unit::IsoYear
        | Unit::Julian
        | Unit::Epoch => Ok(Part::Infinite(positive)),
        Unit::TimeZone | Unit::TimeZoneHour | Unit::TimeZoneMinute if ty.oid == TIMESTAMP.oid => {
            unsupported_unit(name, ty)
        }
        _ => Ok(Part::Missing),
    }
}

fn timestamp_part(value: i64, name: &str, ty: &Type) -> Result<Part> {
    let unit = unit_named(name, ty)?;
    if timestamp::is_infinite(value) {
        return infinite_part(value == timestamp::INFINITY, unit, name, ty);
    }
    let (days, time) = split(value);
    if let Some(part) = date_part_of(days, unit) {
        return Ok(part);
    }
    Ok(match unit {
        Unit::Microseconds => Part::Whole(time % MINUTE_US),
        Unit::Milliseconds => Part::Milliseconds(time % MINUTE_US),
        Unit::Second => Part::Seconds(time % MINUTE_US),
        Unit::Minute => Part::Whole(time / MINUTE_US % 60),
        Unit::Hour => Part::Whole(time / HOUR_US),
        Unit::Epoch => Part::Seconds(value.saturating_add(UNIX_EPOCH_DAYS * DAY_US)),
        Unit::Julian => {
            let fraction = Numeric::from_i64(time).divide(&Numeric::from_i64(DAY_US))?;
            Part::Exact(Numeric::from_i64(days + EPOCH_JULIAN_DAY).add(&fraction)?)
        }
        _ => return unsupported_unit(name, ty),
    })
}

fn timestamptz_part(value: i64, name: &str, zone: &TimeZone) -> Result<Part> {
    if timestamp::is_infinite(value) {
        return timestamp_part(value, name, &TIMESTAMPTZ);
    }
    let offset = i64::from(zone.offset_at(value));
    match unit_named(name, &TIMESTAMPTZ)? {
        Unit::TimeZone => Ok(Part::Whole(offset)),
        Unit::TimeZoneHour => Ok(Part::Whole(offset / 3600)),
        Unit::TimeZoneMinute => Ok(Part::Whole(offset / 60 % 60)),
        Unit::Epoch => timestamp_part(value, name, &TIMESTAMPTZ),
        _ => timestamp_part(value + offset * SECOND_US, name, &TIMESTAMPTZ),
    }
}

fn day_part(days: i64, name: &str) -> Result<Part> {
    let unit = unit_named(name, &DATE)?;
    if date::is_infinite(days) {
        return match unit {
            Unit::Hour | Unit::Minute | Unit::Second | Unit::Milliseconds | Unit::Microseconds => {
                unsupported_unit(name, &DATE)
            }
            _ => infinite_part(days == date::INFINITY, unit, name, &TIMESTAMP),
        };
    }
    match (date_part_of(days, unit), unit) {
        (Some(part), _) => Ok(part),
        (None, Unit::Julian) => Ok(Part::Whole(days + EPOCH_JULIAN_DAY)),
        (None, Unit::Epoch) => Ok(Part::Whole((days + UNIX_EPOCH_DAYS) * 86_400)),
        _ => unsupported_unit(name, &DATE),
    }
}

fn interval_part(interval: Interval, name: &str) -> Result<Part> {
    let Interval { months, days, time_us } = interval;
    let (years, months) = (i64::from(months / 12), i64::from(months % 12));
    Ok(match unit_named(name, &INTERVAL)? {
        Unit::Microseconds => Part::Whole(time_us % MINUTE_US),
        Unit::Milliseconds => Part::Milliseconds(time_us % MINUTE_US),
        Unit::Second => Part::Seconds(time_us % MINUTE_US),
        Unit::Minute => Part::Whole(time_us / MINUTE_US % 60),
        Unit::Hour => Part::Whole(time_us / HOUR_US),
        Unit::Day => Part::Whole(days.into()),
        Unit::Month => Part::Whole(months),
        Unit::Quarter => Part::Whole(months / 3 + 1),
        Unit::Year => Part::Whole(years),
        Unit::Decade => Part::Whole(years / 10),
        Unit::Century => Part::Whole(years / 100),
        Unit::Millennium => Part::Whole(years / 1000),
        Unit::Epoch => {
            // A year is 365.25 days here, a month 30.
            let quarter_days = years * 1461 + months * 120 + i64::from(days) * 4;
            Part::Seconds(quarter_days.saturating_mul(DAY_US / 4).saturating_add(time_us))
        }
        _ => return unsupported_unit(name, &INTERVAL),
    })
}

pub(super) fn time_part(time: i64, name: &str, ty: &Type) -> Result<Part> {
    Ok(match unit_named(name, ty)? {
        Unit::Microseconds => Part::Whole(time % MINUTE_US),
        Unit::Milliseconds => Part::Milliseconds(time % MINUTE_US),
        Unit::Second => Part::Seconds(time % MINUTE_US),
        Unit::Minute => Part::Whole(time / MINUTE_US % 60),
        Unit::Hour => Part::Whole(time / HOUR_US),
        Unit::Epoch => Part::Seconds(time),
        _ => return unsupported_unit(name, ty),
    })
}

macro_rules! parts {
    ($($extract:ident $date_part:ident = |$args:ident, $env:ident| $part:expr;)*) => {
        $(
            fn $extract($args: &[DatumRef<'_>], $env: &dyn Env) -> Result<Datum> {
                Ok($part?.to_numeric())
            }
            fn $date_part($args: &[DatumRef<'_>], $env: &dyn Env) -> Result<Datum> {
                Ok($part?.to_double())
            }
        )*
    };
}

parts! {
    extract_timestamp date_part_timestamp = |args, _env| timestamp_part(args[1].integer(), args[0].text(), &TIMESTAMP);
    extract_timestamptz date_part_timestamptz =
        |args, env| timestamptz_part(args[1].integer(), args[0].text(), &env.format().time_zone);
    extract_date date_part_date = |args, _env| day_part(args[1].integer(), args[0].text());
    extract_interval date_part_interval = |args, _env| interval_part(span(args[1]), args[0].text());
    extract_time date_part_time = |args, _env| time_part(args[1].integer(), args[0].text(), &TIME);
}

/// The difference in years, months, days and time, as people count it (timestamp_age).
fn age_between(later: i64, earlier: i64) -> Result<Interval> {
    if timestamp::is_infinite(later) || timestamp::is_infinite(earlier) {
        return Err(crate::types::interval::out_of_range());
    }
    let is_negative = later < earlier;
    let (high, low) = if is_negative { (earlier, later) } else { (later, earlier) };
    let ((high_days, high_time), (low_days, low_time)) = (split(high), split(low));
    let (a, b) = (civil_from_days(high_days), civil_from_days(low_days));
    let (mut months, mut days) = ((a.year - b.year) * 12 + a.month - b.month, a.day - b.day);
    let mut time_us = high_time - low_time;
    if time_us < 0 {
        time_us += DAY_US;
        days -= 1;
    }
    if days < 0 {
        days += days_of_month(b.year, b.month);
        months -= 1;
    }
    let interval = Interval { months: months as i32, days: days as i32, time_us };
    if is_negative { interval.negate() } else { Ok(interval) }
}

fn age(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(age_between(args[0].integer(), args[1].integer())?.to_datum())
}

fn age_tz(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let zone = &env.format().time_zone;
    let local = |value: i64| match timestamp::is_infinite(value) {
        true => value,
        false => value + i64::from(zone.offset_at(value)) * SECOND_US,
    };
    Ok(age_between(local(args[0].integer()), local(args[1].integer()))?.to_datum())
}

fn age_today(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(age_between(date::today(env.format()) * DAY_US, args[0].integer())?.to_datum())
}

fn age_today_tz(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let format = env.format();
    let midnight = format.time_zone.to_utc(date::today(format) * DAY_US);
    age_tz(&[DatumRef::Integer(midnight), args[0]], env)
}

fn zone_named(name: &str) -> Result<TimeZone> {
    match TimeZone::find(name) {
        Some(zone) => Ok(zone),
        None => bail!(INVALID_PARAMETER_VALUE, "time zone \"{name}\" not recognized"),
    }
}

fn zone_of_interval(interval: Interval) -> Result<TimeZone> {
    if interval.months != 0 || interval.days != 0 {
        let shown = INTERVAL.to_text(interval.to_datum().as_ref(), &crate::types::Format::default());
        bail!(INVALID_PARAMETER_VALUE, "interval time zone \"{shown}\" must not include months or days");
    }
    TimeZone::fixed((interval.time_us / SECOND_US) as i32).ok_or_else(crate::types::interval::out_of_range)
}

fn to_local(value: i64, zone: &TimeZone) -> Result<Datum> {
    if timestamp::is_infinite(value) {
        return Ok(Datum::Integer(value));
    }
    checked_timestamp(Some(value + i64::from(zone.offset_at(value)) * SECOND_US)).map(Datum::Integer)
}

fn to_utc(value: i64, zone: &TimeZone) -> Result<Datum> {
    if timestamp::is_infinite(value) {
        return Ok(Datum::Integer(value));
    }
    checked_timestamp(Some(zone.to_utc(value))).map(Datum::Integer)
}

fn timestamptz_at_zone(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    to_local(args[1].integer(), &zone_named(args[0].text())?)
}

fn timestamp_at_zone(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    to_utc(args[1].integer(), &zone_named(args[0].text())?)
}

fn timestamptz_at_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    to_local(args[1].integer(), &zone_of_interval(span(args[0]))?)
}

fn timestamp_at_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    to_utc(args[1].integer(), &zone_of_interval(span(args[0]))?)
}

fn now(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(env.format().now_us))
}

fn statement_timestamp(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(env.statement_us()))
}

fn clock_timestamp(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(env.clock_us()))
}

fn is_finite_date(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::bool(!date::is_infinite(args[0].integer())))
}

fn is_finite_timestamp(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::bool(!timestamp::is_infinite(args[0].integer())))
}

fn make_date(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let [year, month, day] = [args[0].integer(), args[1].integer(), args[2].integer()];
    let astronomical = if year < 0 { year + 1 } else { year };
    let is_date =
        year != 0 && (1..=12).contains(&month) && (1..=days_of_month(astronomical, month)).contains(&day);
    if !is_date {
        bail!(DATETIME_FIELD_OVERFLOW, "date field value out of range: {year}-{month:02}-{day:02}");
    }
    checked_date(Some(days_from_civil(Civil { year: astronomical, month, day })))
}

fn clock_us(hour: i64, minute: i64, second: f64) -> Result<i64> {
    let whole = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60.0).contains(&second);
    let time = hour * HOUR_US + minute * MINUTE_US + (second * 1e6).round_ties_even() as i64;
    if !whole || time > DAY_US {
        bail!(DATETIME_FIELD_OVERFLOW, "time field value out of range: {hour}:{minute:02}:{second:02}");
    }
    Ok(time)
}

fn make_time(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    clock_us(args[0].integer(), args[1].integer(), args[2].real()).map(Datum::Integer)
}

pub(super) fn make_timestamp(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let days = make_date(&args[..3], env)?.as_ref().integer();
    let time = clock_us(args[3].integer(), args[4].integer(), args[5].real())?;
    checked_timestamp(days.checked_mul(DAY_US).and_then(|midnight| midnight.checked_add(time)))
        .map(Datum::Integer)
}

fn to_timestamp(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let seconds = args[0].real();
    if seconds.is_nan() {
        bail!(DATETIME_FIELD_OVERFLOW, "timestamp cannot be NaN");
    }
    if seconds.is_infinite() {
        return Ok(Datum::Integer(if seconds > 0.0 {
            timestamp::INFINITY
        } else {
            timestamp::NEGATIVE_INFINITY
        }));
    }
    let shifted = (seconds - (UNIX_EPOCH_DAYS * 86_400) as f64) * 1e6;
    let value = shifted.round_ties_even();
    if value.abs() >= 9.3e18 || !timestamp::in_range(value as i64) {
        bail!(DATETIME_FIELD_OVERFLOW, "timestamp out of range: \"{seconds}\"");
    }
    Ok(Datum::Integer(value as i64))
}

const FIELDS: &[&Type] = &[&INT4, &INT4, &INT4, &INT4, &INT4, &FLOAT8];

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(1299, "now", &[], &TIMESTAMPTZ, now).stable(),
    scalar(2647, "transaction_timestamp", &[], &TIMESTAMPTZ, now).stable(),
    scalar(2648, "statement_timestamp", &[], &TIMESTAMPTZ, statement_timestamp).stable(),
    scalar(2649, "clock_timestamp", &[], &TIMESTAMPTZ, clock_timestamp).volatile(),
    scalar(2020, "date_trunc", &[&TEXT, &TIMESTAMP], &TIMESTAMP, date_trunc),
    scalar(1217, "date_trunc", &[&TEXT, &TIMESTAMPTZ], &TIMESTAMPTZ, date_trunc_tz).stable(),
    scalar(1284, "date_trunc", &[&TEXT, &TIMESTAMPTZ, &TEXT], &TIMESTAMPTZ, date_trunc_named_zone).stable(),
    scalar(1218, "date_trunc", &[&TEXT, &INTERVAL], &INTERVAL, date_trunc_interval),
    scalar(6202, "extract", &[&TEXT, &TIMESTAMP], &NUMERIC, extract_timestamp),
    scalar(6203, "extract", &[&TEXT, &TIMESTAMPTZ], &NUMERIC, extract_timestamptz).stable(),
    scalar(6199, "extract", &[&TEXT, &DATE], &NUMERIC, extract_date),
    scalar(6200, "extract", &[&TEXT, &TIME], &NUMERIC, extract_time),
    scalar(6204, "extract", &[&TEXT, &INTERVAL], &NUMERIC, extract_interval),
    scalar(2021, "date_part", &[&TEXT, &TIMESTAMP], &FLOAT8, date_part_timestamp),
    scalar(1171, "date_part", &[&TEXT, &TIMESTAMPTZ], &FLOAT8, date_part_timestamptz).stable(),
    scalar(1384, "date_part", &[&TEXT, &DATE], &FLOAT8, date_part_date),
    scalar(1385, "date_part", &[&TEXT, &TIME], &FLOAT8, date_part_time),
    scalar(1172, "date_part", &[&TEXT, &INTERVAL], &FLOAT8, date_part_interval),
    scalar(2058, "age", &[&TIMESTAMP, &TIMESTAMP], &INTERVAL, age),
    scalar(1199, "age", &[&TIMESTAMPTZ, &TIMESTAMPTZ], &INTERVAL, age_tz),
    scalar(2059, "age", &[&TIMESTAMP], &INTERVAL, age_today).stable(),
    scalar(1386, "age", &[&TIMESTAMPTZ], &INTERVAL, age_today_tz).stable(),
    scalar(1159, "timezone", &[&TEXT, &TIMESTAMPTZ], &TIMESTAMP, timestamptz_at_zone),
    scalar(2069, "timezone", &[&TEXT, &TIMESTAMP], &TIMESTAMPTZ, timestamp_at_zone),
    scalar(1026, "timezone", &[&INTERVAL, &TIMESTAMPTZ], &TIMESTAMP, timestamptz_at_interval),
    scalar(2070, "timezone", &[&INTERVAL, &TIMESTAMP], &TIMESTAMPTZ, timestamp_at_interval),
    scalar(1373, "isfinite", &[&DATE], &BOOL, is_finite_date),
    scalar(2048, "isfinite", &[&TIMESTAMP], &BOOL, is_finite_timestamp),
    scalar(1389, "isfinite", &[&TIMESTAMPTZ], &BOOL, is_finite_timestamp),
    scalar(3846, "make_date", &[&INT4, &INT4, &INT4], &DATE, make_date),
    scalar(3847, "make_time", &[&INT4, &INT4, &FLOAT8], &TIME, make_time),
    scalar(3461, "make_timestamp", FIELDS, &TIMESTAMP, make_timestamp),
    scalar(1158, "to_timestamp", &[&FLOAT8], &TIMESTAMPTZ, to_timestamp),
    scalar(1175, "justify_hours", &[&INTERVAL], &INTERVAL, justify_hours),
    scalar(1295, "justify_days", &[&INTERVAL], &INTERVAL, justify_days),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(1100, "+", scalar(1141, "date_pli", &[&DATE, &INT4], &DATE, date_add)),
    operator(2555, "+", scalar(2550, "integer_pl_date", &[&INT4, &DATE], &DATE, days_add)),
    operator(1101, "-", scalar(1142, "date_mii", &[&DATE, &INT4], &DATE, date_subtract_days)),
    operator(1099, "-", scalar(1140, "date_mi", &[&DATE, &DATE], &INT4, date_subtract)),
    operator(1076, "+", scalar(2071, "date_pl_interval", &[&DATE, &INTERVAL], &TIMESTAMP, date_add_interval)),
    operator(2551, "+", scalar(2546, "interval_pl_date", &[&INTERVAL, &DATE], &TIMESTAMP, interval_date_add)),
    operator(
        1077,
        "-",
        scalar(2072, "date_mi_interval", &[&DATE, &INTERVAL], &TIMESTAMP, date_subtract_interval),
    ),
    operator(1360, "+", scalar(1272, "datetime_pl", &[&DATE, &TIME], &TIMESTAMP, date_add_time)),
    operator(1363, "+", scalar(1296, "timedate_pl", &[&TIME, &DATE], &TIMESTAMP, time_add_date)),
    operator(
        2066,
        "+",
        scalar(2032, "timestamp_pl_interval", &[&TIMESTAMP, &INTERVAL], &TIMESTAMP, timestamp_add),
    ),
    operator(
        2553,
        "+",
        scalar(2548, "interval_pl_timestamp", &[&INTERVAL, &TIMESTAMP], &TIMESTAMP, interval_timestamp_add),
    ),
    operator(
        2068,
        "-",
        scalar(
            2033,
            "timestamp_mi_interval",
            &[&TIMESTAMP, &INTERVAL],
            &TIMESTAMP,
            timestamp_subtract_interval,
        ),
    ),
    operator(
        2067,
        "-",
        scalar(2031, "timestamp_mi", &[&TIMESTAMP, &TIMESTAMP], &INTERVAL, timestamp_subtract),
    ),
    operator(
        1327,
        "+",
        scalar(1189, "timestamptz_pl_interval", &[&TIMESTAMPTZ, &INTERVAL], &TIMESTAMPTZ, timestamptz_add)
            .stable(),
    ),
    operator(
        2554,
        "+",
        scalar(
            2549,
            "interval_pl_timestamptz",
            &[&INTERVAL, &TIMESTAMPTZ],
            &TIMESTAMPTZ,
            interval_timestamptz_add,
        )
        .stable(),
    ),
    operator(
        1329,
        "-",
        scalar(
            1190,
            "timestamptz_mi_interval",
            &[&TIMESTAMPTZ, &INTERVAL],
            &TIMESTAMPTZ,
            timestamptz_subtract_interval,
        )
        .stable(),
    ),
    operator(
        1328,
        "-",
        scalar(1188, "timestamptz_mi", &[&TIMESTAMPTZ, &TIMESTAMPTZ], &INTERVAL, timestamp_subtract),
    ),
    operator(1800, "+", scalar(1747, "time_pl_interval", &[&TIME, &INTERVAL], &TIME, time_add_interval)),
    operator(1849, "+", scalar(1848, "interval_pl_time", &[&INTERVAL, &TIME], &TIME, interval_time_add)),
    operator(1801, "-", scalar(1748, "time_mi_interval", &[&TIME, &INTERVAL], &TIME, time_subtract_interval)),
    operator(1399, "-", scalar(1690, "time_mi_time", &[&TIME, &TIME], &INTERVAL, time_subtract)),
    operator(1337, "+", scalar(1169, "interval_pl", &[&INTERVAL, &INTERVAL], &INTERVAL, interval_add)),
    operator(1338, "-", scalar(1170, "interval_mi", &[&INTERVAL, &INTERVAL], &INTERVAL, interval_subtract)),
    operator(1336, "-", scalar(1168, "interval_um", &[&INTERVAL], &INTERVAL, interval_negate)),
    operator(1583, "*", scalar(1618, "interval_mul", &[&INTERVAL, &FLOAT8], &INTERVAL, interval_multiply)),
    operator(1584, "*", scalar(1624, "mul_d_interval", &[&FLOAT8, &INTERVAL], &INTERVAL, multiply_interval)),
    operator(1585, "/", scalar(1326, "interval_div", &[&INTERVAL, &FLOAT8], &INTERVAL, interval_divide)),
];
