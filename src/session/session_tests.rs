//! Sessions without a network, over an engine without a log: what a client sees of state that lives
//! between statements.

use std::sync::Arc;

use async_trait::async_trait;

use super::client::{Client, CopyInput, Formats, Reply, ResultColumn};
use super::{Options, Session, Sessions, Status};
use crate::engine::Engine;
use crate::error::Result;
use crate::telemetry::{SystemClock, SystemRandom};
use crate::types::{DatumRef, Format};

/// A client that notes what it is told, and is full after each row if it is slow.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    is_slow: bool,
    flushes: usize,
}

#[async_trait]
impl Client for Notes {
    fn send(&mut self, reply: Reply<'_>) {
        self.lines.push(match reply {
            Reply::RowDescription(columns, _) => {
                format!(
                    "columns {}",
                    columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(",")
                )
            }
            Reply::CommandComplete(tag) => tag.to_owned(),
            Reply::Notice(notice) => notice.message().to_owned(),
            reply => format!("{reply:?}"),
        });
    }

    fn row(&mut self, values: &[DatumRef<'_>], columns: &[ResultColumn], _: &Formats, format: &Format) {
        let texts = values.iter().zip(columns).map(|(value, column)| match value {
            DatumRef::Null => "NULL".to_owned(),
            value => column.ty.to_text(*value, format),
        });
        self.lines.push(texts.collect::<Vec<_>>().join("|"));
    }

    fn is_full(&self) -> bool {
        self.is_slow
    }

    async fn flush(&mut self) -> Result<()> {
        self.flushes += 1;
        Ok(())
    }

    async fn copy_input(&mut self) -> Result<CopyInput> {
        Ok(CopyInput::Done)
    }
}

/// An engine in a directory of its own.
struct Node {
    engine: Arc<Engine>,
    sessions: Arc<Sessions>,
    _directory: tempfile::TempDir,
}

impl Node {
    fn start() -> Node {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::without_log(&directory.path().join("data"));
        tokio::spawn(engine.clone().run());
        Node { engine, sessions: Sessions::new(10, Arc::new(SystemRandom)), _directory: directory }
    }

    async fn session(&self) -> Session {
        let options = Options {
            engine: self.engine.clone(),
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SystemRandom),
            parameters: vec![("user".into(), "me".into()), ("database".into(), "postgres".into())],
        };
        Session::open(options, self.sessions.enter().unwrap()).await.unwrap()
    }
}

async fn run(session: &mut Session, text: &str) -> Vec<String> {
    let mut notes = Notes::default();
    if let Err(error) = session.query(text, &mut notes).await {
        notes.lines.push(format!("{} {}", error.sqlstate(), error.message()));
    }
    notes.lines
}

#[tokio::test]
async fn a_plan_is_made_again_when_the_schema_changes() {
    let node = Node::start();
    let (mut one, mut two) = (node.session().await, node.session().await);
    run(&mut one, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await;
    let mut notes = Notes::default();
    one.parse("s", "SELECT * FROM t", &[], &mut notes).await.unwrap();
    one.parse("n", "SELECT a FROM t", &[], &mut notes).await.unwrap();
    run(&mut two, "ALTER TABLE t ADD COLUMN b int").await;
    for (name, expected) in [("n", "1"), ("s", "cached plan must not change result type")] {
        let mut notes = Notes::default();
        let outcome = async {
            one.bind("", name, &[], &[], &[], &mut notes).await?;
            one.execute("", 0, false, &mut notes).await
        }
        .await;
        let seen = match outcome {
            Ok(()) => notes.lines[1].clone(),
            Err(error) => error.message().to_owned(),
        };
        assert_eq!(seen, expected);
        one.sync().await.unwrap();
    }
}

#[tokio::test]
async fn a_full_client_is_waited_for_row_by_row() {
    let node = Node::start();
    let mut session = node.session().await;
    let mut notes = Notes { is_slow: true, ..Notes::default() };
    session.query("SELECT g FROM generate_series(1, 5) g", &mut notes).await.unwrap();
    assert_eq!(notes.lines, ["columns g", "1", "2", "3", "4", "5", "SELECT 5"]);
    assert_eq!(notes.flushes, 5);
}

#[tokio::test]
async fn isolation_levels_see_what_they_should() {
    let node = Node::start();
    let (mut one, mut two) = (node.session().await, node.session().await);
    run(&mut one, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await;
    for (level, second) in [("READ COMMITTED", "2"), ("REPEATABLE READ", "1"), ("SERIALIZABLE", "1")] {
        run(&mut two, "DELETE FROM t WHERE a > 1").await;
        run(&mut one, &format!("BEGIN ISOLATION LEVEL {level}")).await;
        assert_eq!(run(&mut one, "SELECT count(*) FROM t").await[1], "1");
        run(&mut two, "INSERT INTO t VALUES (2)").await;
        assert_eq!(run(&mut one, "SELECT count(*) FROM t").await[1], second, "{level}");
        // A write on an old snapshot is refused; a new one sees everything.
        let written = run(&mut one, "UPDATE t SET a = a").await;
        match second {
            "2" => assert_eq!(written, ["UPDATE 2"]),
            _ => assert_eq!(written, ["40001 could not serialize access due to concurrent update"]),
        }
        run(&mut one, "ROLLBACK").await;
    }
}

#[tokio::test]
async fn settings_go_back_with_their_transaction() {
    let node = Node::start();
    let mut session = node.session().await;
    run(&mut session, "BEGIN; SET search_path = a; SAVEPOINT s; SET search_path = b").await;
    assert_eq!(run(&mut session, "SHOW search_path").await[1], "b");
    run(&mut session, "ROLLBACK TO s").await;
    assert_eq!(run(&mut session, "SHOW search_path").await[1], "a");
    run(&mut session, "ROLLBACK").await;
    assert_eq!(run(&mut session, "SHOW search_path").await[1], "\"$user\", public");
    run(&mut session, "BEGIN; SET LOCAL search_path = c; COMMIT").await;
    assert_eq!(run(&mut session, "SHOW search_path").await[1], "\"$user\", public");
    assert_eq!(run(&mut session, "SELECT set_config('search_path', 'd', false)").await[1], "d");
    assert_eq!(run(&mut session, "SHOW search_path").await[1], "d");
}

#[tokio::test]
async fn databases_come_and_go() {
    let node = Node::start();
    let mut session = node.session().await;
    assert_eq!(run(&mut session, "CREATE DATABASE d").await, ["CREATE DATABASE"]);
    assert_eq!(run(&mut session, "CREATE DATABASE d").await, ["42P04 database \"d\" already exists"]);
    let connection = node.engine.connect("d").await.unwrap();
    assert_eq!(
        run(&mut session, "DROP DATABASE d").await,
        ["55006 database \"d\" is being accessed by other users"]
    );
    drop(connection);
    assert_eq!(
        run(&mut session, "SELECT datname FROM pg_database ORDER BY 1").await[1..3],
        ["d", "postgres"]
    );
    assert_eq!(run(&mut session, "DROP DATABASE d").await, ["DROP DATABASE"]);
    assert_eq!(run(&mut session, "DROP DATABASE d").await, ["3D000 database \"d\" does not exist"]);
    assert_eq!(
        run(&mut session, "DROP DATABASE postgres").await,
        ["55006 cannot drop the currently open database"]
    );
    assert_eq!(
        run(&mut session, "BEGIN; CREATE DATABASE e").await,
        ["BEGIN", "25001 CREATE DATABASE cannot run inside a transaction block"]
    );
    assert_eq!(session.status(), Status::Failed);
}

#[tokio::test]
async fn there_is_room_for_so_many_sessions() {
    let node = Node::start();
    let places: Vec<_> = (0..10).map(|_| node.sessions.enter().unwrap()).collect();
    assert_eq!(node.sessions.enter().err().unwrap().sqlstate().0, "53300");
    drop(places);
    node.sessions.enter().unwrap();
}

#[tokio::test]
async fn suspended_portals_give_the_rest_of_their_rows() {
    let node = Node::start();
    let mut session = node.session().await;
    run(&mut session, "BEGIN").await;
    let mut notes = Notes::default();
    session.parse("", "SELECT g FROM generate_series(1, $1) g", &[23], &mut notes).await.unwrap();
    for portal in ["a", "b", "c"] {
        session.bind(portal, "", &[], &[Some(b"3")], &[], &mut notes).await.unwrap();
        session.execute(portal, 2, false, &mut notes).await.unwrap();
    }
    // A portal of each kind: with a snapshot of its own, and with its rows in a spool.
    for portal in ["c", "a", "b"] {
        let mut notes = Notes::default();
        session.execute(portal, 0, false, &mut notes).await.unwrap();
        assert_eq!(notes.lines, ["3", "SELECT 1"]);
    }
    run(&mut session, "COMMIT").await;
    let gone = session.execute("a", 0, false, &mut notes).await.unwrap_err();
    assert_eq!(gone.sqlstate().0, "34000");
}

#[tokio::test]
async fn explain_shows_what_sqlite_will_do() {
    let node = Node::start();
    let mut session = node.session().await;
    run(&mut session, "CREATE TABLE t (a int PRIMARY KEY, b int); CREATE INDEX ON t (b)").await;
    let lines = run(&mut session, "EXPLAIN SELECT * FROM t x JOIN t y ON x.a = y.b WHERE x.b = 5").await;
    assert!(
        lines
            .iter()
            .any(|line| line.contains("USING INDEX t_b_idx") || line.contains("USING COVERING INDEX")),
        "{lines:?}"
    );
    let lines = run(&mut session, "EXPLAIN UPDATE t SET b = 1 WHERE a = 2").await;
    assert_eq!(lines[1], "Update on t");
}
