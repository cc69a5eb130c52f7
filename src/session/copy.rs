//! COPY FROM STDIN and COPY TO STDOUT.

use std::ops::ControlFlow;

use super::client::{Client, CopyInput, Reply, ResultColumn};
use super::copy_format::{Fields, Lines, NullRules, write_field};
use super::portal::Started;
use super::{Session, idle_in_transaction};
use crate::bail;
use crate::catalog::Relation;
use crate::engine::{CopyIn, Fill, Spool};
use crate::error::{Error, Result, state};
use crate::sql::plan::{Action, CopyPlan};
use crate::sql::statement::{Copy, CopyDirection, CopyFormat, CopyOptions, CopyRelation};
use crate::sql::{self, Parsed};
use crate::types::{Datum, DatumRef, Format, RowSink, text};

/// A line or a value in CONTEXT is cut after this many bytes (PostgreSQL's MAX_COPY_DATA_DISPLAY).
const SHOWN_BYTES_MAX: usize = 100;

impl Session {
    pub(super) async fn copy(
        &mut self,
        copy: &Copy,
        parsed: &Parsed,
        client: &mut dyn Client,
    ) -> Result<Started> {
        let count = match (copy.direction, &copy.relation) {
            (CopyDirection::FromStdin, CopyRelation::Table(..)) => self.copy_in(copy, parsed, client).await?,
            (CopyDirection::FromStdin, CopyRelation::Query(_)) => {
                bail!(SYNTAX_ERROR, "COPY FROM needs a table")
            }
            (CopyDirection::ToStdout, _) => self.copy_out(copy, parsed, client).await?,
        };
        Ok(Started::done(format!("COPY {count}")))
    }

    async fn copy_in(&mut self, copy: &Copy, parsed: &Parsed, client: &mut dyn Client) -> Result<u64> {
        let CopyRelation::Table(name, columns) = &copy.relation else { return Ok(0) };
        self.require_writable("COPY FROM")?;
        let early = self.current_scope().await?;
        sql::plan_copy_from(name, columns, &early.context(&parsed.source))?;
        let catalog = self.write().await?.catalog().clone();
        let scope = self.scope(catalog);
        let plan = sql::plan_copy_from(name, columns, &scope.context(&parsed.source))?;
        let mut rows = RowReader::new(&plan, &copy.options, &scope.format)?;
        client.send(Reply::CopyIn(plan.listed.len()));
        client.flush().await?;

        let environment = scope.environment();
        let surroundings = scope.surroundings(&environment);
        let mut copy_in = CopyIn::new(&plan);
        let idle_limit = self.shared.settings().derived().idle_in_transaction_timeout;
        let write = self.write().await?;
        let mut lines = Lines::new(&copy.options);
        loop {
            // COPY holds the writer while it waits for its client.
            let input = match idle_limit {
                Some(limit) => tokio::time::timeout(limit, client.copy_input())
                    .await
                    .map_err(|_| idle_in_transaction())?,
                None => client.copy_input().await,
            };
            let data = match input? {
                CopyInput::Data(data) => data,
                CopyInput::Done => break,
                CopyInput::Fail(message) => bail!(QUERY_CANCELED, "COPY from stdin failed: {message}"),
            };
            surroundings.on_reader().cancel.check()?;
            lines.push(&data)?;
            while let Some(line) = lines.next() {
                let bytes = line.len();
                let Some(row) = rows.read(line)? else { continue };
                if copy_in.push(rows.number, row, bytes) {
                    write.copy(&mut copy_in, &surroundings).await?;
                }
            }
        }
        let last = lines.last().map_err(|error| {
            error.with_context(format!("COPY {}, line {}", plan.relation.name, rows.number + 1))
        })?;
        if let Some(row) = last.map(|line| rows.read(line)).transpose()?.flatten() {
            copy_in.push(rows.number, row, 0);
        }
        write.copy(&mut copy_in, &surroundings).await?;
        write.finish_copy(&copy_in, &surroundings).await?;
        Ok(copy_in.count())
    }

    async fn copy_out(&mut self, copy: &Copy, parsed: &Parsed, client: &mut dyn Client) -> Result<u64> {
        let in_write = self.transaction().write.is_some();
        let mut reader = if in_write { None } else { Some(self.read().await?) };
        let catalog = match &reader {
            Some(reader) => reader.catalog().clone(),
            None => self.catalog().await?,
        };
        let scope = self.scope(catalog);
        let plan = {
            let context = scope.context(&parsed.source);
            match &copy.relation {
                CopyRelation::Table(name, columns) => {
                    let query = sql::copy_to_query(name, columns, &context)?;
                    sql::plan(&query, None, None, &context)?
                }
                CopyRelation::Query(query) => {
                    sql::with_stack(parsed.extent, || sql::plan(query, None, None, &context))?
                }
            }
        };
        let Action::Read(query) = &plan.action else {
            return Err(Error::unsupported("COPY of a statement that changes rows"));
        };
        let columns = plan.columns.as_deref().unwrap_or_default();
        let environment = scope.environment();
        let surroundings = scope.surroundings(&environment);
        let mut writer = LineWriter::new(columns, &copy.options, &scope.format)?;
        client.send(Reply::CopyOut(columns.len()));
        writer.header(client);
        match &mut reader {
            Some(reader) => {
                let cursor = reader.start(query, &[])?;
                while reader.fill(cursor, &surroundings.on_reader(), &mut writer.to(client))? == Fill::Paused
                {
                    client.flush().await?;
                    self.shared.cancel.check()?;
                }
            }
            None => {
                let mut rows: Spool = self.write().await?.query(query, &[], &surroundings).await?;
                while let Some(flow) = rows.next(|row| writer.to(client).row(row))? {
                    if flow.is_break() {
                        client.flush().await?;
                        self.shared.cancel.check()?;
                    }
                }
            }
        }
        client.send(Reply::CopyDone);
        Ok(writer.count)
    }
}

/// Makes rows of lines.
struct RowReader<'a> {
    relation: &'a Relation,
    plan: &'a CopyPlan,
    options: &'a CopyOptions,
    format: &'a Format,
    null_rules: NullRules,
    fields: Fields,
    number: u64,
}

/// The shown part of a line or value.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.len() > SHOWN_BYTES_MAX {
        true => format!("{}...", &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)]),
        false => text.into_owned(),
    }
}

/// Which of some columns a list of names has.
fn marked(listed: &[&str], names: &[String], option: &str) -> Result<Vec<bool>> {
    for name in names {
        if !listed.contains(&name.as_str()) {
            bail!(INVALID_COLUMN_REFERENCE, "{option} column \"{name}\" not referenced by COPY");
        }
    }
    Ok(listed.iter().map(|column| names.iter().any(|name| name == column)).collect())
}

impl<'a> RowReader<'a> {
    fn new(plan: &'a CopyPlan, options: &'a CopyOptions, format: &'a Format) -> Result<RowReader<'a>> {
        let listed: Vec<&str> =
            plan.listed.iter().map(|place| plan.relation.columns[*place].name.as_str()).collect();
        let null_rules = NullRules {
            forced_null: marked(&listed, &options.force_null, "FORCE_NULL")?,
            forced_not_null: marked(&listed, &options.force_not_null, "FORCE_NOT_NULL")?,
        };
        Ok(RowReader {
            relation: &plan.relation,
            plan,
            options,
            format,
            null_rules,
            fields: Fields::new(),
            number: 0,
        })
    }

    /// The row of a line; `None` for the header.
    fn read(&mut self, line: &[u8]) -> Result<Option<Vec<Datum>>> {
        self.number += 1;
        self.fields.split(line, self.options, &self.null_rules);
        if self.number == 1 && self.options.header {
            return self.check_header().map(|()| None);
        }
        let at_line = |error: Error| {
            error.with_context(format!(
                "COPY {}, line {}: \"{}\"",
                self.relation.name,
                self.number,
                shown(line)
            ))
        };
        let expected = self.plan.listed.len();
        if self.fields.len() > expected && !(expected == 0 && line.is_empty()) {
            return Err(at_line(Error::new(
                state::BAD_COPY_FILE_FORMAT,
                "extra data after last expected column",
            )));
        }
        if self.fields.len() < expected {
            let missing = &self.relation.columns[self.plan.listed[self.fields.len()]].name;
            return Err(at_line(Error::new(
                state::BAD_COPY_FILE_FORMAT,
                format!("missing data for column \"{missing}\""),
            )));
        }
        let mut row = Vec::with_capacity(expected);
        for (field, place) in self.plan.listed.iter().enumerate() {
            row.push(match self.fields.get(field) {
                None => Datum::Null,
                Some(bytes) => {
                    self.value(*place, bytes).map_err(|error| self.at_column(error, *place, bytes))?
                }
            });
        }
        Ok(Some(row))
    }

    fn value(&self, place: usize, bytes: &[u8]) -> Result<Datum> {
        let column = &self.relation.columns[place];
        let Some(ty) = column.ty else { return Err(Error::unsupported("COPY of a column of this type")) };
        ty.from_text(text::from_utf8(bytes)?, column.typmod, self.format)
    }

    fn at_column(&self, error: Error, place: usize, bytes: &[u8]) -> Error {
        let (table, column) = (&self.relation.name, &self.relation.columns[place].name);
        error.with_context(format!(
            "COPY {table}, line {}, column {column}: \"{}\"",
            self.number,
            shown(bytes)
        ))
    }

    fn check_header(&self) -> Result<()> {
        if !self.options.header_match {
            return Ok(());
        }
        for (field, place) in self.plan.listed.iter().enumerate() {
            let expected = &self.relation.columns[*place].name;
            let got = (field < self.fields.len())
                .then(|| self.fields.get(field))
                .flatten()
                .map(String::from_utf8_lossy);
            match got {
                Some(got) if got == *expected => {}
                Some(got) => bail!(
                    BAD_COPY_FILE_FORMAT,
                    "column name mismatch in header line field {}: got \"{got}\", expected \"{expected}\"",
                    field + 1
                ),
                None => bail!(
                    BAD_COPY_FILE_FORMAT,
                    "column name mismatch in header line field {}: got null value (\"{}\"), expected \"{expected}\"",
                    field + 1,
                    self.options.null
                ),
            }
        }
        Ok(())
    }
}

/// Makes lines of rows.
struct LineWriter<'a> {
    columns: &'a [ResultColumn],
    options: &'a CopyOptions,
    format: &'a Format,
    force_quote: Vec<bool>,
    line: Vec<u8>,
    value: Vec<u8>,
    count: u64,
}

impl<'a> LineWriter<'a> {
    fn new(
        columns: &'a [ResultColumn],
        options: &'a CopyOptions,
        format: &'a Format,
    ) -> Result<LineWriter<'a>> {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let force_quote = match &options.force_quote {
            None => vec![false; names.len()],
            Some(list) if list.is_empty() => vec![true; names.len()],
            Some(list) => marked(&names, list, "FORCE_QUOTE")?,
        };
        Ok(LineWriter {
            columns,
            options,
            format,
            force_quote,
            line: Vec::new(),
            value: Vec::new(),
            count: 0,
        })
    }

    fn header(&mut self, client: &mut dyn Client) {
        if !self.options.header {
            return;
        }
        self.line.clear();
        for (place, column) in self.columns.iter().enumerate() {
            self.separate(place);
            write_field(
                &mut self.line,
                Some(column.name.as_bytes()),
                self.options,
                false,
                self.columns.len() == 1,
            );
        }
        self.line.push(b'\n');
        client.send(Reply::CopyData(&self.line));
    }

    fn separate(&mut self, place: usize) {
        if place > 0 {
            self.line.push(self.options.delimiter);
        }
    }

    fn row(&mut self, values: &[DatumRef<'_>]) {
        self.line.clear();
        for (place, column) in self.columns.iter().enumerate() {
            self.separate(place);
            self.value.clear();
            let value = match values[place] {
                DatumRef::Null => None,
                value => {
                    column.ty.print(value, self.format, &mut self.value);
                    Some(self.value.as_slice())
                }
            };
            let force = self.options.format == CopyFormat::Csv && self.force_quote[place];
            write_field(&mut self.line, value, self.options, force, self.columns.len() == 1);
        }
        self.line.push(b'\n');
        self.count += 1;
    }

    fn to<'c>(&'c mut self, client: &'c mut dyn Client) -> LineSender<'c, 'a> {
        LineSender { writer: self, client }
    }
}

/// Sends a line for each row.
struct LineSender<'c, 'a> {
    writer: &'c mut LineWriter<'a>,
    client: &'c mut dyn Client,
}

impl RowSink for LineSender<'_, '_> {
    fn row(&mut self, values: &[DatumRef<'_>]) -> ControlFlow<()> {
        self.writer.row(values);
        self.client.send(Reply::CopyData(&self.writer.line));
        if self.client.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
