//! DROP TABLE, INDEX and SCHEMA, and TRUNCATE.

use std::sync::Arc;

use sqlparser::ast;

use super::{Definer, Step, depended_on, oid_field};
use crate::bail;
use crate::catalog::{ForeignKey, Index, PUBLIC, Relation, RelationKind};
use crate::error::{Error, Result, state};
use crate::sql::lower::quoted;
use crate::sql::statement::Name;
use crate::types::Oid;

impl Definer<'_> {
    pub(super) fn drop(
        &mut self,
        kind: ast::ObjectType,
        if_exists: bool,
        names: &[ast::ObjectName],
        cascade: bool,
    ) -> Result<&'static str> {
        match kind {
            ast::ObjectType::Table => self.drop_tables(names, if_exists, cascade).map(|()| "DROP TABLE"),
            ast::ObjectType::Index => self.drop_indexes(names, if_exists).map(|()| "DROP INDEX"),
            ast::ObjectType::Schema => self.drop_schemas(names, if_exists, cascade).map(|()| "DROP SCHEMA"),
            other => Err(Error::unsupported(format!("DROP {other}"))),
        }
    }

    /// The relation to drop, or a notice that there is none.
    fn found(
        &mut self,
        name: &ast::ObjectName,
        noun: &str,
        if_exists: bool,
    ) -> Result<Option<Arc<Relation>>> {
        let Name { schema, name: bare } = self.binder().object_name(name)?;
        let found = match self.catalog().find(schema.as_deref(), &bare, self.context.path) {
            Err(error) if error.sqlstate() == state::INVALID_SCHEMA_NAME && if_exists => {
                self.notice(format!("{}, skipping", error.message()));
                return Ok(None);
            }
            found => found?,
        };
        match found {
            Some(relation) => Ok(Some(relation)),
            None if if_exists => {
                self.notice(format!("{noun} \"{bare}\" does not exist, skipping"));
                Ok(None)
            }
            None => {
                let qualified = Name { schema, name: bare };
                let missing = if noun == "index" { state::UNDEFINED_OBJECT } else { state::UNDEFINED_TABLE };
                Err(Error::new(missing, format!("{noun} \"{qualified}\" does not exist")))
            }
        }
    }

    fn drop_tables(&mut self, names: &[ast::ObjectName], if_exists: bool, cascade: bool) -> Result<()> {
        let mut tables = Vec::new();
        for name in names {
            let Some(relation) = self.found(name, "table", if_exists)? else { continue };
            match relation.kind {
                RelationKind::Table => tables.push(relation),
                kind if kind.is_system() => {
                    return Err(Error::new(
                        crate::error::SqlState("42501"),
                        format!("permission denied: \"{}\" is a system catalog", relation.name),
                    ));
                }
                _ => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table", relation.name),
            }
        }
        let dropped: Vec<Oid> = tables.iter().map(|table| table.oid).collect();
        for table in &tables {
            self.detach(table, &dropped, cascade)?;
        }
        for table in &tables {
            self.drop_table(table);
        }
        Ok(())
    }

    /// Foreign keys of other tables stand in the way, unless CASCADE drops them.
    fn detach(&mut self, table: &Relation, dropped: &[Oid], cascade: bool) -> Result<()> {
        let others: Vec<(Arc<Relation>, ForeignKey)> = self
            .catalog()
            .references_to(table.oid)
            .filter(|(from, _)| !dropped.contains(&from.oid))
            .map(|(from, key)| (from.clone(), key.clone()))
            .collect();
        if !others.is_empty() && !cascade {
            let words = others.iter().map(|(from, key)| {
                format!("constraint {} on table {} depends on table {}", key.name, from.name, table.name)
            });
            return Err(depended_on(&format!("table {}", table.name), &words.collect::<Vec<_>>()));
        }
        for (from, key) in others {
            self.notice(format!("drop cascades to constraint {} on table {}", key.name, from.name));
            self.delete("pg_constraint", vec![oid_field("oid", key.oid)]);
        }
        Ok(())
    }

    /// Takes a table and all that belongs to it out of the catalog and out of SQLite.
    fn drop_table(&mut self, table: &Relation) {
        for index in &table.indexes {
            self.forget_index(index);
        }
        for (_, sequence) in self.catalog().owned_sequences(table.oid).to_vec() {
            self.drop_sequence(sequence);
        }
        self.delete("pg_constraint", vec![oid_field("conrelid", table.oid)]);
        self.delete("pg_attrdef", vec![oid_field("adrelid", table.oid)]);
        self.delete("pg_attribute", vec![oid_field("attrelid", table.oid)]);
        self.delete("pg_class", vec![oid_field("oid", table.oid)]);
        self.schema_step(format!("DROP TABLE {}", quoted(&table.storage_name)));
    }

    /// An index's catalog rows.
    pub(super) fn forget_index(&mut self, index: &Index) {
        self.delete("pg_index", vec![oid_field("indexrelid", index.oid)]);
        self.delete("pg_class", vec![oid_field("oid", index.oid)]);
        if let Some(constraint) = index.constraint {
            self.delete("pg_constraint", vec![oid_field("oid", constraint)]);
        }
    }

    fn drop_indexes(&mut self, names: &[ast::ObjectName], if_exists: bool) -> Result<()> {
        for name in names {
            let Some(relation) = self.found(name, "index", if_exists)? else { continue };
            if relation.kind != RelationKind::Index {
                bail!(WRONG_OBJECT_TYPE, "\"{}\" is not an index", relation.name);
            }
            let table = relation.table.and_then(|table| self.catalog().relation(table)).cloned();
            let Some(table) = table else { return Err(Error::internal("an index without its table")) };
            let index = table.indexes.iter().find(|index| index.oid == relation.oid).cloned();
            let Some(index) = index else { return Err(Error::internal("a table without its index")) };
            if index.constraint.is_some() {
                return Err(Error::new(
                    state::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!(
                        "cannot drop index {0} because constraint {0} on table {1} requires it",
                        index.name, table.name
                    ),
                )
                .with_hint(format!(
                    "You can drop constraint {} on table {} instead.",
                    index.name, table.name
                )));
            }
            self.forget_index(&index);
            self.schema_step(format!("DROP INDEX {}", quoted(&index.storage_name)));
        }
        Ok(())
    }

    fn drop_schemas(&mut self, names: &[ast::ObjectName], if_exists: bool, cascade: bool) -> Result<()> {
        for name in names {
            let name = self.binder().object_name(name)?.name;
            let Some(schema) = self.catalog().schema(&name) else {
                if if_exists {
                    self.notice(format!("schema \"{name}\" does not exist, skipping"));
                    continue;
                }
                bail!(INVALID_SCHEMA_NAME, "schema \"{name}\" does not exist");
            };
            if schema < crate::types::oid::FIRST_USER_OID && schema != PUBLIC {
                bail!(
                    DEPENDENT_OBJECTS_STILL_EXIST,
                    "cannot drop schema {name} because it is required by the database system"
                );
            }
            self.drop_schema(&name, schema, cascade)?;
        }
        Ok(())
    }

    fn drop_schema(&mut self, name: &str, schema: Oid, cascade: bool) -> Result<()> {
        let mut inside: Vec<Arc<Relation>> =
            self.catalog().relations().filter(|relation| relation.schema == schema).cloned().collect();
        inside.sort_by_key(|relation| relation.oid);
        let is_owned = |sequence: Oid| {
            inside.iter().any(|table| {
                self.catalog().owned_sequences(table.oid).iter().any(|(_, owned)| *owned == sequence)
            })
        };
        let tops: Vec<Arc<Relation>> = inside
            .iter()
            .filter(|relation| match relation.kind {
                RelationKind::Table => true,
                RelationKind::Sequence => !is_owned(relation.oid),
                _ => false,
            })
            .cloned()
            .collect();
        if !tops.is_empty() && !cascade {
            let words = tops
                .iter()
                .map(|top| format!("{} {name}.{} depends on schema {name}", top.kind.noun(), top.name));
            return Err(depended_on(&format!("schema {name}"), &words.collect::<Vec<_>>()));
        }
        let dropped: Vec<Oid> = tops.iter().map(|top| top.oid).collect();
        for table in tops.iter().filter(|top| top.kind == RelationKind::Table) {
            self.detach(table, &dropped, true)?;
        }
        self.cascade_notice(name, &tops);
        for top in &tops {
            match top.kind {
                RelationKind::Sequence => self.drop_sequence(top.oid),
                _ => self.drop_table(top),
            }
        }
        self.delete("pg_namespace", vec![oid_field("oid", schema)]);
        Ok(())
    }

    fn cascade_notice(&mut self, schema: &str, tops: &[Arc<Relation>]) {
        let words =
            |top: &Arc<Relation>| format!("drop cascades to {} {schema}.{}", top.kind.noun(), top.name);
        match tops {
            [] => {}
            [only] => self.notice(words(only)),
            several => {
                let detail = several.iter().map(words).collect::<Vec<_>>().join("\n");
                let notice = Error::notice(format!("drop cascades to {} other objects", several.len()))
                    .with_detail(detail);
                self.notices.push(notice);
            }
        }
    }

    pub(super) fn truncate(&mut self, truncate: &ast::Truncate) -> Result<&'static str> {
        if truncate.partitions.is_some() || truncate.on_cluster.is_some() || truncate.if_exists {
            return Err(crate::sql::bind::not_postgresql("this clause of TRUNCATE"));
        }
        let cascade = matches!(truncate.cascade, Some(ast::CascadeOption::Cascade));
        let mut tables: Vec<Arc<Relation>> = Vec::new();
        for target in &truncate.table_names {
            let table = self.user_table(&target.name)?;
            if !tables.iter().any(|other| other.oid == table.oid) {
                tables.push(table);
            }
        }
        self.add_referencing(&mut tables, cascade)?;
        for table in &tables {
            self.schema_step(format!("DELETE FROM {}", quoted(&table.storage_name)));
        }
        if matches!(truncate.identity, Some(ast::TruncateIdentityOption::Restart)) {
            self.restart_sequences(&tables);
        }
        Ok("TRUNCATE TABLE")
    }

    /// Tables that reference a truncated one must be truncated too.
    fn add_referencing(&mut self, tables: &mut Vec<Arc<Relation>>, cascade: bool) -> Result<()> {
        let mut place = 0;
        while place < tables.len() {
            let table = tables[place].clone();
            let others: Vec<Arc<Relation>> = self
                .catalog()
                .references_to(table.oid)
                .map(|(from, _)| from.clone())
                .filter(|from| !tables.iter().any(|other| other.oid == from.oid))
                .collect();
            for other in others {
                if !cascade {
                    return Err(Error::new(
                        state::FEATURE_NOT_SUPPORTED,
                        "cannot truncate a table referenced in a foreign key constraint",
                    )
                    .with_detail(format!("Table \"{}\" references \"{}\".", other.name, table.name))
                    .with_hint(format!(
                        "Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.",
                        other.name
                    )));
                }
                self.notice(format!("truncate cascades to table \"{}\"", other.name));
                tables.push(other);
            }
            place += 1;
        }
        Ok(())
    }

    fn restart_sequences(&mut self, tables: &[Arc<Relation>]) {
        for table in tables {
            for (_, sequence) in self.catalog().owned_sequences(table.oid) {
                let start = self
                    .catalog()
                    .relation(*sequence)
                    .and_then(|relation| relation.sequence.as_ref())
                    .map(|s| s.start);
                if let Some(value) = start {
                    self.steps.push(Step::SetSequence { sequence: *sequence, value });
                }
            }
        }
    }
}
