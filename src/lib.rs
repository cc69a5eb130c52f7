//! Quorate: a PostgreSQL-compatible, fault-tolerant SQL server in one binary.
//!
//! ARCHITECTURE.md beside this file is the map: layers, the path of a statement, invariants.

pub mod admin;
pub mod backup;
pub mod catalog;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod engine;
pub mod error;
pub mod functions;
pub mod raft;
pub mod server;
pub mod session;
pub mod settings;
pub mod sql;
pub mod storage;
pub mod telemetry;
pub mod transport;
pub mod types;
pub mod wire;
