//! generate_series.

use super::{Env, Function, Rows, SetBody, Signature};
use crate::bail;
use crate::error::Result;
use crate::types::integer::{INT4, INT8};
use crate::types::interval::{INTERVAL, Interval};
use crate::types::numeric::{NUMERIC, Numeric};
use crate::types::timestamp::{TIMESTAMP, TIMESTAMPTZ};
use crate::types::{Datum, DatumRef, Oid, Type, timestamp};

use super::datetime::{add_to_timestamp, add_to_timestamptz};

fn zero_step<T>() -> Result<T> {
    bail!(INVALID_PARAMETER_VALUE, "step size cannot equal zero")
}

fn integers(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let (start, stop) = (args[0].integer(), args[1].integer());
    let step = args.get(2).map_or(1, |step| step.integer());
    if step == 0 {
        return zero_step();
    }
    let within = move |value: &i64| if step > 0 { *value <= stop } else { *value >= stop };
    let values = std::iter::successors(Some(start), move |value| value.checked_add(step));
    Ok(Box::new(values.take_while(within).map(|value| Ok(vec![Datum::Integer(value)]))))
}

fn numerics(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let read = |value: &DatumRef<'_>| Numeric::from_stored(value.text());
    let (start, stop) = (read(&args[0]), read(&args[1]));
    let step = args.get(2).map_or(Numeric::from_i64(1), read);
    for (value, name) in [(&start, "start"), (&stop, "stop"), (&step, "step")] {
        if value.finite().is_none() {
            let what = if *value == Numeric::NaN { "NaN" } else { "infinity" };
            let name = if name == "step" { "step size" } else { &format!("{name} value") };
            bail!(INVALID_PARAMETER_VALUE, "{name} cannot be {what}");
        }
    }
    let rising = match step.sign() {
        Some(0) | None => return zero_step(),
        Some(sign) => sign > 0,
    };
    let within = move |value: &Numeric| {
        let difference = stop.subtract(value).ok().and_then(|difference| difference.sign()).unwrap_or(0);
        if rising { difference >= 0 } else { difference <= 0 }
    };
    let values = std::iter::successors(Some(start), move |value| value.add(&step).ok());
    Ok(Box::new(values.take_while(within).map(|value| Ok(vec![value.to_datum()]))))
}

/// Timestamps by an interval; months are not all of one length, so each step is an addition.
fn timestamps(
    args: &[DatumRef<'_>],
    add: impl Fn(i64, Interval) -> Result<i64> + Send + 'static,
) -> Result<Rows> {
    let (start, stop) = (args[0].integer(), args[1].integer());
    let step = Interval::from_stored(args[2].text());
    let rising = match step.span_us() {
        0 => return zero_step(),
        span => span > 0,
    };
    if timestamp::is_infinite(start) {
        return Ok(Box::new(std::iter::once(Ok(vec![Datum::Integer(start)]))));
    }
    let mut next = Some(Ok(start));
    Ok(Box::new(std::iter::from_fn(move || {
        let value = match next.take()? {
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        };
        if (rising && value > stop) || (!rising && value < stop) {
            return None;
        }
        next = Some(add(value, step));
        Some(Ok(vec![Datum::Integer(value)]))
    })))
}

fn local_timestamps(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    timestamps(args, add_to_timestamp)
}

fn zoned_timestamps(args: &[DatumRef<'_>], _: &Signature, env: &dyn Env) -> Result<Rows> {
    let zone = env.format().time_zone.clone();
    timestamps(args, move |value, step| add_to_timestamptz(value, step, &zone))
}

const fn set(oid: Oid, args: &'static [&'static Type], result: &'static Type, body: SetBody) -> Function {
    super::set(oid, "generate_series", args, result, body)
}

pub(super) const FUNCTIONS: &[Function] = &[
    set(1066, &[&INT4, &INT4, &INT4], &INT4, integers),
    set(1067, &[&INT4, &INT4], &INT4, integers),
    set(1068, &[&INT8, &INT8, &INT8], &INT8, integers),
    set(1069, &[&INT8, &INT8], &INT8, integers),
    set(3259, &[&NUMERIC, &NUMERIC, &NUMERIC], &NUMERIC, numerics),
    set(3260, &[&NUMERIC, &NUMERIC], &NUMERIC, numerics),
    set(938, &[&TIMESTAMP, &TIMESTAMP, &INTERVAL], &TIMESTAMP, local_timestamps),
    set(939, &[&TIMESTAMPTZ, &TIMESTAMPTZ, &INTERVAL], &TIMESTAMPTZ, zoned_timestamps).stable(),
];
