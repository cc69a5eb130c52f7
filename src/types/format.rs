//! The session settings that change how values are read and printed.

use super::TimeZone;

/// The output half of DateStyle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateStyle {
    /// 1997-12-17 07:37:16-08
    Iso,
    /// 12/17/1997 07:37:16.00 PST
    Sql,
    /// Wed Dec 17 07:37:16 1997 PST
    Postgres,
    /// 17.12.1997 07:37:16.00 PST
    German,
}

/// The input half of DateStyle: which of three numbers is the day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateOrder {
    /// Month, day, year.
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Year, month, day.
    Ymd,
}

/// IntervalStyle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntervalStyle {
    /// 1 year 2 mons 3 days 04:05:06
    Postgres,
    /// @ 1 year 2 mons 3 days 4 hours 5 mins 6 secs
    PostgresVerbose,
    /// +1-2 +3 +4:05:06
    SqlStandard,
    /// P1Y2M3DT4H5M6S
    Iso8601,
}

/// bytea_output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteaOutput {
    /// \x6869
    Hex,
    /// hi
    Escape,
}

/// The settings a type's input and output may consult, and the transaction's time for `now`.
#[derive(Clone, PartialEq, Debug)]
pub struct Format {
    /// DateStyle, output half.
    pub date_style: DateStyle,
    /// DateStyle, input half.
    pub date_order: DateOrder,
    /// IntervalStyle.
    pub interval_style: IntervalStyle,
    /// TimeZone.
    pub time_zone: TimeZone,
    /// bytea_output.
    pub bytea_output: ByteaOutput,
    /// extra_float_digits.
    pub extra_float_digits: i32,
    /// The transaction's start, in microseconds since 2000-01-01 UTC.
    pub now_us: i64,
}

impl Default for Format {
    fn default() -> Self {
        Format {
            date_style: DateStyle::Iso,
            date_order: DateOrder::Mdy,
            interval_style: IntervalStyle::Postgres,
            time_zone: TimeZone::utc(),
            bytea_output: ByteaOutput::Hex,
            extra_float_digits: 1,
            now_us: 0,
        }
    }
}
