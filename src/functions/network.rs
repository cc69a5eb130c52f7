//! inet, cidr, macaddr and macaddr8.

use super::{Body, Env, Function, Kind, Operator, operator, scalar};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::boolean::BOOL;
use crate::types::integer::{INT4, INT8};
use crate::types::network::{CIDR, INET, Inet, MACADDR, MACADDR8};
use crate::types::text::TEXT;
use crate::types::{Datum, DatumRef, Type};

fn inet(value: DatumRef<'_>) -> Inet {
    Inet::from_stored(value.blob())
}

fn host(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Text(inet(args[0]).host()))
}

fn text(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Text(inet(args[0]).to_text(true)))
}

fn abbreviated_inet(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Text(inet(args[0]).to_text(false)))
}

/// A cidr without the zeros that its bits imply.
fn abbreviated_cidr(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let network = inet(args[0]);
    if network.family() != 4 {
        return Ok(Datum::Text(network.to_text(true)));
    }
    let kept = usize::from(network.bits).div_ceil(8).max(1);
    let octets: Vec<String> = network.address[..kept].iter().map(u8::to_string).collect();
    Ok(Datum::Text(format!("{}/{}", octets.join("."), network.bits)))
}

fn family(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(inet(args[0]).family().into()))
}

fn mask_length(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(inet(args[0]).bits.into()))
}

fn broadcast(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = inet(args[0]);
    Ok(Inet { address: value.masked(|byte, mask| byte | !mask), bits: value.bits }.to_datum())
}

fn network(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = inet(args[0]);
    Ok(Inet { address: value.network(), bits: value.bits }.to_datum())
}

fn netmask(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = inet(args[0]);
    Ok(Inet { address: value.masked(|_, mask| mask), bits: value.bits_max() }.to_datum())
}

fn hostmask(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = inet(args[0]);
    Ok(Inet { address: value.masked(|_, mask| !mask), bits: value.bits_max() }.to_datum())
}

fn with_bits(args: &[DatumRef<'_>], clears: bool) -> Result<Datum> {
    let value = inet(args[0]);
    let bits = match args[1].integer() {
        -1 => value.bits_max(),
        bits if (0..=i64::from(value.bits_max())).contains(&bits) => bits as u8,
        bits => bail!(INVALID_PARAMETER_VALUE, "invalid mask length: {bits}"),
    };
    let changed = Inet { bits, ..value };
    let address = if clears { changed.network() } else { changed.address };
    Ok(Inet { address, bits }.to_datum())
}

fn set_mask_length(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    with_bits(args, false)
}

fn set_mask_length_cidr(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    with_bits(args, true)
}

fn same_family(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::bool(inet(args[0]).family() == inet(args[1]).family()))
}

fn merge(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (a, b) = (inet(args[0]), inet(args[1]));
    if a.family() != b.family() {
        bail!(INVALID_PARAMETER_VALUE, "cannot merge addresses from different families");
    }
    let most = a.bits.min(b.bits);
    let same = |bits: &u8| {
        Inet { bits: *bits, ..a.clone() }.network() == Inet { bits: *bits, ..b.clone() }.network()
    };
    let bits = (0..=most).rev().find(same).unwrap_or(0);
    let merged = Inet { bits, ..a };
    Ok(Inet { address: merged.network(), bits }.to_datum())
}

fn inside(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (a, b) = (inet(args[0]), inet(args[1]));
    Ok(Datum::bool(b.contains(&a) && a.bits > b.bits))
}

fn inside_or_equal(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::bool(inet(args[1]).contains(&inet(args[0]))))
}

fn around(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    inside(&[args[1], args[0]], env)
}

fn around_or_equal(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    inside_or_equal(&[args[1], args[0]], env)
}

fn overlap(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (a, b) = (inet(args[0]), inet(args[1]));
    Ok(Datum::bool(a.contains(&b) || b.contains(&a)))
}

fn complement(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = inet(args[0]);
    Ok(Inet { address: value.address.iter().map(|byte| !byte).collect(), bits: value.bits }.to_datum())
}

fn combine(args: &[DatumRef<'_>], verb: &str, combine: fn(u8, u8) -> u8) -> Result<Datum> {
    let (a, b) = (inet(args[0]), inet(args[1]));
    if a.family() != b.family() {
        bail!(INVALID_PARAMETER_VALUE, "cannot {verb} inet values of different sizes");
    }
    let address = a.address.iter().zip(&b.address).map(|(a, b)| combine(*a, *b)).collect();
    Ok(Inet { address, bits: a.bits.max(b.bits) }.to_datum())
}

fn and(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    combine(args, "AND", |a, b| a & b)
}

fn or(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    combine(args, "OR", |a, b| a | b)
}

fn as_number(value: &Inet) -> i128 {
    value.address.iter().fold(0u128, |number, byte| (number << 8) | u128::from(*byte)) as i128
}

fn shifted(value: &Inet, by: i64) -> Result<Datum> {
    let width = value.address.len();
    let number = as_number(value) as u128;
    let moved =
        if by >= 0 { number.checked_add(by as u128) } else { number.checked_sub(by.unsigned_abs().into()) };
    let fits = |number: &u128| width == 16 || *number <= u128::from(u32::MAX);
    let Some(moved) = moved.filter(fits) else { bail!(NUMERIC_VALUE_OUT_OF_RANGE, "result is out of range") };
    let address = moved.to_be_bytes()[16 - width..].to_vec();
    Ok(Inet { address, bits: value.bits }.to_datum())
}

fn add(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    shifted(&inet(args[0]), args[1].integer())
}

fn add_to(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    shifted(&inet(args[1]), args[0].integer())
}

fn subtract(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    match args[1].integer().checked_neg() {
        Some(by) => shifted(&inet(args[0]), by),
        None => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "result is out of range"),
    }
}

fn difference(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (a, b) = (inet(args[0]), inet(args[1]));
    if a.family() != b.family() {
        bail!(INVALID_PARAMETER_VALUE, "cannot subtract inet values of different sizes");
    }
    match as_number(&a).checked_sub(as_number(&b)).and_then(|value| i64::try_from(value).ok()) {
        Some(value) => Ok(Datum::Integer(value)),
        None => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "result is out of range"),
    }
}

fn bytes_of(args: &[DatumRef<'_>], combine: fn(u8, u8) -> u8) -> Result<Datum> {
    let pairs = args[0].blob().iter().zip(args[1].blob());
    Ok(Datum::Blob(pairs.map(|(a, b)| combine(*a, *b)).collect()))
}

fn hardware_and(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    bytes_of(args, |a, b| a & b)
}

fn hardware_or(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    bytes_of(args, |a, b| a | b)
}

fn hardware_not(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Blob(args[0].blob().iter().map(|byte| !byte).collect()))
}

/// The manufacturer's part.
fn manufacturer(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let mut bytes = args[0].blob().to_vec();
    bytes[3..].fill(0);
    Ok(Datum::Blob(bytes))
}

fn set_seventh_bit(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let mut bytes = args[0].blob().to_vec();
    bytes[0] |= 2;
    Ok(Datum::Blob(bytes))
}

/// inet to cidr: the host's bits are cleared.
pub(super) fn to_cidr(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    network(args, env)
}

/// macaddr to macaddr8.
pub(super) fn widen(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Blob(crate::types::network::widened(args[0].blob())))
}

/// macaddr8 to macaddr, which only some can be.
pub(super) fn narrow(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let bytes = args[0].blob();
    if bytes[3..5] != [0xff, 0xfe] {
        return Err(Error::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            "macaddr8 data out of range to convert to macaddr",
        )
        .with_hint("Only addresses that have FF and FE as values in the 4th and 5th bytes from the left, for example xx:xx:xx:ff:fe:xx:xx:xx, are eligible to be converted from macaddr8 to macaddr."));
    }
    Ok(Datum::Blob([&bytes[..3], &bytes[5..]].concat()))
}

const ONE: &[&Type] = &[&INET];
const TWO: &[&Type] = &[&INET, &INET];
const MAC: &[&Type] = &[&MACADDR];
const MACS: &[&Type] = &[&MACADDR, &MACADDR];
const MAC8: &[&Type] = &[&MACADDR8];
const MAC8S: &[&Type] = &[&MACADDR8, &MACADDR8];

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(699, "host", ONE, &TEXT, host),
    scalar(730, "text", ONE, &TEXT, text),
    scalar(598, "abbrev", ONE, &TEXT, abbreviated_inet),
    scalar(599, "abbrev", &[&CIDR], &TEXT, abbreviated_cidr),
    scalar(711, "family", ONE, &INT4, family),
    scalar(697, "masklen", ONE, &INT4, mask_length),
    scalar(698, "broadcast", ONE, &INET, broadcast),
    scalar(683, "network", ONE, &CIDR, network),
    scalar(696, "netmask", ONE, &INET, netmask),
    scalar(1362, "hostmask", ONE, &INET, hostmask),
    scalar(605, "set_masklen", &[&INET, &INT4], &INET, set_mask_length),
    scalar(635, "set_masklen", &[&CIDR, &INT4], &CIDR, set_mask_length_cidr),
    scalar(4071, "inet_same_family", TWO, &BOOL, same_family),
    scalar(4063, "inet_merge", TWO, &CIDR, merge),
    scalar(753, "trunc", MAC, &MACADDR, manufacturer),
    scalar(4112, "trunc", MAC8, &MACADDR8, manufacturer),
    scalar(4125, "macaddr8_set7bit", MAC8, &MACADDR8, set_seventh_bit),
    Function::new(3564, "max", ONE, &INET, Body::Native("max({0})")).kind(Kind::Aggregate).called_on_null(),
    Function::new(3565, "min", ONE, &INET, Body::Native("min({0})")).kind(Kind::Aggregate).called_on_null(),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(931, "<<", scalar(927, "network_sub", TWO, &BOOL, inside)),
    operator(932, "<<=", scalar(928, "network_subeq", TWO, &BOOL, inside_or_equal)),
    operator(933, ">>", scalar(929, "network_sup", TWO, &BOOL, around)),
    operator(934, ">>=", scalar(930, "network_supeq", TWO, &BOOL, around_or_equal)),
    operator(3552, "&&", scalar(3551, "network_overlap", TWO, &BOOL, overlap)),
    operator(2634, "~", scalar(2627, "inetnot", ONE, &INET, complement)),
    operator(2635, "&", scalar(2628, "inetand", TWO, &INET, and)),
    operator(2636, "|", scalar(2629, "inetor", TWO, &INET, or)),
    operator(2637, "+", scalar(2630, "inetpl", &[&INET, &INT8], &INET, add)),
    operator(2638, "+", scalar(2631, "int8pl_inet", &[&INT8, &INET], &INET, add_to)),
    operator(2639, "-", scalar(2632, "inetmi_int8", &[&INET, &INT8], &INET, subtract)),
    operator(2640, "-", scalar(2633, "inetmi", TWO, &INT8, difference)),
    operator(3147, "~", scalar(3144, "macaddr_not", MAC, &MACADDR, hardware_not)),
    operator(3148, "&", scalar(3145, "macaddr_and", MACS, &MACADDR, hardware_and)),
    operator(3149, "|", scalar(3146, "macaddr_or", MACS, &MACADDR, hardware_or)),
    operator(3368, "~", scalar(4120, "macaddr8_not", MAC8, &MACADDR8, hardware_not)),
    operator(3369, "&", scalar(4121, "macaddr8_and", MAC8S, &MACADDR8, hardware_and)),
    operator(3370, "|", scalar(4122, "macaddr8_or", MAC8S, &MACADDR8, hardware_or)),
];
