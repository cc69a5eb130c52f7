//! Literals.

use sqlparser::ast;

use crate::bail;
use crate::error::{Error, Result};
use crate::sql::tree::{Expr, ExprKind};
use crate::types::numeric::{NUMERIC, Numeric};
use crate::types::{Datum, boolean, integer, text};

use super::{Binder, not_postgresql};

/// The most parameters a statement can have: their number is 16 bits wide in Bind.
const PARAMETERS_MAX: usize = 65_535;

impl Binder<'_> {
    pub(super) fn value(&mut self, value: &ast::ValueWithSpan) -> Result<Expr> {
        use ast::Value as V;
        match &value.value {
            V::Number(digits, _) => number(digits),
            V::SingleQuotedString(content)
            | V::EscapedStringLiteral(content)
            | V::UnicodeStringLiteral(content) => string(content),
            V::DollarQuotedString(quoted) => string(&quoted.value),
            V::NationalStringLiteral(content) => string(content),
            V::Boolean(value) => Ok(Expr::constant(Datum::bool(*value), &boolean::BOOL)),
            V::Null => Ok(Expr::constant(Datum::Null, &text::UNKNOWN)),
            V::Placeholder(name) => self.placeholder(name).map_err(|error| self.at(error, value.span)),
            V::SingleQuotedByteStringLiteral(_) | V::HexStringLiteral(_) => {
                Err(Error::unsupported("bit strings"))
            }
            _ => Err(not_postgresql("this literal")),
        }
    }

    fn placeholder(&mut self, name: &str) -> Result<Expr> {
        let number: usize = match name.strip_prefix('$').and_then(|digits| digits.parse().ok()) {
            Some(number) if (1..=PARAMETERS_MAX).contains(&number) => number,
            Some(_) => bail!(UNDEFINED_PARAMETER, "there is no parameter {name}"),
            None => return Err(not_postgresql("this placeholder")),
        };
        if self.parameters.len() < number {
            if !self.infers_parameters {
                bail!(UNDEFINED_PARAMETER, "there is no parameter {name}");
            }
            self.parameters.resize(number, None);
        }
        let ty = self.parameters[number - 1].unwrap_or(&text::UNKNOWN);
        Ok(Expr::new(ExprKind::Parameter(number - 1), ty))
    }
}

fn string(content: &str) -> Result<Expr> {
    text::refuse_nul(content)?;
    Ok(Expr::constant(Datum::text(content), &text::UNKNOWN))
}

/// An integer of the smallest type of int4 and int8 that holds it, or a numeric.
pub(super) fn number(digits: &str) -> Result<Expr> {
    if let Ok(value) = digits.parse::<i64>() {
        let ty = if i32::try_from(value).is_ok() { &integer::INT4 } else { &integer::INT8 };
        return Ok(Expr::constant(Datum::Integer(value), ty));
    }
    Ok(Expr::constant(Numeric::parse(digits)?.to_datum(), &NUMERIC))
}
