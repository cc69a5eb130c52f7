//! The users' own types: enums and domains.
//!
//! A type is needed wherever a value is, so it lives as long as the process. Equal definitions are one
//! type: reading the catalog again makes nothing new.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::{Category, Datum, DatumRef, Oid, Shape, Storage, Type, array};
use crate::bail;
use crate::error::Result;

/// One label of an enum.
#[derive(Clone, PartialEq, Debug)]
pub struct Label {
    /// pg_enum.oid
    pub oid: Oid,
    /// pg_enum.enumsortorder, which is also the stored form of its values.
    pub order: f64,
    /// pg_enum.enumlabel
    pub name: String,
}

/// An enum's labels, in their order.
#[derive(Clone, PartialEq, Debug)]
pub struct Enum {
    /// The labels.
    pub labels: Vec<Label>,
}

impl Enum {
    /// A label's stored form. 22P02 if there is no such label.
    pub(super) fn input(&self, ty: &Type, text: &str) -> Result<Datum> {
        match self.labels.iter().find(|label| label.name == text) {
            Some(label) => Ok(Datum::Real(label.order)),
            None => {
                bail!(INVALID_TEXT_REPRESENTATION, "invalid input value for enum {}: \"{text}\"", ty.sql_name)
            }
        }
    }

    /// The label of a stored value.
    pub fn label(&self, value: DatumRef<'_>) -> &str {
        let order = value.real();
        self.labels.iter().find(|label| label.order == order).map_or("???", |label| label.name.as_str())
    }
}

/// A condition of a domain.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Condition {
    /// pg_constraint.oid
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// As SQL text, about VALUE.
    pub expression: String,
}

/// What a domain is made of.
#[derive(Clone, PartialEq, Debug)]
pub struct Domain {
    /// The type under it, which may be a domain.
    pub base: &'static Type,
    /// The modifier of that type.
    pub typmod: i32,
    /// NOT NULL
    pub not_null: bool,
    /// The default, as SQL text.
    pub default: Option<String>,
    /// The conditions, in the order of their names.
    pub conditions: Vec<Condition>,
}

impl Domain {
    /// Whether anything can refuse a value.
    pub fn has_conditions(&self) -> bool {
        self.not_null
            || !self.conditions.is_empty()
            || matches!(self.base.shape, Shape::Domain(domain) if domain.has_conditions())
    }
}

/// What a user's type is.
#[derive(Clone, PartialEq, Debug)]
pub enum Definition {
    /// An enum.
    Enum(Enum),
    /// A domain.
    Domain(Domain),
}

/// A user's type as the catalog knows it.
#[derive(Clone, PartialEq, Debug)]
pub struct UserType {
    /// pg_type.oid
    pub oid: Oid,
    /// pg_type.typarray
    pub array_oid: Oid,
    /// pg_type.typname
    pub name: String,
    /// pg_type.typname of its array type.
    pub array_name: String,
    /// Its schema.
    pub schema: Oid,
    /// What it is.
    pub definition: Definition,
}

/// A type made once, with its array type.
struct Interned {
    definition: UserType,
    ty: &'static Type,
    array: &'static Type,
}

static INTERNED: LazyLock<Mutex<HashMap<Oid, Vec<Interned>>>> = LazyLock::new(Mutex::default);

fn leaked(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// The type of a definition and its array type.
pub fn intern(definition: &UserType) -> (&'static Type, &'static Type) {
    let mut interned = INTERNED.lock().unwrap_or_else(PoisonError::into_inner);
    let of_oid = interned.entry(definition.oid).or_default();
    if let Some(found) = of_oid.iter().find(|other| other.definition == *definition) {
        return (found.ty, found.array);
    }
    let ty: &'static Type = Box::leak(Box::new(new_type(definition)));
    let array_name = leaked(&definition.array_name);
    let array: &'static Type =
        Box::leak(Box::new(array::of(ty, array_name, leaked(&format!("{}[]", ty.sql_name)))));
    of_oid.push(Interned { definition: definition.clone(), ty, array });
    (ty, array)
}

/// The array type of an interned type.
pub(super) fn array_of(ty: &Type) -> Option<&'static Type> {
    let interned = INTERNED.lock().unwrap_or_else(PoisonError::into_inner);
    let of_oid = interned.get(&ty.oid)?;
    of_oid.iter().find(|other| std::ptr::eq(other.ty, ty)).map(|found| found.array)
}

/// What an interned type was made of.
pub fn definition_of(ty: &Type) -> Option<UserType> {
    let interned = INTERNED.lock().unwrap_or_else(PoisonError::into_inner);
    let of_oid = interned.get(&ty.oid)?;
    of_oid.iter().find(|other| std::ptr::eq(other.ty, ty)).map(|found| found.definition.clone())
}

fn new_type(definition: &UserType) -> Type {
    let name = leaked(&definition.name);
    match &definition.definition {
        Definition::Enum(labels) => {
            let labels: &'static Enum = Box::leak(Box::new(labels.clone()));
            Type {
                oid: definition.oid,
                name,
                sql_name: name,
                array_oid: definition.array_oid,
                length: 4,
                category: Category::Enum,
                storage: Storage::Real,
                collation: None,
                comparable: true,
                shape: Shape::Enum(labels),
                ..super::record::ANYENUM
            }
        }
        Definition::Domain(domain) => {
            let domain: &'static Domain = Box::leak(Box::new(domain.clone()));
            let base = domain.base;
            Type {
                oid: definition.oid,
                name,
                sql_name: name,
                array_oid: definition.array_oid,
                length: base.length,
                category: base.category,
                preferred: false,
                storage: base.storage,
                collation: base.collation,
                comparable: base.comparable,
                input: base.input,
                output: base.output,
                receive: base.receive,
                send: base.send,
                typmod: None,
                shape: Shape::Domain(domain),
            }
        }
    }
}
