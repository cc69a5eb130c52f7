//! Conversions between types: PostgreSQL's rules of when one happens unwritten, and how.

use crate::bail;
use crate::error::{Error, Result, state};
use crate::functions::cast::{self, Cast, Context, Method};
use crate::functions::{self, is_polymorphic};
use crate::sql::tree::{DomainCondition, Expr, ExprKind};
use crate::types::user::Domain;
use crate::types::{Category, Datum, NO_TYPMOD, Shape, Type, boolean, record, text};

use super::{Binder, Clause, Place, Scope};

/// Why a value is converted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::sql) enum Purpose {
    /// To fit an operator, a function or another branch.
    Implicit,
    /// To be stored in a column.
    Assignment,
    /// Because the user wrote a cast.
    Explicit,
}

impl Purpose {
    fn admits(self, context: Context) -> bool {
        match context {
            Context::Implicit => true,
            Context::Assignment => self >= Purpose::Assignment,
            Context::Explicit => self == Purpose::Explicit,
        }
    }
}

/// How one type becomes another.
enum Path {
    Nothing,
    FromUnknown,
    Cast(&'static Cast),
    /// Element by element.
    Elements,
    /// Through text.
    InOut,
}

/// The way between types; a domain counts as what is under it.
fn find_path(source: &'static Type, target: &'static Type, purpose: Purpose) -> Option<Path> {
    let (source, target) = (source.base(), target.base());
    if source == target || is_polymorphic(target) {
        return Some(Path::Nothing);
    }
    if source.oid == text::UNKNOWN.oid {
        return Some(Path::FromUnknown);
    }
    if let Some(cast) = cast::find(source, target) {
        return purpose.admits(cast.context).then_some(Path::Cast(cast));
    }
    if let (Some(from), Some(to)) = (source.element(), target.element()) {
        return find_path(from, to, purpose).map(|_| Path::Elements);
    }
    let is_pseudo = |ty: &Type| ty.is_pseudo() && ty.oid != record::RECORD.oid;
    if is_pseudo(source) || is_pseudo(target) {
        return None;
    }
    // Everything can be assigned to a string, and cast from one.
    let through_text = if cast::is_string(target) { Purpose::Assignment } else { Purpose::Explicit };
    let has_string = cast::is_string(target) || cast::is_string(source);
    (has_string && purpose >= through_text).then_some(Path::InOut)
}

/// Whether a conversion exists.
pub(super) fn can_coerce(source: &'static Type, target: &'static Type, purpose: Purpose) -> bool {
    find_path(source, target, purpose).is_some()
}

impl Binder<'_> {
    /// Converts an expression to a type. `None` if there is no conversion for that purpose.
    pub(in crate::sql) fn try_coerce(
        &mut self,
        expr: Expr,
        target: &'static Type,
        typmod: i32,
        purpose: Purpose,
    ) -> Result<Option<Expr>> {
        let expr = match self.adopt_parameter_type(&expr, target) {
            Some(typed) => typed,
            None => expr,
        };
        if expr.ty == target && matches!(target.shape, Shape::Domain(_)) {
            return Ok(Some(expr));
        }
        let Some(path) = find_path(expr.ty, target, purpose) else { return Ok(None) };
        let base = target.base();
        let expr = match expr.ty.shape {
            Shape::Domain(_) => {
                let under = expr.ty.base();
                relabel(expr, under)
            }
            _ => expr,
        };
        let converted = match path {
            Path::Nothing => expr,
            Path::FromUnknown => self.input(expr, base)?,
            Path::Cast(cast) => apply_cast(expr, cast)?,
            Path::Elements => {
                let function = functions::internal("array_cast");
                Expr::call(function, vec![expr], base)
            }
            Path::InOut => through_text(expr, base),
        };
        match target.shape {
            Shape::Domain(domain) => self.checked_as_domain(converted, target, domain, purpose).map(Some),
            _ => apply_typmod(converted, target, typmod, purpose).map(Some),
        }
    }

    /// Makes a value one of a domain, which asks its conditions.
    fn checked_as_domain(
        &mut self,
        value: Expr,
        target: &'static Type,
        domain: &'static Domain,
        purpose: Purpose,
    ) -> Result<Expr> {
        let base = domain.base.base();
        let value = apply_typmod(value, base, domain_typmod(domain), purpose)?;
        let mut conditions = Vec::new();
        self.domain_conditions(target, &mut conditions)?;
        if conditions.is_empty() {
            return Ok(relabel(value, target));
        }
        Ok(Expr::new(ExprKind::Domain { arg: Box::new(value), conditions }, target))
    }

    /// Binds a domain's condition, in which VALUE is of a type.
    pub(in crate::sql) fn domain_condition(
        &mut self,
        condition: &sqlparser::ast::Expr,
        base: &'static Type,
    ) -> Result<Expr> {
        let outer = self.domain_value.replace(base.base());
        let scope = Scope::default();
        let bound = self.expr(condition, Place { scope: &scope, clause: Clause::DomainCheck });
        self.domain_value = outer;
        self.coerce_boolean(bound?, "CHECK")
    }

    /// The conditions of a domain, those of the domain under it first.
    fn domain_conditions(&mut self, ty: &'static Type, conditions: &mut Vec<DomainCondition>) -> Result<()> {
        let Shape::Domain(domain) = ty.shape else { return Ok(()) };
        self.domain_conditions(domain.base, conditions)?;
        let base = ty.base();
        if domain.not_null {
            let value = Box::new(Expr::new(ExprKind::DomainValue, base));
            let condition = Expr::new(ExprKind::IsNull { arg: value, negated: true }, &boolean::BOOL);
            conditions.push(DomainCondition { domain: ty, name: None, condition });
        }
        for condition in &domain.conditions {
            let parsed = crate::sql::parse_expression(&condition.expression)?;
            let bound = self.domain_condition(&parsed, base)?;
            conditions.push(DomainCondition {
                domain: ty,
                name: Some(condition.name.clone()),
                condition: bound,
            });
        }
        Ok(())
    }

    /// A parameter without a type takes the one that its first use asks for.
    fn adopt_parameter_type(&mut self, expr: &Expr, target: &'static Type) -> Option<Expr> {
        let ExprKind::Parameter(place) = expr.kind else { return None };
        if is_polymorphic(target) || target.oid == text::UNKNOWN.oid {
            return None;
        }
        let ty = *self.parameters[place].get_or_insert(target);
        Some(Expr::new(ExprKind::Parameter(place), ty))
    }

    /// A literal without a type, read as one.
    fn input(&mut self, expr: Expr, target: &'static Type) -> Result<Expr> {
        match expr.kind {
            ExprKind::Constant(Datum::Null) => Ok(Expr::constant(Datum::Null, target)),
            ExprKind::Constant(Datum::Text(content)) => {
                let value = target.parse(&content, self.context.format)?;
                Ok(Expr::constant(value, target))
            }
            kind => Ok(Expr::new(ExprKind::Input(Box::new(Expr::new(kind, &text::TEXT))), target)),
        }
    }

    /// Converts an expression, or fails with 42846 or 42804.
    pub(in crate::sql) fn coerce(
        &mut self,
        expr: Expr,
        target: &'static Type,
        typmod: i32,
        purpose: Purpose,
    ) -> Result<Expr> {
        let source = expr.ty;
        match self.try_coerce(expr, target, typmod, purpose)? {
            Some(converted) => Ok(converted),
            None => Err(Error::new(
                state::CANNOT_COERCE,
                format!("cannot cast type {} to {}", source.sql_name, target.format(typmod)),
            )),
        }
    }

    /// Converts a condition to boolean: `argument of WHERE must be type boolean`.
    pub(in crate::sql) fn coerce_boolean(&mut self, expr: Expr, clause: &str) -> Result<Expr> {
        let source = expr.ty;
        match self.try_coerce(expr, &boolean::BOOL, NO_TYPMOD, Purpose::Implicit)? {
            Some(condition) => Ok(condition),
            None => bail!(
                DATATYPE_MISMATCH,
                "argument of {clause} must be type boolean, not type {}",
                source.sql_name
            ),
        }
    }

    /// Gives what has no type yet the type text, as a result column does.
    pub(in crate::sql) fn settle(&mut self, expr: Expr) -> Result<Expr> {
        if expr.is_unknown() {
            return self.coerce(expr, &text::TEXT, NO_TYPMOD, Purpose::Implicit);
        }
        Ok(expr)
    }

    /// Converts several expressions to their common type.
    pub(super) fn unify(
        &mut self,
        exprs: Vec<Expr>,
        construct: &str,
    ) -> Result<(Vec<Expr>, &'static Type, i32)> {
        let ty = common_type(exprs.iter().map(|expr| expr.ty), construct)?;
        let first = exprs.first().map_or(NO_TYPMOD, |expr| expr.typmod);
        let same = exprs.iter().all(|expr| expr.ty == ty && expr.typmod == first);
        let unified = exprs
            .into_iter()
            .map(|expr| {
                let source = expr.ty;
                match self.try_coerce(expr, ty, NO_TYPMOD, Purpose::Implicit)? {
                    Some(converted) => Ok(converted),
                    None => bail!(
                        CANNOT_COERCE,
                        "{construct} could not convert type {} to {}",
                        source.sql_name,
                        ty.sql_name
                    ),
                }
            })
            .collect::<Result<_>>()?;
        Ok((unified, ty, if same { first } else { NO_TYPMOD }))
    }
}

/// PostgreSQL's select_common_type: the type to which all of several convert.
pub(super) fn common_type(
    types: impl Iterator<Item = &'static Type>,
    construct: &str,
) -> Result<&'static Type> {
    let mut chosen: Option<&'static Type> = None;
    let types: Vec<&'static Type> = types.filter(|ty| ty.oid != text::UNKNOWN.oid).collect();
    // Only where all are of one domain is it the common type.
    if let [first, rest @ ..] = types.as_slice()
        && rest.iter().all(|ty| ty == first)
    {
        return Ok(first);
    }
    for ty in types.into_iter().map(|ty| ty.base()) {
        let Some(current) = chosen else {
            chosen = Some(ty);
            continue;
        };
        if ty == current {
            continue;
        }
        if ty.category != current.category {
            bail!(
                DATATYPE_MISMATCH,
                "{construct} types {} and {} cannot be matched",
                current.sql_name,
                ty.sql_name
            );
        }
        let widens =
            can_coerce(current, ty, Purpose::Implicit) && !can_coerce(ty, current, Purpose::Implicit);
        if !current.preferred && widens {
            chosen = Some(ty);
        }
    }
    Ok(chosen.unwrap_or(&text::TEXT))
}

fn apply_cast(expr: Expr, cast: &'static Cast) -> Result<Expr> {
    Ok(match &cast.method {
        Method::Binary => relabel(expr, cast.target),
        Method::InOut => through_text(expr, cast.target),
        Method::Function(function) => {
            if let ExprKind::Constant(Datum::Null) = expr.kind {
                return Ok(Expr::constant(Datum::Null, cast.target));
            }
            match fold_constant(&expr, cast)? {
                Some(value) => Expr::constant(value, cast.target),
                None => Expr::call(function, vec![expr], cast.target),
            }
        }
    })
}

/// Casts of literals between numbers, which are computed here so that SQLite compares with a constant.
fn fold_constant(expr: &Expr, cast: &Cast) -> Result<Option<Datum>> {
    let ExprKind::Constant(value) = &expr.kind else { return Ok(None) };
    let is_numeric = cast.source.category == Category::Numeric && cast.target.category == Category::Numeric;
    Ok(match value {
        Datum::Integer(value) if is_numeric && cast.context == Context::Implicit => match cast.target.name {
            "int4" | "int8" => Some(Datum::Integer(*value)),
            "float8" => Some(Datum::Real(*value as f64)),
            "float4" => Some(Datum::Real(f64::from(*value as f32))),
            "numeric" => Some(Datum::Text(value.to_string())),
            _ => None,
        },
        Datum::Text(value) if cast.source.name == "numeric" && cast.target.name == "float8" => {
            let number = crate::types::numeric::Numeric::from_stored(value);
            let double = number.to_f64();
            if double.is_infinite() && number.finite().is_some() {
                bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{value}\" is out of range for type double precision");
            }
            Some(crate::types::float::datum(double))
        }
        _ => None,
    })
}

fn relabel(expr: Expr, target: &'static Type) -> Expr {
    match expr.kind {
        ExprKind::Constant(value) => Expr::constant(value, target),
        kind => {
            let typmod = expr.typmod;
            let inner = Expr { kind, ty: expr.ty, typmod };
            // varchar(n) keeps its modifier when it is taken for text's other name only.
            let kept = if target.name == "varchar" || target.name == "bpchar" { typmod } else { NO_TYPMOD };
            Expr::new(ExprKind::Relabel(Box::new(inner)), target).with_typmod(if kept == typmod {
                NO_TYPMOD
            } else {
                kept
            })
        }
    }
}

/// Prints the value and reads it again.
pub(super) fn through_text(expr: Expr, target: &'static Type) -> Expr {
    if let ExprKind::Constant(Datum::Null) = expr.kind {
        return Expr::constant(Datum::Null, target);
    }
    let printed = if cast::is_string(expr.ty) {
        expr
    } else {
        Expr::new(ExprKind::Output(Box::new(expr)), &text::TEXT)
    };
    if cast::is_string(target) && target.oid != text::NAME.oid && target.oid != text::CHAR.oid {
        return if target.oid == text::TEXT.oid { printed } else { relabel(printed, target) };
    }
    Expr::new(ExprKind::Input(Box::new(printed)), target)
}

fn apply_typmod(expr: Expr, target: &'static Type, typmod: i32, purpose: Purpose) -> Result<Expr> {
    if typmod == NO_TYPMOD || target.modifier().is_none() {
        return Ok(expr);
    }
    if expr.ty == target && expr.typmod == typmod && !matches!(expr.kind, ExprKind::Constant(_)) {
        return Ok(expr);
    }
    let explicit = purpose == Purpose::Explicit;
    let kind = match expr.kind {
        ExprKind::Constant(Datum::Null) => ExprKind::Constant(Datum::Null),
        ExprKind::Constant(value) => {
            ExprKind::Constant(target.apply_typmod(value.as_ref(), typmod, explicit)?)
        }
        kind => {
            let arg = Box::new(Expr { kind, ty: expr.ty, typmod: expr.typmod });
            ExprKind::Typmod { arg, explicit }
        }
    };
    Ok(Expr { kind, ty: target, typmod })
}

/// The modifier of a domain: its own or that of the domain under it.
fn domain_typmod(domain: &Domain) -> i32 {
    match domain.base.shape {
        Shape::Domain(inner) if domain.typmod == NO_TYPMOD => domain_typmod(inner),
        _ => domain.typmod,
    }
}
