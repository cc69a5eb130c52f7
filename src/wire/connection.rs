//! One connection: its buffers, and the loop from message to answer.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pgwire::messages::startup::{Authentication, BackendKeyData, SecretKey};
use pgwire::messages::{DecodeContext, Message, PgWireFrontendMessage, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use super::encode;
use super::guard;
use crate::error::{Error, Result, state};
use crate::session::{Client, CopyInput, Formats, Reply, ResultColumn, Session};
use crate::types::{DatumRef, Format};

/// Bytes of answers after which the client must take some first.
const OUTPUT_BYTES: usize = 64 << 10;
/// Room for input that is asked for at once.
const INPUT_BYTES: usize = 16 << 10;
/// A buffer that has grown larger than this is given back when it is empty.
const KEPT_BYTES: usize = 256 << 10;

/// The client is gone, or cannot be understood any more.
fn gone() -> Error {
    Error::fatal(state::CONNECTION_FAILURE, "the client has closed the connection")
}

/// Decodes a frame that the guard has let through.
pub(super) fn decode(mut frame: BytesMut) -> Result<PgWireFrontendMessage> {
    let mut context = DecodeContext::default();
    context.protocol_version = ProtocolVersion::PROTOCOL3_0;
    context.awaiting_frontend_ssl = false;
    context.awaiting_frontend_startup = false;
    match PgWireFrontendMessage::decode(&mut frame, &context) {
        Ok(Some(message)) => Ok(message),
        Ok(None) | Err(_) => Err(Error::new(state::PROTOCOL_VIOLATION, "invalid message format")),
    }
}

/// A connection.
pub(super) struct Connection<S> {
    stream: S,
    input: BytesMut,
    output: BytesMut,
    scratch: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    pub(super) fn new(stream: S) -> Connection<S> {
        Connection { stream, input: BytesMut::new(), output: BytesMut::new(), scratch: Vec::new() }
    }

    /// Sends a message at once.
    pub(super) async fn put(&mut self, message: impl Message) -> Result<()> {
        encode::put(&mut self.output, message);
        self.flush().await
    }

    /// Ends the connection with an error.
    pub(super) async fn refuse(mut self, error: &Error) {
        encode::put_error(&mut self.output, error);
        self.finish().await;
    }

    async fn finish(mut self) {
        // The client may be gone already.
        let _ = self.flush().await;
        let _ = self.stream.shutdown().await;
    }

    /// Reads more. False at the end of the stream.
    async fn read_more(&mut self) -> Result<bool> {
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES {
            self.input = BytesMut::new();
        }
        self.input.reserve(INPUT_BYTES);
        let read = self.stream.read_buf(&mut self.input).await.map_err(|_| gone())?;
        Ok(read > 0)
    }

    /// The next startup packet; `None` if the client has left.
    pub(super) async fn startup_packet(&mut self) -> Result<Option<BytesMut>> {
        loop {
            if let Some(packet) = guard::take_startup(&mut self.input)? {
                return Ok(Some(packet));
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    /// The next frame; `None` if the client has left. May be dropped and called again.
    async fn frame(&mut self) -> Result<Option<BytesMut>> {
        loop {
            if let Some(frame) = guard::take(&mut self.input)? {
                return Ok(Some(frame));
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    /// Runs a session to its end.
    pub(super) async fn run(mut self, mut session: Session, stop: watch::Receiver<bool>) {
        encode::put(&mut self.output, Authentication::Ok);
        session.report_settings(&mut self);
        let (pid, secret) = session.backend_key();
        encode::put(&mut self.output, BackendKeyData::new(pid, SecretKey::I32(secret)));
        encode::put_ready(&mut self.output, session.status());
        if let Err(error) = self.serve(&mut session, stop).await {
            encode::put_error(&mut self.output, &error);
        }
        session.close().await;
        self.finish().await;
    }

    /// Answers messages until the client leaves. An error ends the session.
    async fn serve(&mut self, session: &mut Session, mut stop: watch::Receiver<bool>) -> Result<()> {
        // After an error, messages of the extended protocol are ignored up to the next Sync.
        let mut skips = false;
        loop {
            // Answers of a pipeline go together, unless there is nothing more to read.
            let frame = match guard::take(&mut self.input)? {
                Some(frame) => Some(frame),
                None => {
                    self.flush().await?;
                    self.wait(session.idle_limit(), session.is_busy(), &mut stop).await?
                }
            };
            let Some(frame) = frame else { return Ok(()) };
            let kind = frame[0];
            if kind == b'X' {
                return Ok(());
            }
            if skips && !matches!(kind, b'S') {
                continue;
            }
            let outcome = match guard::check(&frame).and_then(|()| decode(frame)) {
                Ok(message) => self.answer(session, message).await,
                Err(error) => session.refuse(error).await,
            };
            if kind == b'S' {
                skips = false;
            }
            if let Err(error) = outcome {
                if error.is_fatal() {
                    return Err(error);
                }
                encode::put_error(&mut self.output, &error);
                skips = matches!(kind, b'P' | b'B' | b'D' | b'E' | b'C' | b'H');
            }
            if matches!(kind, b'Q' | b'S') {
                session.report_settings(self);
                encode::put_ready(&mut self.output, session.status());
            }
            if self.is_full() {
                self.flush().await?;
            }
        }
    }

    /// Waits for the next frame, as long as the session allows.
    async fn wait(
        &mut self,
        limit: Option<(Duration, Error)>,
        is_busy: bool,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Option<BytesMut>> {
        let expired = async {
            match limit {
                Some((limit, error)) => {
                    tokio::time::sleep(limit).await;
                    error
                }
                None => std::future::pending().await,
            }
        };
        let stopped = async {
            if is_busy || stop.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            frame = self.frame() => frame,
            error = expired => Err(error),
            () = stopped => Err(Error::fatal(state::ADMIN_SHUTDOWN, "terminating connection due to administrator command")),
        }
    }

    async fn answer(&mut self, session: &mut Session, message: PgWireFrontendMessage) -> Result<()> {
        use PgWireFrontendMessage as M;
        match message {
            M::Query(query) => session.query(&query.query, self).await,
            M::Parse(parse) => session.parse(name(&parse.name), &parse.query, &parse.type_oids, self).await,
            M::Bind(bind) => {
                let parameters: Vec<Option<&[u8]>> =
                    bind.parameters.iter().map(|value| value.as_deref()).collect();
                let (portal, statement) = (name(&bind.portal_name), name(&bind.statement_name));
                let (codes, results) = (&bind.parameter_format_codes, &bind.result_column_format_codes);
                session.bind(portal, statement, codes, &parameters, results, self).await
            }
            M::Describe(describe) if describe.target_type == b'S' => {
                session.describe_statement(name(&describe.name), self).await
            }
            M::Describe(describe) => session.describe_portal(name(&describe.name), self).await,
            M::Execute(execute) => {
                let is_last = guard::is_sync(&self.input);
                session.execute(name(&execute.name), execute.max_rows, is_last, self).await
            }
            M::Close(close) => {
                match close.target_type {
                    b'S' => session.close_statement(name(&close.name), self),
                    _ => session.close_portal(name(&close.name), self),
                }
                Ok(())
            }
            M::Sync(_) => session.sync().await,
            M::Flush(_) => self.flush().await,
            // What is left of a COPY that has failed.
            M::CopyData(_) | M::CopyDone(_) | M::CopyFail(_) => Ok(()),
            _ => Err(Error::fatal(state::PROTOCOL_VIOLATION, "unexpected message")),
        }
    }
}

fn name(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or_default()
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Client for Connection<S> {
    fn send(&mut self, reply: Reply<'_>) {
        encode::put_reply(&mut self.output, reply);
    }

    fn row(&mut self, values: &[DatumRef<'_>], columns: &[ResultColumn], formats: &Formats, format: &Format) {
        encode::put_row(&mut self.output, &mut self.scratch, values, columns, formats, format);
    }

    fn is_full(&self) -> bool {
        self.output.len() >= OUTPUT_BYTES
    }

    async fn flush(&mut self) -> Result<()> {
        while self.output.has_remaining() {
            self.stream.write_buf(&mut self.output).await.map_err(|_| gone())?;
        }
        if self.output.capacity() > KEPT_BYTES {
            self.output = BytesMut::new();
        }
        if self.scratch.capacity() > KEPT_BYTES {
            self.scratch = Vec::new();
        }
        self.stream.flush().await.map_err(|_| gone())
    }

    async fn copy_input(&mut self) -> Result<CopyInput> {
        loop {
            let Some(frame) = self.frame().await? else { return Err(gone()) };
            guard::check(&frame)?;
            let kind = frame[0];
            match decode(frame)? {
                PgWireFrontendMessage::CopyData(data) => return Ok(CopyInput::Data(data.data.into())),
                PgWireFrontendMessage::CopyDone(_) => return Ok(CopyInput::Done),
                PgWireFrontendMessage::CopyFail(fail) => return Ok(CopyInput::Fail(fail.message)),
                PgWireFrontendMessage::Flush(_) | PgWireFrontendMessage::Sync(_) => {}
                _ => {
                    let message = format!("unexpected message type 0x{kind:02X} during COPY from stdin");
                    return Err(Error::fatal(state::PROTOCOL_VIOLATION, message));
                }
            }
        }
    }
}
