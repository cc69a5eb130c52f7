//! The status page: plain HTTP for people, probes and Prometheus, and what `quorate status` and `quorate
//! backup` ask.
//!
//! - `GET /health`: 200 if this node can serve, else 503.
//! - `GET /status`: lines of a name, a tab and a value.
//! - `GET /metrics`: Prometheus' text format.
//! - `GET /members`: a line a member of the cluster, its fields separated by tabs.
//! - `POST /backup?to=DIRECTORY`: copies all databases there.
//! - `POST /remove?node=N`, `/transfer?to=N`, `/rebuild?node=N`, `/verify`: see `quorate --help`.

mod members;
mod stream;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::backup;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::session::Sessions;
use crate::storage::Databases;
use crate::telemetry;
use stream::Stream;

/// Requests answered at once; more wait.
const CONNECTIONS_MAX: usize = 32;
/// How long one connection may stay.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3600);

/// What the page tells about.
pub struct State {
    /// This node in its group.
    pub cluster: Arc<Cluster>,
    /// Its databases.
    pub databases: Arc<Databases>,
    /// Its clients.
    pub sessions: Arc<Sessions>,
}

/// Answers requests for the server's life.
pub async fn serve(listener: TcpListener, state: Arc<State>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                telemetry::warn!("a connection to the status page could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let state = state.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let service = service_fn(|request| answer(request, state.clone()));
            let connection =
                http1::Builder::new().keep_alive(false).serve_connection(Stream(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
                telemetry::debug!("a connection to the status page broke: {error}");
            }
        });
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<String>, Infallible> {
    let path = request.uri().path();
    Ok(match (request.method(), path) {
        (&Method::GET, "/health") => health(&state),
        (&Method::GET, "/" | "/status") => respond(StatusCode::OK, status(&state)),
        (&Method::GET, "/metrics") => respond(StatusCode::OK, telemetry::metrics::render()),
        (&Method::GET, "/members") => respond(StatusCode::OK, members::list(&state.cluster).await),
        (&Method::POST, "/backup") => back_up(request.uri().query().unwrap_or_default(), &state).await,
        (&Method::POST, path) => {
            let query = request.uri().query().unwrap_or_default();
            match members::change(path, query, &state.cluster).await {
                Some(Ok(text)) => respond(StatusCode::OK, text),
                Some(Err(error)) => respond(StatusCode::CONFLICT, in_one_line(&error)),
                None => not_found(),
            }
        }
        _ => not_found(),
    })
}

fn not_found() -> Response<String> {
    let pages = "there are /health, /status, /members, /metrics and POST /backup?to=DIRECTORY\n";
    respond(StatusCode::NOT_FOUND, pages.into())
}

fn in_one_line(error: &Error) -> String {
    let fields = error.fields();
    let parts = [Some(&fields.message), fields.detail.as_ref(), fields.hint.as_ref()];
    let text: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    format!("{}\n", text.join(". "))
}

fn respond(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn health(state: &State) -> Response<String> {
    match state.cluster.node().status().role {
        role @ ("leader" | "follower" | "learner") => respond(StatusCode::OK, format!("{role}\n")),
        role => respond(StatusCode::SERVICE_UNAVAILABLE, format!("{role}\n")),
    }
}

fn status(state: &State) -> String {
    let status = state.cluster.node().status();
    let number = |value: Option<u64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    let databases = state.databases.names().borrow().len();
    let lines = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("node", status.node_id.to_string()),
        ("role", status.role.to_owned()),
        ("cluster", format!("{:016x}", state.cluster.id())),
        ("leader", number(status.leader)),
        ("term", status.term.to_string()),
        ("last log entry", number(status.last_log_index)),
        ("applied entry", number(status.applied_index)),
        ("log purged up to", number(status.purged_index)),
        ("log size (bytes)", status.log_bytes.to_string()),
        ("databases", databases.to_string()),
        ("sessions", state.sessions.count().to_string()),
    ];
    lines.iter().map(|(name, value)| format!("{name}\t{value}\n")).collect()
}

async fn back_up(query: &str, state: &State) -> Response<String> {
    let Some(target) = query.split('&').find_map(|pair| pair.strip_prefix("to=")).and_then(decoded) else {
        return respond(StatusCode::BAD_REQUEST, "say where: POST /backup?to=DIRECTORY\n".into());
    };
    match backup::run(&state.databases, &PathBuf::from(target)).await {
        Ok(copied) => respond(
            StatusCode::OK,
            copied.iter().map(|copy| format!("{}\t{}\n", copy.name, copy.bytes)).collect(),
        ),
        Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", error.message())),
    }
}

/// Undoes percent encoding.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_decoded() {
        assert_eq!(super::decoded("a%20b%2Fc").as_deref(), Some("a b/c"));
        assert_eq!(super::decoded("a%2"), None);
        assert_eq!(super::decoded("%ff"), None);
    }
}
