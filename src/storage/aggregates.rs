//! Aggregates for SQLite: the registry's, each in three variants. The plain one serves GROUP BY and
//! windows that only grow. The sliding one keeps the window's rows and computes anew for each of
//! its answers: PostgreSQL's numeric and float aggregates cannot take a row back without a trace.

use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::ffi;

use super::functions::{check, panicked, set_error, set_result, with_arguments, with_env};
use super::sqlite::c_name;
use super::values;
use crate::bail;
use crate::error::{Error, Result};
use crate::functions::{Aggregate, Body, Env, Function, Signature};
use crate::types::{Datum, DatumRef, compare_values, order_of_letter};

/// Rows a sliding window may keep at once; 16 bytes and more each.
const WINDOW_ROWS_MAX: usize = 10_000_000;

/// The most bytes of packed rows.
const PACKED_BYTES_MAX: usize = 512 << 20;

/// Registers an aggregate's variants.
pub(super) fn register(
    connection: &rusqlite::Connection,
    function: &'static Function,
) -> rusqlite::Result<()> {
    let typed = c_int::from(function.is_typed());
    let count = if function.variadic { -1 } else { function.args.len() as c_int + typed };
    let data = std::ptr::from_ref(function).cast();
    create::<Growing>(connection, &function.symbol(), count, data)?;
    create::<Distinct>(connection, &format!("{}_distinct", function.symbol()), -1, data)?;
    create::<Sliding>(connection, &format!("{}_sliding", function.symbol()), count, data)
}

/// Registers the check of scalar subqueries.
pub(super) fn register_only_row(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    create::<OnlyRow>(connection, "only_row", 1, std::ptr::null())?;
    create::<PackRows>(connection, "pack_rows", -1, std::ptr::null())
}

/// What SQLite's four calls of an aggregate do.
trait Window: Send + 'static {
    fn new(function: Option<&'static Function>) -> Self;
    fn step(&mut self, args: &[DatumRef<'_>]) -> Result<()>;
    fn inverse(&mut self) -> Result<()>;
    fn value(&mut self) -> Result<Datum>;
}

/// The running state of an aggregate of the registry. Its first row tells the types, if it wants them.
struct State {
    function: Option<&'static Function>,
    state: Option<Box<dyn Aggregate>>,
    signature: Option<Signature>,
}

impl State {
    fn new(function: Option<&'static Function>) -> State {
        State { function, state: None, signature: None }
    }

    fn is_typed(&self) -> bool {
        self.function.is_some_and(Function::is_typed)
    }

    /// The aggregate; of no rows, where a typed one never learned its types, it is told none.
    fn state(&mut self) -> &mut Box<dyn Aggregate> {
        let (function, signature) = (self.function, &self.signature);
        self.state.get_or_insert_with(|| match function.map(|function| function.body) {
            Some(Body::Aggregate(start)) => start(),
            Some(Body::TypedAggregate(start)) => {
                let none = || Signature {
                    args: function.map_or_else(Vec::new, |function| function.args.to_vec()),
                    result: function.map_or(&crate::types::text::TEXT, |function| function.result),
                    spreads: false,
                    columns: Vec::new(),
                };
                start(&signature.clone().unwrap_or_else(none))
            }
            _ => panic!("only aggregates are registered as such"),
        })
    }

    /// The arguments without the signature, which is kept.
    fn arguments<'a, 'v>(&mut self, args: &'a [DatumRef<'v>]) -> &'a [DatumRef<'v>] {
        let typed = self.is_typed();
        match args {
            [args @ .., last] if typed => {
                if self.signature.is_none()
                    && let DatumRef::Text(text) = last
                {
                    self.signature = Some(with_env(|env| Signature::decode(text, env.format())));
                }
                args
            }
            args => args,
        }
    }

    fn step(&mut self, args: &[DatumRef<'_>]) -> Result<()> {
        let args = self.arguments(args);
        let state = self.state();
        with_env_once(|env| state.step(args, env))
    }

    fn value(&mut self) -> Result<Datum> {
        let state = self.state();
        with_env_once(|env| state.value(env))
    }
}

/// Calls once with the environment of the running statement.
fn with_env_once<T>(call: impl FnOnce(&dyn Env) -> T) -> T {
    let call = std::cell::Cell::new(Some(call));
    with_env(|env| call.take().map(|call| call(env))).expect("the call is made once")
}

struct Growing(State);

impl Window for Growing {
    fn new(function: Option<&'static Function>) -> Self {
        Growing(State::new(function))
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

/// Passes over a row that equals the one before it. The first argument tells how the others compare:
/// a letter each (`types::order_letter`). Rows come sorted by all arguments, as PostgreSQL sorts them for DISTINCT.
struct Distinct {
    state: State,
    last: Option<Vec<Datum>>,
}

impl Window for Distinct {
    fn new(function: Option<&'static Function>) -> Self {
        Distinct { state: State::new(function), last: None }
    }

    fn step(&mut self, args: &[DatumRef<'_>]) -> Result<()> {
        let [letters, args @ ..] = args else { return Ok(()) };
        let letters = letters.text();
        let is_same = |last: &Vec<Datum>| {
            letters.chars().zip(last.iter().zip(args)).all(|(letter, (last, arg))| {
                compare_values(last.as_ref(), *arg, order_of_letter(letter)).is_eq()
            })
        };
        if self.last.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        self.last = Some(args.iter().map(|arg| DatumRef::to_owned(*arg)).collect());
        self.state.step(args)
    }

    fn inverse(&mut self) -> Result<()> {
        Err(Error::internal("an aggregate with DISTINCT is no window function"))
    }

    fn value(&mut self) -> Result<Datum> {
        self.state.value()
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
        let mut state = State::new(self.function);
        for row in &self.rows {
            let args: Vec<DatumRef<'_>> = row.iter().map(Datum::as_ref).collect();
            state.step(&args)?;
        }
        state.value()
    }
}

/// Packs rows into one value, which [`super::tables`] unpacks: how a query that names what stands beside it in FROM
/// (LATERAL) becomes a scalar subquery.
struct PackRows {
    rows: Vec<u8>,
}

impl Window for PackRows {
    fn new(_: Option<&'static Function>) -> Self {
        PackRows { rows: Vec::new() }
    }

    fn step(&mut self, args: &[DatumRef<'_>]) -> Result<()> {
        values::put_row(&mut self.rows, args.iter().copied());
        if self.rows.len() > PACKED_BYTES_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "rows of a LATERAL query take more than {PACKED_BYTES_MAX} bytes");
        }
        Ok(())
    }

    fn inverse(&mut self) -> Result<()> {
        Err(Error::internal("packed rows are no window"))
    }

    fn value(&mut self) -> Result<Datum> {
        Ok(Datum::Blob(std::mem::take(&mut self.rows)))
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
