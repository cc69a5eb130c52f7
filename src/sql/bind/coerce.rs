//! Conversions between types: PostgreSQL's rules of when one happens unwritten, and how.

use crate::bail;
use crate::error::{Error, Result, state};
use crate::functions::cast::{self, Cast, Context, Method};
use crate::functions::is_polymorphic;
use crate::sql::tree::{Expr, ExprKind};
use crate::types::{Category, Datum, NO_TYPMOD, Type, boolean, oid, record, text};

use super::Binder;

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
    /// Through text.
    InOut,
}

fn find_path(source: &Type, target: &Type, purpose: Purpose) -> Option<Path> {
    if source == target || is_polymorphic(target) {
        return Some(Path::Nothing);
    }
    if source.oid == text::UNKNOWN.oid {
        return Some(Path::FromUnknown);
    }
    if let Some(cast) = cast::find(source, target) {
        return purpose.admits(cast.context).then_some(Path::Cast(cast));
    }
    if source.is_pseudo() || target.is_pseudo() {
        return None;
    }
    // Everything can be assigned to a string, and cast from one.
    let through_text = if cast::is_string(target) { Purpose::Assignment } else { Purpose::Explicit };
    let has_string = cast::is_string(target) || cast::is_string(source);
    (has_string && purpose >= through_text).then_some(Path::InOut)
}

/// Whether a conversion exists.
pub(super) fn can_coerce(source: &Type, target: &Type, purpose: Purpose) -> bool {
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
        let Some(path) = find_path(expr.ty, target, purpose) else { return Ok(None) };
        let converted = match path {
            Path::Nothing => expr,
            Path::FromUnknown => self.input(expr, target)?,
            Path::Cast(cast) => apply_cast(expr, cast)?,
            Path::InOut => through_text(expr, target),
        };
        apply_typmod(converted, target, typmod, purpose).map(Some)
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
                let value = if target.oid == oid::REGCLASS.oid {
                    self.regclass(&content)?
                } else {
                    (target.input)(&content, self.context.format)?
                };
                Ok(Expr::constant(value, target))
            }
            kind => Ok(Expr::new(ExprKind::Input(Box::new(Expr::new(kind, &text::TEXT))), target)),
        }
    }

    /// A relation's name as its oid.
    fn regclass(&self, content: &str) -> Result<Datum> {
        if content.bytes().all(|byte| byte.is_ascii_digit()) && !content.is_empty() {
            return (oid::OID.input)(content, self.context.format);
        }
        let mut parts = split_qualified(content);
        let (name, schema) = match (parts.pop(), parts.pop()) {
            (Some(name), schema) if parts.is_empty() => (name, schema),
            _ => bail!(INVALID_NAME, "invalid name syntax"),
        };
        let relation = self.context.catalog.expect(schema.as_deref(), &name, self.context.path)?;
        Ok(Datum::Integer(relation.oid.into()))
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
    for ty in types.filter(|ty| ty.oid != text::UNKNOWN.oid) {
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
    let Some(modifier) = target.typmod.filter(|_| typmod != NO_TYPMOD) else {
        return Ok(expr);
    };
    if expr.ty == target && expr.typmod == typmod && !matches!(expr.kind, ExprKind::Constant(_)) {
        return Ok(expr);
    }
    let explicit = purpose == Purpose::Explicit;
    let kind = match expr.kind {
        ExprKind::Constant(Datum::Null) => ExprKind::Constant(Datum::Null),
        ExprKind::Constant(value) => ExprKind::Constant((modifier.apply)(value.as_ref(), typmod, explicit)?),
        kind => {
            let arg = Box::new(Expr { kind, ty: expr.ty, typmod: expr.typmod });
            ExprKind::Typmod { arg, explicit }
        }
    };
    Ok(Expr { kind, ty: target, typmod })
}

/// The parts of a qualified name in a string, folded unless quoted.
fn split_qualified(content: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = content.trim();
    while !rest.is_empty() {
        let (part, tail) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or(quoted.len());
                (quoted[..end].to_owned(), quoted.get(end + 1..).unwrap_or(""))
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_lowercase(), &rest[end..])
            }
        };
        parts.push(part);
        rest = tail.strip_prefix('.').unwrap_or("");
    }
    parts
}

/// Whether a type is void or record, which no expression can be computed with.
pub(super) fn is_row_like(ty: &Type) -> bool {
    ty.oid == record::RECORD.oid
}
