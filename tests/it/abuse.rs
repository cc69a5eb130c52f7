//! Clients that hang, lie or go away. Each gets an error with the right SQLSTATE or a closed connection;
//! the server lives on within bounded memory, and another session notices nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tokio_postgres::Client;

use crate::process::Process;

/// Memory that the server may take more for all of this, in bytes: some statements are 100 MB long.
const MEMORY_GROWTH_MAX: u64 = 1500 << 20;

fn connect(server: &Process) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn startup(server: &Process) -> TcpStream {
    let mut body = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0".to_vec();
    let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
    packet.append(&mut body);
    let mut stream = connect(server);
    stream.write_all(&packet).unwrap();
    read_until_ready(&mut stream).expect("a session");
    stream
}

/// Reads up to ReadyForQuery: the SQLSTATE of the first error, `Ok("")` if none. `Err`: closed, with the SQLSTATE.
fn read_until_ready(stream: &mut TcpStream) -> Result<String, String> {
    let mut first = String::new();
    loop {
        let mut header = [0; 5];
        match stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the server does not answer"),
            Err(_) => return Err(first),
        }
        let length = u32::from_be_bytes(header[1..].try_into().unwrap()) as usize - 4;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        match header[0] {
            b'Z' => return Ok(first),
            b'E' if first.is_empty() => {
                let fields = body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C"));
                first = String::from_utf8(fields.unwrap().to_vec()).unwrap();
            }
            _ => {}
        }
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn query(text: &[u8]) -> Vec<u8> {
    let mut body = text.to_vec();
    body.push(0);
    message(b'Q', &body)
}

fn parse(text: &str) -> Vec<u8> {
    let mut body = vec![0];
    body.extend_from_slice(text.as_bytes());
    body.extend_from_slice(&[0, 0, 0]);
    message(b'P', &body)
}

/// Sends bytes in a session of their own.
fn send(server: &Process, bytes: &[u8]) -> Result<String, String> {
    let mut stream = startup(server);
    // The server may close while the rest is still being sent.
    let _ = stream.write_all(bytes);
    read_until_ready(&mut stream)
}

/// The other session, which must not notice anything.
struct Witness(Client);

impl Witness {
    async fn check(&self) {
        let row = self.0.query_one("SELECT count(*), sum(a)::bigint FROM witness", &[]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (10, 55));
    }
}

async fn start() -> (Process, Witness, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(&directory.path().join("data"), &[]);
    let client = server.connect("postgres").await;
    client
        .batch_execute(
            "CREATE TABLE witness (a int); INSERT INTO witness SELECT g FROM generate_series(1, 10) g",
        )
        .await
        .unwrap();
    (server, Witness(client), directory)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_messages_end_at_worst_their_own_connection() {
    let (server, witness, _directory) = start().await;
    for (bytes, expected) in [
        // Where the next message starts is unknown: the connection ends.
        (b"Q\0\0\0\x03".to_vec(), Err("08P01")),
        (b"Q\x7f\xff\xff\xff".to_vec(), Err("08P01")),
        (b"!\0\0\0\x04".to_vec(), Err("08P01")),
        (b"S\0\0\0\x08abcd".to_vec(), Err("08P01")),
        // The rest can be skipped.
        (message(b'Q', b"SELECT 1"), Ok("08P01")),
        (query(b"SELECT '\xff'"), Ok("22021")),
        (message(b'Q', b"SELECT\0 1\0"), Ok("08P01")),
        ([message(b'P', b"\0"), message(b'S', b"")].concat(), Ok("08P01")),
        ([message(b'P', b"\0\0\0\x09"), message(b'S', b"")].concat(), Ok("08P01")),
        ([message(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff"), message(b'S', b"")].concat(), Ok("08P01")),
        ([message(b'B', b"\0\0\xff\xff"), message(b'S', b"")].concat(), Ok("08P01")),
        ([message(b'D', b"Z\0"), message(b'S', b"")].concat(), Ok("08P01")),
        ([message(b'E', b"\0\0\0\0\0"), message(b'S', b"")].concat(), Ok("34000")),
        ([message(b'p', b"secret\0"), message(b'S', b"")].concat(), Ok("08P01")),
        // Messages that mean nothing outside of COPY.
        (
            [message(b'd', b"1\n"), message(b'c', b""), message(b'f', b"no\0"), query(b"SELECT 1")].concat(),
            Ok(""),
        ),
        // Nothing after Terminate is run.
        ([message(b'X', b""), query(b"INSERT INTO witness VALUES (100)")].concat(), Err("")),
    ] {
        let got = send(&server, &bytes);
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{:?}", String::from_utf8_lossy(&bytes));
    }
    witness.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_never_become_sessions_are_harmless() {
    let (server, witness, _directory) = start().await;
    for bytes in [
        &b""[..],
        b"\0\0",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x08\0\x02\0\0",
        b"\0\0\0\x09\0\x03\0\0x",
        b"\0\0\0\x0e\0\x03\0\0user\0\0",
        b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02",
        b"\0\0\0\x08\x04\xd2\x16\x2fN\0\0\0\x03",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut stream = connect(&server);
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 1000);
    }
    // SSL and GSS are refused with one letter, and the session starts after that.
    let mut stream = connect(&server);
    for code in [b"\0\0\0\x08\x04\xd2\x16\x2f", b"\0\0\0\x08\x04\xd2\x16\x30"] {
        stream.write_all(code).unwrap();
        let mut letter = [0];
        stream.read_exact(&mut letter).unwrap();
        assert_eq!(&letter, b"N");
    }
    // A message cut in half, and a client that hangs in the middle of one.
    let mut hanging = startup(&server);
    hanging.write_all(&query(b"SELECT 1")[..7]).unwrap();
    let mut cut = startup(&server);
    cut.write_all(&query(b"INSERT INTO witness VALUES (100)")[..20]).unwrap();
    drop(cut);
    witness.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absurd_statements_get_errors() {
    let (server, witness, _directory) = start().await;
    let before = server.resident_bytes();
    let deep = |open: &str, close: &str| format!("SELECT {}1{}", open.repeat(10_000), close.repeat(10_000));
    let many = (1..=70_000).map(|number| format!("${number}")).collect::<Vec<_>>().join(",");
    let chain = format!("SELECT 1{}", " + 1".repeat(100_000));
    for (statement, expected) in [
        (deep("(", ")"), "54001"),
        (deep("- ", ""), "54001"),
        (deep("NOT ", ""), "54001"),
        (deep("(SELECT ", ")"), "54001"),
        (deep("CASE WHEN true THEN ", " END"), "54001"),
        (deep("abs(", ")"), "54001"),
        (chain, "54001"),
        (format!("SELECT 1 WHERE 1 IN ({many})"), "42P02|54"),
        (format!("SELECT {}", vec!["1"; 5000].join(",")), "54"),
        (format!("SELECT '{}'", "x".repeat(100 << 20)), ""),
        ("x".repeat(100 << 20), "54"),
        (format!("SELECT 1 {}", " UNION ALL SELECT 1".repeat(20_000)), "54"),
        ("SELECT repeat('x', 2000000000)".to_owned(), "54"),
        ("ATTACH DATABASE 'evil.db' AS evil".to_owned(), "42601"),
        ("PRAGMA writable_schema = 1".to_owned(), "42601"),
        ("VACUUM INTO 'evil.db'".to_owned(), "42601"),
        ("SELECT load_extension('x')".to_owned(), "42883"),
        ("SELECT * FROM sqlite_schema".to_owned(), "42P01"),
        ("SELECT * FROM \"quorate.meta\"".to_owned(), "42P01"),
    ] {
        let shown: String = statement.chars().take(60).collect();
        for bytes in [query(statement.as_bytes()), [parse(&statement), message(b'S', b"")].concat()] {
            match send(&server, &bytes) {
                Ok(state) => {
                    assert!(expected.split('|').any(|start| state.starts_with(start)), "{shown}: {state}")
                }
                Err(state) => panic!("{shown}: closed with {state}"),
            }
            if expected.is_empty() || shown.contains("repeat(") {
                break;
            }
        }
        witness.check().await;
    }
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < MEMORY_GROWTH_MAX, "{growth} bytes more than before");
}
