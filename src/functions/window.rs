//! Window functions: SQLite's own mean the same.

use super::{Body, Function, Kind};
use crate::types::float::FLOAT8;
use crate::types::integer::{INT4, INT8};
use crate::types::record::{ANYCOMPATIBLE, ANYELEMENT};
use crate::types::{Oid, Type};

const fn window(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    template: &'static str,
) -> Function {
    Function::new(oid, name, args, result, Body::Native(template)).kind(Kind::Window).called_on_null()
}

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
