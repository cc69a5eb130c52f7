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

pub mod array;
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
mod interval_input;
pub mod json;
pub mod network;
pub mod numeric;
pub mod oid;
pub mod record;
pub mod text;
pub mod time;
pub mod timestamp;
pub mod timetz;
pub mod timezone;
mod typmod;
pub mod user;
pub mod uuid;

pub use collation::{COLLATIONS, Collation, Order};
pub use datum::{Datum, DatumRef, RowSink};
pub use format::{ByteaOutput, DateOrder, DateStyle, Format, IntervalStyle, ObjectNames, Objects};
pub use oid::Oid;
pub use timezone::TimeZone;
pub use typmod::NO_TYPMOD;

use std::cmp::Ordering;
use std::sync::LazyLock;

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
    /// `A`
    Array,
    /// `B`
    Boolean,
    /// `D`
    DateTime,
    /// `E`
    Enum,
    /// `I`
    Network,
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
            Category::Array => 'A',
            Category::Boolean => 'B',
            Category::DateTime => 'D',
            Category::Enum => 'E',
            Category::Network => 'I',
            Category::Numeric => 'N',
            Category::String => 'S',
            Category::Timespan => 'T',
            Category::User => 'U',
            Category::Pseudo => 'P',
            Category::Unknown => 'X',
        }
    }
}

/// What a type is made of.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Nothing but itself.
    Base,
    /// An array of another type.
    Array(&'static Type),
    /// One of some labels.
    Enum(&'static user::Enum),
    /// Another type with conditions.
    Domain(&'static user::Domain),
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
    /// What it is made of.
    pub shape: Shape,
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
        if let (Shape::Array(element), true) = (self.shape, typmod != NO_TYPMOD) {
            return format!("{}[]", element.format(typmod));
        }
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

    /// Whether it, or what it is an array of, is a type of the users'.
    pub fn is_of_users(&self) -> bool {
        match self.shape {
            Shape::Base => false,
            Shape::Array(element) => element.is_of_users(),
            Shape::Enum(_) | Shape::Domain(_) => true,
        }
    }

    /// The element type, if it is an array type.
    pub fn element(&self) -> Option<&'static Type> {
        match self.shape {
            Shape::Array(element) => Some(element),
            Shape::Domain(domain) => domain.base.element(),
            _ => None,
        }
    }

    /// The type of arrays of it.
    pub fn array(&self) -> Option<&'static Type> {
        match self.shape {
            Shape::Array(_) => None,
            Shape::Base if self.array_oid == 0 => None,
            Shape::Base => by_oid(self.array_oid),
            Shape::Enum(_) | Shape::Domain(_) => user::array_of(self),
        }
    }

    /// Whether its values are read as names of objects, which needs [`Format::objects`].
    pub fn reads_names(&'static self) -> bool {
        let ty = self.base();
        ty.element().map_or(!ty.is_of_users() && ty.name.starts_with("reg"), Type::reads_names)
    }

    /// The type under a domain, or the type itself.
    pub fn base(&'static self) -> &'static Type {
        match self.shape {
            Shape::Domain(domain) => domain.base.base(),
            _ => self,
        }
    }

    /// Text to stored form. Fails with 22P02 and its kin. A domain's conditions are not looked at.
    pub fn parse(&self, text: &str, format: &Format) -> Result<Datum> {
        match self.shape {
            Shape::Base => (self.input)(text, format),
            Shape::Array(element) => array::input(element, text, format),
            Shape::Enum(labels) => labels.input(self, text),
            Shape::Domain(domain) => domain.base.from_text(text, domain.typmod, format),
        }
    }

    /// Stored form to text.
    pub fn print(&self, value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
        match self.shape {
            Shape::Base => (self.output)(value, format, out),
            Shape::Array(element) => array::output(element, value, format, out),
            Shape::Enum(labels) => out.extend_from_slice(labels.label(value).as_bytes()),
            Shape::Domain(domain) => domain.base.print(value, format, out),
        }
    }

    /// PostgreSQL's binary form to stored form. Fails with 22P03 or 08P01.
    pub fn decode(&self, bytes: &[u8]) -> Result<Datum> {
        match self.shape {
            Shape::Base => (self.receive)(bytes),
            Shape::Array(element) => array::receive(element, bytes),
            Shape::Enum(labels) => labels.input(self, text::from_utf8(bytes)?),
            Shape::Domain(domain) => domain.base.from_binary(bytes, domain.typmod),
        }
    }

    /// Stored form to PostgreSQL's binary form.
    pub fn encode(&self, value: DatumRef<'_>, out: &mut Vec<u8>) {
        match self.shape {
            Shape::Base => (self.send)(value, out),
            Shape::Array(element) => array::send(element, value, out),
            Shape::Enum(labels) => out.extend_from_slice(labels.label(value).as_bytes()),
            Shape::Domain(domain) => domain.base.encode(value, out),
        }
    }

    /// The order of two values. NULL is greater than everything and equal to itself.
    pub fn compare(&self, a: DatumRef<'_>, b: DatumRef<'_>) -> Ordering {
        compare_values(a, b, collation::order_of(self.collation))
    }

    /// The value as text.
    pub fn to_text(&self, value: DatumRef<'_>, format: &Format) -> String {
        let mut out = Vec::new();
        self.print(value, format, &mut out);
        String::from_utf8(out).expect("every type prints UTF-8")
    }

    /// Text to stored form under a modifier, as an assignment to a column does.
    pub fn from_text(&self, text: &str, typmod: i32, format: &Format) -> Result<Datum> {
        self.assign(self.parse(text, format)?, typmod)
    }

    /// PostgreSQL's binary form to stored form under a modifier.
    pub fn from_binary(&self, bytes: &[u8], typmod: i32) -> Result<Datum> {
        self.assign(self.decode(bytes)?, typmod)
    }

    fn assign(&self, value: Datum, typmod: i32) -> Result<Datum> {
        if typmod == NO_TYPMOD { Ok(value) } else { self.apply_typmod(value.as_ref(), typmod, false) }
    }

    /// The modifier's rules: those of the elements for an array.
    pub fn modifier(&self) -> Option<&'static Typmod> {
        match self.shape {
            Shape::Array(element) => element.modifier(),
            _ => self.typmod,
        }
    }

    /// Enforces a modifier on a value, or on every element of an array.
    pub fn apply_typmod(&self, value: DatumRef<'_>, typmod: i32, explicit: bool) -> Result<Datum> {
        match (self.shape, self.modifier()) {
            (_, None) => Ok(value.to_owned()),
            (Shape::Array(element), Some(modifier)) => {
                let mut array = array::Array::from_stored(value.text());
                for item in array.elements.iter_mut().filter(|item| !item.is_null()) {
                    *item = (modifier.apply)(item.as_ref(), typmod, explicit)?;
                }
                Ok(array.to_datum(element))
            }
            (_, Some(modifier)) => (modifier.apply)(value, typmod, explicit),
        }
    }
}

/// A letter for a type's order, for [`order_of_letter`].
pub fn order_letter(ty: &Type) -> char {
    collation::letter(ty.collation)
}

/// The order behind a letter.
pub fn order_of_letter(letter: char) -> Order {
    collation::by_letter(letter)
}

/// Compares as SQLite does with a collation, but NULL is greater than everything.
pub fn compare_values(a: DatumRef<'_>, b: DatumRef<'_>, order: Order) -> Ordering {
    use DatumRef::{Blob, Integer, Null, Real, Text};
    fn class(value: DatumRef<'_>) -> u8 {
        match value {
            Integer(_) | Real(_) => 0,
            Text(_) => 1,
            Blob(_) => 2,
            Null => 3,
        }
    }
    match (a, b) {
        (Integer(a), Integer(b)) => a.cmp(&b),
        (Integer(_) | Real(_), Integer(_) | Real(_)) => {
            a.real().partial_cmp(&b.real()).unwrap_or(Ordering::Equal)
        }
        (Text(a), Text(b)) => order(a, b),
        (Blob(a), Blob(b)) => a.cmp(b),
        _ => class(a).cmp(&class(b)),
    }
}

/// Every type that is not an array type.
static BASE: &[&Type] = &[
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
    &oid::XID,
    &oid::CID,
    &json::JSON,
    &network::CIDR,
    &float::FLOAT4,
    &float::FLOAT8,
    &text::UNKNOWN,
    &network::MACADDR8,
    &network::MACADDR,
    &network::INET,
    &text::BPCHAR,
    &text::VARCHAR,
    &date::DATE,
    &time::TIME,
    &timestamp::TIMESTAMP,
    &timestamp::TIMESTAMPTZ,
    &interval::INTERVAL,
    &timetz::TIMETZ,
    &numeric::NUMERIC,
    &oid::REGPROCEDURE,
    &oid::REGOPER,
    &oid::REGOPERATOR,
    &oid::REGCLASS,
    &oid::REGTYPE,
    &record::RECORD,
    &record::CSTRING,
    &record::ANY,
    &record::ANYARRAY,
    &record::VOID,
    &record::ANYELEMENT,
    &record::ANYNONARRAY,
    &uuid::UUID,
    &record::ANYENUM,
    &json::JSONB,
    &oid::REGNAMESPACE,
    &oid::REGROLE,
    &oid::REGCOLLATION,
    &record::ANYCOMPATIBLE,
    &record::ANYCOMPATIBLEARRAY,
];

/// Every built-in type, in the order of pg_type's oids.
pub static ALL: LazyLock<Vec<&'static Type>> = LazyLock::new(|| {
    let mut all: Vec<&'static Type> = BASE.iter().chain(array::ARRAYS).copied().collect();
    all.sort_by_key(|ty| ty.oid);
    all
});

/// The built-in type with this oid.
pub fn by_oid(oid: Oid) -> Option<&'static Type> {
    ALL.binary_search_by_key(&oid, |ty| ty.oid).ok().map(|place| ALL[place])
}

/// The built-in type with this pg_type name (`int4`, not `integer`: the grammar maps those).
pub fn by_name(name: &str) -> Option<&'static Type> {
    ALL.iter().copied().find(|ty| ty.name == name)
}

/// Names of PostgreSQL 15's types that this server lacks. A column or cast of one is refused with
/// 0A000, where an unknown name gets PostgreSQL's 42704.
pub static LACKING: &[&str] = &[
    "aclitem",
    "bit",
    "box",
    "circle",
    "date_range",
    "daterange",
    "datemultirange",
    "gtsvector",
    "int2vector",
    "int4range",
    "int4multirange",
    "int8range",
    "int8multirange",
    "jsonpath",
    "line",
    "lseg",
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
    "regconfig",
    "regdictionary",
    "tid",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
    "txid_snapshot",
    "varbit",
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
