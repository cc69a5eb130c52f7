//! The surroundings of the statement that this thread is running, for SQLite's callbacks.
//!
//! SQLite calls back on the thread that steps a statement, so a thread-local pointer reaches the
//! execution without locks: functions find their [`Env`], the progress handler finds whether to stop.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::error::{Error, Result, state};
use crate::functions::Env;
use crate::types::Datum;

/// How long a statement may keep its asynchronous worker thread before it gives it away.
const INLINE_BUDGET: Duration = Duration::from_millis(1);
/// How long a statement on the writer may run before it steps aside for readers that wait.
const UNDISTURBED: Duration = Duration::from_millis(2);
/// How long the worker waits for another thread to take over its queue. Measured: a few microseconds.
const HANDOVER: Duration = Duration::from_micros(50);

/// Asks a statement to stop, from another task.
#[derive(Debug, Default)]
pub struct CancelToken {
    state: AtomicU8,
    changed: Notify,
}

impl CancelToken {
    const NONE: u8 = 0;
    const USER: u8 = 1;
    const SHUTDOWN: u8 = 2;

    /// Cancels what runs now on the user's request.
    pub fn cancel(&self) {
        let _ = self.state.compare_exchange(Self::NONE, Self::USER, Ordering::AcqRel, Ordering::Acquire);
        self.changed.notify_waiters();
    }

    /// Cancels everything: the server stops.
    pub fn shut_down(&self) {
        self.state.store(Self::SHUTDOWN, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Waits until cancelled, for what waits itself, and gives the error.
    pub async fn cancelled(&self) -> Error {
        loop {
            let changed = self.changed.notified();
            if let Err(error) = self.check() {
                return error;
            }
            changed.await;
        }
    }

    /// Forgets a user's cancellation, before the next statement.
    pub fn reset(&self) {
        let _ = self.state.compare_exchange(Self::USER, Self::NONE, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The error, if cancelled.
    pub fn check(&self) -> Result<()> {
        match self.state.load(Ordering::Acquire) {
            Self::NONE => Ok(()),
            Self::USER => Err(Error::new(state::QUERY_CANCELED, "canceling statement due to user request")),
            _ => Err(Error::fatal(
                state::ADMIN_SHUTDOWN,
                "terminating connection due to administrator command",
            )),
        }
    }
}

/// Gives the rows of the system relations that live in memory.
pub trait MemoryRelations: Send + Sync {
    /// The rows of a relation of pg_catalog.
    fn rows(&self, relation: &str) -> Vec<Vec<Datum>>;
}

/// One statement's run.
pub struct Execution<'a> {
    /// What functions may know.
    pub env: &'a dyn Env,
    /// Asks to stop.
    pub cancel: &'a CancelToken,
    /// When statement_timeout strikes.
    pub deadline: Option<Instant>,
    /// The relations in memory.
    pub relations: &'a dyn MemoryRelations,
    /// On the writer: set when the statement should step aside, because readers wait.
    pub settle_wanted: Option<&'a AtomicBool>,
}

/// What the thread-local points to: the execution, and what SQLite's callbacks leave for it.
struct Running<'a> {
    execution: &'a Execution<'a>,
    started: Instant,
    handed_over: Cell<bool>,
    stepped_aside: Cell<bool>,
    error: RefCell<Option<Error>>,
}

thread_local! {
    static RUNNING: Cell<*const Running<'static>> = const { Cell::new(std::ptr::null()) };
}

/// Runs `work` with an execution in reach of SQLite's callbacks. Calls may nest.
pub(super) fn enter<T>(execution: &Execution<'_>, work: impl FnOnce() -> T) -> T {
    /// Puts the pointer back even if `work` panics.
    struct Restore(*const Running<'static>);
    impl Drop for Restore {
        fn drop(&mut self) {
            RUNNING.set(self.0);
        }
    }
    let running = Running {
        execution,
        started: Instant::now(),
        handed_over: Cell::new(false),
        stepped_aside: Cell::new(false),
        error: RefCell::new(None),
    };
    let pointer = (&raw const running).cast::<Running<'static>>();
    let _restore = Restore(RUNNING.replace(pointer));
    work()
}

/// Calls `visit` with what runs on this thread, if anything does.
fn with_running<T>(visit: impl FnOnce(&Running<'_>) -> T) -> Option<T> {
    let pointer = RUNNING.get();
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the pointer was set by `enter`, whose frame is still on this thread's stack: it puts the
    // former pointer back before its `running` goes away.
    let running = unsafe { &*pointer };
    Some(visit(running))
}

/// Calls `visit` with the environment of what runs on this thread.
pub(super) fn with_env<T>(visit: impl FnOnce(&dyn Env) -> T) -> Option<T> {
    with_running(|running| visit(running.execution.env))
}

/// The rows of a relation in memory.
pub(super) fn memory_rows(relation: &str) -> Vec<Vec<Datum>> {
    with_running(|running| running.execution.relations.rows(relation)).unwrap_or_default()
}

/// Leaves an error for whoever asked SQLite, which carries only text.
pub(super) fn leave_error(error: Error) {
    with_running(|running| {
        running.error.borrow_mut().get_or_insert(error);
    });
}

/// Takes the error that was left.
pub(super) fn take_error() -> Option<Error> {
    with_running(|running| running.error.borrow_mut().take()).flatten()
}

/// Whether the statement was interrupted only to let readers through.
pub(super) fn stepped_aside() -> bool {
    with_running(|running| running.stepped_aside.get()).unwrap_or(false)
}

/// Called every few thousand steps of a statement: whether to interrupt it.
///
/// A statement that runs longer than [`INLINE_BUDGET`] on a worker of the asynchronous runtime hands
/// the worker's queue over to another thread and goes on: short statements, which are most, thus
/// need no change of thread, and long ones delay nobody.
pub(super) fn should_interrupt() -> bool {
    with_running(|running| {
        let execution = running.execution;
        if let Err(error) = execution.cancel.check() {
            running.error.borrow_mut().get_or_insert(error);
            return true;
        }
        let now = Instant::now();
        if execution.deadline.is_some_and(|deadline| now >= deadline) {
            let error = Error::new(state::QUERY_CANCELED, "canceling statement due to statement timeout");
            running.error.borrow_mut().get_or_insert(error);
            return true;
        }
        let wanted = execution.settle_wanted.is_some_and(|wanted| wanted.load(Ordering::Acquire));
        if wanted && now.duration_since(running.started) > UNDISTURBED {
            running.stepped_aside.set(true);
            return true;
        }
        if !running.handed_over.get() && now.duration_since(running.started) > INLINE_BUDGET {
            running.handed_over.set(true);
            hand_over();
        }
        false
    })
    .unwrap_or(false)
}

/// Gives this thread's queue of tasks to another thread of the runtime, if it has one.
pub(super) fn hand_over() {
    let is_multi_threaded = tokio::runtime::Handle::try_current()
        .is_ok_and(|handle| handle.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread);
    if is_multi_threaded {
        tokio::task::block_in_place(|| std::thread::sleep(HANDOVER));
    }
}
