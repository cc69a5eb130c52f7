//! Any node takes any statement.

use super::nodes::Nodes;
use crate::process::Process;
use crate::target::Target;

fn code(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.code().code().to_owned())
}

async fn value(client: &tokio_postgres::Client, sql: &str) -> String {
    client.query_one(sql, &[]).await.unwrap().get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_pass_on_a_follower() {
    let nodes = Nodes::start(3);
    let target = Target::Follower(nodes);
    crate::slt::run_all(&target).await;
    crate::wire::run_all(&target).await;
    let Target::Follower(nodes) = target else { unreachable!() };
    assert_eq!(nodes.verify(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_keep_their_state_across_nodes() {
    let nodes = Nodes::start(3);
    let follower = &nodes.nodes[nodes.follower()];
    let client = follower.connect().await;
    client.batch_execute("CREATE TABLE s (id serial PRIMARY KEY, v text)").await.unwrap();
    // Settings, sequences' values and the backend's number are the session's own, wherever it runs.
    client.batch_execute("SET application_name = 'here'; SET DateStyle = 'German'").await.unwrap();
    let row = client
        .query_one(
            "INSERT INTO s (v) VALUES (current_setting('application_name') || date '2026-02-01') RETURNING id, v, pg_backend_pid()",
            &[],
        )
        .await
        .unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (1, "here01.02.2026"));
    let pid: i32 = row.get(2);
    assert_eq!(client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get::<_, i32>(0), pid);
    assert_eq!(value(&client, "SELECT currval('s_id_seq')::text || lastval()").await, "11");
    // set_config in a statement that runs on the leader.
    client
        .batch_execute(
            "BEGIN; INSERT INTO s (v) VALUES (set_config('quote_all_identifiers', 'on', false)); COMMIT",
        )
        .await
        .unwrap();
    assert_eq!(value(&client, "SHOW quote_all_identifiers").await, "on");
    client
        .batch_execute(
            "BEGIN; DELETE FROM s; SELECT set_config('quote_all_identifiers', 'off', false); ROLLBACK",
        )
        .await
        .unwrap();
    assert_eq!(value(&client, "SHOW quote_all_identifiers").await, "on");
    // A table of this transaction's own, prepared and described here.
    client.batch_execute("BEGIN; CREATE TABLE mine (a int, b numeric(5,2))").await.unwrap();
    let insert = client.prepare("INSERT INTO mine VALUES ($1, $2::text::numeric) RETURNING b").await.unwrap();
    client.execute(&insert, &[&1i32, &"2.345"]).await.unwrap();
    assert_eq!(value(&client, "SELECT b::text FROM mine").await, "2.35");
    client.batch_execute("SAVEPOINT x; DROP TABLE mine; ROLLBACK TO x").await.unwrap();
    assert_eq!(value(&client, "SELECT count(*)::text FROM mine").await, "1");
    client.batch_execute("COMMIT").await.unwrap();
    let leader = nodes.nodes[nodes.leader()].connect().await;
    assert_eq!(value(&leader, "SELECT count(*)::text FROM mine").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_on_the_leader_are_cancelled_and_time_out() {
    let nodes = Nodes::start(3);
    let client = nodes.nodes[nodes.follower()].connect().await;
    client.batch_execute("CREATE TABLE c (a int)").await.unwrap();
    let token = client.cancel_token();
    let cancelling = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    });
    let slow = "INSERT INTO c SELECT 1 FROM generate_series(1, 5) WHERE pg_sleep(10) IS NOT NULL";
    assert_eq!(code(&client.batch_execute(slow).await.unwrap_err()), "57014");
    cancelling.await.unwrap();
    client.batch_execute("SET statement_timeout = 200").await.unwrap();
    assert_eq!(code(&client.batch_execute(slow).await.unwrap_err()), "57014");
    client.batch_execute("RESET statement_timeout; INSERT INTO c VALUES (1)").await.unwrap();
    // Who waits for the writer behind another node's client gives up after lock_timeout.
    let holder = nodes.nodes[nodes.leader()].connect().await;
    holder.batch_execute("BEGIN; UPDATE c SET a = 2").await.unwrap();
    let waited = client.batch_execute("SET lock_timeout = 100; UPDATE c SET a = 3").await;
    assert_eq!(code(&waited.unwrap_err()), "55P03");
    holder.batch_execute("COMMIT").await.unwrap();
    // A client that goes away in a transaction holds nobody up.
    let leaving = nodes.nodes[nodes.follower()].connect().await;
    leaving.batch_execute("BEGIN; UPDATE c SET a = 4").await.unwrap();
    drop(leaving);
    client.batch_execute("SET lock_timeout = 5000; UPDATE c SET a = 5").await.unwrap();
    assert_eq!(value(&client, "SELECT a::text FROM c").await, "5");
}

/// Reads at every level, on a follower.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_as_fresh_as_they_are_asked_to_be() {
    let nodes = Nodes::start(3);
    let leader = nodes.nodes[nodes.leader()].connect().await;
    let node = &nodes.nodes[nodes.follower()];
    let client = node.connect().await;
    leader.batch_execute("CREATE TABLE r (a int); INSERT INTO r VALUES (0)").await.unwrap();
    for number in 1..200 {
        leader.execute("UPDATE r SET a = $1", &[&number]).await.unwrap();
        let level = ["linearizable", "strong", "weak", "auto", "session"][number as usize % 5];
        client.batch_execute(&format!("BEGIN; SET LOCAL quorate.read_consistency = {level}")).await.unwrap();
        if level == "session" {
            let token = value(&leader, "SHOW quorate.last_commit").await;
            client.batch_execute(&format!("SET LOCAL quorate.wait_for = {token}")).await.unwrap();
        }
        assert_eq!(value(&client, "SELECT a::text FROM r").await, number.to_string(), "{level}");
        client.batch_execute("COMMIT").await.unwrap();
    }
    assert_eq!(value(&client, "SHOW quorate.read_consistency").await, "linearizable");
    let wrong = client.batch_execute("SET quorate.wait_for = 'soon'").await.unwrap_err();
    assert_eq!(code(&wrong), "22023");
    let options = "options='-c quorate.read_consistency=none -c quorate.max_staleness=10s'";
    let stale = node.try_connect(options).await.unwrap();
    assert_eq!(value(&stale, "SHOW quorate.read_consistency").await, "none");
    // An own write is seen at level session, wherever it was made.
    client.batch_execute("SET quorate.read_consistency = session").await.unwrap();
    for number in 200..300 {
        client.execute("UPDATE r SET a = $1", &[&number]).await.unwrap();
        assert_eq!(value(&client, "SELECT a::text FROM r").await, number.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_tells_what_became_of_it() {
    let nodes = Nodes::start(3);
    for place in [nodes.leader(), nodes.follower()] {
        let client = nodes.nodes[place].connect().await;
        let other = nodes.nodes[nodes.follower()].connect().await;
        client.batch_execute("DROP TABLE IF EXISTS o; CREATE TABLE o (a int)").await.unwrap();
        client.batch_execute("BEGIN; INSERT INTO o VALUES (1)").await.unwrap();
        let id = value(&client, "SHOW quorate.transaction_id").await;
        client.batch_execute("COMMIT").await.unwrap();
        let status = format!("SELECT quorate.commit_status('{id}')");
        assert_eq!(value(&other, &status).await, "committed");
        assert_eq!(value(&client, &status).await, "committed");
        let id = value(&client, "SELECT current_setting('quorate.transaction_id')").await;
        client.batch_execute("BEGIN; INSERT INTO o VALUES (2); ROLLBACK").await.unwrap();
        assert_eq!(value(&other, &format!("SELECT quorate.commit_status('{id}')")).await, "aborted");
        assert_ne!(value(&client, "SHOW quorate.transaction_id").await, id);
        let old = "SELECT quorate.commit_status('0000000000000001-0000000000000001')";
        assert_eq!(value(&other, old).await, "NULL");
        let wrong = other.query("SELECT quorate.commit_status('x')", &[]).await.unwrap_err();
        assert_eq!(code(&wrong), "22P02");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_results_and_copies_go_through_a_follower() {
    use futures_util::{SinkExt, StreamExt};

    let nodes = Nodes::start(3);
    let follower = &nodes.nodes[nodes.follower()];
    let client = follower.connect().await;
    client.batch_execute("CREATE TABLE big (a int, b text)").await.unwrap();
    let sink = client.copy_in("COPY big FROM STDIN").await.unwrap();
    tokio::pin!(sink);
    for block in 0..100 {
        let lines: String =
            (0..2000).map(|row| format!("{}\t{}\n", block * 2000 + row, "x".repeat(50))).collect();
        sink.send(bytes::Bytes::from(lines)).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 200_000);
    client.batch_execute("BEGIN; DELETE FROM big WHERE a % 2 = 0").await.unwrap();
    assert_eq!(client.query("SELECT * FROM big", &[]).await.unwrap().len(), 100_000);
    let stream = client.copy_out("COPY big TO STDOUT").await.unwrap();
    let bytes: usize =
        stream.map(|chunk| chunk.unwrap().len()).fold(0, |sum, length| async move { sum + length }).await;
    assert!(bytes > 5_000_000);
    client.batch_execute("ROLLBACK").await.unwrap();
    // A refused row is told at once, with its line.
    let sink = client.copy_in("COPY big FROM STDIN").await.unwrap();
    tokio::pin!(sink);
    sink.send(bytes::Bytes::from("1\tok\nnonsense\tx\n")).await.unwrap();
    let error = sink.finish().await.unwrap_err();
    assert_eq!(code(&error), "22P02");
    assert!(error.as_db_error().unwrap().where_().unwrap().starts_with("COPY big, line 2"));
    assert_eq!(value(&client, "SELECT count(*)::text FROM big").await, "200000");
    let process: &Process = follower.process.as_ref().unwrap();
    assert!(process.resident_bytes() < 400 << 20);
}
