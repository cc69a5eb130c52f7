//! Makes the registry's functions, conversions and collations known to SQLite.

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::ffi;

use super::sqlite::{c_name, value_ref};
use super::values::{Reader, put_row};
use super::{aggregates, execution};
use crate::bail;
use crate::error::{Error, Result};
use crate::functions::{self, Body, Env, Function, Signature, Volatility, cast};
use crate::telemetry;
use crate::types::{self, Datum, DatumRef, Format, Oid, Type};

/// Arguments that fit without an allocation.
const INLINE_ARGUMENTS: usize = 8;

/// A scalar function's C signature.
type Scalar = unsafe extern "C" fn(*mut ffi::sqlite3_context, c_int, *mut *mut ffi::sqlite3_value);

/// Registers everything on a connection.
pub(super) fn register(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    for function in functions::callable() {
        match function.body {
            Body::Scalar(_) => {
                let count = if function.variadic { -1 } else { function.args.len() as c_int };
                let data = std::ptr::from_ref(function).cast();
                let deterministic = function.volatility != Volatility::Volatile;
                scalar(connection, &function.symbol(), count, deterministic, data, call_function)?;
            }
            Body::Typed(_) => {
                let count = if function.variadic { -1 } else { function.args.len() as c_int + 1 };
                let data = std::ptr::from_ref(function).cast();
                let deterministic = function.volatility != Volatility::Volatile;
                scalar(connection, &function.symbol(), count, deterministic, data, call_typed)?;
            }
            Body::Aggregate(_) | Body::TypedAggregate(_) => aggregates::register(connection, function)?,
            Body::Set(_) | Body::Native(_) | Body::Lacking => {}
        }
    }
    for ty in types::ALL.iter().copied() {
        let data = std::ptr::from_ref::<Type>(ty).cast();
        scalar(connection, &format!("{}in", ty.name), 1, true, data, call_input)?;
        scalar(connection, &format!("{}out", ty.name), 1, true, data, call_output)?;
        scalar(connection, &cast::typmod_symbol(ty), 3, true, data, call_typmod)?;
    }
    scalar(connection, "zip_rows", -1, true, std::ptr::null(), call_zip)?;
    for (name, count, body) in [
        ("user_in", 2, call_user_input as Scalar),
        ("user_out", 2, call_user_output),
        ("user_typmod", 4, call_user_typmod),
    ] {
        scalar(connection, name, count, true, std::ptr::null(), body)?;
    }
    for (name, body) in
        [("required", call_required as Scalar), ("limit_count", call_limit), ("offset_count", call_offset)]
    {
        scalar(connection, name, 1, true, std::ptr::null(), body)?;
    }
    aggregates::register_only_row(connection)?;
    for collation in types::COLLATIONS {
        let compare = collation.compare;
        connection.create_collation(collation.name, compare)?;
    }
    Ok(())
}

fn scalar(
    connection: &rusqlite::Connection,
    name: &str,
    arguments: c_int,
    deterministic: bool,
    data: *const c_void,
    body: Scalar,
) -> rusqlite::Result<()> {
    let flags =
        ffi::SQLITE_UTF8 | ffi::SQLITE_INNOCUOUS | if deterministic { ffi::SQLITE_DETERMINISTIC } else { 0 };
    // SAFETY: the connection is open; `data` points to statics; the body never unwinds.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            connection.handle(),
            c_name(name).as_ptr(),
            arguments,
            flags,
            data.cast_mut(),
            Some(body),
            None,
            None,
            None,
        )
    };
    check(code)
}

pub(super) fn check(code: c_int) -> rusqlite::Result<()> {
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// Calls `body` with SQLite's arguments and gives SQLite its result; neither errors nor panics leave it.
///
/// # Safety
/// To be called from a function that SQLite called with these arguments.
pub(super) unsafe fn answer(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
    body: impl FnOnce(&[DatumRef<'_>]) -> Result<Datum>,
) {
    // SAFETY: by this function's contract; values are not converted while they are borrowed.
    let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { with_arguments(count, values, body) }));
    match outcome.unwrap_or_else(|_| Err(panicked())) {
        // SAFETY: the context is SQLite's.
        Ok(value) => unsafe { set_result(context, value.as_ref()) },
        // SAFETY: the context is SQLite's.
        Err(error) => unsafe { set_error(context, error) },
    }
}

/// Borrows SQLite's values for a call.
///
/// # Safety
/// There are `count` valid values, which nobody converts meanwhile.
pub(super) unsafe fn with_arguments<T>(
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
    body: impl FnOnce(&[DatumRef<'_>]) -> T,
) -> T {
    let count = count.max(0) as usize;
    // SAFETY: by this function's contract.
    let argument = |place: usize| unsafe { value_ref(*values.add(place)) };
    if count <= INLINE_ARGUMENTS {
        let mut arguments = [DatumRef::Null; INLINE_ARGUMENTS];
        for (place, slot) in arguments.iter_mut().enumerate().take(count) {
            *slot = argument(place);
        }
        return body(&arguments[..count]);
    }
    let arguments: Vec<DatumRef<'_>> = (0..count).map(argument).collect();
    body(&arguments)
}

pub(super) fn panicked() -> Error {
    Error::internal("a function failed unexpectedly; the server's log tells more")
}

/// # Safety
/// The context is SQLite's, of a call in progress.
pub(super) unsafe fn set_error(context: *mut ffi::sqlite3_context, error: Error) {
    let message = error.message().to_owned();
    execution::leave_error(error);
    // SAFETY: by this function's contract; the message is copied.
    unsafe { ffi::sqlite3_result_error(context, message.as_ptr().cast(), message.len() as c_int) };
}

/// # Safety
/// The context is SQLite's, of a call in progress.
pub(super) unsafe fn set_result(context: *mut ffi::sqlite3_context, value: DatumRef<'_>) {
    // SAFETY: by this function's contract; text and bytes are copied.
    unsafe {
        match value {
            DatumRef::Null => ffi::sqlite3_result_null(context),
            DatumRef::Integer(value) => ffi::sqlite3_result_int64(context, value),
            DatumRef::Real(value) => ffi::sqlite3_result_double(context, value),
            DatumRef::Text(value) => ffi::sqlite3_result_text64(
                context,
                value.as_ptr().cast(),
                value.len() as u64,
                ffi::SQLITE_TRANSIENT(),
                ffi::SQLITE_UTF8 as u8,
            ),
            DatumRef::Blob([]) => ffi::sqlite3_result_zeroblob(context, 0),
            DatumRef::Blob(value) => ffi::sqlite3_result_blob64(
                context,
                value.as_ptr().cast(),
                value.len() as u64,
                ffi::SQLITE_TRANSIENT(),
            ),
        }
    }
}

/// Calls with the environment of the running statement, or with one that knows nothing.
pub(super) fn with_env<T>(call: impl Fn(&dyn Env) -> T) -> T {
    execution::with_env(&call).unwrap_or_else(|| call(&Nowhere))
}

unsafe extern "C" fn call_function(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: `register` gave this function a `&'static Function` as its data.
    let function = unsafe { &*ffi::sqlite3_user_data(context).cast::<Function>() };
    let Body::Scalar(body) = function.body else { return };
    // SAFETY: SQLite called with these arguments.
    unsafe {
        answer(context, count, values, |arguments| {
            if function.strict && arguments.iter().any(|argument| argument.is_null()) {
                return Ok(Datum::Null);
            }
            with_env(|env| body(arguments, env))
        });
    }
}

unsafe extern "C" fn call_typed(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: `register` gave this function a `&'static Function` as its data.
    let function = unsafe { &*ffi::sqlite3_user_data(context).cast::<Function>() };
    let Body::Typed(body) = function.body else { return };
    // SAFETY: SQLite called with these arguments; the last one is the constant signature.
    unsafe {
        let signature = kept_signature(context, count - 1, values);
        answer(context, count - 1, values, |arguments| {
            if function.strict && arguments.iter().any(|argument| argument.is_null()) {
                return Ok(Datum::Null);
            }
            with_env(|env| body(arguments, &signature, env))
        });
    }
}

/// The signature in the argument at a place, which SQLite keeps from one call of a statement to the next.
///
/// # Safety
/// To be called from a scalar function with its arguments, of which that one is a constant text.
unsafe fn kept_signature(
    context: *mut ffi::sqlite3_context,
    place: c_int,
    values: *mut *mut ffi::sqlite3_value,
) -> Arc<Signature> {
    unsafe extern "C" fn forget(kept: *mut c_void) {
        // SAFETY: the pointer came from `Arc::into_raw` below.
        drop(unsafe { Arc::from_raw(kept.cast::<Signature>()) });
    }
    // SAFETY: what is kept at this place was put there by this function; the reference is counted up
    // before it is used.
    unsafe {
        let kept = ffi::sqlite3_get_auxdata(context, place).cast::<Signature>();
        if !kept.is_null() {
            Arc::increment_strong_count(kept);
            return Arc::from_raw(kept);
        }
        let signature = Arc::new(match value_ref(*values.add(place as usize)) {
            DatumRef::Text(text) => with_env(|env| Signature::decode(text, env.format())),
            _ => with_env(|env| Signature::decode("", env.format())),
        });
        ffi::sqlite3_set_auxdata(
            context,
            place,
            Arc::into_raw(signature.clone()).cast_mut().cast(),
            Some(forget),
        );
        signature
    }
}

/// The type a conversion was registered for.
///
/// # Safety
/// To be called from a function registered with a type as its data.
unsafe fn type_of(context: *mut ffi::sqlite3_context) -> &'static Type {
    // SAFETY: by this function's contract, and types are statics.
    unsafe { &*ffi::sqlite3_user_data(context).cast::<Type>() }
}

unsafe extern "C" fn call_input(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: registered with a type; SQLite called with these arguments.
    unsafe {
        let ty = type_of(context);
        answer(context, count, values, |arguments| match arguments[0] {
            DatumRef::Null => Ok(Datum::Null),
            text => with_env(|env| ty.parse(text.text(), env.format())),
        });
    }
}

unsafe extern "C" fn call_output(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: registered with a type; SQLite called with these arguments.
    unsafe {
        let ty = type_of(context);
        answer(context, count, values, |arguments| match arguments[0] {
            DatumRef::Null => Ok(Datum::Null),
            value => Ok(Datum::Text(with_env(|env| ty.to_text(value, env.format())))),
        });
    }
}

unsafe extern "C" fn call_typmod(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: registered with a type; SQLite called with these arguments.
    unsafe {
        let ty = type_of(context);
        answer(context, count, values, |arguments| match arguments[0] {
            DatumRef::Null => Ok(Datum::Null),
            value => ty.apply_typmod(value, arguments[1].integer() as i32, arguments[2].integer() != 0),
        });
    }
}

/// (columns, packed rows, columns, packed rows …): the rows side by side, the shorter ones filled up with NULLs.
unsafe extern "C" fn call_zip(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite called with these arguments.
    unsafe {
        answer(context, count, values, |arguments| {
            let mut sides: Vec<(usize, Reader<'_>)> = arguments
                .chunks_exact(2)
                .map(|pair| {
                    let packed = if pair[1].is_null() { &[] } else { pair[1].blob() };
                    (pair[0].integer() as usize, Reader::new(packed))
                })
                .collect();
            let mut zipped = Vec::new();
            while sides.iter().any(|(_, reader)| !reader.is_empty()) {
                let mut row = Vec::new();
                for (width, reader) in &mut sides {
                    match reader.is_empty() {
                        true => row.extend(std::iter::repeat_n(DatumRef::Null, *width)),
                        false => row.extend(reader.values()?),
                    }
                }
                put_row(&mut zipped, row.into_iter());
            }
            Ok(Datum::Blob(zipped))
        });
    }
}

/// The user's type with the oid that is an argument.
fn user_type(oid: DatumRef<'_>, env: &dyn Env) -> Result<&'static Type> {
    let found = env.format().type_by_oid(oid.integer() as Oid);
    found.ok_or_else(|| Error::internal("a type of the users' was used outside of a session"))
}

/// (text, oid): a value of a user's type.
unsafe extern "C" fn call_user_input(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite called with these arguments.
    unsafe {
        answer(context, count, values, |arguments| match arguments[0] {
            DatumRef::Null => Ok(Datum::Null),
            text => with_env(|env| user_type(arguments[1], env)?.parse(text.text(), env.format())),
        });
    }
}

/// (value, oid): the text of a value of a user's type.
unsafe extern "C" fn call_user_output(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite called with these arguments.
    unsafe {
        answer(context, count, values, |arguments| match arguments[0] {
            DatumRef::Null => Ok(Datum::Null),
            value => {
                with_env(|env| Ok(Datum::Text(user_type(arguments[1], env)?.to_text(value, env.format()))))
            }
        });
    }
}

/// (value, typmod, explicit, oid): applies a modifier.
unsafe extern "C" fn call_user_typmod(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite called with these arguments.
    unsafe {
        answer(context, count, values, |arguments| match arguments[0] {
            DatumRef::Null => Ok(Datum::Null),
            value => with_env(|env| {
                let (typmod, explicit) = (arguments[1].integer() as i32, arguments[2].integer() != 0);
                user_type(arguments[3], env)?.apply_typmod(value, typmod, explicit)
            }),
        });
    }
}

/// The value of a column that is SQLite's rowid: SQLite would take NULL for "choose one".
unsafe extern "C" fn call_required(
    context: *mut ffi::sqlite3_context,
    _: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite called with one argument.
    unsafe {
        if ffi::sqlite3_value_type(*values) == ffi::SQLITE_NULL {
            ffi::sqlite3_result_error(context, c"NOT NULL constraint failed: rowid".as_ptr(), -1);
            ffi::sqlite3_result_error_code(context, ffi::SQLITE_CONSTRAINT_NOTNULL);
        } else {
            ffi::sqlite3_result_value(context, *values);
        }
    }
}

unsafe extern "C" fn call_limit(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite called with these arguments.
    unsafe {
        answer(context, count, values, |arguments| match arguments[0] {
            DatumRef::Null => Ok(Datum::Integer(-1)),
            DatumRef::Integer(..0) => bail!(INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT must not be negative"),
            value => Ok(value.to_owned()),
        });
    }
}

unsafe extern "C" fn call_offset(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite called with these arguments.
    unsafe {
        answer(context, count, values, |arguments| match arguments[0] {
            DatumRef::Null => Ok(Datum::Integer(0)),
            DatumRef::Integer(..0) => {
                bail!(INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE, "OFFSET must not be negative")
            }
            value => Ok(value.to_owned()),
        });
    }
}

/// The environment where no statement of a session runs: changes of another node are applied, an index
/// is built. Only immutable functions are called there, and they ask for nothing.
pub(super) struct Nowhere;

fn nowhere<T>() -> Result<T> {
    Err(Error::internal("a function was called outside of a session"))
}

impl Env for Nowhere {
    fn format(&self) -> &Format {
        static FORMAT: std::sync::LazyLock<Format> = std::sync::LazyLock::new(Format::default);
        &FORMAT
    }

    fn statement_us(&self) -> i64 {
        0
    }

    fn clock_us(&self) -> i64 {
        0
    }

    fn random(&self, bytes: &mut [u8]) {
        telemetry::error!("a random value was asked for outside of a session");
        bytes.fill(0);
    }

    fn random_double(&self) -> f64 {
        0.0
    }

    fn set_seed(&self, _: f64) {}

    fn sleep(&self, _: Duration) -> Result<()> {
        nowhere()
    }

    fn user(&self) -> &str {
        ""
    }

    fn database(&self) -> &str {
        ""
    }

    fn schema(&self) -> Option<&str> {
        None
    }

    fn backend_pid(&self) -> i32 {
        0
    }

    fn setting(&self, _: &str) -> Result<String> {
        nowhere()
    }

    fn commit_status(&self, _: &str) -> Result<Option<&'static str>> {
        nowhere()
    }

    fn set_setting(&self, _: &str, _: Option<&str>, _: bool) -> Result<String> {
        nowhere()
    }

    fn relation(&self, _: &str) -> Result<Oid> {
        nowhere()
    }

    fn serial_sequence(&self, _: &str, _: &str) -> Result<Option<String>> {
        nowhere()
    }

    fn is_visible(&self, _: Oid) -> Option<bool> {
        None
    }

    fn next_value(&self, _: Oid) -> Result<i64> {
        nowhere()
    }

    fn current_value(&self, _: Oid) -> Result<i64> {
        nowhere()
    }

    fn last_value(&self) -> Result<i64> {
        nowhere()
    }

    fn set_value(&self, _: Oid, _: i64, _: bool) -> Result<()> {
        nowhere()
    }
}
