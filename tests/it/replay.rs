//! The log is the truth: replayed into empty files it gives the same tables, row by row, as the node that
//! wrote it has.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use quorate::storage::{DataDirectory, Databases, Log, LogFile, LogPayload};
use quorate::telemetry::SystemRandom;
use rusqlite::types::Value;

use crate::process::Process;

/// Every table of a file with its rows, and the schema.
fn contents(path: &Path) -> BTreeMap<String, Vec<Vec<Value>>> {
    let file = rusqlite::Connection::open(path).unwrap();
    // The collations are the server's own; no order is asked for that would need them.
    let rows = |sql: &str| {
        let mut statement = file.prepare(sql).unwrap();
        let count = statement.column_count();
        let rows = statement.query_map([], |row| (0..count).map(|column| row.get(column)).collect()).unwrap();
        rows.map(Result::unwrap).collect::<Vec<Vec<Value>>>()
    };
    let tables = rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'quorate.meta'");
    let mut contents = BTreeMap::from([(
        "(schema)".to_owned(),
        rows("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"),
    )]);
    for table in tables {
        let [Value::Text(name)] = &table[..] else { panic!("a name") };
        let rowid = ["_rowid_", "rowid", "oid"]
            .iter()
            .find(|name_of| file.prepare(&format!("SELECT {name_of} FROM \"{name}\"")).is_ok());
        let order = rowid.map_or(String::new(), |rowid| format!(" ORDER BY {rowid}"));
        contents.insert(name.clone(), rows(&format!("SELECT * FROM \"{name}\"{order}")));
    }
    contents
}

/// All kinds of changes: rows, definitions, sequences, cascades, a large transaction, rolled back ones.
async fn change_everything(server: &Process) {
    let client = server.connect("postgres").await;
    let script = include_str!("replay.sql");
    for statement in script.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
        if let Err(error) = client.batch_execute(statement).await {
            assert!(statement.contains("-- fails"), "{statement}: {error}");
        }
    }
    let other = server.connect("second").await;
    other
        .batch_execute("CREATE TABLE t (a int); INSERT INTO t SELECT g FROM generate_series(1, 100) AS g")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_gives_the_same_tables() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut server = Process::start(&data, &["--log-mb", "1024"]);
    change_everything(&server).await;
    assert!(server.terminate().success());

    let log = LogFile::open(&data.join("log")).unwrap();
    let state = log.state();
    let last = state.last.expect("a log with entries").index;
    assert!(state.purged.is_none(), "the log must be whole for this test");
    let replayed = directory.path().join("replayed");
    let databases =
        Arc::new(Databases::open(DataDirectory::open(&replayed).unwrap(), Arc::new(SystemRandom)).unwrap());
    let mut applied = 0;
    for (log_id, payload) in log.read(0, last + 1).unwrap() {
        match payload {
            LogPayload::Normal(bytes) => {
                databases.apply(log_id, &bytes).await.unwrap();
                applied += 1;
            }
            _ => databases.apply_blank(log_id).await.unwrap(),
        }
    }
    databases.close().await.unwrap();
    drop(databases);
    assert!(applied > 20, "{applied} entries");

    let mut files = 0;
    for entry in std::fs::read_dir(data.join("databases")).unwrap() {
        let name = entry.unwrap().file_name();
        if !name.to_str().unwrap().ends_with(".db") {
            continue;
        }
        let (own, copy) = (
            contents(&data.join("databases").join(&name)),
            contents(&replayed.join("databases").join(&name)),
        );
        assert_eq!(own.keys().collect::<Vec<_>>(), copy.keys().collect::<Vec<_>>());
        for (table, rows) in &own {
            assert_eq!(rows, &copy[table], "table {table} of {name:?}");
        }
        files += 1;
    }
    // With the system file.
    assert_eq!(files, 3);
}
