//! Statements that are parsed, with their plans.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::client::ResultColumn;
use super::scope::Scope;
use crate::bail;
use crate::error::Result;
use crate::sql::plan::Plan;
use crate::sql::{self, Parsed, Statement};
use crate::types::Type;

/// A plan and the session's settings it was made under.
struct Cached {
    plan: Arc<Plan>,
    plan_version: u64,
}

/// A parsed statement. Its plan is made again when the catalog or the settings have changed.
pub(super) struct Prepared {
    /// `None` for an empty text.
    parsed: Option<Arc<Parsed>>,
    /// Whether it is the statement inside of a PREPARE.
    is_inner: bool,
    /// The types that the client declared; `None` for a simple query, which has no parameters.
    types: Option<Vec<Option<&'static Type>>>,
    cached: Mutex<Option<Cached>>,
    /// The result that the client was told of, which must not change any more.
    promised: OnceLock<Option<Vec<ResultColumn>>>,
}

impl Prepared {
    pub(super) fn new(parsed: Option<Parsed>, types: Vec<Option<&'static Type>>) -> Prepared {
        Prepared::make(parsed.map(Arc::new), false, Some(types))
    }

    /// A statement of a simple query.
    pub(super) fn simple(parsed: Parsed) -> Prepared {
        Prepared::make(Some(Arc::new(parsed)), false, None)
    }

    /// The statement that a PREPARE names.
    pub(super) fn inner(prepare: &Arc<Parsed>, types: Vec<Option<&'static Type>>) -> Prepared {
        Prepared::make(Some(prepare.clone()), true, Some(types))
    }

    fn make(
        parsed: Option<Arc<Parsed>>,
        is_inner: bool,
        types: Option<Vec<Option<&'static Type>>>,
    ) -> Prepared {
        Prepared { parsed, is_inner, types, cached: Mutex::new(None), promised: OnceLock::new() }
    }

    /// The parsed text; `None` if it was empty.
    pub(super) fn parsed(&self) -> Option<&Parsed> {
        let parsed = self.parsed.as_deref()?;
        match &parsed.statement {
            Statement::Prepare { statement, .. } if self.is_inner => Some(statement),
            _ => Some(parsed),
        }
    }

    /// The parsed text, to be kept.
    pub(super) fn shared(&self) -> Option<&Arc<Parsed>> {
        self.parsed.as_ref()
    }

    /// The statement.
    pub(super) fn statement(&self) -> Option<&Statement> {
        self.parsed().map(|parsed| &parsed.statement)
    }

    /// Whether it is the statement inside of a PREPARE.
    pub(super) fn is_inner(&self) -> bool {
        self.is_inner
    }

    /// The types that the client declared; `None` for a simple query.
    pub(super) fn types(&self) -> Option<&[Option<&'static Type>]> {
        self.types.as_deref()
    }

    /// The types that the client declared, as far as it did.
    pub(super) fn declared(&self) -> &[Option<&'static Type>] {
        self.types.as_deref().unwrap_or_default()
    }

    /// The plan, if there is one for these settings. Its catalog version is for the caller to check.
    pub(super) fn cached(&self, plan_version: u64) -> Option<Arc<Plan>> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.as_ref().filter(|cached| cached.plan_version == plan_version).map(|cached| cached.plan.clone())
    }

    /// A plan for a catalog: the cached one, or a new one.
    pub(super) fn plan(&self, scope: &Scope) -> Result<Arc<Plan>> {
        if let Some(plan) =
            self.cached(scope.plan_version).filter(|plan| plan.catalog_version == scope.catalog.version)
        {
            return Ok(plan);
        }
        let plan = Arc::new(self.make_plan(scope, false)?);
        if let Some(Some(promised)) = self.promised.get() {
            let columns = plan.columns.as_deref().unwrap_or_default();
            let same = |(a, b): (&ResultColumn, &ResultColumn)| a.ty == b.ty && a.typmod == b.typmod;
            if promised.len() != columns.len() || !promised.iter().zip(columns).all(same) {
                bail!(FEATURE_NOT_SUPPORTED, "cached plan must not change result type");
            }
        }
        let cached = Cached { plan: plan.clone(), plan_version: scope.plan_version };
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(cached);
        Ok(plan)
    }

    /// The plan that runs row by row: see [`sql::plan_row_wise`].
    pub(super) fn plan_row_wise(&self, scope: &Scope) -> Result<Plan> {
        self.make_plan(scope, true)
    }

    fn make_plan(&self, scope: &Scope, row_wise: bool) -> Result<Plan> {
        let Some(parsed) = self.parsed() else { bail!(INTERNAL_ERROR, "an empty statement has no plan") };
        let Statement::Plannable(statement, overriding) = &parsed.statement else {
            bail!(INTERNAL_ERROR, "this statement has no plan");
        };
        let context = scope.context(&parsed.source);
        sql::with_stack(parsed.extent, || match row_wise {
            false => sql::plan(statement, *overriding, self.types.as_deref(), &context),
            true => sql::plan_row_wise(statement, *overriding, self.types.as_deref(), &context),
        })
    }

    /// Notes what the client was told, so that a later plan cannot differ.
    pub(super) fn promise(&self, plan: &Plan) {
        self.promised.get_or_init(|| plan.columns.clone());
    }
}
