//! Rows as values, and the conditions of domains.

use super::{Env, Function, Operator, Signature, native, operator, scalar, typed};
use crate::error::{Error, Result, state};
use crate::types::boolean::BOOL;
use crate::types::integer::INT4;
use crate::types::oid::OID;
use crate::types::record::{ANY, ANYELEMENT, Field, RECORD, Row};
use crate::types::text::TEXT;
use crate::types::{Datum, DatumRef, Oid, Type};

/// ROW(…): the signature has the fields' names and types.
fn construct(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    let fields = args.iter().zip(&signature.columns).map(|(value, column)| Field {
        name: column.name.clone(),
        type_oid: column.ty.oid,
        value: DatumRef::to_owned(*value),
    });
    Ok(Row { fields: fields.collect() }.to_datum(env.format()))
}

/// (row).field, by the field's place.
fn field(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let row = Row::from_stored(args[0].text());
    let place = args[1].integer() as usize;
    Ok(row.fields.into_iter().nth(place).map_or(Datum::Null, |field| field.value))
}

/// Whether all fields are NULL, or none is: what IS NULL and IS NOT NULL mean for a row.
fn all_null(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let is_null = match args[0] {
        DatumRef::Null => true,
        row => Row::from_stored(row.text()).fields.iter().all(|field| field.value.is_null()),
    };
    Ok(Datum::bool(is_null))
}

fn none_null(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let is_whole = match args[0] {
        DatumRef::Null => false,
        row => Row::from_stored(row.text()).fields.iter().all(|field| !field.value.is_null()),
    };
    Ok(Datum::bool(is_whole))
}

/// Refuses a value of a domain: (domain, constraint).
fn domain_violation(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let (oid, constraint) = (args[0].integer() as Oid, args[1].text());
    let name = env.format().type_by_oid(oid).map_or("?", |ty| ty.name);
    Err(match constraint {
        "" => Error::new(state::NOT_NULL_VIOLATION, format!("domain {name} does not allow null values"))
            .about_data_type(name),
        constraint => Error::new(
            state::CHECK_VIOLATION,
            format!("value for domain {name} violates check constraint \"{constraint}\""),
        )
        .about_data_type(name)
        .about_constraint(constraint),
    })
}

const TWO: &[&Type] = &[&RECORD, &RECORD];

/// What the grammar has for rows and domains; no name calls these.
pub(super) const INTERNAL: &[Function] = &[
    typed(9020, "row", &[&ANY], &RECORD, construct).variadic(),
    scalar(9021, "row_field", &[&RECORD, &INT4], &ANYELEMENT, field),
    scalar(9022, "row_is_null", &[&RECORD], &BOOL, all_null).called_on_null(),
    scalar(9023, "row_is_not_null", &[&RECORD], &BOOL, none_null).called_on_null(),
    scalar(9024, "domain_violation", &[&OID, &TEXT], &ANYELEMENT, domain_violation).stable(),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(2988, "=", native(2981, "record_eq", TWO, &BOOL, "{0} = {1}")),
    operator(2989, "<>", native(2982, "record_ne", TWO, &BOOL, "{0} <> {1}")),
    operator(2990, "<", native(2983, "record_lt", TWO, &BOOL, "{0} < {1}")),
    operator(2992, "<=", native(2985, "record_le", TWO, &BOOL, "{0} <= {1}")),
    operator(2991, ">", native(2984, "record_gt", TWO, &BOOL, "{0} > {1}")),
    operator(2993, ">=", native(2986, "record_ge", TWO, &BOOL, "{0} >= {1}")),
];
