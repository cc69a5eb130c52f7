//! Nodes in one process: openraft's own suite over our log, and golden scripts over a group whose
//! network the script cuts and heals (`src/raft/scripts`).
//!
//! `UPDATE_GOLDENFILES=1 cargo test node_tests` writes what happens into the scripts.

use std::collections::{BTreeSet, HashMap};
use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use goldenscript::{Command, Context, Runner};
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};

use super::copies::Fetcher;
use super::log_store::LogStore;
use super::rebuild::Rebuilder;
use super::state_machine::StateMachine;
use super::types::Types;
use super::{Fate, Options, RaftNode};
use crate::error::{Error, Result, state};
use crate::storage::{
    CancelToken, DataDirectory, Databases, Execution, Log, LogFile, LogId, LogPayload, LogState, OnFlushed,
    StoredVote, test_execution,
};
use crate::telemetry::SystemRandom;
use crate::transport::{self, Destination, Lane, Own, Peer, Service, Stream, Tcp, Transport};

struct Stores;

impl StoreBuilder<Types, LogStore, StateMachine, ()> for Stores {
    async fn build(&self) -> Result<((), LogStore, StateMachine), openraft::StorageError<Types>> {
        unreachable!("the tests below build their stores themselves")
    }
}

fn stores(directory: &tempfile::TempDir) -> (LogStore, StateMachine) {
    let directory = DataDirectory::open(&directory.path().join("data")).unwrap();
    let log = LogFile::open(&directory.log()).unwrap();
    let databases = Databases::open(directory, Arc::new(SystemRandom)).unwrap();
    let databases = Arc::new(databases);
    let fetcher = Fetcher::new(databases.clone(), Arc::new(tcp(1, 0)));
    let machine = StateMachine::open(databases, fetcher, Rebuilder::new(1)).unwrap();
    (LogStore(Arc::new(log)), machine)
}

/// The parts of openraft's suite that are about the log. Its state machine tests expect that what was
/// applied last is what a start resumes from; ours resumes from the floor.
#[tokio::test]
async fn the_log_passes_openrafts_suite() {
    macro_rules! run {
        ($($test:ident)*) => {$(
            let directory = tempfile::tempdir().unwrap();
            let (log, machine) = stores(&directory);
            Suite::<Types, LogStore, StateMachine, Stores, ()>::$test(log, machine).await.expect(stringify!($test));
        )*};
    }
    run! {
        last_membership_in_log_initial get_membership_initial get_initial_state_without_init
        save_vote get_log_entries limited_get_log_entries leader_bounded_stream entries_stream try_get_log_entry
        log_reader_reads_new_entries initial_logs get_log_state get_log_id
        purge_logs_upto_0 purge_logs_upto_5 purge_logs_upto_20
        delete_logs_after_11 delete_logs_after_5 delete_logs_after_0 delete_logs_after_none append_to_log
    }
}

/// A network whose cables can be pulled.
#[derive(Default)]
struct Cables {
    services: Mutex<HashMap<String, Arc<dyn Service>>>,
    cut: Mutex<BTreeSet<String>>,
}

fn speech(node: u64, cluster: u64) -> transport::Options {
    transport::Options { own: Own::new(node, cluster), tls: None, silence_max: Duration::from_secs(5) }
}

fn tcp(node: u64, cluster: u64) -> Tcp {
    Tcp::new(speech(node, cluster), Arc::new(transport::TcpNetwork))
}

/// Whoever asks, in the only cluster.
const CLUSTER: Peer = Peer { node: 1, cluster: 1 };

/// One node's end of the network.
struct End {
    address: String,
    cables: Arc<Cables>,
}

#[async_trait]
impl Transport for End {
    async fn call(&self, to: &Destination, _: Lane, request: Vec<u8>) -> Result<Vec<u8>> {
        let address = &to.address;
        let is_cut = {
            let cut = self.cables.cut.lock().unwrap();
            cut.contains(address) || cut.contains(&self.address)
        };
        let service = self.cables.services.lock().unwrap().get(address).cloned();
        match service.filter(|_| !is_cut) {
            Some(service) => service.answer(CLUSTER, request).await,
            None => Err(Error::new(state::CONNECTION_FAILURE, "the cable is cut")),
        }
    }

    fn hang_up(&self, _: u64) {}

    async fn open(&self, _: &Destination, _: Vec<u8>) -> Result<Stream> {
        Err(Error::internal("raft opens no streams"))
    }
}

struct Member {
    databases: Arc<Databases>,
    node: Arc<RaftNode>,
}

async fn start(id: u64, path: PathBuf, transport: Arc<dyn Transport>) -> Member {
    let directory = DataDirectory::open(&path).unwrap();
    let log = Arc::new(LogFile::open(&directory.log()).unwrap());
    let databases = Arc::new(Databases::open(directory, Arc::new(SystemRandom)).unwrap());
    let options = Options { node_id: id, ..Options::default() };
    let random = Arc::new(SystemRandom);
    let own = Own::new(id, CLUSTER.cluster);
    let node = RaftNode::start(options, own, databases.clone(), log, transport, random).await.unwrap();
    Member { databases, node }
}

/// Commits one transaction on a node that leads, and gives the index of its entry.
async fn write(member: &Member, statements: &[&str]) -> Result<u64> {
    let database = member.databases.get("postgres").unwrap();
    let permit = database.acquire().await?;
    database.begin().await?;
    for sql in statements {
        let cancel = CancelToken::default();
        let execution: Execution<'_> = test_execution(&cancel);
        let mut writer = database.writer().await;
        let outcome = writer.statement(&execution, false, |statement| match sql.starts_with("CREATE") {
            true => statement.change_schema(sql),
            false => statement.change(&(*sql).into(), &[]).map(|_| ()),
        });
        if let Err(failure) = outcome {
            writer.roll_back();
            return Err(failure.into_error());
        }
    }
    let (_, receiver) = database.seal(None).await?;
    drop(permit);
    let term = member.node.leading_term().unwrap_or(0);
    let batches = member.databases.take_ready(term);
    for entry in crate::storage::encode(&batches)? {
        if let Fate::Refused(error) = member.node.propose(entry, term).await?.await {
            member.databases.withdraw(&batches, &error).await?;
        }
    }
    let log_id = receiver.expect("the statements changed something").await.unwrap()?;
    Ok(log_id.index)
}

/// All rows of a table as a node has them now.
async fn rows(member: &Member, table: &str) -> String {
    let mut reader = member.databases.get("postgres").unwrap().reader().await.unwrap();
    let values = reader.all(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap_or_default();
    let texts = values.iter().map(|row| format!("{row:?}"));
    texts.collect::<Vec<_>>().join(" ")
}

struct Group {
    runtime: tokio::runtime::Runtime,
    directory: tempfile::TempDir,
    cables: Arc<Cables>,
    members: HashMap<u64, Member>,
}

impl Group {
    fn new() -> Group {
        Group {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
            directory: tempfile::tempdir().unwrap(),
            cables: Arc::default(),
            members: HashMap::new(),
        }
    }

    async fn start(&mut self, id: u64) {
        let address = format!("node{id}");
        let end = Arc::new(End { address: address.clone(), cables: self.cables.clone() });
        let member = start(id, self.directory.path().join(&address), end).await;
        self.cables.services.lock().unwrap().insert(address, member.node.service());
        self.members.insert(id, member);
    }

    /// The member that leads in the highest term and is connected, waiting for one if need be.
    async fn leader(&self) -> &Member {
        for _ in 0..500 {
            let connected = self
                .members
                .iter()
                .filter(|(id, _)| !self.cables.cut.lock().unwrap().contains(&format!("node{id}")));
            let leading =
                connected.map(|(_, member)| member).filter(|member| member.node.status().role == "leader");
            if let Some(leader) = leading.max_by_key(|member| member.node.status().term)
                && tokio::time::timeout(Duration::from_secs(2), leader.node.wait_until_ready())
                    .await
                    .is_ok_and(|ready| ready.is_ok())
            {
                return leader;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no leader within ten seconds");
    }

    async fn command(&mut self, name: &str, arguments: &[&str]) -> Result<String, Box<dyn StdError>> {
        match name {
            "start" => {
                for id in arguments {
                    self.start(id.parse()?).await;
                }
                Ok(String::new())
            }
            "found" => {
                let members: Vec<(u64, String)> =
                    self.members.keys().map(|id| (*id, format!("node{id}"))).collect();
                let first = self.members.values().next().ok_or("no member")?;
                first.node.initialise(&members).await?;
                Ok(String::new())
            }
            "write" => {
                let leader = self.leader().await;
                write(leader, arguments).await?;
                Ok("committed".into())
            }
            "cut" | "heal" => {
                let leader = self.leader().await.node.status().node_id;
                let mut cut = self.cables.cut.lock().unwrap();
                match name {
                    "heal" => cut.clear(),
                    _ => drop(cut.insert(format!("node{leader}"))),
                }
                Ok(String::new())
            }
            "write_on_cut" => {
                let cut = self.cables.cut.lock().unwrap().iter().next().cloned().ok_or("nobody is cut")?;
                let id: u64 = cut.trim_start_matches("node").parse()?;
                let attempt =
                    tokio::time::timeout(Duration::from_millis(300), write(&self.members[&id], arguments));
                Ok(match attempt.await {
                    Ok(Ok(_)) => "committed".into(),
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "no answer".into(),
                })
            }
            "rows" => {
                let leader = self.leader().await;
                let index = leader.node.read_index().await?;
                let mut texts = BTreeSet::new();
                for member in self.members.values() {
                    tokio::time::timeout(Duration::from_secs(10), member.node.wait_applied(index)).await??;
                    texts.insert(rows(member, arguments[0]).await);
                }
                Ok(texts.into_iter().collect::<Vec<_>>().join("\n"))
            }
            "restart" => {
                for (_, member) in std::mem::take(&mut self.members) {
                    member.node.shut_down().await;
                    member.databases.close().await?;
                }
                self.cables.services.lock().unwrap().clear();
                Ok(String::new())
            }
            other => Err(format!("no command {other}").into()),
        }
    }
}

impl Runner for Group {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn StdError>> {
        let mut consumer = command.consume_args();
        let mut arguments = Vec::new();
        while let Some(argument) = consumer.next_pos() {
            arguments.push(argument);
        }
        let runtime =
            std::mem::replace(&mut self.runtime, tokio::runtime::Builder::new_current_thread().build()?);
        let outcome = runtime.block_on(self.command(&command.name, &arguments));
        self.runtime = runtime;
        outcome
    }
}

#[test]
fn scripts() {
    for entry in std::fs::read_dir("src/raft/scripts").unwrap() {
        let path = entry.unwrap().path();
        goldenscript::run(&mut Group::new(), &path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// The same over TCP: two of three nodes commit, the third follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_agree_over_tcp() {
    let directory = tempfile::tempdir().unwrap();
    let (mut members, mut addresses) = (Vec::new(), Vec::new());
    for id in 1..=3 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push((id, listener.local_addr().unwrap().to_string()));
        let member = start(id, directory.path().join(id.to_string()), Arc::new(tcp(id, 1))).await;
        tokio::spawn(transport::serve(listener, speech(id, 1), member.node.service()));
        members.push(member);
    }
    members[0].node.initialise(&addresses).await.unwrap();
    members[0].node.wait_until_ready().await.unwrap();
    let index = write(&members[0], &["CREATE TABLE t (a INTEGER) STRICT", "INSERT INTO t VALUES (1), (2)"])
        .await
        .unwrap();
    for member in &members {
        member.node.wait_applied(index).await.unwrap();
        assert_eq!(rows(member, "t").await, "[Integer(1)] [Integer(2)]");
    }
}

fn copy_directory(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_directory(&entry.path(), &target),
            false => std::fs::copy(entry.path(), &target).map(|_| ()).unwrap(),
        }
    }
}

/// A restarted lone node leads at once, but does not know yet how much of its log was committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_node_that_restarts_owes_its_readers_the_whole_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let transport = || Arc::new(tcp(1, 1));
    let member = start(1, path.clone(), transport()).await;
    member.node.initialise(&[(1, "nowhere:1".into())]).await.unwrap();
    member.node.wait_until_ready().await.unwrap();
    write(&member, &["CREATE TABLE t (a INTEGER)"]).await.unwrap();
    for crash in 0..20 {
        let last = write(&member, &["INSERT INTO t VALUES (1)"]).await.unwrap();
        // What a killed process leaves.
        let copy = directory.path().join(format!("copy{crash}"));
        copy_directory(&path, &copy);
        let restarted = start(1, copy, transport()).await;
        let read = loop {
            if let Ok(read) = restarted.node.read_index().await {
                break read;
            }
            tokio::task::yield_now().await;
        };
        assert!(read >= last, "reads may start at entry {read}, but {last} was acknowledged");
        restarted.node.wait_to_lead().await.unwrap();
        assert!(restarted.node.applied_index() >= last);
        restarted.node.shut_down().await;
    }
}

/// A leader that is started again has its vote still, and leads no more: others may have elected another.
#[test]
fn a_leader_that_is_started_again_does_not_lead() {
    let mut group = Group::new();
    let empty = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let runtime = std::mem::replace(&mut group.runtime, empty);
    runtime.block_on(async {
        group.command("start", &["1", "2", "3"]).await.unwrap();
        group.command("found", &[]).await.unwrap();
        let leader = group.leader().await.node.id();
        let name = format!("node{leader}");
        group.cables.cut.lock().unwrap().insert(name.clone());
        group.cables.services.lock().unwrap().remove(&name);
        let member = group.members.remove(&leader).unwrap();
        member.node.shut_down().await;
        member.databases.close().await.unwrap();
        drop(member);
        // Others may be in the middle of asking it something.
        while DataDirectory::open(&group.directory.path().join(&name)).is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        group.start(leader).await;
        let node = &group.members[&leader].node;
        while node.status().term == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(node.leading_term(), None);
    });
}

/// Files that were taken over have more than the entries delivered so far: a snapshot that was called by what they have
/// would let the log be purged of entries that are to be applied still.
#[tokio::test]
async fn a_snapshot_is_not_later_than_what_was_delivered() {
    let directory = tempfile::tempdir().unwrap();
    let (_, mut machine) = stores(&directory);
    let databases = machine.databases.clone();
    databases.apply_blank(LogId { term: 1, index: 7 }).await.unwrap();
    let snapshot = machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    assert_eq!(databases.floor(), Some(LogId { term: 1, index: 7 }));
    assert_eq!(snapshot.meta.last_log_id.map(|id| id.index()), Some(0));
}

/// A log with a fault that shows when it is told to.
struct Breaking(LogFile, std::sync::atomic::AtomicBool);

impl Log for Breaking {
    fn state(&self) -> LogState {
        self.0.state()
    }

    fn read(&self, from: u64, to: u64) -> std::io::Result<Vec<(LogId, LogPayload)>> {
        self.0.read(from, to)
    }

    fn append(&self, entries: Vec<(LogId, LogPayload)>, on_flushed: OnFlushed) -> std::io::Result<()> {
        assert!(!self.1.load(std::sync::atomic::Ordering::Acquire), "a fault of the program");
        self.0.append(entries, on_flushed)
    }

    fn save_vote(&self, vote: StoredVote, on_flushed: OnFlushed) -> std::io::Result<()> {
        self.0.save_vote(vote, on_flushed)
    }

    fn save_committed(&self, committed: LogId) -> std::io::Result<()> {
        self.0.save_committed(committed)
    }

    fn truncate(&self, from: u64, on_flushed: OnFlushed) -> std::io::Result<()> {
        self.0.truncate(from, on_flushed)
    }

    fn purge(&self, upto: LogId, on_flushed: OnFlushed) -> std::io::Result<()> {
        self.0.purge(upto, on_flushed)
    }

    fn appended_bytes(&self) -> u64 {
        self.0.appended_bytes()
    }

    fn disk_bytes(&self) -> u64 {
        self.0.disk_bytes()
    }
}

/// A panic of raft's task stops the node like any other trouble, so that it can be started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_raft_panics_has_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(&directory.path().join("data")).unwrap();
    let log = Arc::new(Breaking(LogFile::open(&directory.log()).unwrap(), false.into()));
    let databases = Arc::new(Databases::open(directory, Arc::new(SystemRandom)).unwrap());
    let (own, random) = (Own::new(1, 1), Arc::new(SystemRandom));
    let transport = Arc::new(tcp(1, 1));
    let node = RaftNode::start(Options::default(), own, databases, log.clone(), transport, random);
    let node = node.await.unwrap();
    node.initialise(&[(1, "nowhere:1".into())]).await.unwrap();
    node.wait_until_ready().await.unwrap();
    log.1.store(true, std::sync::atomic::Ordering::Release);
    let entry = crate::storage::encode(&[]).unwrap().remove(0);
    // It is never answered.
    let _on_its_way = node.propose(entry, node.leading_term().unwrap()).await;
    let stopped = tokio::time::timeout(Duration::from_secs(10), node.stopped()).await.unwrap();
    assert!(stopped.message().contains("panicked"), "{stopped}");
    assert!(node.failure().is_some());
}
