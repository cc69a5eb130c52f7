//! Answers and rows as bytes.

use bytes::{BufMut, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::copy::{CopyInResponse, CopyOutResponse};
use pgwire::messages::data::{FieldDescription, NoData, ParameterDescription, RowDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete, PortalSuspended};
use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, ErrorResponse, NoticeResponse, ReadyForQuery, TransactionStatus,
};
use pgwire::messages::startup::ParameterStatus;

use crate::error::{Error, Severity, state};
use crate::session::{Formats, Reply, ResultColumn, Status};
use crate::telemetry;
use crate::types::{DatumRef, Format};

/// Appends a message.
pub(super) fn put<M: Message>(output: &mut BytesMut, message: M) {
    let before = output.len();
    if let Err(error) = message.encode(output) {
        telemetry::error!("a message could not be encoded: {error}");
        output.truncate(before);
        let error = Error::new(state::PROGRAM_LIMIT_EXCEEDED, "an answer is too long for the protocol");
        put_error(output, &error);
    }
}

/// Appends an answer.
pub(super) fn put_reply(output: &mut BytesMut, reply: Reply<'_>) {
    match reply {
        Reply::RowDescription(columns, formats) => put(output, row_description(columns, formats)),
        Reply::NoData => put(output, NoData::new()),
        Reply::ParameterDescription(types) => {
            put(output, ParameterDescription::new(types.iter().map(|ty| ty.oid).collect()));
        }
        Reply::CommandComplete(tag) => put(output, CommandComplete::new(tag.to_owned())),
        Reply::EmptyQuery => put(output, EmptyQueryResponse::new()),
        Reply::PortalSuspended => put(output, PortalSuspended::new()),
        Reply::ParseComplete => put(output, ParseComplete::new()),
        Reply::BindComplete => put(output, BindComplete::new()),
        Reply::CloseComplete => put(output, CloseComplete::new()),
        Reply::Notice(notice) => put(output, NoticeResponse::new(fields(notice))),
        Reply::ParameterStatus(name, value) => {
            put(output, ParameterStatus::new(name.to_owned(), value.to_owned()))
        }
        Reply::CopyIn(columns) => put(output, CopyInResponse::new(0, columns as i16, vec![0; columns])),
        Reply::CopyOut(columns) => put(output, CopyOutResponse::new(0, columns as i16, vec![0; columns])),
        Reply::CopyData(line) => {
            output.put_u8(b'd');
            output.put_u32(line.len() as u32 + 4);
            output.put_slice(line);
        }
        Reply::CopyDone => output.put_slice(b"c\0\0\0\x04"),
    }
}

fn row_description(columns: &[ResultColumn], formats: &Formats) -> RowDescription {
    let field = |(place, column): (usize, &ResultColumn)| {
        let (table, number) = column.origin.unwrap_or((0, 0));
        FieldDescription::new(
            column.name.clone(),
            table as i32,
            number,
            column.ty.base().oid,
            column.ty.base().length,
            column.typmod,
            i16::from(formats.is_binary(place)),
        )
    };
    RowDescription::new(columns.iter().enumerate().map(field).collect())
}

/// Appends a row, straight from SQLite's memory.
pub(super) fn put_row(
    output: &mut BytesMut,
    scratch: &mut Vec<u8>,
    values: &[DatumRef<'_>],
    columns: &[ResultColumn],
    formats: &Formats,
    format: &Format,
) {
    scratch.clear();
    scratch.extend_from_slice(&(values.len() as u16).to_be_bytes());
    for (place, (value, column)) in values.iter().zip(columns).enumerate() {
        if value.is_null() {
            scratch.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let start = scratch.len();
        scratch.extend_from_slice(&[0; 4]);
        match formats.is_binary(place) {
            true => column.ty.encode(*value, scratch),
            false => column.ty.print(*value, format, scratch),
        }
        let length = (scratch.len() - start - 4) as u32;
        scratch[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    output.reserve(scratch.len() + 5);
    output.put_u8(b'D');
    output.put_u32(scratch.len() as u32 + 4);
    output.put_slice(scratch);
}

/// The fields of an error or a notice.
fn fields(error: &Error) -> Vec<(u8, String)> {
    let fields = error.fields();
    let severity = fields.severity.name().to_owned();
    let mut list = vec![
        (b'S', severity.clone()),
        (b'V', severity),
        (b'C', fields.sqlstate.to_string()),
        (b'M', without_nul(&fields.message)),
    ];
    let optional = [
        (b'D', &fields.detail),
        (b'H', &fields.hint),
        (b'W', &fields.context),
        (b's', &fields.schema),
        (b't', &fields.table),
        (b'c', &fields.column),
        (b'd', &fields.data_type),
        (b'n', &fields.constraint),
    ];
    list.extend(optional.into_iter().filter_map(|(code, value)| Some((code, without_nul(value.as_ref()?)))));
    list.extend(fields.position.map(|position| (b'P', position.to_string())));
    list
}

/// The protocol's strings end at a NUL.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

/// Appends an error.
pub(super) fn put_error(output: &mut BytesMut, error: &Error) {
    if error.fields().severity == Severity::Fatal {
        telemetry::debug!("a session ends: {error}");
    }
    put(output, ErrorResponse::new(fields(error)));
}

/// Appends ReadyForQuery.
pub(super) fn put_ready(output: &mut BytesMut, status: Status) {
    let status = match status {
        Status::Idle => TransactionStatus::Idle,
        Status::InBlock => TransactionStatus::Transaction,
        Status::Failed => TransactionStatus::Error,
    };
    put(output, ReadyForQuery::new(status));
}
