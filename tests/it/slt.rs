//! SQL scripts in the form of sqllogictest: `tests/sql/*.slt`. Each runs in a database of its own, on our
//! server and on PostgreSQL. `UPDATE_SCRIPTS=1` writes PostgreSQL's answers into them, never ours.
//!
//! ```text
//! statement ok
//! CREATE TABLE t (a int)
//!
//! statement error 42P01 relation "u" does not exist
//! SELECT * FROM u
//!
//! query
//! SELECT a, b FROM t ORDER BY a
//! ----
//! 1|x
//! 2|NULL
//! ```
//!
//! `query sorted` compares the rows in any order.

use std::fmt::Write;
use std::path::Path;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::target::{Target, scripts};

/// One record of a script.
struct Record {
    line: usize,
    /// `statement` or `query`, and what follows it.
    head: String,
    sql: String,
    expected: Vec<String>,
}

/// A script: comments, and records.
enum Item {
    Comment(String),
    Record(Record),
}

fn parse(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with('#') {
            items.push(Item::Comment(line.to_owned()));
            continue;
        }
        let mut sql = Vec::new();
        let mut expected = Vec::new();
        let mut after = false;
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.trim().is_empty()) {
            match line {
                "----" => after = true,
                line if after => expected.push(line.to_owned()),
                line => sql.push(line),
            }
        }
        items.push(Item::Record(Record {
            line: number + 1,
            head: line.to_owned(),
            sql: sql.join("\n"),
            expected,
        }));
    }
    items
}

fn value(text: Option<&str>) -> String {
    match text {
        None => "NULL".into(),
        Some("") => "(empty)".into(),
        Some(text) => text.replace('\\', "\\\\").replace('\n', "\\n"),
    }
}

/// What a statement gives: a line a row, or `error SQLSTATE message`.
async fn answer(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    match client.simple_query(sql).await {
        Ok(messages) => Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    let values: Vec<String> = (0..row.len()).map(|column| value(row.get(column))).collect();
                    Some(values.join("|"))
                }
                _ => None,
            })
            .collect()),
        Err(error) => match error.as_db_error() {
            Some(error) => Err(format!("{} {}", error.code().code(), error.message())),
            None => panic!("the connection broke: {error}"),
        },
    }
}

/// Runs a script; gives what is wrong, and the script as it should be for this target.
async fn run(target: &Target, path: &Path) -> (Vec<String>, String) {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let database = format!("slt_{name}");
    target.fresh(&database).await;
    let client = target.connect(&database).await;
    let (mut wrong, mut script) = (Vec::new(), String::new());
    for item in parse(&std::fs::read_to_string(path).unwrap()) {
        let record = match item {
            Item::Comment(comment) => {
                writeln!(script, "{comment}").unwrap();
                continue;
            }
            Item::Record(record) => record,
        };
        let got = answer(&client, &record.sql).await;
        let (head, rows) = match &got {
            Ok(rows) if record.head.starts_with("query") => (record.head.clone(), rows.clone()),
            Ok(_) => ("statement ok".to_owned(), Vec::new()),
            Err(error) => (format!("statement error {error}"), Vec::new()),
        };
        let sorted = |rows: &[String]| {
            let mut rows = rows.to_vec();
            if head == "query sorted" {
                rows.sort();
            }
            rows
        };
        if head != record.head || sorted(&rows) != sorted(&record.expected) {
            wrong.push(format!(
                "{name}.slt:{}: {}\n  expected: {} {:?}\n  got:      {head} {rows:?}",
                record.line, record.sql, record.head, record.expected
            ));
        }
        write!(script, "{head}\n{}\n", record.sql).unwrap();
        if head.starts_with("query") {
            writeln!(script, "----").unwrap();
            sorted(&rows).iter().for_each(|row| writeln!(script, "{row}").unwrap());
        }
        script.push('\n');
    }
    (wrong, script)
}

pub async fn run_all(target: &Target) {
    let mut wrong = Vec::new();
    for path in scripts("sql", "slt") {
        let (found, script) = run(target, &path).await;
        if target.decides() {
            std::fs::write(&path, script).unwrap();
        } else {
            wrong.extend(found);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn scripts_pass() {
    run_all(&Target::quorate()).await;
}

#[tokio::test]
async fn scripts_pass_on_postgresql() {
    if let Some(target) = Target::postgres() {
        run_all(&target).await;
    }
}
