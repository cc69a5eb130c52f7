//! The catalog rows of tables, columns, indexes, constraints and sequences.

use super::{Definer, bool_field, int_field, oid_field, text_field};
use crate::catalog::{
    Check, Column, Field, ForeignKey, Identity, Index, KeyOf, Relation, RelationKind, SUPERUSER, Sequence,
};
use crate::types::array::Array;
use crate::types::integer::INT2;
use crate::types::{Datum, Oid};

/// Separates the expressions of an index in pg_index.indexprs.
const EXPRESSION_SEPARATOR: &str = "\u{1f}";

/// Oids of the access methods heap and btree.
const HEAP: Oid = 2;
const BTREE: Oid = 403;

fn numbers(values: &[i16]) -> String {
    values.iter().map(i16::to_string).collect::<Vec<_>>().join(" ")
}

/// smallint[]
fn array(values: &[i16]) -> Datum {
    let elements = values.iter().map(|value| Datum::Integer((*value).into())).collect();
    Array::vector(elements).to_datum(&INT2)
}

impl Definer<'_> {
    /// pg_class
    pub(super) fn class_row(&mut self, relation: &Relation) {
        let (kind, access_method) = match relation.kind {
            RelationKind::Index => ("i", BTREE),
            RelationKind::Sequence => ("S", 0),
            _ => ("r", HEAP),
        };
        let row = vec![
            oid_field("oid", relation.oid),
            text_field("relname", relation.name.as_str()),
            oid_field("relnamespace", relation.schema),
            oid_field("reltype", 0),
            oid_field("reloftype", 0),
            oid_field("relowner", SUPERUSER),
            oid_field("relam", access_method),
            oid_field("relfilenode", relation.oid),
            oid_field("reltablespace", 0),
            int_field("relpages", 0),
            ("reltuples", Datum::Real(-1.0)),
            int_field("relallvisible", 0),
            oid_field("reltoastrelid", 0),
            bool_field("relhasindex", !relation.indexes.is_empty()),
            bool_field("relisshared", false),
            text_field("relpersistence", "p"),
            text_field("relkind", kind),
            int_field("relnatts", relation.column_count),
            int_field("relchecks", relation.checks.len() as i64),
            bool_field("relhasrules", false),
            bool_field("relhastriggers", !relation.foreign_keys.is_empty()),
            bool_field("relhassubclass", false),
            bool_field("relrowsecurity", false),
            bool_field("relforcerowsecurity", false),
            bool_field("relispopulated", true),
            text_field("relreplident", if kind == "r" { "d" } else { "n" }),
            bool_field("relispartition", false),
            oid_field("relrewrite", 0),
            text_field("storage_name", relation.storage_name.as_str()),
        ];
        self.insert("pg_class", row);
    }

    /// pg_attribute
    pub(super) fn attribute_row(&mut self, relation: Oid, column: &Column) {
        let Some(ty) = column.ty else { return };
        let identity = match column.identity {
            Some(Identity::Always) => "a",
            Some(Identity::ByDefault) => "d",
            None => "",
        };
        let row = vec![
            oid_field("attrelid", relation),
            text_field("attname", column.name.as_str()),
            oid_field("atttypid", ty.oid),
            int_field("attstattarget", -1),
            int_field("attlen", ty.length),
            int_field("attnum", column.number),
            int_field("attndims", 0),
            int_field("attcacheoff", -1),
            int_field("atttypmod", column.typmod),
            bool_field("attbyval", (1..=8).contains(&ty.length)),
            text_field("attalign", alignment(ty.length)),
            text_field("attstorage", if ty.length < 0 { "x" } else { "p" }),
            text_field("attcompression", ""),
            bool_field("attnotnull", column.not_null),
            bool_field("atthasdef", column.default.is_some() && column.identity.is_none()),
            bool_field("atthasmissing", false),
            text_field("attidentity", identity),
            text_field("attgenerated", ""),
            bool_field("attisdropped", false),
            bool_field("attislocal", true),
            int_field("attinhcount", 0),
            oid_field("attcollation", if crate::functions::cast::is_string(ty) { 100 } else { 0 }),
            text_field("storage_name", column.storage_name.as_str()),
        ];
        self.insert("pg_attribute", row);
        if let Some(default) = &column.default {
            self.default_row(relation, column.number, default);
        }
    }

    /// pg_attrdef
    pub(super) fn default_row(&mut self, relation: Oid, number: i16, text: &str) {
        let oid = self.new_oid();
        let row = vec![
            oid_field("oid", oid),
            oid_field("adrelid", relation),
            int_field("adnum", number),
            text_field("adbin", text),
        ];
        self.insert("pg_attrdef", row);
    }

    /// pg_index
    pub(super) fn index_row(&mut self, table: Oid, index: &Index) {
        let keys: Vec<i16> = index.keys.iter().map(|key| key.column().unwrap_or(0)).collect();
        let options: Vec<i16> = index
            .keys
            .iter()
            .map(|key| i16::from(key.descending) | i16::from(key.nulls_first) << 1)
            .collect();
        let expressions: Vec<&str> = index
            .keys
            .iter()
            .filter_map(|key| match &key.what {
                KeyOf::Expression(text) => Some(text.as_str()),
                KeyOf::Column(_) => None,
            })
            .collect();
        let mut row = vec![
            oid_field("indexrelid", index.oid),
            oid_field("indrelid", table),
            int_field("indnatts", index.keys.len() as i64),
            int_field("indnkeyatts", index.keys.len() as i64),
            bool_field("indisunique", index.is_unique),
            bool_field("indnullsnotdistinct", false),
            bool_field("indisprimary", index.is_primary),
            bool_field("indisexclusion", false),
            bool_field("indimmediate", true),
            bool_field("indisclustered", false),
            bool_field("indisvalid", true),
            bool_field("indcheckxmin", false),
            bool_field("indisready", true),
            bool_field("indislive", true),
            bool_field("indisreplident", false),
            text_field("indkey", numbers(&keys)),
            text_field("indoption", numbers(&options)),
        ];
        if !expressions.is_empty() {
            row.push(text_field("indexprs", expressions.join(EXPRESSION_SEPARATOR)));
        }
        row.extend(index.predicate.as_ref().map(|predicate| text_field("indpred", predicate.as_str())));
        self.insert("pg_index", row);
    }

    fn constraint_row(
        &mut self,
        oid: Oid,
        name: &str,
        schema: Oid,
        kind: &str,
        table: Oid,
        more: Vec<Field>,
    ) {
        let mut row = vec![
            oid_field("oid", oid),
            text_field("conname", name),
            oid_field("connamespace", schema),
            text_field("contype", kind),
            bool_field("condeferrable", false),
            bool_field("condeferred", false),
            bool_field("convalidated", true),
            oid_field("conrelid", table),
            oid_field("contypid", 0),
            oid_field("conparentid", 0),
            bool_field("conislocal", true),
            int_field("coninhcount", 0),
            bool_field("connoinherit", kind != "c"),
        ];
        row.extend(more);
        self.insert("pg_constraint", row);
    }

    /// pg_constraint for a primary key or unique constraint.
    pub(super) fn key_constraint_row(&mut self, relation: &Relation, index: &Index) {
        let Some(oid) = index.constraint else { return };
        let kind = if index.is_primary { "p" } else { "u" };
        let more = vec![
            oid_field("conindid", index.oid),
            oid_field("confrelid", 0),
            text_field("confupdtype", " "),
            text_field("confdeltype", " "),
            text_field("confmatchtype", " "),
            ("conkey", array(&index.columns())),
        ];
        self.constraint_row(oid, &index.name, relation.schema, kind, relation.oid, more);
    }

    /// pg_constraint for a CHECK constraint.
    pub(super) fn check_row(&mut self, relation: &Relation, check: &Check) {
        let more = vec![
            oid_field("conindid", 0),
            oid_field("confrelid", 0),
            text_field("confupdtype", " "),
            text_field("confdeltype", " "),
            text_field("confmatchtype", " "),
            text_field("conbin", check.condition.as_str()),
        ];
        self.constraint_row(check.oid, &check.name, relation.schema, "c", relation.oid, more);
    }

    /// pg_constraint for a foreign key.
    pub(super) fn foreign_key_row(&mut self, schema: Oid, table: Oid, key: &ForeignKey, index: Oid) {
        let more = vec![
            oid_field("conindid", index),
            oid_field("confrelid", key.referenced),
            text_field("confupdtype", key.on_update.letter()),
            text_field("confdeltype", key.on_delete.letter()),
            text_field("confmatchtype", if key.match_full { "f" } else { "s" }),
            ("conkey", array(&key.columns)),
            ("confkey", array(&key.referenced_columns)),
        ];
        self.constraint_row(key.oid, &key.name, schema, "f", table, more);
    }

    /// pg_sequence
    pub(super) fn sequence_row(&mut self, oid: Oid, sequence: &Sequence) {
        let row = vec![
            oid_field("seqrelid", oid),
            oid_field("seqtypid", sequence.type_oid),
            int_field("seqstart", sequence.start),
            int_field("seqincrement", sequence.increment),
            int_field("seqmax", sequence.maximum),
            int_field("seqmin", sequence.minimum),
            int_field("seqcache", 1),
            bool_field("seqcycle", sequence.cycles),
        ];
        self.insert("pg_sequence", row);
    }

    /// pg_depend: a column owns a sequence; `i` for identity, `a` for serial.
    pub(super) fn ownership_row(&mut self, sequence: Oid, table: Oid, column: i16, is_identity: bool) {
        const PG_CLASS: Oid = 1259;
        let row = vec![
            oid_field("classid", PG_CLASS),
            oid_field("objid", sequence),
            int_field("objsubid", 0),
            oid_field("refclassid", PG_CLASS),
            oid_field("refobjid", table),
            int_field("refobjsubid", column),
            text_field("deptype", if is_identity { "i" } else { "a" }),
        ];
        self.insert("pg_depend", row);
    }
}

/// pg_attribute.attalign
fn alignment(length: i16) -> &'static str {
    match length {
        1 => "c",
        2 => "s",
        8 => "d",
        _ => "i",
    }
}
