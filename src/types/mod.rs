//! Values: what a PostgreSQL type means, in text, in PostgreSQL's binary form, and in the form in
//! which SQLite stores it.
//!
//! A type is one [`Type`] entry in one file, listed in [`ALL`]. Its storage form is chosen so that
//! SQLite's own `=`, `<`, ORDER BY, GROUP BY and UNIQUE mean what PostgreSQL's do; where no storage
//! class can do that alone, the type names a collation that this module implements
//! ([`COLLATIONS`]).
//!
//! To add a type: write its file, list its entry here. Its casts, operators and functions go to
//! `functions`.

pub mod boolean;
pub mod bytea;
pub mod calendar;
mod collation;
pub mod date;
mod datetime_input;
mod datum;
pub mod float;
mod format;
pub mod integer;
pub mod interval;
pub mod json;
pub mod numeric;
pub mod oid;
pub mod record;
pub mod text;
pub mod time;
pub mod timestamp;
pub mod timezone;
mod typmod;
pub mod uuid;

pub use collation::{COLLATIONS, Collation};
pub use datum::{Datum, DatumRef, RowSink};
pub use format::{ByteaOutput, DateOrder, DateStyle, Format, IntervalStyle};
pub use oid::Oid;
pub use timezone::TimeZone;
pub use typmod::NO_TYPMOD;

use crate::error::Result;

/// The SQLite storage class of a type's values, and so the type of its columns in STRICT tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Storage {
    /// 64-bit integers.
    Integer,
    /// IEEE doubles, and the text `NaN`, which sorts after every number and equals itself.
    Real,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Blob,
}

impl Storage {
    /// The column type in a STRICT table. ANY for doubles: SQLite's REAL turns NaN to NULL.
    pub fn column_type(self) -> &'static str {
        match self {
            Storage::Integer => "INTEGER",
            Storage::Real => "ANY",
            Storage::Text => "TEXT",
            Storage::Blob => "BLOB",
        }
    }
}

/// PostgreSQL's `typcategory`, which decides between candidates of an overloaded name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Category {
    /// `B`
    Boolean,
    /// `D`
    DateTime,
    /// `N`
    Numeric,
    /// `S`
    String,
    /// `T`
    Timespan,
    /// `U`
    User,
    /// `P`
    Pseudo,
    /// `X`
    Unknown,
}

impl Category {
    /// The letter in pg_type.
    pub fn letter(self) -> char {
        match self {
            Category::Boolean => 'B',
            Category::DateTime => 'D',
            Category::Numeric => 'N',
            Category::String => 'S',
            Category::Timespan => 'T',
            Category::User => 'U',
            Category::Pseudo => 'P',
            Category::Unknown => 'X',
        }
    }
}

/// Everything the server knows about one data type.
pub struct Type {
    /// pg_type.oid, equal to PostgreSQL's: drivers hard-code them.
    pub oid: Oid,
    /// pg_type.typname.
    pub name: &'static str,
    /// The name in messages and from format_type: `integer` for int4.
    pub sql_name: &'static str,
    /// pg_type.typarray, 0 if there is no array type.
    pub array_oid: Oid,
    /// pg_type.typlen: bytes, or -1.
    pub length: i16,
    /// pg_type.typcategory.
    pub category: Category,
    /// pg_type.typispreferred.
    pub preferred: bool,
    /// The class of stored values.
    pub storage: Storage,
    /// The collation that makes stored values compare as PostgreSQL's do, if the class alone does not.
    pub collation: Option<&'static str>,
    /// Whether `=` and `<` exist for it (json has neither).
    pub comparable: bool,
    /// Text to stored form. Fails with 22P02 and its kin.
    pub input: fn(&str, &Format) -> Result<Datum>,
    /// Stored form to text.
    pub output: fn(DatumRef<'_>, &Format, &mut Vec<u8>),
    /// PostgreSQL's binary form to stored form. Fails with 22P03 or 08P01.
    pub receive: fn(&[u8]) -> Result<Datum>,
    /// Stored form to PostgreSQL's binary form.
    pub send: fn(DatumRef<'_>, &mut Vec<u8>),
    /// Applies a type modifier to a value: `None` if the type takes none.
    pub typmod: Option<&'static Typmod>,
}

/// How a type reads, prints and enforces its modifier (`varchar(10)`, `numeric(8,2)`).
pub struct Typmod {
    /// Modifier list to typmod. Fails with 22023.
    pub input: fn(&[i64]) -> Result<i32>,
    /// What format_type appends: `(10)`.
    pub output: fn(i32) -> String,
    /// Enforces the modifier on a value. `explicit` for a cast written by the user, which cuts where
    /// an assignment fails.
    pub apply: fn(DatumRef<'_>, i32, bool) -> Result<Datum>,
}

impl PartialEq for Type {
    fn eq(&self, other: &Type) -> bool {
        self.oid == other.oid
    }
}

impl std::fmt::Debug for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Type {
    /// The type's name with a modifier, as PostgreSQL's format_type prints it.
    pub fn format(&self, typmod: i32) -> String {
        let Some(modifier) = self.typmod.filter(|_| typmod != NO_TYPMOD) else {
            return self.sql_name.to_string();
        };
        let suffix = (modifier.output)(typmod);
        // The modifier of a time type stands in the middle: timestamp(3) with time zone.
        match self.sql_name.split_once(' ') {
            Some((head, tail)) if tail.ends_with("time zone") => format!("{head}{suffix} {tail}"),
            _ => format!("{}{suffix}", self.sql_name),
        }
    }

    /// Whether a pseudo-type that no column can have.
    pub fn is_pseudo(&self) -> bool {
        matches!(self.category, Category::Pseudo | Category::Unknown)
    }

    /// The value as text.
    pub fn to_text(&self, value: DatumRef<'_>, format: &Format) -> String {
        let mut out = Vec::new();
        (self.output)(value, format, &mut out);
        String::from_utf8(out).expect("every type prints UTF-8")
    }

    /// Text to stored form under a modifier, as an assignment to a column does.
    pub fn from_text(&self, text: &str, typmod: i32, format: &Format) -> Result<Datum> {
        self.assign((self.input)(text, format)?, typmod)
    }

    /// PostgreSQL's binary form to stored form under a modifier.
    pub fn from_binary(&self, bytes: &[u8], typmod: i32) -> Result<Datum> {
        self.assign((self.receive)(bytes)?, typmod)
    }

    fn assign(&self, value: Datum, typmod: i32) -> Result<Datum> {
        match self.typmod {
            Some(modifier) if typmod != NO_TYPMOD => (modifier.apply)(value.as_ref(), typmod, false),
            _ => Ok(value),
        }
    }
}

/// Every type, in the order of pg_type's oids.
pub static ALL: &[&Type] = &[
    &boolean::BOOL,
    &bytea::BYTEA,
    &text::CHAR,
    &text::NAME,
    &integer::INT8,
    &integer::INT2,
    &integer::INT4,
    &oid::REGPROC,
    &text::TEXT,
    &oid::OID,
    &json::JSON,
    &float::FLOAT4,
    &float::FLOAT8,
    &text::UNKNOWN,
    &text::BPCHAR,
    &text::VARCHAR,
    &date::DATE,
    &time::TIME,
    &timestamp::TIMESTAMP,
    &timestamp::TIMESTAMPTZ,
    &interval::INTERVAL,
    &numeric::NUMERIC,
    &oid::REGCLASS,
    &oid::REGTYPE,
    &record::RECORD,
    &record::ANY,
    &record::VOID,
    &record::ANYELEMENT,
    &uuid::UUID,
    &json::JSONB,
];

/// The type with this oid.
pub fn by_oid(oid: Oid) -> Option<&'static Type> {
    ALL.binary_search_by_key(&oid, |ty| ty.oid).ok().map(|place| ALL[place])
}

/// The type with this pg_type name (`int4`, not `integer`: the grammar maps those).
pub fn by_name(name: &str) -> Option<&'static Type> {
    ALL.iter().copied().find(|ty| ty.name == name)
}

/// Names of PostgreSQL 15's types that this server lacks. A column or cast of one is refused with
/// 0A000, where an unknown name gets PostgreSQL's 42704.
pub static LACKING: &[&str] = &[
    "aclitem",
    "bit",
    "box",
    "cid",
    "cidr",
    "circle",
    "date_range",
    "daterange",
    "datemultirange",
    "gtsvector",
    "inet",
    "int2vector",
    "int4range",
    "int4multirange",
    "int8range",
    "int8multirange",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "numrange",
    "nummultirange",
    "oidvector",
    "path",
    "pg_lsn",
    "pg_snapshot",
    "point",
    "polygon",
    "refcursor",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regprocedure",
    "regrole",
    "tid",
    "timetz",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
    "txid_snapshot",
    "varbit",
    "xid",
    "xid8",
    "xml",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_sorted_and_each_array_oid_is_used_once() {
        assert!(ALL.windows(2).all(|pair| pair[0].oid < pair[1].oid));
        let mut arrays: Vec<_> = ALL.iter().map(|ty| ty.array_oid).filter(|&oid| oid != 0).collect();
        arrays.sort_unstable();
        assert!(arrays.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn names_with_modifiers_are_printed_as_postgresql_does() {
        assert_eq!(text::VARCHAR.format(14), "character varying(10)");
        assert_eq!(numeric::NUMERIC.format(((8 << 16) | 2) + 4), "numeric(8,2)");
        assert_eq!(timestamp::TIMESTAMPTZ.format(3), "timestamp(3) with time zone");
        assert_eq!(timestamp::TIMESTAMP.format(NO_TYPMOD), "timestamp without time zone");
        assert_eq!(integer::INT4.format(NO_TYPMOD), "integer");
    }
}
