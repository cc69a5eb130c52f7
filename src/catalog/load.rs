//! Builds a snapshot from the rows of the stored system relations.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::relation::KeyOf;
use super::{
    Action, Catalog, Check, Column, ForeignKey, INFORMATION_SCHEMA, Identity, Index, IndexKey, PG_CATALOG,
    PUBLIC, Relation, RelationKind, Sequence, UserTypeEntry, naming, system::USER_TYPES,
};
use crate::error::{Error, Result};
use crate::types::array::Array;
use crate::types::oid::FIRST_USER_OID;
use crate::types::user::{self, Condition, Definition, Domain, Enum, Label, UserType};
use crate::types::{self, Datum, Oid};

/// The rows of one relation, by column name.
pub type Rows = Vec<HashMap<String, Datum>>;

/// A row with typed access; a missing or wrong value means that the file is damaged.
struct Row<'a>(&'a HashMap<String, Datum>);

impl Row<'_> {
    fn integer(&self, column: &str) -> Result<i64> {
        match self.0.get(column) {
            Some(Datum::Integer(value)) => Ok(*value),
            other => Err(damaged(column, other)),
        }
    }

    fn oid(&self, column: &str) -> Result<Oid> {
        self.integer(column).map(|value| value as Oid)
    }

    fn text(&self, column: &str) -> Result<&str> {
        match self.0.get(column) {
            Some(Datum::Text(value)) => Ok(value),
            other => Err(damaged(column, other)),
        }
    }

    fn optional(&self, column: &str) -> Option<&str> {
        match self.0.get(column) {
            Some(Datum::Text(value)) => Some(value),
            _ => None,
        }
    }

    fn flag(&self, column: &str) -> Result<bool> {
        self.integer(column).map(|value| value != 0)
    }

    fn letter(&self, column: &str) -> Option<char> {
        self.optional(column).and_then(|text| text.chars().next())
    }

    /// Numbers separated by blanks (int2vector), or an array.
    fn numbers(&self, column: &str) -> Result<Vec<i16>> {
        if self.text(column)?.contains('|') {
            let elements = Array::from_stored(self.text(column)?).elements;
            return Ok(elements.iter().map(|element| element.as_ref().integer() as i16).collect());
        }
        let numbers = self.text(column)?.split_whitespace().map(str::parse);
        numbers.collect::<Result<_, _>>().map_err(|_| damaged(column, self.0.get(column)))
    }
}

fn damaged(column: &str, found: Option<&Datum>) -> Error {
    Error::new(
        crate::error::state::DATA_CORRUPTED,
        format!("system relation has {found:?} in column {column}"),
    )
}

/// Separates the expressions of an index in pg_index.indexprs.
pub(super) const EXPRESSION_SEPARATOR: char = '\u{1f}';

/// Builds the snapshot. `rows` gives a stored relation's rows by its name.
pub fn load(version: u64, next_oid: Oid, rows: impl Fn(&str) -> Result<Rows>) -> Result<Catalog> {
    let user_types = load_types(&rows(USER_TYPES)?, &rows("pg_enum")?, &rows("pg_constraint")?)?;
    let mut relations = load_relations(&rows("pg_class")?)?;
    load_columns(&mut relations, &rows("pg_attribute")?, &rows("pg_attrdef")?, &user_types)?;
    load_sequences(&mut relations, &rows("pg_sequence")?)?;
    load_indexes(&mut relations, &rows("pg_index")?, &rows("pg_constraint")?)?;
    load_constraints(&mut relations, &rows("pg_constraint")?)?;
    let mut catalog = Catalog {
        version,
        next_oid: next_oid.max(FIRST_USER_OID),
        schemas: load_schemas(&rows("pg_namespace")?)?,
        names: HashMap::new(),
        references: HashMap::new(),
        owned: load_owned(&rows("pg_depend")?)?,
        relations: HashMap::new(),
        type_names: user_types
            .iter()
            .map(|(oid, entry)| ((entry.schema, entry.ty.name.to_owned()), *oid))
            .collect(),
        types: user_types,
    };
    for relation in relations.into_values() {
        catalog.names.insert((relation.schema, relation.name.clone()), relation.oid);
        for (place, key) in relation.foreign_keys.iter().enumerate() {
            catalog.references.entry(key.referenced).or_default().push((relation.oid, place));
        }
        catalog.relations.insert(relation.oid, Arc::new(relation));
    }
    for references in catalog.references.values_mut() {
        references.sort_unstable();
    }
    Ok(catalog)
}

fn load_schemas(rows: &Rows) -> Result<BTreeMap<String, Oid>> {
    let mut schemas = BTreeMap::from([
        ("pg_catalog".to_owned(), PG_CATALOG),
        ("information_schema".to_owned(), INFORMATION_SCHEMA),
    ]);
    for row in rows.iter().map(Row) {
        schemas.insert(row.text("nspname")?.to_owned(), row.oid("oid")?);
    }
    debug_assert!(schemas.values().any(|oid| *oid == PUBLIC) || !schemas.contains_key("public"));
    Ok(schemas)
}

fn load_relations(rows: &Rows) -> Result<BTreeMap<Oid, Relation>> {
    let mut relations = BTreeMap::new();
    for row in rows.iter().map(Row) {
        let kind = match row.letter("relkind") {
            Some('r') => RelationKind::Table,
            Some('i') => RelationKind::Index,
            Some('S') => RelationKind::Sequence,
            _ => return Err(damaged("relkind", row.0.get("relkind"))),
        };
        let oid = row.oid("oid")?;
        relations.insert(
            oid,
            Relation {
                oid,
                schema: row.oid("relnamespace")?,
                name: row.text("relname")?.to_owned(),
                kind,
                storage_name: row.text("storage_name")?.to_owned(),
                columns: Vec::new(),
                rowid: "rowid",
                column_count: row.integer("relnatts")? as i16,
                indexes: Vec::new(),
                checks: Vec::new(),
                foreign_keys: Vec::new(),
                sequence: None,
                table: None,
            },
        );
    }
    Ok(relations)
}

/// The users' types with their array types. A domain over another comes after it: its oid is greater.
fn load_types(rows: &Rows, labels: &Rows, constraints: &Rows) -> Result<HashMap<Oid, UserTypeEntry>> {
    let mut types: HashMap<Oid, UserTypeEntry> = HashMap::new();
    let mut rows: Vec<Row<'_>> = rows.iter().map(Row).collect();
    rows.sort_by_key(|row| row.oid("oid").unwrap_or(0));
    let array_names: HashMap<Oid, String> = rows
        .iter()
        .filter(|row| row.letter("typcategory") == Some('A') && row.oid("typelem").is_ok_and(|oid| oid != 0))
        .map(|row| Ok((row.oid("oid")?, row.text("typname")?.to_owned())))
        .collect::<Result<_>>()?;
    for row in &rows {
        let oid = row.oid("oid")?;
        let definition = match row.letter("typtype") {
            Some('e') => Definition::Enum(load_labels(oid, labels)?),
            Some('d') => {
                let base = row.oid("typbasetype")?;
                let base = types::by_oid(base).or_else(|| types.get(&base).map(|entry| entry.ty));
                Definition::Domain(Domain {
                    base: base.ok_or_else(|| damaged("typbasetype", row.0.get("typbasetype")))?,
                    typmod: row.integer("typtypmod")? as i32,
                    not_null: row.flag("typnotnull")?,
                    default: row.optional("typdefault").map(str::to_owned),
                    conditions: load_conditions(oid, constraints)?,
                })
            }
            _ => continue,
        };
        let array_oid = row.oid("typarray")?;
        let user_type = UserType {
            oid,
            array_oid,
            name: row.text("typname")?.to_owned(),
            array_name: array_names.get(&array_oid).cloned().unwrap_or_default(),
            schema: row.oid("typnamespace")?,
            definition,
        };
        let (ty, array) = user::intern(&user_type);
        types.insert(oid, UserTypeEntry { ty, schema: user_type.schema });
        types.insert(array_oid, UserTypeEntry { ty: array, schema: user_type.schema });
    }
    Ok(types)
}

fn load_labels(oid: Oid, rows: &Rows) -> Result<Enum> {
    let mut labels = Vec::new();
    for row in rows.iter().map(Row) {
        if row.oid("enumtypid")? != oid {
            continue;
        }
        let order = match row.0.get("enumsortorder") {
            Some(Datum::Real(order)) => *order,
            other => return Err(damaged("enumsortorder", other)),
        };
        labels.push(Label { oid: row.oid("oid")?, order, name: row.text("enumlabel")?.to_owned() });
    }
    labels.sort_by(|a, b| a.order.total_cmp(&b.order));
    Ok(Enum { labels })
}

fn load_conditions(oid: Oid, rows: &Rows) -> Result<Vec<Condition>> {
    let mut conditions = Vec::new();
    for row in rows.iter().map(Row) {
        let of_type = row.integer("contypid").is_ok_and(|of| of == i64::from(oid));
        if of_type && row.letter("contype") == Some('c') {
            conditions.push(Condition {
                oid: row.oid("oid")?,
                name: row.text("conname")?.to_owned(),
                expression: row.text("conbin")?.to_owned(),
            });
        }
    }
    conditions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(conditions)
}

fn load_columns(
    relations: &mut BTreeMap<Oid, Relation>,
    rows: &Rows,
    defaults: &Rows,
    user_types: &HashMap<Oid, UserTypeEntry>,
) -> Result<()> {
    let mut texts = HashMap::new();
    for row in defaults.iter().map(Row) {
        texts.insert((row.oid("adrelid")?, row.integer("adnum")?), row.text("adbin")?.to_owned());
    }
    for row in rows.iter().map(Row) {
        if row.flag("attisdropped")? {
            continue;
        }
        let (table, number) = (row.oid("attrelid")?, row.integer("attnum")?);
        let Some(relation) = relations.get_mut(&table) else {
            return Err(damaged("attrelid", row.0.get("attrelid")));
        };
        let type_oid = row.oid("atttypid")?;
        let ty = types::by_oid(type_oid).or_else(|| user_types.get(&type_oid).map(|entry| entry.ty));
        relation.columns.push(Column {
            number: number as i16,
            name: row.text("attname")?.to_owned(),
            storage_name: row.text("storage_name")?.to_owned(),
            ty: Some(ty.ok_or_else(|| damaged("atttypid", row.0.get("atttypid")))?),
            typmod: row.integer("atttypmod")? as i32,
            not_null: row.flag("attnotnull")?,
            default: texts.remove(&(table, number)),
            identity: match row.letter("attidentity") {
                Some('a') => Some(Identity::Always),
                Some('d') => Some(Identity::ByDefault),
                _ => None,
            },
        });
    }
    for relation in relations.values_mut() {
        relation.columns.sort_by_key(|column| column.number);
        let names = relation.columns.iter().map(|column| column.storage_name.as_str());
        relation.rowid = naming::rowid_name(names).unwrap_or("rowid");
    }
    Ok(())
}

fn load_sequences(relations: &mut BTreeMap<Oid, Relation>, rows: &Rows) -> Result<()> {
    for row in rows.iter().map(Row) {
        if let Some(relation) = relations.get_mut(&row.oid("seqrelid")?) {
            relation.sequence = Some(Sequence {
                type_oid: row.oid("seqtypid")?,
                start: row.integer("seqstart")?,
                increment: row.integer("seqincrement")?,
                minimum: row.integer("seqmin")?,
                maximum: row.integer("seqmax")?,
                cycles: row.flag("seqcycle")?,
            });
        }
    }
    Ok(())
}

/// The keys of an index from pg_index: column numbers, 0 for the next expression; option bits 1 for
/// DESC and 2 for NULLS FIRST, as in PostgreSQL.
fn index_keys(row: &Row<'_>) -> Result<Vec<IndexKey>> {
    let mut expressions = row.optional("indexprs").unwrap_or("").split(EXPRESSION_SEPARATOR);
    let options = row.numbers("indoption")?;
    let numbers = row.numbers("indkey")?;
    let keys = numbers.iter().zip(options).map(|(number, option)| IndexKey {
        what: match number {
            0 => KeyOf::Expression(expressions.next().unwrap_or_default().to_owned()),
            number => KeyOf::Column(*number),
        },
        descending: option & 1 != 0,
        nulls_first: option & 2 != 0,
    });
    Ok(keys.collect())
}

fn load_indexes(relations: &mut BTreeMap<Oid, Relation>, rows: &Rows, constraints: &Rows) -> Result<()> {
    let mut of_index = HashMap::new();
    for row in constraints.iter().map(Row) {
        if matches!(row.letter("contype"), Some('p' | 'u')) {
            of_index.insert(row.oid("conindid")?, row.oid("oid")?);
        }
    }
    for row in rows.iter().map(Row) {
        let (oid, table) = (row.oid("indexrelid")?, row.oid("indrelid")?);
        let Some(own) = relations.get_mut(&oid) else {
            return Err(damaged("indexrelid", row.0.get("indexrelid")));
        };
        own.table = Some(table);
        let index = Index {
            oid,
            name: own.name.clone(),
            storage_name: own.storage_name.clone(),
            keys: index_keys(&row)?,
            predicate: row.optional("indpred").map(str::to_owned),
            is_unique: row.flag("indisunique")?,
            is_primary: row.flag("indisprimary")?,
            // A key that is SQLite's rowid has no index of its own, and so no name in the file.
            is_rowid: own.storage_name.is_empty(),
            constraint: of_index.get(&oid).copied(),
        };
        if let Some(relation) = relations.get_mut(&table) {
            relation.indexes.push(index);
        }
    }
    for relation in relations.values_mut() {
        relation.indexes.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(())
}

fn load_constraints(relations: &mut BTreeMap<Oid, Relation>, rows: &Rows) -> Result<()> {
    let action = |row: &Row<'_>, column: &str| -> Result<Action> {
        row.letter(column).and_then(Action::of_letter).ok_or_else(|| damaged(column, row.0.get(column)))
    };
    for row in rows.iter().map(Row) {
        let Some(relation) = relations.get_mut(&row.oid("conrelid")?) else { continue };
        let (oid, name) = (row.oid("oid")?, row.text("conname")?.to_owned());
        match row.letter("contype") {
            Some('c') => {
                relation.checks.push(Check { oid, name, condition: row.text("conbin")?.to_owned() });
            }
            Some('f') => relation.foreign_keys.push(ForeignKey {
                oid,
                name,
                columns: row.numbers("conkey")?,
                referenced: row.oid("confrelid")?,
                referenced_columns: row.numbers("confkey")?,
                on_delete: action(&row, "confdeltype")?,
                on_update: action(&row, "confupdtype")?,
                match_full: row.letter("confmatchtype") == Some('f'),
            }),
            _ => {}
        }
    }
    for relation in relations.values_mut() {
        relation.checks.sort_by(|a, b| a.name.cmp(&b.name));
        relation.foreign_keys.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(())
}

/// pg_depend: sequences (objid) that a column (refobjid, refobjsubid) owns.
fn load_owned(rows: &Rows) -> Result<HashMap<Oid, Vec<(i16, Oid)>>> {
    let mut owned: HashMap<Oid, Vec<(i16, Oid)>> = HashMap::new();
    for row in rows.iter().map(Row) {
        let column = row.integer("refobjsubid")? as i16;
        owned.entry(row.oid("refobjid")?).or_default().push((column, row.oid("objid")?));
    }
    for sequences in owned.values_mut() {
        sequences.sort_unstable();
    }
    Ok(owned)
}
