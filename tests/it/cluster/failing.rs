//! Nodes die, and nothing that was acknowledged is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::nodes::{Nodes, PATIENCE};

/// What became of an insert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Committed,
    Aborted,
    Unknown,
}

/// The port of every node, for clients that go to another when one is gone.
async fn write_until(
    ports: Vec<u16>,
    first: usize,
    stop: Arc<AtomicBool>,
    writer: i64,
) -> BTreeMap<i64, Outcome> {
    let mut outcomes = BTreeMap::new();
    let mut client = None;
    let mut place = first;
    let mut number = writer * 1_000_000;
    while !stop.load(Ordering::Acquire) {
        let Some(connected) = &client else {
            let config = format!(
                "host=127.0.0.1 port={} user=postgres dbname=postgres connect_timeout=2",
                ports[place % ports.len()]
            );
            place += 1;
            match tokio::time::timeout(
                Duration::from_secs(3),
                tokio_postgres::connect(&config, tokio_postgres::NoTls),
            )
            .await
            {
                Ok(Ok((connected, connection))) => {
                    tokio::spawn(connection);
                    client = Some(connected);
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            continue;
        };
        number += 1;
        let sql = format!("INSERT INTO acknowledged VALUES ({number})");
        let outcome = match tokio::time::timeout(Duration::from_secs(40), connected.batch_execute(&sql)).await
        {
            Ok(Ok(())) => Outcome::Committed,
            Ok(Err(error)) => {
                match error.as_db_error().map(|error| error.code().code().to_owned()).as_deref() {
                    Some("40001" | "57P03") => Outcome::Aborted,
                    Some("08007") => Outcome::Unknown,
                    Some(other) => panic!("unexpected: {other} {error}"),
                    None => {
                        client = None;
                        Outcome::Unknown
                    }
                }
            }
            Err(_) => panic!("no answer to a write in 40 seconds"),
        };
        outcomes.insert(number, outcome);
    }
    outcomes
}

/// Kills the leader again and again under load on all nodes; each time it comes back. Every acknowledged
/// row is there once, every refused one is not, and all nodes hold the same at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_costs_nothing_that_was_acknowledged() {
    let kills = if std::env::var_os("QUORATE_LONG_TESTS").is_some() { 10 } else { 3 };
    let mut nodes = Nodes::start(3);
    let client = nodes.nodes[0].connect().await;
    client.batch_execute("CREATE TABLE acknowledged (id bigint PRIMARY KEY)").await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let ports: Vec<u16> = nodes.nodes.iter().map(|node| node.port).collect();
    let writers: Vec<_> = (0..3)
        .map(|writer| tokio::spawn(write_until(ports.clone(), writer as usize, stop.clone(), writer)))
        .collect();
    let mut outages = Vec::new();
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let leader = nodes.leader();
        nodes.kill(leader);
        let killed = Instant::now();
        let other = nodes.nodes.iter().find(|node| node.process.is_some()).expect("two run");
        let probe = other.try_connect("").await.unwrap();
        loop {
            let wrote =
                probe.batch_execute("CREATE TABLE IF NOT EXISTS probe (a int); INSERT INTO probe VALUES (1)");
            match tokio::time::timeout(PATIENCE, wrote).await.expect("a write ends") {
                Ok(()) => break,
                Err(error) => assert!(killed.elapsed() < PATIENCE, "{error}"),
            }
        }
        outages.push(killed.elapsed());
        nodes.start_nodes(&[leader]);
    }
    stop.store(true, Ordering::Release);
    let mut outcomes = BTreeMap::new();
    for writer in writers {
        outcomes.extend(writer.await.unwrap());
    }
    let count = |wanted| outcomes.values().filter(|outcome| **outcome == wanted).count();
    println!(
        "{} committed, {} aborted, {} unknown; writes were out for {outages:?}",
        count(Outcome::Committed),
        count(Outcome::Aborted),
        count(Outcome::Unknown)
    );
    assert!(count(Outcome::Committed) > 10);
    let client = nodes.nodes[nodes.follower()].connect().await;
    let rows = client.query("SELECT id FROM acknowledged", &[]).await.unwrap();
    let there: std::collections::BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    for (id, outcome) in &outcomes {
        match outcome {
            Outcome::Committed => assert!(there.contains(id), "row {id} was acknowledged and is lost"),
            Outcome::Aborted => assert!(!there.contains(id), "row {id} was refused and is there"),
            Outcome::Unknown => {}
        }
    }
    assert!(there.iter().all(|id| outcomes.contains_key(id)));
    assert_eq!(nodes.verify(), "");
}

/// A node that was away for longer than the log is kept takes over another's files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_missed_too_much_takes_over_files() {
    let mut nodes = Nodes::start_with(3, &["--log-mb", "16"]);
    let away = nodes.follower();
    nodes.kill(away);
    let client = nodes.nodes[nodes.leader()].connect().await;
    client.batch_execute("CREATE TABLE f (id bigint PRIMARY KEY, v text)").await.unwrap();
    let leader = nodes.leader();
    let started = Instant::now();
    for round in 0.. {
        client
            .batch_execute(&format!(
                "INSERT INTO f SELECT {round} * 20000 + i, repeat('x', 200) FROM generate_series(1, 20000) i"
            ))
            .await
            .unwrap();
        let purged = nodes.nodes[leader].status("log purged up to");
        if purged.is_some_and(|purged| purged.parse::<u64>().is_ok_and(|purged| purged > 3)) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the log is not purged");
    }
    nodes.start_nodes(&[away]);
    let back = nodes.nodes[away].connect().await;
    let count = |rows: Vec<tokio_postgres::Row>| rows[0].get::<_, i64>(0);
    let here = count(back.query("SELECT count(*) FROM f", &[]).await.unwrap());
    assert_eq!(here, count(client.query("SELECT count(*) FROM f", &[]).await.unwrap()));
    assert_eq!(nodes.verify(), "");
}
