//! The command line: what people type, and what they read.

mod demo;
mod file;
mod members;
mod request;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, ClusterConfig, ClusterTls, Config};
use crate::error::{Error, Result};
use crate::server::Server;
use crate::telemetry::{LogLevel, start_log};
use demo::DemoArguments;

/// A PostgreSQL-compatible, fault-tolerant SQL server in one binary.
#[derive(Parser, Debug)]
#[command(name = "quorate", version, about, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run a node (the default).
    Serve(Box<ServeArguments>),
    /// Show what a running node says about itself.
    Status(AdminArguments),
    /// Copy all databases of a running node into a directory, one SQLite file each.
    Backup(BackupArguments),
    /// Run a cluster of three nodes on this machine, for a first look.
    Demo(DemoArguments),
    /// Add, remove or rebuild a member of the cluster.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Give the leadership to another node.
    #[command(subcommand)]
    Leader(LeaderCommand),
    /// Compare the contents of all nodes, table by table.
    Verify(AdminArguments),
    /// Make a stopped node's data a cluster of its own, because a majority of its cluster is lost for
    /// good.
    Recover(RecoverArguments),
}

#[derive(Subcommand, Debug)]
enum NodeCommand {
    /// Tell how to start another node, and wait until it is a member.
    Add(AdminArguments),
    /// Remove a member, dead or alive.
    Remove(NodeArguments),
    /// Replace a member's files by the leader's: for one that verify has found to be different.
    Rebuild(NodeArguments),
}

#[derive(Subcommand, Debug)]
enum LeaderCommand {
    /// Give the leadership to a node, or to the best of the others.
    Transfer {
        /// The node's number.
        node: Option<u64>,
        #[command(flatten)]
        admin: AdminArguments,
    },
}

#[derive(Args, Debug)]
struct NodeArguments {
    /// The node's number, as `quorate status` shows it.
    node: u64,
    #[command(flatten)]
    admin: AdminArguments,
}

#[derive(Args, Debug)]
struct RecoverArguments {
    /// The data directory of the stopped node that has most of the data.
    #[arg(long, env = "QUORATE_DATA", value_name = "DIRECTORY", default_value = config::DATA_DIRECTORY)]
    data: PathBuf,
    /// Confirms that the other nodes will never run again with their old data, and that what only they had
    /// is lost.
    #[arg(long)]
    the_others_are_lost: bool,
}

/// Each option can also be given as an environment variable.
#[derive(Args, Debug, Clone)]
struct ServeArguments {
    /// Directory for all data; created if missing.
    #[arg(long, env = "QUORATE_DATA", value_name = "DIRECTORY", default_value = config::DATA_DIRECTORY)]
    data: PathBuf,
    /// Address for PostgreSQL clients. Only clients on the same machine are served.
    #[arg(long, env = "QUORATE_LISTEN", value_name = "IP:PORT", default_value = config::LISTEN)]
    listen: SocketAddr,
    /// Address of the status page (/health, /status, /metrics); "none" for none.
    #[arg(long, env = "QUORATE_ADMIN", value_name = "IP:PORT", default_value = config::ADMIN_LISTEN)]
    admin: String,
    /// Client connections at once.
    #[arg(long, env = "QUORATE_MAX_CONNECTIONS", value_name = "NUMBER", default_value_t = config::CONNECTIONS_MAX)]
    max_connections: usize,
    /// Size of the log, in megabytes, after which what the data files hold durably is purged from it.
    #[arg(long, env = "QUORATE_LOG_MB", value_name = "MEGABYTES", default_value_t = config::LOG_MB)]
    log_mb: u64,
    /// How long running statements have, in seconds, when the server is told to stop.
    #[arg(long, env = "QUORATE_STOP_TIMEOUT", value_name = "SECONDS", default_value_t = config::STOP_SECONDS)]
    stop_timeout: u64,
    /// How much to log: error, warn, info or debug.
    #[arg(long, env = "QUORATE_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: LogLevel,
    /// File with options, a line each, such as "listen = 127.0.0.1:5432"; # starts a comment. The
    /// environment and the command line come first.
    #[arg(long, env = "QUORATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// The node's part in a cluster.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Cluster")]
struct ClusterArguments {
    /// Address for the other nodes. Without it the node is alone.
    #[arg(long, env = "QUORATE_CLUSTER_LISTEN", value_name = "IP:PORT")]
    cluster_listen: Option<SocketAddr>,
    /// Where the other nodes reach this one, if not at --cluster-listen.
    #[arg(long, env = "QUORATE_ADVERTISE", value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Where other nodes may be found, this one included or not; names are resolved at each try.
    #[arg(long, env = "QUORATE_JOIN", value_name = "HOST:PORT,…", value_delimiter = ',')]
    join: Vec<String>,
    /// How many nodes found the cluster. Until then each waits; later ones join.
    #[arg(long, env = "QUORATE_EXPECT", value_name = "NUMBER", default_value_t = 1)]
    expect: usize,
    /// This node's number, kept in the data directory [default: drawn at the first start].
    #[arg(long, env = "QUORATE_NODE_ID", value_name = "NUMBER")]
    node_id: Option<u64>,
    /// Follow and serve reads, but never vote.
    #[arg(long, env = "QUORATE_LEARNER")]
    learner: bool,
    /// Encrypt between nodes: the certificates that sign the nodes' own, in PEM.
    #[arg(long, env = "QUORATE_CLUSTER_CA", value_name = "FILE", requires_all = ["cluster_cert", "cluster_key"])]
    cluster_ca: Option<PathBuf>,
    /// This node's certificate, in PEM, good for the host by which others reach it.
    #[arg(long, env = "QUORATE_CLUSTER_CERT", value_name = "FILE", requires = "cluster_ca")]
    cluster_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, env = "QUORATE_CLUSTER_KEY", value_name = "FILE", requires = "cluster_ca")]
    cluster_key: Option<PathBuf>,
    /// Let the leader answer linearizable reads by its lease, without asking the others: one round trip
    /// less, but right only while the machines' clocks run equally fast.
    #[arg(long, env = "QUORATE_LEASE_READS")]
    lease_reads: bool,
    /// Milliseconds without news from the leader, at least and at most, until a node stands for election.
    #[arg(long, env = "QUORATE_ELECTION_TIMEOUT_MS", value_name = "LEAST,MOST", value_delimiter = ',',
          num_args = 1, default_values_t = [config::ELECTION_TIMEOUT_MS.0, config::ELECTION_TIMEOUT_MS.1])]
    election_timeout_ms: Vec<u64>,
    /// Milliseconds between two signs of life of the leader.
    #[arg(long, env = "QUORATE_HEARTBEAT_MS", value_name = "MILLISECONDS", default_value_t = config::HEARTBEAT_MS)]
    heartbeat_ms: u64,
}

impl ClusterArguments {
    fn config(&self) -> Result<ClusterConfig, String> {
        let &[low, high] = &self.election_timeout_ms[..] else {
            return Err("--election-timeout-ms takes two numbers, such as 250,450".into());
        };
        let tls = match (&self.cluster_ca, &self.cluster_cert, &self.cluster_key) {
            (Some(authority), Some(certificate), Some(key)) => Some(ClusterTls {
                authority: authority.clone(),
                certificate: certificate.clone(),
                key: key.clone(),
            }),
            _ => None,
        };
        Ok(ClusterConfig {
            node_id: self.node_id,
            listen: self.cluster_listen,
            advertise: self.advertise.clone(),
            join: self.join.clone(),
            expect: self.expect,
            learner: self.learner,
            tls,
            lease_reads: self.lease_reads,
            election_timeout_ms: (low, high),
            heartbeat_ms: self.heartbeat_ms,
        })
    }
}

#[derive(Args, Debug)]
struct AdminArguments {
    /// Address of the node's status page.
    #[arg(long, env = "QUORATE_ADMIN", value_name = "IP:PORT", default_value = config::ADMIN_LISTEN)]
    admin: SocketAddr,
}

#[derive(Args, Debug)]
struct BackupArguments {
    /// Where the copies go: a new or empty directory on the node's machine.
    directory: PathBuf,
    #[command(flatten)]
    admin: AdminArguments,
}

impl ServeArguments {
    fn config(&self) -> Result<Config, String> {
        let admin =
            match self.admin.as_str() {
                "none" => None,
                address => Some(address.parse().map_err(|_| {
                    format!("--admin: \"{address}\" is not an address such as 127.0.0.1:8432")
                })?),
            };
        Ok(Config {
            data: self.data.clone(),
            listen: self.listen,
            admin,
            connections_max: self.max_connections,
            log_bytes_max: self.log_mb.saturating_mul(1 << 20),
            stop_timeout: Duration::from_secs(self.stop_timeout),
            cluster: self.cluster.config()?,
        })
    }
}

/// Runs what the process was asked for.
pub fn run() -> ExitCode {
    let arguments = match file::with_config(std::env::args_os().collect()) {
        Ok(words) => Arguments::parse_from(words),
        Err(message) => return fail(&message),
    };
    let outcome = match arguments.command {
        None => serve(&arguments.serve),
        Some(Command::Serve(serve_arguments)) => serve(&serve_arguments),
        Some(Command::Status(admin)) => members::status(admin.admin),
        Some(Command::Backup(backup)) => back_up(&backup),
        Some(Command::Demo(demo)) => demo::run(&demo),
        Some(Command::Node(NodeCommand::Add(admin))) => members::add(admin.admin),
        Some(Command::Node(NodeCommand::Remove(node))) => {
            post(node.admin.admin, &format!("/remove?node={}", node.node))
        }
        Some(Command::Node(NodeCommand::Rebuild(node))) => {
            post(node.admin.admin, &format!("/rebuild?node={}", node.node))
        }
        Some(Command::Leader(LeaderCommand::Transfer { node, admin })) => {
            let query = node.map_or_else(String::new, |node| format!("?to={node}"));
            post(admin.admin, &format!("/transfer{query}"))
        }
        Some(Command::Verify(admin)) => members::verify(admin.admin),
        Some(Command::Recover(recover)) => recover_data(&recover),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    // Nobody can be told if standard error is closed.
    let _ = writeln!(std::io::stderr(), "quorate: {message}");
    ExitCode::FAILURE
}

fn post(address: SocketAddr, path: &str) -> Result<(), String> {
    request::post(address, path).map(|text| print(&text))
}

fn recover_data(recover: &RecoverArguments) -> Result<(), String> {
    if !recover.the_others_are_lost {
        return Err(
            "this gives up what only the other nodes have, and must never be done while a majority of them can be started. If it is lost for good, repeat the command with --the-others-are-lost".into(),
        );
    }
    start_log(LogLevel::Info);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("could not start threads: {error}"))?;
    let recovered = runtime.block_on(crate::server::recover(&recover.data));
    let index = recovered.map_err(|error| one_line(&error))?;
    print(&format!(
        "The data up to entry {index} is a cluster of its own now. Start this node without --join, then start the others with empty data directories and --join.\n"
    ));
    Ok(())
}

fn print(text: &str) {
    // Nobody can be told if standard output is closed.
    let _ = write!(std::io::stdout(), "{text}");
    let _ = std::io::stdout().flush();
}

/// Names and values that line up.
fn table(page: &str) -> String {
    let pairs: Vec<(&str, &str)> = page.lines().filter_map(|line| line.split_once('\t')).collect();
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

fn back_up(backup: &BackupArguments) -> Result<(), String> {
    let directory = std::path::absolute(&backup.directory).map_err(|error| error.to_string())?;
    let Some(directory) = directory.to_str() else { return Err("the directory's name is not UTF-8".into()) };
    let path = format!("/backup?to={}", request::encoded(directory));
    request::post(backup.admin.admin, &path).map(|page| print(&format!("Copied (bytes):\n{}", table(&page))))
}

/// An error in one line.
fn one_line(error: &Error) -> String {
    let fields = error.fields();
    match &fields.hint {
        Some(hint) => format!("{}. {hint}", fields.message),
        None => fields.message.clone(),
    }
}

fn serve(arguments: &ServeArguments) -> Result<(), String> {
    start_log(arguments.log_level);
    let config = arguments.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("could not start threads: {error}"))?;
    let outcome = runtime.block_on(serve_until_stopped(config)).map_err(|error| one_line(&error));
    // What still runs has been waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve_until_stopped(config: Config) -> Result<()> {
    let mut signals = Signals::new()?;
    let data = config.data.clone();
    let server = tokio::select! {
        server = Server::start(config) => server?,
        () = signals.next() => return Ok(()),
    };
    print(&welcome(&server, &data.display().to_string()));
    tokio::select! {
        error = server.failed() => {
            let _ = server.stop().await;
            return Err(error);
        }
        () = signals.next() => {}
    }
    tokio::select! {
        stopped = server.stop() => stopped,
        () = signals.next() => Err(Error::internal("stopped at once, at the second signal")),
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: std::io::Error| Error::internal(format!("could not wait for signals: {error}"));
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn welcome(server: &Server, data: &str) -> String {
    let address = server.address();
    let (host, port) = (address.ip(), address.port());
    let page = server
        .admin_address()
        .map_or_else(String::new, |admin| format!("Status page:    http://{admin}/status\n"));
    format!(
        "Quorate {} is ready.\n\nConnect with:   psql -h {host} -p {port} -U postgres postgres\nData directory: {data}\n{page}Stop with:      ctrl-C\n\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn defaults_are_the_configurations() {
        let arguments = Arguments::try_parse_from(["quorate"]).unwrap();
        assert_eq!(arguments.serve.config().unwrap(), Config::default());
        let arguments = Arguments::try_parse_from(["quorate", "serve", "--admin", "none"]).unwrap();
        let Some(Command::Serve(serve)) = arguments.command else { panic!("serve") };
        assert_eq!(serve.config().unwrap().admin, None);
    }

    #[test]
    fn tables_line_up() {
        assert_eq!(table("a\t1\nlonger\t2\n"), "a       1\nlonger  2\n");
    }
}
