//! kill -9 at random moments under load: every acknowledged commit is there afterwards, none is half
//! there, and nothing is there that nobody asked for.
//!
//! Three times, or 50 with QUORATE_LONG_TESTS.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::process::Process;

const CLIENTS: i64 = 6;
/// The largest number of milliseconds under load before the kill.
const LOAD_MS_MAX: u64 = 400;

/// What one client knows: the last number it tried to commit, and the last that was acknowledged.
#[derive(Default)]
struct Known {
    tried: AtomicI64,
    acknowledged: AtomicI64,
    /// Numbers that were on their way when the server was killed.
    unknown: Mutex<Vec<i64>>,
}

/// Commits one number after the other: two rows and a transfer each, in a transaction of several
/// statements or in one text.
async fn load(client: tokio_postgres::Client, id: i64, known: Arc<Known>) {
    loop {
        let number = known.tried.fetch_add(1, Ordering::SeqCst) + 1;
        let sql = format!(
            "INSERT INTO pair VALUES ({id}, {number}, 'left'); \
             UPDATE account SET balance = balance - 1 WHERE id = {id}; \
             UPDATE account SET balance = balance + 1 WHERE id = {}; \
             INSERT INTO pair VALUES ({id}, {number}, 'right')",
            (id + 1) % CLIENTS
        );
        let done = if number % 3 == 0 {
            async {
                client.batch_execute("BEGIN").await?;
                for statement in sql.split(';') {
                    client.batch_execute(statement).await?;
                }
                client.batch_execute("COMMIT").await
            }
            .await
        } else {
            client.batch_execute(&sql).await
        };
        if done.is_err() {
            return;
        }
        known.acknowledged.store(number, Ordering::SeqCst);
    }
}

/// Looks whether the data is what the clients know.
async fn check(server: &Process, known: &[Arc<Known>]) {
    let client = server.connect("postgres").await;
    let rows =
        client.query("SELECT client, number, count(*) FROM pair GROUP BY client, number", &[]).await.unwrap();
    let mut found: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for row in rows {
        let (id, number, count): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(count, 2, "half of client {id}'s commit {number} is there");
        found.entry(id).or_default().insert(number);
    }
    for (id, known) in known.iter().enumerate() {
        let numbers = found.remove(&(id as i64)).unwrap_or_default();
        let (tried, acknowledged) =
            (known.tried.load(Ordering::SeqCst), known.acknowledged.load(Ordering::SeqCst));
        for number in &numbers {
            assert!(*number <= tried, "client {id}'s commit {number} was invented");
        }
        let unknown = known.unknown.lock().unwrap();
        for number in (1..=acknowledged).filter(|number| !unknown.contains(number)) {
            assert!(numbers.contains(&number), "client {id}'s acknowledged commit {number} is lost");
        }
    }
    assert!(found.is_empty(), "rows of clients that do not exist");
    let total: i64 = client.query_one("SELECT sum(balance)::bigint FROM account", &[]).await.unwrap().get(0);
    assert_eq!(total, CLIENTS * 1000, "a transfer is half there");
}

impl Known {
    /// After a kill: the number that was on its way has an unknown end.
    fn forget_last(&self) {
        let (tried, acknowledged) =
            (self.tried.load(Ordering::SeqCst), self.acknowledged.load(Ordering::SeqCst));
        if tried > acknowledged {
            self.unknown.lock().unwrap().push(tried);
        }
    }
}

/// One run: load, kill, restart, check. Gives what was acknowledged by then.
async fn run(data: &Path, known: &[Arc<Known>], load_ms: u64) -> i64 {
    let mut server = Process::start(data, &[]);
    let mut loads = Vec::new();
    for (id, known) in known.iter().enumerate() {
        let client = server.connect("postgres").await;
        loads.push(tokio::spawn(load(client, id as i64, known.clone())));
    }
    tokio::time::sleep(Duration::from_millis(load_ms)).await;
    server.kill();
    for load in loads {
        load.await.unwrap();
    }
    let server = Process::start(data, &[]);
    check(&server, known).await;
    known.iter().for_each(|known| known.forget_last());
    known.iter().map(|known| known.acknowledged.load(Ordering::SeqCst)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_commits_survive_kills() {
    let runs: u64 = if std::env::var_os("QUORATE_LONG_TESTS").is_some() { 50 } else { 3 };
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    {
        let mut server = Process::start(&data, &[]);
        let client = server.connect("postgres").await;
        client
            .batch_execute(
                "CREATE TABLE pair (client bigint, number bigint, side text, PRIMARY KEY (client, number, side)); \
                 CREATE TABLE account (id bigint PRIMARY KEY, balance bigint NOT NULL)",
            )
            .await
            .unwrap();
        for id in 0..CLIENTS {
            client.batch_execute(&format!("INSERT INTO account VALUES ({id}, 1000)")).await.unwrap();
        }
        server.kill();
    }
    let known: Vec<Arc<Known>> = (0..CLIENTS).map(|_| Arc::default()).collect();
    let mut seed = Instant::now().elapsed().subsec_nanos() as u64 ^ u64::from(std::process::id()) | 1;
    println!("seed {seed}");
    let mut acknowledged = 0;
    for _ in 0..runs {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        acknowledged = run(&data, &known, 20 + seed % LOAD_MS_MAX).await;
    }
    println!("{runs} kills, {acknowledged} acknowledged commits, all there");
    assert!(acknowledged > 0, "nothing was committed between the kills");
}
