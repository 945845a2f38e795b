//! A connection to the server: socket, TLS, login, plain queries, and the way into a dump of the binary log.
//!
//! ```text
//!   open ─▶ socket ─▶ greeting ─▶ TLS? ─▶ login ─▶ query ... ─▶ command (dump) ─▶ inbox
//! ```
//!
//! Blocking on purpose: it lives on a source's own thread, and reads events where they lie instead of one allocation each.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>

use super::MysqlSettings;
use super::auth::{Login, NATIVE, Way};
use super::inbox::Inbox;
use super::trouble::{Scene, ServerError, Trouble};
use super::url::Address;
use crate::source::SslMode;
use crate::source::socket::{LOGIN_MAX, Place, Stream, connect, secure};
use socket2::Domain;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A query of ours, all of them on settings and `information_schema`.
pub(super) const QUERY_MAX: Duration = Duration::from_secs(30);
/// What we say of the largest packet that we take; the server's own limit is lower or the same.
const PACKET_MAX: u32 = 1 << 30;
const UTF8MB4: u8 = 45;

/// <https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html>
mod capability {
    pub(super) const LONG_PASSWORD: u32 = 1;
    pub(super) const LONG_FLAG: u32 = 1 << 2;
    pub(super) const PROTOCOL_41: u32 = 1 << 9;
    pub(super) const SSL: u32 = 1 << 11;
    pub(super) const TRANSACTIONS: u32 = 1 << 13;
    pub(super) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(super) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(super) const CONNECT_ATTRS: u32 = 1 << 20;
    pub(super) const PLUGIN_AUTH_LENENC: u32 = 1 << 21;
    /// What we can not do without; every server since MySQL 5.7 and MariaDB 10 has it.
    pub(super) const NEEDED: u32 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
    pub(super) const OURS: u32 = NEEDED | LONG_PASSWORD | LONG_FLAG | TRANSACTIONS | CONNECT_ATTRS | PLUGIN_AUTH_LENENC;
}

pub(super) const OK: u8 = 0x00;
pub(super) const MORE: u8 = 0x01;
pub(super) const EOF: u8 = 0xfe;
pub(super) const ERR: u8 = 0xff;
/// An EOF is shorter than this; longer packets with its first byte are rows.
pub(super) const EOF_LEN_MAX: usize = 8;

/// One row of an answer; null is `None`.
pub(super) type SqlRow = Vec<Option<String>>;

pub(super) struct Link {
    stream: Stream,
    pub(super) inbox: Inbox,
    /// Of the next packet that is sent.
    number: u8,
    stop: Arc<AtomicBool>,
    /// Names the connection on the server.
    pub(super) thread: u32,
}

impl Link {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Whatever stands in the way; see [`Trouble`].
    pub(super) fn open(settings: &MysqlSettings, stop: &Arc<AtomicBool>) -> Result<Link, Trouble> {
        const DOING: &str = "log in";
        let address = settings.address().map_err(Trouble::Refused)?;
        let socket = connect(&address.place)?;
        let stream = Stream::Plain(socket);
        let mut link = Link { stream, inbox: Inbox::new(), number: 0, stop: stop.clone(), thread: 0 };
        let deadline = Instant::now() + LOGIN_MAX;
        let body = link.next(DOING, Some(deadline))?;
        if let [ERR, rest @ ..] = body.as_slice() {
            return Err(Trouble::Server { doing: DOING, error: ServerError::parse(rest) });
        }
        let greeting = Greeting::parse(&body).ok_or_else(|| Trouble::Protocol("a greeting of another kind".into()))?;
        if greeting.capabilities & capability::NEEDED != capability::NEEDED {
            return Err(Trouble::Protocol(format!("version {:?}, which speaks an older protocol", greeting.version)));
        }
        link.thread = greeting.thread;
        let (mut link, way) = link.secured(&address.place, settings, &greeting)?;
        link.log_in(&address, &greeting, way, deadline)?;
        Ok(link)
    }

    /// Changes over to TLS, as `sslmode` and the server will have it.
    fn secured(mut self, place: &Place, settings: &MysqlSettings, greeting: &Greeting) -> Result<(Link, Way), Trouble> {
        let host = match place {
            Place::Unix { .. } => return Ok((self, Way::Private)),
            Place::Tcp { host, .. } => host,
        };
        let has_tls = greeting.capabilities & capability::SSL != 0;
        match settings.sslmode {
            SslMode::Disable => return Ok((self, Way::Open)),
            SslMode::Prefer if !has_tls => return Ok((self, Way::Open)),
            _ if !has_tls => {
                return Err(Trouble::Refused(
                    "the server has no TLS, and sslmode asks for it; give it a certificate (ssl_cert and ssl_key), or set sslmode = \"disable\""
                        .into(),
                ));
            }
            _ => {}
        }
        let mut request = Vec::new();
        put_login_head(&mut request, capability::OURS | capability::SSL);
        self.send("set up TLS", &request)?;
        // What came before the handshake could be anybody's.
        if !self.inbox.is_empty() {
            return Err(Trouble::Protocol("bytes between its greeting and TLS".into()));
        }
        let Stream::Plain(socket) = self.stream else { return Err(Trouble::Protocol("TLS inside TLS".into())) };
        let stream = secure(socket, host, settings.sslmode, settings.sslrootcert.as_deref())?;
        Ok((Link { stream, ..self }, Way::Private))
    }

    fn log_in(&mut self, address: &Address, greeting: &Greeting, way: Way, deadline: Instant) -> Result<(), Trouble> {
        const DOING: &str = "log in";
        let mut login = Login::new(&address.password, way);
        // A plugin that we do not know may be the server's default, and another one the user's: that is found out by asking.
        let (plugin, answer) = match login.answer(&greeting.plugin, &greeting.nonce) {
            Ok(answer) => (greeting.plugin.as_str(), answer),
            Err(_) => (NATIVE, login.answer(NATIVE, &greeting.nonce)?),
        };
        let tls = if matches!(self.stream, Stream::Tls(_)) { capability::SSL } else { 0 };
        let mut out = Vec::new();
        put_login_head(&mut out, capability::OURS | tls);
        out.extend_from_slice(address.user.as_bytes());
        out.push(0);
        put_lenenc(&mut out, &answer);
        out.extend_from_slice(plugin.as_bytes());
        out.push(0);
        let mut attributes = Vec::new();
        for text in ["_client_name", "sluicegate", "program_name", "sluicegate"] {
            put_lenenc(&mut attributes, text.as_bytes());
        }
        put_lenenc(&mut out, &attributes);
        self.send(DOING, &out)?;
        loop {
            let body = self.next(DOING, Some(deadline))?;
            let answer = match body.split_first() {
                Some((&OK, _)) => return Ok(()),
                Some((&ERR, rest)) => {
                    return Err(Trouble::Server { doing: DOING, error: ServerError::parse(rest) });
                }
                Some((&EOF, rest)) => {
                    let (plugin, nonce) = until_nul(rest).unwrap_or((b"mysql_old_password", &[]));
                    Some(login.answer(&String::from_utf8_lossy(plugin), nonce)?)
                }
                Some((&MORE, data)) => login.more(data)?,
                _ => return Err(Trouble::Protocol("an answer to a login that is none".into())),
            };
            if let Some(answer) = answer {
                self.send(DOING, &answer)?;
            }
        }
    }

    /// Runs one statement, and gives back the rows of its answer, if it has any.
    ///
    /// # Errors
    /// What the server says, or what happened on the way.
    pub(super) fn query(&mut self, doing: &'static str, sql: &str) -> Result<Vec<SqlRow>, Trouble> {
        const COM_QUERY: u8 = 3;
        let deadline = Some(Instant::now() + QUERY_MAX);
        self.command(doing, &[&[COM_QUERY], sql.as_bytes()].concat())?;
        let head = self.next(doing, deadline)?;
        match head.split_first() {
            Some((&OK, _)) => return Ok(Vec::new()),
            Some((&ERR, rest)) => return Err(Trouble::Server { doing, error: ServerError::parse(rest) }),
            _ => {}
        }
        // Descriptions of the columns, up to an EOF; then the rows, up to another.
        while !is_eof(&self.row(doing, deadline)?) {}
        let mut rows = Vec::new();
        loop {
            let body = self.row(doing, deadline)?;
            if is_eof(&body) {
                return Ok(rows);
            }
            rows.push(text_row(&body).ok_or_else(|| Trouble::Protocol("a row that ends early".into()))?);
        }
    }

    fn row(&mut self, doing: &'static str, deadline: Option<Instant>) -> Result<Vec<u8>, Trouble> {
        let body = self.next(doing, deadline)?;
        match body.split_first() {
            Some((&ERR, rest)) => Err(Trouble::Server { doing, error: ServerError::parse(rest) }),
            _ => Ok(body),
        }
    }

    /// Sends a command; what comes back is the caller's to read.
    pub(super) fn command(&mut self, doing: &'static str, body: &[u8]) -> Result<(), Trouble> {
        self.number = 0;
        self.send(doing, body)
    }

    /// Sends a command that is answered with OK.
    pub(super) fn command_ok(&mut self, doing: &'static str, body: &[u8]) -> Result<(), Trouble> {
        self.command(doing, body)?;
        let answer = self.row(doing, Some(Instant::now() + QUERY_MAX))?;
        match answer.first() {
            Some(&OK) => Ok(()),
            _ => Err(Trouble::Protocol(format!("no answer to: {doing}"))),
        }
    }

    /// Reads once: how many bytes came, or 0 if none did within [`READ_WAIT`].
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

    /// Says goodbye. Whether the server hears that does not matter.
    pub(super) fn close(mut self) {
        const COM_QUIT: u8 = 1;
        if let Err(trouble) = self.command("say goodbye", &[COM_QUIT]) {
            tracing::debug!(?trouble, "server did not hear our goodbye");
        }
    }

    fn next(&mut self, doing: &'static str, deadline: Option<Instant>) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(packet) = self.inbox.next().map_err(Trouble::Protocol)? {
                let (body, number, len) = (packet.body.to_vec(), packet.number, packet.len);
                self.inbox.consume(len);
                self.number = number.wrapping_add(1);
                return Ok(body);
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

    fn send(&mut self, doing: &'static str, body: &[u8]) -> Result<(), Trouble> {
        let mut out = Vec::with_capacity(body.len() + 4);
        put_packet(&mut out, body, &mut self.number);
        self.stream.write_all(&out).map_err(Trouble::io(doing))
    }

    /// How the connection is protected, for `check`.
    pub(super) fn protection(&self) -> &'static str {
        match &self.stream {
            Stream::Tls(_) => "TLS",
            Stream::Plain(s) if s.domain().is_ok_and(|d| d == Domain::UNIX) => "a Unix socket",
            Stream::Plain(_) => "no TLS",
        }
    }
}

/// What a server says first.
struct Greeting {
    version: String,
    thread: u32,
    nonce: Vec<u8>,
    capabilities: u32,
    plugin: String,
}

impl Greeting {
    fn parse(body: &[u8]) -> Option<Self> {
        const PROTOCOL_10: u8 = 10;
        const NONCE_FIRST: usize = 8;
        let (version, rest) = until_nul(body.strip_prefix(&[PROTOCOL_10])?)?;
        let (thread, rest) = rest.split_first_chunk::<4>()?;
        let (nonce, rest) = rest.split_at_checked(NONCE_FIRST)?;
        // A zero, half of the capabilities, character set, status, the other half, length of the nonce, ten of no interest.
        let (fixed, rest) = rest.split_first_chunk::<19>()?;
        let capabilities = u32::from_le_bytes([fixed[1], fixed[2], fixed[6], fixed[7]]);
        let nonce_rest = usize::from(fixed[8]).saturating_sub(NONCE_FIRST).max(13);
        let (nonce_more, rest) = rest.split_at_checked(nonce_rest).unwrap_or((rest, &[]));
        let plugin = until_nul(rest).map_or(rest, |(name, _)| name);
        Some(Self {
            version: String::from_utf8_lossy(version).into_owned(),
            thread: u32::from_le_bytes(*thread),
            nonce: [nonce, nonce_more].concat(),
            capabilities,
            plugin: String::from_utf8_lossy(plugin).into_owned(),
        })
    }
}

fn is_only_waiting(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn is_eof(body: &[u8]) -> bool {
    body.first() == Some(&EOF) && body.len() <= EOF_LEN_MAX
}

fn until_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|b| *b == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Adds one packet, in as many parts as it needs, numbered from `number` on.
pub(super) fn put_packet(out: &mut Vec<u8>, body: &[u8], number: &mut u8) {
    const PART_MAX: usize = 0xff_ffff;
    let mut rest = body;
    loop {
        let (part, after) = rest.split_at(rest.len().min(PART_MAX));
        out.extend_from_slice(&(part.len() as u32).to_le_bytes()[..3]);
        out.push(*number);
        out.extend_from_slice(part);
        *number = number.wrapping_add(1);
        if part.len() < PART_MAX {
            return;
        }
        rest = after;
    }
}

fn put_login_head(out: &mut Vec<u8>, capabilities: u32) {
    out.extend_from_slice(&capabilities.to_le_bytes());
    out.extend_from_slice(&PACKET_MAX.to_le_bytes());
    out.push(UTF8MB4);
    out.extend_from_slice(&[0; 23]);
}

/// A string behind its length, as the protocol writes it.
fn put_lenenc(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        len @ 0..=250 => out.push(len as u8),
        len => {
            out.push(0xfc);
            out.extend_from_slice(&(len.min(0xffff) as u16).to_le_bytes());
        }
    }
    out.extend_from_slice(&bytes[..bytes.len().min(0xffff)]);
}

fn text_row(mut body: &[u8]) -> Option<SqlRow> {
    let mut row = Vec::new();
    while let Some((&first, rest)) = body.split_first() {
        let digits = match first {
            0xfb => {
                row.push(None);
                body = rest;
                continue;
            }
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            0xff => return None,
            _ => 0,
        };
        let (len, rest) = rest.split_at_checked(digits)?;
        let len = match digits {
            0 => u64::from(first),
            _ => len.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)),
        };
        let (value, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        row.push(Some(String::from_utf8_lossy(value).into_owned()));
        body = rest;
    }
    Some(row)
}

impl MysqlSettings {
    pub(super) fn address(&self) -> Result<Address, String> {
        Address::parse(&self.url).map_err(|e| format!("source {}: {e}", self.name))
    }

    /// Judges a failure with the names of this source.
    pub(super) fn judge(&self, trouble: Trouble) -> crate::source::SourceError {
        let address = self.address().ok();
        let place = address.as_ref().map(|a| a.place.to_string()).unwrap_or_default();
        let scene = Scene { place: &place, user: address.as_ref().map_or("", |a| &a.user), server_id: self.server_id };
        super::trouble::judge(trouble, &scene)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn greeting_of_mariadb_is_taken_apart() {
        let mut body = b"\x0a5.5.5-10.11.19-MariaDB\0\x04\0\0\x00abcdefgh\0\xfe\xf7\x08\x02\0\xbf\x81\x15".to_vec();
        body.extend_from_slice(&[0; 6]);
        body.extend_from_slice(&[7, 0, 0, 0]);
        body.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
        let greeting = Greeting::parse(&body).expect("a greeting");
        assert_eq!((greeting.version.as_str(), greeting.thread), ("5.5.5-10.11.19-MariaDB", 4));
        assert_eq!((greeting.nonce.as_slice(), greeting.plugin.as_str()), (&b"abcdefghijklmnopqrst\0"[..], NATIVE));
        assert_eq!(greeting.capabilities, 0x81bf_f7fe);
    }

    proptest! {
        #[test]
        fn bytes_of_a_stranger_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Greeting::parse(&bytes);
            let _ = text_row(&bytes);
            let _ = ServerError::parse(&bytes);
        }
    }
}
