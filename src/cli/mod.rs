//! The command line: what people type, and what they read.

mod request;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config};
use crate::error::{Error, Result};
use crate::server::Server;
use crate::telemetry::{LogLevel, start_log};

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
    Serve(ServeArguments),
    /// Show what a running node says about itself.
    Status(AdminArguments),
    /// Copy all databases of a running node into a directory, one SQLite file each.
    Backup(BackupArguments),
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
        })
    }
}

/// Runs what the process was asked for.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        None => serve(&arguments.serve),
        Some(Command::Serve(serve_arguments)) => serve(&serve_arguments),
        Some(Command::Status(admin)) => request::get(admin.admin, "/status").map(|page| print(&table(&page))),
        Some(Command::Backup(backup)) => back_up(&backup),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "quorate: {message}");
            ExitCode::FAILURE
        }
    }
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
