//! The SQLite collations behind types whose stored text does not order as bytes.

use std::cmp::Ordering;

use super::{array, interval, json, numeric, record};

/// A total order on stored text.
pub type Order = fn(&str, &str) -> Ordering;

/// One collation.
pub struct Collation {
    /// Its name in SQLite.
    pub name: &'static str,
    /// Its letter in the stored form of arrays and rows.
    letter: char,
    /// The order.
    pub compare: Order,
}

/// All of them. SQLite's own RTRIM serves char(n), whose trailing blanks mean nothing.
pub static COLLATIONS: &[Collation] = &[
    Collation { name: "numeric", letter: 'n', compare: numeric::compare_text },
    Collation { name: "interval", letter: 'v', compare: interval::compare_text },
    Collation { name: "jsonb", letter: 'j', compare: json::compare_text },
    Collation { name: "array", letter: 'a', compare: array::compare_text },
    Collation { name: "record", letter: 'c', compare: record::compare_text },
];

/// The letter of text that orders as bytes.
const PLAIN: char = 'p';
/// The letter of RTRIM.
const TRIMMED: char = 's';

/// The letter of a type's collation.
pub(super) fn letter(name: Option<&str>) -> char {
    match name {
        None => PLAIN,
        Some("RTRIM") => TRIMMED,
        Some(name) => COLLATIONS.iter().find(|other| other.name == name).map_or(PLAIN, |found| found.letter),
    }
}

/// The order behind a letter.
pub(super) fn by_letter(letter: char) -> Order {
    match COLLATIONS.iter().find(|other| other.letter == letter) {
        Some(found) => found.compare,
        None if letter == TRIMMED => |a, b| a.trim_end_matches(' ').cmp(b.trim_end_matches(' ')),
        None => |a, b| a.cmp(b),
    }
}

/// The order of a type's stored text.
pub(super) fn order_of(name: Option<&str>) -> Order {
    by_letter(letter(name))
}
