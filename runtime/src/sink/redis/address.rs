//! Where servers are, and who we are there.

use super::RedisError;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates};
use std::fmt;
use std::path::PathBuf;

/// Where one server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Address {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

/// For people; without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Address {
    /// Reads `redis://user:password@host:port/db`, `rediss://` or `unix:///path?user=..&pass=..&db=..`.
    pub(super) fn parse(url: &str) -> Result<(Self, RedisConnectionInfo), RedisError> {
        // Whatever is wrong with it: the text may hold a password and is not shown.
        let wrong = || {
            RedisError(
                "`url` is no address of Redis; write redis://user:password@host:6379/0, rediss:// for TLS, or \
                 unix:///path/to/socket (with ?user=..&pass=..&db=..)"
                    .into(),
            )
        };
        let info: ConnectionInfo = url.into_connection_info().map_err(|_| wrong())?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp { host: host.clone(), port: *port, tls: false },
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                return Err(RedisError(
                    "`url` ends in #insecure; give the authority's certificate as `ca` instead".into(),
                ));
            }
            ConnectionAddr::TcpTls { host, port, .. } => Address::Tcp { host: host.clone(), port: *port, tls: true },
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(wrong()),
        };
        Ok((address, info.redis_settings().clone()))
    }

    /// Another server of the same cluster or sentinel, reached in the same way. An empty host is the one that was asked.
    pub(super) fn neighbour(&self, host: &str, port: u16) -> Self {
        match self {
            Address::Tcp { host: own, tls, .. } => {
                let host = if host.is_empty() { own.clone() } else { host.to_owned() };
                Address::Tcp { host, port, tls: *tls }
            }
            Address::Unix(_) => Address::Tcp { host: host.to_owned(), port, tls: false },
        }
    }

    /// A further node as users write it: `host:port`, or a URL.
    pub(super) fn sibling(&self, text: &str) -> Result<Self, RedisError> {
        if text.contains("://") {
            return Ok(Self::parse(text)?.0);
        }
        let wrong = || RedisError(format!("{text:?} in `nodes` is not of the form host:port"));
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(self.neighbour(host, port.parse().map_err(|_| wrong())?))
    }

    /// `host:port`, as a redirection names a server; the host may be empty, or an IPv6 address without brackets.
    pub(super) fn redirected(&self, text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(self.neighbour(host, port.parse().ok()?))
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Address::Tcp { tls: true, .. })
    }

    pub(super) fn client(&self, certificates: &TlsCertificates) -> redis::RedisResult<redis::Client> {
        let addr = match self.clone() {
            Address::Tcp { host, port, tls: false } => ConnectionAddr::Tcp(host, port),
            Address::Tcp { host, port, tls: true } => {
                ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
            }
            Address::Unix(path) => ConnectionAddr::Unix(path),
        };
        let info = addr.into_connection_info()?;
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        // User, password and database are said by the link itself, which reads the answers.
        let info =
            info.set_tcp_settings(tcp).set_redis_settings(RedisConnectionInfo::default().set_skip_set_lib_name());
        if self.is_tls() {
            redis::Client::build_with_tls(info, certificates.clone())
        } else {
            redis::Client::open(info)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_says_where_and_who() {
        let (address, login) = Address::parse("redis://me:p%40ss@example.com:7000/3").expect("an address");
        assert_eq!(address, Address::Tcp { host: "example.com".into(), port: 7000, tls: false });
        assert_eq!((login.username(), login.password(), login.db()), (Some("me"), Some("p@ss"), 3));
        let (address, _) = Address::parse("rediss://[::1]").expect("an address");
        assert_eq!((address.to_string().as_str(), address.is_tls()), ("[::1]:6379", true));
        let (address, login) = Address::parse("unix:///run/redis.sock?pass=x&db=2").expect("an address");
        assert_eq!((address, login.db()), (Address::Unix("/run/redis.sock".into()), 2));
    }

    #[test]
    fn mistake_in_the_url_does_not_show_the_password() {
        for wrong in [
            "http://me:secret@host",
            "redis://me:secret@",
            "secret",
            "redis://me:secret@host/x",
            "rediss://me:secret@h/#insecure",
        ] {
            let error = Address::parse(wrong).expect_err(wrong);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn redirection_without_a_host_stays_on_the_one_that_gave_it() {
        let (address, _) = Address::parse("rediss://a.example:7000").expect("an address");
        let moved = |text| address.redirected(text).map(|address| address.to_string());
        assert_eq!(moved(":7001"), Some("a.example:7001".into()));
        assert_eq!(moved("10.0.0.1:7001"), Some("10.0.0.1:7001".into()));
        assert_eq!(moved("fe80::1:7001"), Some("[fe80::1]:7001".into()));
        assert_eq!(moved("nonsense"), None);
    }
}
