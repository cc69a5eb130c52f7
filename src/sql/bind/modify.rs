//! INSERT, UPDATE and DELETE.

use std::sync::Arc;

use sqlparser::ast;

use super::expression::{Clause, Place};
use super::from::assignment_error;
use super::scope::{ScopeTable, Use};
use super::{Binder, Purpose, Scope, not_postgresql, span_of};
use crate::bail;
use crate::catalog::{Identity, Index, Relation, RelationKind};
use crate::error::{Error, Result, state};
use crate::sql::parse_expression;
use crate::sql::rewrite::SUBSCRIPT_MARK;
use crate::sql::statement::Overriding;
use crate::sql::tree::{Expr, ExprKind, From, Output, Query};
use crate::types::user::Domain;
use crate::types::{Datum, NO_TYPMOD, Shape, text};

/// The table that a statement changes, and its name in SQLite's SQL.
#[derive(Clone, Debug)]
pub(in crate::sql) struct Target {
    pub(in crate::sql) relation: Arc<Relation>,
    pub(in crate::sql) alias: Arc<str>,
}

/// A bound INSERT.
#[derive(Debug)]
pub(in crate::sql) struct Insert {
    pub(in crate::sql) target: Target,
    /// The places of the columns that get a value, in the order of the source's columns.
    pub(in crate::sql) columns: Vec<usize>,
    pub(in crate::sql) source: Source,
    pub(in crate::sql) conflict: Option<Conflict>,
    pub(in crate::sql) returning: Vec<Expr>,
    pub(in crate::sql) outputs: Vec<Output>,
}

/// Where the rows come from.
#[derive(Debug)]
pub(in crate::sql) enum Source {
    Rows(Vec<Vec<Expr>>),
    /// The query's columns, and after them values that do not depend on it.
    Query(Box<Query>, Vec<Expr>),
}

/// ON CONFLICT.
#[derive(Debug)]
pub(in crate::sql) struct Conflict {
    /// The index whose conflicts are meant; any for DO NOTHING without a target.
    pub(in crate::sql) index: Option<Index>,
    pub(in crate::sql) action: ConflictAction,
}

/// What happens on a conflict.
#[derive(Debug)]
pub(in crate::sql) enum ConflictAction {
    Nothing,
    Update { sets: Vec<(usize, Expr)>, filter: Option<Expr> },
}

/// A bound UPDATE.
#[derive(Debug)]
pub(in crate::sql) struct Update {
    pub(in crate::sql) target: Target,
    pub(in crate::sql) sets: Vec<(usize, Expr)>,
    pub(in crate::sql) from: Vec<From>,
    pub(in crate::sql) filter: Option<Expr>,
    pub(in crate::sql) returning: Vec<Expr>,
    pub(in crate::sql) outputs: Vec<Output>,
}

/// A bound DELETE.
#[derive(Debug)]
pub(in crate::sql) struct Delete {
    pub(in crate::sql) target: Target,
    pub(in crate::sql) using: Vec<From>,
    pub(in crate::sql) filter: Option<Expr>,
    pub(in crate::sql) returning: Vec<Expr>,
    pub(in crate::sql) outputs: Vec<Output>,
}

impl Binder<'_> {
    /// The table a statement changes: no system relation, index or sequence.
    fn changed_table(
        &mut self,
        name: &ast::ObjectName,
        alias: Option<&ast::TableAlias>,
        verb: &str,
    ) -> Result<(Target, ScopeTable, Use)> {
        let relation = self.relation(name)?;
        match relation.kind {
            RelationKind::Table => {}
            kind if kind.is_system() => {
                let error = Error::new(
                    crate::error::SqlState("42501"),
                    format!("permission denied: \"{}\" is a system catalog", relation.name),
                );
                return Err(self.at(error, span_of(name)));
            }
            kind => bail!(WRONG_OBJECT_TYPE, "cannot {verb} {} \"{}\"", kind.noun(), relation.name),
        }
        let (used, table) = self.use_relation(&relation, alias)?;
        Ok((Target { relation, alias: used.alias.clone() }, table, used))
    }

    pub(in crate::sql) fn insert(
        &mut self,
        insert: &ast::Insert,
        overriding: Option<Overriding>,
    ) -> Result<Insert> {
        check_insert(insert)?;
        let ast::TableObject::TableName(name) = &insert.table else {
            return Err(not_postgresql("INSERT into this"));
        };
        let alias = insert.table_alias.as_ref().map(|alias| ast::TableAlias {
            explicit: alias.explicit,
            name: alias.alias.clone(),
            columns: Vec::new(),
            at: None,
        });
        let (target, table, used) = self.changed_table(name, alias.as_ref(), "insert into")?;
        let listed = self.listed_columns(&target.relation, &insert.columns)?;
        let (columns, source) = match &insert.source {
            None => self.default_row(&target.relation)?,
            Some(query) => {
                let parts: Vec<Option<String>> = insert
                    .columns
                    .iter()
                    .map(|name| match name.0.as_slice() {
                        [ast::ObjectNamePart::Identifier(ident)] => subscripts_of(ident),
                        _ => None,
                    })
                    .collect();
                if parts.iter().any(Option::is_some) {
                    self.insert_parts(query, &target.relation, listed, &parts)?
                } else {
                    self.insert_source(query, &target.relation, listed, overriding)?
                }
            }
        };
        let scope = only(table);
        let conflict = match &insert.on {
            None => None,
            Some(ast::OnInsert::OnConflict(conflict)) => {
                Some(self.conflict(conflict, &target, &scope, &used)?)
            }
            Some(_) => return Err(not_postgresql("ON DUPLICATE KEY")),
        };
        let (returning, outputs) = self.returning(insert.returning.as_deref().unwrap_or_default(), &scope)?;
        Ok(Insert { target, columns, source, conflict, returning, outputs })
    }

    /// The places of the named columns, or of all if none are named.
    pub(in crate::sql) fn listed_columns(
        &self,
        relation: &Relation,
        names: &[ast::ObjectName],
    ) -> Result<Vec<usize>> {
        let mut places = Vec::new();
        for name in names {
            let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
                return Err(Error::unsupported("a part of a column as a target"));
            };
            let place = self.column_place(relation, ident)?;
            if places.contains(&place) && subscripts_of(ident).is_none() {
                let message = format!("column \"{}\" specified more than once", relation.columns[place].name);
                return Err(self.at(Error::new(state::DUPLICATE_COLUMN, message), ident.span));
            }
            places.push(place);
        }
        if names.is_empty() {
            places.extend(0..relation.columns.len());
        }
        Ok(places)
    }

    fn column_place(&self, relation: &Relation, ident: &ast::Ident) -> Result<usize> {
        let bare = ident.value.split(SUBSCRIPT_MARK).next().unwrap_or_default();
        let name = crate::catalog::naming::fold(bare, ident.quote_style.is_some()).0;
        match relation.columns.iter().position(|column| column.name == name) {
            Some(place) => Ok(place),
            None => {
                let message = format!("column \"{name}\" of relation \"{}\" does not exist", relation.name);
                Err(self.at(Error::new(state::UNDEFINED_COLUMN, message), ident.span))
            }
        }
    }

    /// The value a column gets where none is given: its default or NULL, converted to its type.
    pub(in crate::sql) fn default_value(&mut self, relation: &Relation, place: usize) -> Result<Expr> {
        let column = &relation.columns[place];
        match &column.default {
            Some(text) => {
                let parsed = parse_expression(text)?;
                let scope = Scope::default();
                let expr = self.expr(&parsed, Place { scope: &scope, clause: Clause::Default })?;
                self.assign(column, expr)
            }
            None => {
                let default = match column.ty.map(|ty| ty.shape) {
                    Some(Shape::Domain(domain)) => domain_default(domain),
                    _ => None,
                };
                match default {
                    Some(text) => {
                        let parsed = parse_expression(text)?;
                        let scope = Scope::default();
                        let expr = self.expr(&parsed, Place { scope: &scope, clause: Clause::Default })?;
                        self.assign(column, expr)
                    }
                    None => self.assign(column, Expr::constant(Datum::Null, &text::UNKNOWN)),
                }
            }
        }
    }

    /// A column's value with one element or part changed.
    pub(in crate::sql) fn assign_part(
        &mut self,
        base: Expr,
        subscripts: &str,
        value: Expr,
        place: Place<'_>,
    ) -> Result<Expr> {
        let parsed = parse_expression(&format!("x{subscripts}"))?;
        let ast::Expr::CompoundFieldAccess { access_chain, .. } = &parsed else {
            return Err(Error::unsupported("this target of an assignment"));
        };
        let ty = base.ty.base();
        if ty.oid == crate::types::json::JSONB.oid {
            let value = self.coerce(value, &crate::types::json::JSONB, NO_TYPMOD, Purpose::Assignment)?;
            let mut args = vec![base, value];
            for access in access_chain {
                let ast::AccessExpr::Subscript(ast::Subscript::Index { index }) = access else {
                    bail!(DATATYPE_MISMATCH, "jsonb subscript does not support slices")
                };
                let step = self.expr(index, place)?;
                args.push(self.coerce(step, &text::TEXT, NO_TYPMOD, Purpose::Assignment)?);
            }
            return Ok(self.call_internal_as("jsonb_with_part", args, ty));
        }
        let Some(element) = ty.element() else {
            bail!(
                DATATYPE_MISMATCH,
                "cannot subscript type {} because it does not support subscripting",
                ty.sql_name
            )
        };
        let is_slice = access_chain
            .iter()
            .any(|access| matches!(access, ast::AccessExpr::Subscript(ast::Subscript::Slice { .. })));
        let wanted = if is_slice { ty } else { element };
        let source = value.ty;
        let typmod = base.typmod;
        let Some(value) = self.try_coerce(value, wanted, typmod, Purpose::Assignment)? else {
            return Err(Error::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "subscripted assignment requires type {} but expression is of type {}",
                    wanted.sql_name, source.sql_name
                ),
            )
            .with_hint("You will need to rewrite or cast the expression."));
        };
        let base = self.coerce(base, ty, NO_TYPMOD, Purpose::Implicit)?;
        let mut args = vec![base, value];
        args.extend(self.subscript_arguments(access_chain, is_slice, place)?);
        let name = if is_slice { "array_with_part" } else { "array_with_element" };
        Ok(self.call_internal_as(name, args, ty).with_typmod(typmod))
    }

    /// The columns that no source gives a value but that need one: they have a default, or are SQLite's
    /// rowid, which would otherwise fill itself.
    pub(in crate::sql) fn unlisted_defaults(
        &mut self,
        relation: &Relation,
        listed: &[usize],
    ) -> Result<(Vec<usize>, Vec<Expr>)> {
        let rowid = relation.rowid_column().map(|column| column.number);
        let mut places = Vec::new();
        let mut values = Vec::new();
        for (place, column) in relation.columns.iter().enumerate() {
            let of_domain = column.ty.is_some_and(|ty| matches!(ty.shape, Shape::Domain(_)));
            let needs_value = column.default.is_some() || of_domain || rowid == Some(column.number);
            if needs_value && !listed.contains(&place) {
                places.push(place);
                values.push(self.default_value(relation, place)?);
            }
        }
        Ok((places, values))
    }

    /// DEFAULT VALUES
    fn default_row(&mut self, relation: &Relation) -> Result<(Vec<usize>, Source)> {
        let (mut places, mut values) = self.unlisted_defaults(relation, &[])?;
        if places.is_empty() && !relation.columns.is_empty() {
            // SQLite wants at least one column.
            places.push(0);
            values.push(self.default_value(relation, 0)?);
        }
        Ok((places, Source::Rows(vec![values])))
    }

    fn insert_source(
        &mut self,
        query: &ast::Query,
        relation: &Relation,
        mut columns: Vec<usize>,
        overriding: Option<Overriding>,
    ) -> Result<(Vec<usize>, Source)> {
        let is_plain = query.with.is_none()
            && query.order_by.is_none()
            && query.limit_clause.is_none()
            && query.fetch.is_none();
        if let (true, ast::SetExpr::Values(values)) = (is_plain, &*query.body) {
            let rows = self.insert_rows(values, relation, &mut columns, overriding)?;
            return Ok((columns, Source::Rows(rows)));
        }
        let mut bound = self.open_query(query, None)?;
        check_width(bound.columns.len(), columns.len())?;
        columns.truncate(bound.columns.len());
        for place in &columns {
            self.check_identity(relation, *place, overriding)?;
        }
        for (output, place) in columns.iter().enumerate() {
            let column = &relation.columns[*place];
            let target = column.ty.ok_or_else(|| Error::internal("a table's column has no type"))?;
            let source = bound.columns[output].ty;
            if !super::coerce::can_coerce(source, target, Purpose::Assignment) {
                return Err(assignment_error(&column.name, target, source));
            }
            self.coerce_output_for(&mut bound, output, target, column.typmod, Purpose::Assignment)?;
        }
        let (places, values) = self.unlisted_defaults(relation, &columns)?;
        columns.extend(places);
        Ok((columns, Source::Query(Box::new(bound), values)))
    }

    /// VALUES of an INSERT, in which DEFAULT may stand.
    fn insert_rows(
        &mut self,
        values: &ast::Values,
        relation: &Relation,
        columns: &mut Vec<usize>,
        overriding: Option<Overriding>,
    ) -> Result<Vec<Vec<Expr>>> {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        if values.rows.iter().any(|row| row.content.len() != width) {
            bail!(SYNTAX_ERROR, "VALUES lists must all be the same length");
        }
        check_width(width, columns.len())?;
        columns.truncate(width);
        let scope = Scope::default();
        let place = Place { scope: &scope, clause: Clause::Values };
        let mut rows = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            let mut bound = Vec::with_capacity(width);
            for (expr, column) in row.content.iter().zip(columns.iter()) {
                bound.push(self.insert_value(expr, relation, *column, overriding, place)?);
            }
            rows.push(bound);
        }
        let (places, defaults) = self.unlisted_defaults(relation, columns)?;
        columns.extend(places);
        for row in &mut rows {
            row.extend(defaults.iter().cloned());
        }
        Ok(rows)
    }

    /// VALUES for columns of which only parts are given: `INSERT INTO t (a[1], a[2]) VALUES …`.
    fn insert_parts(
        &mut self,
        query: &ast::Query,
        relation: &Relation,
        listed: Vec<usize>,
        parts: &[Option<String>],
    ) -> Result<(Vec<usize>, Source)> {
        let ast::SetExpr::Values(values) = &*query.body else {
            return Err(Error::unsupported("INSERT of a query into parts of columns"));
        };
        let scope = Scope::default();
        let place = Place { scope: &scope, clause: Clause::Values };
        let mut columns: Vec<usize> = Vec::new();
        for column in &listed {
            if !columns.contains(column) {
                columns.push(*column);
            }
        }
        let (extra, defaults) = self.unlisted_defaults(relation, &columns)?;
        let mut rows = Vec::new();
        for row in &values.rows {
            check_width(row.content.len(), listed.len())?;
            let mut bound: Vec<Option<Expr>> = vec![None; columns.len()];
            for (number, value) in row.content.iter().enumerate() {
                let column = &relation.columns[listed[number]];
                let slot = columns.iter().position(|other| *other == listed[number]).unwrap_or(0);
                bound[slot] = Some(match &parts[number] {
                    None => self.insert_value(value, relation, listed[number], None, place)?,
                    Some(subscripts) => {
                        let ty = column.ty.ok_or_else(|| Error::internal("a table's column has no type"))?;
                        let none = Expr::constant(Datum::Null, ty).with_typmod(column.typmod);
                        let base = bound[slot].take().unwrap_or(none);
                        let value = self.expr(value, place)?;
                        let changed = self.assign_part(base, subscripts, value, place)?;
                        self.assign(column, changed)?
                    }
                });
            }
            let mut whole = Vec::new();
            for (slot, value) in bound.into_iter().enumerate() {
                whole.push(match value {
                    Some(value) => value,
                    None => self.default_value(relation, columns[slot])?,
                });
            }
            whole.extend(defaults.iter().cloned());
            rows.push(whole);
        }
        columns.extend(extra);
        Ok((columns, Source::Rows(rows)))
    }

    fn insert_value(
        &mut self,
        expr: &ast::Expr,
        relation: &Relation,
        column: usize,
        overriding: Option<Overriding>,
        place: Place<'_>,
    ) -> Result<Expr> {
        let uses_system_value =
            overriding == Some(Overriding::User) && relation.columns[column].identity.is_some();
        if is_default(expr) || uses_system_value {
            return self.default_value(relation, column);
        }
        self.check_identity(relation, column, overriding)?;
        let bound = self.expr(expr, place)?;
        let assigned = self.assign(&relation.columns[column], bound);
        assigned.map_err(|error| self.at(error, ast::Spanned::span(expr)))
    }

    /// 428C9 for a value given to GENERATED ALWAYS.
    fn check_identity(
        &self,
        relation: &Relation,
        place: usize,
        overriding: Option<Overriding>,
    ) -> Result<()> {
        let column = &relation.columns[place];
        if column.identity != Some(Identity::Always) || overriding.is_some() {
            return Ok(());
        }
        let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
        Err(Error::new(state::GENERATED_ALWAYS, message)
            .with_detail(format!(
                "Column \"{}\" is an identity column defined as GENERATED ALWAYS.",
                column.name
            ))
            .with_hint("Use OVERRIDING SYSTEM VALUE to override."))
    }

    fn conflict(
        &mut self,
        conflict: &ast::OnConflict,
        target: &Target,
        scope: &Scope<'_>,
        used: &Use,
    ) -> Result<Conflict> {
        let relation = &target.relation;
        let index = match &conflict.conflict_target {
            None => None,
            Some(ast::ConflictTarget::Columns(idents)) => Some(self.arbiter(relation, idents)?),
            Some(ast::ConflictTarget::OnConstraint(name)) => {
                let name = self.object_name(name)?.name;
                let found =
                    relation.indexes.iter().find(|index| index.constraint.is_some() && index.name == name);
                match found {
                    Some(index) => Some(index.clone()),
                    None => bail!(
                        UNDEFINED_OBJECT,
                        "constraint \"{name}\" for table \"{}\" does not exist",
                        relation.name
                    ),
                }
            }
        };
        let action = match &conflict.action {
            ast::OnConflictAction::DoNothing => ConflictAction::Nothing,
            ast::OnConflictAction::DoUpdate(update) => {
                if index.is_none() {
                    return Err(Error::new(
                        state::SYNTAX_ERROR,
                        "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                    )
                    .with_hint("For example, ON CONFLICT (column_name)."));
                }
                self.conflict_update(update, relation, scope, used)?
            }
        };
        Ok(Conflict { index, action })
    }

    /// The unique index over exactly these columns.
    fn arbiter(&self, relation: &Relation, idents: &[ast::Ident]) -> Result<Index> {
        let mut numbers = Vec::new();
        for ident in idents {
            numbers.push(relation.columns[self.column_place(relation, ident)?].number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        let fits = |index: &&Index| {
            let mut columns = index.columns();
            columns.sort_unstable();
            index.is_unique && index.is_plain() && columns == numbers
        };
        match relation.indexes.iter().find(fits) {
            Some(index) => Ok(index.clone()),
            None => bail!(
                INVALID_COLUMN_REFERENCE,
                "there is no unique or exclusion constraint matching the ON CONFLICT specification"
            ),
        }
    }

    fn conflict_update(
        &mut self,
        update: &ast::DoUpdate,
        relation: &Arc<Relation>,
        scope: &Scope<'_>,
        used: &Use,
    ) -> Result<ConflictAction> {
        // The row that was to be inserted goes by the name excluded, in SQLite too.
        let excluded = Use { source: used.source, alias: Arc::from("excluded") };
        let columns = scope.tables[0].columns.iter().map(|column| {
            let ExprKind::Column(reference) = &column.expr.kind else { return column.clone() };
            let output = Output {
                name: column.name.clone(),
                ty: column.expr.ty,
                typmod: column.expr.typmod,
                origin: reference.origin,
                nullable: true,
            };
            excluded.column(&reference.name, &column.name, &output)
        });
        let mut both = scope.clone();
        let table = ScopeTable {
            name: "excluded".into(),
            schema: None,
            columns: columns.collect(),
            lacking: Vec::new(),
        };
        // Bare names are ambiguous now, as in PostgreSQL.
        both.add(table)?;
        let place = Place { scope: &both, clause: Clause::UpdateSet };
        let sets = self.assignments(&update.assignments, relation, place)?;
        let filter = match &update.selection {
            Some(filter) => {
                let filter = self.expr(filter, place.within(Clause::Where))?;
                Some(self.coerce_boolean(filter, "WHERE")?)
            }
            None => None,
        };
        Ok(ConflictAction::Update { sets, filter })
    }

    /// SET a = 1, (b, c) = (2, 3)
    fn assignments(
        &mut self,
        assignments: &[ast::Assignment],
        relation: &Arc<Relation>,
        place: Place<'_>,
    ) -> Result<Vec<(usize, Expr)>> {
        let mut sets: Vec<(usize, Expr)> = Vec::new();
        for assignment in assignments {
            match &assignment.target {
                ast::AssignmentTarget::ColumnName(name) => {
                    self.assignment(name, &assignment.value, relation, place, &mut sets)?;
                }
                ast::AssignmentTarget::Tuple(names) => {
                    let ast::Expr::Tuple(values) = super::expression::without_parentheses(&assignment.value)
                    else {
                        return Err(Error::unsupported("SET of several columns from a query"));
                    };
                    if names.len() != values.len() {
                        bail!(SYNTAX_ERROR, "number of columns does not match number of values");
                    }
                    for (name, value) in names.iter().zip(values) {
                        self.assignment(name, value, relation, place, &mut sets)?;
                    }
                }
            }
        }
        Ok(sets)
    }

    fn assignment(
        &mut self,
        name: &ast::ObjectName,
        value: &ast::Expr,
        relation: &Arc<Relation>,
        place: Place<'_>,
        sets: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
            let error = Error::new(
                state::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{}\" does not exist", relation.name),
            );
            return Err(self.at(error, span_of(name)));
        };
        let column = self.column_place(relation, ident)?;
        if let Some(subscripts) = subscripts_of(ident) {
            let before = sets.iter().position(|(other, _)| *other == column);
            let base = match before {
                Some(at) => sets.remove(at).1,
                None => place.scope.qualified(
                    None,
                    &place.scope.tables[0].name,
                    &relation.columns[column].name,
                )?,
            };
            let value = self.expr(value, place)?;
            let changed = self.assign_part(base, &subscripts, value, place)?;
            let changed = self.assign(&relation.columns[column], changed)?;
            sets.push((column, changed));
            return Ok(());
        }
        if sets.iter().any(|(other, _)| *other == column) {
            let message =
                format!("multiple assignments to same column \"{}\"", relation.columns[column].name);
            return Err(Error::new(state::SYNTAX_ERROR, message));
        }
        let expr = if is_default(value) {
            self.default_value(relation, column)?
        } else {
            if relation.columns[column].identity == Some(Identity::Always) {
                let name = &relation.columns[column].name;
                return Err(Error::new(
                    state::GENERATED_ALWAYS,
                    format!("column \"{name}\" can only be updated to DEFAULT"),
                )
                .with_detail(format!(
                    "Column \"{name}\" is an identity column defined as GENERATED ALWAYS."
                )));
            }
            let bound = self.expr(value, place)?;
            self.assign(&relation.columns[column], bound)?
        };
        sets.push((column, expr));
        Ok(())
    }

    pub(in crate::sql) fn update(&mut self, update: &ast::Update) -> Result<Update> {
        if update.or.is_some()
            || update.output.is_some()
            || !update.order_by.is_empty()
            || update.limit.is_some()
        {
            return Err(not_postgresql("this clause of UPDATE"));
        }
        let ast::TableFactor::Table { name, alias, args: None, .. } = &update.table.relation else {
            return Err(not_postgresql("UPDATE of this"));
        };
        if !update.table.joins.is_empty() {
            return Err(not_postgresql("UPDATE of a join"));
        }
        let items = match &update.from {
            None => &[][..],
            Some(ast::UpdateTableFromKind::AfterSet(items)) => items.as_slice(),
            Some(ast::UpdateTableFromKind::BeforeSet(_)) => return Err(not_postgresql("FROM before SET")),
        };
        let (target, table, _) = self.changed_table(name, alias.as_ref(), "update")?;
        let mut scope = only(table);
        let (from, names) = self.from(items, None)?;
        scope.merge(names)?;
        let place = Place { scope: &scope, clause: Clause::UpdateSet };
        let sets = self.assignments(&update.assignments, &target.relation, place)?;
        let filter = self.where_clause(update.selection.as_ref(), &scope)?;
        let (returning, outputs) = self.returning(update.returning.as_deref().unwrap_or_default(), &scope)?;
        Ok(Update { target, sets, from, filter, returning, outputs })
    }

    pub(in crate::sql) fn delete(&mut self, delete: &ast::Delete) -> Result<Delete> {
        if !delete.tables.is_empty()
            || delete.output.is_some()
            || !delete.order_by.is_empty()
            || delete.limit.is_some()
        {
            return Err(not_postgresql("this clause of DELETE"));
        }
        let ast::FromTable::WithFromKeyword(items) = &delete.from else {
            return Err(not_postgresql("DELETE without FROM"));
        };
        let [
            ast::TableWithJoins { relation: ast::TableFactor::Table { name, alias, args: None, .. }, joins },
        ] = items.as_slice()
        else {
            return Err(not_postgresql("DELETE from this"));
        };
        if !joins.is_empty() {
            return Err(not_postgresql("DELETE from a join"));
        }
        let (target, table, _) = self.changed_table(name, alias.as_ref(), "delete from")?;
        let mut scope = only(table);
        let (using, names) = self.from(delete.using.as_deref().unwrap_or_default(), None)?;
        scope.merge(names)?;
        let filter = self.where_clause(delete.selection.as_ref(), &scope)?;
        let (returning, outputs) = self.returning(delete.returning.as_deref().unwrap_or_default(), &scope)?;
        Ok(Delete { target, using, filter, returning, outputs })
    }

    fn where_clause(&mut self, filter: Option<&ast::Expr>, scope: &Scope<'_>) -> Result<Option<Expr>> {
        let Some(filter) = filter else { return Ok(None) };
        let filter = self.expr(filter, Place { scope, clause: Clause::Where })?;
        self.coerce_boolean(filter, "WHERE").map(Some)
    }

    /// The row that COPY gives: a placeholder for each of its columns, and defaults for the others.
    pub(in crate::sql) fn copy_row(
        &mut self,
        relation: &Relation,
        listed: &[usize],
    ) -> Result<(Vec<usize>, Vec<Expr>)> {
        let mut columns = listed.to_vec();
        let mut values = Vec::new();
        for (parameter, place) in listed.iter().enumerate() {
            let ty =
                relation.columns[*place].ty.ok_or_else(|| Error::internal("a table's column has no type"))?;
            values.push(Expr::new(ExprKind::Parameter(parameter), ty));
        }
        let (places, defaults) = self.unlisted_defaults(relation, listed)?;
        columns.extend(places);
        values.extend(defaults);
        Ok((columns, values))
    }
}

/// The default of a domain, or of the domain under it.
fn domain_default(domain: &'static Domain) -> Option<&'static str> {
    match (&domain.default, domain.base.shape) {
        (Some(text), _) => Some(text),
        (None, Shape::Domain(inner)) => domain_default(inner),
        _ => None,
    }
}

/// The subscripts of a column that is assigned to, as text.
fn subscripts_of(ident: &ast::Ident) -> Option<String> {
    ident.value.split_once(SUBSCRIPT_MARK).map(|(_, subscripts)| subscripts.to_owned())
}

/// A scope of one table.
fn only<'p>(table: ScopeTable) -> Scope<'p> {
    Scope { columns: table.columns.clone(), tables: vec![table], parent: None }
}

/// Whether the word DEFAULT.
fn is_default(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

fn check_width(values: usize, columns: usize) -> Result<()> {
    if values > columns {
        bail!(SYNTAX_ERROR, "INSERT has more expressions than target columns");
    }
    Ok(())
}

fn check_insert(insert: &ast::Insert) -> Result<()> {
    let foreign = insert.or.is_some()
        || insert.ignore
        || !insert.into
        || insert.overwrite
        || !insert.assignments.is_empty()
        || insert.partitioned.is_some()
        || !insert.after_columns.is_empty()
        || insert.has_table_keyword
        || insert.output.is_some()
        || insert.replace_into
        || insert.priority.is_some()
        || insert.insert_alias.is_some()
        || insert.settings.is_some()
        || insert.format_clause.is_some()
        || insert.multi_table_insert_type.is_some();
    if foreign { Err(not_postgresql("this clause of INSERT")) } else { Ok(()) }
}

/// Whether an expression names a use of a relation other than the target's.
pub(in crate::sql) fn names_others(expr: &Expr, target: &Target) -> bool {
    expr.contains(|part| match &part.kind {
        ExprKind::Column(column) => column.alias != target.alias,
        _ => part.subquery().is_some(),
    })
}
