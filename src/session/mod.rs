//! One client's state: its settings, transaction, prepared statements and portals. No sockets: answers
//! go to a [`Client`], so this is where the server is tested as a whole.
//!
//! A text becomes statements (`prepared`), each is bound and run under one [`scope::Scope`]
//! (`execute` for queries and changes of rows, `command` for the rest, `copy` for COPY), in a
//! transaction (`transaction`). What functions see of the session is `environment`.

mod client;
mod command;
mod copy;
mod copy_format;
mod environment;
mod execute;
mod forward;
mod names;
mod portal;
mod prepared;
mod registry;
mod relations;
mod relay;
mod remote;
mod scope;
#[cfg(test)]
mod session_tests;
mod settings;
mod transaction;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub use client::{Client, CopyInput, Formats, Reply, ResultColumn};
pub use forward::Forwarded;
pub use registry::{Place, Sessions};
pub use transaction::Status;

use crate::bail;
use crate::catalog::Catalog;
use crate::engine::{Connection, Engine, Freshness, Reader, Wanted};
use crate::error::{Error, Notice, Result, Severity, state};
use crate::sql::plan::Plan;
use crate::sql::{self, Statement};
use crate::telemetry::{Clock, Random, metrics};
use crate::types;
use environment::Shared;
use portal::Portal;
use prepared::Prepared;
use scope::{Scope, Times};
use settings::{Consistency, Settings};
use transaction::{Transaction, Write};

/// Prepared statements a session may have: each holds its text and its plan in memory.
const PREPARED_MAX: usize = 10_000;
/// Portals a session may have.
const PORTALS_MAX: usize = 1_000;
/// The user of connections that name none.
const DEFAULT_DATABASE: &str = "postgres";

/// What a session is made of.
pub struct Options {
    /// Where statements run.
    pub engine: Arc<Engine>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// The parameters of the startup message.
    pub parameters: Vec<(String, String)>,
}

/// One client's session.
pub struct Session {
    shared: Arc<Shared>,
    connection: Connection,
    place: Place,
    prepared: HashMap<String, Arc<Prepared>>,
    portals: HashMap<String, Portal>,
    transaction: Option<Transaction>,
    /// When statement_timeout strikes the statement that runs.
    deadline: Option<Instant>,
    /// When the statement that runs started, in microseconds since 2000-01-01 UTC.
    statement_us: i64,
    /// Whether the text that runs has several statements, and so is a transaction of its own.
    is_multiple: bool,
    /// Whether the statement that runs is the last before a transaction that is no block ends.
    is_last: bool,
    /// Whether the client is connected to another node.
    is_guest: bool,
    /// The way to this session's other half, on the leader.
    link: Option<remote::Link>,
    /// The reported settings as the client knows them, and their version.
    reported: HashMap<&'static str, String>,
    reported_version: u64,
}

/// The parameters of a startup message that are not settings.
const NOT_SETTINGS: &[&str] = &["user", "database", "options", "replication"];

/// Reads the command line options of a startup message: `-c name=value` and `--name=value`.
fn startup_options(text: &str) -> Result<Vec<(String, String)>> {
    let mut given = Vec::new();
    let mut words = split_options(text).into_iter();
    while let Some(word) = words.next() {
        let assignment = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") => words.next(),
            Some(rest) => Some(rest.to_owned()),
            None => bail!(SYNTAX_ERROR, "invalid command-line argument for server process: {word}"),
        };
        match assignment.as_deref().and_then(|assignment| assignment.split_once('=')) {
            Some((name, value)) => given.push((name.replace('-', "_"), value.to_owned())),
            None => bail!(SYNTAX_ERROR, "-c requires a value"),
        }
    }
    Ok(given)
}

/// Splits at spaces that no backslash protects (pg_split_opts).
fn split_options(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => words.last_mut().expect("one word").extend(chars.next()),
            c if c.is_ascii_whitespace() => words.push(String::new()),
            c => words.last_mut().expect("one word").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

impl Session {
    /// Opens a session. Fails with what the client must be told before the connection ends.
    pub async fn open(options: Options, place: Place) -> Result<Session> {
        Session::open_for(options, place, None).await
    }

    /// Opens a session, maybe for a client of another node, where it has another number.
    async fn open_for(options: Options, place: Place, backend_pid: Option<i32>) -> Result<Session> {
        let parameter = |name: &str| {
            options.parameters.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
        };
        let Some(user) = parameter("user").filter(|user| !user.is_empty()) else {
            return Err(Error::fatal(
                state::INVALID_AUTHORIZATION_SPECIFICATION,
                "no PostgreSQL user name specified in startup packet",
            ));
        };
        if let Some(replication) =
            parameter("replication").filter(|value| !matches!(*value, "false" | "off" | "no" | "0"))
        {
            let error = Error::unsupported(format!("a replication connection (replication={replication})"));
            return Err(error.into_fatal());
        }
        let database = parameter("database").filter(|name| !name.is_empty()).unwrap_or(user);
        let connection = match options.engine.connect(database).await {
            // Without a database of the user's own, the first one is meant.
            Err(_) if parameter("database").is_none_or(str::is_empty) => {
                options.engine.connect(DEFAULT_DATABASE).await?
            }
            connected => connected?,
        };
        let mut given =
            startup_options(parameter("options").unwrap_or_default()).map_err(Error::into_fatal)?;
        let is_setting = |name: &str| !NOT_SETTINGS.contains(&name) && !name.starts_with("_pq_.");
        given.extend(options.parameters.iter().filter(|(name, _)| is_setting(name)).cloned());
        let known = given.into_iter().filter(|(name, _)| tolerated(name)).collect::<Vec<_>>();
        let settings = Settings::new(user, &known).map_err(Error::into_fatal)?;
        let shared = Shared::new(
            user.to_owned(),
            connection.name().to_owned(),
            backend_pid.unwrap_or(place.pid),
            options.clock,
            options.random,
            place.cancel.clone(),
            options.engine,
            settings,
        );
        Ok(Session {
            shared: Arc::new(shared),
            connection,
            place,
            prepared: HashMap::new(),
            portals: HashMap::new(),
            transaction: None,
            deadline: None,
            statement_us: 0,
            is_multiple: false,
            is_last: false,
            is_guest: backend_pid.is_some(),
            link: None,
            reported: HashMap::new(),
            reported_version: 0,
        })
    }

    /// The session's number and the secret that cancels its statements.
    pub fn backend_key(&self) -> (i32, i32) {
        (self.place.pid, self.place.secret)
    }

    /// Tells the client of reported settings that it does not know yet.
    pub fn report_settings(&mut self, client: &mut dyn Client) {
        let settings = self.shared.settings();
        if settings.version() == self.reported_version {
            return;
        }
        self.reported_version = settings.version();
        for (name, value) in settings.reported() {
            if self.reported.get(name) != Some(&value) {
                client.send(Reply::ParameterStatus(name, &value));
                self.reported.insert(name, value);
            }
        }
    }

    /// How long the client may stay idle now, and the error that ends the session then.
    pub fn idle_limit(&self) -> Option<(Duration, Error)> {
        let derived = self.shared.settings().derived().clone();
        // A transaction that only a Sync will end holds the writer as much as a block does.
        match self.transaction {
            None => derived.idle_timeout.map(|limit| {
                (
                    limit,
                    Error::fatal(
                        state::IDLE_SESSION_TIMEOUT,
                        "terminating connection due to idle-session timeout",
                    ),
                )
            }),
            Some(_) => derived.idle_in_transaction_timeout.map(|limit| (limit, idle_in_transaction())),
        }
    }

    /// Whether a transaction is open, so that a server that stops should wait for its end.
    pub fn is_busy(&self) -> bool {
        self.transaction.is_some()
    }

    /// Ends the session: what is open is rolled back.
    pub async fn close(mut self) {
        self.roll_back().await;
    }

    /// The client asks for something: an earlier request to cancel is not for this.
    fn start_request(&mut self) {
        self.shared.cancel.reset();
        self.start_statement();
    }

    fn start_statement(&mut self) {
        metrics::STATEMENTS.increment();
        self.statement_us = self.shared.clock.timestamp_us();
        self.deadline =
            self.shared.settings().derived().statement_timeout.map(|timeout| Instant::now() + timeout);
    }

    /// Passes an outcome on; an error ends the transaction, or the block fails.
    async fn conclude(&mut self, outcome: Result<()>) -> Result<()> {
        let Err(error) = outcome else { return Ok(()) };
        metrics::ERRORS.increment();
        let error = self.confirmed(error).await;
        self.fail().await;
        Err(error)
    }

    /// What an error of a write transaction says of the data was true only if this node leads still: 40001 if not.
    /// A cancellation and the session's end say nothing of the data, and must not wait for the quorum.
    async fn confirmed(&mut self, error: Error) -> Error {
        if error.is_fatal() || error.sqlstate() == state::QUERY_CANCELED {
            return error;
        }
        match self.transaction.as_mut().and_then(|transaction| transaction.write.as_mut()) {
            Some(Write::Local(write)) => write.confirm().await.err().unwrap_or(error),
            _ => error,
        }
    }

    fn notice(&self, client: &mut dyn Client, notice: &Notice) {
        let derived = self.shared.settings().derived().clone();
        let hidden = match notice.fields().severity {
            Severity::Notice => derived.hides_notices,
            Severity::Warning => derived.hides_warnings,
            _ => false,
        };
        if !hidden {
            client.send(Reply::Notice(notice));
        }
    }

    fn warn(&self, client: &mut dyn Client, warning: Option<Error>) {
        if let Some(warning) = warning {
            self.notice(client, &warning);
        }
    }

    /// 25P02 in a failed block, for everything but its end.
    fn check_not_failed(&self, statement: Option<&Statement>) -> Result<()> {
        let ends = matches!(
            statement,
            Some(Statement::Commit { .. } | Statement::Rollback { .. } | Statement::RollbackTo(_))
        );
        if self.status() == Status::Failed && !ends && statement.is_some() {
            bail!(
                IN_FAILED_SQL_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block"
            );
        }
        Ok(())
    }

    /// What exists, as the next statement sees it.
    async fn catalog(&mut self) -> Result<Arc<Catalog>> {
        if let Some(transaction) = &self.transaction {
            if let Some(Write::Local(write)) = &transaction.write {
                return Ok(write.catalog().clone());
            }
            if let Some(snapshot) = &transaction.snapshot {
                return Ok(snapshot.catalog().clone());
            }
        }
        Ok(self.read().await?.catalog().clone())
    }

    /// What a statement is bound and run under.
    fn scope(&self, catalog: Arc<Catalog>) -> Scope {
        let times = Times {
            transaction_us: self
                .transaction
                .as_ref()
                .map_or(self.statement_us, |transaction| transaction.start_us),
            statement_us: self.statement_us,
            deadline: self.deadline,
        };
        let write = self.transaction.as_ref().and_then(|transaction| match &transaction.write {
            Some(Write::Local(write)) => Some(write),
            _ => None,
        });
        Scope::new(&self.shared, catalog, times, write)
    }

    /// A snapshot as fresh as the session wants it.
    async fn read(&mut self) -> Result<Reader> {
        let derived = self.shared.settings().derived().clone();
        let last_commit = self.shared.last_commit.load(Ordering::Acquire);
        let (freshness, own) = match derived.consistency {
            Consistency::Linearizable => (Some(Freshness::Linearizable), 0),
            Consistency::Session => (Some(Freshness::None), last_commit),
            Consistency::Weak => (Some(Freshness::Weak), 0),
            Consistency::None => (Some(Freshness::None), 0),
            Consistency::Strong => (Some(Freshness::Strong), 0),
            Consistency::Auto => (None, 0),
        };
        let wanted = Wanted {
            freshness,
            at_least: own.max(derived.wait_for),
            max_staleness: derived.max_staleness.filter(|_| derived.consistency == Consistency::None),
            cancel: &self.shared.cancel,
            deadline: self.deadline,
        };
        let reader = self.connection.read(&wanted).await?;
        if derived.consistency == Consistency::Session {
            // Later reads of the session are not older, on whatever node.
            self.shared.note_commit(reader.index());
        }
        Ok(reader)
    }

    /// The plan of a statement that starts now. It is made with what this node knows, without asking anyone,
    /// and checked again when it runs; but an error must be right at once.
    async fn plan_now(&mut self, prepared: &Prepared) -> Result<Arc<Plan>> {
        let transaction = self.transaction.as_ref();
        let has_own = transaction.is_some_and(|transaction| {
            matches!(transaction.write, Some(Write::Local(_))) || transaction.snapshot.is_some()
        });
        if has_own {
            return prepared.plan(&self.current_scope().await?);
        }
        let likely = self.connection.likely_catalog().await?;
        let version = likely.version;
        match prepared.plan(&self.scope(likely)) {
            Err(error) => {
                let catalog = self.catalog().await?;
                if catalog.version == version { Err(error) } else { prepared.plan(&self.scope(catalog)) }
            }
            planned => planned,
        }
    }

    /// Plans a statement that is prepared, for its errors and its shape.
    async fn look_ahead(&mut self, prepared: &Prepared) -> Result<()> {
        if self.remote_shape(prepared).await?.is_none() {
            let plan = self.plan_now(prepared).await?;
            prepared.promise(&plan);
        }
        Ok(())
    }

    /// The scope of a statement that starts now.
    async fn current_scope(&mut self) -> Result<Scope> {
        let catalog = self.catalog().await?;
        Ok(self.scope(catalog))
    }

    /// Query: runs all statements of a text.
    pub async fn query(&mut self, text: &str, client: &mut dyn Client) -> Result<()> {
        self.start_request();
        let outcome = self.try_query(text, client).await;
        self.is_multiple = false;
        self.conclude(outcome).await
    }

    async fn try_query(&mut self, text: &str, client: &mut dyn Client) -> Result<()> {
        // The unnamed portal and statement end with a simple query.
        self.portals.remove("");
        self.prepared.remove("");
        let statements = sql::parse(text)?;
        if statements.is_empty() {
            client.send(Reply::EmptyQuery);
        }
        let count = statements.len();
        self.is_multiple = count > 1;
        for (place, parsed) in statements.into_iter().enumerate() {
            if place > 0 {
                self.start_statement();
            }
            let prepared = Arc::new(Prepared::simple(parsed));
            self.check_not_failed(prepared.statement())?;
            self.run_simple(&prepared, place + 1 == count, client).await?;
        }
        self.end_implicit().await
    }

    async fn run_simple(
        &mut self,
        prepared: &Arc<Prepared>,
        is_last: bool,
        client: &mut dyn Client,
    ) -> Result<()> {
        let mut portal = Portal::new(prepared.clone(), Vec::new(), Formats::TEXT);
        self.is_last = is_last;
        let started = self.start(&mut portal, client).await;
        self.is_last = false;
        started?;
        if let Some(columns) = portal.columns() {
            client.send(Reply::RowDescription(columns, &Formats::TEXT));
        }
        self.pump(&mut portal, None, client).await?;
        let tag = portal.tag();
        drop(portal);
        if is_last {
            // What the client takes for done must be committed.
            self.end_implicit().await?;
        }
        client.send(Reply::CommandComplete(&tag));
        Ok(())
    }

    /// Parse: prepares a statement, with the types of its first parameters (0 for unknown).
    pub async fn parse(
        &mut self,
        name: &str,
        text: &str,
        types: &[u32],
        client: &mut dyn Client,
    ) -> Result<()> {
        self.start_request();
        let outcome = self.try_parse(name, text, types).await;
        self.conclude(outcome).await?;
        client.send(Reply::ParseComplete);
        Ok(())
    }

    /// The types that Parse declares; `None` for one to be inferred.
    async fn declared_types(&mut self, oids: &[u32]) -> Result<Vec<Option<&'static types::Type>>> {
        let mut declared = Vec::with_capacity(oids.len());
        for &oid in oids {
            declared.push(match types::by_oid(oid) {
                _ if oid == 0 || oid == types::text::UNKNOWN.oid => None,
                Some(ty) => Some(ty),
                None => match self.catalog().await?.user_type(oid) {
                    Some(ty) => Some(ty),
                    None => bail!(UNDEFINED_OBJECT, "type with OID {oid} does not exist"),
                },
            });
        }
        Ok(declared)
    }

    async fn try_parse(&mut self, name: &str, text: &str, types: &[u32]) -> Result<()> {
        if name.is_empty() {
            self.prepared.remove("");
        } else if self.prepared.contains_key(name) {
            bail!(DUPLICATE_PSTATEMENT, "prepared statement \"{name}\" already exists");
        }
        let mut statements = sql::parse(text)?;
        if statements.len() > 1 {
            bail!(SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement");
        }
        let declared = self.declared_types(types).await?;
        let prepared = Arc::new(Prepared::new(statements.pop(), declared));
        self.check_not_failed(prepared.statement())?;
        if let Some(Statement::Plannable(..)) = prepared.statement() {
            self.look_ahead(&prepared).await?;
        }
        self.keep_prepared(name, prepared)
    }

    fn keep_prepared(&mut self, name: &str, prepared: Arc<Prepared>) -> Result<()> {
        if self.prepared.len() >= PREPARED_MAX {
            bail!(
                CONFIGURATION_LIMIT_EXCEEDED,
                "a session can have at most {PREPARED_MAX} prepared statements"
            );
        }
        self.prepared.insert(name.to_owned(), prepared);
        Ok(())
    }

    fn find_prepared(&self, name: &str) -> Result<Arc<Prepared>> {
        match self.prepared.get(name) {
            Some(prepared) => Ok(prepared.clone()),
            None if name.is_empty() => {
                bail!(INVALID_SQL_STATEMENT_NAME, "unnamed prepared statement does not exist")
            }
            None => bail!(INVALID_SQL_STATEMENT_NAME, "prepared statement \"{name}\" does not exist"),
        }
    }

    /// Describe of a prepared statement.
    pub async fn describe_statement(&mut self, name: &str, client: &mut dyn Client) -> Result<()> {
        self.start_request();
        let outcome = self.try_describe_statement(name, client).await;
        self.conclude(outcome).await
    }

    async fn try_describe_statement(&mut self, name: &str, client: &mut dyn Client) -> Result<()> {
        let prepared = self.find_prepared(name)?;
        let (parameters, columns) = self.shape(&prepared).await?;
        client.send(Reply::ParameterDescription(&parameters));
        match &columns {
            Some(columns) => client.send(Reply::RowDescription(columns.as_slice(), &Formats::TEXT)),
            None => client.send(Reply::NoData),
        }
        Ok(())
    }

    /// Describe of a portal.
    pub async fn describe_portal(&mut self, name: &str, client: &mut dyn Client) -> Result<()> {
        self.start_request();
        let outcome = self.try_describe_portal(name, client).await;
        self.conclude(outcome).await
    }

    async fn try_describe_portal(&mut self, name: &str, client: &mut dyn Client) -> Result<()> {
        let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
        let (prepared, formats) = (portal.prepared().clone(), portal.formats().clone());
        match self.shape(&prepared).await?.1 {
            Some(columns) => client.send(Reply::RowDescription(columns.as_slice(), &formats)),
            None => client.send(Reply::NoData),
        }
        Ok(())
    }

    /// Bind: gives a prepared statement its parameters: format codes, and text or bytes or NULL.
    pub async fn bind(
        &mut self,
        portal: &str,
        statement: &str,
        parameter_codes: &[i16],
        parameters: &[Option<&[u8]>],
        result_codes: &[i16],
        client: &mut dyn Client,
    ) -> Result<()> {
        self.start_request();
        let outcome = self.try_bind(portal, statement, parameter_codes, parameters, result_codes).await;
        self.conclude(outcome).await?;
        client.send(Reply::BindComplete);
        Ok(())
    }

    async fn try_bind(
        &mut self,
        name: &str,
        statement: &str,
        parameter_codes: &[i16],
        parameters: &[Option<&[u8]>],
        result_codes: &[i16],
    ) -> Result<()> {
        let prepared = self.find_prepared(statement)?;
        self.check_not_failed(prepared.statement())?;
        if !name.is_empty() && self.portals.contains_key(name) {
            bail!(DUPLICATE_CURSOR, "portal \"{name}\" already exists");
        }
        if self.portals.len() >= PORTALS_MAX {
            bail!(CONFIGURATION_LIMIT_EXCEEDED, "a session can have at most {PORTALS_MAX} portals");
        }
        let (types, columns) = self.shape(&prepared).await?;
        if parameter_codes.len() > 1 && parameter_codes.len() != parameters.len() {
            bail!(
                PROTOCOL_VIOLATION,
                "bind message has {} parameter formats but {} parameters",
                parameter_codes.len(),
                parameters.len()
            );
        }
        if types.len() != parameters.len() {
            bail!(
                PROTOCOL_VIOLATION,
                "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                parameters.len(),
                types.len()
            );
        }
        let formats = Formats::of_codes(result_codes)?;
        formats.check(columns.as_ref().map_or(0, |columns| columns.as_slice().len()))?;
        let values = self.read_parameters(&types, parameter_codes, parameters).await?;
        // The transaction, implicit or not, starts with the first portal.
        self.transaction();
        self.portals.insert(name.to_owned(), Portal::new(prepared, values, formats));
        Ok(())
    }

    async fn read_parameters(
        &mut self,
        types: &[&'static types::Type],
        codes: &[i16],
        parameters: &[Option<&[u8]>],
    ) -> Result<Vec<types::Datum>> {
        let formats = Formats::of_codes(codes)?;
        let derived = self.shared.settings().derived().clone();
        let mut format = types::Format { now_us: self.statement_us, ..derived.format.clone() };
        if types.iter().any(|ty| ty.reads_names()) {
            format.objects = self.current_scope().await?.context("").format.objects.clone();
        }
        let mut values = Vec::with_capacity(parameters.len());
        for (place, (ty, bytes)) in types.iter().zip(parameters).enumerate() {
            values.push(match bytes {
                None => types::Datum::Null,
                Some(bytes) if formats.is_binary(place) => ty.decode(bytes)?,
                Some(bytes) => ty.parse(types::text::from_utf8(bytes)?, &format)?,
            });
        }
        Ok(values)
    }

    /// Execute: runs a portal, or goes on with it, up to a number of rows (0 for all). Whether a Sync is known to
    /// come next: then a transaction that is no block ends with this, and need not be held until then.
    pub async fn execute(
        &mut self,
        name: &str,
        rows_max: i32,
        is_last: bool,
        client: &mut dyn Client,
    ) -> Result<()> {
        self.start_request();
        self.is_last = is_last;
        let outcome = match self.portals.remove(name) {
            Some(mut portal) => {
                let outcome = self.try_execute(&mut portal, rows_max, client).await;
                let ends_transaction = self.transaction.is_none();
                if outcome.is_ok() && !ends_transaction {
                    self.portals.insert(name.to_owned(), portal);
                }
                outcome
            }
            None => Err(no_portal(name)),
        };
        self.is_last = false;
        self.conclude(outcome).await
    }

    async fn try_execute(
        &mut self,
        portal: &mut Portal,
        rows_max: i32,
        client: &mut dyn Client,
    ) -> Result<()> {
        let limit = u64::try_from(rows_max).ok().filter(|limit| *limit > 0);
        if portal.prepared().statement().is_none() {
            client.send(Reply::EmptyQuery);
            return Ok(());
        }
        self.check_not_failed(portal.prepared().statement())?;
        if portal.is_new() {
            self.start(portal, client).await?;
        } else if portal.columns().is_none() {
            bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "portal cannot be run twice");
        }
        if self.pump(portal, limit, client).await? {
            client.send(Reply::CommandComplete(&portal.tag()));
        } else {
            self.make_room(portal).await?;
            client.send(Reply::PortalSuspended);
        }
        Ok(())
    }

    /// A message that could not be read: the same as a failed one.
    pub async fn refuse(&mut self, error: Error) -> Result<()> {
        self.conclude(Err(error)).await
    }

    /// Close of a prepared statement.
    pub fn close_statement(&mut self, name: &str, client: &mut dyn Client) {
        self.prepared.remove(name);
        client.send(Reply::CloseComplete);
    }

    /// Close of a portal.
    pub fn close_portal(&mut self, name: &str, client: &mut dyn Client) {
        self.portals.remove(name);
        client.send(Reply::CloseComplete);
    }

    /// Sync: the end of a group of messages, and of its transaction unless that is a block.
    pub async fn sync(&mut self) -> Result<()> {
        let outcome = self.end_implicit().await;
        self.conclude(outcome).await
    }
}

/// Settings that PostgreSQL's clients send and that need not be known: of extensions, with a dot.
fn tolerated(name: &str) -> bool {
    crate::settings::find(name).is_some() || crate::settings::is_custom(name) || !name.contains('.')
}

/// 25P03
fn idle_in_transaction() -> Error {
    let message = "terminating connection due to idle-in-transaction timeout";
    Error::fatal(state::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, message)
}

fn no_portal(name: &str) -> Error {
    Error::new(state::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}
