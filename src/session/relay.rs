//! What a session says to its other half on the leader, and what that answers.
//!
//! A client's own session stays where the client is: it has the settings, the prepared statements and the
//! portals, and runs what needs no writer. What does goes, statement by statement, to a session that the
//! leader keeps for it ([`super::forward`]), and rows come back as stored values ([`super::remote`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::ResultColumn;
use super::settings::Saved;
use crate::engine::{Decoder, Encoder, Identity, TransactionId, nonsense};
use crate::error::{Error, Fields, Result, Severity, SqlState, state};
use crate::sql::statement::Isolation;
use crate::types::user::{self, Condition, Definition, Domain, Enum, Label, UserType};
use crate::types::{self, Datum, DatumRef, Oid, Type};

/// Which statement, of which text.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct StatementKey {
    /// The whole text that the client sent: error positions count in it.
    pub(super) source: Arc<str>,
    /// Where the statement starts in it.
    pub(super) start: usize,
    /// Whether it is the statement inside of a PREPARE.
    pub(super) is_inner: bool,
    /// The declared types of its parameters, 0 for unknown; `None` for a simple query, which has none.
    pub(super) types: Option<Vec<Oid>>,
}

/// How a transaction starts.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Begin {
    pub(super) id: TransactionId,
    pub(super) isolation: Isolation,
    pub(super) read_only: bool,
    pub(super) start_us: i64,
    /// The state that the transaction has seen already.
    pub(super) snapshot: Option<Identity>,
    /// Savepoints that the client has set already.
    pub(super) savepoints: u64,
}

/// What the session knows that the leader's half does not.
#[derive(Clone, Default)]
pub(super) struct Context {
    pub(super) settings: Option<Saved>,
    pub(super) taken: Option<Vec<(Oid, i64)>>,
}

/// A statement to run.
pub(super) struct Run {
    pub(super) begin: Option<Begin>,
    pub(super) statement: StatementKey,
    pub(super) parameters: Vec<Datum>,
    pub(super) parameter_types: Vec<Oid>,
    pub(super) context: Context,
    pub(super) statement_us: i64,
    pub(super) timeout_ms: Option<u64>,
    /// Whether the transaction ends with it.
    pub(super) commits: bool,
}

/// What a session asks of its other half.
pub(super) enum Order {
    Open { parameters: Vec<(String, String)>, pid: i32 },
    Run(Box<Run>),
    Shape { statement: StatementKey, context: Context },
    Savepoint,
    Release(u64),
    RollBackTo(u64),
    Commit,
    RollBack,
    CopyData(Vec<u8>),
    CopyDone,
    CopyFail(String),
    Cancel,
    Outcome(TransactionId),
}

/// What the other half answers.
pub(super) enum Report {
    Notice(Error),
    Columns(Vec<ResultColumn>),
    Rows(Vec<Vec<Datum>>),
    CopyIn(usize),
    CopyOut(usize),
    CopyData(Vec<u8>),
    CopyDone,
    /// An order is done.
    Done {
        tag: String,
        counts_rows: bool,
        context: Context,
        changed_catalog: bool,
    },
    Shape {
        parameters: Vec<&'static Type>,
        columns: Option<Vec<ResultColumn>>,
    },
    Committed(u64),
    Outcome(bool),
    /// This node leads no more and has done nothing.
    NotLeading,
    /// An order has failed.
    Failed(Error),
}

const OPEN: u8 = 1;
const RUN: u8 = 2;
const SHAPE: u8 = 3;
const SAVEPOINT: u8 = 4;
const RELEASE: u8 = 5;
const ROLL_BACK_TO: u8 = 6;
const COMMIT: u8 = 7;
const ROLL_BACK: u8 = 8;
const COPY_DATA: u8 = 9;
const COPY_DONE: u8 = 10;
const COPY_FAIL: u8 = 11;
const CANCEL: u8 = 12;
const OUTCOME: u8 = 13;
const NOTICE: u8 = 14;
const COLUMNS: u8 = 15;
const ROWS: u8 = 16;
const COPY_IN: u8 = 17;
const COPY_OUT: u8 = 18;
const DONE: u8 = 19;
const NOT_LEADING: u8 = 20;
const FAILED: u8 = 21;

fn put_id(out: &mut Encoder, id: TransactionId) {
    out.bytes(&id.to_bytes());
}

fn id(fields: &mut Decoder<'_>) -> Result<TransactionId> {
    Ok(TransactionId::from_bytes(fields.bytes()?.try_into().map_err(|_| nonsense())?))
}

fn put_value(out: &mut Encoder, value: DatumRef<'_>) {
    match value {
        DatumRef::Null => out.byte(0),
        DatumRef::Integer(value) => {
            out.byte(1);
            out.number(value as u64);
        }
        DatumRef::Real(value) => {
            out.byte(2);
            out.number(value.to_bits());
        }
        DatumRef::Text(value) => {
            out.byte(3);
            out.text(value);
        }
        DatumRef::Blob(value) => {
            out.byte(4);
            out.bytes(value);
        }
    }
}

fn value(fields: &mut Decoder<'_>) -> Result<Datum> {
    Ok(match fields.byte()? {
        0 => Datum::Null,
        1 => Datum::Integer(fields.number()? as i64),
        2 => Datum::Real(f64::from_bits(fields.number()?)),
        3 => Datum::Text(fields.text()?.to_owned()),
        4 => Datum::Blob(fields.bytes()?.to_vec()),
        _ => return Err(nonsense()),
    })
}

fn values(fields: &mut Decoder<'_>) -> Result<Vec<Datum>> {
    let count = fields.count()?;
    (0..count).map(|_| value(fields)).collect()
}

fn put_oids(out: &mut Encoder, oids: impl ExactSizeIterator<Item = Oid>) {
    out.number(oids.len() as u64);
    oids.for_each(|oid| out.number(oid.into()));
}

fn oid(fields: &mut Decoder<'_>) -> Result<Oid> {
    Oid::try_from(fields.number()?).map_err(|_| nonsense())
}

fn oids(fields: &mut Decoder<'_>) -> Result<Vec<Oid>> {
    let count = fields.count()?;
    (0..count).map(|_| oid(fields)).collect()
}

/// The deepest nesting of domains, and of arrays of them, that another node may tell of.
const TYPE_DEPTH_MAX: usize = 64;

const BUILT_IN: u64 = 0;
const ARRAY: u64 = 1;
const ENUM: u64 = 2;
const DOMAIN: u64 = 3;

/// A type: the oid of a built-in one, the whole definition of a user's, which the other node's catalog may not have yet.
fn put_type(out: &mut Encoder, ty: &Type) {
    if let (true, Some(element)) = (ty.is_of_users(), ty.element()) {
        out.number(ARRAY);
        return put_type(out, element);
    }
    let Some(defined) = user::definition_of(ty) else {
        out.number(BUILT_IN);
        return out.number(ty.oid.into());
    };
    out.number(if matches!(defined.definition, Definition::Enum(_)) { ENUM } else { DOMAIN });
    out.number(defined.oid.into());
    out.number(defined.array_oid.into());
    out.text(&defined.name);
    out.text(&defined.array_name);
    out.number(defined.schema.into());
    match &defined.definition {
        Definition::Enum(Enum { labels }) => {
            out.number(labels.len() as u64);
            for label in labels {
                out.number(label.oid.into());
                out.number(label.order.to_bits());
                out.text(&label.name);
            }
        }
        Definition::Domain(domain) => {
            put_type(out, domain.base);
            out.number(domain.typmod as u32 as u64);
            out.flag(domain.not_null);
            out.flag(domain.default.is_some());
            out.text(domain.default.as_deref().unwrap_or_default());
            out.number(domain.conditions.len() as u64);
            for condition in &domain.conditions {
                out.number(condition.oid.into());
                out.text(&condition.name);
                out.text(&condition.expression);
            }
        }
    }
}

fn any_type(fields: &mut Decoder<'_>, depth: usize) -> Result<&'static Type> {
    if depth > TYPE_DEPTH_MAX {
        return Err(nonsense());
    }
    let kind = fields.number()?;
    match kind {
        BUILT_IN => {
            let oid = oid(fields)?;
            return types::by_oid(oid)
                .ok_or_else(|| Error::unsupported(format!("another node's type with OID {oid}")));
        }
        ARRAY => return any_type(fields, depth + 1)?.array().ok_or_else(nonsense),
        ENUM | DOMAIN => {}
        _ => return Err(nonsense()),
    }
    let (oid_, array_oid) = (oid(fields)?, oid(fields)?);
    let (name, array_name) = (fields.text()?.to_owned(), fields.text()?.to_owned());
    let schema = oid(fields)?;
    let definition = if kind == ENUM {
        let count = fields.count()?;
        let mut label = || {
            let (oid, order) = (oid(fields)?, f64::from_bits(fields.number()?));
            Ok(Label { oid, order, name: fields.text()?.to_owned() })
        };
        Definition::Enum(Enum { labels: (0..count).map(|_| label()).collect::<Result<_>>()? })
    } else {
        let base = any_type(fields, depth + 1)?;
        let typmod = fields.number()? as u32 as i32;
        let not_null = fields.flag()?;
        let has_default = fields.flag()?;
        let default = Some(fields.text()?.to_owned()).filter(|_| has_default);
        let count = fields.count()?;
        let mut condition = || {
            let (oid, name) = (oid(fields)?, fields.text()?.to_owned());
            Ok(Condition { oid, name, expression: fields.text()?.to_owned() })
        };
        let conditions = (0..count).map(|_| condition()).collect::<Result<_>>()?;
        Definition::Domain(Domain { base, typmod, not_null, default, conditions })
    };
    let defined = UserType { oid: oid_, array_oid, name, array_name, schema, definition };
    Ok(user::intern(&defined).0)
}

fn put_columns(out: &mut Encoder, columns: &[ResultColumn]) {
    out.number(columns.len() as u64);
    for column in columns {
        out.text(&column.name);
        put_type(out, column.ty);
        out.number(column.typmod as u32 as u64);
        out.flag(column.origin.is_some());
        if let Some((table, number)) = column.origin {
            out.number(table.into());
            out.number(number as u16 as u64);
        }
    }
}

fn columns(fields: &mut Decoder<'_>) -> Result<Vec<ResultColumn>> {
    let count = fields.count()?;
    let mut column = || {
        Ok(ResultColumn {
            name: fields.text()?.to_owned(),
            ty: any_type(fields, 0)?,
            typmod: fields.number()? as u32 as i32,
            origin: match fields.flag()? {
                true => Some((oid(fields)?, fields.number()? as u16 as i16)),
                false => None,
            },
        })
    };
    (0..count).map(|_| column()).collect()
}

fn put_settings(out: &mut Encoder, values: &BTreeMap<String, String>) {
    out.number(values.len() as u64);
    for (name, value) in values {
        out.text(name);
        out.text(value);
    }
}

fn settings(fields: &mut Decoder<'_>) -> Result<Arc<BTreeMap<String, String>>> {
    let count = fields.count()?;
    let pair = |_| Ok((fields.text()?.to_owned(), fields.text()?.to_owned()));
    Ok(Arc::new((0..count).map(pair).collect::<Result<_>>()?))
}

fn put_context(out: &mut Encoder, context: &Context) {
    out.flag(context.settings.is_some());
    if let Some(saved) = &context.settings {
        put_settings(out, &saved.session);
        put_settings(out, &saved.local);
    }
    out.flag(context.taken.is_some());
    if let Some(taken) = &context.taken {
        out.number(taken.len() as u64);
        for (sequence, value) in taken {
            out.number((*sequence).into());
            out.number(*value as u64);
        }
    }
}

fn context(fields: &mut Decoder<'_>) -> Result<Context> {
    let saved = match fields.flag()? {
        true => Some(Saved { session: settings(fields)?, local: settings(fields)? }),
        false => None,
    };
    let taken = match fields.flag()? {
        true => {
            let count = fields.count()?;
            let pair = |_| Ok((oid(fields)?, fields.number()? as i64));
            Some((0..count).map(pair).collect::<Result<_>>()?)
        }
        false => None,
    };
    Ok(Context { settings: saved, taken })
}

fn put_statement(out: &mut Encoder, statement: &StatementKey) {
    out.text(&statement.source);
    out.number(statement.start as u64);
    out.flag(statement.is_inner);
    out.flag(statement.types.is_some());
    if let Some(types) = &statement.types {
        put_oids(out, types.iter().copied());
    }
}

fn statement(fields: &mut Decoder<'_>) -> Result<StatementKey> {
    Ok(StatementKey {
        source: fields.text()?.into(),
        start: fields.number()? as usize,
        is_inner: fields.flag()?,
        types: match fields.flag()? {
            true => Some(oids(fields)?),
            false => None,
        },
    })
}

const ISOLATIONS: [Isolation; 4] = [
    Isolation::ReadUncommitted,
    Isolation::ReadCommitted,
    Isolation::RepeatableRead,
    Isolation::Serializable,
];

fn put_begin(out: &mut Encoder, begin: &Begin) {
    put_id(out, begin.id);
    let place = ISOLATIONS.iter().position(|isolation| *isolation == begin.isolation);
    out.byte(place.unwrap_or(1) as u8);
    out.flag(begin.read_only);
    out.number(begin.start_us as u64);
    out.flag(begin.snapshot.is_some());
    if let Some(snapshot) = begin.snapshot {
        out.number(snapshot.incarnation);
        out.number(snapshot.sequence);
    }
    out.number(begin.savepoints);
}

fn begin(fields: &mut Decoder<'_>) -> Result<Begin> {
    Ok(Begin {
        id: id(fields)?,
        isolation: *ISOLATIONS.get(usize::from(fields.byte()?)).ok_or_else(nonsense)?,
        read_only: fields.flag()?,
        start_us: fields.number()? as i64,
        snapshot: match fields.flag()? {
            true => Some(Identity { incarnation: fields.number()?, sequence: fields.number()? }),
            false => None,
        },
        savepoints: fields.number()?,
    })
}

const SEVERITIES: [Severity; 5] =
    [Severity::Error, Severity::Fatal, Severity::Warning, Severity::Notice, Severity::Info];

fn put_error(out: &mut Encoder, error: &Error) {
    let fields = error.fields();
    let place = SEVERITIES.iter().position(|severity| *severity == fields.severity);
    out.byte(place.unwrap_or(0) as u8);
    out.text(fields.sqlstate.0);
    out.text(&fields.message);
    out.optional_number(fields.position.map(u64::from));
    let texts = [
        &fields.detail,
        &fields.hint,
        &fields.context,
        &fields.schema,
        &fields.table,
        &fields.column,
        &fields.data_type,
        &fields.constraint,
    ];
    texts.iter().for_each(|text| out.optional_text(text.as_deref()));
}

fn error(fields: &mut Decoder<'_>) -> Result<Error> {
    let severity = *SEVERITIES.get(usize::from(fields.byte()?)).ok_or_else(nonsense)?;
    let code = fields.text()?;
    let sqlstate: SqlState =
        state::ALL.iter().copied().find(|known| known.0 == code).unwrap_or(state::INTERNAL_ERROR);
    let message = fields.text()?.to_owned();
    let position = fields.optional_number()?.map(|position| position as u32);
    let mut text = || Ok::<_, Error>(fields.optional_text()?.map(str::to_owned));
    Ok(Error::from_fields(Fields {
        severity,
        sqlstate,
        message,
        position,
        detail: text()?,
        hint: text()?,
        context: text()?,
        schema: text()?,
        table: text()?,
        column: text()?,
        data_type: text()?,
        constraint: text()?,
    }))
}

impl Order {
    pub(super) fn encode(&self) -> Vec<u8> {
        let plain = Encoder::new;
        let about = |kind, number: u64| {
            let mut out = Encoder::new(kind);
            out.number(number);
            out
        };
        let out = match self {
            Order::Open { parameters, pid } => {
                let mut out = Encoder::new(OPEN);
                out.number(*pid as u32 as u64);
                out.number(parameters.len() as u64);
                for (name, value) in parameters {
                    out.text(name);
                    out.text(value);
                }
                out
            }
            Order::Run(run) => encode_run(run),
            Order::Shape { statement, context } => {
                let mut out = Encoder::new(SHAPE);
                put_statement(&mut out, statement);
                put_context(&mut out, context);
                out
            }
            Order::Savepoint => plain(SAVEPOINT),
            Order::Release(place) => about(RELEASE, *place),
            Order::RollBackTo(place) => about(ROLL_BACK_TO, *place),
            Order::Commit => plain(COMMIT),
            Order::RollBack => plain(ROLL_BACK),
            Order::CopyData(data) => {
                let mut out = Encoder::new(COPY_DATA);
                out.bytes(data);
                out
            }
            Order::CopyDone => plain(COPY_DONE),
            Order::CopyFail(message) => {
                let mut out = Encoder::new(COPY_FAIL);
                out.text(message);
                out
            }
            Order::Cancel => plain(CANCEL),
            Order::Outcome(id) => {
                let mut out = Encoder::new(OUTCOME);
                put_id(&mut out, *id);
                out
            }
        };
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Order> {
        let (kind, mut fields) = Decoder::new(bytes)?;
        Ok(match kind {
            OPEN => {
                let pid = fields.number()? as u32 as i32;
                let count = fields.count()?;
                let pair = |_| Ok((fields.text()?.to_owned(), fields.text()?.to_owned()));
                Order::Open { pid, parameters: (0..count).map(pair).collect::<Result<_>>()? }
            }
            RUN => Order::Run(Box::new(decode_run(&mut fields)?)),
            SHAPE => Order::Shape { statement: statement(&mut fields)?, context: context(&mut fields)? },
            SAVEPOINT => Order::Savepoint,
            RELEASE => Order::Release(fields.number()?),
            ROLL_BACK_TO => Order::RollBackTo(fields.number()?),
            COMMIT => Order::Commit,
            ROLL_BACK => Order::RollBack,
            COPY_DATA => Order::CopyData(fields.bytes()?.to_vec()),
            COPY_DONE => Order::CopyDone,
            COPY_FAIL => Order::CopyFail(fields.text()?.to_owned()),
            CANCEL => Order::Cancel,
            OUTCOME => Order::Outcome(id(&mut fields)?),
            _ => return Err(nonsense()),
        })
    }
}

fn encode_run(run: &Run) -> Encoder {
    let mut out = Encoder::new(RUN);
    out.flag(run.begin.is_some());
    if let Some(begin) = &run.begin {
        put_begin(&mut out, begin);
    }
    put_statement(&mut out, &run.statement);
    out.number(run.parameters.len() as u64);
    run.parameters.iter().for_each(|value| put_value(&mut out, value.as_ref()));
    put_oids(&mut out, run.parameter_types.iter().copied());
    put_context(&mut out, &run.context);
    out.number(run.statement_us as u64);
    out.optional_number(run.timeout_ms);
    out.flag(run.commits);
    out
}

fn decode_run(fields: &mut Decoder<'_>) -> Result<Run> {
    Ok(Run {
        begin: match fields.flag()? {
            true => Some(begin(fields)?),
            false => None,
        },
        statement: statement(fields)?,
        parameters: values(fields)?,
        parameter_types: oids(fields)?,
        context: context(fields)?,
        statement_us: fields.number()? as i64,
        timeout_ms: fields.optional_number()?,
        commits: fields.flag()?,
    })
}

/// Gathers rows for one message.
pub(super) struct RowBatch {
    out: Encoder,
    count: u64,
}

impl RowBatch {
    /// Bytes of a batch after which it is sent.
    const BYTES: usize = 64 << 10;

    pub(super) fn new() -> RowBatch {
        RowBatch { out: Encoder::new(ROWS), count: 0 }
    }

    pub(super) fn push(&mut self, row: &[DatumRef<'_>]) {
        self.out.byte(1);
        self.out.number(row.len() as u64);
        row.iter().for_each(|value| put_value(&mut self.out, *value));
        self.count += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.out.byte_count() >= Self::BYTES
    }

    /// The message; `None` if there are no rows.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let batch = std::mem::replace(self, RowBatch::new());
        (batch.count > 0).then(|| batch.out.finish())
    }
}

impl Report {
    pub(super) fn encode(&self) -> Vec<u8> {
        let about = |kind, number: usize| {
            let mut out = Encoder::new(kind);
            out.number(number as u64);
            out
        };
        let out = match self {
            Report::Notice(notice) => {
                let mut out = Encoder::new(NOTICE);
                put_error(&mut out, notice);
                out
            }
            Report::Columns(columns) => {
                let mut out = Encoder::new(COLUMNS);
                put_columns(&mut out, columns);
                out
            }
            Report::Rows(rows) => {
                let mut batch = RowBatch::new();
                for row in rows {
                    batch.push(&row.iter().map(Datum::as_ref).collect::<Vec<_>>());
                }
                batch.out
            }
            Report::CopyIn(columns) => about(COPY_IN, *columns),
            Report::CopyOut(columns) => about(COPY_OUT, *columns),
            Report::CopyData(data) => {
                let mut out = Encoder::new(COPY_DATA);
                out.bytes(data);
                out
            }
            Report::CopyDone => Encoder::new(COPY_DONE),
            Report::Done { tag, counts_rows, context, changed_catalog } => {
                let mut out = Encoder::new(DONE);
                out.text(tag);
                out.flag(*counts_rows);
                put_context(&mut out, context);
                out.flag(*changed_catalog);
                out
            }
            Report::Shape { parameters, columns } => {
                let mut out = Encoder::new(SHAPE);
                out.number(parameters.len() as u64);
                parameters.iter().for_each(|ty| put_type(&mut out, ty));
                out.flag(columns.is_some());
                put_columns(&mut out, columns.as_deref().unwrap_or_default());
                out
            }
            Report::Committed(index) => about(COMMIT, *index as usize),
            Report::Outcome(is_committed) => about(OUTCOME, usize::from(*is_committed)),
            Report::NotLeading => Encoder::new(NOT_LEADING),
            Report::Failed(error) => {
                let mut out = Encoder::new(FAILED);
                put_error(&mut out, error);
                out
            }
        };
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Report> {
        let (kind, mut fields) = Decoder::new(bytes)?;
        Ok(match kind {
            NOTICE => Report::Notice(error(&mut fields)?),
            COLUMNS => Report::Columns(columns(&mut fields)?),
            ROWS => {
                let mut rows = Vec::new();
                while !fields.is_empty() {
                    fields.byte()?;
                    rows.push(values(&mut fields)?);
                }
                Report::Rows(rows)
            }
            COPY_IN => Report::CopyIn(fields.number()? as usize),
            COPY_OUT => Report::CopyOut(fields.number()? as usize),
            COPY_DATA => Report::CopyData(fields.bytes()?.to_vec()),
            COPY_DONE => Report::CopyDone,
            DONE => Report::Done {
                tag: fields.text()?.to_owned(),
                counts_rows: fields.flag()?,
                context: context(&mut fields)?,
                changed_catalog: fields.flag()?,
            },
            SHAPE => {
                let count = fields.count()?;
                let parameters = (0..count).map(|_| any_type(&mut fields, 0)).collect::<Result<Vec<_>>>()?;
                let has_columns = fields.flag()?;
                let columns = columns(&mut fields)?;
                Report::Shape { parameters, columns: has_columns.then_some(columns) }
            }
            COMMIT => Report::Committed(fields.number()?),
            OUTCOME => Report::Outcome(fields.number()? != 0),
            NOT_LEADING => Report::NotLeading,
            FAILED => Report::Failed(error(&mut fields)?),
            _ => return Err(nonsense()),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_come_back_with_every_field() {
        let sent = Error::new(state::UNIQUE_VIOLATION, "duplicate")
            .with_detail("Key (a)=(1) already exists.")
            .with_hint("h")
            .with_context("COPY t, line 3")
            .at(Some(7))
            .about_table("public", "t")
            .about_column("a")
            .about_constraint("t_pkey");
        let Report::Failed(read) = Report::decode(&Report::Failed(sent.clone()).encode()).unwrap() else {
            panic!("another report")
        };
        assert_eq!(read, sent);
    }

    #[test]
    fn rows_and_statements_come_back() {
        let row = vec![
            Datum::Null,
            Datum::Integer(-1),
            Datum::Real(f64::NAN),
            Datum::Text("é".into()),
            Datum::Blob(vec![0, 255]),
        ];
        let Report::Rows(rows) =
            Report::decode(&Report::Rows(vec![row.clone(), Vec::new()]).encode()).unwrap()
        else {
            panic!("another report")
        };
        assert_eq!(format!("{rows:?}"), format!("{:?}", [row.clone(), Vec::new()]));
        let key =
            StatementKey { source: "SELECT $1".into(), start: 0, is_inner: true, types: Some(vec![23, 0]) };
        let run = Run {
            begin: Some(Begin {
                id: TransactionId { time_us: 5, random: 6 },
                isolation: Isolation::Serializable,
                read_only: true,
                start_us: -3,
                snapshot: Some(Identity { incarnation: 1, sequence: 2 }),
                savepoints: 2,
            }),
            statement: key.clone(),
            parameters: row,
            parameter_types: vec![23],
            context: Context { settings: None, taken: Some(vec![(7, -8)]) },
            statement_us: 9,
            timeout_ms: Some(10),
            commits: true,
        };
        let begin = run.begin.clone();
        let Order::Run(read) = Order::decode(&Order::Run(Box::new(run)).encode()).unwrap() else {
            panic!("another order")
        };
        assert_eq!((read.begin, read.statement), (begin, key));
        assert_eq!((read.context.taken, read.timeout_ms), (Some(vec![(7, -8)]), Some(10)));
        assert!(read.commits);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 0..100), kind in 0u8..23) {
            bytes.splice(0..0, [1, kind]);
            let _ = (Order::decode(&bytes), Report::decode(&bytes));
        }
    }
}
