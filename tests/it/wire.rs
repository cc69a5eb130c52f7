//! Message scripts: `tests/wire/*.wire`. A line is a message to send, `until` waits for one of the server's,
//! and after `----` stands what came back, a line a message. Each runs on our server and on PostgreSQL;
//! `UPDATE_SCRIPTS=1` writes PostgreSQL's answers into them, never ours.
//!
//! ```text
//! Parse "" "SELECT $1 + 1"
//! Describe S ""
//! Sync
//! until ReadyForQuery
//! ----
//! ParseComplete
//! …
//! ```
//!
//! Not shown: ParameterStatus at the start, keys, oids of tables, and the fields of errors that tell
//! about the server's source.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use crate::target::{Target, scripts};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Splits a line into words; text in quotes is one, with \n, \t, \0 and \xHH.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
            words.push(word.as_bytes().to_vec());
            rest = tail.trim_start();
            continue;
        };
        let mut word = Vec::new();
        let mut chars = quoted.char_indices();
        rest = loop {
            let (place, c) = chars.next().expect("a quote is closed");
            match c {
                '"' => break quoted[place + 1..].trim_start(),
                '\\' => match chars.next().unwrap().1 {
                    'n' => word.push(b'\n'),
                    't' => word.push(b'\t'),
                    '0' => word.push(0),
                    'x' => {
                        let digits: String =
                            [chars.next().unwrap().1, chars.next().unwrap().1].iter().collect();
                        word.push(u8::from_str_radix(&digits, 16).unwrap());
                    }
                    c => word.push(c as u8),
                },
                c => word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        };
        words.push(word);
    }
    words
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

fn string(body: &mut Vec<u8>, text: &[u8]) {
    body.extend_from_slice(text);
    body.push(0);
}

fn number<T: std::str::FromStr>(word: &[u8]) -> T {
    std::str::from_utf8(word).unwrap().parse().unwrap_or_else(|_| panic!("a number"))
}

/// `Bind portal statement [formats: 1 0] [values: "a" NULL] [results: 1]`
fn bind(words: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    string(&mut body, &words[0]);
    string(&mut body, &words[1]);
    let (mut formats, mut values, mut results) = (Vec::new(), Vec::new(), Vec::new());
    let mut section = &b""[..];
    for word in &words[2..] {
        match (&word[..], section) {
            (b"formats:" | b"values:" | b"results:", _) => section = word,
            (word, b"formats:") => formats.push(number::<i16>(word)),
            (word, b"results:") => results.push(number::<i16>(word)),
            (word, _) => values.push(word),
        }
    }
    let codes = |body: &mut Vec<u8>, codes: &[i16]| {
        body.extend_from_slice(&(codes.len() as u16).to_be_bytes());
        codes.iter().for_each(|code| body.extend_from_slice(&code.to_be_bytes()));
    };
    codes(&mut body, &formats);
    body.extend_from_slice(&(values.len() as u16).to_be_bytes());
    for value in values {
        if value == b"NULL" {
            body.extend_from_slice(&(-1i32).to_be_bytes());
        } else {
            body.extend_from_slice(&(value.len() as i32).to_be_bytes());
            body.extend_from_slice(value);
        }
    }
    codes(&mut body, &results);
    body
}

/// The bytes of a line of a script.
fn encode(line: &str) -> Vec<u8> {
    let words = words(line);
    let mut body = Vec::new();
    match &words[0][..] {
        b"Raw" => words[1].clone(),
        b"Query" => {
            string(&mut body, &words[1]);
            frame(b'Q', &body)
        }
        b"Parse" => {
            string(&mut body, &words[1]);
            string(&mut body, &words[2]);
            body.extend_from_slice(&(words.len() as u16 - 3).to_be_bytes());
            words[3..].iter().for_each(|oid| body.extend_from_slice(&number::<u32>(oid).to_be_bytes()));
            frame(b'P', &body)
        }
        b"Bind" => frame(b'B', &bind(&words[1..])),
        b"Describe" | b"Close" => {
            body.push(words[1][0]);
            string(&mut body, &words[2]);
            frame(if words[0][0] == b'D' { b'D' } else { b'C' }, &body)
        }
        b"Execute" => {
            string(&mut body, &words[1]);
            body.extend_from_slice(&words.get(2).map_or(0, |word| number::<i32>(word)).to_be_bytes());
            frame(b'E', &body)
        }
        b"Sync" => frame(b'S', &[]),
        b"Flush" => frame(b'H', &[]),
        b"CopyData" => frame(b'd', &words[1]),
        b"CopyDone" => frame(b'c', &[]),
        b"CopyFail" => {
            string(&mut body, &words[1]);
            frame(b'f', &body)
        }
        b"Terminate" => frame(b'X', &[]),
        word => panic!("unknown message {}", String::from_utf8_lossy(word)),
    }
}

/// Reads a message's body.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn string(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap();
        let text = String::from_utf8(self.take(end).to_vec()).unwrap();
        self.take(1);
        text
    }
}

/// Text in quotes, or bytes as digits.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => format!("{text:?}"),
        _ => bytes.iter().fold("x".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        }),
    }
}

/// A server's message as a line; `None` for one that is not shown.
fn decode(kind: u8, body: &[u8]) -> Option<String> {
    let mut body = Body(body);
    Some(match kind {
        b'1' => "ParseComplete".into(),
        b'2' => "BindComplete".into(),
        b'3' => "CloseComplete".into(),
        b'n' => "NoData".into(),
        b'I' => "EmptyQueryResponse".into(),
        b's' => "PortalSuspended".into(),
        b'c' => "CopyDone".into(),
        b'K' => return None,
        b'R' => "Authentication".into(),
        b'S' => format!("ParameterStatus {} {:?}", body.string(), body.string()),
        b'C' => format!("CommandComplete {:?}", body.string()),
        b'Z' => format!("ReadyForQuery {}", body.0[0] as char),
        b'd' => format!("CopyData {}", shown(body.0)),
        b'G' => format!("CopyInResponse {} columns {}", body.take(1)[0], body.i16()),
        b'H' => format!("CopyOutResponse {} columns {}", body.take(1)[0], body.i16()),
        b't' => {
            let oids: Vec<String> = (0..body.i16()).map(|_| body.i32().to_string()).collect();
            format!("ParameterDescription {}", oids.join(" ")).trim_end().to_owned()
        }
        b'T' => {
            let mut line = "RowDescription".to_owned();
            for _ in 0..body.i16() {
                let name = body.string();
                let table = if body.i32() == 0 { "-" } else { "table" };
                let (column, oid, length, typmod, format) =
                    (body.i16(), body.i32(), body.i16(), body.i32(), body.i16());
                write!(
                    line,
                    " {name}({table} {column} oid {oid} length {length} typmod {typmod} format {format})"
                )
                .unwrap();
            }
            line
        }
        b'D' => {
            let values: Vec<String> = (0..body.i16())
                .map(|_| match body.i32() {
                    -1 => "NULL".into(),
                    length => shown(body.take(length as usize)),
                })
                .collect();
            format!("DataRow {}", values.join(" ")).trim_end().to_owned()
        }
        b'E' | b'N' => {
            let mut line = if kind == b'E' { "ErrorResponse" } else { "NoticeResponse" }.to_owned();
            while body.0[0] != 0 {
                let field = body.take(1)[0];
                let value = body.string();
                if b"SCMDHPstcn".contains(&field) {
                    write!(line, " {}={value:?}", field as char).unwrap();
                }
            }
            line
        }
        kind => format!("message {}", kind as char),
    })
}

/// A connection past its startup.
struct Connection(TcpStream);

impl Connection {
    fn open(target: &Target, database: &str) -> Connection {
        let mut stream = target.socket();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut packet = b"\0\x03\0\0".to_vec();
        for (name, value) in [("user", "postgres"), ("database", database), ("TimeZone", "UTC")] {
            string(&mut packet, name.as_bytes());
            string(&mut packet, value.as_bytes());
        }
        packet.push(0);
        stream.write_all(&(packet.len() as u32 + 4).to_be_bytes()).unwrap();
        stream.write_all(&packet).unwrap();
        let mut connection = Connection(stream);
        connection.until("ReadyForQuery", &mut Vec::new());
        connection
    }

    /// Reads messages up to one of a kind, or to the end of the stream.
    fn until(&mut self, name: &str, lines: &mut Vec<String>) {
        loop {
            let mut header = [0; 5];
            if self.0.read_exact(&mut header).is_err() {
                lines.push("(closed)".into());
                return;
            }
            let length = u32::from_be_bytes(header[1..].try_into().unwrap()) as usize;
            let mut body = vec![0; length - 4];
            self.0.read_exact(&mut body).unwrap();
            let Some(line) = decode(header[0], &body) else { continue };
            let found = line.starts_with(name);
            lines.push(line);
            if found {
                return;
            }
        }
    }
}

/// Runs a script; gives the answers.
async fn answers(target: &Target, path: &Path, script: &str) -> Vec<String> {
    let database = format!("wire_{}", path.file_stem().unwrap().to_str().unwrap());
    target.fresh(&database).await;
    let mut connection = Connection::open(target, &database);
    let mut lines = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("until ") {
            Some(name) => connection.until(name, &mut lines),
            None => {
                // A server that has closed the connection is seen by the next `until`.
                let _ = connection.0.write_all(&encode(line));
            }
        }
    }
    lines
}

pub async fn run_all(target: &Target) {
    let mut wrong = Vec::new();
    for path in scripts("wire", "wire") {
        let text = std::fs::read_to_string(&path).unwrap();
        let (script, expected) = text.split_once("----\n").unwrap_or((&text, ""));
        let got = answers(target, &path, script).await;
        if target.decides() {
            std::fs::write(&path, format!("{script}----\n{}\n", got.join("\n"))).unwrap();
        } else if !got.iter().map(String::as_str).eq(expected.lines()) {
            let first =
                got.iter().map(String::as_str).zip(expected.lines()).find(|(got, expected)| got != expected);
            let counts = (got.len(), expected.lines().count());
            wrong.push(format!("{}: (got, expected) {first:#?}, lines {counts:?}", path.display()));
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
