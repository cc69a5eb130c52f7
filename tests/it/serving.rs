//! Starting, stopping, cancelling, waiting: what an operator and a patient client see.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::process::{Process, command, free_port, run};

/// The SQLSTATE of a failed statement.
fn code(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| format!("{error}"), |code| code.code().to_owned())
}

async fn value(client: &Client, sql: &str) -> String {
    for message in client.simple_query(sql).await.unwrap() {
        if let SimpleQueryMessage::Row(row) = message {
            return row.get(0).unwrap_or("NULL").to_owned();
        }
    }
    panic!("no row")
}

async fn start() -> (Process, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Process::start(&directory.path().join("data"), &[]), directory)
}

#[test]
fn what_prevents_a_start_is_said_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut server = Process::start(&data, &[]);
    let fails = |data: &std::path::Path, port: u16, expected: &str| {
        let (status, text) = run(&mut command(data, port));
        assert!(!status.success());
        let line = text.trim();
        assert!(line.contains(expected) && line.lines().count() == 1, "{text}");
    };
    fails(&directory.path().join("other"), server.port, "is in use by another process");
    fails(&data, free_port(), "is in use by another process");
    fails(std::path::Path::new("/proc/none"), free_port(), "could not create the data directory");
    assert!(server.terminate().success());
    std::fs::write(data.join("FORMAT"), "quorate 99\n").unwrap();
    fails(&data, free_port(), "has format 99");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_statements_end_and_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut server = Process::start(&data, &[]);
    let client = server.connect("postgres").await;
    client.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    let idle = server.connect("postgres").await;
    let running =
        tokio::spawn(
            async move { client.batch_execute("SELECT pg_sleep(0.5); INSERT INTO t VALUES (1)").await },
        );
    tokio::time::sleep(Duration::from_millis(200)).await;
    let status = tokio::task::block_in_place(|| server.terminate());
    assert_eq!(status.code(), Some(0));
    running.await.unwrap().expect("the statement that was running has ended");
    assert!(idle.simple_query("SELECT 1").await.is_err());
    let server = Process::start(&data, &[]);
    let client = server.connect("postgres").await;
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_cancelled_wherever_they_wait() {
    let (server, _directory) = start().await;
    let client = server.connect("postgres").await;
    client.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    let holder = server.connect("postgres").await;
    holder.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    for statement in [
        "SELECT pg_sleep(60)",
        "SELECT count(*) FROM generate_series(1, 100000000000) g",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        // Waits for the writer.
        "INSERT INTO t VALUES (2)",
    ] {
        let token = client.cancel_token();
        let cancel = tokio::spawn(async move {
            // Again and again: a request that comes before the statement does is for nothing.
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                token.cancel_query(NoTls).await.unwrap();
            }
        });
        let error = client.simple_query(statement).await.unwrap_err();
        assert_eq!(code(&error), "57014", "{statement}");
        cancel.abort();
    }
    // The last request may still be under way.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "0");
    for (setting, expected) in [("lock_timeout", "55P03"), ("statement_timeout", "57014")] {
        client.batch_execute(&format!("SET {setting} = '100ms'")).await.unwrap();
        let error = client.simple_query("INSERT INTO t VALUES (2)").await.unwrap_err();
        assert_eq!(code(&error), expected);
        client.batch_execute(&format!("RESET {setting}")).await.unwrap();
    }
    client.batch_execute("SET statement_timeout = '100ms'").await.unwrap();
    let error =
        client.simple_query("SELECT count(*) FROM generate_series(1, 100000000000) g").await.unwrap_err();
    assert_eq!(code(&error), "57014");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_holds_the_writer_cannot_do_so_for_ever() {
    let (server, _directory) = start().await;
    let client = server.connect("postgres").await;
    client.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    // Gone without a word: rolled back.
    let leaving = server.connect("postgres").await;
    leaving.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    drop(leaving);
    client.batch_execute("INSERT INTO t VALUES (2)").await.unwrap();
    // Idle for too long: ended.
    let idle = server.connect("postgres").await;
    idle.batch_execute("SET idle_in_transaction_session_timeout = '200ms'; BEGIN; INSERT INTO t VALUES (3)")
        .await
        .unwrap();
    client.batch_execute("INSERT INTO t VALUES (4)").await.unwrap();
    assert!(idle.simple_query("SELECT 1").await.is_err());
    // The same for COPY, whose client has nothing to say.
    let copying = server.connect("postgres").await;
    copying.batch_execute("SET idle_in_transaction_session_timeout = '200ms'").await.unwrap();
    let sink = copying.copy_in::<_, bytes::Bytes>("COPY t FROM STDIN").await.unwrap();
    client.batch_execute("INSERT INTO t VALUES (0)").await.unwrap();
    drop(sink);
    // A failed block writes nothing any more, and lets others write.
    let failed = server.connect("postgres").await;
    failed.batch_execute("BEGIN; INSERT INTO t VALUES (5)").await.unwrap();
    assert_eq!(code(&failed.simple_query("SELECT 1/0").await.unwrap_err()), "22012");
    client.batch_execute("INSERT INTO t VALUES (6)").await.unwrap();
    assert_eq!(value(&client, "SELECT sum(a) FROM t").await, "12");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_queue_fairly() {
    const CLIENTS: usize = 5;
    const EACH: usize = 20;
    let (server, _directory) = start().await;
    let client = server.connect("postgres").await;
    client.batch_execute("CREATE TABLE t (id serial PRIMARY KEY, client int)").await.unwrap();
    let mut tasks = Vec::new();
    for id in 0..CLIENTS {
        let client = server.connect("postgres").await;
        tasks.push(tokio::spawn(async move {
            for _ in 0..EACH {
                client
                    .batch_execute(&format!(
                        "BEGIN; INSERT INTO t (client) VALUES ({id}); SELECT pg_sleep(0.002); COMMIT"
                    ))
                    .await
                    .unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    // First come, first served: nobody has a second turn long before the others had their first.
    let ahead = value(
        &client,
        "SELECT max(n - least) FROM (SELECT n, min(total) OVER (PARTITION BY n) AS least FROM \
         (SELECT row_number() OVER (PARTITION BY client ORDER BY id) AS n, (id - 1) / 5 + 1 AS total FROM t) x) y",
    )
    .await;
    assert!(ahead.parse::<i64>().unwrap().abs() <= 3, "{ahead}");
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, (CLIENTS * EACH).to_string());
}

/// Ten million rows with QUORATE_LONG_TESTS, else a million.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_results_and_slow_readers_cost_constant_memory() {
    use std::io::{Read, Write};
    let rows: u64 = if std::env::var_os("QUORATE_LONG_TESTS").is_some() { 10_000_000 } else { 1_000_000 };
    let (server, _directory) = start().await;
    let client = server.connect("postgres").await;
    client.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    let text = format!("SELECT g, 'row ' || g FROM generate_series(1, {rows}) g");
    let before = server.resident_bytes();

    // One that does not read at all.
    let mut packet = b"\0\x03\0\0user\0postgres\0\0".to_vec();
    let mut message = (packet.len() as u32 + 4).to_be_bytes().to_vec();
    message.append(&mut packet);
    message.push(b'Q');
    message.extend_from_slice(&(text.len() as u32 + 5).to_be_bytes());
    message.extend_from_slice(text.as_bytes());
    message.push(0);
    let mut slow = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    slow.write_all(&message).unwrap();

    // One that reads everything, in a thread of its own.
    let port = server.port;
    let reader = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(&message).unwrap();
        message.clear();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let (mut buffer, mut total) = (vec![0; 1 << 20], 0u64);
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => return total,
                count => total += count as u64,
            }
        }
    });
    let mut most = 0;
    while !reader.is_finished() {
        // Others are served meanwhile, writers too.
        let started = Instant::now();
        client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(20), "a writer waits for a reader");
        most = most.max(server.resident_bytes());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let total = reader.join().unwrap();
    assert!(total > rows * 20, "{total} bytes of {rows} rows");
    let growth = most.saturating_sub(before);
    assert!(growth < 40 << 20, "{growth} bytes for {rows} rows");
    drop(slow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_bounded_under_endless_writes() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Process::start(&data, &["--log-mb", "16"]);
    let client = server.connect("postgres").await;
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, '')")
        .await
        .unwrap();
    let size = |path: &std::path::Path| -> u64 {
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().map_or(0, |metadata| metadata.len()))
            .sum()
    };
    let mut written = 0u64;
    while written < 150 << 20 {
        client
            .batch_execute("UPDATE t SET a = repeat(chr(65 + id % 26), 500000) || id, id = id + 1")
            .await
            .unwrap();
        // Both images are logged.
        written += 1_000_000;
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while size(&data.join("log")) > 48 << 20 {
        assert!(Instant::now() < deadline, "the log has {} bytes", size(&data.join("log")));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(server);
    let server = Process::start(&data, &[]);
    let client = server.connect("postgres").await;
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "1");
}
