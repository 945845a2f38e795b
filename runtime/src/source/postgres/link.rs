//! A connection to the server: socket, TLS, startup, authentication, plain queries, and the way into CopyBoth.
//!
//! ```text
//!   open ─▶ socket ─▶ TLS? ─▶ startup ─▶ authentication ─▶ ready ─▶ query ... ─▶ start_copy ─▶ inbox, send
//! ```
//!
//! Blocking on purpose: it lives on a source's own thread, and the reading rhythm needs pauses shorter than a timer of
//! tokio can make. <https://www.postgresql.org/docs/current/protocol-flow.html>

use super::PostgresSettings;
use super::inbox::Inbox;
use super::trouble::{Scene, ServerError, Trouble};
use super::url::Address;
use crate::source::SslMode;
use crate::source::socket::{LOGIN_MAX, Place, READ_WAIT, Stream, connect, secure};
use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use postgres_protocol::message::{backend, frontend};
use socket2::Socket;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A query of ours, all of them on catalogs; making a slot has no limit, it waits for other transactions.
pub(super) const QUERY_MAX: Duration = Duration::from_secs(30);

/// What the connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Sql,
    Replication,
}

/// One row of an answer; null is `None`.
pub(super) type SqlRow = Vec<Option<String>>;

pub(super) struct Link {
    stream: Stream,
    pub(super) inbox: Inbox,
    out: BytesMut,
    stop: Arc<AtomicBool>,
    pub(super) is_unix: bool,
    is_bound: bool,
}

impl Link {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Whatever stands in the way; see [`Trouble`].
    pub(super) fn open(settings: &PostgresSettings, purpose: Purpose, stop: &Arc<AtomicBool>) -> Result<Link, Trouble> {
        let address = settings.address().map_err(Trouble::Refused)?;
        let mode = settings.sslmode.or(address.sslmode).unwrap_or(SslMode::Prefer);
        let roots = settings.sslrootcert.as_deref().or(address.sslrootcert.as_deref());
        let socket = connect(&address.place)?;
        let (stream, is_unix) = match &address.place {
            Place::Unix { .. } => (Stream::Plain(socket), true),
            Place::Tcp { host, .. } => (protect(socket, host, mode, roots)?, false),
        };
        let mut link =
            Link { stream, inbox: Inbox::new(), out: BytesMut::new(), stop: stop.clone(), is_unix, is_bound: false };
        link.start_up(&address, purpose)?;
        Ok(link)
    }

    fn start_up(&mut self, address: &Address, purpose: Purpose) -> Result<(), Trouble> {
        // The text of every value depends on these; they hold for this session only.
        let mut parameters = vec![
            ("user", address.user.as_str()),
            ("database", address.database.as_str()),
            ("application_name", "sluicegate"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("IntervalStyle", "iso_8601"),
            ("TimeZone", "UTC"),
            ("extra_float_digits", "3"),
            ("bytea_output", "hex"),
        ];
        match purpose {
            Purpose::Replication => parameters.push(("replication", "database")),
            // Adding a table to a publication waits for locks on it; better to come again than to queue others behind us.
            Purpose::Sql => {
                parameters.extend([("lock_timeout", "5s"), ("statement_timeout", "30s"), ("search_path", "pg_catalog")])
            }
        }
        frontend::startup_message(parameters, &mut self.out).map_err(Trouble::io("log in"))?;
        self.flush("log in")?;
        let deadline = Instant::now() + LOGIN_MAX;
        let (mut scram, mut has_no_encoding) = (None, false);
        loop {
            let (tag, body) = self.next("log in", Some(deadline))?;
            match tag {
                backend::PARAMETER_STATUS_TAG => has_no_encoding |= body.starts_with(b"server_encoding\0SQL_ASCII\0"),
                backend::AUTHENTICATION_TAG => self.authenticate(address, &body, &mut scram)?,
                backend::READY_FOR_QUERY_TAG => break,
                backend::ERROR_RESPONSE_TAG => return Err(server("log in", &body)),
                // Our process number, notices.
                _ => {}
            }
        }
        if has_no_encoding {
            // Such a database holds any bytes; asked for UTF-8, the server would stop at the first that are not.
            self.query("log in", "SET client_encoding = 'SQL_ASCII'", Some(QUERY_MAX))?;
        }
        Ok(())
    }

    fn authenticate(&mut self, address: &Address, body: &[u8], scram: &mut Option<ScramSha256>) -> Result<(), Trouble> {
        let (kind, data) = body.split_first_chunk::<4>().ok_or_else(|| protocol("an empty request for a password"))?;
        let password = || {
            address.password.as_deref().ok_or_else(|| {
                Trouble::Refused(format!(
                    "{} asks user {:?} for a password, and the URL has none; write postgres://{}:PASSWORD@...",
                    address.place, address.user, address.user
                ))
            })
        };
        let wrong = Trouble::io("authenticate");
        match u32::from_be_bytes(*kind) {
            0 => return Ok(()),
            3 => frontend::password_message(password()?.as_bytes(), &mut self.out).map_err(wrong)?,
            5 => {
                let salt = data.first_chunk::<4>().ok_or_else(|| protocol("an MD5 request without salt"))?;
                let hash = md5_hash(address.user.as_bytes(), password()?.as_bytes(), *salt);
                frontend::password_message(hash.as_bytes(), &mut self.out).map_err(wrong)?;
            }
            10 => *scram = Some(self.begin_scram(data, password()?)?),
            11 => {
                let scram = scram.as_mut().ok_or_else(|| protocol("SCRAM goes on before it began"))?;
                scram.update(data).map_err(scram_failed)?;
                frontend::sasl_response(scram.message(), &mut self.out).map_err(wrong)?;
            }
            12 => {
                let scram = scram.as_mut().ok_or_else(|| protocol("SCRAM ends before it began"))?;
                return scram.finish(data).map_err(scram_failed);
            }
            other => {
                return Err(Trouble::Refused(format!(
                    "{} asks for authentication method {other}, which is not supported; use scram-sha-256, md5, password or trust \
                     for user {:?} in pg_hba.conf",
                    address.place, address.user
                )));
            }
        }
        self.flush("authenticate")
    }

    fn begin_scram(&mut self, mechanisms: &[u8], password: &str) -> Result<ScramSha256, Trouble> {
        let offered = |name: &str| mechanisms.split(|b| *b == 0).any(|m| m == name.as_bytes());
        let end_point = match &self.stream {
            Stream::Tls(s) => {
                s.conn.peer_certificates().and_then(|c| c.first()).and_then(|c| crate::source::tls::end_point(c))
            }
            Stream::Plain(_) => None,
        };
        let (name, binding) = match end_point {
            Some(hash) if offered(SCRAM_SHA_256_PLUS) => {
                self.is_bound = true;
                (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash))
            }
            Some(_) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            None => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        };
        if !offered(name) {
            return Err(Trouble::Refused(
                "the server offers no SCRAM-SHA-256; set password_encryption to scram-sha-256".into(),
            ));
        }
        let scram = ScramSha256::new(password.as_bytes(), binding);
        frontend::sasl_initial_response(name, scram.message(), &mut self.out).map_err(Trouble::io("authenticate"))?;
        Ok(scram)
    }

    /// Runs SQL, or a command of the replication protocol, and gives back the rows of its last answer.
    ///
    /// # Errors
    /// The server's answer, a cut, or `limit` reached; `Stopped` if the source is to stop.
    pub(super) fn query(
        &mut self,
        doing: &'static str,
        sql: &str,
        limit: Option<Duration>,
    ) -> Result<Vec<SqlRow>, Trouble> {
        frontend::query(sql, &mut self.out).map_err(Trouble::io(doing))?;
        self.flush(doing)?;
        let deadline = limit.map(|l| Instant::now() + l);
        let (mut rows, mut failure) = (Vec::new(), None);
        loop {
            let (tag, body) = self.next(doing, deadline)?;
            match tag {
                backend::ROW_DESCRIPTION_TAG => rows.clear(),
                backend::DATA_ROW_TAG => rows.push(data_row(&body).ok_or_else(|| protocol("a row that ends early"))?),
                backend::ERROR_RESPONSE_TAG => failure = Some(server(doing, &body)),
                backend::READY_FOR_QUERY_TAG => return failure.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    /// Sends START_REPLICATION and waits until the server streams.
    ///
    /// # Errors
    /// As `query`.
    pub(super) fn start_copy(&mut self, command: &str) -> Result<(), Trouble> {
        const DOING: &str = "start replication";
        const COPY_BOTH: u8 = b'W';
        frontend::query(command, &mut self.out).map_err(Trouble::io(DOING))?;
        self.flush(DOING)?;
        loop {
            let (tag, body) = self.next(DOING, Some(Instant::now() + QUERY_MAX))?;
            match tag {
                COPY_BOTH => return Ok(()),
                backend::ERROR_RESPONSE_TAG => return Err(server(DOING, &body)),
                backend::NOTICE_RESPONSE_TAG | backend::PARAMETER_STATUS_TAG => {}
                other => return Err(protocol(&format!("{:?} in place of CopyBothResponse", char::from(other)))),
            }
        }
    }

    /// Reads once: what came, or 0 if nothing did within [`READ_WAIT`].
    ///
    /// # Errors
    /// If the other side has closed, or the way is cut.
    pub(super) fn fill(&mut self, doing: &'static str) -> Result<usize, Trouble> {
        match self.inbox.fill(&mut self.stream) {
            Ok(0) => Err(Trouble::io(doing)(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server closed the connection",
            ))),
            Ok(n) => Ok(n),
            Err(e) if is_only_waiting(&e) => Ok(0),
            Err(e) => Err(Trouble::io(doing)(e)),
        }
    }

    /// Sends one CopyData message.
    pub(super) fn send_copy(&mut self, body: &[u8]) -> Result<(), Trouble> {
        frontend::CopyData::new(body).map_err(Trouble::io("send feedback"))?.write(&mut self.out);
        self.flush("send feedback")
    }

    /// Says goodbye, so that the server frees the slot at once. Whether it hears that does not matter.
    pub(super) fn close(mut self, is_copying: bool) {
        if is_copying {
            frontend::copy_done(&mut self.out);
        }
        frontend::terminate(&mut self.out);
        if let Err(trouble) = self.flush("say goodbye") {
            tracing::debug!(?trouble, "server did not hear our goodbye");
        }
    }

    fn next(&mut self, doing: &'static str, deadline: Option<Instant>) -> Result<(u8, Vec<u8>), Trouble> {
        loop {
            if let Some(message) = self.inbox.peek().map_err(Trouble::Protocol)? {
                let (tag, body, len) = (message.tag, message.body.to_vec(), message.len);
                self.inbox.consume(len);
                return Ok((tag, body));
            }
            if self.stop.load(Relaxed) {
                return Err(Trouble::Stopped);
            }
            if deadline.is_some_and(|d| Instant::now() > d) {
                let late = io::Error::new(io::ErrorKind::TimedOut, "the server did not answer in time");
                return Err(Trouble::io(doing)(late));
            }
            self.fill(doing)?;
        }
    }

    fn flush(&mut self, doing: &'static str) -> Result<(), Trouble> {
        let sent = self.stream.write_all(&self.out).map_err(Trouble::io(doing));
        self.out.clear();
        sent
    }

    /// How the connection is protected, for `check`.
    pub(super) fn protection(&self) -> &'static str {
        match (&self.stream, self.is_unix, self.is_bound) {
            (Stream::Tls(_), _, true) => "TLS, password bound to the channel",
            (Stream::Tls(_), _, false) => "TLS",
            (Stream::Plain(_), true, _) => "a Unix socket",
            (Stream::Plain(_), false, _) => "no TLS",
        }
    }
}

fn is_only_waiting(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn server(doing: &'static str, body: &[u8]) -> Trouble {
    Trouble::Server { doing, error: ServerError::parse(body) }
}

fn protocol(what: &str) -> Trouble {
    Trouble::Protocol(what.to_owned())
}

fn scram_failed(error: io::Error) -> Trouble {
    Trouble::Refused(format!("SCRAM authentication failed: {error}; check the password, and that nobody is in between"))
}

fn data_row(body: &[u8]) -> Option<SqlRow> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut row = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (len, after) = rest.split_first_chunk::<4>()?;
        let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else {
            row.push(None);
            rest = after;
            continue;
        };
        let (value, after) = after.split_at_checked(len)?;
        row.push(Some(String::from_utf8_lossy(value).into_owned()));
        rest = after;
    }
    Some(row)
}

/// TLS, if it is wanted and the server has it.
fn protect(mut socket: Socket, host: &str, mode: SslMode, roots: Option<&std::path::Path>) -> Result<Stream, Trouble> {
    const DOING: &str = "set up TLS";
    if mode == SslMode::Disable {
        return Ok(Stream::Plain(socket));
    }
    let mut out = BytesMut::new();
    frontend::ssl_request(&mut out);
    socket.write_all(&out).map_err(Trouble::io(DOING))?;
    // One byte and no more: what follows an S belongs to TLS (CVE-2021-23222).
    let mut answer = [0];
    socket.set_read_timeout(Some(LOGIN_MAX)).map_err(Trouble::io(DOING))?;
    socket.read_exact(&mut answer).map_err(Trouble::io(DOING))?;
    match &answer {
        b"S" => {}
        b"N" if mode == SslMode::Prefer => {
            socket.set_read_timeout(Some(READ_WAIT)).map_err(Trouble::io(DOING))?;
            return Ok(Stream::Plain(socket));
        }
        b"N" => {
            return Err(Trouble::Refused(
                "the server has no TLS, and sslmode asks for it; set ssl = on at the server, or sslmode=disable in the URL".into(),
            ));
        }
        // An ErrorResponse: too many connections, or a server that is starting.
        _ => {
            let busy = io::Error::new(io::ErrorKind::ConnectionAborted, "the server is not ready for connections");
            return Err(Trouble::io(DOING)(busy));
        }
    }
    Ok(secure(socket, host, mode, roots)?)
}

impl PostgresSettings {
    pub(super) fn address(&self) -> Result<Address, String> {
        Address::parse(&self.url).map_err(|e| format!("source {}: {e}", self.name))
    }

    /// The command that removes its checkpoint.
    pub(super) fn forget(&self) -> String {
        format!("sluicegate forget {}", self.name)
    }

    /// Judges a failure with the names of this source.
    pub(super) fn judge(&self, trouble: Trouble) -> crate::source::SourceError {
        let address = self.address().ok();
        let place = address.as_ref().map(|a| a.place.to_string()).unwrap_or_default();
        let scene = Scene {
            place: &place,
            user: address.as_ref().map_or("", |a| &a.user),
            database: address.as_ref().map_or("", |a| &a.database),
            source: &self.name,
            slot: &self.slot,
            publication: &self.publication,
        };
        super::trouble::judge(trouble, &scene)
    }
}
