//! The SQLite collations behind types whose stored text does not order as bytes.

use std::cmp::Ordering;

use super::{interval, json, numeric};

/// One collation: a total order on stored text.
pub struct Collation {
    /// Its name in SQLite.
    pub name: &'static str,
    /// The order.
    pub compare: fn(&str, &str) -> Ordering,
}

/// All of them. SQLite's own RTRIM serves char(n), whose trailing blanks mean nothing.
pub static COLLATIONS: &[Collation] = &[
    Collation { name: "numeric", compare: numeric::compare_text },
    Collation { name: "interval", compare: interval::compare_text },
    Collation { name: "jsonb", compare: json::compare_text },
];
