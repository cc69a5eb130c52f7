//! More of dates and times: date_bin, make_*, OVERLAPS, and time with time zone.

use super::datetime::{Part, add_to_timestamp, add_to_timestamptz, date_to_timestamp, time_part};
use super::{Env, Function, Operator, operator, scalar};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::boolean::BOOL;
use crate::types::calendar::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use crate::types::date::DATE;
use crate::types::float::FLOAT8;
use crate::types::integer::INT4;
use crate::types::interval::{INTERVAL, Interval, out_of_range};
use crate::types::numeric::NUMERIC;
use crate::types::text::TEXT;
use crate::types::time::TIME;
use crate::types::timestamp::{self, TIMESTAMP, TIMESTAMPTZ};
use crate::types::timetz::{TIMETZ, ZonedTime};
use crate::types::{Datum, DatumRef, TimeZone, Type};

fn span(value: DatumRef<'_>) -> Interval {
    Interval::from_stored(value.text())
}

fn date_bin(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (stride, source, origin) = (span(args[0]), args[1].integer(), args[2].integer());
    if timestamp::is_infinite(source) {
        return Ok(Datum::Integer(source));
    }
    if timestamp::is_infinite(origin) {
        bail!(DATETIME_FIELD_OVERFLOW, "origin out of range");
    }
    if stride.months != 0 {
        return Err(Error::unsupported_message(
            "timestamps cannot be binned into intervals containing months or years",
        ));
    }
    let stride_us = i64::from(stride.days)
        .checked_mul(DAY_US)
        .and_then(|days| days.checked_add(stride.time_us))
        .ok_or_else(out_of_range)?;
    if stride_us <= 0 {
        bail!(DATETIME_FIELD_OVERFLOW, "stride must be greater than zero");
    }
    let Some(difference) = source.checked_sub(origin) else { return Err(out_of_range()) };
    let binned =
        difference.div_euclid(stride_us).checked_mul(stride_us).and_then(|start| origin.checked_add(start));
    match binned.filter(|value| timestamp::in_range(*value)) {
        Some(value) => Ok(Datum::Integer(value)),
        None => Err(timestamp::out_of_range()),
    }
}

fn make_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let part = |place: usize| args[place].integer();
    let seconds = args[6].real();
    if !seconds.is_finite() {
        return Err(out_of_range());
    }
    let months = part(0).checked_mul(12).and_then(|years| years.checked_add(part(1)));
    let days = part(2).checked_mul(7).and_then(|weeks| weeks.checked_add(part(3)));
    let time = (part(4) * HOUR_US).checked_add(part(5) * MINUTE_US);
    let seconds = (seconds * SECOND_US as f64).round_ties_even();
    let time = time.and_then(|time| time.checked_add(seconds as i64));
    let (Some(months), Some(days), Some(time_us)) = (months, days, time) else { return Err(out_of_range()) };
    let (Ok(months), Ok(days)) = (i32::try_from(months), i32::try_from(days)) else {
        return Err(out_of_range());
    };
    Ok(Interval { months, days, time_us }.to_datum())
}

/// The zone that a text names, or a numeric offset (parse_sane_timezone).
fn zone_named(name: &str) -> Result<TimeZone> {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Error::new(
            state::INVALID_PARAMETER_VALUE,
            format!("invalid input syntax for type numeric time zone: \"{name}\""),
        )
        .with_hint("Numeric time zones must have \"-\" or \"+\" as first character."));
    }
    if name.starts_with(['+', '-']) {
        let offset = crate::types::timezone::parse_offset(name).and_then(TimeZone::fixed);
        return offset.ok_or_else(|| {
            Error::new(state::INVALID_PARAMETER_VALUE, format!("numeric time zone \"{name}\" out of range"))
        });
    }
    if let Some(offset) = crate::types::timezone::abbreviation(&name.to_ascii_lowercase())
        && let Some(zone) = TimeZone::fixed(offset)
    {
        return Ok(zone);
    }
    match TimeZone::find(name) {
        Some(zone) => Ok(zone),
        None => bail!(INVALID_PARAMETER_VALUE, "time zone \"{name}\" not recognized"),
    }
}

fn make_timestamptz(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let local = super::datetime::make_timestamp(&args[..6], env)?.as_ref().integer();
    let value = match args.get(6) {
        None => env.format().time_zone.to_utc(local),
        Some(zone) => zone_named(zone.text())?.to_utc(local),
    };
    if timestamp::in_range(value) { Ok(Datum::Integer(value)) } else { Err(timestamp::out_of_range()) }
}

fn justify_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = span(args[0]);
    let (mut months, mut days, mut time) = (i64::from(value.months), i64::from(value.days), value.time_us);
    if (days > 0 && time > 0) || (days < 0 && time < 0) {
        months += days / 30;
        days %= 30;
    }
    days += time / DAY_US;
    time %= DAY_US;
    months += days / 30;
    days %= 30;
    if months > 0 && (days < 0 || (days == 0 && time < 0)) {
        days += 30;
        months -= 1;
    } else if months < 0 && (days > 0 || (days == 0 && time > 0)) {
        days -= 30;
        months += 1;
    }
    if days > 0 && time < 0 {
        time += DAY_US;
        days -= 1;
    } else if days < 0 && time > 0 {
        time -= DAY_US;
        days += 1;
    }
    let Ok(months) = i32::try_from(months) else { return Err(out_of_range()) };
    Ok(Interval { months, days: days as i32, time_us: time }.to_datum())
}

fn is_finite_interval(_: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::bool(true))
}

/// Whether two spans of time have a moment in common (overlaps_timestamp). A missing end counts as unknown.
fn overlap(ends: [Option<i64>; 4]) -> Datum {
    let ordered = |a: Option<i64>, b: Option<i64>| match (a, b) {
        (Some(a), Some(b)) if a > b => (Some(b), Some(a)),
        (None, Some(b)) => (Some(b), None),
        pair => pair,
    };
    let ((start1, end1), (start2, end2)) = (ordered(ends[0], ends[1]), ordered(ends[2], ends[3]));
    let (Some(start1), Some(start2)) = (start1, start2) else { return Datum::Null };
    match start1.cmp(&start2) {
        std::cmp::Ordering::Greater => match (end2, end1) {
            (Some(end2), _) if start1 < end2 => Datum::bool(true),
            (Some(_), Some(_)) => Datum::bool(false),
            _ => Datum::Null,
        },
        std::cmp::Ordering::Less => match (end1, end2) {
            (Some(end1), _) if start2 < end1 => Datum::bool(true),
            (Some(_), Some(_)) => Datum::bool(false),
            _ => Datum::Null,
        },
        std::cmp::Ordering::Equal => {
            if end1.is_some() && end2.is_some() {
                Datum::bool(true)
            } else {
                Datum::Null
            }
        }
    }
}

fn moment(value: DatumRef<'_>) -> Option<i64> {
    match value {
        DatumRef::Integer(value) => Some(value),
        _ => None,
    }
}

fn overlaps(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(overlap([moment(args[0]), moment(args[1]), moment(args[2]), moment(args[3])]))
}

/// Adds an interval to the start of a span.
type Add = fn(i64, Interval, &dyn Env) -> Result<i64>;

fn spans(args: &[DatumRef<'_>], first: bool, second: bool, add: Add, env: &dyn Env) -> Result<Datum> {
    let end = |start: DatumRef<'_>, end: DatumRef<'_>, is_interval: bool| -> Result<Option<i64>> {
        match (is_interval, moment(start), end) {
            (false, _, end) => Ok(moment(end)),
            (true, Some(start), DatumRef::Text(span)) => {
                add(start, Interval::from_stored(span), env).map(Some)
            }
            _ => Ok(None),
        }
    };
    let ends =
        [moment(args[0]), end(args[0], args[1], first)?, moment(args[2]), end(args[2], args[3], second)?];
    Ok(overlap(ends))
}

fn local(value: i64, interval: Interval, _: &dyn Env) -> Result<i64> {
    add_to_timestamp(value, interval)
}

fn zoned(value: i64, interval: Interval, env: &dyn Env) -> Result<i64> {
    add_to_timestamptz(value, interval, &env.format().time_zone)
}

fn clock(value: i64, interval: Interval, _: &dyn Env) -> Result<i64> {
    Ok((value + interval.time_us).rem_euclid(DAY_US))
}

macro_rules! overlaps {
    ($($name:ident = $first:literal, $second:literal, $add:expr;)*) => {
        $(fn $name(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
            spans(args, $first, $second, $add, env)
        })*
    };
}

overlaps! {
    overlaps_local_both = true, true, local;
    overlaps_local_first = true, false, local;
    overlaps_local_second = false, true, local;
    overlaps_zoned_both = true, true, zoned;
    overlaps_zoned_first = true, false, zoned;
    overlaps_zoned_second = false, true, zoned;
    overlaps_clock_both = true, true, clock;
    overlaps_clock_first = true, false, clock;
    overlaps_clock_second = false, true, clock;
}

fn zoned_time(value: DatumRef<'_>) -> ZonedTime {
    ZonedTime::from_stored(value.integer())
}

fn timetz_add(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = zoned_time(args[0]);
    let time_us = (value.time_us + span(args[1]).time_us).rem_euclid(DAY_US);
    Ok(ZonedTime { time_us, ..value }.to_datum())
}

fn interval_timetz_add(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    timetz_add(&[args[1], args[0]], env)
}

fn timetz_subtract(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = zoned_time(args[0]);
    let time_us = (value.time_us - span(args[1]).time_us).rem_euclid(DAY_US);
    Ok(ZonedTime { time_us, ..value }.to_datum())
}

fn date_timetz_add(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let midnight = date_to_timestamp(args[0].integer())?;
    if timestamp::is_infinite(midnight) {
        return Ok(Datum::Integer(midnight));
    }
    let time = zoned_time(args[1]);
    let value = midnight + time.time_us - i64::from(time.offset) * SECOND_US;
    if timestamp::in_range(value) { Ok(Datum::Integer(value)) } else { Err(timestamp::out_of_range()) }
}

fn timetz_date_add(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    date_timetz_add(&[args[1], args[0]], env)
}

/// A field of a time with time zone.
fn timetz_part(value: ZonedTime, name: &str) -> Result<Part> {
    match name.to_lowercase().as_str() {
        "timezone" => Ok(Part::Whole(value.offset.into())),
        "timezone_hour" | "timezone_h" => Ok(Part::Whole((value.offset / 3600).into())),
        "timezone_minute" | "timezone_m" => Ok(Part::Whole((value.offset / 60 % 60).into())),
        "epoch" => Ok(Part::Seconds(value.time_us - i64::from(value.offset) * SECOND_US)),
        _ => time_part(value.time_us, name, &TIMETZ),
    }
}

fn extract_timetz(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(timetz_part(zoned_time(args[1]), args[0].text())?.to_numeric())
}

fn date_part_timetz(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(timetz_part(zoned_time(args[1]), args[0].text())?.to_double())
}

fn timetz_at_zone(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let zone = zone_named(args[0].text())?;
    let offset = zone.offset_at(env.format().now_us);
    Ok(zoned_time(args[1]).at_offset(offset).to_datum())
}

fn timetz_at_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let zone = span(args[0]);
    if zone.months != 0 || zone.days != 0 {
        bail!(INVALID_PARAMETER_VALUE, "interval time zone must not include months or days");
    }
    Ok(zoned_time(args[1]).at_offset((zone.time_us / SECOND_US) as i32).to_datum())
}

fn time_of_day(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let text = super::format_datetime::time_of_day(env.clock_us(), &env.format().time_zone)?;
    Ok(Datum::Text(text))
}

const FIELDS: &[&Type] = &[&INT4, &INT4, &INT4, &INT4, &INT4, &FLOAT8];

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(6177, "date_bin", &[&INTERVAL, &TIMESTAMP, &TIMESTAMP], &TIMESTAMP, date_bin),
    scalar(6178, "date_bin", &[&INTERVAL, &TIMESTAMPTZ, &TIMESTAMPTZ], &TIMESTAMPTZ, date_bin),
    scalar(
        3464,
        "make_interval",
        &[&INT4, &INT4, &INT4, &INT4, &INT4, &INT4, &FLOAT8],
        &INTERVAL,
        make_interval,
    )
    .parameters(&[
        ("years", Some("0")),
        ("months", Some("0")),
        ("weeks", Some("0")),
        ("days", Some("0")),
        ("hours", Some("0")),
        ("mins", Some("0")),
        ("secs", Some("0.0")),
    ]),
    scalar(3462, "make_timestamptz", FIELDS, &TIMESTAMPTZ, make_timestamptz).stable(),
    scalar(
        3463,
        "make_timestamptz",
        &[&INT4, &INT4, &INT4, &INT4, &INT4, &FLOAT8, &TEXT],
        &TIMESTAMPTZ,
        make_timestamptz,
    )
    .stable(),
    scalar(2711, "justify_interval", &[&INTERVAL], &INTERVAL, justify_interval),
    scalar(1390, "isfinite", &[&INTERVAL], &BOOL, is_finite_interval),
    scalar(274, "timeofday", &[], &TEXT, time_of_day).volatile(),
    scalar(1304, "overlaps", &[&TIMESTAMPTZ, &TIMESTAMPTZ, &TIMESTAMPTZ, &TIMESTAMPTZ], &BOOL, overlaps)
        .called_on_null(),
    scalar(1305, "overlaps", &[&TIMESTAMPTZ, &INTERVAL, &TIMESTAMPTZ, &INTERVAL], &BOOL, overlaps_zoned_both)
        .stable()
        .called_on_null(),
    scalar(
        1306,
        "overlaps",
        &[&TIMESTAMPTZ, &TIMESTAMPTZ, &TIMESTAMPTZ, &INTERVAL],
        &BOOL,
        overlaps_zoned_second,
    )
    .stable()
    .called_on_null(),
    scalar(
        1307,
        "overlaps",
        &[&TIMESTAMPTZ, &INTERVAL, &TIMESTAMPTZ, &TIMESTAMPTZ],
        &BOOL,
        overlaps_zoned_first,
    )
    .stable()
    .called_on_null(),
    scalar(2041, "overlaps", &[&TIMESTAMP, &TIMESTAMP, &TIMESTAMP, &TIMESTAMP], &BOOL, overlaps)
        .called_on_null(),
    scalar(2042, "overlaps", &[&TIMESTAMP, &INTERVAL, &TIMESTAMP, &INTERVAL], &BOOL, overlaps_local_both)
        .called_on_null(),
    scalar(2043, "overlaps", &[&TIMESTAMP, &TIMESTAMP, &TIMESTAMP, &INTERVAL], &BOOL, overlaps_local_second)
        .called_on_null(),
    scalar(2044, "overlaps", &[&TIMESTAMP, &INTERVAL, &TIMESTAMP, &TIMESTAMP], &BOOL, overlaps_local_first)
        .called_on_null(),
    scalar(1308, "overlaps", &[&TIME, &TIME, &TIME, &TIME], &BOOL, overlaps).called_on_null(),
    scalar(1309, "overlaps", &[&TIME, &INTERVAL, &TIME, &INTERVAL], &BOOL, overlaps_clock_both)
        .called_on_null(),
    scalar(1310, "overlaps", &[&TIME, &TIME, &TIME, &INTERVAL], &BOOL, overlaps_clock_second)
        .called_on_null(),
    scalar(1311, "overlaps", &[&TIME, &INTERVAL, &TIME, &TIME], &BOOL, overlaps_clock_first).called_on_null(),
    scalar(1271, "overlaps", &[&TIMETZ, &TIMETZ, &TIMETZ, &TIMETZ], &BOOL, overlaps).called_on_null(),
    scalar(6201, "extract", &[&TEXT, &TIMETZ], &NUMERIC, extract_timetz),
    scalar(1273, "date_part", &[&TEXT, &TIMETZ], &FLOAT8, date_part_timetz),
    scalar(2037, "timezone", &[&TEXT, &TIMETZ], &TIMETZ, timetz_at_zone).stable(),
    scalar(2038, "timezone", &[&INTERVAL, &TIMETZ], &TIMETZ, timetz_at_interval),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(1802, "+", scalar(1749, "timetz_pl_interval", &[&TIMETZ, &INTERVAL], &TIMETZ, timetz_add)),
    operator(
        2552,
        "+",
        scalar(2547, "interval_pl_timetz", &[&INTERVAL, &TIMETZ], &TIMETZ, interval_timetz_add),
    ),
    operator(1803, "-", scalar(1750, "timetz_mi_interval", &[&TIMETZ, &INTERVAL], &TIMETZ, timetz_subtract)),
    operator(1361, "+", scalar(1297, "datetimetz_pl", &[&DATE, &TIMETZ], &TIMESTAMPTZ, date_timetz_add)),
    operator(1366, "+", scalar(1298, "timetzdate_pl", &[&TIMETZ, &DATE], &TIMESTAMPTZ, timetz_date_add)),
];
