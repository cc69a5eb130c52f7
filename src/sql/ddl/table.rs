//! CREATE TABLE, and the constraints that it shares with ALTER TABLE.

use std::sync::Arc;

use sqlparser::ast;

use super::sqlite::can_be_rowid;
use super::{Definer, Step};
use crate::bail;
use crate::catalog::{
    Action, Check, Column, ForeignKey, Identity, Index, IndexKey, KeyOf, Relation, RelationKind, naming,
};
use crate::error::{Error, Result, state};
use crate::sql::bind::{Clause, Place, Scope, not_postgresql, resolve_type, serial_type};
use crate::sql::statement::SequenceOptions;
use crate::types::{Oid, Type};

/// PostgreSQL's MaxHeapAttributeNumber.
const COLUMNS_MAX: usize = 1600;
/// PostgreSQL's INDEX_MAX_KEYS.
const INDEX_KEYS_MAX: usize = 32;

/// A constraint as it was written, before names and numbers are known.
pub(super) struct GivenKey<'a> {
    pub(super) name: Option<String>,
    pub(super) columns: Vec<String>,
    pub(super) is_primary: bool,
    /// Where an error points.
    pub(super) ident: Option<&'a ast::Ident>,
}

impl Definer<'_> {
    pub(super) fn create_table(&mut self, create: &ast::CreateTable) -> Result<&'static str> {
        check_create(create)?;
        let name = self.binder().object_name(&create.name)?;
        let schema = self.creation_schema(&name)?;
        if self.is_taken(schema, &name.name) {
            let message = format!("relation \"{}\" already exists", name.name);
            if !create.if_not_exists {
                return Err(Error::new(state::DUPLICATE_TABLE, message));
            }
            self.notice_with_code(state::DUPLICATE_TABLE, format!("{message}, skipping"));
            return Ok("CREATE TABLE");
        }
        if create.columns.len() > COLUMNS_MAX {
            bail!(TOO_MANY_COLUMNS, "tables can have at most {COLUMNS_MAX} columns");
        }
        self.named.push((schema, name.name.clone()));
        let oid = self.new_oid();
        let mut relation = Relation {
            oid,
            schema,
            storage_name: self.storage_name(schema, &name.name, oid),
            name: name.name,
            kind: RelationKind::Table,
            columns: Vec::new(),
            rowid: "rowid",
            column_count: 0,
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            sequence: None,
            table: None,
        };
        let mut keys = Vec::new();
        let mut foreign = Vec::new();
        for definition in &create.columns {
            self.table_column(&mut relation, definition, &mut keys, &mut foreign)?;
        }
        for constraint in &create.constraints {
            self.table_constraint(&mut relation, constraint, &mut keys, &mut foreign)?;
        }
        let names = relation.columns.iter().map(|column| column.storage_name.as_str());
        relation.rowid = naming::rowid_name(names)
            .ok_or_else(|| Error::unsupported("a table with columns rowid, _rowid_ and oid"))?;
        for key in keys {
            self.add_key(&mut relation, &key)?;
        }
        self.store_new_table(&relation)?;
        for (place, (constraint, columns)) in foreign.into_iter().enumerate() {
            let name = self.foreign_name(place);
            let key = self.foreign_key(&relation, constraint, columns, name)?;
            relation.foreign_keys.push(key);
        }
        Ok("CREATE TABLE")
    }

    /// The name that was written before an inline REFERENCES.
    pub(super) fn foreign_name(&self, place: usize) -> Option<String> {
        self.foreign_names.iter().find(|(other, _)| *other == place).map(|(_, name)| name.clone())
    }

    /// Rows and SQLite's statements for a table that is complete but for its foreign keys.
    fn store_new_table(&mut self, relation: &Relation) -> Result<()> {
        let create = self.sqlite_table(relation, &relation.storage_name)?;
        self.schema_step(create);
        self.class_row(relation);
        for column in &relation.columns {
            self.attribute_row(relation.oid, column);
        }
        for check in &relation.checks {
            self.check_row(relation, check);
        }
        for index in &relation.indexes {
            self.store_index(relation, index)?;
        }
        Ok(())
    }

    /// Rows and SQLite's statement for an index.
    pub(super) fn store_index(&mut self, relation: &Relation, index: &Index) -> Result<()> {
        if !index.is_rowid {
            let create = self.sqlite_index(relation, index)?;
            self.schema_step(create);
        }
        let own = Relation {
            oid: index.oid,
            schema: relation.schema,
            name: index.name.clone(),
            kind: RelationKind::Index,
            storage_name: index.storage_name.clone(),
            columns: Vec::new(),
            rowid: "rowid",
            column_count: index.keys.len() as i16,
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            sequence: None,
            table: Some(relation.oid),
        };
        self.class_row(&own);
        self.index_row(relation.oid, index);
        self.key_constraint_row(relation, index);
        Ok(())
    }

    /// One column with its inline constraints.
    pub(super) fn table_column<'c>(
        &mut self,
        relation: &mut Relation,
        definition: &'c ast::ColumnDef,
        keys: &mut Vec<GivenKey<'c>>,
        foreign: &mut Vec<(&'c ast::ForeignKeyConstraint, Vec<String>)>,
    ) -> Result<()> {
        let name = self.binder().identifier(&definition.name)?;
        if relation.column(&name).is_some() {
            bail!(DUPLICATE_COLUMN, "column \"{name}\" specified more than once");
        }
        if matches!(name.as_str(), "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid") {
            bail!(DUPLICATE_COLUMN, "column name \"{name}\" conflicts with a system column name");
        }
        let serial = serial_type(&definition.data_type);
        let (ty, typmod) = match serial {
            Some(ty) => (ty, crate::types::NO_TYPMOD),
            None => resolve_type(&definition.data_type, self.context)?,
        };
        if ty.is_pseudo() {
            bail!(INVALID_TABLE_DEFINITION, "column \"{name}\" has pseudo-type {}", ty.sql_name);
        }
        relation.column_count += 1;
        let number = relation.column_count;
        let storage_name = naming::column_storage_name(&name, number, |lower| {
            relation.columns.iter().any(|column| column.storage_name.eq_ignore_ascii_case(lower))
        });
        let mut column = Column {
            number,
            name,
            storage_name,
            ty: Some(ty),
            typmod,
            not_null: false,
            default: None,
            identity: None,
        };
        if serial.is_some() {
            let sequence = self.owned_sequence(relation, &column, ty, &SequenceOptions::default(), false)?;
            column.default = Some(sequence);
            column.not_null = true;
        }
        relation.columns.push(column);
        for option in &definition.options {
            self.column_option(relation, option, keys, foreign)?;
        }
        Ok(())
    }

    /// The sequence behind a serial or identity column; its call is the column's default.
    fn owned_sequence(
        &mut self,
        relation: &Relation,
        column: &Column,
        ty: &Type,
        options: &SequenceOptions,
        is_identity: bool,
    ) -> Result<String> {
        let (schema, name) = match &options.name {
            Some(name) => (self.creation_schema(name)?, name.name.clone()),
            None => (
                relation.schema,
                self.choose_name(relation.schema, &relation.name, Some(&column.name), "seq"),
            ),
        };
        let oid = self.new_sequence(schema, &name, ty, options)?;
        self.ownership_row(oid, relation.oid, column.number, is_identity);
        Ok(super::sequence::default_of(oid))
    }

    fn column_option<'c>(
        &mut self,
        relation: &mut Relation,
        option: &'c ast::ColumnOptionDef,
        keys: &mut Vec<GivenKey<'c>>,
        foreign: &mut Vec<(&'c ast::ForeignKeyConstraint, Vec<String>)>,
    ) -> Result<()> {
        use ast::ColumnOption as O;
        let given_name = option.name.as_ref().map(|name| self.binder().identifier(name)).transpose()?;
        let last = relation.columns.len() - 1;
        let column_name = relation.columns[last].name.clone();
        match &option.option {
            O::Null => {}
            O::NotNull => relation.columns[last].not_null = true,
            O::Default(expr) => {
                if relation.columns[last].default.is_some() {
                    bail!(
                        SYNTAX_ERROR,
                        "multiple default values specified for column \"{column_name}\" of table \"{}\"",
                        relation.name
                    );
                }
                let text = self.checked_default(&relation.columns[last], expr)?;
                relation.columns[last].default = text;
            }
            O::PrimaryKey(constraint) => {
                check_characteristics(constraint.characteristics.as_ref())?;
                let name = self.constraint_name(given_name, constraint.name.as_ref())?;
                keys.push(GivenKey { name, columns: vec![column_name], is_primary: true, ident: None });
            }
            O::Unique(constraint) => {
                check_unique(constraint)?;
                let name = self.constraint_name(given_name, constraint.name.as_ref())?;
                keys.push(GivenKey { name, columns: vec![column_name], is_primary: false, ident: None });
            }
            O::ForeignKey(constraint) => {
                // The name stands before REFERENCES and is sqlparser's option name.
                if given_name.is_some() && constraint.name.is_none() {
                    self.foreign_names.push((foreign.len(), given_name.unwrap_or_default()));
                }
                foreign.push((constraint, vec![column_name]));
            }
            O::Check(constraint) => {
                let name = self.constraint_name(given_name, constraint.name.as_ref())?;
                self.add_check(relation, name, Some(&column_name), &constraint.expr)?;
            }
            O::Generated { generated_as, sequence_options, generation_expr: None, .. } => {
                self.identity(relation, *generated_as, sequence_options.as_deref().unwrap_or_default())?;
            }
            O::Generated { .. } => return Err(Error::unsupported("generated columns")),
            O::Collation(name) => check_collation(name)?,
            O::Comment(_) | O::CharacterSet(_) | O::OnUpdate(_) => {
                return Err(not_postgresql("this column option"));
            }
            _ => return Err(not_postgresql("this column option")),
        }
        Ok(())
    }

    fn constraint_name(&self, before: Option<String>, own: Option<&ast::Ident>) -> Result<Option<String>> {
        match own {
            Some(name) => self.binder().identifier(name).map(Some),
            None => Ok(before),
        }
    }

    /// A default must be computable and fit the column; NULL is none.
    pub(super) fn checked_default(&self, column: &Column, expr: &ast::Expr) -> Result<Option<String>> {
        let mut binder = self.binder();
        let scope = Scope::default();
        let bound = match binder.expr(expr, Place { scope: &scope, clause: Clause::Default }) {
            Err(error) if error.sqlstate() == state::UNDEFINED_COLUMN => {
                bail!(FEATURE_NOT_SUPPORTED, "cannot use column reference in DEFAULT expression")
            }
            bound => bound?,
        };
        let is_null = matches!(bound.kind, crate::sql::tree::ExprKind::Constant(crate::types::Datum::Null));
        let source = bound.ty;
        if let Err(error) = binder.assign(column, bound) {
            if error.sqlstate() == state::DATATYPE_MISMATCH {
                let ty = column.ty.map_or("", |ty| ty.sql_name);
                return Err(Error::new(
                    state::DATATYPE_MISMATCH,
                    format!(
                        "column \"{}\" is of type {ty} but default expression is of type {}",
                        column.name, source.sql_name
                    ),
                )
                .with_hint("You will need to rewrite or cast the expression."));
            }
            return Err(error);
        }
        Ok((!is_null).then(|| expr.to_string()))
    }

    /// GENERATED { ALWAYS | BY DEFAULT } AS IDENTITY
    fn identity(
        &mut self,
        relation: &mut Relation,
        generated: ast::GeneratedAs,
        options: &[ast::SequenceOptions],
    ) -> Result<()> {
        let identity = match generated {
            ast::GeneratedAs::Always => Identity::Always,
            ast::GeneratedAs::ByDefault => Identity::ByDefault,
            ast::GeneratedAs::ExpStored => return Err(Error::unsupported("generated columns")),
        };
        let last = relation.columns.len() - 1;
        let column = relation.columns[last].clone();
        let ty = column.ty.filter(|_| can_be_rowid(&column));
        let Some(ty) = ty else {
            bail!(INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint");
        };
        let options = identity_options(options)?;
        let default = self.owned_sequence(relation, &column, ty, &options, true)?;
        let column = &mut relation.columns[last];
        column.default = Some(default);
        column.identity = Some(identity);
        column.not_null = true;
        Ok(())
    }

    fn table_constraint<'c>(
        &mut self,
        relation: &mut Relation,
        constraint: &'c ast::TableConstraint,
        keys: &mut Vec<GivenKey<'c>>,
        foreign: &mut Vec<(&'c ast::ForeignKeyConstraint, Vec<String>)>,
    ) -> Result<()> {
        use ast::TableConstraint as T;
        match constraint {
            T::PrimaryKey(_) | T::Unique(_) => keys.push(self.given_key(constraint)?),
            T::ForeignKey(key) => {
                let columns = key
                    .columns
                    .iter()
                    .map(|column| self.binder().identifier(column))
                    .collect::<Result<_>>()?;
                foreign.push((key, columns));
            }
            T::Check(check) => {
                let name = check.name.as_ref().map(|name| self.binder().identifier(name)).transpose()?;
                self.add_check(relation, name, None, &check.expr)?;
            }
            T::Exclude(_) => return Err(Error::unsupported("exclusion constraints")),
            T::PrimaryKeyUsingIndex(_) | T::UniqueUsingIndex(_) => {
                return Err(Error::unsupported("a constraint using an index"));
            }
            T::Index(_) | T::FulltextOrSpatial(_) => return Err(not_postgresql("this constraint")),
        }
        Ok(())
    }

    /// PRIMARY KEY (a, b) or UNIQUE (a, b) as written.
    pub(super) fn given_key<'c>(&self, constraint: &'c ast::TableConstraint) -> Result<GivenKey<'c>> {
        let (name, columns, is_primary) = match constraint {
            ast::TableConstraint::PrimaryKey(key) => {
                check_characteristics(key.characteristics.as_ref())?;
                if !key.include.is_empty() {
                    return Err(Error::unsupported("INCLUDE"));
                }
                (&key.name, &key.columns, true)
            }
            ast::TableConstraint::Unique(key) => {
                check_unique(key)?;
                (&key.name, &key.columns, false)
            }
            _ => return Err(Error::internal("not a key constraint")),
        };
        let mut names = Vec::new();
        let mut first = None;
        for column in columns {
            let ast::Expr::Identifier(ident) = &column.column.expr else {
                return Err(not_postgresql("an expression in a key"));
            };
            first = first.or(Some(ident));
            names.push(self.binder().identifier(ident)?);
        }
        let name = name.as_ref().map(|name| self.binder().identifier(name)).transpose()?;
        Ok(GivenKey { name, columns: names, is_primary, ident: first })
    }

    /// Adds a primary key or unique constraint to a table's definition.
    pub(super) fn add_key(&mut self, relation: &mut Relation, key: &GivenKey<'_>) -> Result<Index> {
        if key.is_primary && relation.primary_key().is_some() {
            bail!(
                INVALID_TABLE_DEFINITION,
                "multiple primary keys for table \"{}\" are not allowed",
                relation.name
            );
        }
        if key.columns.len() > INDEX_KEYS_MAX {
            bail!(TOO_MANY_COLUMNS, "cannot use more than {INDEX_KEYS_MAX} columns in an index");
        }
        let mut numbers = Vec::new();
        for name in &key.columns {
            let Some(column) = relation.columns.iter_mut().find(|column| column.name == *name) else {
                let error = Error::new(
                    state::UNDEFINED_COLUMN,
                    format!("column \"{name}\" named in key does not exist"),
                );
                return Err(self.at_ident(error, key.ident));
            };
            if numbers.contains(&column.number) {
                let what = if key.is_primary { "primary key" } else { "unique" };
                bail!(DUPLICATE_COLUMN, "column \"{name}\" appears twice in {what} constraint");
            }
            column.not_null |= key.is_primary;
            check_indexable(column.ty)?;
            numbers.push(column.number);
        }
        let name = match &key.name {
            Some(name) if self.is_taken(relation.schema, name) => {
                bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists")
            }
            Some(name) => {
                self.named.push((relation.schema, name.clone()));
                name.clone()
            }
            None if key.is_primary => self.choose_name(relation.schema, &relation.name, None, "pkey"),
            None => self.choose_name(relation.schema, &relation.name, Some(&key.columns.join("_")), "key"),
        };
        let is_rowid = key.is_primary
            && matches!(numbers.as_slice(), [only] if relation.column_numbered(*only).is_some_and(can_be_rowid));
        let oid = self.new_oid();
        let storage_name =
            if is_rowid { String::new() } else { self.storage_name(relation.schema, &name, oid) };
        let index = Index {
            oid,
            name,
            storage_name,
            keys: numbers
                .iter()
                .map(|number| IndexKey {
                    what: KeyOf::Column(*number),
                    descending: false,
                    nulls_first: false,
                })
                .collect(),
            predicate: None,
            is_unique: true,
            is_primary: key.is_primary,
            is_rowid,
            constraint: Some(self.new_oid()),
        };
        relation.indexes.push(index.clone());
        Ok(index)
    }

    /// Adds a CHECK constraint to a table's definition.
    pub(super) fn add_check(
        &mut self,
        relation: &mut Relation,
        name: Option<String>,
        column: Option<&str>,
        condition: &ast::Expr,
    ) -> Result<Check> {
        let is_taken = |name: &str| {
            relation.checks.iter().any(|check| check.name == name)
                || relation.indexes.iter().any(|index| index.constraint.is_some() && index.name == name)
                || relation.foreign_keys.iter().any(|key| key.name == name)
        };
        let name = match name {
            Some(name) if is_taken(&name) => {
                bail!(
                    DUPLICATE_OBJECT,
                    "constraint \"{name}\" for relation \"{}\" already exists",
                    relation.name
                )
            }
            Some(name) => name,
            None => {
                let used = self.columns_in(relation, condition);
                let single = match used.as_slice() {
                    [only] => Some(only.clone()),
                    _ => column.map(str::to_owned),
                };
                naming::free_name(&relation.name, single.as_deref(), "check", is_taken)
            }
        };
        let check = Check { oid: self.new_oid(), name, condition: condition.to_string() };
        self.schema_expression(relation, &check.condition, Clause::Check)?;
        relation.checks.push(check.clone());
        Ok(check)
    }

    /// The names of a table's columns that an expression uses.
    pub(super) fn columns_in(&self, relation: &Relation, expr: &ast::Expr) -> Vec<String> {
        let mut used = Vec::new();
        let _ = ast::visit_expressions(expr, |part: &ast::Expr| {
            let ident = match part {
                ast::Expr::Identifier(ident) => Some(ident),
                ast::Expr::CompoundIdentifier(parts) => parts.last(),
                _ => None,
            };
            if let Some(ident) = ident {
                let name = naming::fold(&ident.value, ident.quote_style.is_some()).0;
                if relation.column(&name).is_some() && !used.contains(&name) {
                    used.push(name);
                }
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
        used
    }

    /// A foreign key and its catalog row. `existing` rows are checked by a step of their own.
    pub(super) fn foreign_key(
        &mut self,
        relation: &Relation,
        constraint: &ast::ForeignKeyConstraint,
        columns: Vec<String>,
        name_before: Option<String>,
    ) -> Result<ForeignKey> {
        check_characteristics(constraint.characteristics.as_ref())?;
        let mut numbers = Vec::new();
        for name in &columns {
            match relation.column(name) {
                Some(column) => numbers.push(column.number),
                None => bail!(
                    UNDEFINED_COLUMN,
                    "column \"{name}\" referenced in foreign key constraint does not exist"
                ),
            }
        }
        let referenced = self.referenced_table(relation, &constraint.foreign_table)?;
        let (index, referenced_columns) = self.referenced_key(&referenced, constraint, numbers.len())?;
        let name = match (&constraint.name, name_before) {
            (Some(name), _) => self.binder().identifier(name)?,
            (None, Some(name)) => name,
            (None, None) => {
                let is_taken = |name: &str| {
                    relation.foreign_keys.iter().any(|key| key.name == name)
                        || relation.checks.iter().any(|check| check.name == name)
                };
                naming::free_name(&relation.name, Some(&columns.join("_")), "fkey", is_taken)
            }
        };
        if relation.foreign_keys.iter().any(|key| key.name == name) {
            bail!(
                DUPLICATE_OBJECT,
                "constraint \"{name}\" for relation \"{}\" already exists",
                relation.name
            );
        }
        self.check_key_types(relation, &numbers, &referenced, &referenced_columns, &name)?;
        let match_full = match constraint.match_kind {
            None | Some(ast::ConstraintReferenceMatchKind::Simple) => false,
            Some(ast::ConstraintReferenceMatchKind::Full) => true,
            Some(ast::ConstraintReferenceMatchKind::Partial) => {
                bail!(FEATURE_NOT_SUPPORTED, "MATCH PARTIAL not yet implemented")
            }
        };
        let key = ForeignKey {
            oid: self.new_oid(),
            name,
            columns: numbers,
            referenced: referenced.oid,
            referenced_columns,
            on_delete: action(constraint.on_delete)?,
            on_update: action(constraint.on_update)?,
            match_full,
        };
        self.foreign_key_row(relation.schema, relation.oid, &key, index);
        Ok(key)
    }

    /// The referenced table, which may be the one that is being created.
    fn referenced_table(&self, relation: &Relation, name: &ast::ObjectName) -> Result<Arc<Relation>> {
        let parsed = self.binder().object_name(name)?;
        let same_schema = parsed
            .schema
            .as_deref()
            .is_none_or(|schema| self.catalog().schema(schema) == Some(relation.schema));
        if parsed.name == relation.name && same_schema {
            return Ok(Arc::new(relation.clone()));
        }
        self.user_table(name)
    }

    /// The unique index that a foreign key points at: over the named columns, or the primary key.
    fn referenced_key(
        &self,
        referenced: &Relation,
        constraint: &ast::ForeignKeyConstraint,
        count: usize,
    ) -> Result<(Oid, Vec<i16>)> {
        if constraint.referred_columns.is_empty() {
            let Some(primary) = referenced.primary_key() else {
                bail!(
                    UNDEFINED_OBJECT,
                    "there is no primary key for referenced table \"{}\"",
                    referenced.name
                );
            };
            let columns = primary.columns();
            if columns.len() != count {
                bail!(
                    INVALID_FOREIGN_KEY,
                    "number of referencing and referenced columns for foreign key disagree"
                );
            }
            return Ok((primary.oid, columns));
        }
        if constraint.referred_columns.len() != count {
            bail!(
                INVALID_FOREIGN_KEY,
                "number of referencing and referenced columns for foreign key disagree"
            );
        }
        let mut numbers = Vec::new();
        for ident in &constraint.referred_columns {
            let name = self.binder().identifier(ident)?;
            match referenced.column(&name) {
                Some(column) => numbers.push(column.number),
                None => bail!(
                    UNDEFINED_COLUMN,
                    "column \"{name}\" referenced in foreign key constraint does not exist"
                ),
            }
        }
        let mut wanted = numbers.clone();
        wanted.sort_unstable();
        let fits = |index: &&Index| {
            let mut columns = index.columns();
            columns.sort_unstable();
            index.is_unique && index.is_plain() && columns == wanted
        };
        match referenced.indexes.iter().find(fits) {
            Some(index) => Ok((index.oid, numbers)),
            None => bail!(
                INVALID_FOREIGN_KEY,
                "there is no unique constraint matching given keys for referenced table \"{}\"",
                referenced.name
            ),
        }
    }

    /// 42804 for columns that cannot be compared.
    fn check_key_types(
        &self,
        relation: &Relation,
        columns: &[i16],
        referenced: &Relation,
        others: &[i16],
        name: &str,
    ) -> Result<()> {
        for (number, other) in columns.iter().zip(others) {
            let (Some(column), Some(other)) =
                (relation.column_numbered(*number), referenced.column_numbered(*other))
            else {
                continue;
            };
            let (Some(ty), Some(other_ty)) = (column.ty, other.ty) else { continue };
            // What is stored must be equal where the values are: so the types must store alike.
            if ty.storage != other_ty.storage
                || ty.category != other_ty.category
                || ty.collation != other_ty.collation
            {
                return Err(Error::new(
                    state::DATATYPE_MISMATCH,
                    format!("foreign key constraint \"{name}\" cannot be implemented"),
                )
                .with_detail(format!(
                    "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
                    column.name, other.name, ty.sql_name, other_ty.sql_name
                )));
            }
        }
        Ok(())
    }

    fn at_ident(&self, error: Error, ident: Option<&ast::Ident>) -> Error {
        let position = ident
            .filter(|ident| ident.span.start.line > 0)
            .map(|ident| crate::sql::lexical::position(self.context.source, ident.span.start));
        error.at(position)
    }

    /// Plans the check of a new foreign key against the rows that are there.
    pub(super) fn check_existing(&mut self, table: Oid, key: &ForeignKey) {
        self.steps.push(Step::CheckForeignKey { table, name: key.name.clone() });
    }
}

fn action(action: Option<ast::ReferentialAction>) -> Result<Action> {
    Ok(match action {
        None | Some(ast::ReferentialAction::NoAction) => Action::NoAction,
        Some(ast::ReferentialAction::Restrict) => Action::Restrict,
        Some(ast::ReferentialAction::Cascade) => Action::Cascade,
        Some(ast::ReferentialAction::SetNull) => Action::SetNull,
        Some(ast::ReferentialAction::SetDefault) => {
            return Err(Error::unsupported("the action SET DEFAULT of foreign keys"));
        }
    })
}

/// 42704 for a type without an order.
pub(super) fn check_indexable(ty: Option<&'static Type>) -> Result<()> {
    match ty {
        Some(ty) if !ty.comparable => Err(Error::new(
            state::UNDEFINED_OBJECT,
            format!("data type {} has no default operator class for access method \"btree\"", ty.sql_name),
        )
        .with_hint("You must specify an operator class for the index or define a default operator class for the data type.")),
        _ => Ok(()),
    }
}

fn check_collation(name: &ast::ObjectName) -> Result<()> {
    let last = name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.as_str());
    match last {
        Some("default" | "C" | "POSIX" | "ucs_basic" | "C.UTF-8" | "C.utf8") => Ok(()),
        _ => Err(Error::unsupported(format!("collation {name}"))),
    }
}

fn check_unique(constraint: &ast::UniqueConstraint) -> Result<()> {
    check_characteristics(constraint.characteristics.as_ref())?;
    if !constraint.include.is_empty() {
        return Err(Error::unsupported("INCLUDE"));
    }
    match constraint.nulls_distinct {
        ast::NullsDistinctOption::NotDistinct => Err(Error::unsupported("NULLS NOT DISTINCT")),
        _ => Ok(()),
    }
}

/// DEFERRABLE would change when a constraint speaks.
fn check_characteristics(characteristics: Option<&ast::ConstraintCharacteristics>) -> Result<()> {
    let Some(given) = characteristics else { return Ok(()) };
    let is_deferred =
        given.deferrable == Some(true) || matches!(given.initially, Some(ast::DeferrableInitial::Deferred));
    if is_deferred {
        return Err(Error::unsupported("a deferrable constraint"));
    }
    if given.enforced == Some(false) {
        return Err(not_postgresql("NOT ENFORCED"));
    }
    Ok(())
}

/// The sequence options of an identity column in sqlparser's tree.
fn identity_options(options: &[ast::SequenceOptions]) -> Result<SequenceOptions> {
    use ast::SequenceOptions as O;
    let integer = |expr: &ast::Expr| -> Result<i64> {
        expr.to_string()
            .parse()
            .map_err(|_| Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{expr}\"")))
    };
    let mut parsed = SequenceOptions::default();
    for option in options {
        match option {
            O::IncrementBy(expr, _) => parsed.increment = Some(integer(expr)?),
            O::MinValue(expr) => parsed.minimum = Some(expr.as_ref().map(integer).transpose()?),
            O::MaxValue(expr) => parsed.maximum = Some(expr.as_ref().map(integer).transpose()?),
            O::StartWith(expr, _) => parsed.start = Some(integer(expr)?),
            O::Cache(_) => {}
            O::Cycle(no) => parsed.cycles = Some(!no),
        }
    }
    Ok(parsed)
}

/// Refuses what sqlparser reads in CREATE TABLE and we lack, or PostgreSQL.
fn check_create(create: &ast::CreateTable) -> Result<()> {
    if create.temporary {
        return Err(Error::unsupported("temporary tables"));
    }
    if create.query.is_some() {
        return Err(Error::unsupported("CREATE TABLE AS"));
    }
    if create.like.is_some() {
        return Err(Error::unsupported("CREATE TABLE … LIKE"));
    }
    if create.inherits.is_some() {
        return Err(Error::unsupported("table inheritance"));
    }
    if create.partition_of.is_some() || create.partition_by.is_some() {
        return Err(Error::unsupported("partitioned tables"));
    }
    if create.on_commit.is_some() {
        return Err(Error::unsupported("ON COMMIT"));
    }
    check_table_options(&create.table_options)?;
    let foreign = create.or_replace
        || create.external
        || create.dynamic
        || create.transient
        || create.volatile
        || create.iceberg
        || create.snapshot
        || create.without_rowid
        || create.clone.is_some()
        || create.strict
        || create.comment.is_some()
        || create.primary_key.is_some()
        || create.order_by.is_some()
        || create.cluster_by.is_some()
        || create.clustered_by.is_some()
        || create.on_cluster.is_some()
        || create.location.is_some()
        || create.file_format.is_some();
    if foreign { Err(not_postgresql("this clause of CREATE TABLE")) } else { Ok(()) }
}

/// Storage parameters change no result; only their names are checked.
fn check_table_options(options: &ast::CreateTableOptions) -> Result<()> {
    let given = match options {
        ast::CreateTableOptions::None => return Ok(()),
        ast::CreateTableOptions::With(given) => given,
        _ => return Err(not_postgresql("this clause of CREATE TABLE")),
    };
    for option in given {
        let name = match option {
            ast::SqlOption::KeyValue { key, .. } => key.value.to_ascii_lowercase(),
            ast::SqlOption::Ident(ident) => ident.value.to_ascii_lowercase(),
            _ => return Err(not_postgresql("this storage parameter")),
        };
        if name != "fillfactor"
            && name != "parallel_workers"
            && name != "user_catalog_table"
            && !name.starts_with("autovacuum_")
            && !name.starts_with("toast")
        {
            bail!(INVALID_PARAMETER_VALUE, "unrecognized parameter \"{name}\"");
        }
    }
    Ok(())
}
