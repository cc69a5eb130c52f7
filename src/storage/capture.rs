//! Listens to every row change that SQLite makes on the writer, in the order it makes them.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::ffi;

use super::change::{ChangeList, Mark};
use super::functions::panicked;
use super::spool::SpillDirectory;
use super::sqlite::{Connection, value_ref};
use crate::error::{Error, Result, state};
use crate::types::DatumRef;

/// SQLite's callback before a row changes. rusqlite offers these functions only with bindings generated
/// at build time; they are in the library because .cargo/config.toml compiles them in.
type PreupdateHook = unsafe extern "C" fn(
    data: *mut c_void,
    connection: *mut ffi::sqlite3,
    operation: c_int,
    database: *const c_char,
    table: *const c_char,
    old_rowid: i64,
    new_rowid: i64,
);

unsafe extern "C" {
    fn sqlite3_preupdate_hook(
        connection: *mut ffi::sqlite3,
        hook: Option<PreupdateHook>,
        data: *mut c_void,
    ) -> *mut c_void;
    fn sqlite3_preupdate_count(connection: *mut ffi::sqlite3) -> c_int;
    fn sqlite3_preupdate_old(
        connection: *mut ffi::sqlite3,
        column: c_int,
        value: *mut *mut ffi::sqlite3_value,
    ) -> c_int;
    fn sqlite3_preupdate_new(
        connection: *mut ffi::sqlite3,
        column: c_int,
        value: *mut *mut ffi::sqlite3_value,
    ) -> c_int;
}

/// What is captured.
pub(super) struct Captured {
    pub(super) list: ChangeList,
    spill: SpillDirectory,
    /// The first thing that went wrong in the hook, which cannot tell SQLite.
    error: Option<Error>,
    /// During an upsert, the rows it has touched: it may touch none twice.
    touched: Option<HashSet<i64>>,
}

/// The hook's state. It has a fixed address, which SQLite knows, and is only borrowed while SQLite does
/// not run, or by the hook.
pub(super) struct Capture(Box<RefCell<Captured>>);

impl Capture {
    pub(super) fn new(spill: SpillDirectory) -> Capture {
        let captured = Captured { list: ChangeList::default(), spill, error: None, touched: None };
        Capture(Box::new(RefCell::new(captured)))
    }

    /// Starts listening on the connection, which must not outlive this state's owner.
    pub(super) fn install(&self, connection: &Connection) {
        let data = std::ptr::from_ref::<RefCell<Captured>>(&self.0).cast_mut().cast();
        // SAFETY: the connection is open, and the box lives until `remove` or the connection's end.
        unsafe { sqlite3_preupdate_hook(connection.handle(), Some(on_change), data) };
    }

    /// Stops listening.
    pub(super) fn remove(&self, connection: &Connection) {
        // SAFETY: the connection is open.
        unsafe { sqlite3_preupdate_hook(connection.handle(), None, std::ptr::null_mut()) };
    }

    /// Looks at the list.
    pub(super) fn with_list<T>(&self, look: impl FnOnce(&ChangeList) -> T) -> T {
        look(&self.0.borrow().list)
    }

    /// The list's end.
    pub(super) fn mark(&self) -> Mark {
        self.0.borrow().list.mark()
    }

    /// Forgets what came after a mark.
    pub(super) fn truncate(&self, mark: Mark) {
        self.0.borrow_mut().list.truncate(mark);
    }

    /// Takes the list and starts another.
    pub(super) fn take(&self) -> ChangeList {
        std::mem::take(&mut self.0.borrow_mut().list)
    }

    /// Notes a statement for SQLite's schema.
    pub(super) fn push_schema(&self, sql: &str) -> Result<()> {
        let captured = &mut *self.0.borrow_mut();
        captured.list.push_schema(sql, &captured.spill)
    }

    /// Before a statement: whether it is an upsert.
    pub(super) fn expect(&self, upserts: bool) {
        let mut captured = self.0.borrow_mut();
        captured.touched = upserts.then(HashSet::new);
        captured.error = None;
    }

    /// After a statement: what the hook could not say.
    pub(super) fn outcome(&self) -> Result<()> {
        let mut captured = self.0.borrow_mut();
        captured.touched = None;
        captured.error.take().map_or(Ok(()), Err)
    }
}

unsafe extern "C" fn on_change(
    data: *mut c_void,
    connection: *mut ffi::sqlite3,
    operation: c_int,
    _: *const c_char,
    table: *const c_char,
    old_rowid: i64,
    new_rowid: i64,
) {
    // SAFETY: `install` gave this pointer, and its box still lives.
    let cell = unsafe { &*data.cast::<RefCell<Captured>>() };
    // SAFETY: SQLite gives a valid name.
    let table = unsafe { CStr::from_ptr(table) }.to_str().unwrap_or_default();
    let row = Row { connection, table, old_rowid, new_rowid };
    let captured = catch_unwind(AssertUnwindSafe(|| {
        let captured = &mut *cell.borrow_mut();
        let outcome = captured.take(operation, &row);
        if let Err(error) = outcome {
            captured.error.get_or_insert(error);
        }
    }));
    if captured.is_err()
        && let Ok(mut captured) = cell.try_borrow_mut()
    {
        captured.error.get_or_insert(panicked());
    }
}

/// The row that is about to change.
struct Row<'a> {
    connection: *mut ffi::sqlite3,
    table: &'a str,
    old_rowid: i64,
    new_rowid: i64,
}

impl Row<'_> {
    fn column_count(&self) -> usize {
        // SAFETY: called from the hook.
        unsafe { sqlite3_preupdate_count(self.connection) as usize }
    }

    fn before(&self, column: usize) -> DatumRef<'_> {
        let mut value = std::ptr::null_mut();
        // SAFETY: called from the hook of an UPDATE or DELETE; the value lives as long as the hook runs.
        unsafe {
            match sqlite3_preupdate_old(self.connection, column as c_int, &mut value) {
                ffi::SQLITE_OK => value_ref(value),
                code => panic!("SQLite does not tell a row's old value (code {code})"),
            }
        }
    }

    fn after(&self, column: usize) -> DatumRef<'_> {
        let mut value = std::ptr::null_mut();
        // SAFETY: called from the hook of an INSERT or UPDATE; the value lives as long as the hook runs.
        unsafe {
            match sqlite3_preupdate_new(self.connection, column as c_int, &mut value) {
                ffi::SQLITE_OK => value_ref(value),
                code => panic!("SQLite does not tell a row's new value (code {code})"),
            }
        }
    }
}

/// Whether two stored values are the same bytes.
fn is_same(a: DatumRef<'_>, b: DatumRef<'_>) -> bool {
    match (a, b) {
        (DatumRef::Real(a), DatumRef::Real(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

impl Captured {
    fn take(&mut self, operation: c_int, row: &Row<'_>) -> Result<()> {
        let count = row.column_count();
        match operation {
            ffi::SQLITE_INSERT => {
                self.touch(row.new_rowid)?;
                self.list.push_insert(
                    row.table,
                    row.new_rowid,
                    (0..count).map(|column| row.after(column)),
                    &self.spill,
                )
            }
            ffi::SQLITE_DELETE => self.list.push_delete(
                row.table,
                row.old_rowid,
                (0..count).map(|column| row.before(column)),
                &self.spill,
            ),
            _ => self.take_update(row, count),
        }
    }

    fn take_update(&mut self, row: &Row<'_>, count: usize) -> Result<()> {
        self.touch(row.old_rowid)?;
        let pairs = (0..count).map(|column| (column, row.before(column), row.after(column)));
        let columns: Vec<_> = pairs.filter(|(_, old, new)| !is_same(*old, *new)).collect();
        if columns.is_empty() && row.old_rowid == row.new_rowid {
            return Ok(());
        }
        self.list.push_update(row.table, (row.old_rowid, row.new_rowid), &columns, &self.spill)
    }

    fn touch(&mut self, rowid: i64) -> Result<()> {
        let Some(touched) = &mut self.touched else { return Ok(()) };
        if touched.insert(rowid) {
            return Ok(());
        }
        let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
        let hint = "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.";
        Err(Error::new(state::CARDINALITY_VIOLATION, message).with_hint(hint))
    }
}
