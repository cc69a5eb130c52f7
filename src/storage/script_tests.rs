//! Golden scripts for the writer, the log and apply: `src/storage/scripts`. Two nodes, `a` and `b`, share
//! a log that the script fills and delivers by hand.
//!
//! `UPDATE_GOLDENFILES=1 cargo test script_tests` writes what happens into the scripts; read it before
//! committing it.

use std::error::Error as StdError;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use goldenscript::{Command, Context, Runner};
use tokio::sync::oneshot;

use super::entry::{Entry, decode};
use super::functions::Nowhere;
use super::writer::Statement;
use super::*;
use crate::error::Error;
use crate::telemetry::SystemRandom;
use crate::types::{Datum, DatumRef, RowSink};

type Outcome = Result<String, Box<dyn StdError>>;

struct NoRelations;

/// An execution without a session.
pub(crate) fn test_execution(cancel: &CancelToken) -> Execution<'_> {
    Execution { env: &Nowhere, cancel, deadline: None, relations: &NoRelations, settle_wanted: None }
}

impl MemoryRelations for NoRelations {
    fn rows(&self, _: &str) -> Vec<Vec<Datum>> {
        Vec::new()
    }
}

/// Prints rows, a line each.
#[derive(Default)]
struct Printer(String);

impl RowSink for Printer {
    fn row(&mut self, values: &[DatumRef<'_>]) -> ControlFlow<()> {
        let texts: Vec<String> = values.iter().map(|value| print(*value)).collect();
        writeln!(self.0, "{}", texts.join(" | ")).unwrap();
        ControlFlow::Continue(())
    }
}

fn print(value: DatumRef<'_>) -> String {
    match value {
        DatumRef::Null => "NULL".into(),
        DatumRef::Integer(value) => value.to_string(),
        DatumRef::Real(value) => value.to_string(),
        DatumRef::Text(value) => value.into(),
        DatumRef::Blob(value) => format!("{value:02x?}"),
    }
}

struct Node {
    path: PathBuf,
    databases: Arc<Databases>,
    permit: Option<WritePermit>,
    commits: Vec<(usize, oneshot::Receiver<CommitOutcome>)>,
    commit_count: usize,
    delivered: usize,
}

impl Node {
    fn open(path: PathBuf) -> Node {
        let databases = Databases::open(DataDirectory::open(&path).unwrap(), Arc::new(SystemRandom)).unwrap();
        let delivered = 0;
        Node {
            path,
            databases: Arc::new(databases),
            permit: None,
            commits: Vec::new(),
            commit_count: 0,
            delivered,
        }
    }

    fn database(&self) -> Arc<Database> {
        self.databases.get("postgres").unwrap()
    }

    async fn statement<T>(
        &self,
        work: impl FnOnce(&mut Statement<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let cancel = CancelToken::default();
        let execution = test_execution(&cancel);
        let database = self.database();
        let mut writer = database.writer().await;
        writer.statement(&execution, false, work).map_err(Failure::into_error)
    }

    /// What became of the commits that are decided.
    fn decided(&mut self) -> String {
        let mut text = String::new();
        self.commits.retain_mut(|(number, receiver)| match receiver.try_recv() {
            Ok(Ok(log_id)) => {
                writeln!(text, "commit {number} is in entry {}", log_id.index).unwrap();
                false
            }
            Ok(Err(error)) => {
                writeln!(text, "commit {number} failed: {error}").unwrap();
                false
            }
            Err(_) => true,
        });
        text
    }

    /// Every table with its rows, as the file has them.
    async fn dump(&self) -> String {
        let mut reader = self.database().reader().await.unwrap();
        let tables = reader
            .query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('quorate.meta', 'quorate.outcome') ORDER BY name")
            .unwrap();
        let mut text = String::new();
        for row in tables {
            let name = print(row[0].as_ref());
            writeln!(text, "{name}").unwrap();
            for row in reader.query(&format!("SELECT rowid, * FROM \"{name}\" ORDER BY rowid")).unwrap() {
                let values: Vec<String> = row.iter().map(|value| print(value.as_ref())).collect();
                writeln!(text, "  {}", values.join(" | ")).unwrap();
            }
        }
        text
    }
}

struct Script {
    runtime: tokio::runtime::Runtime,
    directory: tempfile::TempDir,
    nodes: Vec<Node>,
    log: Vec<Vec<u8>>,
    copies: usize,
}

impl Script {
    fn new() -> Script {
        let directory = tempfile::tempdir().unwrap();
        let nodes = ["a", "b"].map(|name| Node::open(directory.path().join(name))).into();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Script { runtime, directory, nodes, log: Vec::new(), copies: 0 }
    }

    /// Reopens a node from a copy of its files as they are now: what a killed process leaves.
    fn crash(&mut self, place: usize) -> Outcome {
        self.copies += 1;
        let copy = self.directory.path().join(format!("copy{}", self.copies));
        copy_directory(&self.nodes[place].path, &copy)?;
        self.nodes[place] = Node::open(copy);
        let floor = *self.nodes[place].databases.applied().borrow();
        Ok(format!("applied up to entry {}", floor.index))
    }

    async fn deliver(log: &[Vec<u8>], node: &mut Node) -> Outcome {
        let mut text = String::new();
        while let Some(entry) = log.get(node.delivered) {
            node.delivered += 1;
            let log_id = LogId { term: 1, index: node.delivered as u64 };
            let before = node.database().state();
            match node.databases.apply(log_id, entry).await {
                Ok(()) => writeln!(
                    text,
                    "entry {}: {}",
                    log_id.index,
                    describe_change(before, node.database().state())
                )?,
                Err(error) => writeln!(text, "entry {}: {error}", log_id.index)?,
            }
        }
        text.push_str(&node.decided());
        Ok(text)
    }
}

/// What an entry did to a file's state.
fn describe_change(before: (Identity, u64), after: (Identity, u64)) -> &'static str {
    match (before.0 != after.0, before.1 != after.1) {
        (true, _) => "applied",
        (false, true) => "refused",
        (false, false) => "nothing new",
    }
}

fn copy_directory(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?
        } else {
            std::fs::copy(entry.path(), &target).map(|_| ())?
        }
    }
    Ok(())
}

fn describe(entry: &[u8]) -> String {
    match decode(entry).unwrap() {
        Entry::Digest(number) => format!("digest {number}"),
        Entry::Chunk(chunk) => format!("chunk {} of {} bytes", chunk.place, chunk.bytes.len()),
        Entry::Data(parts) => {
            let counts: Vec<String> = parts
                .iter()
                .map(|part| {
                    format!("database {} with {} transactions", part.database, part.transactions.len())
                })
                .collect();
            counts.join(", ")
        }
    }
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Outcome {
        let place = match context.prefix.as_deref() {
            Some("b") => 1,
            _ => 0,
        };
        let mut arguments = command.consume_args();
        let text = arguments.next_pos().unwrap_or_default().to_owned();
        if command.name == "crash" {
            return self.crash(place);
        }
        let Script { runtime, nodes, log, .. } = self;
        if command.name == "compare" {
            let (a, b) = (runtime.block_on(nodes[0].dump()), runtime.block_on(nodes[1].dump()));
            return Ok(if a == b { "identical".into() } else { format!("different:\n{a}---\n{b}") });
        }
        let node = &mut nodes[place];
        runtime.block_on(async {
            let database = node.database();
            match command.name.as_str() {
                "begin" => {
                    node.permit = Some(database.acquire().await?);
                    database.begin().await?;
                }
                "run" => {
                    let mut printer = Printer::default();
                    node.statement(|statement| statement.run(&text.as_str().into(), &[], &mut printer))
                        .await?;
                    return Ok(printer.0);
                }
                "schema" => node.statement(|statement| statement.change_schema(&text)).await?,
                "fill" => {
                    let count: i64 = arguments.next_pos().unwrap_or("10").parse()?;
                    node.statement(|statement| {
                        let row = "x".repeat(100);
                        for number in 0..count {
                            let sql = format!("INSERT INTO {text} VALUES (?1, ?2)");
                            statement.change(
                                &sql.as_str().into(),
                                &[DatumRef::Integer(number), DatumRef::Text(&row)],
                            )?;
                        }
                        Ok(())
                    })
                    .await?;
                }
                "savepoint" => database.writer().await.push_client_savepoint()?,
                "rollback_to" => database.writer().await.roll_back_to(text.parse()?)?,
                "release" => database.writer().await.release(text.parse()?)?,
                "rollback" => {
                    database.writer().await.roll_back();
                    node.permit = None;
                }
                "commit" => {
                    node.commit_count += 1;
                    let sealed = database.seal(None).await;
                    node.permit = None;
                    return match sealed?.1 {
                        Some(receiver) => {
                            node.commits.push((node.commit_count, receiver));
                            Ok(format!("commit {} waits", node.commit_count))
                        }
                        None => Ok(format!("commit {} is done", node.commit_count)),
                    };
                }
                "propose" => {
                    let mut text = String::new();
                    for entry in encode(&node.databases.take_ready(1))? {
                        log.push(entry);
                        writeln!(text, "entry {}: {}", log.len(), describe(&log[log.len() - 1]))?;
                    }
                    return Ok(text);
                }
                "lose" => {
                    let mut entries = encode(&node.databases.take_ready(1))?;
                    entries.pop();
                    log.append(&mut entries);
                    return Ok(format!("entries up to {}, not the last one", log.len()));
                }
                "tamper" => {
                    rusqlite::Connection::open(database.path())?.execute_batch(&text)?;
                }
                "deliver" => return Script::deliver(log, node).await,
                "settle" => database.settle(&mut *database.writer().await)?,
                "flush" => return Ok(format!("durable up to entry {}", node.databases.flush().await?.index)),
                "interrupt" => {
                    node.statement(|statement| statement.lose_everything()).await.unwrap_err();
                }
                "read" => {
                    let mut reader = database.reader().await?;
                    let rows = reader.query(&text)?;
                    let mut printer = Printer::default();
                    for row in rows {
                        let _ = printer.row(&row.iter().map(Datum::as_ref).collect::<Vec<_>>());
                    }
                    return Ok(format!("at entry {}\n{}", reader.index(), printer.0));
                }
                other => return Err(format!("no command {other}").into()),
            }
            Ok(node.decided())
        })
    }
}

#[test]
fn scripts() {
    for entry in std::fs::read_dir("src/storage/scripts").unwrap() {
        let path = entry.unwrap().path();
        goldenscript::run(&mut Script::new(), &path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// The background may be committing to the file at the moment a reader asks whether there is anything to wait for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_sees_what_is_applied_while_the_background_settles_it() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::open(directory.path().join("a"));
    let database = node.database();
    let settling = database.clone();
    let background = tokio::spawn(async move {
        loop {
            settling.settle_if_idle();
            tokio::task::yield_now().await;
        }
    });
    for index in 1..=1000 {
        let permit = database.acquire().await.unwrap();
        database.begin().await.unwrap();
        let sql = if index == 1 { "CREATE TABLE t (a INTEGER)" } else { "INSERT INTO t VALUES (1)" };
        node.statement(|statement| match index {
            1 => statement.change_schema(sql),
            _ => statement.change(&sql.into(), &[]).map(|_| ()),
        })
        .await
        .unwrap();
        let committed = database.seal(None).await.unwrap().1.unwrap();
        drop(permit);
        let entry = encode(&node.databases.take_ready(1)).unwrap().remove(0);
        node.databases.apply(LogId { term: 1, index }, &entry).await.unwrap();
        committed.await.unwrap().unwrap();
        assert_eq!(database.reader().await.unwrap().index(), index);
    }
    background.abort();
}

/// A file that is idle holds everything; one that is not holds what was last applied to it, which may be earlier.
/// The log is purged up to a floor: what is below it must never be needed again.
#[tokio::test]
async fn the_floor_never_goes_back() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::open(directory.path().join("a"));
    node.databases.apply_blank(LogId { term: 1, index: 1 }).await.unwrap();
    assert_eq!(node.databases.flush().await.unwrap().index, 1);
    let database = node.database();
    let permit = database.acquire().await.unwrap();
    database.begin().await.unwrap();
    node.statement(|statement| statement.change_schema("CREATE TABLE t (a INTEGER)")).await.unwrap();
    let _on_its_way = database.seal(None).await.unwrap();
    drop(permit);
    assert_eq!(node.databases.flush().await.unwrap().index, 1);
}
