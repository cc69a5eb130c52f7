//! Type modifiers: the integer beside a type's oid that carries its length, precision or scale.

use crate::bail;
use crate::error::Result;

/// No modifier.
pub const NO_TYPMOD: i32 = -1;

/// PostgreSQL's VARHDRSZ, which it adds to the modifiers of varchar, char and numeric.
pub(crate) const HEADER: i32 = 4;

/// The one modifier of a type that takes exactly one.
pub(crate) fn single(modifiers: &[i64], sql_name: &str) -> Result<i64> {
    match modifiers {
        [only] => Ok(*only),
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid type modifier for type {sql_name}"),
    }
}
