//! Work that would block the tasks of a thread.

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::{Error, Result};

/// Runs work that waits for a disk, or takes long, beside the runtime's tasks. On a runtime of one thread,
/// as a simulation's is, it runs at once: then everything happens in one order.
pub async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::internal("work in the background was stopped"))
}
