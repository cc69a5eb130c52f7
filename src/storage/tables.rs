//! Tables that are computed: set-returning functions, called as `"symbol"(arguments, signature)` with
//! columns column1, column2 …; rows that were packed into one value; and the system relations whose rows are in memory.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::ffi;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor,
};

use super::execution;
use super::functions::{panicked, with_env};
use super::values;
use crate::catalog::{Relation, system};
use crate::error::Error;
use crate::functions::{self, Body, Function, Signature};
use crate::types::record::RECORD;
use crate::types::{Datum, DatumRef};

/// What a computed table's rows come from.
#[derive(Clone, Copy)]
enum Origin {
    Function(&'static Function),
    Relation(&'static str),
    /// What `pack_rows` packed.
    Packed,
}

/// The most columns of a column definition list.
const RECORD_COLUMNS_MAX: usize = 200;
/// The most columns that packed rows can have: PostgreSQL's target lists have no more.
const PACKED_COLUMNS_MAX: usize = 1664;

/// Registers every computed table on a connection.
pub(super) fn register(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    const MODULE: Module<'static, Computed<'static>> = Module::eponymous_only_module();
    for function in functions::callable() {
        if let Body::Set(_) = function.body {
            connection.create_module(
                function.symbol().as_str(),
                &MODULE,
                Some(Origin::Function(function)),
            )?;
        }
    }
    connection.create_module("rows", &MODULE, Some(Origin::Packed))?;
    for name in system::IN_MEMORY {
        let storage_name = system::known(name).storage_name.clone();
        connection.create_module(storage_name.as_str(), &MODULE, Some(Origin::Relation(name)))?;
    }
    Ok(())
}

#[repr(C)]
struct Computed<'vtab> {
    /// First, as SQLite wants it.
    base: ffi::sqlite3_vtab,
    origin: Origin,
    lifetime: PhantomData<&'vtab ()>,
}

impl Origin {
    /// The number of columns before the hidden ones.
    fn width(self) -> usize {
        match self {
            // What columns a record has is known by the call alone.
            Origin::Function(function)
                if function.result.oid == RECORD.oid && function.columns.is_empty() =>
            {
                RECORD_COLUMNS_MAX
            }
            Origin::Function(function) => function.columns.len().max(1),
            Origin::Packed => PACKED_COLUMNS_MAX,
            Origin::Relation(_) => 0,
        }
    }

    /// The number of hidden columns: arguments, and a function's signature.
    fn arguments(self) -> usize {
        match self {
            Origin::Function(function) => function.args.len() + 1,
            Origin::Packed => 1,
            Origin::Relation(_) => 0,
        }
    }

    fn declaration(self) -> String {
        match self {
            Origin::Function(function) => {
                let hidden: String =
                    (0..=function.args.len()).map(|place| format!(", arg{place} HIDDEN")).collect();
                let columns: Vec<String> = (1..=self.width()).map(|place| format!("column{place}")).collect();
                format!("CREATE TABLE x ({}{hidden})", columns.join(", "))
            }
            Origin::Packed => {
                let columns: Vec<String> =
                    (1..=PACKED_COLUMNS_MAX).map(|place| format!("column{place}")).collect();
                format!("CREATE TABLE x ({}, arg0 HIDDEN)", columns.join(", "))
            }
            Origin::Relation(name) => {
                let relation: &Relation = &system::known(name);
                let columns: Vec<String> =
                    relation.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
                format!("CREATE TABLE x ({})", columns.join(", "))
            }
        }
    }
}

// SAFETY: `base` is the first field, and the struct is repr(C).
unsafe impl<'vtab> VTab<'vtab> for Computed<'vtab> {
    type Aux = Origin;
    type Cursor = Cursor<'vtab>;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Origin>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        let origin =
            *aux.ok_or_else(|| rusqlite::Error::ModuleError("a computed table without an origin".into()))?;
        db.config(VTabConfig::Innocuous)?;
        let declaration = CString::new(origin.declaration())?;
        Ok((
            Cow::Owned(declaration),
            Computed { base: ffi::sqlite3_vtab::default(), origin, lifetime: PhantomData },
        ))
    }

    /// Every argument of a function must be there before its rows.
    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        if let Origin::Relation(_) = self.origin {
            info.set_estimated_cost(100.0);
            return Ok(true);
        }
        let equals = IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ;
        let width = self.origin.width();
        let mut places = vec![None; self.origin.arguments()];
        for (number, constraint) in info.constraints().enumerate() {
            let Some(place) = (constraint.column() as usize).checked_sub(width) else { continue };
            if constraint.operator() == equals && constraint.is_usable() && place < places.len() {
                places[place] = Some(number);
            }
        }
        for (place, number) in places.iter().enumerate() {
            let Some(number) = number else { return Ok(false) };
            let mut usage = info.constraint_usage(*number);
            usage.set_argv_index(place as c_int + 1);
            usage.set_omit(true);
        }
        info.set_estimated_cost(1000.0);
        info.set_estimated_rows(1000);
        Ok(true)
    }

    fn open(&'vtab mut self) -> rusqlite::Result<Cursor<'vtab>> {
        Ok(Cursor {
            base: ffi::sqlite3_vtab_cursor::default(),
            origin: self.origin,
            rows: Box::new(std::iter::empty()),
            row: None,
            number: 0,
            lifetime: PhantomData,
        })
    }
}

/// The rows of a computed table.
type Rows = Box<dyn Iterator<Item = crate::error::Result<Vec<Datum>>> + Send>;

#[repr(C)]
struct Cursor<'vtab> {
    /// First, as SQLite wants it.
    base: ffi::sqlite3_vtab_cursor,
    origin: Origin,
    rows: Rows,
    row: Option<Vec<Datum>>,
    number: i64,
    lifetime: PhantomData<&'vtab ()>,
}

/// Runs a callback's work; neither errors nor panics leave it.
fn guarded<T>(work: impl FnOnce() -> crate::error::Result<T>) -> rusqlite::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked())).map_err(|error: Error| {
        let message = error.message().to_owned();
        execution::leave_error(error);
        rusqlite::Error::ModuleError(message)
    })
}

fn start(origin: Origin, arguments: &[DatumRef<'_>]) -> crate::error::Result<Rows> {
    match origin {
        Origin::Function(function) => {
            let Body::Set(body) = function.body else { return Err(panicked()) };
            let [arguments @ .., DatumRef::Text(signature)] = arguments else { return Err(panicked()) };
            if function.strict && arguments.iter().any(|argument| argument.is_null()) {
                return Ok(Box::new(std::iter::empty()));
            }
            with_env(|env| body(arguments, &Signature::decode(signature, env.format()), env))
        }
        Origin::Packed => Ok(match arguments {
            [DatumRef::Blob(packed)] => Box::new(Unpacked { packed: packed.to_vec(), place: 0 }),
            _ => Box::new(std::iter::empty()),
        }),
        Origin::Relation(name) => Ok(Box::new(execution::memory_rows(name).into_iter().map(Ok))),
    }
}

/// The rows of a packed value.
struct Unpacked {
    packed: Vec<u8>,
    place: usize,
}

impl Iterator for Unpacked {
    type Item = crate::error::Result<Vec<Datum>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = values::Reader::new(&self.packed[self.place..]);
        if reader.is_empty() {
            return None;
        }
        let row = reader.values().map(|row| row.into_iter().map(DatumRef::to_owned).collect());
        self.place = self.packed.len() - reader.rest().len();
        Some(row)
    }
}

fn borrowed(value: ValueRef<'_>) -> DatumRef<'_> {
    match value {
        ValueRef::Null => DatumRef::Null,
        ValueRef::Integer(value) => DatumRef::Integer(value),
        ValueRef::Real(value) => DatumRef::Real(value),
        ValueRef::Text(text) => DatumRef::Text(std::str::from_utf8(text).unwrap_or_default()),
        ValueRef::Blob(bytes) => DatumRef::Blob(bytes),
    }
}

fn lent(value: DatumRef<'_>) -> ValueRef<'_> {
    match value {
        DatumRef::Null => ValueRef::Null,
        DatumRef::Integer(value) => ValueRef::Integer(value),
        DatumRef::Real(value) => ValueRef::Real(value),
        DatumRef::Text(text) => ValueRef::Text(text.as_bytes()),
        DatumRef::Blob(bytes) => ValueRef::Blob(bytes),
    }
}

// SAFETY: `base` is the first field, and the struct is repr(C).
unsafe impl VTabCursor for Cursor<'_> {
    fn filter(&mut self, _: c_int, _: Option<&str>, args: &Filters<'_>) -> rusqlite::Result<()> {
        let origin = self.origin;
        self.rows = guarded(|| {
            let arguments: Vec<DatumRef<'_>> = args.iter().map(borrowed).collect();
            start(origin, &arguments)
        })?;
        self.number = 0;
        self.next()
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.number += 1;
        self.row = guarded(|| self.rows.next().transpose())?;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.row.is_none()
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let value = self.row.as_ref().and_then(|row| row.get(column as usize)).unwrap_or(&Datum::Null);
        context.set_result(ToSqlOutput::Borrowed(lent(value.as_ref())))
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(self.number)
    }
}
