//! CREATE INDEX.

use sqlparser::ast;

use super::sqlite::is_condition;
use super::table::check_indexable;
use super::{Definer, Step};
use crate::bail;
use crate::catalog::{Index, IndexKey, KeyOf, Relation};
use crate::error::{Error, Result, state};
use crate::sql::bind::{Clause, not_postgresql, sort_direction};

/// Operator classes that change how an index may be used here in nothing: text is ordered by bytes.
const OPERATOR_CLASSES: &[&str] = &[
    "text_ops",
    "text_pattern_ops",
    "varchar_ops",
    "varchar_pattern_ops",
    "bpchar_ops",
    "bpchar_pattern_ops",
    "int2_ops",
    "int4_ops",
    "int8_ops",
    "numeric_ops",
    "float4_ops",
    "float8_ops",
    "date_ops",
    "timestamp_ops",
    "timestamptz_ops",
    "uuid_ops",
    "bytea_ops",
    "bool_ops",
    "jsonb_ops",
    "interval_ops",
    "name_ops",
    "oid_ops",
    "char_ops",
    "time_ops",
];

impl Definer<'_> {
    pub(super) fn create_index(&mut self, create: &ast::CreateIndex) -> Result<&'static str> {
        check_create(create)?;
        let relation = self.user_table(&create.table_name)?;
        let mut keys = Vec::new();
        let mut labels: Vec<String> = Vec::new();
        for column in &create.columns {
            let (key, label) = self.index_key(&relation, column)?;
            keys.push(key);
            labels.push(unused_label(&labels, label));
        }
        let predicate =
            create.predicate.as_ref().map(|predicate| self.predicate(&relation, predicate)).transpose()?;
        let name = match &create.name {
            Some(name) => {
                let name = self.binder().object_name(name)?.name;
                if self.is_taken(relation.schema, &name) {
                    let message = format!("relation \"{name}\" already exists");
                    if !create.if_not_exists {
                        return Err(Error::new(state::DUPLICATE_TABLE, message));
                    }
                    self.notice_with_code(state::DUPLICATE_TABLE, format!("{message}, skipping"));
                    return Ok("CREATE INDEX");
                }
                name
            }
            None => self.choose_name(relation.schema, &relation.name, Some(&labels.join("_")), "idx"),
        };
        let oid = self.new_oid();
        let index = Index {
            oid,
            storage_name: self.storage_name(relation.schema, &name, oid),
            name,
            keys,
            predicate,
            is_unique: create.unique,
            is_primary: false,
            is_rowid: false,
            constraint: None,
        };
        self.check_index_duplicates(&relation, &index)?;
        self.store_index(&relation, &index)?;
        Ok("CREATE INDEX")
    }

    /// A key, and the word for it in a generated name.
    fn index_key(&self, relation: &Relation, column: &ast::IndexColumn) -> Result<(IndexKey, String)> {
        if let Some(class) = &column.operator_class {
            let name =
                class.0.last().and_then(|part| part.as_ident()).map_or("", |ident| ident.value.as_str());
            if !OPERATOR_CLASSES.contains(&name) {
                return Err(Error::unsupported(format!("operator class {class}")));
            }
        }
        let (descending, nulls_first) = sort_direction(&column.column)?;
        let expr = crate::sql::bind::without_parentheses(&column.column.expr);
        let (what, label) = match expr {
            ast::Expr::Identifier(ident) => {
                let name = self.binder().identifier(ident)?;
                let Some(found) = relation.column(&name) else {
                    bail!(UNDEFINED_COLUMN, "column \"{name}\" does not exist");
                };
                check_indexable(found.ty)?;
                (KeyOf::Column(found.number), name)
            }
            expr => {
                let text = expr.to_string();
                let (bound, _) = self.bound_expression(relation, &text, Clause::Index)?;
                check_indexable(Some(bound.ty))?;
                let label = match crate::sql::bind::column_name(expr) {
                    unnamed if unnamed == "?column?" => "expr".to_owned(),
                    name => name,
                };
                (KeyOf::Expression(text), label)
            }
        };
        Ok((IndexKey { what, descending, nulls_first }, label))
    }

    /// The condition of a partial index.
    fn predicate(&self, relation: &Relation, predicate: &ast::Expr) -> Result<String> {
        let text = predicate.to_string();
        let (bound, _) = self.bound_expression(relation, &text, Clause::Index)?;
        if !is_condition(&bound) {
            bail!(
                DATATYPE_MISMATCH,
                "argument of WHERE must be type boolean, not type {}",
                bound.ty.sql_name
            );
        }
        Ok(text)
    }

    /// Rows that a new unique index would refuse are found before SQLite does, for PostgreSQL's error.
    pub(super) fn check_index_duplicates(&mut self, relation: &Relation, index: &Index) -> Result<()> {
        if !index.is_unique || !index.is_plain() {
            return Ok(());
        }
        let columns: Vec<&crate::catalog::Column> =
            index.columns().into_iter().filter_map(|number| relation.column_numbered(number)).collect();
        let quoted = |column: &&crate::catalog::Column| crate::sql::lower::quoted(&column.storage_name);
        let list = columns.iter().map(quoted).collect::<Vec<_>>().join(", ");
        let not_null =
            columns.iter().map(|column| format!("{} IS NOT NULL", quoted(column))).collect::<Vec<_>>();
        let table = crate::sql::lower::quoted(&relation.storage_name);
        let sql = format!(
            "SELECT {list} FROM {table} WHERE {} GROUP BY {list} HAVING count(*) > 1 LIMIT 1",
            not_null.join(" AND ")
        );
        let names = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let schema = self.catalog().schema_name(relation.schema).unwrap_or_default().to_owned();
        let otherwise =
            Error::new(state::UNIQUE_VIOLATION, format!("could not create unique index \"{}\"", index.name))
                .with_detail(format!("Key ({names})=({{}}) is duplicated."))
                .about_table(schema, relation.name.as_str())
                .about_constraint(index.name.as_str());
        let query = crate::sql::plan::SqliteStatement { sql: sql.into(), bindings: Vec::new() };
        let types = columns.iter().filter_map(|column| column.ty).collect();
        self.steps.push(Step::Expect { query, otherwise, types });
        Ok(())
    }
}

/// A label that the others do not have: PostgreSQL numbers the repeated ones.
fn unused_label(labels: &[String], label: String) -> String {
    if !labels.contains(&label) {
        return label;
    }
    (1..).map(|number| format!("{label}{number}")).find(|other| !labels.contains(other)).unwrap_or(label)
}

fn check_create(create: &ast::CreateIndex) -> Result<()> {
    match &create.using {
        None | Some(ast::IndexType::BTree | ast::IndexType::Hash) => {}
        Some(method) => return Err(Error::unsupported(format!("access method {method}"))),
    }
    if !create.include.is_empty() {
        return Err(Error::unsupported("INCLUDE"));
    }
    if create.nulls_distinct == Some(false) {
        return Err(Error::unsupported("NULLS NOT DISTINCT"));
    }
    let foreign = create.r#async || !create.index_options.is_empty() || !create.alter_options.is_empty();
    if foreign {
        return Err(not_postgresql("this clause of CREATE INDEX"));
    }
    // WITH (fillfactor = …) and CONCURRENTLY change no result.
    Ok(())
}
