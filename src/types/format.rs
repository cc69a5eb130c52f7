//! The session settings that change how values are read and printed.

use std::sync::Arc;

use super::oid::ObjectKind;
use super::{Oid, TimeZone, Type};
use crate::error::{Error, Result};

/// Finds the objects that values name. What is built in is found without it.
pub trait ObjectNames: Send + Sync {
    /// The oid of the object that a name stands for. 42P01, 42704, 42883 … if there is none.
    fn oid_of(&self, kind: ObjectKind, name: &str) -> Result<Oid>;

    /// An object's name, qualified where the search path does not reach it.
    fn name_of(&self, kind: ObjectKind, oid: Oid) -> Option<String>;

    /// A type of the users'.
    fn user_type(&self, oid: Oid) -> Option<&'static Type>;
}

/// Where there are no objects.
struct NoObjects;

impl ObjectNames for NoObjects {
    fn oid_of(&self, _: ObjectKind, _: &str) -> Result<Oid> {
        Err(Error::internal("a name was looked up outside of a session"))
    }

    fn name_of(&self, _: ObjectKind, _: Oid) -> Option<String> {
        None
    }

    fn user_type(&self, _: Oid) -> Option<&'static Type> {
        None
    }
}

/// The objects that a session's statement can name.
#[derive(Clone)]
pub struct Objects(Arc<dyn ObjectNames>);

impl Objects {
    /// From what finds them.
    pub fn new(names: Arc<dyn ObjectNames>) -> Objects {
        Objects(names)
    }

    /// What finds them.
    pub fn names(&self) -> &dyn ObjectNames {
        &*self.0
    }
}

impl Default for Objects {
    fn default() -> Self {
        Objects(Arc::new(NoObjects))
    }
}

impl PartialEq for Objects {
    fn eq(&self, other: &Objects) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Objects")
    }
}

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
    /// The objects that values name.
    pub objects: Objects,
}

impl Format {
    /// A type, built in or a user's.
    pub fn type_by_oid(&self, oid: Oid) -> Option<&'static Type> {
        super::by_oid(oid).or_else(|| self.objects.names().user_type(oid))
    }
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
            objects: Objects::default(),
        }
    }
}
