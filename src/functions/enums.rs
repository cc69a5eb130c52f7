//! Enums.

use super::{Body, Env, Function, Kind, Operator, Signature, native, operator, typed};
use crate::bail;
use crate::error::Result;
use crate::types::array::Array;
use crate::types::boolean::BOOL;
use crate::types::record::{ANYARRAY, ANYENUM};
use crate::types::user::Enum;
use crate::types::{Datum, DatumRef, Shape, Type};

fn labels(signature: &Signature) -> Result<&'static Enum> {
    match signature.args.first().map(|ty| ty.shape) {
        Some(Shape::Enum(labels)) => Ok(labels),
        _ => bail!(FEATURE_NOT_SUPPORTED, "could not determine actual enum type"),
    }
}

fn first(_: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    Ok(labels(signature)?.labels.first().map_or(Datum::Null, |label| Datum::Real(label.order)))
}

fn last(_: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    Ok(labels(signature)?.labels.last().map_or(Datum::Null, |label| Datum::Real(label.order)))
}

/// All labels, or those from one to another.
fn range(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let bound = |place: usize, open: f64| match args.get(place) {
        Some(value) if args.len() > 1 && !value.is_null() => value.real(),
        _ => open,
    };
    let (low, high) = (bound(0, f64::NEG_INFINITY), bound(1, f64::INFINITY));
    let found = labels(signature)?.labels.iter().filter(|label| (low..=high).contains(&label.order));
    let elements = found.map(|label| Datum::Real(label.order)).collect();
    Ok(Array::vector(elements).to_datum(signature.args[0]))
}

const ONE: &[&Type] = &[&ANYENUM];
const TWO: &[&Type] = &[&ANYENUM, &ANYENUM];

pub(super) const FUNCTIONS: &[Function] = &[
    typed(3528, "enum_first", ONE, &ANYENUM, first).stable().called_on_null(),
    typed(3529, "enum_last", ONE, &ANYENUM, last).stable().called_on_null(),
    typed(3530, "enum_range", TWO, &ANYARRAY, range).stable().called_on_null(),
    typed(3531, "enum_range", ONE, &ANYARRAY, range).stable().called_on_null(),
    Function::new(3526, "max", ONE, &ANYENUM, Body::Native("max({0})"))
        .kind(Kind::Aggregate)
        .called_on_null(),
    Function::new(3527, "min", ONE, &ANYENUM, Body::Native("min({0})"))
        .kind(Kind::Aggregate)
        .called_on_null(),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(3516, "=", native(3508, "enum_eq", TWO, &BOOL, "{0} = {1}")),
    operator(3517, "<>", native(3509, "enum_ne", TWO, &BOOL, "{0} <> {1}")),
    operator(3518, "<", native(3510, "enum_lt", TWO, &BOOL, "{0} < {1}")),
    operator(3519, ">", native(3511, "enum_gt", TWO, &BOOL, "{0} > {1}")),
    operator(3520, "<=", native(3512, "enum_le", TWO, &BOOL, "{0} <= {1}")),
    operator(3521, ">=", native(3513, "enum_ge", TWO, &BOOL, "{0} >= {1}")),
];
