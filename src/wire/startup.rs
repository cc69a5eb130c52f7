//! What comes before a session: encryption requests, cancellation, and the startup message.

use bytes::{Buf, BytesMut};
use pgwire::messages::response::{GssEncResponse, SslResponse};
use pgwire::messages::startup::{NegotiateProtocolVersion, Startup};
use pgwire::messages::{DecodeContext, Message};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::Connection;
use super::guard;
use crate::bail;
use crate::error::{Error, Result, state};

/// The codes in the place of a protocol version.
const CANCEL_CODE: u32 = 80_877_102;
const SSL_CODE: u32 = 80_877_103;
const GSS_CODE: u32 = 80_877_104;

/// The minor version of protocol 3 that is spoken.
const MINOR_VERSION: u32 = 0;
/// Requests for encryption that a client may make before it must go on without.
const REQUESTS_MAX: usize = 4;

/// What a connection is for.
pub(super) enum Greeting {
    /// Nothing: the client went away.
    Gone,
    /// To cancel what another session runs.
    Cancel { pid: i32, secret: i32 },
    /// A session with these parameters.
    Session(Vec<(String, String)>),
}

/// Answers what comes first.
pub(super) async fn greet<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut Connection<S>,
) -> Result<Greeting> {
    for _ in 0..REQUESTS_MAX {
        let Some(packet) = connection.startup_packet().await? else { return Ok(Greeting::Gone) };
        match (&packet[4..8]).get_u32() {
            SSL_CODE => connection.put(SslResponse::Refuse).await?,
            GSS_CODE => connection.put(GssEncResponse::Refuse).await?,
            CANCEL_CODE => {
                if packet.len() != 16 {
                    bail!(PROTOCOL_VIOLATION, "invalid length of cancel request");
                }
                let mut key = &packet[8..];
                return Ok(Greeting::Cancel { pid: key.get_i32(), secret: key.get_i32() });
            }
            version => return session(connection, version, packet).await,
        }
    }
    Err(Error::fatal(state::PROTOCOL_VIOLATION, "too many requests for encryption"))
}

async fn session<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut Connection<S>,
    version: u32,
    mut packet: BytesMut,
) -> Result<Greeting> {
    let (major, minor) = (version >> 16, version & 0xffff);
    if major != 3 {
        return Err(Error::fatal(
            state::FEATURE_NOT_SUPPORTED,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0"),
        ));
    }
    guard::check_startup(&packet)?;
    let invalid = || Error::fatal(state::PROTOCOL_VIOLATION, "invalid startup packet");
    // pgwire wants at least one byte after the version, which the guard has seen to.
    let startup = Startup::decode(&mut packet, &DecodeContext::default())
        .map_err(|_| invalid())?
        .ok_or_else(invalid)?;
    let unknown: Vec<String> =
        startup.parameters.keys().filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if minor > MINOR_VERSION || !unknown.is_empty() {
        connection.put(NegotiateProtocolVersion::new(MINOR_VERSION as i32, unknown)).await?;
    }
    Ok(Greeting::Session(startup.parameters.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_is_stricter_than_the_decoder() {
        let mut packet = BytesMut::from(&b"\0\0\0\x13\0\x03\0\0user\0me\0\0\0\0"[..]);
        packet[3] = packet.len() as u8;
        assert!(guard::check_startup(&packet).is_err());
        let mut packet = BytesMut::from(&b"\0\0\0\x11\0\x03\0\0user\0me\0\0"[..]);
        packet[3] = packet.len() as u8;
        guard::check_startup(&packet).unwrap();
        let startup = Startup::decode(&mut packet, &DecodeContext::default()).unwrap().unwrap();
        assert_eq!(startup.parameters["user"], "me");
    }
}
