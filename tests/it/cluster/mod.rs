//! Clusters of real processes.

mod failing;
pub mod nodes;
mod serving;
