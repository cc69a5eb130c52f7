//! The relations of pg_catalog: their columns as PostgreSQL 15 has them, and where their rows are.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::{Column, PG_CATALOG, Relation, RelationKind};
use crate::error::{Error, Result};
use crate::types::{self, NO_TYPMOD, Oid, Storage};

/// Relations with rows about the users' objects, in tables of every database's file.
pub static STORED: &[&str] = &[
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_depend",
    "pg_enum",
    "pg_index",
    "pg_namespace",
    "pg_sequence",
    USER_TYPES,
];

/// The users' rows of pg_type, which is itself computed: the built-in types are the server's.
pub const USER_TYPES: &str = "user_types";

/// Relations whose rows the server computes from its registries and its memory.
pub static IN_MEMORY: &[&str] = &["pg_database", "pg_type"];

/// Columns of ours beside PostgreSQL's, which `*` does not show: (relation, column, SQLite's type).
pub static HIDDEN: &[(&str, &str, &str)] =
    &[("pg_class", "storage_name", "TEXT"), ("pg_attribute", "storage_name", "TEXT")];

static RELATIONS: LazyLock<HashMap<&'static str, Arc<Relation>>> = LazyLock::new(|| {
    let mut relations: HashMap<&'static str, Relation> = HashMap::new();
    for line in include_str!("data/relations.tsv").lines() {
        let fields: Vec<&'static str> = line.split('\t').collect();
        let [relation, oid, column, type_name, not_null] = fields[..] else {
            panic!("relations.tsv has five columns: {line}");
        };
        let kind = if STORED.contains(&relation) {
            RelationKind::SystemTable
        } else if IN_MEMORY.contains(&relation) {
            RelationKind::SystemMemory
        } else {
            continue;
        };
        let entry =
            relations.entry(relation).or_insert_with(|| empty(relation, oid.parse().expect("an oid"), kind));
        entry.column_count += 1;
        entry.columns.push(Column {
            number: entry.column_count,
            name: column.to_owned(),
            storage_name: column.to_owned(),
            ty: types::by_name(type_name),
            typmod: NO_TYPMOD,
            not_null: not_null == "t",
            default: None,
            identity: None,
        });
    }
    let of_types = &relations["pg_type"];
    let user_types = Relation {
        kind: RelationKind::SystemTable,
        columns: of_types.columns.clone(),
        column_count: of_types.column_count,
        ..empty(USER_TYPES, 0, RelationKind::SystemTable)
    };
    relations.insert(USER_TYPES, user_types);
    relations.into_iter().map(|(name, relation)| (name, Arc::new(relation))).collect()
});

fn empty(name: &str, oid: Oid, kind: RelationKind) -> Relation {
    Relation {
        oid,
        schema: PG_CATALOG,
        name: name.to_owned(),
        kind,
        storage_name: format!("pg_catalog.{name}"),
        columns: Vec::new(),
        rowid: "_rowid_",
        column_count: 0,
        indexes: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        sequence: None,
        table: None,
    }
}

/// The relation of pg_catalog with a name. 0A000 for one that PostgreSQL has and we lack.
pub fn relation(name: &str) -> Result<Option<Arc<Relation>>> {
    if let Some(relation) = RELATIONS.get(name).filter(|_| name != USER_TYPES) {
        return Ok(Some(relation.clone()));
    }
    let is_table =
        || include_str!("data/relations.tsv").lines().any(|line| line.split('\t').next() == Some(name));
    let is_view = || include_str!("data/views.txt").lines().any(|line| line == name);
    if name.starts_with("pg_") && (is_table() || is_view()) {
        return Err(Error::unsupported(format!("the system relation {name}")));
    }
    Ok(None)
}

/// The relation of pg_catalog with an oid.
pub fn by_oid(oid: Oid) -> Option<Arc<Relation>> {
    RELATIONS.values().find(|relation| relation.oid == oid && oid != 0).cloned()
}

/// A relation of [`STORED`] or [`IN_MEMORY`].
pub fn known(name: &str) -> Arc<Relation> {
    RELATIONS.get(name).expect("a system relation of the registry").clone()
}

/// The SQLite type of a system relation's column.
fn column_type(column: &Column) -> &'static str {
    column.ty.map_or("TEXT", |ty| match ty.storage {
        Storage::Real => "REAL",
        storage => storage.column_type(),
    })
}

/// The statements that create the stored relations in a new database's file. Format 1.
pub fn schema() -> Vec<String> {
    let mut statements = Vec::new();
    for name in STORED {
        let relation = known(name);
        let columns = relation.columns.iter().map(|column| {
            let key = if column.name == "oid" { " PRIMARY KEY" } else { "" };
            format!("\"{}\" {}{key}", column.name, column_type(column))
        });
        let hidden =
            HIDDEN.iter().filter(|(of, ..)| of == name).map(|(_, column, ty)| format!("\"{column}\" {ty}"));
        let columns: Vec<String> = columns.chain(hidden).collect();
        statements.push(format!(
            "CREATE TABLE \"{}\" ({}) STRICT",
            relation.storage_name,
            columns.join(", ")
        ));
    }
    for (relation, columns) in [
        ("pg_attribute", "attrelid, attnum"),
        ("pg_attrdef", "adrelid, adnum"),
        ("pg_class", "relname, relnamespace"),
        ("pg_constraint", "conrelid"),
        ("pg_depend", "refobjid"),
        ("pg_enum", "enumtypid"),
        ("pg_index", "indexrelid"),
        ("pg_sequence", "seqrelid"),
    ] {
        statements.push(format!(
            "CREATE INDEX \"pg_catalog.{relation}_i\" ON \"pg_catalog.{relation}\" ({columns})"
        ));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_relations_exist_and_others_are_told_apart() {
        for name in STORED.iter().chain(IN_MEMORY) {
            assert!(!known(name).columns.is_empty());
        }
        assert_eq!(relation("pg_stat_activity").unwrap_err().sqlstate().0, "0A000");
        assert!(relation("pg_nonsense").unwrap().is_none());
    }

    #[test]
    fn the_schema_creates_every_stored_relation() {
        let statements = schema();
        assert!(
            statements
                .iter()
                .any(|text| text.contains("\"pg_catalog.pg_class\" (\"oid\" INTEGER PRIMARY KEY"))
        );
        assert!(statements.iter().any(|text| text.contains("\"storage_name\" TEXT")));
    }
}
