//! The way to a database server: what a URL says of it, a TCP or Unix socket, and TLS over it. Blocking: it lives on a source's own
//! thread.

use super::{SslMode, tls};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one read waits; between two reads, whatever else is due is looked at, the stop flag among it.
pub(super) const READ_WAIT: Duration = Duration::from_millis(50);
/// From the first byte to the end of the login, TLS included.
pub(super) const LOGIN_MAX: Duration = Duration::from_secs(20);
const CONNECT_MAX: Duration = Duration::from_secs(10);
const WRITE_MAX: Duration = Duration::from_secs(10);
/// What lets bytes gather while we decode or pause. The kernel gives at most `net.core.rmem_max`.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// A peer that acknowledges nothing for so long is gone.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16 },
    Unix { path: PathBuf },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp { host, port } => write!(f, "{host}:{port}"),
            Place::Unix { path } => write!(f, "{}", path.display()),
        }
    }
}

/// A part of a URL without its percent signs.
///
/// # Errors
/// A sentence, without the text: it may be a password.
pub(super) fn percent_decoded(text: &str) -> Result<String, String> {
    let wrong =
        || "the URL has a % that is not followed by two hexadecimal digits of UTF-8; write % itself as %25".to_owned();
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).ok_or_else(wrong);
        out.push((digit()? << 4 | digit()?) as u8);
    }
    String::from_utf8(out).map_err(|_| wrong())
}

/// What stands in the way.
pub(super) enum Obstacle {
    /// Refused, cut, timed out.
    Io { doing: &'static str, error: io::Error },
    /// Something that a human must change; a sentence.
    Refused(String),
}

impl Obstacle {
    fn io(doing: &'static str) -> impl Fn(io::Error) -> Obstacle {
        move |error| Obstacle::Io { doing, error }
    }
}

/// A connection, protected or not.
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(s) => s.read(buf),
            Stream::Tls(s) => s.read(buf),
        }
    }
}

impl Stream {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(s) => s.write_all(bytes),
            Stream::Tls(s) => s.write_all(bytes).and_then(|()| s.flush()),
        }
    }
}

/// A connected socket, with its timeouts set.
pub(super) fn connect(place: &Place) -> Result<Socket, Obstacle> {
    let socket = match place {
        Place::Unix { path } => {
            let doing = Obstacle::io("connect");
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(&doing)?;
            socket.connect(&SockAddr::unix(path).map_err(&doing)?).map_err(&doing)?;
            socket
        }
        Place::Tcp { host, port } => connect_to_any(host, *port)?,
    };
    socket.set_read_timeout(Some(READ_WAIT)).map_err(Obstacle::io("set up the socket"))?;
    socket.set_write_timeout(Some(WRITE_MAX)).map_err(Obstacle::io("set up the socket"))?;
    Ok(socket)
}

fn connect_to_any(host: &str, port: u16) -> Result<Socket, Obstacle> {
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host's name has no address");
    for address in (host, port).to_socket_addrs().map_err(Obstacle::io("resolve the host's name"))? {
        match connect_tcp(address) {
            Ok(socket) => return Ok(socket),
            Err(e) => failure = e,
        }
    }
    Err(Obstacle::io("connect")(failure))
}

fn connect_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Before connecting, or the window is scaled for a small one.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.connect_timeout(&address.into(), CONNECT_MAX)?;
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5));
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(socket)
}

/// TLS over a socket whose other end has agreed to it.
pub(super) fn secure(mut socket: Socket, host: &str, mode: SslMode, roots: Option<&Path>) -> Result<Stream, Obstacle> {
    const DOING: &str = "set up TLS";
    let config = tls::client_config(mode, roots).map_err(Obstacle::Refused)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        Obstacle::Refused(format!("{host:?} is not a name that TLS can check; use a host name or an IP address"))
    })?;
    let mut connection =
        ClientConnection::new(config, name).map_err(|e| Obstacle::Refused(format!("TLS can not start: {e}")))?;
    socket.set_read_timeout(Some(LOGIN_MAX)).map_err(Obstacle::io(DOING))?;
    connection.complete_io(&mut socket).map_err(Obstacle::io(DOING))?;
    socket.set_read_timeout(Some(READ_WAIT)).map_err(Obstacle::io(DOING))?;
    Ok(Stream::Tls(Box::new(StreamOwned::new(connection, socket))))
}
