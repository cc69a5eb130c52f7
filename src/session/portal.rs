//! Portals: statements with parameters, and the rows they have still to give.

use std::borrow::Cow;
use std::sync::Arc;

use super::client::{Formats, ResultColumn};
use super::prepared::Prepared;
use super::scope::Scope;
use crate::engine::{Cursor, Reader, Spool};
use crate::sql::plan::Plan;
use crate::types::Datum;

/// The columns of a result: a plan's, or a command's own.
#[derive(Clone)]
pub(super) enum Columns {
    Plan(Arc<Plan>),
    Own(Arc<Vec<ResultColumn>>),
}

impl Columns {
    pub(super) fn as_slice(&self) -> &[ResultColumn] {
        match self {
            Columns::Plan(plan) => plan.columns.as_deref().unwrap_or_default(),
            Columns::Own(columns) => columns,
        }
    }

    /// A plan's, if it has any.
    pub(super) fn of_plan(plan: &Arc<Plan>) -> Option<Columns> {
        plan.columns.is_some().then(|| Columns::Plan(plan.clone()))
    }
}

/// Where rows come from.
pub(super) enum Source {
    /// A snapshot of its own.
    Reader(Box<Reader>, Cursor),
    /// The transaction's snapshot.
    Snapshot(Cursor),
    /// They are all there.
    Spool(Box<Spool>),
}

/// The end of a command tag.
#[derive(Clone)]
pub(super) enum Tag {
    /// It is complete.
    Fixed(String),
    /// The number of rows sent follows.
    Rows(Cow<'static, str>),
}

/// What a started statement gives.
pub(super) struct Started {
    pub(super) columns: Option<Columns>,
    pub(super) source: Option<Source>,
    /// What the source's functions run under.
    pub(super) scope: Option<Box<Scope>>,
    pub(super) tag: Tag,
}

impl Started {
    /// A command that gives no rows.
    pub(super) fn done(tag: impl Into<String>) -> Started {
        Started { columns: None, source: None, scope: None, tag: Tag::Fixed(tag.into()) }
    }

    /// A command that gives a few rows.
    pub(super) fn rows(columns: Vec<ResultColumn>, rows: Spool, tag: Tag) -> Started {
        let source = Some(Source::Spool(Box::new(rows)));
        Started { columns: Some(Columns::Own(Arc::new(columns))), source, scope: None, tag }
    }
}

/// A portal.
pub(super) struct Portal {
    prepared: Arc<Prepared>,
    pub(super) parameters: Vec<Datum>,
    formats: Formats,
    pub(super) started: Option<Started>,
    /// Rows sent by the last run.
    pub(super) sent: u64,
}

impl Portal {
    pub(super) fn new(prepared: Arc<Prepared>, parameters: Vec<Datum>, formats: Formats) -> Portal {
        Portal { prepared, parameters, formats, started: None, sent: 0 }
    }

    pub(super) fn prepared(&self) -> &Arc<Prepared> {
        &self.prepared
    }

    pub(super) fn formats(&self) -> &Formats {
        &self.formats
    }

    /// Whether it has not run yet.
    pub(super) fn is_new(&self) -> bool {
        self.started.is_none()
    }

    /// Its columns, once it has started.
    pub(super) fn columns(&self) -> Option<&[ResultColumn]> {
        self.started.as_ref()?.columns.as_ref().map(Columns::as_slice)
    }

    /// The command tag.
    pub(super) fn tag(&self) -> String {
        match self.started.as_ref().map(|started| &started.tag) {
            Some(Tag::Fixed(tag)) => tag.clone(),
            Some(Tag::Rows(verb)) => format!("{verb} {}", self.sent),
            None => String::new(),
        }
    }
}
