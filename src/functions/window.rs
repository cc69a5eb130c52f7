//! Window functions: SQLite's own mean the same.

use super::{Body, Env, Function, Kind, scalar};
use crate::bail;
use crate::error::Result;
use crate::types::float::FLOAT8;
use crate::types::integer::{INT4, INT8};
use crate::types::record::{ANYCOMPATIBLE, ANYELEMENT};
use crate::types::{Datum, DatumRef, Oid, Type};

const fn window(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    template: &'static str,
) -> Function {
    Function::new(oid, name, args, result, Body::Native(template)).kind(Kind::Window).called_on_null()
}

/// The offset of a frame, which may be neither NULL nor negative.
fn frame_offset(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let is_negative = match args[0] {
        DatumRef::Null => bail!(NULL_VALUE_NOT_ALLOWED, "frame starting offset must not be null"),
        DatumRef::Integer(value) => value < 0,
        value => value.real() < 0.0 || value.real().is_nan(),
    };
    if is_negative {
        bail!(INVALID_PRECEDING_OR_FOLLOWING_SIZE, "invalid preceding or following size in window function");
    }
    Ok(args[0].to_owned())
}

/// What the grammar has for windows; no name calls these.
pub(super) const INTERNAL: &[Function] =
    &[scalar(9040, "frame_offset", &[&ANYELEMENT], &ANYELEMENT, frame_offset).called_on_null()];

pub(super) const FUNCTIONS: &[Function] = &[
    window(3100, "row_number", &[], &INT8, "row_number()"),
    window(3101, "rank", &[], &INT8, "rank()"),
    window(3102, "dense_rank", &[], &INT8, "dense_rank()"),
    window(3103, "percent_rank", &[], &FLOAT8, "percent_rank()"),
    window(3104, "cume_dist", &[], &FLOAT8, "cume_dist()"),
    window(3105, "ntile", &[&INT4], &INT4, "ntile({0})"),
    window(3106, "lag", &[&ANYELEMENT], &ANYELEMENT, "lag({0})"),
    window(3107, "lag", &[&ANYELEMENT, &INT4], &ANYELEMENT, "lag({0}, {1})"),
    window(3108, "lag", &[&ANYCOMPATIBLE, &INT4, &ANYCOMPATIBLE], &ANYCOMPATIBLE, "lag({0}, {1}, {2})"),
    window(3109, "lead", &[&ANYELEMENT], &ANYELEMENT, "lead({0})"),
    window(3110, "lead", &[&ANYELEMENT, &INT4], &ANYELEMENT, "lead({0}, {1})"),
    window(3111, "lead", &[&ANYCOMPATIBLE, &INT4, &ANYCOMPATIBLE], &ANYCOMPATIBLE, "lead({0}, {1}, {2})"),
    window(3112, "first_value", &[&ANYELEMENT], &ANYELEMENT, "first_value({0})"),
    window(3113, "last_value", &[&ANYELEMENT], &ANYELEMENT, "last_value({0})"),
    window(3114, "nth_value", &[&ANYELEMENT, &INT4], &ANYELEMENT, "nth_value({0}, {1})"),
];
