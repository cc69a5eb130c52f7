//! The relations of pg_catalog whose rows are made from what the server holds in memory.

use std::sync::Arc;

use crate::catalog::{PG_CATALOG, SUPERUSER, system};
use crate::engine::{Engine, MemoryRelations};
use crate::types::{self, Datum, Storage, Type};

/// pg_database and pg_type.
pub(super) struct Relations(pub(super) Arc<Engine>);

impl MemoryRelations for Relations {
    fn rows(&self, relation: &str) -> Vec<Vec<Datum>> {
        match relation {
            "pg_database" => self
                .0
                .database_names()
                .into_iter()
                .map(|(oid, name)| row(relation, &database(oid, &name)))
                .collect(),
            "pg_type" => types::ALL.iter().map(|ty| row(relation, &type_fields(ty))).collect(),
            _ => Vec::new(),
        }
    }
}

/// A row from the columns that are not NULL.
fn row(relation: &str, fields: &[(&str, Datum)]) -> Vec<Datum> {
    let value = |name: &str| {
        fields.iter().find(|(field, _)| *field == name).map_or(Datum::Null, |(_, value)| value.clone())
    };
    system::known(relation).columns.iter().map(|column| value(&column.name)).collect()
}

fn integer(value: impl Into<i64>) -> Datum {
    Datum::Integer(value.into())
}

fn database(oid: u32, name: &str) -> Vec<(&'static str, Datum)> {
    vec![
        ("oid", integer(oid)),
        ("datname", Datum::text(name)),
        ("datdba", integer(SUPERUSER)),
        ("encoding", integer(6)),
        ("datlocprovider", Datum::text("c")),
        ("datistemplate", Datum::bool(false)),
        ("datallowconn", Datum::bool(true)),
        ("datconnlimit", integer(-1)),
        ("dattablespace", integer(1663)),
        ("datcollate", Datum::text("C")),
        ("datctype", Datum::text("C.UTF-8")),
    ]
}

fn type_fields(ty: &Type) -> Vec<(&'static str, Datum)> {
    let is_pseudo = ty.is_pseudo();
    vec![
        ("oid", integer(ty.oid)),
        ("typname", Datum::text(ty.name)),
        ("typnamespace", integer(PG_CATALOG)),
        ("typowner", integer(SUPERUSER)),
        ("typlen", integer(ty.length)),
        ("typbyval", Datum::bool((1..=8).contains(&ty.length) && ty.storage != Storage::Text)),
        ("typtype", Datum::text(if is_pseudo { "p" } else { "b" })),
        ("typcategory", Datum::text(ty.category.letter())),
        ("typispreferred", Datum::bool(ty.preferred)),
        ("typisdefined", Datum::bool(true)),
        ("typdelim", Datum::text(",")),
        ("typrelid", integer(0)),
        ("typelem", integer(0)),
        ("typarray", integer(ty.array_oid)),
        ("typnotnull", Datum::bool(false)),
        ("typbasetype", integer(0)),
        ("typtypmod", integer(-1)),
        ("typndims", integer(0)),
        ("typcollation", integer(if ty.category == types::Category::String { 100 } else { 0 })),
    ]
}
