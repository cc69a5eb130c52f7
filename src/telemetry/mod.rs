//! What the server tells the people who run it (logs, metrics), and where time and randomness
//! come from, so that a simulation can replace them (invariant 9).

mod clock;
mod log;
pub mod metrics;
mod random;

pub use clock::{Clock, SystemClock};
pub use log::{LogLevel, start_log};
pub use random::{Random, SystemRandom};
pub use tracing::{debug, error, info, warn};
