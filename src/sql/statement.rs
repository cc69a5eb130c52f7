//! Statements as the parser gives them to the session: what sqlparser's tree says, or our own for the
//! commands that sqlparser lacks or whose meaning belongs to the session.

use sqlparser::ast;
pub use sqlparser::ast::{DataType, Expr};

use crate::error::Error;

/// One statement of a text.
#[derive(Debug)]
pub enum Statement {
    /// SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE: bound against the catalog.
    Plannable(Box<ast::Statement>, Option<Overriding>),
    /// DDL in sqlparser's tree.
    Definition(Box<ast::Statement>),
    /// CREATE SEQUENCE.
    CreateSequence(CreateSequence),
    /// DROP SEQUENCE.
    DropSequence {
        /// IF EXISTS
        if_exists: bool,
        /// The sequences.
        names: Vec<Name>,
        /// CASCADE
        cascade: bool,
    },
    /// CREATE, ALTER and DROP of enums and domains.
    Type(TypeStatement),
    /// BEGIN, START TRANSACTION.
    Begin(TransactionModes),
    /// COMMIT, END.
    Commit {
        /// AND CHAIN
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN
        chain: bool,
    },
    /// SAVEPOINT.
    Savepoint(String),
    /// RELEASE [SAVEPOINT].
    Release(String),
    /// ROLLBACK TO [SAVEPOINT].
    RollbackTo(String),
    /// SET TRANSACTION, SET SESSION CHARACTERISTICS AS TRANSACTION.
    SetTransaction {
        /// For the session's next transactions.
        session: bool,
        /// What to set.
        modes: TransactionModes,
    },
    /// SET name.
    Set {
        /// The setting.
        name: String,
        /// `None` for DEFAULT.
        value: Option<String>,
        /// SET LOCAL
        local: bool,
    },
    /// SET CONSTRAINTS.
    SetConstraints,
    /// RESET name, RESET ALL.
    Reset(Option<String>),
    /// SHOW name, SHOW ALL.
    Show(Option<String>),
    /// DISCARD.
    Discard(Discard),
    /// PREPARE name (types) AS statement.
    Prepare {
        /// Its name.
        name: String,
        /// The declared types of its first parameters.
        types: Vec<DataType>,
        /// What it prepares, and its text.
        statement: Box<Parsed>,
    },
    /// EXECUTE name (values).
    Execute {
        /// Its name.
        name: String,
        /// The parameters' values.
        arguments: Vec<Expr>,
    },
    /// DEALLOCATE name, DEALLOCATE ALL.
    Deallocate(Option<String>),
    /// COPY.
    Copy(Copy),
    /// CREATE DATABASE.
    CreateDatabase {
        /// Its name.
        name: String,
    },
    /// DROP DATABASE.
    DropDatabase {
        /// Its name.
        name: String,
        /// IF EXISTS
        if_exists: bool,
        /// WITH (FORCE)
        force: bool,
    },
    /// EXPLAIN.
    Explain(Box<Statement>),
    /// VACUUM, with or without ANALYZE.
    Vacuum {
        /// Whether statistics are wanted.
        analyze: bool,
        /// The tables, all if empty.
        tables: Vec<Name>,
    },
    /// ANALYZE.
    Analyze {
        /// The tables, all if empty.
        tables: Vec<Name>,
    },
    /// CHECKPOINT.
    Checkpoint,
    /// LOCK TABLE.
    Lock {
        /// The tables.
        tables: Vec<Name>,
    },
    /// UNLISTEN, CLOSE ALL and other commands that end what no session can have.
    Nothing {
        /// The command tag.
        tag: &'static str,
    },
    /// A command that PostgreSQL has and we lack, refused when it is executed.
    Refused(Error),
}

/// A statement and where it came from.
#[derive(Debug)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// The whole text, which error positions count in.
    pub source: std::sync::Arc<str>,
    /// The statement's bytes in it, from the first token to the last.
    pub range: std::ops::Range<usize>,
    /// Its bounds.
    pub extent: super::lexical::Extent,
}

impl Parsed {
    /// The statement's own text.
    pub fn text(&self) -> &str {
        &self.source[self.range.clone()]
    }
}

/// Deep trees are dropped with enough stack.
impl Drop for Parsed {
    fn drop(&mut self) {
        let statement = std::mem::replace(&mut self.statement, Statement::Checkpoint);
        super::with_stack(self.extent, move || drop(statement));
    }
}

/// A statement about an enum or a domain.
#[derive(Debug)]
pub enum TypeStatement {
    /// CREATE TYPE name AS ENUM (labels)
    CreateEnum {
        /// Its name.
        name: Name,
        /// Its labels in order.
        labels: Vec<String>,
    },
    /// ALTER TYPE
    AlterEnum {
        /// Its name.
        name: Name,
        /// What changes.
        action: AlterEnum,
    },
    /// CREATE DOMAIN
    CreateDomain(CreateDomain),
    /// ALTER DOMAIN
    AlterDomain {
        /// Its name.
        name: Name,
        /// What changes.
        action: AlterDomain,
    },
    /// DROP TYPE, DROP DOMAIN
    Drop {
        /// The types.
        names: Vec<Name>,
        /// IF EXISTS
        if_exists: bool,
        /// CASCADE
        cascade: bool,
        /// Whether DROP DOMAIN.
        is_domain: bool,
    },
}

/// What ALTER TYPE changes.
#[derive(Debug)]
pub enum AlterEnum {
    /// ADD VALUE
    AddValue {
        /// The new label.
        label: String,
        /// IF NOT EXISTS
        if_not_exists: bool,
        /// Where; at the end if not given.
        place: Option<LabelPlace>,
    },
    /// RENAME VALUE
    RenameValue {
        /// The label.
        from: String,
        /// Its new name.
        to: String,
    },
    /// RENAME TO
    Rename(String),
}

/// Where a new label goes.
#[derive(Debug)]
pub enum LabelPlace {
    /// BEFORE
    Before(String),
    /// AFTER
    After(String),
}

/// CREATE DOMAIN.
#[derive(Debug)]
pub struct CreateDomain {
    /// Its name.
    pub name: Name,
    /// The type under it.
    pub data_type: DataType,
    /// What it asks of values.
    pub constraints: Vec<DomainConstraint>,
}

/// A part of CREATE DOMAIN.
#[derive(Debug)]
pub enum DomainConstraint {
    /// NOT NULL, NULL
    NotNull(bool),
    /// DEFAULT, as SQL text
    Default(String),
    /// CHECK
    Check {
        /// Its name, if given.
        name: Option<String>,
        /// About VALUE, as SQL text.
        expression: String,
    },
}

/// What ALTER DOMAIN changes.
#[derive(Debug)]
pub enum AlterDomain {
    /// SET DEFAULT, DROP DEFAULT
    SetDefault(Option<String>),
    /// SET NOT NULL, DROP NOT NULL
    SetNotNull(bool),
    /// ADD CONSTRAINT
    AddCheck {
        /// Its name, if given.
        name: Option<String>,
        /// About VALUE, as SQL text.
        expression: String,
        /// NOT VALID
        not_valid: bool,
    },
    /// DROP CONSTRAINT
    DropConstraint {
        /// Its name.
        name: String,
        /// IF EXISTS
        if_exists: bool,
    },
    /// RENAME CONSTRAINT
    RenameConstraint {
        /// Its name.
        from: String,
        /// Its new name.
        to: String,
    },
    /// RENAME TO
    Rename(String),
}

/// OVERRIDING in INSERT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overriding {
    /// OVERRIDING SYSTEM VALUE: the values given are used, even for GENERATED ALWAYS.
    System,
    /// OVERRIDING USER VALUE: identity columns take their sequence's values.
    User,
}

/// A possibly qualified name, folded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// The schema, if one is named.
    pub schema: Option<String>,
    /// The object.
    pub name: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A transaction's isolation level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// Behaves as READ COMMITTED, as in PostgreSQL.
    ReadUncommitted,
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// All statements see what was committed before the first.
    RepeatableRead,
    /// And the transactions have an order.
    Serializable,
}

impl Isolation {
    /// The value of transaction_isolation.
    pub fn name(self) -> &'static str {
        match self {
            Isolation::ReadUncommitted => "read uncommitted",
            Isolation::ReadCommitted => "read committed",
            Isolation::RepeatableRead => "repeatable read",
            Isolation::Serializable => "serializable",
        }
    }

    /// From the value of transaction_isolation.
    pub fn named(name: &str) -> Option<Isolation> {
        use Isolation::{ReadCommitted, ReadUncommitted, RepeatableRead, Serializable};
        [ReadUncommitted, ReadCommitted, RepeatableRead, Serializable]
            .into_iter()
            .find(|level| level.name() == name)
    }
}

/// What BEGIN and SET TRANSACTION ask for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TransactionModes {
    /// ISOLATION LEVEL
    pub isolation: Option<Isolation>,
    /// READ ONLY, READ WRITE
    pub read_only: Option<bool>,
    /// [NOT] DEFERRABLE
    pub deferrable: Option<bool>,
}

/// What DISCARD discards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discard {
    /// Everything the session has.
    All,
    /// Cached plans.
    Plans,
    /// What currval and lastval remember.
    Sequences,
    /// Temporary tables, of which there are none.
    Temp,
}

/// CREATE SEQUENCE.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateSequence {
    /// Its name.
    pub name: Name,
    /// IF NOT EXISTS
    pub if_not_exists: bool,
    /// Its options.
    pub options: SequenceOptions,
}

/// The options of a sequence, as far as given.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SequenceOptions {
    /// AS type: smallint, integer or bigint, by its pg_type name.
    pub type_name: Option<String>,
    /// INCREMENT BY
    pub increment: Option<i64>,
    /// MINVALUE; `Some(None)` for NO MINVALUE.
    pub minimum: Option<Option<i64>>,
    /// MAXVALUE; `Some(None)` for NO MAXVALUE.
    pub maximum: Option<Option<i64>>,
    /// START WITH
    pub start: Option<i64>,
    /// CYCLE
    pub cycles: Option<bool>,
    /// OWNED BY table.column; `Some(None)` for NONE.
    pub owned_by: Option<Option<(Name, String)>>,
    /// SEQUENCE NAME, in identity columns.
    pub name: Option<Name>,
}

/// COPY.
#[derive(Debug)]
pub struct Copy {
    /// What is copied.
    pub relation: CopyRelation,
    /// To the server or from it.
    pub direction: CopyDirection,
    /// How.
    pub options: CopyOptions,
}

/// What COPY copies.
#[derive(Debug)]
pub enum CopyRelation {
    /// A table's columns, all if none are named.
    Table(Name, Vec<String>),
    /// A query's rows.
    Query(Box<ast::Statement>),
}

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyDirection {
    /// FROM STDIN
    FromStdin,
    /// TO STDOUT
    ToStdout,
}

/// COPY's format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyFormat {
    /// Tab-separated, with backslash escapes.
    Text,
    /// Comma-separated.
    Csv,
}

/// COPY's options, with the format's defaults filled in.
#[derive(Clone, PartialEq, Debug)]
pub struct CopyOptions {
    /// FORMAT
    pub format: CopyFormat,
    /// DELIMITER
    pub delimiter: u8,
    /// NULL
    pub null: String,
    /// HEADER
    pub header: bool,
    /// HEADER MATCH: the header must be the columns' names.
    pub header_match: bool,
    /// QUOTE
    pub quote: u8,
    /// ESCAPE
    pub escape: u8,
    /// FORCE_QUOTE; `Some(empty)` for *.
    pub force_quote: Option<Vec<String>>,
    /// FORCE_NOT_NULL
    pub force_not_null: Vec<String>,
    /// FORCE_NULL
    pub force_null: Vec<String>,
}
