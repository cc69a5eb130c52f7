//! Aggregates. Where SQLite's own means the same it is used; the others keep their state in Rust.

use super::{Aggregate, Body, Env, Function, Kind};
use crate::error::{Error, Result, state};
use crate::types::boolean::BOOL;
use crate::types::bytea::BYTEA;
use crate::types::date::DATE;
use crate::types::float::{FLOAT4, FLOAT8, datum};
use crate::types::integer::{INT2, INT4, INT8};
use crate::types::interval::{INTERVAL, Interval};
use crate::types::numeric::{Decimal, NUMERIC, Numeric};
use crate::types::oid::OID;
use crate::types::record::{ANY, ANYARRAY};
use crate::types::text::{BPCHAR, TEXT};
use crate::types::time::TIME;
use crate::types::timestamp::{TIMESTAMP, TIMESTAMPTZ};
use crate::types::timetz::TIMETZ;
use crate::types::{Datum, DatumRef, Oid, Type};

/// sum(int8) and avg of integers: exact in 128 bits.
#[derive(Default)]
struct Integers<const AVERAGE: bool> {
    count: i64,
    sum: i128,
}

impl<const AVERAGE: bool> Aggregate for Integers<AVERAGE> {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        if let DatumRef::Integer(value) = args[0] {
            self.count += 1;
            self.sum += i128::from(value);
        }
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        let sum = Numeric::Finite(Decimal { mantissa: self.sum.into(), scale: 0 });
        match AVERAGE {
            true => Ok(sum.divide(&Numeric::from_i64(self.count))?.to_datum()),
            false => Ok(sum.to_datum()),
        }
    }
}

/// sum and avg of numeric.
struct Numerics<const AVERAGE: bool> {
    count: i64,
    sum: Numeric,
}

impl<const AVERAGE: bool> Default for Numerics<AVERAGE> {
    fn default() -> Self {
        Numerics { count: 0, sum: Numeric::from_i64(0) }
    }
}

impl<const AVERAGE: bool> Aggregate for Numerics<AVERAGE> {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        if let DatumRef::Text(value) = args[0] {
            self.count += 1;
            self.sum = self.sum.add(&Numeric::from_stored(value))?;
        }
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        match (self.count, AVERAGE) {
            (0, _) => Ok(Datum::Null),
            (count, true) => Ok(self.sum.divide(&Numeric::from_i64(count))?.to_datum()),
            (_, false) => Ok(self.sum.to_datum()),
        }
    }
}

/// sum and avg of floats: plain additions in the order of the rows, as PostgreSQL does.
#[derive(Default)]
struct Doubles<const AVERAGE: bool, const SINGLE: bool> {
    count: i64,
    sum: f64,
    saw_infinity: bool,
}

impl<const AVERAGE: bool, const SINGLE: bool> Aggregate for Doubles<AVERAGE, SINGLE> {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        if args[0].is_null() {
            return Ok(());
        }
        let value = args[0].real();
        self.count += 1;
        self.saw_infinity |= value.is_infinite();
        self.sum += value;
        if SINGLE && !AVERAGE {
            self.sum = f64::from(self.sum as f32);
        }
        if self.sum.is_infinite() && !self.saw_infinity {
            return Err(Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow"));
        }
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        Ok(match (self.count, AVERAGE) {
            (0, _) => Datum::Null,
            (count, true) => datum(self.sum / count as f64),
            (_, false) => datum(self.sum),
        })
    }
}

/// sum and avg of intervals.
#[derive(Default)]
struct Intervals<const AVERAGE: bool> {
    count: i64,
    sum: Interval,
}

impl<const AVERAGE: bool> Aggregate for Intervals<AVERAGE> {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        if let DatumRef::Text(value) = args[0] {
            self.count += 1;
            self.sum = self.sum.plus(Interval::from_stored(value))?;
        }
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        match (self.count, AVERAGE) {
            (0, _) => Ok(Datum::Null),
            (count, true) => Ok(self.sum.multiply(1.0 / count as f64)?.to_datum()),
            (_, false) => Ok(self.sum.to_datum()),
        }
    }
}

/// bit_and and bit_or.
struct Bits {
    combine: fn(i64, i64) -> i64,
    value: Option<i64>,
}

impl Aggregate for Bits {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        if let DatumRef::Integer(value) = args[0] {
            self.value = Some(self.value.map_or(value, |sum| (self.combine)(sum, value)));
        }
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        Ok(self.value.map_or(Datum::Null, Datum::Integer))
    }
}

/// string_agg of text: the first row's delimiter is not used.
#[derive(Default)]
struct Texts {
    value: Option<String>,
}

impl Aggregate for Texts {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        let DatumRef::Text(text) = args[0] else { return Ok(()) };
        match &mut self.value {
            None => self.value = Some(text.to_owned()),
            Some(sum) => {
                if let DatumRef::Text(delimiter) = args[1] {
                    sum.push_str(delimiter);
                }
                sum.push_str(text);
            }
        }
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        Ok(self.value.clone().map_or(Datum::Null, Datum::Text))
    }
}

/// string_agg of bytea.
#[derive(Default)]
struct Bytes {
    value: Option<Vec<u8>>,
}

impl Aggregate for Bytes {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        let DatumRef::Blob(bytes) = args[0] else { return Ok(()) };
        match &mut self.value {
            None => self.value = Some(bytes.to_vec()),
            Some(sum) => {
                if let DatumRef::Blob(delimiter) = args[1] {
                    sum.extend_from_slice(delimiter);
                }
                sum.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        Ok(self.value.clone().map_or(Datum::Null, Datum::Blob))
    }
}

fn boxed<A: Aggregate + Default + 'static>() -> Box<dyn Aggregate> {
    Box::new(A::default())
}

fn all_bits() -> Box<dyn Aggregate> {
    Box::new(Bits { combine: |a, b| a & b, value: None })
}

fn odd_bits() -> Box<dyn Aggregate> {
    Box::new(Bits { combine: |a, b| a ^ b, value: None })
}

fn any_bits() -> Box<dyn Aggregate> {
    Box::new(Bits { combine: |a, b| a | b, value: None })
}

const fn of(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    body: Body,
) -> Function {
    Function::new(oid, name, args, result, body).kind(Kind::Aggregate).called_on_null()
}

const fn by_sqlite(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    template: &'static str,
) -> Function {
    of(oid, name, args, result, Body::Native(template))
}

const fn max(oid: Oid, arg: &'static [&'static Type; 1]) -> Function {
    by_sqlite(oid, "max", arg, arg[0], "max({0})")
}

const fn min(oid: Oid, arg: &'static [&'static Type; 1]) -> Function {
    by_sqlite(oid, "min", arg, arg[0], "min({0})")
}

pub(super) const FUNCTIONS: &[Function] = &[
    by_sqlite(2803, "count", &[], &INT8, "count(*)"),
    by_sqlite(2147, "count", &[&ANY], &INT8, "count({0})"),
    by_sqlite(2109, "sum", &[&INT2], &INT8, "sum({0})"),
    by_sqlite(2108, "sum", &[&INT4], &INT8, "sum({0})"),
    of(2107, "sum", &[&INT8], &NUMERIC, Body::Aggregate(boxed::<Integers<false>>)),
    of(2114, "sum", &[&NUMERIC], &NUMERIC, Body::Aggregate(boxed::<Numerics<false>>)),
    of(2110, "sum", &[&FLOAT4], &FLOAT4, Body::Aggregate(boxed::<Doubles<false, true>>)),
    of(2111, "sum", &[&FLOAT8], &FLOAT8, Body::Aggregate(boxed::<Doubles<false, false>>)),
    of(2113, "sum", &[&INTERVAL], &INTERVAL, Body::Aggregate(boxed::<Intervals<false>>)),
    of(2102, "avg", &[&INT2], &NUMERIC, Body::Aggregate(boxed::<Integers<true>>)),
    of(2101, "avg", &[&INT4], &NUMERIC, Body::Aggregate(boxed::<Integers<true>>)),
    of(2100, "avg", &[&INT8], &NUMERIC, Body::Aggregate(boxed::<Integers<true>>)),
    of(2103, "avg", &[&NUMERIC], &NUMERIC, Body::Aggregate(boxed::<Numerics<true>>)),
    of(2104, "avg", &[&FLOAT4], &FLOAT8, Body::Aggregate(boxed::<Doubles<true, true>>)),
    of(2105, "avg", &[&FLOAT8], &FLOAT8, Body::Aggregate(boxed::<Doubles<true, false>>)),
    of(2106, "avg", &[&INTERVAL], &INTERVAL, Body::Aggregate(boxed::<Intervals<true>>)),
    max(2117, &[&INT2]),
    max(2116, &[&INT4]),
    max(2115, &[&INT8]),
    max(2118, &[&OID]),
    max(2119, &[&FLOAT4]),
    max(2120, &[&FLOAT8]),
    max(2122, &[&DATE]),
    max(2123, &[&TIME]),
    max(2126, &[&TIMESTAMP]),
    max(2127, &[&TIMESTAMPTZ]),
    max(2128, &[&INTERVAL]),
    max(2129, &[&TEXT]),
    max(2130, &[&NUMERIC]),
    max(2244, &[&BPCHAR]),
    max(2124, &[&TIMETZ]),
    max(2050, &[&ANYARRAY]),
    min(2140, &[&TIMETZ]),
    min(2051, &[&ANYARRAY]),
    of(6164, "bit_xor", &[&INT2], &INT2, Body::Aggregate(odd_bits)),
    of(6165, "bit_xor", &[&INT4], &INT4, Body::Aggregate(odd_bits)),
    of(6166, "bit_xor", &[&INT8], &INT8, Body::Aggregate(odd_bits)),
    min(2133, &[&INT2]),
    min(2132, &[&INT4]),
    min(2131, &[&INT8]),
    min(2134, &[&OID]),
    min(2135, &[&FLOAT4]),
    min(2136, &[&FLOAT8]),
    min(2138, &[&DATE]),
    min(2139, &[&TIME]),
    min(2142, &[&TIMESTAMP]),
    min(2143, &[&TIMESTAMPTZ]),
    min(2144, &[&INTERVAL]),
    min(2145, &[&TEXT]),
    min(2146, &[&NUMERIC]),
    min(2245, &[&BPCHAR]),
    by_sqlite(2517, "bool_and", &[&BOOL], &BOOL, "min({0})"),
    by_sqlite(2519, "every", &[&BOOL], &BOOL, "min({0})"),
    by_sqlite(2518, "bool_or", &[&BOOL], &BOOL, "max({0})"),
    of(2236, "bit_and", &[&INT2], &INT2, Body::Aggregate(all_bits)),
    of(2238, "bit_and", &[&INT4], &INT4, Body::Aggregate(all_bits)),
    of(2240, "bit_and", &[&INT8], &INT8, Body::Aggregate(all_bits)),
    of(2237, "bit_or", &[&INT2], &INT2, Body::Aggregate(any_bits)),
    of(2239, "bit_or", &[&INT4], &INT4, Body::Aggregate(any_bits)),
    of(2241, "bit_or", &[&INT8], &INT8, Body::Aggregate(any_bits)),
    of(3538, "string_agg", &[&TEXT, &TEXT], &TEXT, Body::Aggregate(boxed::<Texts>)),
    of(3545, "string_agg", &[&BYTEA, &BYTEA], &BYTEA, Body::Aggregate(boxed::<Bytes>)),
];
