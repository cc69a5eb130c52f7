//! Finds the objects that values of the reg* types name, in one catalog and along one search path.

use std::sync::Arc;

use super::environment::split_name;
use crate::bail;
use crate::catalog::{Catalog, SearchPath};
use crate::error::{Error, Result, state};
use crate::functions;
use crate::functions::session::quoted_name;
use crate::types::oid::ObjectKind;
use crate::types::{ObjectNames, Oid, Type, by_oid};

/// See the module's description.
pub(super) struct CatalogNames {
    pub(super) catalog: Arc<Catalog>,
    pub(super) path: SearchPath,
}

impl ObjectNames for CatalogNames {
    fn oid_of(&self, kind: ObjectKind, name: &str) -> Result<Oid> {
        match kind {
            ObjectKind::Relation => self.relation(name),
            ObjectKind::Type => crate::sql::type_named(name, &self.catalog, &self.path).map(|(ty, _)| ty.oid),
            ObjectKind::Function => function(name),
            ObjectKind::Signature => self.signature(name),
            ObjectKind::Operator => operator(name),
            ObjectKind::Schema => {
                let parts = split_name(name)?;
                let [schema] = parts.as_slice() else { bail!(INVALID_NAME, "invalid name syntax") };
                self.catalog.expect_schema(schema)
            }
            ObjectKind::Role => {
                let parts = split_name(name)?;
                match parts.as_slice() {
                    [role] if role == "postgres" => Ok(crate::catalog::SUPERUSER),
                    [role] => bail!(UNDEFINED_OBJECT, "role \"{role}\" does not exist"),
                    _ => bail!(INVALID_NAME, "invalid name syntax"),
                }
            }
            ObjectKind::Collation => match name.trim_matches('"') {
                "default" => Ok(100),
                "C" => Ok(950),
                "POSIX" => Ok(951),
                other => {
                    bail!(UNDEFINED_OBJECT, "collation \"{other}\" for encoding \"UTF8\" does not exist")
                }
            },
            ObjectKind::OperatorSignature => Err(Error::unsupported("input of regoperator")),
        }
    }

    fn name_of(&self, kind: ObjectKind, oid: Oid) -> Option<String> {
        match kind {
            ObjectKind::Relation => {
                let relation =
                    self.catalog.relation(oid).cloned().or_else(|| crate::catalog::system::by_oid(oid))?;
                Some(self.catalog.display_name(&relation, &self.path))
            }
            ObjectKind::Type => {
                let ty = by_oid(oid).or_else(|| self.user_type(oid))?;
                Some(self.catalog.type_name(ty, &self.path))
            }
            ObjectKind::Function => functions::functions()
                .find(|function| function.oid == oid)
                .map(|function| quoted_name(function.name)),
            ObjectKind::Signature => {
                functions::functions().find(|function| function.oid == oid).map(|function| {
                    let args: Vec<&str> = function.args.iter().map(|ty| ty.sql_name).collect();
                    format!("{}({})", quoted_name(function.name), args.join(","))
                })
            }
            ObjectKind::Operator => functions::operators()
                .find(|operator| operator.oid == oid)
                .map(|operator| operator.name.to_owned()),
            ObjectKind::OperatorSignature => {
                functions::operators().find(|operator| operator.oid == oid).map(|operator| {
                    let args: Vec<&str> = operator.function.args.iter().map(|ty| ty.sql_name).collect();
                    match args.as_slice() {
                        [right] => format!("{}(NONE,{right})", operator.name),
                        args => format!("{}({})", operator.name, args.join(",")),
                    }
                })
            }
            ObjectKind::Schema => self.catalog.schema_name(oid).map(quoted_name),
            ObjectKind::Role => (oid == crate::catalog::SUPERUSER).then(|| "postgres".to_owned()),
            ObjectKind::Collation => match oid {
                100 => Some("\"default\"".to_owned()),
                950 => Some("\"C\"".to_owned()),
                951 => Some("\"POSIX\"".to_owned()),
                _ => None,
            },
        }
    }

    fn user_type(&self, oid: Oid) -> Option<&'static Type> {
        self.catalog.user_type(oid)
    }
}

impl CatalogNames {
    fn relation(&self, name: &str) -> Result<Oid> {
        let parts = split_name(name)?;
        let (schema, relation) = match &parts[..] {
            [relation] => (None, relation),
            [schema, relation] => (Some(schema.as_str()), relation),
            _ => bail!(SYNTAX_ERROR, "improper relation name (too many dotted names): {name}"),
        };
        self.catalog.expect(schema, relation, &self.path).map(|relation| relation.oid)
    }

    /// `name(type, type)`
    fn signature(&self, text: &str) -> Result<Oid> {
        let Some((name, rest)) = text.split_once('(') else {
            bail!(INVALID_TEXT_REPRESENTATION, "expected a left parenthesis")
        };
        let Some(list) = rest.trim_end().strip_suffix(')') else {
            bail!(INVALID_TEXT_REPRESENTATION, "expected a right parenthesis")
        };
        let types = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let types: Vec<Oid> = types
            .map(|name| crate::sql::type_named(name, &self.catalog, &self.path).map(|(ty, _)| ty.oid))
            .collect::<Result<_>>()?;
        let bare = split_name(name)?.pop().unwrap_or_default();
        let fits = |function: &&&functions::Function| {
            function.args.len() == types.len()
                && function.args.iter().zip(&types).all(|(ty, oid)| ty.oid == *oid)
        };
        match functions::named(&bare).iter().find(fits) {
            Some(function) => Ok(function.oid),
            None => Err(Error::new(state::UNDEFINED_FUNCTION, format!("function \"{text}\" does not exist"))),
        }
    }
}

fn function(name: &str) -> Result<Oid> {
    let bare = split_name(name)?.pop().unwrap_or_default();
    match functions::named(&bare) {
        [only] => Ok(only.oid),
        [] => Err(Error::new(state::UNDEFINED_FUNCTION, format!("function \"{name}\" does not exist"))),
        _ => bail!(AMBIGUOUS_FUNCTION, "more than one function named \"{name}\""),
    }
}

fn operator(name: &str) -> Result<Oid> {
    let bare = name.strip_prefix("pg_catalog.").unwrap_or(name);
    match functions::operators_named(bare) {
        [only] => Ok(only.oid),
        [] => Err(Error::new(state::UNDEFINED_FUNCTION, format!("operator does not exist: {name}"))),
        _ => bail!(AMBIGUOUS_FUNCTION, "more than one operator named {name}"),
    }
}
