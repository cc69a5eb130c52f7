//! Nodes come and go.

use std::process::Command;
use std::time::{Duration, Instant};

use super::nodes::{Node, Nodes, PATIENCE};
use crate::process::{Starting, run};

async fn value(client: &tokio_postgres::Client, sql: &str) -> String {
    client.query_one(sql, &[]).await.unwrap().get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".into())
}

/// Waits until the members page of a node says something of another.
fn wait_for(node: &Node, other: u64, what: &[&str]) -> String {
    let started = Instant::now();
    loop {
        let page = node.page("GET", "/members").unwrap_or_default();
        let line = page.lines().find(|line| line.starts_with(&format!("{other}\t")));
        if let Some(line) = line.filter(|line| what.iter().all(|what| line.contains(what))) {
            return line.to_owned();
        }
        assert!(started.elapsed() < PATIENCE, "{what:?}: {page}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The `quorate` command on a node.
fn quorate(node: &Node, words: &[&str]) -> (bool, String) {
    let admin = format!("127.0.0.1:{}", node.admin);
    let output = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(words)
        .args(["--admin", &admin])
        .output()
        .expect("the command runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_join_leave_and_hand_the_leadership_over() {
    let mut nodes = Nodes::start(3);
    let leader = nodes.leader();
    let client = nodes.nodes[leader].connect().await;
    client
        .batch_execute("CREATE TABLE m (a int); INSERT INTO m SELECT i FROM generate_series(1, 1000) i")
        .await
        .unwrap();

    // A fourth that votes, and a fifth that never does.
    for (number, options) in [(4, &[][..]), (5, &["--learner"][..])] {
        let node = Node::new(nodes.nodes[0].data.parent().unwrap(), number);
        let mut starting = Starting::new(node.command(&nodes.join(), 3).args(options), node.port);
        starting.wait();
        nodes.nodes.push(Node { process: Some(starting.process), ..node });
    }
    wait_for(&nodes.nodes[leader], 4, &["follower", "voter"]);
    wait_for(&nodes.nodes[leader], 5, &["learner\tlearner"]);
    for place in [3, 4] {
        let client = nodes.nodes[place].connect().await;
        client.batch_execute("INSERT INTO m VALUES (0)").await.unwrap();
        assert_eq!(value(&client, "SELECT count(*)::text FROM m").await, (1000 + place - 2).to_string());
    }
    assert_eq!(nodes.verify(), "");

    // The leadership goes where it is sent, and not to a learner.
    let to = nodes.nodes[(leader + 1) % 3].number;
    assert_eq!(
        quorate(&nodes.nodes[4], &["leader", "transfer", &to.to_string()]),
        (true, format!("Node {to} leads.\n"))
    );
    let (done, text) = quorate(&nodes.nodes[0], &["leader", "transfer", "5"]);
    assert!(!done && text.contains("node 5 is not a voter"), "{text}");

    // A dead node is removed, and the leader removes itself.
    nodes.kill(3);
    let (done, text) = quorate(&nodes.nodes[0], &["node", "remove", "4"]);
    assert!(done, "{text}");
    let leading = nodes.nodes[nodes.leader()].number.to_string();
    let (done, text) = quorate(&nodes.nodes[0], &["node", "remove", &leading]);
    assert!(done, "{text}");
    let (done, text) = quorate(&nodes.nodes[4], &["node", "remove", "77"]);
    assert!(!done && text.contains("node 77 is not a member"), "{text}");
    let (_, table) = quorate(&nodes.nodes[4], &["status"]);
    assert_eq!(
        table.lines().filter(|line| line.contains("127.0.0.1:") && line.contains("ter  ")).count(),
        2,
        "{table}"
    );
    let client = nodes.nodes[4].connect().await;
    client.batch_execute("INSERT INTO m VALUES (0)").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_doubles_are_refused() {
    let one = Nodes::start(3);
    let other = Nodes::start(3);
    // A member of one cluster does not join another.
    let mut nodes = one;
    nodes.kill(0);
    let mut command = nodes.nodes[0].command(&other.join(), 3);
    let mut starting = Starting::new(&mut command, nodes.nodes[0].port);
    starting.wait();
    drop(starting);
    let client = other.nodes[0].connect().await;
    client.batch_execute("CREATE TABLE only_here (a int)").await.unwrap();
    assert_eq!(other.verify(), "");
    // A new node with a number that is taken.
    let double = Node::new(&nodes.nodes[0].data.join("double"), 2);
    let (status, text) = run(&mut double.command(&nodes.join(), 3));
    assert!(!status.success());
    assert!(
        text.contains("has number 2 as this one has") || text.contains("is a member of cluster"),
        "{text}"
    );
    // A data directory of another node.
    let mut wrong = Node::new(nodes.nodes[0].data.parent().unwrap(), 9);
    wrong.data = nodes.nodes[0].data.clone();
    let (status, text) = run(&mut wrong.command(&nodes.join(), 3));
    assert!(!status.success() && text.contains("belongs to node 1"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_differs_is_found_and_rebuilt() {
    let mut nodes = Nodes::start(3);
    let client = nodes.nodes[nodes.leader()].connect().await;
    client.batch_execute("CREATE TABLE v (id int PRIMARY KEY, v text); INSERT INTO v SELECT i, 'value' || i FROM generate_series(1, 1000) i").await.unwrap();
    assert_eq!(nodes.verify(), "");
    let place = nodes.follower();
    let number = nodes.nodes[place].number;
    let mut process = nodes.nodes[place].process.take().unwrap();
    assert!(process.terminate().success());
    // One byte of one value, as a bad disk might do it.
    let file = nodes.nodes[place].data.join("databases/5.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&file).unwrap();
    let found = bytes.windows(8).position(|bytes| bytes == b"value777").expect("the value is in the file");
    bytes[found] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    nodes.start_nodes(&[place]);
    let different = nodes.verify();
    assert!(different.contains("table v:") && different.lines().count() == 1, "{different}");
    // It is found by the next change of that row, too; then the node heals itself.
    client.batch_execute("UPDATE v SET v = 'new' WHERE id = 777").await.unwrap();
    let started = Instant::now();
    while !nodes.verify().is_empty() {
        assert!(started.elapsed() < PATIENCE, "node {number} is not rebuilt");
        std::thread::sleep(Duration::from_millis(100));
    }
    let back = nodes.nodes[place].connect().await;
    assert_eq!(value(&back, "SELECT v FROM v WHERE id = 777").await, "new");
}

/// One node after the other is told to stop and started again. Clients that repeat a statement once after
/// 40001 or 57P01, on another node if theirs is gone, notice nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_nothing_that_is_repeated_once() {
    let mut nodes = Nodes::start(3);
    let client = nodes.nodes[0].connect().await;
    client.batch_execute("CREATE TABLE w (a int)").await.unwrap();
    for place in 0..3 {
        let number = nodes.nodes[place].number;
        let other = nodes.nodes[(place + 1) % 3].connect().await;
        let stopping = nodes.nodes[place].process.take().unwrap();
        let stopped = std::thread::spawn(move || {
            let mut stopping = stopping;
            stopping.terminate().success()
        });
        let mut repeated = 0;
        for _ in 0..100 {
            if let Err(error) = other.batch_execute("INSERT INTO w VALUES (1)").await {
                let code = error.as_db_error().expect("the connection stays").code().code().to_owned();
                assert!(code == "40001" || code == "57P01", "{error}");
                repeated += 1;
                other.batch_execute("INSERT INTO w VALUES (1)").await.unwrap();
            }
        }
        assert!(stopped.join().unwrap(), "node {number} has not stopped cleanly");
        println!("node {number}: {repeated} of 100 were repeated");
        nodes.start_nodes(&[place]);
    }
    let client = nodes.nodes[1].connect().await;
    assert_eq!(value(&client, "SELECT count(*)::text FROM w").await, "300");
    assert_eq!(nodes.verify(), "");
}

/// A majority is lost for good: one node's data becomes a cluster of its own, and a new node takes its files over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_majority_is_recovered_from_on_purpose_only() {
    let mut nodes = Nodes::start(3);
    let client = nodes.nodes[1].connect().await;
    client
        .batch_execute("CREATE TABLE l (a int); INSERT INTO l SELECT i FROM generate_series(1, 1000) i")
        .await
        .unwrap();
    (0..3).for_each(|place| nodes.kill(place));
    let data = nodes.nodes[1].data.to_str().unwrap().to_owned();
    let recover = |confirmed: &[&str]| {
        run(Command::new(env!("CARGO_BIN_EXE_quorate")).args(["recover", "--data", &data]).args(confirmed))
    };
    let (status, text) = recover(&[]);
    assert!(!status.success() && text.contains("--the-others-are-lost"), "{text}");
    let (status, text) = recover(&["--the-others-are-lost"]);
    assert!(status.success(), "{text}");
    let own = format!("127.0.0.1:{}", nodes.nodes[1].cluster);
    let mut starting = Starting::new(&mut nodes.nodes[1].command(&own, 1), nodes.nodes[1].port);
    starting.wait();
    let alone = Node { process: Some(starting.process), ..Node::new(&nodes.nodes[1].data, 2) };
    let alone = Node { port: nodes.nodes[1].port, admin: nodes.nodes[1].admin, ..alone };
    let client = alone.connect().await;
    assert_eq!(value(&client, "SELECT count(*)::text FROM l").await, "1000");
    client.batch_execute("INSERT INTO l VALUES (0)").await.unwrap();
    let new = Node::new(nodes.nodes[0].data.parent().unwrap(), 7);
    let mut starting = Starting::new(&mut new.command(&own, 1), new.port);
    starting.wait();
    let new = Node { process: Some(starting.process), ..new };
    wait_for(&alone, 7, &["follower", "voter"]);
    let client = new.connect().await;
    assert_eq!(value(&client, "SELECT count(*)::text FROM l").await, "1001");
    assert!(quorate(&alone, &["verify"]).0);
    // A node of the lost cluster that comes back is of another cluster.
    let back = &nodes.nodes[0];
    let mut starting = Starting::new(&mut back.command(&own, 1), back.port);
    starting.wait();
    assert!(quorate(&alone, &["verify"]).0);
}
