//! Powers, exponentials and logarithms of numeric, with PostgreSQL's rules for the scale of a result
//! (src/backend/utils/adt/numeric.c). Values are computed in binary fixed point with digits to spare and rounded once.

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::{Env, Function, Operator, operator, scalar};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::numeric::{Decimal, NUMERIC, Numeric, division_by_zero};
use crate::types::{Datum, DatumRef, Type};

/// NUMERIC_MIN_SIG_DIGITS
const SIGNIFICANT_DIGITS: i64 = 16;
/// NUMERIC_MAX_DISPLAY_SCALE
const SCALE_MAX: i64 = 1000;
/// NUMERIC_MAX_RESULT_SCALE
const RESULT_SCALE_MAX: f64 = 2000.0;
/// log10(e), with the digits that PostgreSQL takes; the scale of a result depends on them.
#[allow(clippy::approx_constant)]
const LOG10_E: f64 = 0.434294481903252;
/// Digits of a power that is computed exactly.
const EXACT_DIGITS_MAX: u64 = 600_000;

fn overflow() -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

fn number(value: DatumRef<'_>) -> Numeric {
    Numeric::from_stored(value.text())
}

/// Binary fixed point: `value / 2^bits`.
struct Fixed {
    bits: u64,
}

impl Fixed {
    /// With so many decimal digits after the point, and some more.
    fn with_digits(digits: i64) -> Fixed {
        Fixed { bits: (digits.max(0) as u64 * 3322 / 1000) + 96 }
    }

    fn one(&self) -> BigInt {
        BigInt::one() << self.bits
    }

    fn of(&self, decimal: &Decimal) -> BigInt {
        (&decimal.mantissa << self.bits) / BigInt::from(10u8).pow(decimal.scale)
    }

    /// Rounded towards zero, so that a falling power reaches it.
    fn multiply(&self, a: &BigInt, b: &BigInt) -> BigInt {
        let product = a * b;
        if product.is_negative() { -((-product) >> self.bits) } else { product >> self.bits }
    }

    fn divide(&self, a: &BigInt, b: &BigInt) -> BigInt {
        (a << self.bits) / b
    }

    /// 2·atanh(1/3), and so on: twice the area tangent of a small value.
    fn twice_atanh(&self, value: &BigInt) -> BigInt {
        let square = self.multiply(value, value);
        let (mut power, mut sum, mut place) = (value.clone(), BigInt::zero(), 1u64);
        while !power.is_zero() {
            sum += &power / place;
            power = self.multiply(&power, &square);
            place += 2;
        }
        sum << 1
    }

    fn ln2(&self) -> BigInt {
        self.twice_atanh(&(self.one() / 3))
    }

    /// The natural logarithm of a positive number.
    fn ln(&self, decimal: &Decimal) -> BigInt {
        // x = m · 2^k with m near 1.
        let numerator = decimal.mantissa.magnitude().bits() as i64;
        let divisor = BigInt::from(10u8).pow(decimal.scale);
        let k = numerator - divisor.magnitude().bits() as i64;
        let shift = self.bits as i64 - k;
        let m = if shift >= 0 {
            (&decimal.mantissa << shift as u64) / divisor
        } else {
            &decimal.mantissa / (divisor << (-shift) as u64)
        };
        let one = self.one();
        let small = self.divide(&(&m - &one), &(&m + &one));
        self.twice_atanh(&small) + self.ln2() * k
    }

    /// e to a power: the result, to be shifted left by the second part.
    fn exp(&self, value: &BigInt) -> (BigInt, i64) {
        let ln2 = self.ln2();
        let (k, rest) = value.div_mod_floor(&ln2);
        const HALVINGS: u64 = 12;
        let rest = rest >> HALVINGS;
        let (mut term, mut sum, mut place) = (self.one(), self.one(), 1u64);
        while !term.is_zero() {
            term = self.multiply(&term, &rest) / place;
            sum += &term;
            place += 1;
        }
        for _ in 0..HALVINGS {
            sum = self.multiply(&sum, &sum);
        }
        (sum, k.to_i64().unwrap_or(0))
    }

    /// The decimal nearest to `value · 2^shift`, half away from zero.
    fn round(&self, value: &BigInt, shift: i64, scale: i64) -> Decimal {
        let scale = scale.max(0) as u32;
        let scaled = value * BigInt::from(10u8).pow(scale);
        let down = self.bits as i64 - shift;
        let mantissa = if down <= 0 {
            scaled << (-down) as u64
        } else {
            let half = BigInt::one() << (down as u64 - 1);
            let rounded: BigInt = (scaled.abs() + half) >> down as u64;
            if scaled.sign() == Sign::Minus { -rounded } else { rounded }
        };
        Decimal { mantissa, scale }
    }
}

fn whole_digits(decimal: &Decimal) -> i64 {
    decimal.mantissa.magnitude().to_string().len() as i64 - i64::from(decimal.scale)
}

/// The number in PostgreSQL's base 10000: its first two digits and the first one's weight.
fn leading(decimal: &Decimal) -> (i64, Option<i64>, i64) {
    let text = decimal.mantissa.magnitude().to_string();
    let whole = text.len() as i64 - i64::from(decimal.scale);
    let weight = (whole - 1).div_euclid(4);
    let head = (whole - weight * 4) as usize;
    let take = |from: usize, count: usize| -> i64 {
        let part: String = text.chars().skip(from).chain(std::iter::repeat('0')).take(count).collect();
        part.parse().unwrap_or(0)
    };
    let has_more = text.trim_end_matches('0').len() > head;
    (take(0, head), has_more.then(|| take(head, 4)), weight)
}

/// How many digits the logarithm has before its point, roughly (estimate_ln_dweight).
fn logarithm_weight(decimal: &Decimal) -> i64 {
    if !decimal.mantissa.is_positive() {
        return 0;
    }
    let near = |tenths: i64| Decimal { mantissa: tenths.into(), scale: 1 };
    let less = |a: &Decimal, b: &Decimal| {
        let scale = a.scale.max(b.scale);
        a.rescale(scale).mantissa < b.rescale(scale).mantissa
    };
    if !less(decimal, &near(9)) && !less(&near(11), decimal) {
        let difference = Decimal {
            mantissa: &decimal.mantissa - BigInt::from(10u8).pow(decimal.scale),
            scale: decimal.scale,
        };
        if difference.mantissa.is_zero() {
            return 0;
        }
        let (first, _, weight) = leading(&difference);
        return weight * 4 + (first as f64).log10() as i64;
    }
    let (first, second, weight) = leading(decimal);
    let (digits, exponent) = match second {
        Some(second) => (first * 10_000 + second, weight * 4 - 4),
        None => (first, weight * 4),
    };
    let logarithm = (digits as f64).ln() + exponent as f64 * std::f64::consts::LN_10;
    logarithm.abs().log10() as i64
}

fn finite(value: Numeric) -> std::result::Result<Decimal, Numeric> {
    match value {
        Numeric::Finite(decimal) => Ok(decimal),
        special => Err(special),
    }
}

fn check_logarithm(value: &Numeric) -> Result<()> {
    match value.sign() {
        Some(-1) => {
            bail!(INVALID_ARGUMENT_FOR_LOGARITHM, "cannot take logarithm of a negative number")
        }
        Some(0) => bail!(INVALID_ARGUMENT_FOR_LOGARITHM, "cannot take logarithm of zero"),
        _ => Ok(()),
    }
}

fn ln(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = number(args[0]);
    check_logarithm(&value)?;
    let decimal = match finite(value) {
        Ok(decimal) => decimal,
        Err(special) => return Ok(special.to_datum()),
    };
    let scale =
        (SIGNIFICANT_DIGITS - logarithm_weight(&decimal)).max(decimal.scale.into()).clamp(0, SCALE_MAX);
    let fixed = Fixed::with_digits(scale + 16);
    Ok(Numeric::Finite(fixed.round(&fixed.ln(&decimal), 0, scale)).to_datum())
}

fn logarithm(base: Numeric, value: Numeric) -> Result<Datum> {
    check_logarithm(&base)?;
    check_logarithm(&value)?;
    let (base, value) = match (finite(base), finite(value)) {
        (Ok(base), Ok(value)) => (base, value),
        (Err(Numeric::NaN), _) | (_, Err(Numeric::NaN)) => return Ok(Numeric::NaN.to_datum()),
        (Err(_), Err(_)) => return Ok(Numeric::NaN.to_datum()),
        // Of what is finite to an infinite base.
        (Err(_), Ok(_)) => return Ok(Numeric::from_i64(0).to_datum()),
        (Ok(_), Err(_)) => return Ok(Numeric::Infinity.to_datum()),
    };
    let weight = logarithm_weight(&value) - logarithm_weight(&base);
    let scale =
        (SIGNIFICANT_DIGITS - weight).max(base.scale.into()).max(value.scale.into()).clamp(0, SCALE_MAX);
    let fixed = Fixed::with_digits(scale + 24 + weight.abs() + logarithm_weight(&base).abs());
    let divisor = fixed.ln(&base);
    if divisor.is_zero() {
        return Err(division_by_zero());
    }
    let quotient = fixed.divide(&fixed.ln(&value), &divisor);
    Ok(Numeric::Finite(fixed.round(&quotient, 0, scale)).to_datum())
}

fn log10(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    logarithm(Numeric::from_i64(10), number(args[0]))
}

fn log(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    logarithm(number(args[0]), number(args[1]))
}

fn exp(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let decimal = match finite(number(args[0])) {
        Ok(decimal) => decimal,
        Err(Numeric::NegativeInfinity) => return Ok(Numeric::from_i64(0).to_datum()),
        Err(special) => return Ok(special.to_datum()),
    };
    let natural = decimal.to_f64();
    let value = (natural * LOG10_E).clamp(-RESULT_SCALE_MAX, RESULT_SCALE_MAX);
    let scale = (SIGNIFICANT_DIGITS - value as i64).max(decimal.scale.into()).clamp(0, SCALE_MAX);
    if natural.abs() >= RESULT_SCALE_MAX * 3.0 {
        if natural > 0.0 {
            return Err(overflow());
        }
        return Ok(Numeric::Finite(Decimal { mantissa: BigInt::zero(), scale: scale as u32 }).to_datum());
    }
    let fixed = Fixed::with_digits(scale + 16 + value.max(0.0) as i64);
    let (power, shift) = fixed.exp(&fixed.of(&decimal));
    Ok(Numeric::Finite(fixed.round(&power, shift, scale)).to_datum())
}

/// numeric_power, for what is neither NaN nor infinite.
fn power_of(base: &Decimal, exponent: &Decimal) -> Result<Decimal> {
    let is_whole = exponent.rescale(0).rescale(exponent.scale).mantissa == exponent.mantissa;
    if base.mantissa.is_zero() && exponent.mantissa.is_negative() {
        bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
    }
    if base.mantissa.is_negative() && !is_whole {
        bail!(
            INVALID_ARGUMENT_FOR_POWER_FUNCTION,
            "a negative number raised to a non-integer power yields a complex result"
        );
    }
    let whole = exponent.rescale(0).mantissa.to_i64().and_then(|value| i32::try_from(value).ok());
    if let (true, Some(whole)) = (is_whole, whole) {
        return whole_power(base, whole.into());
    }
    if base.mantissa.is_zero() {
        return Ok(Decimal { mantissa: BigInt::zero(), scale: SIGNIFICANT_DIGITS as u32 });
    }
    let magnitude = Decimal { mantissa: base.mantissa.abs(), scale: base.scale };
    let is_negative = base.mantissa.is_negative() && exponent.rescale(0).mantissa.is_odd();
    let rough = Fixed::with_digits(40);
    let natural = {
        let product = rough.multiply(&rough.ln(&magnitude), &rough.of(exponent));
        product.to_f64().unwrap_or(f64::INFINITY) / 2f64.powi(rough.bits as i32)
    };
    if natural.abs() > RESULT_SCALE_MAX * 3.01 {
        if natural > 0.0 {
            return Err(overflow());
        }
        return Ok(Decimal { mantissa: BigInt::zero(), scale: SCALE_MAX as u32 });
    }
    let value = natural * LOG10_E;
    let scale = (SIGNIFICANT_DIGITS - value as i64)
        .max(base.scale.into())
        .max(exponent.scale.into())
        .clamp(0, SCALE_MAX);
    let extra = whole_digits(exponent).abs() + value.abs() as i64;
    let fixed = Fixed::with_digits(scale + 24 + extra);
    let (power, shift) = fixed.exp(&fixed.multiply(&fixed.ln(&magnitude), &fixed.of(exponent)));
    let power = fixed.round(&power, shift, scale);
    Ok(if is_negative { Decimal { mantissa: -power.mantissa, ..power } } else { power })
}

/// power_var_int
fn whole_power(base: &Decimal, exponent: i64) -> Result<Decimal> {
    let estimate = if base.mantissa.is_zero() {
        0.0
    } else {
        let text = base.mantissa.magnitude().to_string();
        let head: f64 = text[..text.len().min(16)].parse().unwrap_or(1.0);
        let places = text.len() as i64 - text.len().min(16) as i64 - i64::from(base.scale);
        exponent as f64 * (head.log10() + places as f64)
    };
    if estimate > 32768.0 * 4.0 {
        return Err(overflow());
    }
    if estimate + 1.0 < -(SCALE_MAX as f64) {
        return Ok(Decimal { mantissa: BigInt::zero(), scale: SCALE_MAX as u32 });
    }
    let scale = SIGNIFICANT_DIGITS.max(base.scale.into()).min(SCALE_MAX) as u32;
    match exponent {
        0 => return Ok(Decimal { mantissa: BigInt::from(10u8).pow(scale), scale }),
        1 => return Ok(base.rescale(scale)),
        _ => {}
    }
    if base.mantissa.is_zero() {
        return Ok(Decimal { mantissa: BigInt::zero(), scale });
    }
    let digits = base.mantissa.magnitude().bits() / 3 + 1;
    let count = exponent.unsigned_abs();
    if digits.saturating_mul(count) <= EXACT_DIGITS_MAX {
        let mantissa = base.mantissa.pow(count as u32);
        let whole_scale = u64::from(base.scale) * count;
        if exponent > 0 {
            return Ok(Decimal { mantissa, scale: whole_scale as u32 }.rescale(scale));
        }
        // 1 / (m / 10^s) = 10^s / m, rounded at the scale.
        let dividend = BigInt::from(10u8).pow((whole_scale + u64::from(scale)) as u32);
        let (quotient, remainder) = dividend.div_rem(&mantissa);
        let rounds = (remainder.abs() << 1u8) >= mantissa.abs();
        let step = if mantissa.is_negative() { -1 } else { 1 };
        let mantissa = if rounds { quotient + step } else { quotient };
        return Ok(Decimal { mantissa, scale });
    }
    Ok(truncated_power(base, exponent, i64::from(scale) + estimate.max(0.0) as i64).rescale(scale))
}

/// A power by squaring, in which every product is cut to the digits that can matter.
fn truncated_power(base: &Decimal, exponent: i64, digits: i64) -> Decimal {
    // One more for every step that may lose one, and some to round with.
    let kept = digits.max(0) + 24;
    let cut = |mantissa: BigInt, places: i64| -> (BigInt, i64) {
        let excess = mantissa.magnitude().bits() as i64 * 301 / 1000 - kept;
        if excess <= 0 {
            return (mantissa, places);
        }
        (mantissa / BigInt::from(10u8).pow(excess as u32), places + excess)
    };
    let mut square = cut(base.mantissa.clone(), -i64::from(base.scale));
    let mut product = (BigInt::one(), 0i64);
    let mut rest = exponent.unsigned_abs();
    while rest > 0 {
        if rest & 1 == 1 {
            product = cut(product.0 * &square.0, product.1 + square.1);
        }
        rest >>= 1;
        if rest > 0 {
            square = cut(&square.0 * &square.0, square.1 * 2);
        }
    }
    let (mantissa, places) = if exponent < 0 {
        let digits = product.0.magnitude().bits() as i64 * 301 / 1000 + kept;
        (BigInt::from(10u8).pow(digits as u32) / product.0, -product.1 - digits)
    } else {
        product
    };
    if places >= 0 {
        return Decimal { mantissa: mantissa * BigInt::from(10u8).pow(places as u32), scale: 0 };
    }
    Decimal { mantissa, scale: (-places) as u32 }
}

fn power(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (base, exponent) = (number(args[0]), number(args[1]));
    let one = || Ok(Numeric::from_i64(1).to_datum());
    let zero = || Ok(Numeric::from_i64(0).to_datum());
    let is_one = matches!(&base, Numeric::Finite(value) if value.rescale(value.scale).mantissa == BigInt::from(10u8).pow(value.scale));
    match (&base, &exponent) {
        (Numeric::Finite(base), Numeric::Finite(exponent)) => {
            return Ok(checked(power_of(base, exponent)?)?.to_datum());
        }
        // Anything to the power of zero, and one to anything, is one: NaN, too.
        (_, Numeric::Finite(exponent)) if exponent.mantissa.is_zero() => return one(),
        _ if is_one => return one(),
        (Numeric::NaN, _) | (_, Numeric::NaN) => return Ok(Numeric::NaN.to_datum()),
        _ => {}
    }
    if base.sign() == Some(0) && exponent.sign() == Some(-1) {
        bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
    }
    let rises = exponent.sign() == Some(1);
    match (&base, &exponent) {
        (Numeric::Finite(value), _) => {
            // To an infinite power.
            let unit = BigInt::from(10u8).pow(value.scale);
            let magnitude = value.mantissa.abs();
            if value.mantissa.is_zero() {
                return zero();
            }
            if magnitude == unit {
                return one();
            }
            match (magnitude > unit) == rises {
                true => Ok(Numeric::Infinity.to_datum()),
                false => zero(),
            }
        }
        (Numeric::Infinity, _) => {
            if rises {
                Ok(Numeric::Infinity.to_datum())
            } else {
                zero()
            }
        }
        (_, Numeric::Finite(value)) => {
            // Minus infinity to a finite power.
            let whole = value.rescale(0);
            if whole.rescale(value.scale).mantissa != value.mantissa {
                bail!(
                    INVALID_ARGUMENT_FOR_POWER_FUNCTION,
                    "a negative number raised to a non-integer power yields a complex result"
                );
            }
            match (rises, whole.mantissa.is_odd()) {
                (false, _) => zero(),
                (true, true) => Ok(Numeric::NegativeInfinity.to_datum()),
                (true, false) => Ok(Numeric::Infinity.to_datum()),
            }
        }
        _ => {
            if rises {
                Ok(Numeric::Infinity.to_datum())
            } else {
                zero()
            }
        }
    }
}

/// More digits than a numeric can have are an error.
fn checked(decimal: Decimal) -> Result<Numeric> {
    if whole_digits(&decimal) > 131_072 {
        return Err(overflow());
    }
    Ok(Numeric::Finite(decimal))
}

fn common(args: &[DatumRef<'_>]) -> std::result::Result<(BigInt, BigInt, u32), Datum> {
    match (number(args[0]), number(args[1])) {
        (Numeric::Finite(a), Numeric::Finite(b)) => {
            let scale = a.scale.max(b.scale);
            Ok((a.rescale(scale).mantissa, b.rescale(scale).mantissa, scale))
        }
        _ => Err(Numeric::NaN.to_datum()),
    }
}

/// Euclid's: the binary algorithm takes too many steps on long numbers.
fn greatest_divisor(mut a: BigInt, mut b: BigInt) -> BigInt {
    while !b.is_zero() {
        let rest = &a % &b;
        a = std::mem::replace(&mut b, rest);
    }
    a.abs()
}

fn gcd(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(match common(args) {
        Ok((a, b, scale)) => Numeric::Finite(Decimal { mantissa: greatest_divisor(a, b), scale }).to_datum(),
        Err(nan) => nan,
    })
}

fn lcm(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    match common(args) {
        Ok((a, b, scale)) => {
            let mantissa = if a.is_zero() || b.is_zero() {
                BigInt::zero()
            } else {
                (&a / greatest_divisor(a.clone(), b.clone()) * b).abs()
            };
            Ok(checked(Decimal { mantissa, scale })?.to_datum())
        }
        Err(nan) => Ok(nan),
    }
}

const ONE: &[&Type] = &[&NUMERIC];
const TWO: &[&Type] = &[&NUMERIC, &NUMERIC];

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(1732, "exp", ONE, &NUMERIC, exp),
    scalar(1734, "ln", ONE, &NUMERIC, ln),
    scalar(1741, "log", ONE, &NUMERIC, log10),
    scalar(1736, "log", TWO, &NUMERIC, log),
    scalar(1481, "log10", ONE, &NUMERIC, log10),
    scalar(2169, "power", TWO, &NUMERIC, power),
    scalar(1738, "pow", TWO, &NUMERIC, power),
    scalar(5048, "gcd", TWO, &NUMERIC, gcd),
    scalar(5049, "lcm", TWO, &NUMERIC, lcm),
];

pub(super) const OPERATORS: &[Operator] =
    &[operator(1038, "^", scalar(1739, "numeric_power", TWO, &NUMERIC, power))];
