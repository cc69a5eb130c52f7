//! What statements may not do: a default-deny authorizer and limits on every connection.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::LazyLock;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use crate::functions;
use crate::types;

thread_local! {
    static SCHEMA_ACCESS: Cell<bool> = const { Cell::new(false) };
}

/// SQLite's own functions that lowered statements call.
const SQLITE_FUNCTIONS: &[&str] = &[
    "coalesce",
    "count",
    "cume_dist",
    "dense_rank",
    "first_value",
    "group_concat",
    "lag",
    "last_value",
    "lead",
    "max",
    "min",
    "nth_value",
    "ntile",
    "octet_length",
    "percent_rank",
    "rank",
    "row_number",
    "sum",
];

/// Ours that are in no registry: see `storage::functions`.
pub(super) const INTERNAL_FUNCTIONS: &[&str] = &[
    "limit_count",
    "offset_count",
    "only_row",
    "pack_rows",
    "required",
    "user_in",
    "user_out",
    "user_typmod",
    "zip_rows",
];

/// Called by SQLite itself while it changes a schema.
const SCHEMA_FUNCTIONS: &[&str] = &[
    "sqlite_rename_table",
    "sqlite_rename_column",
    "sqlite_rename_test",
    "sqlite_rename_quotefix",
    "sqlite_drop_column",
    "sqlite_drop_constraint",
    "sqlite_add_constraint",
    "sqlite_fail",
    "sqlite_find_constraint",
    "substr",
    "printf",
    "like",
    "length",
    "format",
    "instr",
    "quote",
    "raise",
    "glob",
];

static FUNCTIONS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut names: HashSet<String> =
        SQLITE_FUNCTIONS.iter().chain(INTERNAL_FUNCTIONS).map(|name| (*name).to_owned()).collect();
    for function in functions::callable() {
        names.insert(function.symbol());
        names.insert(format!("{}_sliding", function.symbol()));
        names.insert(format!("{}_distinct", function.symbol()));
    }
    for ty in types::ALL.iter().copied() {
        names.extend([
            functions::cast::input_symbol(ty),
            functions::cast::output_symbol(ty),
            functions::cast::typmod_symbol(ty),
        ]);
    }
    names
});

/// Lets changes of the schema through while `work` runs on this thread.
pub(super) fn with_schema_access<T>(work: impl FnOnce() -> T) -> T {
    let before = SCHEMA_ACCESS.replace(true);
    let result = work();
    SCHEMA_ACCESS.set(before);
    result
}

fn allow(condition: bool) -> Authorization {
    if condition { Authorization::Allow } else { Authorization::Deny }
}

fn authorize(context: AuthContext<'_>) -> Authorization {
    use AuthAction as A;
    let schema_access = SCHEMA_ACCESS.get();
    match context.action {
        A::Select | A::Read { .. } | A::Recursive | A::Transaction { .. } | A::Savepoint { .. } => {
            Authorization::Allow
        }
        A::Insert { table_name } | A::Update { table_name, .. } | A::Delete { table_name } => {
            allow(schema_access || !table_name.starts_with("sqlite_"))
        }
        A::Function { function_name } => {
            let of_schema = || SCHEMA_FUNCTIONS.iter().any(|name| name.eq_ignore_ascii_case(function_name));
            allow(FUNCTIONS.contains(function_name) || (schema_access && of_schema()))
        }
        A::CreateTable { .. }
        | A::CreateIndex { .. }
        | A::DropTable { .. }
        | A::DropIndex { .. }
        | A::AlterTable { .. }
        | A::Reindex { .. }
        | A::Analyze { .. } => allow(schema_access),
        // ALTER TABLE looks whether the existing rows fit.
        A::Pragma { pragma_name: "quick_check", .. } => allow(schema_access),
        _ => Authorization::Deny,
    }
}

/// Puts the authorizer on a connection. From here on PRAGMA, ATTACH and their like are refused.
pub(super) fn install(connection: &mut rusqlite::Connection) -> rusqlite::Result<()> {
    connection.authorizer(Some(authorize))
}

/// Bounds what a statement may cost to parse and hold.
pub(super) fn set_limits(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        // PostgreSQL's own limit for a value is 1 GB; SQLite's largest is a little less.
        (Limit::SQLITE_LIMIT_LENGTH, 1_000_000_000),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 512 << 20),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
    ] {
        connection.set_limit(limit, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sqlite::{Access, Connection};
    use super::super::{Failure, ViolationKind};

    fn connection() -> (tempfile::TempDir, Connection) {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(&directory.path().join("t.db"), Access::Writer).unwrap();
        (directory, connection)
    }

    #[test]
    fn what_could_harm_is_refused() {
        let (directory, mut connection) = connection();
        let path = directory.path().join("other.db");
        for sql in [
            format!("ATTACH '{}' AS other", path.display()),
            format!("VACUUM INTO '{}'", path.display()),
            "PRAGMA hard_heap_limit = 1".to_owned(),
            "PRAGMA writable_schema = ON".to_owned(),
            "PRAGMA journal_mode = DELETE".to_owned(),
            "SELECT load_extension('x')".to_owned(),
            "SELECT fts3_tokenizer('x')".to_owned(),
            "SELECT readfile('/etc/passwd')".to_owned(),
            "CREATE TABLE t (a)".to_owned(),
            "CREATE VIRTUAL TABLE v USING fts5(a)".to_owned(),
            "CREATE TEMP TABLE t (a)".to_owned(),
            "DELETE FROM sqlite_schema".to_owned(),
            "SELECT \"not a column\"".to_owned(),
        ] {
            assert!(connection.execute(&sql).is_err(), "{sql}");
        }
        assert!(!path.exists());
        connection.execute_schema("CREATE TABLE t (a INTEGER NOT NULL) STRICT").unwrap();
        match connection.execute("INSERT INTO t VALUES (NULL)") {
            Err(Failure::Violation(violation)) => {
                assert_eq!((violation.kind, violation.what.as_str()), (ViolationKind::NotNull, "t.a"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_change_of_a_schema_that_definitions_need_works() {
        let (_directory, mut connection) = connection();
        for sql in [
            "CREATE TABLE \"t\" (\"id\" INTEGER PRIMARY KEY, \"a\" TEXT COLLATE \"numeric\" NOT NULL, \"b\" ANY) STRICT",
            "INSERT INTO t VALUES (1, '10', 2.5), (2, '9.5', 'NaN')",
            "ALTER TABLE \"t\" ADD COLUMN \"c\" INTEGER",
            "ALTER TABLE \"t\" RENAME COLUMN \"c\" TO \"d\"",
            "ALTER TABLE \"t\" ADD CONSTRAINT \"positive\" CHECK ((\"id\" > 0))",
            "ALTER TABLE \"t\" ALTER COLUMN \"b\" SET NOT NULL",
            "ALTER TABLE \"t\" ALTER COLUMN \"b\" DROP NOT NULL",
            "ALTER TABLE \"t\" DROP CONSTRAINT \"positive\"",
            "CREATE UNIQUE INDEX \"i\" ON \"t\" (\"a\") WHERE (\"id\" > 0)",
            "ALTER TABLE \"t\" RENAME TO \"u\"",
            "DROP INDEX \"i\"",
            "ALTER TABLE \"u\" DROP COLUMN \"d\"",
            "DELETE FROM \"u\"",
            "DROP TABLE \"u\"",
        ] {
            if let Err(failure) = connection.execute_schema(sql) {
                panic!("{sql}: {failure:?}");
            }
        }
    }
}
