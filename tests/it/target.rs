//! Where scripts run: a server of ours, or a real PostgreSQL that QUORATE_TEST_POSTGRES names
//! (`host=127.0.0.1 port=5433 user=postgres`), which decides what is right.

use std::path::{Path, PathBuf};

use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use crate::cluster::nodes::Nodes;
use crate::process::Process;

/// The variable that names a PostgreSQL.
const POSTGRES: &str = "QUORATE_TEST_POSTGRES";

pub enum Target {
    Quorate {
        process: Process,
        _directory: tempfile::TempDir,
    },
    Postgres(Box<Config>),
    /// A node that does not lead, of a cluster of three.
    Follower(Nodes),
}

impl Target {
    pub fn quorate() -> Target {
        let directory = tempfile::tempdir().unwrap();
        let process = Process::start(&directory.path().join("data"), &[]);
        Target::Quorate { process, _directory: directory }
    }

    /// `None` if no PostgreSQL is named: then the test says so and passes.
    pub fn postgres() -> Option<Target> {
        match std::env::var(POSTGRES) {
            Ok(config) => Some(Target::Postgres(Box::new(config.parse().unwrap()))),
            Err(_) => {
                println!("skipped: {POSTGRES} names no PostgreSQL");
                None
            }
        }
    }

    /// Whether its answers may be written into the scripts.
    pub fn decides(&self) -> bool {
        matches!(self, Target::Postgres(_)) && std::env::var_os("UPDATE_SCRIPTS").is_some()
    }

    pub fn config(&self, database: &str) -> Config {
        let mut config = match self {
            Target::Quorate { process, .. } => {
                let mut config = Config::new();
                config.host("127.0.0.1").port(process.port).user("postgres");
                config
            }
            Target::Follower(nodes) => {
                let mut config = Config::new();
                config.host("127.0.0.1").port(nodes.nodes[nodes.follower()].port).user("postgres");
                config
            }
            Target::Postgres(config) => (**config).clone(),
        };
        config.dbname(database);
        config
    }

    pub async fn connect(&self, database: &str) -> Client {
        let (client, connection) = self.config(database).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Makes a new, empty database.
    pub async fn fresh(&self, database: &str) {
        let client = self.connect("postgres").await;
        client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{database}\"")).await.unwrap();
        client.batch_execute(&format!("CREATE DATABASE \"{database}\"")).await.unwrap();
    }

    /// A raw connection.
    pub fn socket(&self) -> std::net::TcpStream {
        let config = self.config("postgres");
        let Some(Host::Tcp(host)) = config.get_hosts().first() else {
            panic!("the target is reached by TCP")
        };
        std::net::TcpStream::connect((host.as_str(), config.get_ports()[0])).unwrap()
    }
}

/// The scripts in a directory of tests/.
pub fn scripts(directory: &str, extension: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    scripts
}
