//! What only `kind = "redis"` knows: one server, a cluster or Sentinels, TLS, and how long deletes are remembered.

use super::entry::{Entry, Node};
use super::pem::Pem;
use super::section::Section;
use super::{RedisPlan, Secret};
use redis::{ConnectionAddr, IntoConnectionInfo};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml_edit::Value;

const FORM: &str = "write redis://user:password@host:6379/0, rediss://... for TLS, or unix:///folder/redis.sock";
const SCHEMES: [&str; 3] = ["redis://", "rediss://", "unix://"];
const GUARD: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(365 * 86_400);
/// Longer than anything that could repeat an old change: a source reads again from its last checkpoint.
const GUARD_UNLESS_SET: Duration = Duration::from_secs(7 * 86_400);

#[derive(Clone)]
pub(super) struct RedisTerms {
    nodes: Vec<Secret>,
    cluster: bool,
    sentinel: Option<String>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    cert_key: Option<PathBuf>,
    guard: Option<Duration>,
}

impl Default for RedisTerms {
    fn default() -> Self {
        let guard = Some(GUARD_UNLESS_SET);
        Self { nodes: Vec::new(), cluster: false, sentinel: None, ca: None, cert: None, cert_key: None, guard }
    }
}

impl RedisTerms {
    pub fn overridden_by(mut self, section: &Section<'_>) -> Self {
        if let Some(nodes) = section.entry("nodes").and_then(|entry| entry.elements()) {
            self.nodes = nodes.iter().filter_map(read_node).collect();
        }
        self.cluster = section.flag("cluster").unwrap_or(self.cluster);
        self.sentinel = section.entry("sentinel").and_then(|entry| read_sentinel(&entry)).or(self.sentinel);
        self.ca = section.pem("ca", Pem::Certificate).or(self.ca);
        self.cert = section.pem("cert", Pem::Certificate).or(self.cert);
        self.cert_key = section.pem("cert_key", Pem::Key).or(self.cert_key);
        if let Some(guard) = section.entry("guard") {
            self.guard = read_guard(&guard, self.guard);
        }
        if section.entry("cert").is_some() != section.entry("cert_key").is_some() {
            section.mistake("a certificate and its key belong together", "set both `cert` and `cert_key`, or none");
        }
        self
    }

    pub fn plan(self, entry: &Entry<'_>) -> Option<RedisPlan> {
        let (url, info) = read_url(entry)?;
        let many = self.cluster || self.sentinel.is_some();
        let tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let wrong = match () {
            () if self.cluster && self.sentinel.is_some() => {
                Some(("a cluster needs no Sentinels", "remove `sentinel`, or `cluster`"))
            }
            () if many && matches!(info.addr(), ConnectionAddr::Unix(_)) => {
                Some(("a socket leads to one server only", "write an address with host and port"))
            }
            () if self.cluster && info.redis_settings().db() != 0 => {
                Some(("a cluster has no other database than 0", "remove the number at the end of the address"))
            }
            () if !many && !self.nodes.is_empty() => Some((
                "one server has no further `nodes`",
                "add cluster = true, or sentinel = \"NAME\", or remove `nodes`",
            )),
            () if !tls && (self.ca.is_some() || self.cert.is_some()) => {
                Some(("without TLS nobody shows a certificate", "write rediss:// for TLS, or remove `ca` and `cert`"))
            }
            () => None,
        };
        if let Some((rule, remedy)) = wrong {
            entry.mistake(rule, remedy);
            return None;
        }
        let Self { nodes, cluster, sentinel, ca, cert, cert_key, guard } = self;
        Some(RedisPlan { url, nodes, cluster, sentinel, ca, cert, cert_key, guard })
    }
}

/// Reads the address as the driver does.
fn read_url(entry: &Entry<'_>) -> Option<(Secret, redis::ConnectionInfo)> {
    let text = entry.address("redis://HOST")?;
    if !SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        entry.mistake("this is no address of a Redis server", FORM);
        return None;
    }
    if text.contains('#') {
        let remedy = "in a password, # is written %23; a server's own authority is trusted with ca = \"FILE\"";
        entry.mistake("an address has no # in it", remedy);
        return None;
    }
    match text.as_str().into_connection_info() {
        Ok(info) => Some((Secret::new(text), info)),
        Err(_) => {
            // The driver's own words could repeat a part of a password.
            let remedy = format!("{FORM}; in a password, write @ as %40, / as %2F, ? as %3F, # as %23 and % as %25");
            entry.mistake("this address can not be read", remedy);
            None
        }
    }
}

/// `host:port`, or an address as in `url`.
fn read_node(entry: &Entry<'_>) -> Option<Secret> {
    let text = entry.address("HOST:6379")?;
    if text.contains("://") {
        return Some(read_url(entry)?.0);
    }
    let fits = |(host, port): (&str, &str)| {
        let strange = |c: char| c.is_whitespace() || matches!(c, '@' | '/' | ',');
        !host.is_empty() && !host.contains(strange) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if !text.rsplit_once(':').is_some_and(fits) {
        entry.mistake("this is no host and port", "write nodes = [\"host:6379\"]");
        return None;
    }
    Some(Secret::new(text))
}

fn read_sentinel(entry: &Entry<'_>) -> Option<String> {
    let name = entry.text()?;
    if name.is_empty() {
        entry.mistake("the master has a name", "write the one that stands in sentinel.conf: sentinel = \"mymaster\"");
        return None;
    }
    Some(name)
}

fn read_guard(entry: &Entry<'_>, before: Option<Duration>) -> Option<Duration> {
    match entry.node {
        Node::Value(Value::Boolean(flag)) if !*flag.value() => None,
        Node::Value(Value::Boolean(_)) => {
            entry.mistake("`guard` is a duration or false", "write how long a delete is remembered: guard = \"7d\"");
            before
        }
        _ => entry.duration(GUARD).or(before),
    }
}
