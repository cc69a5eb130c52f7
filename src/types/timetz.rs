//! time with time zone: stored as one integer that orders as PostgreSQL orders: by the moment in UTC, then by
//! the zone.

use super::calendar::{DAY_US, SECOND_US};
use super::time::{precision, precision_suffix, round_to_precision};
use super::typmod::NO_TYPMOD;
use super::{Category, Datum, DatumRef, Format, Shape, Storage, Type, Typmod, datetime_input, integer, time};
use crate::bail;
use crate::error::{Error, Result};

/// The zone takes this many bits, and is stored with half of their range added.
const ZONE_BITS: u32 = 18;
const ZONE_BIAS: i64 = 1 << (ZONE_BITS - 1);

/// time(p) with time zone
pub const TIMETZ: Type = Type {
    oid: 1266,
    name: "timetz",
    sql_name: "time with time zone",
    array_oid: 1270,
    length: 12,
    category: Category::DateTime,
    preferred: false,
    storage: Storage::Integer,
    collation: None,
    comparable: true,
    input,
    output,
    receive,
    send,
    typmod: Some(&Typmod {
        input: |modifiers| precision(modifiers, "TIME(%d) WITH TIME ZONE"),
        output: precision_suffix,
        apply,
    }),
    shape: Shape::Base,
};

/// A time of day in a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZonedTime {
    /// Microseconds since midnight, 24:00 included.
    pub time_us: i64,
    /// Seconds east of Greenwich.
    pub offset: i32,
}

impl ZonedTime {
    /// From the stored form.
    pub fn from_stored(value: i64) -> ZonedTime {
        let west = value.rem_euclid(1 << ZONE_BITS) - ZONE_BIAS;
        let moment = value.div_euclid(1 << ZONE_BITS);
        ZonedTime { time_us: moment - west * SECOND_US, offset: -west as i32 }
    }

    /// The stored form.
    pub fn to_datum(self) -> Datum {
        let west = -i64::from(self.offset);
        Datum::Integer(((self.time_us + west * SECOND_US) << ZONE_BITS) + west + ZONE_BIAS)
    }

    /// The same moment in another zone.
    pub fn at_offset(self, offset: i32) -> ZonedTime {
        let moved = self.time_us + i64::from(offset - self.offset) * SECOND_US;
        ZonedTime { time_us: moved.rem_euclid(DAY_US), offset }
    }
}

fn input(text: &str, format: &Format) -> Result<Datum> {
    let parsed = datetime_input::parse_time_with_zone(text, format)
        .map_err(|refusal| refusal.into_error(text, "time with time zone"))?;
    Ok(parsed.to_datum())
}

fn output(value: DatumRef<'_>, _: &Format, out: &mut Vec<u8>) {
    let zoned = ZonedTime::from_stored(value.integer());
    time::write(zoned.time_us, out);
    out.extend_from_slice(super::timezone::offset_text(zoned.offset).as_bytes());
}

fn receive(bytes: &[u8]) -> Result<Datum> {
    let bytes: [u8; 12] = integer::exactly(bytes, "timetz")?;
    let time_us = i64::from_be_bytes(bytes[..8].try_into().map_err(|_| Error::internal("8 bytes"))?);
    let west = i32::from_be_bytes(bytes[8..].try_into().map_err(|_| Error::internal("4 bytes"))?);
    if !(0..=DAY_US).contains(&time_us) {
        bail!(DATETIME_FIELD_OVERFLOW, "time out of range");
    }
    if !(-57_600 < west && west < 57_600) {
        bail!(INVALID_TIME_ZONE_DISPLACEMENT_VALUE, "time zone displacement out of range");
    }
    Ok(ZonedTime { time_us, offset: -west }.to_datum())
}

fn send(value: DatumRef<'_>, out: &mut Vec<u8>) {
    let zoned = ZonedTime::from_stored(value.integer());
    out.extend_from_slice(&zoned.time_us.to_be_bytes());
    out.extend_from_slice(&(-zoned.offset).to_be_bytes());
}

fn apply(value: DatumRef<'_>, typmod: i32, _: bool) -> Result<Datum> {
    if value.is_null() || typmod == NO_TYPMOD {
        return Ok(value.to_owned());
    }
    let zoned = ZonedTime::from_stored(value.integer());
    Ok(ZonedTime { time_us: round_to_precision(zoned.time_us, typmod), ..zoned }.to_datum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_order_by_moment_then_zone() {
        let value = |time_us: i64, offset: i32| ZonedTime { time_us, offset }.to_datum().as_ref().integer();
        // 01:00+01 is 00:00 UTC; so is 00:00+00, and PostgreSQL puts the eastern zone first.
        assert!(value(3_600_000_000, 3600) < value(0, 0));
        assert!(value(0, 0) < value(1, 0));
        for zoned in
            [ZonedTime { time_us: 5, offset: -57_599 }, ZonedTime { time_us: DAY_US, offset: 57_599 }]
        {
            assert_eq!(ZonedTime::from_stored(zoned.to_datum().as_ref().integer()), zoned);
        }
    }
}
