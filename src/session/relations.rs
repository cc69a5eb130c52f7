//! The relations of pg_catalog whose rows are made from what the server holds in memory.

use std::sync::Arc;

use crate::catalog::{Catalog, PG_CATALOG, SUPERUSER, system};
use crate::engine::{Engine, MemoryRelations};
use crate::types::{self, Datum, Oid, Shape, Storage, Type};

/// pg_database and pg_type.
pub(super) struct Relations {
    pub(super) engine: Arc<Engine>,
    pub(super) catalog: Arc<Catalog>,
}

impl MemoryRelations for Relations {
    fn rows(&self, relation: &str) -> Vec<Vec<Datum>> {
        match relation {
            "pg_database" => self
                .engine
                .database_names()
                .into_iter()
                .map(|(oid, name)| row(relation, &database(oid, &name)))
                .collect(),
            "pg_type" => {
                let built_in = types::ALL.iter().map(|ty| type_fields(ty, PG_CATALOG));
                let of_users = self.catalog.user_types();
                let of_users = of_users.into_iter().map(|entry| type_fields(entry.ty, entry.schema));
                built_in.chain(of_users).map(|fields| row(relation, &fields)).collect()
            }
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

fn type_fields(ty: &'static Type, schema: Oid) -> Vec<(&'static str, Datum)> {
    let kind = match ty.shape {
        Shape::Domain(_) => "d",
        Shape::Enum(_) => "e",
        _ if ty.is_pseudo() => "p",
        _ => "b",
    };
    let domain = match ty.shape {
        Shape::Domain(domain) => Some(domain),
        _ => None,
    };
    // name is the one array-like type that is none: its elements are "char".
    let element = if ty.name == "name" {
        18
    } else {
        ty.element().filter(|_| domain.is_none()).map_or(0, |element| element.oid)
    };
    vec![
        ("oid", integer(ty.oid)),
        ("typname", Datum::text(ty.name)),
        ("typnamespace", integer(schema)),
        ("typowner", integer(SUPERUSER)),
        ("typlen", integer(ty.length)),
        ("typbyval", Datum::bool((1..=8).contains(&ty.length) && ty.storage != Storage::Text)),
        ("typtype", Datum::text(kind)),
        ("typcategory", Datum::text(ty.category.letter())),
        ("typispreferred", Datum::bool(ty.preferred)),
        ("typisdefined", Datum::bool(true)),
        ("typdelim", Datum::text(",")),
        ("typrelid", integer(0)),
        ("typelem", integer(element)),
        ("typarray", integer(ty.array_oid)),
        ("typnotnull", Datum::bool(domain.is_some_and(|domain| domain.not_null))),
        ("typbasetype", integer(domain.map_or(0, |domain| domain.base.oid))),
        ("typtypmod", integer(domain.map_or(-1, |domain| domain.typmod))),
        ("typndims", integer(0)),
        ("typcollation", integer(if ty.category == types::Category::String { 100 } else { 0 })),
        ("typdefault", domain.and_then(|domain| domain.default.clone()).map_or(Datum::Null, Datum::Text)),
    ]
}
