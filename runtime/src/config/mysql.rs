//! `[source.NAME]` with `kind = "mysql"` or `"mariadb"`: the address, and what the server knows this reader by.

use super::entry::Entry;
use super::pem::Pem;
use super::section::Section;
use super::source::{SSL_MODES, Server};
use super::{MysqlPlan, Secret, SslMode};
use reqwest::Url;
use sha2::{Digest, Sha256};
use std::ops::RangeInclusive;
use std::time::Duration;

const FORM: &str = "write mysql://user:password@host:3306 or mysql://user:password@host:3306/database";
const PORT: u16 = 3306;
const HEARTBEAT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
const HEARTBEAT_UNLESS_SET: Duration = Duration::from_secs(5);
/// The upper half of the numbers: people number their servers from 1.
const SERVER_ID_MADE: u32 = 1 << 31;

/// A source as it was read, with what is needed to compare it with others.
pub(super) struct ReadMysql<'a> {
    pub plan: MysqlPlan,
    pub url: Entry<'a>,
    pub server: Server,
}

pub(super) fn read_mysql<'a>(section: &Section<'a>, name: &str) -> Option<ReadMysql<'a>> {
    let url =
        section.required("url", format!("{FORM}; better, url = \"${{NAME}}\" and the address in the environment"));
    let server_id = section.integer("server_id", 1..=u32::MAX).unwrap_or_else(|| made_server_id(name));
    let sslmode = section.entry("sslmode").and_then(|entry| entry.choice(&SSL_MODES, &[])).unwrap_or_default();
    let sslrootcert = section.entry("sslrootcert");
    // libpq's word for the system's authorities, which are the default here.
    let system = sslrootcert.as_ref().is_some_and(|entry| entry.raw_text().is_some_and(|text| text == "system"));
    let root = if system { None } else { section.pem("sslrootcert", Pem::Certificate) };
    if let (Some(entry), SslMode::Disable) = (&sslrootcert, sslmode) {
        entry.mistake("without TLS nobody shows a certificate", "remove it, or set another sslmode");
    }
    let heartbeat = section.duration("heartbeat", HEARTBEAT).unwrap_or(HEARTBEAT_UNLESS_SET);
    let url = url?;
    let (address, server) = read_address(&url)?;
    let plan = MysqlPlan { url: address, sslmode, sslrootcert: root, server_id, heartbeat };
    Some(ReadMysql { plan, url, server })
}

/// The same for a source's name on every machine and after every restart.
fn made_server_id(name: &str) -> u32 {
    let digest = Sha256::digest(name.as_bytes());
    let first = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    SERVER_ID_MADE | first
}

fn read_address(entry: &Entry<'_>) -> Option<(Secret, Server)> {
    let text = entry.address("mysql://nobody@HOST")?;
    let Some((_, rest)) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "mysql" | "mariadb")) else {
        entry.mistake("this is no address of a MySQL or MariaDB server", FORM);
        return None;
    };
    let Ok(mut url) = Url::parse(&format!("mysql://{rest}")) else {
        // The parser's own words could repeat a part of a password.
        let remedy = format!("{FORM}; in a password, write @ as %40, / as %2F, ? as %3F, # as %23 and % as %25");
        entry.mistake("this address can not be read", remedy);
        return None;
    };
    let wrong = match () {
        () if url.host_str().is_none_or(str::is_empty) => Some(("the address names no host", FORM)),
        () if url.username().is_empty() => Some(("the address names no user", FORM)),
        () if url.host_str().is_some_and(|host| host.contains(',')) => {
            Some(("the address names several hosts, but one server's log is read", "name that server"))
        }
        () if !is_decodable(rest) => Some((
            "a % in an address stands before two hexadecimal digits of UTF-8",
            "in a password, % itself is written %25",
        )),
        () if url.query().is_some() => Some((
            "this address has no parameters",
            "write them as keys beside `url`: sslmode = \"verify-full\"; in a password, ? is written %3F",
        )),
        () if url.fragment().is_some() => Some(("an address has no # in it", "in a password, # is written %23")),
        () if url.path().trim_start_matches('/').contains('/') => {
            Some(("behind the host stands at most one name, the database's", FORM))
        }
        () => None,
    };
    if let Some((rule, remedy)) = wrong {
        entry.mistake(rule, remedy);
        return None;
    }
    let port = url.port().unwrap_or(PORT);
    url.set_port(Some(port)).ok()?;
    let server = Server::new(url.host_str()?, port);
    Some((Secret::new(url.to_string()), server))
}

/// Whether every `%` begins a byte, and all of them are text.
fn is_decodable(text: &str) -> bool {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        // `u8::from_str_radix` would read a sign as well.
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else { return false };
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_stand_before_two_digits_of_text() {
        for (text, good) in
            [("a%20b", true), ("%C3%A9", true), ("a%", false), ("%zz", false), ("%+1", false), ("%C3", false)]
        {
            assert_eq!(is_decodable(text), good, "{text}");
        }
    }

    #[test]
    fn made_server_id_is_stable_and_in_the_upper_half() {
        assert_eq!(made_server_id("shop"), made_server_id("shop"));
        assert_ne!(made_server_id("shop"), made_server_id("crm"));
        assert!((0..100).all(|n| made_server_id(&n.to_string()) >= SERVER_ID_MADE));
    }
}
