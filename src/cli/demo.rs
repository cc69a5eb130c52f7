//! Three nodes on this machine, for a first look.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

use super::{members, print, request};

/// How many nodes.
const NODES: u16 = 3;
/// How long they may take to form a cluster.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long they may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// How often is looked what they do.
const INTERVAL: Duration = Duration::from_millis(100);

#[derive(Args, Debug)]
pub(super) struct DemoArguments {
    /// Where the nodes keep their data; a new directory that is deleted at the end, unless it is named.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// The first node's port for clients; the others' follow.
    #[arg(long, value_name = "PORT", default_value_t = 5433)]
    port: u16,
}

/// The nodes, which end with this process.
struct Nodes(Vec<Child>);

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Nodes {
    /// Asks all to stop, and waits for that.
    fn stop(&mut self) {
        for child in &self.0 {
            // One that has ended by itself needs no signal.
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        }
        let started = Instant::now();
        while started.elapsed() < STOP_TIMEOUT && !self.0.iter_mut().all(has_ended) {
            std::thread::sleep(INTERVAL);
        }
    }
}

fn has_ended(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(Some(_)) | Err(_))
}

fn free_port() -> Result<u16, String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// `quorate demo`
pub(super) fn run(arguments: &DemoArguments) -> Result<(), String> {
    let (directory, is_temporary) = match &arguments.data {
        Some(directory) => (directory.clone(), false),
        None => (std::env::temp_dir().join(format!("quorate-demo-{}", std::process::id())), true),
    };
    let outcome = run_in(&directory, arguments.port);
    if is_temporary && let Err(error) = std::fs::remove_dir_all(&directory) {
        print(&format!("Could not delete {}: {error}\n", directory.display()));
    }
    outcome
}

fn run_in(directory: &Path, port: u16) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("could not wait for signals: {error}"))?;
    let _guard = runtime.enter();
    let mut signals = super::Signals::new().map_err(|error| super::one_line(&error))?;
    let clusters: Vec<u16> = (0..NODES).map(|_| free_port()).collect::<Result<_, _>>()?;
    let admins: Vec<u16> = (0..NODES).map(|_| free_port()).collect::<Result<_, _>>()?;
    let mut nodes = Nodes(Vec::new());
    for number in 0..NODES {
        let ports = (port + number, clusters[usize::from(number)], admins[usize::from(number)]);
        nodes.0.push(start(directory, number + 1, ports, &clusters)?);
    }
    print("Starting three nodes…\n");
    let mut shown = String::new();
    let started = Instant::now();
    loop {
        for (number, child) in nodes.0.iter_mut().enumerate() {
            if has_ended(child) && shown.is_empty() {
                let log = directory.join(format!("node{}.log", number + 1));
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("node {} has ended:\n{text}", number + 1));
            }
        }
        let page = admins.iter().find_map(|admin| request::get(local(*admin), "/members").ok());
        if let Some(page) = page.filter(|page| page.lines().count() == usize::from(NODES)) {
            let leader = page.lines().find(|line| line.contains("\tleader\t"));
            let leader = leader.and_then(|line| line.split('\t').next()).unwrap_or_default().to_owned();
            if !leader.is_empty() && leader != shown {
                if shown.is_empty() {
                    print(&welcome(port, &admins, directory));
                }
                print(&format!("\nNode {leader} leads.\n\n{}", members::table(&page)));
                shown = leader;
            }
        }
        if shown.is_empty() && started.elapsed() > START_TIMEOUT {
            return Err("the nodes have not formed a cluster in time".into());
        }
        let stopped =
            runtime.block_on(async { tokio::time::timeout(INTERVAL, signals.next()).await.is_ok() });
        if stopped {
            print("\nStopping…\n");
            nodes.stop();
            return Ok(());
        }
    }
}

fn start(
    directory: &Path,
    number: u16,
    (port, cluster, admin): (u16, u16, u16),
    clusters: &[u16],
) -> Result<Child, String> {
    let failed = |error: std::io::Error| format!("could not start node {number}: {error}");
    std::fs::create_dir_all(directory).map_err(failed)?;
    let log = std::fs::File::create(directory.join(format!("node{number}.log"))).map_err(failed)?;
    let join: Vec<String> = clusters.iter().map(|port| local(*port).to_string()).collect();
    Command::new(std::env::current_exe().map_err(failed)?)
        .arg("serve")
        .arg("--data")
        .arg(directory.join(format!("node{number}")))
        .args(["--listen", &local(port).to_string(), "--admin", &local(admin).to_string()])
        .args(["--cluster-listen", &local(cluster).to_string(), "--join", &join.join(",")])
        .args(["--expect", &NODES.to_string(), "--node-id", &number.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(failed)
}

fn welcome(port: u16, admins: &[u16], directory: &Path) -> String {
    let mut text = "\nThree nodes run. Connect to any of them:\n\n".to_owned();
    for number in 0..NODES {
        text.push_str(&format!(
            "    node {}:  psql -h 127.0.0.1 -p {} -U postgres postgres\n",
            number + 1,
            port + number
        ));
    }
    text.push_str(&format!(
        "\nStatus:  quorate status --admin 127.0.0.1:{}\nLogs:    {}\nStop:    ctrl-C\n",
        admins[0],
        directory.join("node1.log").display()
    ));
    text
}
