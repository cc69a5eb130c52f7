//! Clusters of real processes.

mod failing;
mod members;
pub mod nodes;
mod serving;
