//! nextval and its kin. The sequences themselves belong to the writer, behind [`Env`].

use super::{Env, Function, scalar};
use crate::error::Result;
use crate::types::boolean::BOOL;
use crate::types::integer::INT8;
use crate::types::oid::REGCLASS;
use crate::types::text::TEXT;
use crate::types::{Datum, DatumRef, Oid};

fn sequence(value: DatumRef<'_>) -> Oid {
    value.integer() as Oid
}

fn next_value(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    env.next_value(sequence(args[0])).map(Datum::Integer)
}

fn current_value(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    env.current_value(sequence(args[0])).map(Datum::Integer)
}

fn last_value(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    env.last_value().map(Datum::Integer)
}

fn set_value(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let is_called = args.get(2).is_none_or(|flag| flag.integer() != 0);
    let value = args[1].integer();
    env.set_value(sequence(args[0]), value, is_called)?;
    Ok(Datum::Integer(value))
}

fn serial_sequence(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(env.serial_sequence(args[0].text(), args[1].text())?.map_or(Datum::Null, Datum::Text))
}

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(1574, "nextval", &[&REGCLASS], &INT8, next_value).writing(),
    scalar(1575, "currval", &[&REGCLASS], &INT8, current_value).volatile(),
    scalar(2559, "lastval", &[], &INT8, last_value).volatile(),
    scalar(1576, "setval", &[&REGCLASS, &INT8], &INT8, set_value).writing(),
    scalar(1765, "setval", &[&REGCLASS, &INT8, &BOOL], &INT8, set_value).writing(),
    scalar(1665, "pg_get_serial_sequence", &[&TEXT, &TEXT], &TEXT, serial_sequence).stable(),
];
