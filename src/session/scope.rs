//! What one statement is bound and run under: one catalog, one search path, one clock reading.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::environment::{Environment, Shared};
use super::names::CatalogNames;
use super::relations::Relations;
use crate::catalog::{Catalog, SearchPath};
use crate::engine::{Outcomes, SequenceValues, Surroundings, Transaction};
use crate::sql::Context;
use crate::types::{Format, Objects};

/// See the module's description.
pub(super) struct Scope {
    shared: Arc<Shared>,
    pub(super) catalog: Arc<Catalog>,
    path: SearchPath,
    pub(super) format: Format,
    pub(super) plan_version: u64,
    statement_us: i64,
    pub(super) deadline: Option<Instant>,
    sequences: Option<SequenceValues>,
    outcomes: Option<Outcomes>,
    relations: Relations,
}

impl Scope {
    pub(super) fn new(
        shared: &Arc<Shared>,
        catalog: Arc<Catalog>,
        times: Times,
        write: Option<&Transaction>,
    ) -> Scope {
        let settings = shared.settings();
        let derived = settings.derived().clone();
        let plan_version = settings.plan_version();
        drop(settings);
        let path = catalog.search_path(&derived.search_path, &shared.user);
        let relations = Relations { engine: shared.engine.clone(), catalog: catalog.clone() };
        let names = CatalogNames { catalog: catalog.clone(), path: path.clone() };
        Scope {
            path,
            catalog,
            format: Format {
                now_us: times.transaction_us,
                objects: Objects::new(Arc::new(names)),
                ..derived.format.clone()
            },
            plan_version,
            statement_us: times.statement_us,
            deadline: times.deadline,
            sequences: write.map(Transaction::sequences),
            outcomes: write.map(Transaction::outcomes),
            relations,
            shared: shared.clone(),
        }
    }

    /// For the binder; error positions count in `source`.
    pub(super) fn context<'a>(&'a self, source: &'a str) -> Context<'a> {
        Context { catalog: &self.catalog, path: &self.path, format: &self.format, source }
    }

    /// For functions.
    pub(super) fn environment(&self) -> Environment<'_> {
        Environment {
            shared: &self.shared,
            format: &self.format,
            statement_us: self.statement_us,
            catalog: &self.catalog,
            path: &self.path,
            sequences: self.sequences.clone(),
            outcomes: self.outcomes.clone(),
            replayed: Mutex::new(VecDeque::new()),
            drawn: Mutex::new(Vec::new()),
            deadline: self.deadline,
            newer: Mutex::new(None),
        }
    }

    /// For running a statement.
    pub(super) fn surroundings<'a>(&'a self, environment: &'a Environment<'_>) -> Surroundings<'a> {
        Surroundings {
            env: environment,
            cancel: &self.shared.cancel,
            deadline: self.deadline,
            relations: &self.relations,
        }
    }
}

/// The clock readings of a statement.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// When its transaction started, in microseconds since 2000-01-01 UTC.
    pub(super) transaction_us: i64,
    /// When it started.
    pub(super) statement_us: i64,
    /// When statement_timeout strikes.
    pub(super) deadline: Option<Instant>,
}
