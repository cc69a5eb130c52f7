//! Statistical and ordered-set aggregates.

use num_bigint::BigInt;
use num_traits::Zero;

use super::numeric::root_at;
use super::{Aggregate, Body, Env, Function, Kind, Signature};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::array::{Array, FLOAT8_ARRAY, INTERVAL_ARRAY};
use crate::types::float::{FLOAT4, FLOAT8, datum};
use crate::types::integer::{INT2, INT4, INT8};
use crate::types::interval::{INTERVAL, Interval};
use crate::types::numeric::{Decimal, NUMERIC, Numeric};
use crate::types::record::{ANYARRAY, ANYELEMENT};
use crate::types::{Datum, DatumRef, Oid, Type};

/// The most values that an ordered-set aggregate keeps.
const VALUES_MAX: usize = 20_000_000;

/// What is made of a sum of squares.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Spread {
    sample: bool,
    root: bool,
}

fn check_overflow(value: f64, inputs_are_finite: bool) -> Result<()> {
    if value.is_infinite() && inputs_are_finite {
        return Err(Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow"));
    }
    Ok(())
}

/// Of doubles, by the algorithm of Youngs and Cramer as in float8_accum.
struct Doubles {
    spread: Spread,
    count: f64,
    sum: f64,
    squares: f64,
}

impl Aggregate for Doubles {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        if args[0].is_null() {
            return Ok(());
        }
        let value = args[0].real();
        let before = self.sum;
        self.count += 1.0;
        self.sum += value;
        if self.count > 1.0 {
            let difference = value * self.count - self.sum;
            self.squares += difference * difference / (self.count * (self.count - 1.0));
            if self.sum.is_infinite() || self.squares.is_infinite() {
                check_overflow(f64::INFINITY, before.is_finite() && value.is_finite())?;
                self.squares = f64::NAN;
            }
        } else if !value.is_finite() {
            self.squares = f64::NAN;
        }
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        let least = if self.spread.sample { 2.0 } else { 1.0 };
        if self.count < least {
            return Ok(Datum::Null);
        }
        let variance = self.squares / if self.spread.sample { self.count - 1.0 } else { self.count };
        Ok(datum(if self.spread.root { variance.sqrt() } else { variance }))
    }
}

/// Of integers and numerics, exactly.
struct Numerics {
    spread: Spread,
    count: i64,
    special: bool,
    sum: Decimal,
    squares: Decimal,
}

impl Aggregate for Numerics {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        let value = match args[0] {
            DatumRef::Null => return Ok(()),
            DatumRef::Integer(value) => Decimal::from_i64(value),
            other => match Numeric::from_stored(other.text()) {
                Numeric::Finite(decimal) => decimal,
                _ => {
                    self.count += 1;
                    self.special = true;
                    return Ok(());
                }
            },
        };
        self.count += 1;
        let square = Decimal { mantissa: &value.mantissa * &value.mantissa, scale: value.scale * 2 };
        self.sum = sum_of(&self.sum, &value);
        self.squares = sum_of(&self.squares, &square);
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        if self.count < if self.spread.sample { 2 } else { 1 } {
            return Ok(Datum::Null);
        }
        if self.special {
            return Ok(Numeric::NaN.to_datum());
        }
        let count = BigInt::from(self.count);
        let of_squares = Decimal { mantissa: &self.squares.mantissa * &count, scale: self.squares.scale };
        let square_of =
            Decimal { mantissa: &self.sum.mantissa * &self.sum.mantissa, scale: self.sum.scale * 2 };
        let scale = of_squares.scale.max(square_of.scale);
        let difference = of_squares.rescale(scale).mantissa - square_of.rescale(scale).mantissa;
        if difference <= BigInt::zero() {
            return Ok(Numeric::from_i64(0).to_datum());
        }
        let divisor = if self.spread.sample { &count * (&count - 1) } else { &count * &count };
        let dividend = Numeric::Finite(Decimal { mantissa: difference, scale });
        let variance = dividend.divide(&Numeric::Finite(Decimal { mantissa: divisor, scale: 0 }))?;
        Ok(match (variance, self.spread.root) {
            (Numeric::Finite(decimal), true) => {
                let scale = decimal.scale;
                Numeric::Finite(root_at(&decimal, scale)).to_datum()
            }
            (variance, _) => variance.to_datum(),
        })
    }
}

fn sum_of(a: &Decimal, b: &Decimal) -> Decimal {
    let scale = a.scale.max(b.scale);
    Decimal { mantissa: a.rescale(scale).mantissa + b.rescale(scale).mantissa, scale }
}

fn doubles<const SAMPLE: bool, const ROOT: bool>() -> Box<dyn Aggregate> {
    let spread = Spread { sample: SAMPLE, root: ROOT };
    Box::new(Doubles { spread, count: 0.0, sum: 0.0, squares: 0.0 })
}

fn numerics<const SAMPLE: bool, const ROOT: bool>() -> Box<dyn Aggregate> {
    let zero = || Decimal::from_i64(0);
    let spread = Spread { sample: SAMPLE, root: ROOT };
    Box::new(Numerics { spread, count: 0, special: false, sum: zero(), squares: zero() })
}

/// What is made of pairs (float8_regr_accum): Y first, X second.
struct Pairs {
    result: fn(&Pairs) -> Datum,
    count: f64,
    sum_x: f64,
    sum_y: f64,
    squares_x: f64,
    squares_y: f64,
    products: f64,
}

impl Aggregate for Pairs {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        if args[0].is_null() || args[1].is_null() {
            return Ok(());
        }
        let (y, x) = (args[0].real(), args[1].real());
        self.count += 1.0;
        self.sum_x += x;
        self.sum_y += y;
        if self.count > 1.0 {
            let (dx, dy) = (x * self.count - self.sum_x, y * self.count - self.sum_y);
            let scale = 1.0 / (self.count * (self.count - 1.0));
            self.squares_x += dx * dx * scale;
            self.squares_y += dy * dy * scale;
            self.products += dx * dy * scale;
            check_overflow(self.squares_x, x.is_finite() && self.sum_x.is_finite())?;
            check_overflow(self.squares_y, y.is_finite() && self.sum_y.is_finite())?;
            for sum in [&mut self.squares_x, &mut self.squares_y, &mut self.products] {
                if sum.is_infinite() {
                    *sum = f64::NAN;
                }
            }
        } else {
            if !x.is_finite() {
                (self.squares_x, self.products) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (self.squares_y, self.products) = (f64::NAN, f64::NAN);
            }
        }
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        Ok((self.result)(self))
    }
}

fn of_some(pairs: &Pairs, least: f64, value: f64) -> Datum {
    if pairs.count < least { Datum::Null } else { datum(value) }
}

macro_rules! pairs {
    ($($name:ident => $result:expr;)*) => {
        $(fn $name() -> Box<dyn Aggregate> {
            Box::new(Pairs {
                result: $result,
                count: 0.0,
                sum_x: 0.0,
                sum_y: 0.0,
                squares_x: 0.0,
                squares_y: 0.0,
                products: 0.0,
            })
        })*
    };
}

pairs! {
    regr_count => |pairs| Datum::Integer(pairs.count as i64);
    regr_sxx => |pairs| of_some(pairs, 1.0, pairs.squares_x);
    regr_syy => |pairs| of_some(pairs, 1.0, pairs.squares_y);
    regr_sxy => |pairs| of_some(pairs, 1.0, pairs.products);
    regr_avgx => |pairs| of_some(pairs, 1.0, pairs.sum_x / pairs.count);
    regr_avgy => |pairs| of_some(pairs, 1.0, pairs.sum_y / pairs.count);
    covar_pop => |pairs| of_some(pairs, 1.0, pairs.products / pairs.count);
    covar_samp => |pairs| of_some(pairs, 2.0, pairs.products / (pairs.count - 1.0));
    corr => |pairs| match pairs.squares_x == 0.0 || pairs.squares_y == 0.0 {
        true => Datum::Null,
        false => of_some(pairs, 1.0, pairs.products / (pairs.squares_x * pairs.squares_y).sqrt()),
    };
    regr_r2 => |pairs| match (pairs.squares_x == 0.0, pairs.squares_y == 0.0) {
        (true, _) => Datum::Null,
        (false, true) => of_some(pairs, 1.0, 1.0),
        _ => of_some(pairs, 1.0, pairs.products * pairs.products / (pairs.squares_x * pairs.squares_y)),
    };
    regr_slope => |pairs| match pairs.squares_x == 0.0 {
        true => Datum::Null,
        false => of_some(pairs, 1.0, pairs.products / pairs.squares_x),
    };
    regr_intercept => |pairs| match pairs.squares_x == 0.0 {
        true => Datum::Null,
        false => of_some(
            pairs,
            1.0,
            (pairs.sum_y - pairs.sum_x * pairs.products / pairs.squares_x) / pairs.count,
        ),
    };
}

/// percentile_disc, percentile_cont and mode: the values come sorted.
struct Sorted {
    kind: SortedKind,
    /// The fraction, or an array of them.
    fractions: Option<Datum>,
    many: bool,
    element: &'static Type,
    values: Vec<Datum>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SortedKind {
    Discrete,
    Continuous,
    Mode,
}

impl Sorted {
    fn at(&self, fraction: f64) -> Result<Datum> {
        if !(0.0..=1.0).contains(&fraction) {
            bail!(NUMERIC_VALUE_OUT_OF_RANGE, "percentile value {fraction} is not between 0 and 1");
        }
        let count = self.values.len() as f64;
        if self.kind == SortedKind::Discrete {
            let row = (fraction * count).ceil().max(1.0) as usize;
            return Ok(self.values[row - 1].clone());
        }
        let place = fraction * (count - 1.0);
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        if low == high {
            return Ok(self.values[low].clone());
        }
        between(self.values[low].as_ref(), self.values[high].as_ref(), place - low as f64)
    }
}

fn between(low: DatumRef<'_>, high: DatumRef<'_>, part: f64) -> Result<Datum> {
    if let (DatumRef::Text(low), DatumRef::Text(high)) = (low, high)
        && low != "NaN"
        && high != "NaN"
    {
        let (low, high) = (Interval::from_stored(low), Interval::from_stored(high));
        return Ok(low.plus(high.plus(low.negate()?)?.multiply(part)?)?.to_datum());
    }
    Ok(datum(low.real() + part * (high.real() - low.real())))
}

impl Aggregate for Sorted {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        let (direct, value) = match args {
            [value] => (None, *value),
            [direct, value, ..] => (Some(*direct), *value),
            [] => return Ok(()),
        };
        if let (None, Some(direct)) = (&self.fractions, direct) {
            self.fractions = Some(direct.to_owned());
        }
        if value.is_null() {
            return Ok(());
        }
        if self.values.len() >= VALUES_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "an ordered-set aggregate has more than {VALUES_MAX} values");
        }
        self.values.push(value.to_owned());
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        if self.values.is_empty() {
            return Ok(Datum::Null);
        }
        if self.kind == SortedKind::Mode {
            return Ok(self.mode());
        }
        match &self.fractions {
            None | Some(Datum::Null) => Ok(Datum::Null),
            Some(Datum::Text(stored)) if self.many => {
                let mut fractions = Array::from_stored(stored);
                for fraction in fractions.elements.iter_mut().filter(|fraction| !fraction.is_null()) {
                    *fraction = self.at(fraction.as_ref().real())?;
                }
                Ok(fractions.to_datum(self.element))
            }
            Some(fraction) => self.at(fraction.as_ref().real()),
        }
    }
}

impl Sorted {
    /// The most frequent value, the first of them if several are.
    fn mode(&self) -> Datum {
        let (mut best, mut best_count, mut start) = (0, 0, 0);
        for place in 0..=self.values.len() {
            let ends = place == self.values.len()
                || self.element.compare(self.values[place].as_ref(), self.values[start].as_ref()).is_ne();
            if ends {
                if place - start > best_count {
                    (best, best_count) = (start, place - start);
                }
                start = place;
            }
        }
        self.values[best].clone()
    }
}

fn sorted(signature: &Signature, kind: SortedKind) -> Box<dyn Aggregate> {
    let value = signature.args.last().copied().unwrap_or(&FLOAT8);
    let many = signature.args.len() > 1 && signature.args[0].element().is_some();
    Box::new(Sorted { kind, fractions: None, many, element: value, values: Vec::new() })
}

fn discrete(signature: &Signature) -> Box<dyn Aggregate> {
    sorted(signature, SortedKind::Discrete)
}

fn continuous(signature: &Signature) -> Box<dyn Aggregate> {
    sorted(signature, SortedKind::Continuous)
}

fn mode(signature: &Signature) -> Box<dyn Aggregate> {
    sorted(signature, SortedKind::Mode)
}

const fn of(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    body: fn() -> Box<dyn Aggregate>,
) -> Function {
    Function::new(oid, name, args, result, Body::Aggregate(body)).kind(Kind::Aggregate).called_on_null()
}

const fn ordered(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    body: fn(&Signature) -> Box<dyn Aggregate>,
) -> Function {
    Function::new(oid, name, args, result, Body::TypedAggregate(body))
        .kind(Kind::Aggregate)
        .called_on_null()
        .direct(args.len() - 1)
}

const BOTH: &[&Type] = &[&FLOAT8, &FLOAT8];

pub(super) const FUNCTIONS: &[Function] = &[
    of(2718, "var_pop", &[&INT8], &NUMERIC, numerics::<false, false>),
    of(2719, "var_pop", &[&INT4], &NUMERIC, numerics::<false, false>),
    of(2720, "var_pop", &[&INT2], &NUMERIC, numerics::<false, false>),
    of(2721, "var_pop", &[&FLOAT4], &FLOAT8, doubles::<false, false>),
    of(2722, "var_pop", &[&FLOAT8], &FLOAT8, doubles::<false, false>),
    of(2723, "var_pop", &[&NUMERIC], &NUMERIC, numerics::<false, false>),
    of(2641, "var_samp", &[&INT8], &NUMERIC, numerics::<true, false>),
    of(2642, "var_samp", &[&INT4], &NUMERIC, numerics::<true, false>),
    of(2643, "var_samp", &[&INT2], &NUMERIC, numerics::<true, false>),
    of(2644, "var_samp", &[&FLOAT4], &FLOAT8, doubles::<true, false>),
    of(2645, "var_samp", &[&FLOAT8], &FLOAT8, doubles::<true, false>),
    of(2646, "var_samp", &[&NUMERIC], &NUMERIC, numerics::<true, false>),
    of(2148, "variance", &[&INT8], &NUMERIC, numerics::<true, false>),
    of(2149, "variance", &[&INT4], &NUMERIC, numerics::<true, false>),
    of(2150, "variance", &[&INT2], &NUMERIC, numerics::<true, false>),
    of(2151, "variance", &[&FLOAT4], &FLOAT8, doubles::<true, false>),
    of(2152, "variance", &[&FLOAT8], &FLOAT8, doubles::<true, false>),
    of(2153, "variance", &[&NUMERIC], &NUMERIC, numerics::<true, false>),
    of(2724, "stddev_pop", &[&INT8], &NUMERIC, numerics::<false, true>),
    of(2725, "stddev_pop", &[&INT4], &NUMERIC, numerics::<false, true>),
    of(2726, "stddev_pop", &[&INT2], &NUMERIC, numerics::<false, true>),
    of(2727, "stddev_pop", &[&FLOAT4], &FLOAT8, doubles::<false, true>),
    of(2728, "stddev_pop", &[&FLOAT8], &FLOAT8, doubles::<false, true>),
    of(2729, "stddev_pop", &[&NUMERIC], &NUMERIC, numerics::<false, true>),
    of(2712, "stddev_samp", &[&INT8], &NUMERIC, numerics::<true, true>),
    of(2713, "stddev_samp", &[&INT4], &NUMERIC, numerics::<true, true>),
    of(2714, "stddev_samp", &[&INT2], &NUMERIC, numerics::<true, true>),
    of(2715, "stddev_samp", &[&FLOAT4], &FLOAT8, doubles::<true, true>),
    of(2716, "stddev_samp", &[&FLOAT8], &FLOAT8, doubles::<true, true>),
    of(2717, "stddev_samp", &[&NUMERIC], &NUMERIC, numerics::<true, true>),
    of(2154, "stddev", &[&INT8], &NUMERIC, numerics::<true, true>),
    of(2155, "stddev", &[&INT4], &NUMERIC, numerics::<true, true>),
    of(2156, "stddev", &[&INT2], &NUMERIC, numerics::<true, true>),
    of(2157, "stddev", &[&FLOAT4], &FLOAT8, doubles::<true, true>),
    of(2158, "stddev", &[&FLOAT8], &FLOAT8, doubles::<true, true>),
    of(2159, "stddev", &[&NUMERIC], &NUMERIC, numerics::<true, true>),
    of(2818, "regr_count", BOTH, &INT8, regr_count),
    of(2819, "regr_sxx", BOTH, &FLOAT8, regr_sxx),
    of(2820, "regr_syy", BOTH, &FLOAT8, regr_syy),
    of(2821, "regr_sxy", BOTH, &FLOAT8, regr_sxy),
    of(2822, "regr_avgx", BOTH, &FLOAT8, regr_avgx),
    of(2823, "regr_avgy", BOTH, &FLOAT8, regr_avgy),
    of(2824, "regr_r2", BOTH, &FLOAT8, regr_r2),
    of(2825, "regr_slope", BOTH, &FLOAT8, regr_slope),
    of(2826, "regr_intercept", BOTH, &FLOAT8, regr_intercept),
    of(2827, "covar_pop", BOTH, &FLOAT8, covar_pop),
    of(2828, "covar_samp", BOTH, &FLOAT8, covar_samp),
    of(2829, "corr", BOTH, &FLOAT8, corr),
    ordered(3972, "percentile_disc", &[&FLOAT8, &ANYELEMENT], &ANYELEMENT, discrete),
    ordered(3978, "percentile_disc", &[&FLOAT8_ARRAY, &ANYELEMENT], &ANYARRAY, discrete),
    ordered(3974, "percentile_cont", &[&FLOAT8, &FLOAT8], &FLOAT8, continuous),
    ordered(3976, "percentile_cont", &[&FLOAT8, &INTERVAL], &INTERVAL, continuous),
    ordered(3980, "percentile_cont", &[&FLOAT8_ARRAY, &FLOAT8], &FLOAT8_ARRAY, continuous),
    ordered(3982, "percentile_cont", &[&FLOAT8_ARRAY, &INTERVAL], &INTERVAL_ARRAY, continuous),
    ordered(3984, "mode", &[&ANYELEMENT], &ANYELEMENT, mode),
];
