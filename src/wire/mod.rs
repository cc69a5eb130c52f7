//! PostgreSQL's protocol, version 3: messages to calls of a [`Session`], answers to messages.
//!
//! - [`guard`] cuts the stream into frames and checks each one before pgwire decodes it: pgwire panics on
//!   malformed ones.
//! - `startup` is what comes before the session, `connection` the loop after it.
//! - `encode` writes rows and answers into the connection's buffer.
//!
//! Nothing here knows SQL or tables.

mod connection;
mod encode;
pub mod guard;
mod startup;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::{Error, Result, state};
use crate::session::{Options, Session, Sessions};
use crate::telemetry;
use connection::Connection;
use startup::Greeting;

/// How long a connection may take until its startup message is there.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections beyond the sessions' limit: those that are starting, or are being refused.
const STARTING_MAX: usize = 100;
/// How long to wait before accepting again when the system has no more files to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Makes a session of a startup message's parameters.
pub type OpenSession = dyn Fn(Vec<(String, String)>) -> Options + Send + Sync;

/// What connections need.
pub struct Gate {
    /// The sessions of this server.
    pub sessions: Arc<Sessions>,
    /// Makes a session's parts.
    pub open: Box<OpenSession>,
    /// Becomes true when the server stops: sessions end when they are idle.
    pub stop: watch::Receiver<bool>,
}

/// Accepts connections until the server stops, then waits for those that are there.
pub async fn serve(listener: TcpListener, gate: Arc<Gate>) {
    let mut stop = gate.stop.clone();
    let mut connections = JoinSet::new();
    let limit = gate.sessions.limit() + STARTING_MAX;
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < limit => match accepted {
                Ok((stream, address)) => {
                    connections.spawn(serve_connection(stream, address, gate.clone()));
                }
                Err(error) => {
                    telemetry::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => report(ended),
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// Waits until the server stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Without a sender there is nobody left to serve for.
    let _ = stop.wait_for(|stop| *stop).await.map(|_| ());
}

/// A connection's panic ends only that connection, but must be known.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        telemetry::error!("a connection has ended with a programming error: {error}");
    }
}

async fn serve_connection(stream: TcpStream, address: SocketAddr, gate: Arc<Gate>) {
    if let Err(error) = stream.set_nodelay(true) {
        telemetry::debug!("TCP_NODELAY: {error}");
    }
    serve_stream(stream, address.ip().is_loopback(), gate).await;
}

/// Serves one client on any stream. `is_local`: whether it needs no password.
pub async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    is_local: bool,
    gate: Arc<Gate>,
) {
    let mut connection = Connection::new(stream);
    let greeting = match tokio::time::timeout(STARTUP_TIMEOUT, startup::greet(&mut connection)).await {
        Ok(Ok(greeting)) => greeting,
        Ok(Err(error)) => return connection.refuse(&error).await,
        Err(_) => return,
    };
    match greeting {
        Greeting::Gone => {}
        Greeting::Cancel { pid, secret } => gate.sessions.cancel(pid, secret),
        Greeting::Session(parameters) => match open(parameters, is_local, &gate).await {
            Ok(session) => connection.run(session, gate.stop.clone()).await,
            Err(error) => connection.refuse(&error).await,
        },
    }
}

async fn open(parameters: Vec<(String, String)>, is_local: bool, gate: &Gate) -> Result<Session> {
    if !is_local {
        let error = Error::fatal(
            state::INVALID_AUTHORIZATION_SPECIFICATION,
            "connections from other machines are refused: this version has no passwords yet",
        );
        return Err(error.with_hint("Connect on the same machine, for example through an SSH tunnel."));
    }
    if *gate.stop.borrow() {
        return Err(Error::fatal(state::CANNOT_CONNECT_NOW, "the database system is shutting down"));
    }
    let place = gate.sessions.enter()?;
    Session::open((gate.open)(parameters), place).await
}
