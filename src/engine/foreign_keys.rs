//! Foreign keys, checked and acted on after each statement from the changes it made.
//!
//! Not SQLite's own: its errors name no constraint, and its actions cannot be told from the
//! statement's changes. As in PostgreSQL, actions run first (CASCADE, SET NULL), each of whose changes is
//! looked at in turn; then what NO ACTION forbids and what no longer has its referenced row fails.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::violation::key_of;
use crate::catalog::{Action, Catalog, ForeignKey, Relation};
use crate::error::{Error, Result, state};
use crate::functions::Env;
use crate::sql::quoted;
use crate::storage::{Change, Failure, Mark, Statement};
use crate::types::{Datum, DatumRef, Oid};

/// A referenced row that is gone or has another key.
struct Lost {
    child: Arc<Relation>,
    key: usize,
    old: Vec<Datum>,
    /// `None` for a deleted row.
    new: Option<Vec<Datum>>,
}

/// A key's columns that a change tells, and the row to read the others from.
struct PartialKey {
    values: Vec<Option<Datum>>,
    rowid: i64,
}

impl PartialKey {
    /// The whole key: what the change did not tell is in the row.
    fn complete(
        self,
        statement: &mut Statement<'_>,
        relation: &Relation,
        places: &[usize],
    ) -> Result<Vec<Datum>, Failure> {
        let unknown: Vec<usize> = (0..places.len()).filter(|at| self.values[*at].is_none()).collect();
        let mut values: Vec<Datum> =
            self.values.into_iter().map(|value| value.unwrap_or(Datum::Null)).collect();
        if unknown.is_empty() {
            return Ok(values);
        }
        let names =
            unknown.iter().map(|at| quoted(&relation.columns[places[*at]].storage_name)).collect::<Vec<_>>();
        let sql = format!(
            "SELECT {} FROM {} WHERE {} = ?1",
            names.join(", "),
            quoted(&relation.storage_name),
            relation.rowid
        );
        let rows = statement.query(&sql, &[DatumRef::Integer(self.rowid)])?;
        for (at, value) in unknown.into_iter().zip(rows.into_iter().next().unwrap_or_default()) {
            values[at] = value;
        }
        Ok(values)
    }
}

/// What one change may have broken.
enum Suspect {
    /// A referencing row with a new key.
    Child { relation: Arc<Relation>, key: usize, values: PartialKey },
    /// A referenced row without its old key.
    Parent {
        relation: Arc<Relation>,
        child: Arc<Relation>,
        key: usize,
        old: PartialKey,
        new: Option<PartialKey>,
    },
}

/// A table's part in foreign keys.
struct Role {
    relation: Arc<Relation>,
    /// Foreign keys of others that reference it: the other table, the place among its foreign keys.
    referenced_by: Vec<(Arc<Relation>, usize)>,
}

/// The places of numbered columns.
fn places(relation: &Relation, numbers: &[i16]) -> Vec<usize> {
    numbers.iter().filter_map(|number| relation.place_of(*number)).collect()
}

/// `"a" = ?n AND "b" = ?n+1`
fn equal(relation: &Relation, places: &[usize], first: usize) -> String {
    let terms = places
        .iter()
        .enumerate()
        .map(|(at, place)| format!("{} = ?{}", quoted(&relation.columns[*place].storage_name), first + at));
    terms.collect::<Vec<_>>().join(" AND ")
}

fn refs(values: &[Datum]) -> Vec<DatumRef<'_>> {
    values.iter().map(Datum::as_ref).collect()
}

fn role(relation: &Arc<Relation>, catalog: &Catalog) -> Role {
    let referenced_by = catalog
        .references_to(relation.oid)
        .filter_map(|(child, key)| {
            let place = child.foreign_keys.iter().position(|other| other.oid == key.oid)?;
            Some((child.clone(), place))
        })
        .collect();
    Role { relation: relation.clone(), referenced_by }
}

impl Role {
    fn is_none(&self) -> bool {
        self.relation.foreign_keys.is_empty() && self.referenced_by.is_empty()
    }
}

/// Checks and acts on what a statement on a table has changed since a mark.
pub(super) fn enforce(
    statement: &mut Statement<'_>,
    relation: &Arc<Relation>,
    catalog: &Catalog,
    start: Mark,
    env: &dyn Env,
) -> Result<(), Failure> {
    if role(relation, catalog).is_none() {
        return Ok(());
    }
    let mut enforcer =
        Enforcer { catalog, env, roles: HashMap::new(), lost: Vec::new(), new_keys: HashMap::new() };
    let mut from = start;
    while from < statement.end() {
        let to = statement.end();
        let suspects = enforcer.suspects(statement, from, to)?;
        for suspect in suspects {
            enforcer.take(statement, suspect)?;
        }
        from = to;
    }
    enforcer.check_lost(statement)?;
    enforcer.check_new_keys(statement)
}

struct Enforcer<'a> {
    catalog: &'a Catalog,
    env: &'a dyn Env,
    /// By SQLite's table names; `None` for tables without foreign keys.
    roles: HashMap<Box<str>, Option<Role>>,
    /// Lost rows whose foreign keys forbid that.
    lost: Vec<Lost>,
    /// Referencing keys to check: (table, place of its foreign key) to distinct keys.
    new_keys: HashMap<(Oid, usize), (Arc<Relation>, KeySet)>,
}

/// Distinct keys, by an encoding in which equal keys are equal.
type KeySet = HashMap<Vec<u8>, Vec<Datum>>;

fn encoded(values: &[Datum]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        match value {
            Datum::Null => out.push(0),
            Datum::Integer(value) => {
                out.push(1);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Datum::Real(value) => {
                out.push(2);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Datum::Text(value) => {
                out.push(3);
                out.extend_from_slice(&(value.len() as u64).to_le_bytes());
                out.extend_from_slice(value.as_bytes());
            }
            Datum::Blob(value) => {
                out.push(4);
                out.extend_from_slice(&(value.len() as u64).to_le_bytes());
                out.extend_from_slice(value);
            }
        }
    }
    out
}

impl Enforcer<'_> {
    fn role(&mut self, table: &str) -> Option<&Role> {
        if !self.roles.contains_key(table) {
            let found = self.catalog.by_storage_name(table).map(|relation| role(relation, self.catalog));
            self.roles.insert(table.into(), found.filter(|role| !role.is_none()));
        }
        self.roles.get(table).and_then(Option::as_ref)
    }

    /// What the changes between two marks may have broken.
    fn suspects(&mut self, statement: &Statement<'_>, from: Mark, to: Mark) -> Result<Vec<Suspect>, Failure> {
        let mut suspects = Vec::new();
        statement.changes(from, to, |change| {
            match change {
                Change::Insert { table, rowid, values } => {
                    self.inserted(table, rowid, &values, &mut suspects)
                }
                Change::Delete { table, rowid, values } => self.deleted(table, rowid, &values, &mut suspects),
                Change::Update { table, new_rowid, columns, .. } => {
                    self.updated(table, new_rowid, &columns, &mut suspects)
                }
                Change::Schema { .. } => {}
            }
            Ok(())
        })?;
        Ok(suspects)
    }

    fn inserted(&mut self, table: &str, rowid: i64, values: &[DatumRef<'_>], suspects: &mut Vec<Suspect>) {
        let Some(role) = self.role(table) else { return };
        for (key, foreign) in role.relation.foreign_keys.iter().enumerate() {
            let key_values = places(&role.relation, &foreign.columns)
                .iter()
                .map(|place| Some(values[*place].to_owned()))
                .collect();
            let values = PartialKey { values: key_values, rowid };
            suspects.push(Suspect::Child { relation: role.relation.clone(), key, values });
        }
    }

    fn deleted(&mut self, table: &str, rowid: i64, values: &[DatumRef<'_>], suspects: &mut Vec<Suspect>) {
        let Some(role) = self.role(table) else { return };
        for (child, key) in &role.referenced_by {
            let numbers = &child.foreign_keys[*key].referenced_columns;
            let old =
                places(&role.relation, numbers).iter().map(|place| Some(values[*place].to_owned())).collect();
            suspects.push(Suspect::Parent {
                relation: role.relation.clone(),
                child: child.clone(),
                key: *key,
                old: PartialKey { values: old, rowid },
                new: None,
            });
        }
    }

    fn updated(
        &mut self,
        table: &str,
        rowid: i64,
        columns: &[(usize, DatumRef<'_>, DatumRef<'_>)],
        suspects: &mut Vec<Suspect>,
    ) {
        let Some(role) = self.role(table) else { return };
        let changed = |place: usize| columns.iter().find(|(other, ..)| *other == place);
        let side = |places: &[usize], new: bool| PartialKey {
            values: places
                .iter()
                .map(|place| {
                    changed(*place)
                        .map(|(_, before, after)| DatumRef::to_owned(if new { *after } else { *before }))
                })
                .collect(),
            rowid,
        };
        for (key, foreign) in role.relation.foreign_keys.iter().enumerate() {
            let places = places(&role.relation, &foreign.columns);
            if places.iter().any(|place| changed(*place).is_some()) {
                suspects.push(Suspect::Child {
                    relation: role.relation.clone(),
                    key,
                    values: side(&places, true),
                });
            }
        }
        for (child, key) in &role.referenced_by {
            let places = places(&role.relation, &child.foreign_keys[*key].referenced_columns);
            if places.iter().any(|place| changed(*place).is_some()) {
                suspects.push(Suspect::Parent {
                    relation: role.relation.clone(),
                    child: child.clone(),
                    key: *key,
                    old: side(&places, false),
                    new: Some(side(&places, true)),
                });
            }
        }
    }

    fn take(&mut self, statement: &mut Statement<'_>, suspect: Suspect) -> Result<(), Failure> {
        match suspect {
            Suspect::Child { relation, key, values } => {
                let columns = places(&relation, &relation.foreign_keys[key].columns);
                let values = values.complete(statement, &relation, &columns)?;
                self.note_new_key(relation, key, values)
            }
            Suspect::Parent { relation, child, key, old, new } => {
                let columns = places(&relation, &child.foreign_keys[key].referenced_columns);
                let old = old.complete(statement, &relation, &columns)?;
                let new = new.map(|new| new.complete(statement, &relation, &columns)).transpose()?;
                if old.iter().any(Datum::is_null) {
                    return Ok(());
                }
                self.act(statement, Lost { child, key, old, new })
            }
        }
    }

    /// Notes a referencing key, unless its NULLs exempt it.
    fn note_new_key(
        &mut self,
        relation: Arc<Relation>,
        key: usize,
        values: Vec<Datum>,
    ) -> Result<(), Failure> {
        let foreign = &relation.foreign_keys[key];
        let nulls = values.iter().filter(|value| value.is_null()).count();
        if nulls == values.len() || (nulls > 0 && !foreign.match_full) {
            return Ok(());
        }
        if nulls > 0 {
            return Err(mixed_nulls(&relation, foreign, self.catalog).into());
        }
        let (_, keys) = match self.new_keys.entry((relation.oid, key)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert((relation, KeySet::new())),
        };
        keys.insert(encoded(&values), values);
        Ok(())
    }

    /// Does what a foreign key asks for when a referenced key is lost.
    fn act(&mut self, statement: &mut Statement<'_>, lost: Lost) -> Result<(), Failure> {
        let foreign = &lost.child.foreign_keys[lost.key];
        let action = if lost.new.is_some() { foreign.on_update } else { foreign.on_delete };
        let columns = places(&lost.child, &foreign.columns);
        let table = quoted(&lost.child.storage_name);
        match (action, &lost.new) {
            (Action::NoAction, _) => {
                self.lost.push(lost);
                Ok(())
            }
            (Action::Restrict, _) => self.forbid(statement, &lost),
            (Action::Cascade, None) => {
                let sql = format!("DELETE FROM {table} WHERE {}", equal(&lost.child, &columns, 1));
                statement.change(&sql.into(), &refs(&lost.old)).map(|_| ())
            }
            (Action::Cascade, Some(new)) => {
                let set = equal(&lost.child, &columns, columns.len() + 1).replace(" AND ", ", ");
                let sql = format!("UPDATE {table} SET {set} WHERE {}", equal(&lost.child, &columns, 1));
                let values: Vec<DatumRef<'_>> = lost.old.iter().chain(new).map(Datum::as_ref).collect();
                statement.change(&sql.into(), &values).map(|_| ())
            }
            (Action::SetNull, _) => {
                let nulls: Vec<String> = columns
                    .iter()
                    .map(|place| format!("{} = NULL", quoted(&lost.child.columns[*place].storage_name)))
                    .collect();
                let sql = format!(
                    "UPDATE {table} SET {} WHERE {}",
                    nulls.join(", "),
                    equal(&lost.child, &columns, 1)
                );
                statement.change(&sql.into(), &refs(&lost.old)).map(|_| ())
            }
            (Action::SetDefault, _) => {
                Err(Error::unsupported("the action SET DEFAULT of foreign keys").into())
            }
        }
    }

    /// Fails if rows still reference a lost key.
    fn forbid(&self, statement: &mut Statement<'_>, lost: &Lost) -> Result<(), Failure> {
        let foreign = &lost.child.foreign_keys[lost.key];
        if !exists(statement, &lost.child, &places(&lost.child, &foreign.columns), &lost.old)? {
            return Ok(());
        }
        let Some(parent) = self.catalog.relation(foreign.referenced) else { return Ok(()) };
        let key =
            key_of(&places(parent, &foreign.referenced_columns), parent, lost.old.iter(), self.env.format());
        let message = format!(
            "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
            parent.name, foreign.name, lost.child.name
        );
        let detail = format!("Key {key} is still referenced from table \"{}\".", lost.child.name);
        Err(violation(message, detail, &lost.child, foreign, self.catalog).into())
    }

    fn check_lost(&mut self, statement: &mut Statement<'_>) -> Result<(), Failure> {
        for lost in std::mem::take(&mut self.lost) {
            let foreign = &lost.child.foreign_keys[lost.key];
            let Some(parent) = self.catalog.relation(foreign.referenced) else { continue };
            // Another row may have taken the key over.
            if !exists(statement, parent, &places(parent, &foreign.referenced_columns), &lost.old)? {
                self.forbid(statement, &lost)?;
            }
        }
        Ok(())
    }

    fn check_new_keys(&mut self, statement: &mut Statement<'_>) -> Result<(), Failure> {
        for ((_, key), (relation, keys)) in std::mem::take(&mut self.new_keys) {
            let foreign = &relation.foreign_keys[key];
            let Some(parent) = self.catalog.relation(foreign.referenced) else { continue };
            let referenced = places(parent, &foreign.referenced_columns);
            let columns = places(&relation, &foreign.columns);
            for values in keys.into_values() {
                let is_missing = !exists(statement, parent, &referenced, &values)?;
                // An action may have removed or changed the referencing row since.
                if is_missing && exists(statement, &relation, &columns, &values)? {
                    return Err(absent(&relation, foreign, parent, &values, self.catalog, self.env).into());
                }
            }
        }
        Ok(())
    }
}

/// Whether a table has a row with a key.
fn exists(
    statement: &mut Statement<'_>,
    relation: &Relation,
    places: &[usize],
    key: &[Datum],
) -> Result<bool, Failure> {
    let sql = format!(
        "SELECT 1 FROM {} WHERE {} LIMIT 1",
        quoted(&relation.storage_name),
        equal(relation, places, 1)
    );
    Ok(!statement.query(&sql, &refs(key))?.is_empty())
}

fn violation(
    message: String,
    detail: String,
    table: &Relation,
    foreign: &ForeignKey,
    catalog: &Catalog,
) -> Error {
    Error::new(state::FOREIGN_KEY_VIOLATION, message)
        .with_detail(detail)
        .about_table(catalog.schema_name(table.schema).unwrap_or_default(), &table.name)
        .about_constraint(&foreign.name)
}

fn refused(relation: &Relation, foreign: &ForeignKey) -> String {
    format!(
        "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
        relation.name, foreign.name
    )
}

fn absent(
    relation: &Relation,
    foreign: &ForeignKey,
    parent: &Relation,
    key: &[Datum],
    catalog: &Catalog,
    env: &dyn Env,
) -> Error {
    let key = key_of(&places(relation, &foreign.columns), relation, key.iter(), env.format());
    let detail = format!("Key {key} is not present in table \"{}\".", parent.name);
    violation(refused(relation, foreign), detail, relation, foreign, catalog)
}

fn mixed_nulls(relation: &Relation, foreign: &ForeignKey, catalog: &Catalog) -> Error {
    let detail = "MATCH FULL does not allow mixing of null and nonnull key values.".to_owned();
    violation(refused(relation, foreign), detail, relation, foreign, catalog)
}

/// Checks a new foreign key against the rows that are there.
pub(super) fn check_existing(
    statement: &mut Statement<'_>,
    table: Oid,
    name: &str,
    env: &dyn Env,
) -> Result<(), Failure> {
    let catalog = statement.catalog();
    let Some(relation) = catalog.relation(table) else { return Ok(()) };
    let Some(foreign) = relation.foreign_keys.iter().find(|key| key.name == name) else { return Ok(()) };
    let Some(parent) = catalog.relation(foreign.referenced) else { return Ok(()) };
    let columns = places(relation, &foreign.columns);
    let names: Vec<String> =
        columns.iter().map(|place| format!("c.{}", quoted(&relation.columns[*place].storage_name))).collect();
    let joined: Vec<String> = places(parent, &foreign.referenced_columns)
        .iter()
        .zip(&names)
        .map(|(place, name)| format!("p.{} = {name}", quoted(&parent.columns[*place].storage_name)))
        .collect();
    let table = quoted(&relation.storage_name);
    if foreign.match_full && names.len() > 1 {
        let nulls: Vec<String> = names.iter().map(|name| format!("({name} IS NULL)")).collect();
        let sql = format!(
            "SELECT 1 FROM {table} AS c WHERE {} BETWEEN 1 AND {} LIMIT 1",
            nulls.join(" + "),
            names.len() - 1
        );
        if !statement.query(&sql, &[])?.is_empty() {
            return Err(mixed_nulls(relation, foreign, &catalog).into());
        }
    }
    let present: Vec<String> = names.iter().map(|name| format!("{name} IS NOT NULL")).collect();
    let sql = format!(
        "SELECT {} FROM {table} AS c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {}) LIMIT 1",
        names.join(", "),
        present.join(" AND "),
        quoted(&parent.storage_name),
        joined.join(" AND ")
    );
    match statement.query(&sql, &[])?.first() {
        Some(key) => Err(absent(relation, foreign, parent, key, &catalog, env).into()),
        None => Ok(()),
    }
}
