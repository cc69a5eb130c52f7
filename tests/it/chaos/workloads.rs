//! What the clients do, and how their histories are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adya::r#gen::{Gen, GenOpts, Kind, Rng, TxnOp};
use adya::history::{Interner, Mop, Op, OpType, ReadValue, Scalar};
use adya::{History, Opts, Valid, Workload};

use super::linearizable::{self, Moment, Operation};
use super::load::{Outcome, Rows, Session};

/// What all of them work on.
pub const TABLES: &str = "
    CREATE TABLE lists (key bigint PRIMARY KEY, value text NOT NULL);
    CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0));
    INSERT INTO accounts SELECT i, 100 FROM generate_series(1, 8) i;
    CREATE TABLE registers (key int PRIMARY KEY, value bigint NOT NULL);
    INSERT INTO registers SELECT i, 0 FROM generate_series(0, 3) i;
    CREATE SEQUENCE numbers;
    CREATE TABLE acknowledged (id bigint PRIMARY KEY, number bigint NOT NULL UNIQUE);
    CREATE TABLE counters (client int PRIMARY KEY, value bigint NOT NULL);
    CREATE TABLE churn (id bigint PRIMARY KEY, pad text NOT NULL)";

/// What is in all accounts together.
const MONEY: &str = "800";
const ACCOUNTS: u64 = 8;
const REGISTERS: u64 = 4;
/// A client works on its own node for so many transactions, then on another.
const STAY: u64 = 200;

/// Transactions that read lists and append to them.
pub struct Lists {
    isolation: &'static str,
    transactions: Mutex<Gen>,
    history: Mutex<(Vec<Op>, Interner)>,
    processes: AtomicI64,
}

impl Lists {
    pub fn new(isolation: &'static str, seed: u64) -> Arc<Lists> {
        let options = GenOpts {
            kind: Kind::ListAppend,
            key_count: 5,
            min_txn_len: 1,
            max_txn_len: 4,
            max_writes_per_key: 60,
        };
        Arc::new(Lists {
            isolation,
            transactions: Mutex::new(Gen::new(options, seed)),
            history: Mutex::default(),
            processes: AtomicI64::new(0),
        })
    }

    fn record(&self, process: i64, kind: OpType, steps: &[(TxnOp, Option<Vec<i64>>)]) {
        let mut history = self.history.lock().unwrap();
        let (operations, interner) = &mut *history;
        let mut id = |number: i64| interner.intern(Scalar::Int(number));
        let value = steps
            .iter()
            .map(|(step, read)| match *step {
                TxnOp::Append(key, value) | TxnOp::Write(key, value) => {
                    Mop::Append { key: id(key), value: id(value) }
                }
                TxnOp::Read(key) => {
                    let key = id(key);
                    let list = read.as_ref().map(|list| list.iter().map(|number| id(*number)).collect());
                    Mop::Read { key, value: list.map_or(ReadValue::Nil, ReadValue::List) }
                }
            })
            .collect();
        let index = operations.len() as u64;
        operations.push(Op { index, kind, process: Some(process), value, time: None });
    }

    /// Runs one transaction's steps, up to its COMMIT.
    async fn steps(&self, session: &mut Session, steps: &mut [(TxnOp, Option<Vec<i64>>)]) -> Option<()> {
        session.run(&format!("BEGIN ISOLATION LEVEL {}", self.isolation)).await?;
        for (step, read) in steps {
            match *step {
                TxnOp::Append(key, value) | TxnOp::Write(key, value) => {
                    let sql = format!(
                        "INSERT INTO lists VALUES ({key}, '{value}') ON CONFLICT (key) \
                         DO UPDATE SET value = lists.value || ',' || excluded.value"
                    );
                    session.run(&sql).await?;
                }
                TxnOp::Read(key) => {
                    let rows = session.run(&format!("SELECT value FROM lists WHERE key = {key}")).await?;
                    let text = rows.first().and_then(|row| row[0].clone()).unwrap_or_default();
                    let numbers = text.split(',').filter(|part| !part.is_empty());
                    *read = Some(numbers.map(|part| part.parse().unwrap()).collect());
                }
            }
        }
        Some(())
    }

    pub async fn client(self: Arc<Self>, mut session: Session) {
        let mut process = self.processes.fetch_add(1, Ordering::Relaxed);
        for number in 1.. {
            if number % STAY == 0 {
                session.leave();
            }
            if session.load.is_over() || !session.connect().await {
                return;
            }
            let steps = self.transactions.lock().unwrap().txn();
            let mut steps: Vec<_> = steps.into_iter().map(|step| (step, None)).collect();
            self.record(process, OpType::Invoke, &steps);
            let outcome = match self.steps(&mut session, &mut steps).await {
                None => Outcome::Aborted,
                Some(()) => session.commit("COMMIT").await.0,
            };
            match outcome {
                Outcome::Committed => self.record(process, OpType::Ok, &steps),
                Outcome::Aborted => self.record(process, OpType::Fail, &steps),
                Outcome::Unknown => {
                    let appended =
                        |step: &&mut (TxnOp, Option<Vec<i64>>)| matches!(step.0, TxnOp::Append(..));
                    let is_write = steps.iter_mut().any(|step| appended(&step));
                    steps.iter_mut().for_each(|(_, read)| *read = None);
                    self.record(process, if is_write { OpType::Info } else { OpType::Fail }, &steps);
                    process = self.processes.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// How many transactions there were, and the anomalies that strict serializability does not have.
    pub fn check(&self) -> (usize, Vec<String>) {
        let (operations, interner) = std::mem::take(&mut *self.history.lock().unwrap());
        let count = operations.len() / 2;
        let history = History::from_ops(operations, interner);
        let options = Opts { timeout: Duration::from_secs(30), ..Opts::default() };
        let report = adya::check(&history, Workload::ListAppend, &options);
        match report.valid {
            Valid::True => (count, Vec::new()),
            _ => {
                // Too few transactions for any to depend on another.
                let told =
                    report.anomalies.iter().filter(|(name, _)| name.as_str() != "empty-transaction-graph");
                (count, told.map(|(_, found)| found[0].explanation.clone()).collect())
            }
        }
    }
}

/// Moves money between accounts, in interactive transactions with a savepoint.
pub async fn transfers(mut session: Session, seed: u64) {
    let mut random = Rng::new(seed);
    while !session.load.is_over() && session.connect().await {
        let (from, to) = (1 + random.below(ACCOUNTS), 1 + random.below(ACCOUNTS));
        let amount = 1 + random.below(20);
        let is_abandoned = random.below(8) == 0;
        let steps = async |session: &mut Session| {
            session.run("BEGIN").await?;
            let rows =
                session.run(&format!("SELECT balance FROM accounts WHERE id = {from} FOR UPDATE")).await?;
            let balance: u64 = rows[0][0].as_ref()?.parse().ok()?;
            session.run("SAVEPOINT s; UPDATE accounts SET balance = balance + 1000; ROLLBACK TO s").await?;
            if balance < amount || from == to || is_abandoned {
                return session.run("ROLLBACK").await.map(|_| false);
            }
            session
                .run(&format!("UPDATE accounts SET balance = balance - {amount} WHERE id = {from}"))
                .await?;
            session.run(&format!("UPDATE accounts SET balance = balance + {amount} WHERE id = {to}")).await?;
            Some(true)
        };
        if steps(&mut session).await == Some(true) {
            session.commit("COMMIT").await;
        }
    }
}

/// Reads the accounts at each level: never is there more or less than all the money.
pub async fn audits(mut session: Session, seed: u64) {
    const LEVELS: [&str; 6] = ["linearizable", "session", "weak", "none", "strong", "auto"];
    let mut random = Rng::new(seed);
    while !session.load.is_over() && session.connect().await {
        let level = LEVELS[random.below(LEVELS.len() as u64) as usize];
        let sql = format!(
            "BEGIN; SET LOCAL quorate.read_consistency = '{level}'; SELECT sum(balance) FROM accounts; COMMIT"
        );
        if let Some(rows) = session.read(&sql).await
            && rows[0][0].as_deref() != Some(MONEY)
        {
            session.load.wrong(format!("at level {level} there is {:?} in all accounts", rows[0][0]));
        }
        if random.below(STAY) == 0 {
            session.leave();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Reads and writes of registers.
pub struct Registers {
    level: &'static str,
    values: AtomicI64,
    operations: Mutex<BTreeMap<u64, Vec<Operation>>>,
}

impl Registers {
    pub fn new(level: &'static str) -> Arc<Registers> {
        Arc::new(Registers { level, values: AtomicI64::new(1), operations: Mutex::default() })
    }

    fn record(&self, key: u64, operation: Operation) {
        self.operations.lock().unwrap().entry(key).or_default().push(operation);
    }

    /// What became of a write, which was recorded when it began: its client may never be told.
    fn conclude(&self, key: u64, written: i64, outcome: Outcome, moment: Moment) {
        let mut operations = self.operations.lock().unwrap();
        let operations = operations.entry(key).or_default();
        let is_it =
            |operation: &Operation| matches!(operation, Operation::Write { value, .. } if *value == written);
        let place = operations.iter().rposition(is_it).expect("it was recorded");
        match (&mut operations[place], outcome) {
            (Operation::Write { end, .. }, Outcome::Committed) => *end = Some(moment),
            (_, Outcome::Aborted) => drop(operations.remove(place)),
            _ => {}
        }
    }

    pub async fn client(self: Arc<Self>, mut session: Session, seed: u64) {
        let mut random = Rng::new(seed);
        while !session.load.is_over() && session.connect().await {
            let key = random.below(REGISTERS);
            let load = session.load.clone();
            let start = load.moment();
            if random.below(3) == 0 {
                let value = self.values.fetch_add(1, Ordering::Relaxed);
                let sql = format!("UPDATE registers SET value = {value} WHERE key = {key}");
                self.record(key, Operation::Write { value, start, end: None });
                let outcome = session.commit(&sql).await.0;
                self.conclude(key, value, outcome, load.moment());
            } else {
                let sql = format!(
                    "SET quorate.read_consistency = '{}'; SELECT value FROM registers WHERE key = {key}",
                    self.level
                );
                if let Some(rows) = session.read(&sql).await {
                    let value = rows[0][0].as_ref().unwrap().parse().unwrap();
                    self.record(key, Operation::Read { value, start, end: load.moment() });
                }
            }
            if random.below(STAY) == 0 {
                session.leave();
            }
        }
    }

    /// How many operations there were, and what cannot be.
    pub fn check(&self) -> (usize, Vec<String>) {
        let operations = self.operations.lock().unwrap();
        let wrong = operations.iter().filter_map(|(key, operations)| {
            let found = linearizable::check(0, operations).err()?;
            Some(format!("register {key}: {found}"))
        });
        (operations.values().map(Vec::len).sum(), wrong.collect())
    }
}

/// What became of a row.
#[derive(Clone)]
struct Insert {
    outcome: Outcome,
    number: Option<i64>,
    transaction: Option<String>,
}

/// Rows with numbers of a sequence; the client knows each transaction's id before it commits.
#[derive(Default)]
pub struct Inserts {
    ids: AtomicI64,
    /// By their ids, from before they are tried: a client may not live to be told.
    done: Mutex<BTreeMap<i64, Insert>>,
}

impl Inserts {
    fn note(&self, id: i64, outcome: Outcome, number: Option<i64>, transaction: Option<String>) {
        self.done.lock().unwrap().insert(id, Insert { outcome, number, transaction });
    }

    /// One row.
    async fn insert(&self, session: &mut Session, id: i64, is_alone: bool) {
        self.note(id, Outcome::Unknown, None, None);
        let sql = format!("INSERT INTO acknowledged VALUES ({id}, nextval('numbers')) RETURNING number");
        let number = |rows: &Rows| rows.first().and_then(|row| row[0].as_ref()?.parse().ok());
        if is_alone {
            let (outcome, rows) = session.commit(&sql).await;
            return self.note(id, outcome, number(&rows), None);
        }
        let steps = async |session: &mut Session| {
            session.run("BEGIN").await?;
            let rows = session.run(&sql).await?;
            let transaction = session.run("SHOW quorate.transaction_id").await?[0][0].clone()?;
            Some((number(&rows), transaction))
        };
        match steps(session).await {
            None => self.note(id, Outcome::Aborted, None, None),
            Some((number, transaction)) => {
                self.note(id, Outcome::Unknown, number, Some(transaction.clone()));
                let outcome = session.commit("COMMIT").await.0;
                self.note(id, outcome, number, Some(transaction));
            }
        }
    }

    pub async fn client(self: Arc<Self>, mut session: Session, seed: u64) {
        let mut random = Rng::new(seed);
        while !session.load.is_over() && session.connect().await {
            let id = self.ids.fetch_add(1, Ordering::Relaxed);
            self.insert(&mut session, id, random.below(2) == 0).await;
            if random.below(STAY) == 0 {
                session.leave();
            }
        }
    }

    /// Compares what was said with what is there. How many inserts there were, and what is wrong.
    pub async fn check(&self, session: &mut Session, patience: Duration) -> (usize, Vec<String>) {
        let rows = session.must("SELECT id, number FROM acknowledged", patience).await;
        let value = |text: &Option<String>| text.as_ref().unwrap().parse::<i64>().unwrap();
        let there: BTreeMap<i64, i64> = rows.iter().map(|row| (value(&row[0]), value(&row[1]))).collect();
        // A copy: who checks may be killed, and check again.
        let done = self.done.lock().unwrap().clone();
        let mut wrong = Vec::new();
        let mut numbers = BTreeSet::new();
        for (id, insert) in &done {
            let found = there.get(id).copied();
            match insert.outcome {
                Outcome::Committed if found.is_none() => {
                    wrong.push(format!("row {id} was acknowledged and is lost"))
                }
                Outcome::Committed if found != insert.number => {
                    wrong.push(format!(
                        "row {id} was acknowledged with {:?} and has {found:?}",
                        insert.number
                    ));
                }
                Outcome::Aborted if found.is_some() => {
                    wrong.push(format!("row {id} was refused and is there"))
                }
                _ => {}
            }
            if insert.outcome == Outcome::Committed
                && !insert.number.is_some_and(|number| numbers.insert(number))
            {
                wrong.push(format!("row {id}: the sequence gave {:?} twice", insert.number));
            }
            if insert.outcome == Outcome::Unknown
                && let Some(transaction) = &insert.transaction
            {
                let sql = format!("SELECT quorate.commit_status('{transaction}')");
                let status = session.must(&sql, patience).await[0][0].clone();
                let expected = if found.is_some() { "committed" } else { "aborted" };
                if status.as_deref() != Some(expected) {
                    wrong.push(format!("row {id} is {expected}, and commit_status says {status:?}"));
                }
            }
        }
        let strange = there.keys().filter(|id| !done.contains_key(id));
        wrong.extend(strange.map(|id| format!("nobody inserted row {id}")));
        (done.len(), wrong)
    }
}

/// Writes on one connection; what it has written is seen there at level `session`, and on another node, which
/// answers with what it has, once that has waited for the token.
pub async fn tokens(mut session: Session, client: usize) {
    let load = session.load.clone();
    let mut other = Session::new(&load, client + 1, "SET quorate.read_consistency = 'none'");
    let mut written = 0;
    while !load.is_over() && session.connect().await {
        let sql = format!(
            "INSERT INTO counters VALUES ({client}, {0}) ON CONFLICT (client) \
             DO UPDATE SET value = CASE WHEN counters.value > {0} THEN counters.value ELSE {0} END",
            written + 1
        );
        let (outcome, _) = session.commit(&sql).await;
        // If it was written in the end, more is seen than expected.
        written += 1;
        if outcome != Outcome::Committed {
            continue;
        }
        let select = format!("SELECT value FROM counters WHERE client = {client}");
        let seen = |rows: &Rows| rows.first().and_then(|row| row[0].as_ref()?.parse::<i64>().ok());
        let own = format!("SET quorate.read_consistency = 'session'; {select}");
        if let Some(rows) = session.read(&own).await
            && seen(&rows).is_none_or(|value| value < written)
        {
            load.wrong(format!("client {client} wrote {written} and sees {:?}", seen(&rows)));
        }
        let Some(token) = session.read("SHOW quorate.last_commit").await else { continue };
        let Some(token) = token[0][0].clone().filter(|token| !token.is_empty()) else { continue };
        if other.connect().await
            && let Some(rows) = other.read(&format!("SET quorate.wait_for = '{token}'; {select}")).await
            && seen(&rows).is_none_or(|value| value < written)
        {
            load.wrong(format!(
                "client {client} wrote {written}; with its token another sees {:?}",
                seen(&rows)
            ));
        }
    }
}

/// Fills the log, so that nodes that were away need files.
pub async fn churn(mut session: Session) {
    for round in 0_u64.. {
        if session.load.is_over() || !session.connect().await {
            return;
        }
        let sql = format!(
            "DELETE FROM churn WHERE id < {0} - 4000; \
             INSERT INTO churn SELECT {0} + i, repeat('x', 200) FROM generate_series(0, 999) i",
            round * 1000
        );
        session.commit(&sql).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
