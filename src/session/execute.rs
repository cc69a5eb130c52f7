//! Starts statements and sends their rows.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::Session;
use super::client::{Client, Formats, ResultColumn};
use super::portal::{Columns, Portal, Source, Started, Tag};
use super::prepared::Prepared;
use super::scope::Scope;
use crate::bail;
use crate::catalog::Catalog;
use crate::engine::{Fill, Refusal, Spool, Spooler};
use crate::error::{Error, Result};
use crate::sql::Statement;
use crate::sql::plan::{Action, Modify, ModifyKind, Plan, SqliteStatement};
use crate::types::{Datum, DatumRef, Format, RowSink, Type};

/// How often a statement is planned again because the catalog has changed under it.
const REPLANS_MAX: usize = 10;

/// Sends rows to a client, up to a number.
struct Sender<'a> {
    client: &'a mut dyn Client,
    columns: &'a [ResultColumn],
    formats: &'a Formats,
    format: &'a Format,
    left: u64,
    sent: u64,
}

impl RowSink for Sender<'_> {
    fn row(&mut self, values: &[DatumRef<'_>]) -> ControlFlow<()> {
        // A lowered query may carry columns for its order behind those of the result.
        self.client.row(&values[..self.columns.len()], self.columns, self.formats, self.format);
        self.sent += 1;
        self.left -= 1;
        if self.left == 0 || self.client.is_full() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// The name of the command in "cannot execute … in a read-only transaction".
fn command_name(plan: &Plan) -> &'static str {
    match &plan.action {
        Action::Modify(modify) => match modify.kind {
            ModifyKind::Insert => "INSERT",
            ModifyKind::Update => "UPDATE",
            ModifyKind::Delete => "DELETE",
        },
        Action::Read(_) | Action::ReadOnWriter(_) => "SELECT FOR UPDATE",
    }
}

impl Session {
    /// What a statement's parameters and rows look like.
    pub(super) async fn shape(
        &mut self,
        prepared: &Prepared,
    ) -> Result<(Vec<&'static Type>, Option<Columns>)> {
        if matches!(prepared.statement(), Some(Statement::Plannable(..)))
            && let Some(shape) = self.remote_shape(prepared).await?
        {
            return Ok(shape);
        }
        match prepared.statement() {
            Some(Statement::Plannable(..)) => {
                let plan = self.current_plan(prepared).await?;
                Ok((plan.parameters.clone(), Columns::of_plan(&plan)))
            }
            Some(Statement::Execute { name, .. }) => {
                let executed = self.find_prepared(name)?;
                let columns = match executed.statement() {
                    Some(Statement::Plannable(..)) => Columns::of_plan(&self.current_plan(&executed).await?),
                    statement => {
                        self.command_columns(statement).map(|columns| Columns::Own(Arc::new(columns)))
                    }
                };
                Ok((Vec::new(), columns))
            }
            statement => {
                let declared = prepared.declared().iter().flatten().copied().collect();
                Ok((declared, self.command_columns(statement).map(|columns| Columns::Own(Arc::new(columns)))))
            }
        }
    }

    /// A plan for what exists now.
    async fn current_plan(&mut self, prepared: &Prepared) -> Result<Arc<Plan>> {
        let plan_version = self.shared.settings().plan_version();
        if let Some(plan) = prepared.cached(plan_version) {
            let transaction = self.transaction.as_ref();
            // A failed block's catalog is gone; the client may still look at what it prepared.
            let has_failed = transaction.is_some_and(|transaction| transaction.failed);
            let sees_newest = transaction
                .is_none_or(|transaction| transaction.write.is_none() && transaction.snapshot.is_none());
            // The version is checked again when the plan runs.
            if has_failed || (sees_newest && plan.catalog_version == self.connection.likely_catalog_version())
            {
                return Ok(plan);
            }
        }
        self.plan_now(prepared).await
    }

    /// Runs a portal's statement as far as it must before its first row.
    pub(super) async fn start(&mut self, portal: &mut Portal, client: &mut dyn Client) -> Result<()> {
        let prepared = portal.prepared().clone();
        let started = match prepared.statement() {
            Some(Statement::Plannable(..)) => {
                self.note_run();
                self.start_plan(&prepared, &portal.parameters, client).await?
            }
            Some(Statement::Execute { name, arguments }) => {
                self.start_execute(name, arguments, &prepared, client).await?
            }
            Some(_) => self.start_command(&prepared, client).await?,
            None => Started::done(""),
        };
        portal.started = Some(started);
        Ok(())
    }

    /// Runs a plan as far as it must before its first row.
    pub(super) async fn start_plan(
        &mut self,
        prepared: &Arc<Prepared>,
        parameters: &[Datum],
        client: &mut dyn Client,
    ) -> Result<Started> {
        if self.goes_to_leader(prepared).await? {
            let (types, _) =
                if parameters.is_empty() { (Vec::new(), None) } else { self.shape(prepared).await? };
            if let Some(started) = self.start_remote(prepared, parameters, &types, client).await? {
                return Ok(started);
            }
        }
        let plan_version = self.shared.settings().plan_version();
        let mut types: Option<Vec<&'static Type>> = None;
        for _ in 0..REPLANS_MAX {
            let plan = match prepared.cached(plan_version) {
                Some(plan) => plan,
                None => self.plan_now(prepared).await?,
            };
            // The values were read as the types of the first plan.
            if *types.get_or_insert_with(|| plan.parameters.clone()) != plan.parameters {
                bail!(FEATURE_NOT_SUPPORTED, "cached plan must not change the types of its parameters");
            }
            let started = match &plan.action {
                Action::Read(query) => self.start_read(&plan, query, parameters).await?,
                Action::ReadOnWriter(query) => self.start_read_on_writer(&plan, query, parameters).await?,
                Action::Modify(modify) => self.start_modify(prepared, &plan, modify, parameters).await?,
            };
            match started {
                Ok(started) => return Ok(started),
                // The plan was for another state of the catalog.
                Err(catalog) => prepared.plan(&self.scope(catalog)).map(|_| ())?,
            }
        }
        Err(Error::internal("the schema changes faster than a statement can be planned"))
    }

    /// A read: on the writer if this transaction writes, else on a snapshot.
    async fn start_read(
        &mut self,
        plan: &Arc<Plan>,
        query: &SqliteStatement,
        parameters: &[Datum],
    ) -> Result<Result<Started, Arc<Catalog>>> {
        let transaction = self.transaction();
        if transaction.write.is_some() {
            return self.query_on_writer(plan, query, parameters).await;
        }
        let source;
        let catalog;
        if transaction.has_one_snapshot() {
            if transaction.snapshot.is_none() {
                let snapshot = self.read().await?;
                self.transaction().snapshot = Some(snapshot);
            }
            let snapshot = self.transaction().snapshot.as_mut().expect("it was just opened");
            catalog = snapshot.catalog().clone();
            if catalog.version != plan.catalog_version {
                return Ok(Err(catalog));
            }
            source = Source::Snapshot(snapshot.start(query, parameters)?);
        } else {
            let mut reader = self.read().await?;
            catalog = reader.catalog().clone();
            if catalog.version != plan.catalog_version {
                return Ok(Err(catalog));
            }
            let cursor = reader.start(query, parameters)?;
            source = Source::Reader(Box::new(reader), cursor);
        }
        let scope = Some(Box::new(self.scope(catalog)));
        let columns = Columns::of_plan(plan);
        Ok(Ok(Started { columns, source: Some(source), scope, tag: Tag::Rows(plan.verb.into()) }))
    }

    async fn start_read_on_writer(
        &mut self,
        plan: &Arc<Plan>,
        query: &SqliteStatement,
        parameters: &[Datum],
    ) -> Result<Result<Started, Arc<Catalog>>> {
        self.require_writable(command_name(plan))?;
        self.write().await?;
        self.query_on_writer(plan, query, parameters).await
    }

    async fn query_on_writer(
        &mut self,
        plan: &Arc<Plan>,
        query: &SqliteStatement,
        parameters: &[Datum],
    ) -> Result<Result<Started, Arc<Catalog>>> {
        let catalog = self.write().await?.catalog().clone();
        if catalog.version != plan.catalog_version {
            return Ok(Err(catalog));
        }
        let scope = self.scope(catalog);
        let environment = scope.environment();
        let surroundings = scope.surroundings(&environment);
        let rows = self.write().await?.query(query, parameters, &surroundings).await?;
        drop(environment);
        Ok(Ok(spooled(plan, rows, Tag::Rows(plan.verb.into()), scope)))
    }

    async fn start_modify(
        &mut self,
        prepared: &Prepared,
        plan: &Arc<Plan>,
        modify: &Modify,
        parameters: &[Datum],
    ) -> Result<Result<Started, Arc<Catalog>>> {
        self.require_writable(command_name(plan))?;
        let catalog = self.write().await?.catalog().clone();
        if catalog.version != plan.catalog_version {
            return Ok(Err(catalog));
        }
        let scope = self.scope(catalog);
        let environment = scope.environment();
        let surroundings = scope.surroundings(&environment);
        let write = self.write().await?;
        let rows = match write.modify(modify, parameters, &surroundings).await {
            Ok(rows) => rows,
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::Violation(refused)) => {
                environment.again();
                let row_wise = prepared.plan_row_wise(&scope)?;
                let Action::Modify(modify) = &row_wise.action else {
                    return Err(Error::internal("not a change of rows"));
                };
                return Err(write.diagnose(modify, parameters, &surroundings, refused).await);
            }
        };
        drop(environment);
        let tag = match modify.kind {
            ModifyKind::Insert => format!("INSERT 0 {}", rows.count),
            ModifyKind::Update => format!("UPDATE {}", rows.count),
            ModifyKind::Delete => format!("DELETE {}", rows.count),
        };
        if plan.columns.is_none() {
            return Ok(Ok(Started::done(tag)));
        }
        Ok(Ok(spooled(plan, rows.returned, Tag::Fixed(tag), scope)))
    }

    /// Sends a portal's rows, up to a number. True if there are no more.
    pub(super) async fn pump(
        &mut self,
        portal: &mut Portal,
        limit: Option<u64>,
        client: &mut dyn Client,
    ) -> Result<bool> {
        portal.sent = 0;
        let formats = portal.formats().clone();
        let Some(started) = &mut portal.started else { return Ok(true) };
        let (Some(columns), Some(source)) = (&started.columns, &mut started.source) else { return Ok(true) };
        let scope = match &started.scope {
            Some(scope) => scope,
            None => {
                let catalog = self.catalog().await?;
                started.scope.insert(Box::new(self.scope(catalog)))
            }
        };
        let deadline = self.deadline;
        let limit = limit.unwrap_or(u64::MAX);
        let is_done = loop {
            let mut sender = Sender {
                client: &mut *client,
                columns: columns.as_slice(),
                formats: &formats,
                format: &scope.format,
                left: limit - portal.sent,
                sent: 0,
            };
            let snapshot = self.transaction.as_mut().and_then(|transaction| transaction.snapshot.as_mut());
            let fill = match source {
                Source::Spool(spool) => send_spooled(spool, &mut sender)?,
                Source::Reader(reader, cursor) => {
                    let environment = scope.environment();
                    let mut execution = scope.surroundings(&environment).on_reader();
                    execution.deadline = deadline;
                    reader.fill(*cursor, &execution, &mut sender)?
                }
                Source::Snapshot(cursor) => {
                    let environment = scope.environment();
                    let mut execution = scope.surroundings(&environment).on_reader();
                    execution.deadline = deadline;
                    match snapshot {
                        Some(snapshot) => snapshot.fill(*cursor, &execution, &mut sender)?,
                        None => Fill::Done,
                    }
                }
            };
            portal.sent += sender.sent;
            match fill {
                Fill::Done => break true,
                Fill::Paused if portal.sent >= limit => break false,
                Fill::Paused => {
                    client.flush().await?;
                    self.shared.cancel.check()?;
                }
            }
        };
        if is_done {
            started.source = None;
        }
        Ok(is_done)
    }

    /// Before a portal is suspended: only one may keep a snapshot of its own. The rest of the others'
    /// rows are kept in a spool.
    pub(super) async fn make_room(&mut self, portal: &mut Portal) -> Result<()> {
        let holds_reader = |portal: &Portal| {
            matches!(&portal.started, Some(Started { source: Some(Source::Reader(..)), .. }))
        };
        if !holds_reader(portal) || !self.portals.values().any(holds_reader) {
            return Ok(());
        }
        let mut rest = Spooler::new(self.connection.spool());
        if let Some(Started { source: Some(source), scope: Some(scope), .. }) = &mut portal.started
            && let Source::Reader(reader, cursor) = source
        {
            let environment = scope.environment();
            reader.fill(*cursor, &scope.surroundings(&environment).on_reader(), &mut rest)?;
            *source = Source::Spool(Box::new(rest.finish()?));
        }
        Ok(())
    }
}

fn spooled(plan: &Arc<Plan>, rows: Spool, tag: Tag, scope: Scope) -> Started {
    let source = Some(Source::Spool(Box::new(rows)));
    Started { columns: Columns::of_plan(plan), source, scope: Some(Box::new(scope)), tag }
}

fn send_spooled(spool: &mut Spool, sender: &mut Sender<'_>) -> Result<Fill> {
    while let Some(flow) = spool.next(|row| sender.row(row))? {
        if flow.is_break() {
            return Ok(Fill::Paused);
        }
    }
    Ok(Fill::Done)
}
