//! Aggregates for SQLite: the registry's, each in two variants. The plain one serves GROUP BY and
//! windows that only grow. The sliding one keeps the window's rows and computes anew for each of
//! its answers: PostgreSQL's numeric and float aggregates cannot take a row back without a trace.

use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::ffi;

use super::functions::{check, panicked, set_error, set_result, with_arguments};
use super::sqlite::c_name;
use crate::bail;
use crate::error::{Error, Result};
use crate::functions::{Aggregate, Body, Function};
use crate::types::{Datum, DatumRef};

/// Rows a sliding window may keep at once; 16 bytes and more each.
const WINDOW_ROWS_MAX: usize = 10_000_000;

/// Registers an aggregate's two variants.
pub(super) fn register(
    connection: &rusqlite::Connection,
    function: &'static Function,
) -> rusqlite::Result<()> {
    let count = if function.variadic { -1 } else { function.args.len() as c_int };
    let data = std::ptr::from_ref(function).cast();
    create::<Growing>(connection, &function.symbol(), count, data)?;
    create::<Sliding>(connection, &format!("{}_sliding", function.symbol()), count, data)
}

/// Registers the check of scalar subqueries.
pub(super) fn register_only_row(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    create::<OnlyRow>(connection, "only_row", 1, std::ptr::null())
}

/// What SQLite's four calls of an aggregate do.
trait Window: Send + 'static {
    fn new(function: Option<&'static Function>) -> Self;
    fn step(&mut self, args: &[DatumRef<'_>]) -> Result<()>;
    fn inverse(&mut self) -> Result<()>;
    fn value(&mut self) -> Result<Datum>;
}

/// The body of an aggregate of the registry.
fn start(function: Option<&'static Function>) -> Box<dyn Aggregate> {
    match function.map(|function| function.body) {
        Some(Body::Aggregate(start)) => start(),
        _ => panic!("only aggregates are registered as such"),
    }
}

struct Growing(Box<dyn Aggregate>);

impl Window for Growing {
    fn new(function: Option<&'static Function>) -> Self {
        Growing(start(function))
    }

    fn step(&mut self, args: &[DatumRef<'_>]) -> Result<()> {
        self.0.step(args)
    }

    fn inverse(&mut self) -> Result<()> {
        Err(Error::internal("an aggregate of a growing window was asked to shrink"))
    }

    fn value(&mut self) -> Result<Datum> {
        self.0.value()
    }
}

struct Sliding {
    function: Option<&'static Function>,
    rows: VecDeque<Vec<Datum>>,
}

impl Window for Sliding {
    fn new(function: Option<&'static Function>) -> Self {
        Sliding { function, rows: VecDeque::new() }
    }

    fn step(&mut self, args: &[DatumRef<'_>]) -> Result<()> {
        if self.rows.len() >= WINDOW_ROWS_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "window frame has more than {WINDOW_ROWS_MAX} rows");
        }
        self.rows.push_back(args.iter().map(|arg| DatumRef::to_owned(*arg)).collect());
        Ok(())
    }

    fn inverse(&mut self) -> Result<()> {
        self.rows.pop_front();
        Ok(())
    }

    fn value(&mut self) -> Result<Datum> {
        let mut state = start(self.function);
        for row in &self.rows {
            let args: Vec<DatumRef<'_>> = row.iter().map(Datum::as_ref).collect();
            state.step(&args)?;
        }
        state.value()
    }
}

/// The value of a subquery that may give one row at most.
struct OnlyRow(Option<Datum>);

impl Window for OnlyRow {
    fn new(_: Option<&'static Function>) -> Self {
        OnlyRow(None)
    }

    fn step(&mut self, args: &[DatumRef<'_>]) -> Result<()> {
        if self.0.is_some() {
            bail!(CARDINALITY_VIOLATION, "more than one row returned by a subquery used as an expression");
        }
        self.0 = Some(args[0].to_owned());
        Ok(())
    }

    fn inverse(&mut self) -> Result<()> {
        Err(Error::internal("a scalar subquery is no window"))
    }

    fn value(&mut self) -> Result<Datum> {
        Ok(self.0.take().unwrap_or(Datum::Null))
    }
}

fn create<W: Window>(
    connection: &rusqlite::Connection,
    name: &str,
    count: c_int,
    data: *const c_void,
) -> rusqlite::Result<()> {
    let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_INNOCUOUS | ffi::SQLITE_DETERMINISTIC;
    // SAFETY: the connection is open; `data` is null or points to a static; the bodies never unwind.
    let code = unsafe {
        ffi::sqlite3_create_window_function(
            connection.handle(),
            c_name(name).as_ptr(),
            count,
            flags,
            data.cast_mut(),
            Some(x_step::<W>),
            Some(x_final::<W>),
            Some(x_value::<W>),
            Some(x_inverse::<W>),
            None,
        )
    };
    check(code)
}

/// The state of this group, boxed behind the pointer that SQLite keeps zeroed for us.
///
/// # Safety
/// To be called from one of the four callbacks, with their context.
unsafe fn slot<'a, W: Window>(context: *mut ffi::sqlite3_context, create: bool) -> Option<&'a mut *mut W> {
    let size = if create { size_of::<*mut W>() as c_int } else { 0 };
    // SAFETY: SQLite gives zeroed memory of that size, aligned for a pointer, or null.
    unsafe { ffi::sqlite3_aggregate_context(context, size).cast::<*mut W>().as_mut() }
}

/// The state of this group, made at its first row.
///
/// # Safety
/// As for [`slot`].
unsafe fn state<'a, W: Window>(context: *mut ffi::sqlite3_context) -> Option<&'a mut W> {
    // SAFETY: the pointer in the slot is null or came from `Box::into_raw`; the data is a static or null.
    unsafe {
        let slot = slot::<W>(context, true)?;
        if slot.is_null() {
            let function = ffi::sqlite3_user_data(context).cast::<Function>().as_ref();
            *slot = Box::into_raw(Box::new(W::new(function)));
        }
        slot.as_mut()
    }
}

/// Runs one callback's work; neither errors nor panics leave it.
///
/// # Safety
/// As for [`slot`].
unsafe fn run<T>(context: *mut ffi::sqlite3_context, work: impl FnOnce() -> Result<T>) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked())) {
        Ok(value) => Some(value),
        Err(error) => {
            // SAFETY: the context is SQLite's.
            unsafe { set_error(context, error) };
            None
        }
    }
}

unsafe extern "C" fn x_step<W: Window>(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite called with these arguments.
    unsafe {
        run(context, || match state::<W>(context) {
            Some(state) => with_arguments(count, values, |args| state.step(args)),
            None => Err(Error::new(crate::error::state::OUT_OF_MEMORY, "out of memory")),
        });
    }
}

unsafe extern "C" fn x_inverse<W: Window>(
    context: *mut ffi::sqlite3_context,
    _: c_int,
    _: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite called with this context.
    unsafe {
        run(context, || state::<W>(context).map_or(Ok(()), Window::inverse));
    }
}

unsafe extern "C" fn x_value<W: Window>(context: *mut ffi::sqlite3_context) {
    // SAFETY: SQLite called with this context.
    unsafe {
        let value = run(context, || match state::<W>(context) {
            Some(state) => state.value(),
            None => Ok(Datum::Null),
        });
        if let Some(value) = value {
            set_result(context, value.as_ref());
        }
    }
}

/// The last call for a group, which SQLite makes even after an error: the state goes away here.
unsafe extern "C" fn x_final<W: Window>(context: *mut ffi::sqlite3_context) {
    // SAFETY: SQLite called with this context; the slot's pointer came from `Box::into_raw` and is taken once.
    unsafe {
        let kept = slot::<W>(context, false).map(|slot| std::mem::replace(slot, std::ptr::null_mut()));
        let value = run(context, || {
            let mut state = match kept.filter(|kept| !kept.is_null()) {
                Some(kept) => *Box::from_raw(kept),
                None => W::new(ffi::sqlite3_user_data(context).cast::<Function>().as_ref()),
            };
            state.value()
        });
        if let Some(value) = value {
            set_result(context, value.as_ref());
        }
    }
}
