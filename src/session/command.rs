//! Statements without a plan: definitions, transactions, settings, prepared statements, EXPLAIN.

use std::sync::Arc;

use super::client::{Client, ResultColumn};
use super::portal::{Started, Tag};
use super::prepared::Prepared;
use super::{Session, Status};
use crate::bail;
use crate::engine::{Patience, Spool, Spooler};
use crate::error::{Error, Result, state};
use crate::settings;
use crate::sql::ddl::Definition;
use crate::sql::plan::{Action, SqliteStatement};
use crate::sql::statement::{DataType, Discard, Expr, Name};
use crate::sql::{self, Parsed, Statement};
use crate::types::text::TEXT;
use crate::types::{Datum, DatumRef, NO_TYPMOD};

/// A column of text.
fn text_column(name: &str) -> ResultColumn {
    ResultColumn { name: name.to_owned(), ty: &TEXT, typmod: NO_TYPMOD, origin: None }
}

impl Session {
    /// The columns of a statement without a plan.
    pub(super) fn command_columns(&self, statement: Option<&Statement>) -> Option<Vec<ResultColumn>> {
        match statement? {
            Statement::Show(Some(name)) => {
                let shown = settings::find(name).map_or(name.as_str(), |setting| setting.name);
                Some(vec![text_column(shown)])
            }
            Statement::Show(None) => Some(["name", "setting", "description"].map(text_column).into()),
            Statement::Explain(_) => Some(vec![text_column("QUERY PLAN")]),
            _ => None,
        }
    }

    /// Runs a statement without a plan.
    pub(super) async fn start_command(
        &mut self,
        prepared: &Arc<Prepared>,
        client: &mut dyn Client,
    ) -> Result<Started> {
        let (Some(parsed), Some(shared)) = (prepared.parsed(), prepared.shared()) else {
            return Ok(Started::done(""));
        };
        if let Some(command) = sql::refuses_transaction_block(&parsed.statement)
            && (self.status() != Status::Idle || self.is_multiple)
        {
            bail!(ACTIVE_SQL_TRANSACTION, "{command} cannot run inside a transaction block");
        }
        if self.goes_to_leader(prepared).await? {
            self.note_run();
            if let Some(started) = self.start_remote(prepared, &[], &[], client).await? {
                return Ok(started);
            }
        }
        match &parsed.statement {
            Statement::Definition(_)
            | Statement::CreateSequence(_)
            | Statement::DropSequence { .. }
            | Statement::Type(_) => {
                self.note_run();
                self.define(parsed, client).await
            }
            Statement::Begin(modes) => {
                let warning = self.begin(*modes)?;
                self.warn(client, warning);
                Ok(Started::done("BEGIN"))
            }
            Statement::Commit { chain } => {
                let (tag, warning) = self.commit_block(*chain).await?;
                self.warn(client, warning);
                Ok(Started::done(tag))
            }
            Statement::Rollback { chain } => {
                let warning = self.roll_back_block(*chain).await?;
                self.warn(client, warning);
                Ok(Started::done("ROLLBACK"))
            }
            Statement::Savepoint(name) => self.savepoint(name).await.map(|()| Started::done("SAVEPOINT")),
            Statement::Release(name) => self.release(name).await.map(|()| Started::done("RELEASE")),
            Statement::RollbackTo(name) => self.roll_back_to(name).await.map(|()| Started::done("ROLLBACK")),
            Statement::Copy(copy) => {
                self.note_run();
                self.copy(copy, parsed, client).await
            }
            Statement::CreateDatabase { name } => self.create_database(name).await,
            Statement::DropDatabase { name, if_exists, .. } => {
                self.drop_database(name, *if_exists, client).await
            }
            Statement::Explain(explained) => self.explain(explained, parsed).await,
            Statement::Vacuum { tables, .. } => {
                self.look_up_tables(tables).await.map(|()| Started::done("VACUUM"))
            }
            Statement::Analyze { tables } => {
                self.look_up_tables(tables).await.map(|()| Started::done("ANALYZE"))
            }
            Statement::Checkpoint => Ok(Started::done("CHECKPOINT")),
            Statement::Lock { tables } => self.lock(tables).await,
            Statement::Nothing { tag } => Ok(Started::done(*tag)),
            Statement::Refused(error) => Err(error.clone()),
            Statement::Prepare { name, types, statement } => {
                self.prepare(name, types, statement, shared).await
            }
            Statement::Deallocate(name) => self.deallocate(name.as_deref()),
            statement => self.settings_command(statement, client),
        }
    }

    /// SET, RESET, SHOW and DISCARD.
    fn settings_command(&mut self, statement: &Statement, client: &mut dyn Client) -> Result<Started> {
        match statement {
            Statement::SetTransaction { session: false, modes } => {
                if self.status() == Status::Idle && !self.is_multiple {
                    let message = "SET TRANSACTION can only be used in transaction blocks";
                    self.notice(client, &Error::warning(state::NO_ACTIVE_SQL_TRANSACTION, message));
                }
                self.set_modes(*modes).map(|()| Started::done("SET"))
            }
            Statement::SetTransaction { session: true, modes } => {
                self.set_session_modes(*modes).map(|()| Started::done("SET"))
            }
            Statement::Set { name, value, local } => {
                if *local && self.status() == Status::Idle && !self.is_multiple {
                    let message = "SET LOCAL can only be used in transaction blocks";
                    self.notice(client, &Error::warning(state::NO_ACTIVE_SQL_TRANSACTION, message));
                }
                self.set(name, value.as_deref(), *local).map(|()| Started::done("SET"))
            }
            Statement::SetConstraints => Ok(Started::done("SET CONSTRAINTS")),
            Statement::Reset(Some(name)) => self.set(name, None, false).map(|()| Started::done("RESET")),
            Statement::Reset(None) => {
                self.transaction();
                self.shared.settings().reset_all().map(|()| Started::done("RESET"))
            }
            Statement::Show(name) => self.show(name.as_deref()),
            Statement::Discard(what) => self.discard(*what),
            _ => Err(Error::internal("a statement that nobody runs")),
        }
    }

    fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<()> {
        self.transaction();
        match self.set_mode(name, value) {
            Some(outcome) => outcome,
            None => self.shared.settings().set(name, value, local),
        }
    }

    fn set_session_modes(&mut self, modes: sql::statement::TransactionModes) -> Result<()> {
        self.transaction();
        let mut settings = self.shared.settings();
        let on_off = |value: bool| if value { "on" } else { "off" };
        if let Some(isolation) = modes.isolation {
            settings.set("default_transaction_isolation", Some(isolation.name()), false)?;
        }
        if let Some(read_only) = modes.read_only {
            settings.set("default_transaction_read_only", Some(on_off(read_only)), false)?;
        }
        if let Some(deferrable) = modes.deferrable {
            settings.set("default_transaction_deferrable", Some(on_off(deferrable)), false)?;
        }
        Ok(())
    }

    fn shown(&self, name: &str) -> Result<String> {
        match self.mode(&name.to_ascii_lowercase()) {
            Some(value) => Ok(value),
            None => self.shared.show(name),
        }
    }

    fn show(&mut self, name: Option<&str>) -> Result<Started> {
        let mut rows = self.connection.spool();
        let columns =
            self.command_columns(Some(&Statement::Show(name.map(str::to_owned)))).unwrap_or_default();
        match name {
            Some(name) => rows.push(&[DatumRef::Text(&self.shown(name)?)])?,
            None => {
                for setting in settings::ALL {
                    let value = self.shown(setting.name)?;
                    rows.push(&[
                        DatumRef::Text(setting.name),
                        DatumRef::Text(&value),
                        DatumRef::Text(setting.doc),
                    ])?;
                }
            }
        }
        Ok(Started::rows(columns, rows, Tag::Fixed("SHOW".into())))
    }

    fn discard(&mut self, what: Discard) -> Result<Started> {
        match what {
            Discard::All => {
                if self.status() != Status::Idle || self.is_multiple {
                    bail!(ACTIVE_SQL_TRANSACTION, "DISCARD ALL cannot run inside a transaction block");
                }
                self.prepared.clear();
                *self.shared.taken() = Default::default();
                self.shared.settings().reset_all()?;
                Ok(Started::done("DISCARD ALL"))
            }
            Discard::Plans => Ok(Started::done("DISCARD PLANS")),
            Discard::Sequences => {
                *self.shared.taken() = Default::default();
                Ok(Started::done("DISCARD SEQUENCES"))
            }
            Discard::Temp => Ok(Started::done("DISCARD TEMP")),
        }
    }

    async fn define(&mut self, parsed: &Parsed, client: &mut dyn Client) -> Result<Started> {
        let (name, statement) =
            (sql::lexical::first_word(parsed.text()).to_ascii_uppercase(), &parsed.statement);
        self.require_writable(&name)?;
        // Errors that need no writer are found before waiting for it.
        let early = self.current_scope().await?;
        plan_definition(&early, parsed, statement)?;
        let catalog = self.write().await?.catalog().clone();
        let scope = self.scope(catalog);
        let definition = plan_definition(&scope, parsed, statement)?;
        for notice in &definition.notices {
            self.notice(client, notice);
        }
        let environment = scope.environment();
        let surroundings = scope.surroundings(&environment);
        let see = |catalog| environment.see(catalog);
        self.write().await?.define(&definition, &surroundings, &see).await?;
        Ok(Started::done(definition.tag))
    }

    async fn prepare(
        &mut self,
        name: &str,
        types: &[DataType],
        statement: &Parsed,
        outer: &Arc<Parsed>,
    ) -> Result<Started> {
        if self.prepared.contains_key(name) {
            bail!(DUPLICATE_PSTATEMENT, "prepared statement \"{name}\" already exists");
        }
        let scope = self.current_scope().await?;
        let declared = sql::declared_types(types, &scope.context(""))?;
        drop(scope);
        let prepared = Arc::new(Prepared::inner(outer, declared));
        if let Statement::Plannable(..) = statement.statement {
            self.look_ahead(&prepared).await?;
        }
        self.keep_prepared(name, prepared)?;
        Ok(Started::done("PREPARE"))
    }

    fn deallocate(&mut self, name: Option<&str>) -> Result<Started> {
        match name {
            None => {
                self.prepared.clear();
                Ok(Started::done("DEALLOCATE ALL"))
            }
            Some(name) => {
                self.find_prepared(name)?;
                self.prepared.remove(name);
                Ok(Started::done("DEALLOCATE"))
            }
        }
    }

    /// EXECUTE: computes the arguments, then runs what was prepared.
    pub(super) async fn start_execute(
        &mut self,
        name: &str,
        arguments: &[Expr],
        prepared: &Prepared,
        client: &mut dyn Client,
    ) -> Result<Started> {
        let executed = self.find_prepared(name)?;
        self.note_run();
        let (types, _) = self.shape(&executed).await?;
        if types.len() != arguments.len() {
            let error = Error::new(
                state::SYNTAX_ERROR,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            );
            return Err(error.with_detail(format!(
                "Expected {} parameters but got {}.",
                types.len(),
                arguments.len()
            )));
        }
        let Some(parsed) = prepared.parsed() else { return Ok(Started::done("")) };
        let values = if arguments.is_empty() {
            Vec::new()
        } else {
            let scope = self.current_scope().await?;
            let query = sql::with_stack(parsed.extent, || {
                sql::plan_arguments(arguments, &types, &scope.context(&parsed.source))
            })?;
            self.one_row(&query).await?
        };
        self.start_plan(&executed, &values, client).await
    }

    /// The only row of a query without parameters.
    async fn one_row(&mut self, query: &SqliteStatement) -> Result<Vec<Datum>> {
        let mut rows = self.all_rows(query).await?;
        match rows.next(|row| row.iter().map(|value| DatumRef::to_owned(*value)).collect::<Vec<Datum>>())? {
            Some(row) => Ok(row),
            None => Err(Error::internal("a row of values is missing")),
        }
    }

    /// All rows of a query without parameters.
    async fn all_rows(&mut self, query: &SqliteStatement) -> Result<Spool> {
        if self.transaction().write.is_some() {
            let catalog = self.write().await?.catalog().clone();
            let scope = self.scope(catalog);
            let environment = scope.environment();
            let surroundings = scope.surroundings(&environment);
            return self.write().await?.query(query, &[], &surroundings).await;
        }
        let mut reader = self.read().await?;
        let scope = self.scope(reader.catalog().clone());
        let environment = scope.environment();
        let cursor = reader.start(query, &[])?;
        let mut rows = Spooler::new(self.connection.spool());
        reader.fill(cursor, &scope.surroundings(&environment).on_reader(), &mut rows)?;
        rows.finish()
    }

    async fn create_database(&mut self, name: &str) -> Result<Started> {
        self.require_writable("CREATE DATABASE")?;
        let scope = self.current_scope().await?;
        let environment = scope.environment();
        let lock_timeout = self.shared.settings().derived().lock_timeout;
        let patience = Patience { cancel: &self.shared.cancel, deadline: self.deadline, lock_timeout };
        self.shared.engine.create_database(name, &scope.surroundings(&environment), &patience).await?;
        Ok(Started::done("CREATE DATABASE"))
    }

    async fn drop_database(
        &mut self,
        name: &str,
        if_exists: bool,
        client: &mut dyn Client,
    ) -> Result<Started> {
        self.require_writable("DROP DATABASE")?;
        let scope = self.current_scope().await?;
        let environment = scope.environment();
        let lock_timeout = self.shared.settings().derived().lock_timeout;
        let patience = Patience { cancel: &self.shared.cancel, deadline: self.deadline, lock_timeout };
        let surroundings = scope.surroundings(&environment);
        let existed =
            self.shared.engine.drop_database(name, &self.connection, &surroundings, &patience).await?;
        match (existed, if_exists) {
            (false, false) => bail!(INVALID_CATALOG_NAME, "database \"{name}\" does not exist"),
            (false, true) => {
                let notice = Error::notice(format!("database \"{name}\" does not exist, skipping"));
                self.notice(client, &notice);
            }
            (true, _) => {}
        }
        Ok(Started::done("DROP DATABASE"))
    }

    /// 42P01 for tables that do not exist. Nothing else needs to be done for VACUUM and ANALYZE: SQLite
    /// uses the space of deleted rows again by itself.
    async fn look_up_tables(&mut self, tables: &[Name]) -> Result<()> {
        let scope = self.current_scope().await?;
        let context = scope.context("");
        for name in tables {
            context.catalog.expect(name.schema.as_deref(), &name.name, context.path)?;
        }
        Ok(())
    }

    /// LOCK TABLE: who writes has all tables.
    async fn lock(&mut self, tables: &[Name]) -> Result<Started> {
        if self.status() == Status::Idle && !self.is_multiple {
            bail!(NO_ACTIVE_SQL_TRANSACTION, "LOCK TABLE can only be used in transaction blocks");
        }
        self.look_up_tables(tables).await?;
        self.note_run();
        self.write().await?;
        Ok(Started::done("LOCK TABLE"))
    }

    async fn explain(&mut self, explained: &Statement, parsed: &Parsed) -> Result<Started> {
        let Statement::Plannable(statement, overriding) = explained else {
            return Err(Error::unsupported("EXPLAIN of this statement"));
        };
        self.note_run();
        let scope = self.current_scope().await?;
        let plan = sql::with_stack(parsed.extent, || {
            sql::plan(statement, *overriding, None, &scope.context(&parsed.source))
        })?;
        let mut lines = Vec::new();
        match &plan.action {
            Action::Read(query) | Action::ReadOnWriter(query) => {
                lines.extend(self.explain_lines(query).await?)
            }
            Action::Modify(modify) => {
                lines.push(format!("{} on {}", capitalised(plan.verb), modify.relation.name));
                if let Some(source) = &modify.source {
                    lines.extend(
                        self.explain_lines(source).await?.into_iter().map(|line| format!("  ->  {line}")),
                    );
                }
                lines.extend(
                    self.explain_lines(&modify.statement)
                        .await?
                        .into_iter()
                        .map(|line| format!("  ->  {line}")),
                );
            }
        }
        let mut rows = self.connection.spool();
        for line in &lines {
            rows.push(&[DatumRef::Text(line)])?;
        }
        Ok(Started::rows(vec![text_column("QUERY PLAN")], rows, Tag::Fixed("EXPLAIN".into())))
    }

    /// The plan SQLite chose, a step a line, indented by its place in the tree.
    async fn explain_lines(&mut self, query: &SqliteStatement) -> Result<Vec<String>> {
        let explained =
            SqliteStatement { sql: format!("EXPLAIN QUERY PLAN {}", query.sql).into(), bindings: Vec::new() };
        let rows = self.all_rows(&explained).await?.into_rows()?;
        let mut depths = std::collections::HashMap::from([(0, 0)]);
        let mut lines = Vec::new();
        for row in rows {
            let (Some(Datum::Integer(id)), Some(Datum::Integer(parent)), Some(Datum::Text(what))) =
                (row.first(), row.get(1), row.get(3))
            else {
                continue;
            };
            let depth = depths.get(parent).copied().unwrap_or(0);
            depths.insert(*id, depth + 1);
            let arrow = if depth == 0 { "" } else { "->  " };
            lines.push(format!("{}{arrow}{what}", "      ".repeat(depth)));
        }
        if lines.is_empty() {
            lines.push("Result".to_owned());
        }
        Ok(lines)
    }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    format!("{first}{}", rest.to_ascii_lowercase())
}

fn plan_definition(
    scope: &super::scope::Scope,
    parsed: &Parsed,
    statement: &Statement,
) -> Result<Definition> {
    sql::with_stack(parsed.extent, || sql::define(statement, &scope.context(&parsed.source)))
}
