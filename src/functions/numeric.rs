//! Arithmetic on numeric.

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

use super::integer::int4;
use super::{Env, Function, Operator, native, operator, scalar};
use crate::bail;
use crate::error::Result;
use crate::types::integer::{INT4, INT8};
use crate::types::numeric::{Decimal, NUMERIC, Numeric};
use crate::types::{Datum, DatumRef, Type};

fn number(value: DatumRef<'_>) -> Numeric {
    Numeric::from_stored(value.text())
}

fn binary(args: &[DatumRef<'_>], operation: fn(&Numeric, &Numeric) -> Result<Numeric>) -> Result<Datum> {
    Ok(operation(&number(args[0]), &number(args[1]))?.to_datum())
}

fn add(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    binary(args, Numeric::add)
}

fn subtract(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    binary(args, Numeric::subtract)
}

fn multiply(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    binary(args, Numeric::multiply)
}

fn divide(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    binary(args, Numeric::divide)
}

fn divide_whole(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    binary(args, Numeric::divide_whole)
}

fn modulo(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    binary(args, Numeric::remainder)
}

fn negate(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(number(args[0]).negate().to_datum())
}

fn absolute(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = number(args[0]);
    Ok(if value.sign() == Some(-1) { value.negate() } else { value }.to_datum())
}

fn map(args: &[DatumRef<'_>], function: impl FnOnce(&Decimal) -> Decimal) -> Result<Datum> {
    Ok(number(args[0]).map(function)?.to_datum())
}

fn round(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    map(args, |value| value.round(0))
}

fn round_at(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    map(args, |value| value.round(args[1].integer()))
}

fn trunc(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    map(args, |value| value.truncate(0))
}

fn trunc_at(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    map(args, |value| value.truncate(args[1].integer()))
}

fn ceil(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    map(args, Decimal::ceil)
}

fn floor(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    map(args, Decimal::floor)
}

fn sign(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(match number(args[0]).sign() {
        Some(sign) => Numeric::from_i64(sign.into()),
        None => Numeric::NaN,
    }
    .to_datum())
}

/// The square root, with PostgreSQL's scale: 16 significant digits at least (numeric_sqrt).
fn sqrt(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = number(args[0]);
    if value.sign() == Some(-1) {
        bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "cannot take square root of a negative number");
    }
    let Numeric::Finite(decimal) = &value else { return Ok(value.to_datum()) };
    let exponent = match decimal.mantissa.is_zero() {
        true => 0,
        false => decimal.mantissa.magnitude().to_string().len() as i64 - i64::from(decimal.scale) - 1,
    };
    let root_weight = (exponent.div_euclid(4) + 1) * 2 - 1;
    let scale = (16 - root_weight).max(decimal.scale.into()).clamp(0, 1000) as u32;
    Ok(Numeric::Finite(root_at(decimal, scale)).to_datum())
}

/// The root rounded at a scale: from one more digit than is kept.
pub(super) fn root_at(decimal: &Decimal, scale: u32) -> Decimal {
    let wide = decimal.rescale(decimal.scale.max((scale + 1) * 2));
    let wanted = (scale + 1) * 2;
    let shifted: BigInt = if wide.scale > wanted {
        wide.mantissa / BigInt::from(10u8).pow(wide.scale - wanted)
    } else {
        wide.mantissa
    };
    Decimal { mantissa: shifted.sqrt(), scale: scale + 1 }.rescale(scale)
}

fn scale(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(match number(args[0]) {
        Numeric::Finite(decimal) => Datum::Integer(decimal.scale.into()),
        _ => Datum::Null,
    })
}

/// How many decimals are needed to show the value exactly.
fn least_scale(decimal: &Decimal) -> u32 {
    let digits = decimal.mantissa.abs().to_string();
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    if decimal.mantissa.is_zero() { 0 } else { decimal.scale.saturating_sub(zeros as u32) }
}

fn min_scale(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(match number(args[0]) {
        Numeric::Finite(decimal) => Datum::Integer(least_scale(&decimal).into()),
        _ => Datum::Null,
    })
}

fn trim_scale(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    map(args, |value| value.rescale(least_scale(value)))
}

fn factorial(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    const ARGUMENT_MAX: i64 = 32_177;
    let argument = args[0].integer();
    if argument < 0 {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "factorial of a negative number is undefined");
    }
    if argument > ARGUMENT_MAX {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format");
    }
    let product = (2..=argument).fold(BigInt::from(1), |product, factor| product * factor);
    Ok(Numeric::Finite(Decimal { mantissa: product, scale: 0 }).to_datum())
}

/// What every form of width_bucket refuses. 2201G
pub(super) fn check_width_bucket(
    count: i64,
    has_nan: bool,
    bounds_are_finite: bool,
    equal: bool,
) -> Result<()> {
    if count <= 0 {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "count must be greater than zero");
    }
    if has_nan {
        bail!(
            INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION,
            "operand, lower bound, and upper bound cannot be NaN"
        );
    }
    if !bounds_are_finite {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower and upper bounds must be finite");
    }
    if equal {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower bound cannot equal upper bound");
    }
    Ok(())
}

fn width_bucket(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (operand, low, high, count) = (number(args[0]), number(args[1]), number(args[2]), args[3].integer());
    let has_nan = [&operand, &low, &high].iter().any(|value| matches!(value, Numeric::NaN));
    let bounds = low.finite().zip(high.finite());
    let equal = NUMERIC.compare(args[1], args[2]).is_eq();
    check_width_bucket(count, has_nan, bounds.is_some(), equal)?;
    let Some((low, high)) = bounds else { return Ok(Datum::Null) };
    let is_rising = NUMERIC.compare(args[1], args[2]).is_lt();
    let is_beyond = |infinite: bool| if infinite == is_rising { count + 1 } else { 0 };
    let bucket = match &operand {
        Numeric::Infinity => is_beyond(true),
        Numeric::Finite(operand) => {
            let scale = operand.scale.max(low.scale).max(high.scale);
            let [operand, low, high] = [operand, low, high].map(|value| value.rescale(scale).mantissa);
            let (above, width) =
                if is_rising { (operand - &low, high - &low) } else { (&low - operand, &low - high) };
            match () {
                _ if above.is_negative() => 0,
                _ if above >= width => count + 1,
                _ => (above * count / width).to_i64().unwrap_or(count) + 1,
            }
        }
        _ => is_beyond(false),
    };
    int4(bucket)
}

const ONE: &[&Type] = &[&NUMERIC];
const TWO: &[&Type] = &[&NUMERIC, &NUMERIC];

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(1705, "abs", ONE, &NUMERIC, absolute),
    scalar(1708, "round", ONE, &NUMERIC, round),
    scalar(1707, "round", &[&NUMERIC, &INT4], &NUMERIC, round_at),
    scalar(1710, "trunc", ONE, &NUMERIC, trunc),
    scalar(1709, "trunc", &[&NUMERIC, &INT4], &NUMERIC, trunc_at),
    scalar(1711, "ceil", ONE, &NUMERIC, ceil),
    scalar(2167, "ceiling", ONE, &NUMERIC, ceil),
    scalar(1712, "floor", ONE, &NUMERIC, floor),
    scalar(1706, "sign", ONE, &NUMERIC, sign),
    scalar(1730, "sqrt", ONE, &NUMERIC, sqrt),
    scalar(2170, "width_bucket", &[&NUMERIC, &NUMERIC, &NUMERIC, &INT4], &INT4, width_bucket),
    scalar(1728, "mod", TWO, &NUMERIC, modulo),
    scalar(1973, "div", TWO, &NUMERIC, divide_whole),
    scalar(3281, "scale", ONE, &INT4, scale),
    scalar(5042, "min_scale", ONE, &INT4, min_scale),
    scalar(5043, "trim_scale", ONE, &NUMERIC, trim_scale),
    scalar(1376, "factorial", &[&INT8], &NUMERIC, factorial),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(1758, "+", scalar(1724, "numeric_add", TWO, &NUMERIC, add)),
    operator(1759, "-", scalar(1725, "numeric_sub", TWO, &NUMERIC, subtract)),
    operator(1760, "*", scalar(1726, "numeric_mul", TWO, &NUMERIC, multiply)),
    operator(1761, "/", scalar(1727, "numeric_div", TWO, &NUMERIC, divide)),
    operator(1762, "%", scalar(1729, "numeric_mod", TWO, &NUMERIC, modulo)),
    operator(1921, "+", native(1915, "numeric_uplus", ONE, &NUMERIC, "{0}")),
    operator(1751, "-", scalar(1771, "numeric_uminus", ONE, &NUMERIC, negate)),
    operator(1763, "@", scalar(1704, "numeric_abs", ONE, &NUMERIC, absolute)),
];
