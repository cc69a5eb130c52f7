//! A server as a process of its own, in a directory that goes away with it.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

/// How long a server may take to start or stop before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Process {
    child: Child,
    pub port: u16,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that is not ready yet.
pub struct Starting {
    pub process: Process,
    lines: Option<std::io::Lines<BufReader<std::process::ChildStdout>>>,
}

impl Starting {
    pub fn new(command: &mut Command, port: u16) -> Starting {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = Some(BufReader::new(child.stdout.take().unwrap()).lines());
        Starting { process: Process { child, port }, lines }
    }

    /// Waits until it says that it is ready.
    pub fn wait(&mut self) {
        let mut lines = self.lines.take().expect("it is waited for once");
        let (sender, receiver) = std::sync::mpsc::channel();
        // All of it is read so that the pipe never fills.
        std::thread::spawn(move || {
            let _ = sender.send(lines.next());
            lines.for_each(drop);
        });
        let first = receiver.recv_timeout(PATIENCE).expect("the server is not ready in time");
        let first = first.expect("the server has ended at once").unwrap();
        assert!(first.ends_with("is ready."), "{first}");
    }
}

/// A port that is free now, and that no other test of this process is given. Not one of those that the
/// system gives to connections by itself.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let place = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = (FIRST + place % COUNT) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The binary with a data directory, not started yet.
pub fn command(data: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.arg("serve").arg("--data").arg(data).arg("--listen").arg(format!("127.0.0.1:{port}"));
    command.args(["--admin", "none", "--log-level", "warn"]);
    command
}

/// Runs a command to its end: how it ended, and what it wrote to standard error.
pub fn run(command: &mut Command) -> (ExitStatus, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the process has not ended in {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (child.wait().unwrap(), text)
}

impl Process {
    /// Starts a server and waits until it says that it is ready.
    pub fn start(data: &Path, options: &[&str]) -> Process {
        let port = free_port();
        let mut starting = Starting::new(command(data, port).args(options), port);
        starting.wait();
        starting.process
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the server has not stopped in {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Connects to a database.
    pub async fn connect(&self, database: &str) -> Client {
        let config = format!("host=127.0.0.1 port={} user=postgres dbname={database}", self.port);
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Resident memory, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}
