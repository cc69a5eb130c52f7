//! Arithmetic on int2, int4 and int8, with PostgreSQL's range checks.

use super::{Env, Function, Operator, native, operator, scalar};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::integer::{INT2, INT4, INT8};
use crate::types::numeric::division_by_zero;
use crate::types::text::TEXT;
use crate::types::{Datum, DatumRef, Type};

/// The width of an integer type.
trait Width {
    const LOW: i64;
    const HIGH: i64;
    const NAME: &'static str;
}

struct Small;
struct Plain;
struct Big;

impl Width for Small {
    const LOW: i64 = i16::MIN as i64;
    const HIGH: i64 = i16::MAX as i64;
    const NAME: &'static str = "smallint";
}

impl Width for Plain {
    const LOW: i64 = i32::MIN as i64;
    const HIGH: i64 = i32::MAX as i64;
    const NAME: &'static str = "integer";
}

impl Width for Big {
    const LOW: i64 = i64::MIN;
    const HIGH: i64 = i64::MAX;
    const NAME: &'static str = "bigint";
}

fn out_of_range<W: Width>() -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, format!("{} out of range", W::NAME))
}

/// A result that must fit its type.
fn fit<W: Width>(value: Option<i64>) -> Result<Datum> {
    match value {
        Some(value) if (W::LOW..=W::HIGH).contains(&value) => Ok(Datum::Integer(value)),
        _ => Err(out_of_range::<W>()),
    }
}

/// As an integer, if it is one. 22003
pub(super) fn int4(value: i64) -> Result<Datum> {
    fit::<Plain>(Some(value))
}

fn add<W: Width>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    fit::<W>(args[0].integer().checked_add(args[1].integer()))
}

fn subtract<W: Width>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    fit::<W>(args[0].integer().checked_sub(args[1].integer()))
}

fn multiply<W: Width>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    fit::<W>(args[0].integer().checked_mul(args[1].integer()))
}

fn divide<W: Width>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    match args[1].integer() {
        0 => Err(division_by_zero()),
        divisor => fit::<W>(args[0].integer().checked_div(divisor)),
    }
}

fn modulo<W: Width>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    match args[1].integer() {
        0 => Err(division_by_zero()),
        divisor => Ok(Datum::Integer(args[0].integer().wrapping_rem(divisor))),
    }
}

fn negate<W: Width>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    fit::<W>(args[0].integer().checked_neg())
}

fn absolute<W: Width>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    fit::<W>(args[0].integer().checked_abs())
}

/// C's shift: the count modulo the width, bits shifted out are lost.
fn shift_left<W: Width>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (value, count) = (args[0].integer(), args[1].integer());
    Ok(Datum::Integer(match W::NAME {
        "smallint" => i64::from((value as i32).wrapping_shl(count as u32) as i16),
        "integer" => i64::from((value as i32).wrapping_shl(count as u32)),
        _ => value.wrapping_shl(count as u32),
    }))
}

fn shift_right<W: Width>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (value, count) = (args[0].integer(), args[1].integer());
    Ok(Datum::Integer(match W::NAME {
        "bigint" => value.wrapping_shr(count as u32),
        _ => i64::from((value as i32).wrapping_shr(count as u32)),
    }))
}

fn exclusive_or(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(args[0].integer() ^ args[1].integer()))
}

fn greatest_common_divisor<W: Width>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (mut a, mut b) = (args[0].integer().unsigned_abs(), args[1].integer().unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    fit::<W>(i64::try_from(a).ok())
}

fn least_common_multiple<W: Width>(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let (a, b) = (args[0].integer(), args[1].integer());
    if a == 0 || b == 0 {
        return Ok(Datum::Integer(0));
    }
    let divisor = greatest_common_divisor::<W>(args, env)?.as_ref().integer();
    fit::<W>((a / divisor).checked_mul(b).and_then(i64::checked_abs))
}

fn to_hex(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Text(format!("{:x}", args[0].integer())))
}

fn to_hex_plain(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Text(format!("{:x}", args[0].integer() as i32)))
}

fn random_seed(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let seed = args[0].real();
    if !(-1.0..=1.0).contains(&seed) {
        bail!(INVALID_PARAMETER_VALUE, "setseed parameter {seed} is out of allowed range [-1,1]");
    }
    env.set_seed(seed);
    Ok(Datum::text(""))
}

const SMALL: &[&Type] = &[&INT2, &INT2];
const PLAIN: &[&Type] = &[&INT4, &INT4];
const BIG: &[&Type] = &[&INT8, &INT8];

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(1398, "abs", &[&INT2], &INT2, absolute::<Small>),
    scalar(1397, "abs", &[&INT4], &INT4, absolute::<Plain>),
    scalar(1396, "abs", &[&INT8], &INT8, absolute::<Big>),
    scalar(940, "mod", SMALL, &INT2, modulo::<Small>),
    scalar(941, "mod", PLAIN, &INT4, modulo::<Plain>),
    scalar(947, "mod", BIG, &INT8, modulo::<Big>),
    scalar(5044, "gcd", PLAIN, &INT4, greatest_common_divisor::<Plain>),
    scalar(5045, "gcd", BIG, &INT8, greatest_common_divisor::<Big>),
    scalar(5046, "lcm", PLAIN, &INT4, least_common_multiple::<Plain>),
    scalar(5047, "lcm", BIG, &INT8, least_common_multiple::<Big>),
    scalar(2089, "to_hex", &[&INT4], &TEXT, to_hex_plain),
    scalar(2090, "to_hex", &[&INT8], &TEXT, to_hex),
    scalar(1599, "setseed", &[&crate::types::float::FLOAT8], &crate::types::record::VOID, random_seed)
        .volatile(),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(550, "+", scalar(176, "int2pl", SMALL, &INT2, add::<Small>)),
    operator(551, "+", scalar(177, "int4pl", PLAIN, &INT4, add::<Plain>)),
    operator(684, "+", scalar(463, "int8pl", BIG, &INT8, add::<Big>)),
    operator(554, "-", scalar(180, "int2mi", SMALL, &INT2, subtract::<Small>)),
    operator(555, "-", scalar(181, "int4mi", PLAIN, &INT4, subtract::<Plain>)),
    operator(685, "-", scalar(464, "int8mi", BIG, &INT8, subtract::<Big>)),
    operator(526, "*", scalar(152, "int2mul", SMALL, &INT2, multiply::<Small>)),
    operator(514, "*", scalar(141, "int4mul", PLAIN, &INT4, multiply::<Plain>)),
    operator(686, "*", scalar(465, "int8mul", BIG, &INT8, multiply::<Big>)),
    operator(527, "/", scalar(153, "int2div", SMALL, &INT2, divide::<Small>)),
    operator(528, "/", scalar(154, "int4div", PLAIN, &INT4, divide::<Plain>)),
    operator(687, "/", scalar(466, "int8div", BIG, &INT8, divide::<Big>)),
    operator(529, "%", scalar(155, "int2mod", SMALL, &INT2, modulo::<Small>)),
    operator(530, "%", scalar(156, "int4mod", PLAIN, &INT4, modulo::<Plain>)),
    operator(439, "%", scalar(945, "int8mod", BIG, &INT8, modulo::<Big>)),
    operator(1917, "+", native(1911, "int2up", &[&INT2], &INT2, "{0}")),
    operator(1918, "+", native(1912, "int4up", &[&INT4], &INT4, "{0}")),
    operator(1916, "+", native(1910, "int8up", &[&INT8], &INT8, "{0}")),
    operator(559, "-", scalar(213, "int2um", &[&INT2], &INT2, negate::<Small>)),
    operator(558, "-", scalar(212, "int4um", &[&INT4], &INT4, negate::<Plain>)),
    operator(484, "-", scalar(462, "int8um", &[&INT8], &INT8, negate::<Big>)),
    operator(682, "@", scalar(1253, "int2abs", &[&INT2], &INT2, absolute::<Small>)),
    operator(773, "@", scalar(1251, "int4abs", &[&INT4], &INT4, absolute::<Plain>)),
    operator(473, "@", scalar(1230, "int8abs", &[&INT8], &INT8, absolute::<Big>)),
    operator(1874, "&", native(1892, "int2and", SMALL, &INT2, "{0} & {1}")),
    operator(1880, "&", native(1898, "int4and", PLAIN, &INT4, "{0} & {1}")),
    operator(1886, "&", native(1904, "int8and", BIG, &INT8, "{0} & {1}")),
    operator(1875, "|", native(1893, "int2or", SMALL, &INT2, "{0} | {1}")),
    operator(1881, "|", native(1899, "int4or", PLAIN, &INT4, "{0} | {1}")),
    operator(1887, "|", native(1905, "int8or", BIG, &INT8, "{0} | {1}")),
    operator(1876, "#", scalar(1894, "int2xor", SMALL, &INT2, exclusive_or)),
    operator(1882, "#", scalar(1900, "int4xor", PLAIN, &INT4, exclusive_or)),
    operator(1888, "#", scalar(1906, "int8xor", BIG, &INT8, exclusive_or)),
    operator(1877, "~", native(1895, "int2not", &[&INT2], &INT2, "~{0}")),
    operator(1883, "~", native(1901, "int4not", &[&INT4], &INT4, "~{0}")),
    operator(1889, "~", native(1907, "int8not", &[&INT8], &INT8, "~{0}")),
    operator(1878, "<<", scalar(1896, "int2shl", &[&INT2, &INT4], &INT2, shift_left::<Small>)),
    operator(1884, "<<", scalar(1902, "int4shl", &[&INT4, &INT4], &INT4, shift_left::<Plain>)),
    operator(1890, "<<", scalar(1908, "int8shl", &[&INT8, &INT4], &INT8, shift_left::<Big>)),
    operator(1879, ">>", scalar(1897, "int2shr", &[&INT2, &INT4], &INT2, shift_right::<Small>)),
    operator(1885, ">>", scalar(1903, "int4shr", &[&INT4, &INT4], &INT4, shift_right::<Plain>)),
    operator(1891, ">>", scalar(1909, "int8shr", &[&INT8, &INT4], &INT8, shift_right::<Big>)),
];
