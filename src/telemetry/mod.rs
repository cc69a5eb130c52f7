//! What the server tells the people who run it (logs, metrics), and where time, randomness and
//! threads come from, so that a simulation can replace them (invariant 9).

mod blocking;
mod clock;
mod log;
pub mod metrics;
mod random;

pub use blocking::run_blocking;
pub use clock::{Clock, SystemClock};
pub use log::{LogLevel, start_log};
pub use random::{Random, SystemRandom};
pub use tracing::{debug, error, info, warn};
