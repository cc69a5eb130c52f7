//! Relations and what belongs to them.

use crate::types::{Oid, Type};

/// pg_class.relkind, as far as it exists here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelationKind {
    /// `r`
    Table,
    /// `i`
    Index,
    /// `S`
    Sequence,
    /// A relation of pg_catalog whose rows are in a table of SQLite.
    SystemTable,
    /// A relation of pg_catalog whose rows are in the server's memory.
    SystemMemory,
}

impl RelationKind {
    /// The word in messages.
    pub fn noun(self) -> &'static str {
        match self {
            RelationKind::Table | RelationKind::SystemTable | RelationKind::SystemMemory => "table",
            RelationKind::Index => "index",
            RelationKind::Sequence => "sequence",
        }
    }

    /// Whether rows can be selected from it.
    pub fn has_rows(self) -> bool {
        !matches!(self, RelationKind::Index | RelationKind::Sequence)
    }

    /// Whether it belongs to pg_catalog.
    pub fn is_system(self) -> bool {
        matches!(self, RelationKind::SystemTable | RelationKind::SystemMemory)
    }
}

/// A table, index, sequence or system relation.
#[derive(Clone, Debug)]
pub struct Relation {
    /// pg_class.oid
    pub oid: Oid,
    /// Its schema's oid.
    pub schema: Oid,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// SQLite's name for it.
    pub storage_name: String,
    /// The columns, in order, without dropped ones.
    pub columns: Vec<Column>,
    /// The name under which SQLite reaches the row number: one of its three that no column uses.
    pub rowid: &'static str,
    /// The number of columns ever added, which the next one's number follows.
    pub column_count: i16,
    /// A table's indexes, by name.
    pub indexes: Vec<Index>,
    /// A table's CHECK constraints, by name.
    pub checks: Vec<Check>,
    /// A table's foreign keys, by name.
    pub foreign_keys: Vec<ForeignKey>,
    /// A sequence's definition.
    pub sequence: Option<Sequence>,
    /// An index's table, for messages.
    pub table: Option<Oid>,
}

impl Relation {
    /// The column with a name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column with a number.
    pub fn column_numbered(&self, number: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.number == number)
    }

    /// The place of a numbered column among the columns, which is SQLite's column number too.
    pub fn place_of(&self, number: i16) -> Option<usize> {
        self.columns.iter().position(|column| column.number == number)
    }

    /// The primary key's index.
    pub fn primary_key(&self) -> Option<&Index> {
        self.indexes.iter().find(|index| index.is_primary)
    }

    /// The column that is SQLite's rowid, if any: a primary key of one integer column.
    pub fn rowid_column(&self) -> Option<&Column> {
        let key = self.primary_key().filter(|key| key.is_rowid)?;
        self.column_numbered(*key.columns().first()?)
    }
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// pg_attribute.attnum
    pub number: i16,
    /// Its name.
    pub name: String,
    /// SQLite's name for it.
    pub storage_name: String,
    /// Its type; `None` for a system relation's column of a type that is not there yet.
    pub ty: Option<&'static Type>,
    /// Its type's modifier.
    pub typmod: i32,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// The default, as SQL text.
    pub default: Option<String>,
    /// Whether an identity column.
    pub identity: Option<Identity>,
}

/// pg_attribute.attidentity
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identity {
    /// `a`: values come from the sequence unless OVERRIDING SYSTEM VALUE.
    Always,
    /// `d`: values come from the sequence where none are given.
    ByDefault,
}

/// An index, or the index behind a primary key or unique constraint.
#[derive(Clone, Debug)]
pub struct Index {
    /// Its oid in pg_class.
    pub oid: Oid,
    /// Its name, which is the constraint's where there is one.
    pub name: String,
    /// SQLite's name for it. A rowid key has none of its own.
    pub storage_name: String,
    /// Its keys in order.
    pub keys: Vec<IndexKey>,
    /// The condition of a partial index, as SQL text.
    pub predicate: Option<String>,
    /// Whether it refuses equal keys.
    pub is_unique: bool,
    /// Whether it is the primary key.
    pub is_primary: bool,
    /// Whether it is SQLite's rowid and needs no index of its own.
    pub is_rowid: bool,
    /// The constraint's oid, for primary keys and unique constraints.
    pub constraint: Option<Oid>,
}

impl Index {
    /// The numbers of its columns, as far as its keys are columns.
    pub fn columns(&self) -> Vec<i16> {
        self.keys.iter().filter_map(IndexKey::column).collect()
    }

    /// Whether all its keys are columns and all rows are in it, so that it can infer conflicts by columns.
    pub fn is_plain(&self) -> bool {
        self.predicate.is_none() && self.keys.iter().all(|key| key.column().is_some())
    }
}

/// One key of an index.
#[derive(Clone, PartialEq, Debug)]
pub struct IndexKey {
    /// What is indexed.
    pub what: KeyOf,
    /// DESC
    pub descending: bool,
    /// NULLS FIRST
    pub nulls_first: bool,
}

impl IndexKey {
    /// The column's number, unless it is an expression.
    pub fn column(&self) -> Option<i16> {
        match self.what {
            KeyOf::Column(number) => Some(number),
            KeyOf::Expression(_) => None,
        }
    }
}

/// What an index key is computed from.
#[derive(Clone, PartialEq, Debug)]
pub enum KeyOf {
    /// A column, by its number.
    Column(i16),
    /// An expression, as SQL text.
    Expression(String),
}

/// A CHECK constraint.
#[derive(Clone, Debug)]
pub struct Check {
    /// pg_constraint.oid
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Its condition, as SQL text.
    pub condition: String,
}

/// What happens to referencing rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// `a`: refused at the end of the statement.
    NoAction,
    /// `r`: refused at once.
    Restrict,
    /// `c`: deleted or changed too.
    Cascade,
    /// `n`
    SetNull,
    /// `d`
    SetDefault,
}

impl Action {
    /// The letter in pg_constraint.
    pub fn letter(self) -> char {
        match self {
            Action::NoAction => 'a',
            Action::Restrict => 'r',
            Action::Cascade => 'c',
            Action::SetNull => 'n',
            Action::SetDefault => 'd',
        }
    }

    /// From the letter in pg_constraint.
    pub fn of_letter(letter: char) -> Option<Action> {
        Some(match letter {
            'a' => Action::NoAction,
            'r' => Action::Restrict,
            'c' => Action::Cascade,
            'n' => Action::SetNull,
            'd' => Action::SetDefault,
            _ => return None,
        })
    }
}

/// A foreign key.
#[derive(Clone, Debug)]
pub struct ForeignKey {
    /// pg_constraint.oid
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// The referencing columns' numbers.
    pub columns: Vec<i16>,
    /// The referenced table.
    pub referenced: Oid,
    /// The referenced columns' numbers, in the order of `columns`.
    pub referenced_columns: Vec<i16>,
    /// ON DELETE
    pub on_delete: Action,
    /// ON UPDATE
    pub on_update: Action,
    /// MATCH FULL
    pub match_full: bool,
}

/// A sequence's definition. Its value is the writer's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sequence {
    /// The type that bounds it.
    pub type_oid: Oid,
    /// The first value.
    pub start: i64,
    /// The difference of one value to the next.
    pub increment: i64,
    /// The least value.
    pub minimum: i64,
    /// The greatest value.
    pub maximum: i64,
    /// Whether it starts again at its end.
    pub cycles: bool,
}
