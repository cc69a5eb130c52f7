//! Arithmetic on float4 and float8, with PostgreSQL's checks for overflow and underflow.

use super::integer::int4;
use super::numeric::check_width_bucket;
use super::{Env, Function, Operator, native, operator, scalar};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::boolean::BOOL;
use crate::types::float::{FLOAT4, FLOAT8, datum};
use crate::types::integer::INT4;
use crate::types::numeric::division_by_zero;
use crate::types::{Datum, DatumRef, Type};

fn overflow() -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}

fn underflow() -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
}

/// A result that may only be infinite if an argument was.
fn finite(value: f64, args: &[f64]) -> Result<f64> {
    if value.is_infinite() && args.iter().all(|arg| !arg.is_infinite()) {
        return Err(overflow());
    }
    Ok(value)
}

/// A product or quotient, which may not vanish either, unless an argument was zero or infinite.
fn kept(value: f64, vanishes: bool, args: &[f64]) -> Result<f64> {
    if value == 0.0 && !vanishes {
        return Err(underflow());
    }
    finite(value, args)
}

fn pair(args: &[DatumRef<'_>]) -> (f64, f64) {
    (args[0].real(), args[1].real())
}

/// An operation on doubles, or on floats, which are stored as doubles.
fn compute<const SINGLE: bool>(
    args: &[DatumRef<'_>],
    operation: fn(f64, f64) -> Result<f64>,
) -> Result<Datum> {
    let (a, b) = pair(args);
    let exact = operation(a, b)?;
    if !SINGLE {
        return Ok(datum(exact));
    }
    let single = f64::from(exact as f32);
    if single == 0.0 && exact != 0.0 {
        return Err(underflow());
    }
    finite(single, &[exact]).map(datum)
}

fn add<const SINGLE: bool>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    compute::<SINGLE>(args, |a, b| finite(a + b, &[a, b]))
}

fn subtract<const SINGLE: bool>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    compute::<SINGLE>(args, |a, b| finite(a - b, &[a, b]))
}

fn multiply<const SINGLE: bool>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    compute::<SINGLE>(args, |a, b| kept(a * b, a == 0.0 || b == 0.0, &[a, b]))
}

fn divide<const SINGLE: bool>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    compute::<SINGLE>(args, |a, b| {
        if b == 0.0 && !a.is_nan() {
            return Err(division_by_zero());
        }
        kept(a / b, a == 0.0 || b.is_infinite(), &[a])
    })
}

fn negate(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(datum(-args[0].real()))
}

fn absolute(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(datum(args[0].real().abs()))
}

macro_rules! unary {
    ($($name:ident = $body:expr;)*) => {
        $(fn $name(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
            let body: fn(f64) -> f64 = $body;
            Ok(datum(body(args[0].real())))
        })*
    };
}

unary! {
    round = f64::round_ties_even;
    ceil = f64::ceil;
    floor = f64::floor;
    trunc = f64::trunc;
    cbrt = f64::cbrt;
    sign = |value| if value > 0.0 { 1.0 } else if value < 0.0 { -1.0 } else { 0.0 };
    radians = |value| value * (std::f64::consts::PI / 180.0);
    degrees = |value| value / (std::f64::consts::PI / 180.0);
    atan = f64::atan;
    tanh = f64::tanh;
    sinh = f64::sinh;
    cosh = f64::cosh;
}

/// A function that is defined for some arguments only.
fn within(value: f64, accept: fn(f64) -> bool, function: fn(f64) -> f64) -> Result<Datum> {
    if !value.is_nan() && !accept(value) {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range");
    }
    Ok(datum(function(value)))
}

fn sin(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), f64::is_finite, f64::sin)
}

fn cos(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), f64::is_finite, f64::cos)
}

fn tan(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), f64::is_finite, f64::tan)
}

fn asin(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), |value| value.abs() <= 1.0, f64::asin)
}

fn acos(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), |value| value.abs() <= 1.0, f64::acos)
}

fn atan2(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (y, x) = pair(args);
    Ok(datum(y.atan2(x)))
}

fn asinh(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(datum(args[0].real().asinh()))
}

fn acosh(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), |value| value >= 1.0, f64::acosh)
}

fn atanh(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), |value| value.abs() <= 1.0, f64::atanh)
}

fn cot(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), f64::is_finite, |value| 1.0 / value.tan())
}

/// Functions of degrees, exact where a textbook is: values are scaled by what the arithmetic gives at 30, 45 and 60
/// degrees, as in PostgreSQL's float.c.
mod degrees {
    use std::hint::black_box;

    /// An angle brought into a quadrant, and the signs that sine and cosine have where it was.
    pub(super) struct Reduced {
        pub(super) angle: f64,
        pub(super) sine_sign: f64,
        pub(super) cosine_sign: f64,
    }

    pub(super) fn reduced(angle: f64) -> Reduced {
        let mut reduced = Reduced { angle: angle % 360.0, sine_sign: 1.0, cosine_sign: 1.0 };
        if reduced.angle < 0.0 {
            (reduced.angle, reduced.sine_sign) = (-reduced.angle, -1.0);
        }
        if reduced.angle > 180.0 {
            (reduced.angle, reduced.sine_sign) = (360.0 - reduced.angle, -reduced.sine_sign);
        }
        if reduced.angle > 90.0 {
            (reduced.angle, reduced.cosine_sign) = (180.0 - reduced.angle, -1.0);
        }
        reduced
    }

    // Nothing may be computed when compiling, with other digits.
    fn sin(degrees: f64) -> f64 {
        black_box(degrees).to_radians().sin()
    }

    fn sine_below_30(angle: f64) -> f64 {
        (sin(angle) / sin(30.0)) / 2.0
    }

    fn cosine_below_60(angle: f64) -> f64 {
        let lack = |angle: f64| 1.0 - black_box(angle).to_radians().cos();
        1.0 - (lack(angle) / lack(60.0)) / 2.0
    }

    pub(super) fn sine(angle: f64) -> f64 {
        if angle <= 30.0 { sine_below_30(angle) } else { cosine_below_60(90.0 - angle) }
    }

    pub(super) fn cosine(angle: f64) -> f64 {
        if angle <= 60.0 { cosine_below_60(angle) } else { sine_below_30(90.0 - angle) }
    }

    fn small_arc_sine(value: f64) -> f64 {
        value.asin() / black_box(0.5f64).asin() * 30.0
    }

    fn small_arc_cosine(value: f64) -> f64 {
        value.acos() / black_box(0.5f64).acos() * 60.0
    }

    /// Of a value from 0 to 1.
    pub(super) fn arc_sine(value: f64) -> f64 {
        if value <= 0.5 { small_arc_sine(value) } else { 90.0 - small_arc_cosine(value) }
    }

    /// Of a value from 0 to 1.
    pub(super) fn arc_cosine(value: f64) -> f64 {
        if value <= 0.5 { 90.0 - small_arc_sine(value) } else { small_arc_cosine(value) }
    }

    /// From an arc in radians, so that the arc tangent of one is 45.
    pub(super) fn of_arc(radians: f64) -> f64 {
        radians / black_box(1.0f64).atan() * 45.0
    }
}

fn sind(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), f64::is_finite, |value| {
        let reduced = degrees::reduced(value);
        reduced.sine_sign * degrees::sine(reduced.angle)
    })
}

fn cosd(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), f64::is_finite, |value| {
        let reduced = degrees::reduced(value);
        reduced.cosine_sign * degrees::cosine(reduced.angle)
    })
}

fn tand(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), f64::is_finite, |value| {
        let tangent = |angle: f64| degrees::sine(angle) / degrees::cosine(angle);
        let reduced = degrees::reduced(value);
        // Adding zero makes minus zero plain.
        reduced.sine_sign * reduced.cosine_sign * (tangent(reduced.angle) / tangent(45.0)) + 0.0
    })
}

fn cotd(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    within(args[0].real(), f64::is_finite, |value| {
        let cotangent = |angle: f64| degrees::cosine(angle) / degrees::sine(angle);
        let reduced = degrees::reduced(value);
        reduced.sine_sign * reduced.cosine_sign * (cotangent(reduced.angle) / cotangent(45.0)) + 0.0
    })
}

fn asind(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let arc = |value: f64| degrees::arc_sine(value.abs()) * if value < 0.0 { -1.0 } else { 1.0 };
    within(args[0].real(), |value| value.abs() <= 1.0, arc)
}

fn acosd(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let arc = |value: f64| {
        if value >= 0.0 { degrees::arc_cosine(value) } else { 90.0 + degrees::arc_sine(-value) }
    };
    within(args[0].real(), |value| value.abs() <= 1.0, arc)
}

fn atand(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(datum(degrees::of_arc(args[0].real().atan())))
}

fn atan2d(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (y, x) = pair(args);
    Ok(datum(degrees::of_arc(y.atan2(x))))
}

fn sqrt(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = args[0].real();
    if value < 0.0 {
        bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "cannot take square root of a negative number");
    }
    Ok(datum(value.sqrt()))
}

fn exp(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = args[0].real();
    let result = value.exp();
    kept(result, value.is_infinite(), &[value]).map(datum)
}

fn logarithm(args: &[DatumRef<'_>], function: fn(f64) -> f64) -> Result<Datum> {
    let value = args[0].real();
    if value == 0.0 {
        bail!(INVALID_ARGUMENT_FOR_LOGARITHM, "cannot take logarithm of zero");
    }
    if value < 0.0 {
        bail!(INVALID_ARGUMENT_FOR_LOGARITHM, "cannot take logarithm of a negative number");
    }
    Ok(datum(function(value)))
}

fn ln(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    logarithm(args, f64::ln)
}

fn log10(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    logarithm(args, f64::log10)
}

fn power(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (base, exponent) = pair(args);
    if base == 0.0 && exponent < 0.0 {
        bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        bail!(
            INVALID_ARGUMENT_FOR_POWER_FUNCTION,
            "a negative number raised to a non-integer power yields a complex result"
        );
    }
    let result = base.powf(exponent);
    let vanishes = base == 0.0 || base.is_infinite() || exponent.is_infinite();
    kept(result, vanishes, &[base, exponent]).map(datum)
}

fn random(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(Datum::Real(env.random_double()))
}

fn pi(_: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Real(std::f64::consts::PI))
}

const ONE: &[&Type] = &[&FLOAT8];
const TWO: &[&Type] = &[&FLOAT8, &FLOAT8];
const SINGLES: &[&Type] = &[&FLOAT4, &FLOAT4];
const SINGLE_DOUBLE: &[&Type] = &[&FLOAT4, &FLOAT8];
const DOUBLE_SINGLE: &[&Type] = &[&FLOAT8, &FLOAT4];

/// width_bucket_float8
fn width_bucket(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (operand, low, high, count) = (args[0].real(), args[1].real(), args[2].real(), args[3].integer());
    let has_nan = operand.is_nan() || low.is_nan() || high.is_nan();
    check_width_bucket(count, has_nan, low.is_finite() && high.is_finite(), low == high)?;
    let (above, width) = if low < high { (operand - low, high - low) } else { (low - operand, low - high) };
    let bucket = match () {
        _ if above < 0.0 => 0,
        _ if above >= width => count + 1,
        // Rounding may reach the bound that the operand is below.
        _ => ((count as f64 * (above / width)) as i64).min(count - 1) + 1,
    };
    int4(bucket)
}

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(320, "width_bucket", &[&FLOAT8, &FLOAT8, &FLOAT8, &INT4], &INT4, width_bucket),
    scalar(1394, "abs", &[&FLOAT4], &FLOAT4, absolute),
    scalar(1395, "abs", ONE, &FLOAT8, absolute),
    scalar(1342, "round", ONE, &FLOAT8, round),
    scalar(2308, "ceil", ONE, &FLOAT8, ceil),
    scalar(2320, "ceiling", ONE, &FLOAT8, ceil),
    scalar(2309, "floor", ONE, &FLOAT8, floor),
    scalar(1343, "trunc", ONE, &FLOAT8, trunc),
    scalar(2310, "sign", ONE, &FLOAT8, sign),
    scalar(1344, "sqrt", ONE, &FLOAT8, sqrt),
    scalar(1345, "cbrt", ONE, &FLOAT8, cbrt),
    scalar(1368, "power", TWO, &FLOAT8, power),
    scalar(1346, "pow", TWO, &FLOAT8, power),
    scalar(1347, "exp", ONE, &FLOAT8, exp),
    scalar(1341, "ln", ONE, &FLOAT8, ln),
    scalar(1340, "log", ONE, &FLOAT8, log10),
    scalar(1194, "log10", ONE, &FLOAT8, log10),
    scalar(1610, "pi", &[], &FLOAT8, pi),
    scalar(1609, "radians", ONE, &FLOAT8, radians),
    scalar(1608, "degrees", ONE, &FLOAT8, degrees),
    scalar(1604, "sin", ONE, &FLOAT8, sin),
    scalar(1605, "cos", ONE, &FLOAT8, cos),
    scalar(1606, "tan", ONE, &FLOAT8, tan),
    scalar(1600, "asin", ONE, &FLOAT8, asin),
    scalar(1601, "acos", ONE, &FLOAT8, acos),
    scalar(1602, "atan", ONE, &FLOAT8, atan),
    scalar(1603, "atan2", TWO, &FLOAT8, atan2),
    scalar(2462, "sinh", ONE, &FLOAT8, sinh),
    scalar(2463, "cosh", ONE, &FLOAT8, cosh),
    scalar(2464, "tanh", ONE, &FLOAT8, tanh),
    scalar(2465, "asinh", ONE, &FLOAT8, asinh),
    scalar(2466, "acosh", ONE, &FLOAT8, acosh),
    scalar(2467, "atanh", ONE, &FLOAT8, atanh),
    scalar(1607, "cot", ONE, &FLOAT8, cot),
    scalar(2735, "sind", ONE, &FLOAT8, sind),
    scalar(2736, "cosd", ONE, &FLOAT8, cosd),
    scalar(2737, "tand", ONE, &FLOAT8, tand),
    scalar(2738, "cotd", ONE, &FLOAT8, cotd),
    scalar(2731, "asind", ONE, &FLOAT8, asind),
    scalar(2732, "acosd", ONE, &FLOAT8, acosd),
    scalar(2733, "atand", ONE, &FLOAT8, atand),
    scalar(2734, "atan2d", TWO, &FLOAT8, atan2d),
    scalar(1598, "random", &[], &FLOAT8, random).volatile(),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(586, "+", scalar(204, "float4pl", SINGLES, &FLOAT4, add::<true>)),
    operator(591, "+", scalar(218, "float8pl", TWO, &FLOAT8, add::<false>)),
    operator(587, "-", scalar(205, "float4mi", SINGLES, &FLOAT4, subtract::<true>)),
    operator(592, "-", scalar(219, "float8mi", TWO, &FLOAT8, subtract::<false>)),
    operator(589, "*", scalar(202, "float4mul", SINGLES, &FLOAT4, multiply::<true>)),
    operator(594, "*", scalar(216, "float8mul", TWO, &FLOAT8, multiply::<false>)),
    operator(588, "/", scalar(203, "float4div", SINGLES, &FLOAT4, divide::<true>)),
    operator(593, "/", scalar(217, "float8div", TWO, &FLOAT8, divide::<false>)),
    operator(1116, "+", scalar(281, "float48pl", SINGLE_DOUBLE, &FLOAT8, add::<false>)),
    operator(1117, "-", scalar(282, "float48mi", SINGLE_DOUBLE, &FLOAT8, subtract::<false>)),
    operator(1118, "/", scalar(280, "float48div", SINGLE_DOUBLE, &FLOAT8, divide::<false>)),
    operator(1119, "*", scalar(279, "float48mul", SINGLE_DOUBLE, &FLOAT8, multiply::<false>)),
    operator(1126, "+", scalar(285, "float84pl", DOUBLE_SINGLE, &FLOAT8, add::<false>)),
    operator(1127, "-", scalar(286, "float84mi", DOUBLE_SINGLE, &FLOAT8, subtract::<false>)),
    operator(1128, "/", scalar(284, "float84div", DOUBLE_SINGLE, &FLOAT8, divide::<false>)),
    operator(1129, "*", scalar(283, "float84mul", DOUBLE_SINGLE, &FLOAT8, multiply::<false>)),
    operator(1120, "=", native(299, "float48eq", SINGLE_DOUBLE, &BOOL, "{0} = {1}")),
    operator(1121, "<>", native(300, "float48ne", SINGLE_DOUBLE, &BOOL, "{0} <> {1}")),
    operator(1122, "<", native(301, "float48lt", SINGLE_DOUBLE, &BOOL, "{0} < {1}")),
    operator(1123, ">", native(303, "float48gt", SINGLE_DOUBLE, &BOOL, "{0} > {1}")),
    operator(1124, "<=", native(302, "float48le", SINGLE_DOUBLE, &BOOL, "{0} <= {1}")),
    operator(1125, ">=", native(304, "float48ge", SINGLE_DOUBLE, &BOOL, "{0} >= {1}")),
    operator(1130, "=", native(305, "float84eq", DOUBLE_SINGLE, &BOOL, "{0} = {1}")),
    operator(1131, "<>", native(306, "float84ne", DOUBLE_SINGLE, &BOOL, "{0} <> {1}")),
    operator(1132, "<", native(307, "float84lt", DOUBLE_SINGLE, &BOOL, "{0} < {1}")),
    operator(1133, ">", native(309, "float84gt", DOUBLE_SINGLE, &BOOL, "{0} > {1}")),
    operator(1134, "<=", native(308, "float84le", DOUBLE_SINGLE, &BOOL, "{0} <= {1}")),
    operator(1135, ">=", native(310, "float84ge", DOUBLE_SINGLE, &BOOL, "{0} >= {1}")),
    operator(965, "^", scalar(232, "dpow", TWO, &FLOAT8, power)),
    operator(1919, "+", native(1913, "float4up", &[&FLOAT4], &FLOAT4, "{0}")),
    operator(1920, "+", native(1914, "float8up", ONE, &FLOAT8, "{0}")),
    operator(584, "-", scalar(206, "float4um", &[&FLOAT4], &FLOAT4, negate)),
    operator(585, "-", scalar(220, "float8um", ONE, &FLOAT8, negate)),
    operator(590, "@", scalar(207, "float4abs", &[&FLOAT4], &FLOAT4, absolute)),
    operator(595, "@", scalar(221, "float8abs", ONE, &FLOAT8, absolute)),
    operator(596, "|/", scalar(230, "dsqrt", ONE, &FLOAT8, sqrt)),
    operator(597, "||/", scalar(231, "dcbrt", ONE, &FLOAT8, cbrt)),
];
