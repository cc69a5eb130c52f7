//! ALTER TABLE.

use std::sync::Arc;

use sqlparser::ast;

use super::sqlite::sqlite_column;
use super::{Definer, Step, bool_field, depended_on, int_field, oid_field, text_field};
use crate::bail;
use crate::catalog::{Column, Relation, naming};
use crate::error::{Error, Result, state};
use crate::sql::bind::not_postgresql;
use crate::sql::lower::quoted;
use crate::sql::parse_expression;
use crate::sql::plan::SqliteStatement;

impl Definer<'_> {
    pub(super) fn alter_table(&mut self, alter: &ast::AlterTable) -> Result<&'static str> {
        if alter.location.is_some() || alter.on_cluster.is_some() || alter.table_type.is_some() {
            return Err(not_postgresql("this clause of ALTER TABLE"));
        }
        let relation = match self.user_table(&alter.name) {
            Err(error) if alter.if_exists && error.sqlstate() == state::UNDEFINED_TABLE => {
                let name = self.binder().object_name(&alter.name)?.name;
                self.notice(format!("relation \"{name}\" does not exist, skipping"));
                return Ok("ALTER TABLE");
            }
            relation => relation?,
        };
        // Every action sees what the ones before it made of the table.
        let mut current = (*relation).clone();
        for operation in &alter.operations {
            self.alter_action(&mut current, operation)?;
        }
        Ok("ALTER TABLE")
    }

    fn alter_action(&mut self, relation: &mut Relation, operation: &ast::AlterTableOperation) -> Result<()> {
        use ast::AlterTableOperation as A;
        match operation {
            A::AddColumn { if_not_exists, column_def, column_position: None, .. } => {
                self.add_column(relation, column_def, *if_not_exists)
            }
            A::DropColumn { column_names, if_exists, drop_behavior, .. } => {
                let cascade = matches!(drop_behavior, Some(ast::DropBehavior::Cascade));
                column_names.iter().try_for_each(|name| self.drop_column(relation, name, *if_exists, cascade))
            }
            A::RenameColumn { old_column_name, new_column_name } => {
                self.rename_column(relation, old_column_name, new_column_name)
            }
            A::RenameTable { table_name: ast::RenameTableNameKind::To(name) } => {
                self.rename_table(relation, name)
            }
            A::AddConstraint { constraint, not_valid: false } => self.add_constraint(relation, constraint),
            A::AddConstraint { not_valid: true, .. } => Err(Error::unsupported("NOT VALID")),
            A::DropConstraint { if_exists, name, drop_behavior } => {
                let cascade = matches!(drop_behavior, Some(ast::DropBehavior::Cascade));
                self.drop_constraint(relation, name, *if_exists, cascade)
            }
            A::AlterColumn { column_name, op } => self.alter_column(relation, column_name, op),
            other => {
                Err(Error::unsupported(format!("ALTER TABLE … {}", super::first_words(&other.to_string()))))
            }
        }
    }

    fn column_named(&self, relation: &Relation, ident: &ast::Ident) -> Result<usize> {
        let name = self.binder().identifier(ident)?;
        match relation.columns.iter().position(|column| column.name == name) {
            Some(place) => Ok(place),
            None => {
                bail!(UNDEFINED_COLUMN, "column \"{name}\" of relation \"{}\" does not exist", relation.name)
            }
        }
    }

    fn add_column(
        &mut self,
        relation: &mut Relation,
        definition: &ast::ColumnDef,
        if_not_exists: bool,
    ) -> Result<()> {
        let name = self.binder().identifier(&definition.name)?;
        if relation.column(&name).is_some() {
            let message = format!("column \"{name}\" of relation \"{}\" already exists", relation.name);
            if !if_not_exists {
                return Err(Error::new(state::DUPLICATE_COLUMN, message));
            }
            self.notice_with_code(state::DUPLICATE_COLUMN, format!("{message}, skipping"));
            return Ok(());
        }
        let (checks_before, mut keys, mut foreign) = (relation.checks.len(), Vec::new(), Vec::new());
        self.table_column(relation, definition, &mut keys, &mut foreign)?;
        let rowid_names = relation.columns.iter().map(|column| column.storage_name.as_str());
        let Some(rowid) = naming::rowid_name(rowid_names) else {
            return Err(Error::unsupported("a table with columns rowid, _rowid_ and oid"));
        };
        relation.rowid = rowid;
        let column = relation.columns[relation.columns.len() - 1].clone();
        let new_checks: Vec<_> = relation.checks.split_off(checks_before);
        let plain = Column { not_null: false, ..column.clone() };
        let table = quoted(&relation.storage_name);
        self.schema_step(format!("ALTER TABLE {table} ADD COLUMN {}", sqlite_column(&plain, false)?));
        self.attribute_row(relation.oid, &column);
        let keys_of_class = vec![oid_field("oid", relation.oid)];
        self.update("pg_class", keys_of_class, vec![int_field("relnatts", relation.column_count)]);
        if column.default.is_some() {
            self.fill_column(relation, relation.columns.len() - 1)?;
        }
        if column.not_null {
            self.require_values(relation, &column);
        }
        for key in &keys {
            self.add_key_to_table(relation, key)?;
        }
        for check in new_checks {
            relation.checks.push(check.clone());
            self.store_check(relation, &check)?;
        }
        for (place, (constraint, columns)) in foreign.into_iter().enumerate() {
            let name = self.foreign_name(place);
            let key = self.foreign_key(relation, constraint, columns, name)?;
            self.check_existing(relation.oid, &key);
            relation.foreign_keys.push(key);
        }
        Ok(())
    }

    /// Gives every existing row a new column's default: computed here, logged as rows.
    fn fill_column(&mut self, relation: &Relation, place: usize) -> Result<()> {
        let mut binder = self.binder();
        let value = binder.default_value(relation, place)?;
        let target = crate::sql::bind::Target {
            relation: Arc::new(relation.clone()),
            alias: Arc::from(relation.name.as_str()),
        };
        let update = crate::sql::bind::Update {
            target,
            sets: vec![(place, value)],
            from: Vec::new(),
            filter: None,
            returning: Vec::new(),
            outputs: Vec::new(),
        };
        self.steps.push(Step::Modify(crate::sql::lower::update(&update)));
        Ok(())
    }

    /// SET NOT NULL, after a look for rows that would not have a value.
    fn require_values(&mut self, relation: &Relation, column: &Column) {
        let (table, name) = (quoted(&relation.storage_name), quoted(&column.storage_name));
        let schema = self.catalog().schema_name(relation.schema).unwrap_or_default().to_owned();
        let otherwise = Error::new(
            state::NOT_NULL_VIOLATION,
            format!("column \"{}\" of relation \"{}\" contains null values", column.name, relation.name),
        )
        .about_table(schema, relation.name.as_str())
        .about_column(column.name.as_str());
        let sql = format!("SELECT 1 FROM {table} WHERE {name} IS NULL LIMIT 1");
        let query = SqliteStatement { sql: sql.into(), bindings: Vec::new() };
        self.steps.push(Step::Expect { query, otherwise, types: Vec::new() });
        self.schema_step(format!("ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL"));
    }

    fn drop_column(
        &mut self,
        relation: &mut Relation,
        ident: &ast::Ident,
        if_exists: bool,
        cascade: bool,
    ) -> Result<()> {
        let place = match self.column_named(relation, ident) {
            Err(error) if if_exists && error.sqlstate() == state::UNDEFINED_COLUMN => {
                self.notice(format!("{}, skipping", error.message()));
                return Ok(());
            }
            place => place?,
        };
        let column = relation.columns[place].clone();
        self.drop_dependents(relation, &column, cascade)?;
        let was_rowid = relation.rowid_column().is_some_and(|rowid| rowid.number == column.number);
        let old = relation.clone();
        relation.columns.remove(place);
        relation.indexes.retain(|index| !index.columns().contains(&column.number));
        if was_rowid || relation.columns.is_empty() {
            let kept: Vec<(String, String)> = relation
                .columns
                .iter()
                .map(|column| (column.storage_name.clone(), column.storage_name.clone()))
                .collect();
            self.rebuild(&old, relation, &kept)?;
        } else {
            let (table, name) = (quoted(&relation.storage_name), quoted(&column.storage_name));
            self.schema_step(format!("ALTER TABLE {table} DROP COLUMN {name}"));
        }
        let keys = vec![oid_field("attrelid", relation.oid), int_field("attnum", column.number)];
        let dropped = vec![
            bool_field("attisdropped", true),
            text_field("attname", format!("........pg.dropped.{}........", column.number)),
            oid_field("atttypid", 0),
            bool_field("attnotnull", false),
            bool_field("atthasdef", false),
            text_field("attidentity", ""),
        ];
        self.update("pg_attribute", keys, dropped);
        self.delete(
            "pg_attrdef",
            vec![oid_field("adrelid", relation.oid), int_field("adnum", column.number)],
        );
        for (owner, sequence) in self.catalog().owned_sequences(relation.oid).to_vec() {
            if owner == column.number {
                self.drop_sequence(sequence);
            }
        }
        Ok(())
    }

    /// What goes with a column: its indexes and constraints; what others have on it needs CASCADE.
    fn drop_dependents(&mut self, relation: &mut Relation, column: &Column, cascade: bool) -> Result<()> {
        let mut dependents = Vec::new();
        for (from, key) in self.catalog().references_to(relation.oid) {
            if key.referenced_columns.contains(&column.number) {
                dependents.push((from.clone(), key.clone()));
            }
        }
        if !dependents.is_empty() && !cascade {
            let words = dependents.iter().map(|(from, key)| {
                format!(
                    "constraint {} on table {} depends on column {} of table {}",
                    key.name, from.name, column.name, relation.name
                )
            });
            return Err(depended_on(
                &format!("column {} of table {}", column.name, relation.name),
                &words.collect::<Vec<_>>(),
            ));
        }
        for (from, key) in dependents {
            self.notice(format!("drop cascades to constraint {} on table {}", key.name, from.name));
            self.delete("pg_constraint", vec![oid_field("oid", key.oid)]);
        }
        for index in relation.indexes.clone().iter().filter(|index| index.columns().contains(&column.number))
        {
            self.forget_index(index);
            if !index.is_rowid {
                self.schema_step(format!("DROP INDEX {}", quoted(&index.storage_name)));
            }
        }
        for check in relation.checks.clone() {
            let parsed = parse_expression(&check.condition)?;
            if self.columns_in(relation, &parsed).contains(&column.name) {
                self.drop_check(relation, &check.name);
            }
        }
        for key in relation.foreign_keys.clone().iter().filter(|key| key.columns.contains(&column.number)) {
            self.delete("pg_constraint", vec![oid_field("oid", key.oid)]);
            relation.foreign_keys.retain(|other| other.oid != key.oid);
        }
        Ok(())
    }

    fn rename_column(&mut self, relation: &mut Relation, old: &ast::Ident, new: &ast::Ident) -> Result<()> {
        let place = self.column_named(relation, old)?;
        let name = self.binder().identifier(new)?;
        if relation.column(&name).is_some() {
            bail!(DUPLICATE_COLUMN, "column \"{name}\" of relation \"{}\" already exists", relation.name);
        }
        let column = relation.columns[place].clone();
        let storage_name = naming::column_storage_name(&name, column.number, |lower| {
            relation
                .columns
                .iter()
                .any(|other| other.number != column.number && other.storage_name.eq_ignore_ascii_case(lower))
        });
        let table = quoted(&relation.storage_name);
        self.schema_step(format!(
            "ALTER TABLE {table} RENAME COLUMN {} TO {}",
            quoted(&column.storage_name),
            quoted(&storage_name)
        ));
        let keys = vec![oid_field("attrelid", relation.oid), int_field("attnum", column.number)];
        let values =
            vec![text_field("attname", name.as_str()), text_field("storage_name", storage_name.as_str())];
        self.update("pg_attribute", keys, values);
        for check in &mut relation.checks {
            check.condition = renamed_in(&check.condition, &column.name, &name)?;
            let keys = vec![oid_field("oid", check.oid)];
            self.steps.push(Step::Catalog(crate::catalog::CatalogChange::Update {
                relation: "pg_constraint",
                keys,
                values: vec![text_field("conbin", check.condition.as_str())],
            }));
        }
        self.rename_in_indexes(relation, &column.name, &name)?;
        relation.columns[place].name = name;
        relation.columns[place].storage_name = storage_name;
        Ok(())
    }

    /// The texts of index expressions and predicates name columns.
    fn rename_in_indexes(&mut self, relation: &mut Relation, old: &str, new: &str) -> Result<()> {
        let mut changed = Vec::new();
        for index in &mut relation.indexes {
            let before = index.clone();
            for key in &mut index.keys {
                if let crate::catalog::KeyOf::Expression(text) = &mut key.what {
                    *text = renamed_in(text, old, new)?;
                }
            }
            if let Some(predicate) = &mut index.predicate {
                *predicate = renamed_in(predicate, old, new)?;
            }
            if before.keys != index.keys || before.predicate != index.predicate {
                changed.push(index.clone());
            }
        }
        for index in changed {
            self.delete("pg_index", vec![oid_field("indexrelid", index.oid)]);
            self.index_row(relation.oid, &index);
        }
        Ok(())
    }

    fn rename_table(&mut self, relation: &mut Relation, name: &ast::ObjectName) -> Result<()> {
        let name = self.binder().object_name(name)?.name;
        if self.is_taken(relation.schema, &name) {
            bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists");
        }
        let storage_name = self.storage_name(relation.schema, &name, relation.oid);
        self.schema_step(format!(
            "ALTER TABLE {} RENAME TO {}",
            quoted(&relation.storage_name),
            quoted(&storage_name)
        ));
        let values =
            vec![text_field("relname", name.as_str()), text_field("storage_name", storage_name.as_str())];
        self.update("pg_class", vec![oid_field("oid", relation.oid)], values);
        relation.name = name;
        relation.storage_name = storage_name;
        Ok(())
    }

    fn add_constraint(&mut self, relation: &mut Relation, constraint: &ast::TableConstraint) -> Result<()> {
        use ast::TableConstraint as T;
        match constraint {
            T::PrimaryKey(_) | T::Unique(_) => {
                let key = self.given_key(constraint)?;
                self.add_key_to_table(relation, &key)
            }
            T::Check(check) => {
                let name = check.name.as_ref().map(|name| self.binder().identifier(name)).transpose()?;
                let check = self.add_check(relation, name, None, &check.expr)?;
                self.store_check(relation, &check)
            }
            T::ForeignKey(key) => {
                let columns = key
                    .columns
                    .iter()
                    .map(|column| self.binder().identifier(column))
                    .collect::<Result<_>>()?;
                let key = self.foreign_key(relation, key, columns, None)?;
                self.check_existing(relation.oid, &key);
                relation.foreign_keys.push(key);
                Ok(())
            }
            _ => Err(Error::unsupported("this constraint")),
        }
    }

    /// A key on a table with rows: values are checked; a key that can be SQLite's rowid rebuilds it.
    fn add_key_to_table(&mut self, relation: &mut Relation, key: &super::table::GivenKey<'_>) -> Result<()> {
        let old = relation.clone();
        let index = self.add_key(relation, key)?;
        self.check_index_duplicates(relation, &index)?;
        let numbers = index.columns();
        for number in &numbers {
            let (Some(before), Some(after)) =
                (old.column_numbered(*number), relation.column_numbered(*number))
            else {
                continue;
            };
            if after.not_null && !before.not_null {
                let after = after.clone();
                self.require_values(relation, &after);
                let keys = vec![oid_field("attrelid", relation.oid), int_field("attnum", *number)];
                self.update("pg_attribute", keys, vec![bool_field("attnotnull", true)]);
            }
        }
        if index.is_rowid {
            let copied: Vec<(String, String)> = relation
                .columns
                .iter()
                .map(|column| (column.storage_name.clone(), column.storage_name.clone()))
                .collect();
            self.rebuild(&old, relation, &copied)?;
        }
        self.store_index(relation, &index)?;
        let keys = vec![oid_field("oid", relation.oid)];
        self.update("pg_class", keys, vec![bool_field("relhasindex", true)]);
        Ok(())
    }

    /// A CHECK on a table with rows.
    fn store_check(&mut self, relation: &Relation, check: &crate::catalog::Check) -> Result<()> {
        let condition =
            self.schema_expression(relation, &check.condition, crate::sql::bind::Clause::Check)?;
        let table = quoted(&relation.storage_name);
        let sql = format!("SELECT 1 FROM {table} WHERE NOT ({condition}) LIMIT 1");
        let schema = self.catalog().schema_name(relation.schema).unwrap_or_default().to_owned();
        let otherwise = Error::new(
            state::CHECK_VIOLATION,
            format!(
                "check constraint \"{}\" of relation \"{}\" is violated by some row",
                check.name, relation.name
            ),
        )
        .about_table(schema, relation.name.as_str())
        .about_constraint(check.name.as_str());
        let query = SqliteStatement { sql: sql.into(), bindings: Vec::new() };
        self.steps.push(Step::Expect { query, otherwise, types: Vec::new() });
        self.schema_step(format!(
            "ALTER TABLE {table} ADD CONSTRAINT {} CHECK ({condition})",
            quoted(&check.name)
        ));
        self.check_row(relation, check);
        Ok(())
    }

    fn drop_check(&mut self, relation: &mut Relation, name: &str) {
        let Some(place) = relation.checks.iter().position(|check| check.name == name) else { return };
        let check = relation.checks.remove(place);
        self.schema_step(format!(
            "ALTER TABLE {} DROP CONSTRAINT {}",
            quoted(&relation.storage_name),
            quoted(name)
        ));
        self.delete("pg_constraint", vec![oid_field("oid", check.oid)]);
    }

    fn drop_constraint(
        &mut self,
        relation: &mut Relation,
        ident: &ast::Ident,
        if_exists: bool,
        cascade: bool,
    ) -> Result<()> {
        let name = self.binder().identifier(ident)?;
        if relation.checks.iter().any(|check| check.name == name) {
            self.drop_check(relation, &name);
            return Ok(());
        }
        if let Some(place) = relation.foreign_keys.iter().position(|key| key.name == name) {
            let key = relation.foreign_keys.remove(place);
            self.delete("pg_constraint", vec![oid_field("oid", key.oid)]);
            return Ok(());
        }
        let found =
            relation.indexes.iter().position(|index| index.constraint.is_some() && index.name == name);
        if let Some(place) = found {
            return self.drop_key(relation, place, cascade);
        }
        let message = format!("constraint \"{name}\" of relation \"{}\" does not exist", relation.name);
        if if_exists {
            self.notice(format!("{message}, skipping"));
            return Ok(());
        }
        Err(Error::new(state::UNDEFINED_OBJECT, message))
    }

    fn drop_key(&mut self, relation: &mut Relation, place: usize, cascade: bool) -> Result<()> {
        let index = relation.indexes[place].clone();
        let mut numbers = index.columns();
        numbers.sort_unstable();
        let dependents: Vec<_> = self
            .catalog()
            .references_to(relation.oid)
            .filter(|(_, key)| {
                let mut columns = key.referenced_columns.clone();
                columns.sort_unstable();
                columns == numbers
            })
            .map(|(from, key)| (from.clone(), key.clone()))
            .collect();
        if !dependents.is_empty() && !cascade {
            let words = dependents.iter().map(|(from, key)| {
                format!("constraint {} on table {} depends on index {}", key.name, from.name, index.name)
            });
            let what = format!("constraint {} on table {}", index.name, relation.name);
            return Err(depended_on(&what, &words.collect::<Vec<_>>()));
        }
        for (from, key) in dependents {
            self.notice(format!("drop cascades to constraint {} on table {}", key.name, from.name));
            self.delete("pg_constraint", vec![oid_field("oid", key.oid)]);
        }
        let old = relation.clone();
        relation.indexes.remove(place);
        self.forget_index(&index);
        if index.is_rowid {
            let copied: Vec<(String, String)> = relation
                .columns
                .iter()
                .map(|column| (column.storage_name.clone(), column.storage_name.clone()))
                .collect();
            self.rebuild(&old, relation, &copied)?;
        } else {
            self.schema_step(format!("DROP INDEX {}", quoted(&index.storage_name)));
        }
        Ok(())
    }

    fn alter_column(
        &mut self,
        relation: &mut Relation,
        ident: &ast::Ident,
        op: &ast::AlterColumnOperation,
    ) -> Result<()> {
        use ast::AlterColumnOperation as C;
        let place = self.column_named(relation, ident)?;
        let column = relation.columns[place].clone();
        let keys = || vec![oid_field("attrelid", relation.oid), int_field("attnum", column.number)];
        match op {
            C::SetDefault { value } => {
                let text = self.checked_default(&column, value)?;
                self.delete(
                    "pg_attrdef",
                    vec![oid_field("adrelid", relation.oid), int_field("adnum", column.number)],
                );
                self.update("pg_attribute", keys(), vec![bool_field("atthasdef", text.is_some())]);
                if let Some(text) = &text {
                    self.default_row(relation.oid, column.number, text);
                }
                relation.columns[place].default = text;
            }
            C::DropDefault => {
                self.delete(
                    "pg_attrdef",
                    vec![oid_field("adrelid", relation.oid), int_field("adnum", column.number)],
                );
                self.update("pg_attribute", keys(), vec![bool_field("atthasdef", false)]);
                relation.columns[place].default = None;
            }
            C::SetNotNull if column.not_null => {}
            C::SetNotNull => {
                self.require_values(relation, &column);
                self.update("pg_attribute", keys(), vec![bool_field("attnotnull", true)]);
                relation.columns[place].not_null = true;
            }
            C::DropNotNull => {
                if relation.primary_key().is_some_and(|key| key.columns().contains(&column.number)) {
                    bail!(INVALID_TABLE_DEFINITION, "column \"{}\" is in a primary key", column.name);
                }
                if column.not_null {
                    let (table, name) = (quoted(&relation.storage_name), quoted(&column.storage_name));
                    self.schema_step(format!("ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL"));
                    self.update("pg_attribute", keys(), vec![bool_field("attnotnull", false)]);
                    relation.columns[place].not_null = false;
                }
            }
            C::SetDataType { .. } => return Err(Error::unsupported("ALTER COLUMN … TYPE")),
            C::AddGenerated { .. } => return Err(Error::unsupported("ALTER COLUMN … ADD GENERATED")),
        }
        Ok(())
    }
}

/// An expression's text with one column renamed.
fn renamed_in(text: &str, old: &str, new: &str) -> Result<String> {
    let mut parsed = parse_expression(text)?;
    let _ = ast::visit_expressions_mut(&mut parsed, |part: &mut ast::Expr| {
        let ident = match part {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(parts) => parts.last_mut(),
            _ => None,
        };
        if let Some(ident) = ident
            && naming::fold(&ident.value, ident.quote_style.is_some()).0 == old
        {
            *ident = ast::Ident::with_quote('"', new);
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    Ok(parsed.to_string())
}
