//! What exists in a database: an immutable snapshot for the binder, and the system relations that
//! hold it (design: the catalog is tables).
//!
//! DDL is planned by `sql` as rows to insert, update and delete in the system relations
//! ([`CatalogChange`]) beside statements for SQLite. After such changes `storage` reads the relations
//! and [`load`] builds a new snapshot; nothing else makes one.

mod change;
mod load;
pub mod naming;
mod relation;
pub mod system;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use change::{CatalogChange, Field, oid};
pub use load::{Rows, load};
pub use relation::{
    Action, Check, Column, ForeignKey, Identity, Index, IndexKey, KeyOf, Relation, RelationKind, Sequence,
};

use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::oid::FIRST_USER_OID;
use crate::types::{Oid, Type};

/// The oid of schema pg_catalog.
pub const PG_CATALOG: Oid = 11;
/// The oid of schema public.
pub const PUBLIC: Oid = 2200;
/// The oid of schema information_schema.
pub const INFORMATION_SCHEMA: Oid = 13_206;
/// The oid of the bootstrap superuser.
pub const SUPERUSER: Oid = 10;

/// Everything the binder can know of one database at one moment.
#[derive(Debug)]
pub struct Catalog {
    /// Grows with every change; plans made for another version are made again.
    pub version: u64,
    /// The next oid that DDL may give.
    pub next_oid: Oid,
    schemas: BTreeMap<String, Oid>,
    relations: HashMap<Oid, Arc<Relation>>,
    names: HashMap<(Oid, String), Oid>,
    /// By referenced table: (referencing table, place in its foreign keys).
    references: HashMap<Oid, Vec<(Oid, usize)>>,
    /// Sequences by the table whose column owns them: (column number, sequence).
    owned: HashMap<Oid, Vec<(i16, Oid)>>,
    /// The users' types and their array types.
    types: HashMap<Oid, UserTypeEntry>,
    type_names: HashMap<(Oid, String), Oid>,
}

/// A type of the users' or its array type.
#[derive(Clone, Debug)]
pub struct UserTypeEntry {
    /// The type.
    pub ty: &'static Type,
    /// Its schema.
    pub schema: Oid,
}

/// The schemas in which unqualified names are looked up, in order; existing ones only.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SearchPath {
    schemas: Vec<Oid>,
    /// The first schema the setting names that exists, for creating.
    creation: Option<Oid>,
}

impl SearchPath {
    /// The schemas in the order of lookup; pg_catalog is first unless named elsewhere.
    pub fn schemas(&self) -> &[Oid] {
        &self.schemas
    }

    /// Where unqualified new objects go. 3F000 if no schema of the path exists.
    pub fn creation(&self) -> Result<Oid> {
        match self.creation {
            Some(schema) => Ok(schema),
            None => bail!(INVALID_SCHEMA_NAME, "no schema has been selected to create in"),
        }
    }
}

impl Catalog {
    /// The oid of a schema.
    pub fn schema(&self, name: &str) -> Option<Oid> {
        self.schemas.get(name).copied()
    }

    /// The oid of a schema, or 3F000.
    pub fn expect_schema(&self, name: &str) -> Result<Oid> {
        match self.schema(name) {
            Some(oid) => Ok(oid),
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{name}\" does not exist"),
        }
    }

    /// The name of a schema.
    pub fn schema_name(&self, oid: Oid) -> Option<&str> {
        self.schemas.iter().find(|(_, schema)| **schema == oid).map(|(name, _)| name.as_str())
    }

    /// All schemas by name.
    pub fn schemas(&self) -> impl Iterator<Item = (&str, Oid)> {
        self.schemas.iter().map(|(name, oid)| (name.as_str(), *oid))
    }

    /// Resolves the search_path setting for a user.
    pub fn search_path(&self, setting: &str, user: &str) -> SearchPath {
        let named: Vec<Oid> = naming::split_list(setting)
            .into_iter()
            .filter_map(|name| self.schema(if name == "$user" { user } else { &name }))
            .collect();
        let mut schemas = named.clone();
        if !schemas.contains(&PG_CATALOG) {
            schemas.insert(0, PG_CATALOG);
        }
        SearchPath { schemas, creation: named.first().copied() }
    }

    /// A catalog without anything of the users'.
    pub fn empty() -> Catalog {
        Catalog {
            version: 0,
            next_oid: FIRST_USER_OID,
            schemas: BTreeMap::from([("pg_catalog".to_owned(), PG_CATALOG), ("public".to_owned(), PUBLIC)]),
            relations: HashMap::new(),
            names: HashMap::new(),
            references: HashMap::new(),
            owned: HashMap::new(),
            types: HashMap::new(),
            type_names: HashMap::new(),
        }
    }

    /// The users' type, or array type, with an oid.
    pub fn user_type(&self, oid: Oid) -> Option<&'static Type> {
        self.types.get(&oid).map(|entry| entry.ty)
    }

    /// The schema of a users' type.
    pub fn type_schema(&self, oid: Oid) -> Option<Oid> {
        self.types.get(&oid).map(|entry| entry.schema)
    }

    /// All types of the users' with their array types, by oid.
    pub fn user_types(&self) -> Vec<&UserTypeEntry> {
        let mut all: Vec<&UserTypeEntry> = self.types.values().collect();
        all.sort_by_key(|entry| entry.ty.oid);
        all
    }

    /// The users' type with a name in a schema.
    pub fn type_in(&self, schema: Oid, name: &str) -> Option<&'static Type> {
        self.type_names.get(&(schema, name.to_owned())).and_then(|oid| self.user_type(*oid))
    }

    /// Looks a users' type up, in its schema if it is qualified, else along the search path.
    pub fn find_type(
        &self,
        schema: Option<&str>,
        name: &str,
        path: &SearchPath,
    ) -> Result<Option<&'static Type>> {
        if let Some(schema) = schema {
            return Ok(self.type_in(self.expect_schema(schema)?, name));
        }
        // pg_catalog comes first, unless the path names it elsewhere.
        for schema in path.schemas() {
            if *schema == PG_CATALOG && crate::types::by_name(name).is_some() {
                return Ok(None);
            }
            if let Some(found) = self.type_in(*schema, name) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A type's name as SQL text, qualified where the search path does not reach it.
    pub fn type_name(&self, ty: &'static Type, path: &SearchPath) -> String {
        let Some(entry) = self.types.get(&ty.oid) else { return ty.sql_name.to_owned() };
        let (base, suffix) = match ty.element() {
            Some(element) if element.is_of_users() && ty.array().is_none() => (element, "[]"),
            _ => (ty, ""),
        };
        let name = crate::functions::session::quoted_name(base.name);
        match self.find_type(None, base.name, path) {
            Ok(Some(found)) if found.oid == base.oid => format!("{name}{suffix}"),
            _ => {
                let schema = self.schema_name(entry.schema).unwrap_or_default();
                format!("{}.{name}{suffix}", crate::functions::session::quoted_name(schema))
            }
        }
    }

    /// The relation with an oid.
    pub fn relation(&self, oid: Oid) -> Option<&Arc<Relation>> {
        self.relations.get(&oid)
    }

    /// All relations of users, in no order.
    pub fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.relations.values()
    }

    /// The relation with a name in a schema.
    pub fn relation_in(&self, schema: Oid, name: &str) -> Option<&Arc<Relation>> {
        self.names.get(&(schema, name.to_owned())).and_then(|oid| self.relations.get(oid))
    }

    /// Looks a relation up, in its schema if it is qualified, else along the search path.
    pub fn find(&self, schema: Option<&str>, name: &str, path: &SearchPath) -> Result<Option<Arc<Relation>>> {
        match schema {
            Some(schema) => {
                let oid = self.expect_schema(schema)?;
                self.find_in(oid, name)
            }
            None => {
                for schema in path.schemas() {
                    if let Some(found) = self.find_in(*schema, name)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
        }
    }

    fn find_in(&self, schema: Oid, name: &str) -> Result<Option<Arc<Relation>>> {
        match schema {
            PG_CATALOG => system::relation(name),
            INFORMATION_SCHEMA => Err(Error::unsupported("information_schema")),
            _ => Ok(self.relation_in(schema, name).cloned()),
        }
    }

    /// Looks a relation up, or 42P01.
    pub fn expect(&self, schema: Option<&str>, name: &str, path: &SearchPath) -> Result<Arc<Relation>> {
        match self.find(schema, name, path) {
            Ok(Some(relation)) => Ok(relation),
            Ok(None) => Err(undefined_table(schema, name)),
            // PostgreSQL speaks of the relation when a query names a schema that does not exist.
            Err(error) if error.sqlstate() == state::INVALID_SCHEMA_NAME => {
                Err(undefined_table(schema, name))
            }
            Err(error) => Err(error),
        }
    }

    /// The foreign keys that reference a table.
    pub fn references_to(&self, table: Oid) -> impl Iterator<Item = (&Arc<Relation>, &ForeignKey)> {
        let pairs = self.references.get(&table).map_or(&[][..], Vec::as_slice);
        pairs.iter().filter_map(|(from, place)| {
            let relation = self.relations.get(from)?;
            Some((relation, &relation.foreign_keys[*place]))
        })
    }

    /// The sequences that columns of a table own: (column number, sequence).
    pub fn owned_sequences(&self, table: Oid) -> &[(i16, Oid)] {
        self.owned.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Whether the search path finds this very relation under its bare name.
    pub fn is_visible(&self, relation: &Relation, path: &SearchPath) -> bool {
        matches!(self.find(None, &relation.name, path), Ok(Some(found)) if found.oid == relation.oid)
    }

    /// A relation's name as SQL text, qualified where the search path does not reach it.
    pub fn display_name(&self, relation: &Relation, path: &SearchPath) -> String {
        let name = crate::functions::session::quoted_name(&relation.name);
        if self.is_visible(relation, path) {
            return name;
        }
        let schema = self.schema_name(relation.schema).unwrap_or_default();
        format!("{}.{name}", crate::functions::session::quoted_name(schema))
    }

    /// Every name SQLite uses for a table or index, in lower case: it does not tell cases apart.
    pub fn storage_names(&self) -> impl Iterator<Item = String> {
        self.relations.values().map(|relation| relation.storage_name.to_ascii_lowercase())
    }

    /// The relation that SQLite stores under a name.
    pub fn by_storage_name(&self, storage_name: &str) -> Option<&Arc<Relation>> {
        self.relations.values().find(|relation| relation.storage_name == storage_name)
    }
}

/// 42P01
pub fn undefined_table(schema: Option<&str>, name: &str) -> Error {
    let qualified = match schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.to_owned(),
    };
    Error::new(state::UNDEFINED_TABLE, format!("relation \"{qualified}\" does not exist"))
}
