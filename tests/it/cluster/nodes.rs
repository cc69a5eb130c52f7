//! A cluster of processes, in a directory that goes away with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::process::{Process, Starting, free_port};

/// How long a cluster may take for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A node, running or not.
pub struct Node {
    pub number: u64,
    pub data: PathBuf,
    pub port: u16,
    pub admin: u16,
    pub cluster: u16,
    /// Where the others reach it, if not where it listens.
    pub advertised: Option<u16>,
    pub election_timeout_ms: &'static str,
    /// A library to load before all others.
    pub preload: Option<PathBuf>,
    pub process: Option<Process>,
}

/// The nodes.
pub struct Nodes {
    pub nodes: Vec<Node>,
    pub options: Vec<String>,
    /// Goes away with them.
    _directory: tempfile::TempDir,
}

impl Node {
    pub fn new(directory: &std::path::Path, number: u64) -> Node {
        Node {
            number,
            data: directory.join(format!("node{number}")),
            port: free_port(),
            admin: free_port(),
            cluster: free_port(),
            advertised: None,
            // Many clusters share two cores here: a leader that waits for its turn is not dead.
            election_timeout_ms: "1000,2000",
            preload: None,
            process: None,
        }
    }

    /// The command that starts it, again or for the first time.
    pub fn command(&self, join: &str, expect: usize) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
        let local = |port: u16| format!("127.0.0.1:{port}");
        command.arg("serve").arg("--data").arg(&self.data);
        command.args(["--listen", &local(self.port), "--admin", &local(self.admin)]);
        command.args(["--cluster-listen", &local(self.cluster), "--join", join]);
        command.args(["--expect", &expect.to_string(), "--node-id", &self.number.to_string()]);
        command.args(["--election-timeout-ms", self.election_timeout_ms, "--log-level", "warn"]);
        if let Some(port) = self.advertised {
            command.args(["--advertise", &local(port)]);
        }
        if let Some(library) = &self.preload {
            command.env("LD_PRELOAD", library);
        }
        command
    }

    /// A page of its admin address; `None` if it does not answer.
    pub fn page(&self, method: &str, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.admin)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: node\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }

    /// A value of its status page.
    pub fn status(&self, name: &str) -> Option<String> {
        let page = self.page("GET", "/status")?;
        page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t')).map(str::to_owned)
    }

    pub async fn connect(&self) -> Client {
        self.process.as_ref().expect("the node runs").connect("postgres").await
    }

    /// Connects, or tells why not.
    pub async fn try_connect(&self, options: &str) -> Result<Client, tokio_postgres::Error> {
        let config = format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres connect_timeout=5 {options}",
            self.port
        );
        let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

impl Nodes {
    /// Starts a cluster of so many nodes.
    pub fn start(count: usize) -> Nodes {
        Nodes::start_with(count, &[])
    }

    pub fn start_with(count: usize, options: &[&str]) -> Nodes {
        let directory = tempfile::tempdir().unwrap();
        let nodes = (1..=count as u64).map(|number| Node::new(directory.path(), number)).collect();
        let mut nodes = Nodes::prepared(directory, nodes, options);
        nodes.start_all();
        nodes
    }

    /// Nodes that do not run yet, and the directory that goes away with them.
    pub fn prepared(directory: tempfile::TempDir, nodes: Vec<Node>, options: &[&str]) -> Nodes {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Nodes { nodes, options, _directory: directory }
    }

    /// Starts all that do not run.
    pub fn start_all(&mut self) {
        let rest = self.nodes.iter().enumerate().filter(|(_, node)| node.process.is_none());
        let places: Vec<usize> = rest.map(|(place, _)| place).collect();
        self.start_nodes(&places);
    }

    pub fn join(&self) -> String {
        let addresses = self.nodes.iter().map(|node| node.advertised.unwrap_or(node.cluster));
        let addresses = addresses.map(|port| format!("127.0.0.1:{port}"));
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Starts some nodes together and waits until they are ready.
    pub fn start_nodes(&mut self, places: &[usize]) {
        let (join, expect) = (self.join(), self.nodes.len());
        let mut starting: Vec<(usize, Starting)> = Vec::new();
        for place in places {
            let node = &self.nodes[*place];
            let mut command = node.command(&join, expect);
            starting.push((*place, Starting::new(command.args(&self.options), node.port)));
        }
        for (place, mut node) in starting {
            node.wait();
            self.nodes[place].process = Some(node.process);
        }
    }

    /// kill -9
    pub fn kill(&mut self, place: usize) {
        self.nodes[place].process.take().expect("the node runs").kill();
    }

    /// The place of the node that leads, as the nodes that run agree.
    pub fn leader(&self) -> usize {
        let started = Instant::now();
        loop {
            for (place, node) in self.nodes.iter().enumerate() {
                if node.process.is_some() && node.status("role").as_deref() == Some("leader") {
                    return place;
                }
            }
            assert!(started.elapsed() < PATIENCE, "there is no leader");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The place of a node that runs and does not lead.
    pub fn follower(&self) -> usize {
        let leader = self.leader();
        let mut places = 0..self.nodes.len();
        places.find(|place| *place != leader && self.nodes[*place].process.is_some()).expect("another runs")
    }

    /// Compares all nodes; gives what differs.
    pub fn verify(&self) -> String {
        let started = Instant::now();
        loop {
            let leader = self.leader();
            let page = self.nodes[leader].page("POST", "/verify");
            match page.filter(|page| page.starts_with("entry\t")) {
                Some(page) => {
                    return page
                        .lines()
                        .filter(|line| line.starts_with("different"))
                        .collect::<Vec<_>>()
                        .join("\n");
                }
                None => assert!(started.elapsed() < PATIENCE, "the nodes cannot be compared"),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
