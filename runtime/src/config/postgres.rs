//! `[source.NAME]` with `kind = "postgres"`: the address, the slot and the publication.

use super::entry::Entry;
use super::mistake::suggestion;
use super::pem::{Pem, pem_file};
use super::section::Section;
use super::source::{SSL_MODES, Server};
use super::{PostgresPlan, Secret, SslMode};
use std::path::PathBuf;
use std::str::FromStr;
use tokio_postgres::config::Host;

const FORM: &str =
    "write postgres://user:password@host:5432/database, or postgres://user@/database?host=/folder for a Unix socket";
/// Parameters of an address that are handed on as they are.
const PASSED_ON: [&str; 14] = [
    "user",
    "password",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "application_name",
    "connect_timeout",
    "channel_binding",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
];
/// PostgreSQL's limit for identifiers.
const IDENTIFIER_LEN_MAX: usize = 63;

/// Which server and which database on it: what may not be read twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Database {
    pub server: Server,
    pub name: String,
}

/// A source as it was read, with what is needed to compare it with others.
pub(super) struct ReadPostgres<'a> {
    pub plan: PostgresPlan,
    pub url: Entry<'a>,
    pub database: Database,
}

pub(super) fn read_postgres<'a>(section: &Section<'a>, name: &str) -> Option<ReadPostgres<'a>> {
    let url =
        section.required("url", format!("{FORM}; better, url = \"${{NAME}}\" and the address in the environment"));
    let slot = identifier(section, "slot", name);
    let publication = identifier(section, "publication", name);
    let url = url?;
    let address = Address::read(&url)?;
    let plan = PostgresPlan {
        url: Secret::new(address.url),
        sslmode: address.sslmode,
        sslrootcert: address.sslrootcert,
        slot: slot?,
        publication: publication?,
    };
    Some(ReadPostgres { plan, url, database: address.database })
}

/// A slot or publication, `sluicegate_NAME` unless set.
fn identifier(section: &Section<'_>, key: &'static str, source: &str) -> Option<String> {
    const RULE: &str = "has 1 to 63 of a-z, 0-9 and _";
    let fits = |text: &str| {
        let letters = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        letters && (1..=IDENTIFIER_LEN_MAX).contains(&text.len())
    };
    let proposal = |text: &str| {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        text.chars().map(letter).take(IDENTIFIER_LEN_MAX).collect::<String>()
    };
    let Some(entry) = section.entry(key) else {
        let default = format!("sluicegate_{source}");
        if !fits(&default) {
            let rule = format!("a {key} {RULE}, so its name can not be made from this source's");
            section.mistake(rule, format!("set {key} = \"{}\"", proposal(&default)));
            return None;
        }
        return Some(default);
    };
    let text = entry.text()?;
    if !fits(&text) {
        let better = if text.is_empty() { format!("sluicegate_{source}") } else { text };
        entry.mistake(format!("a {key} {RULE}"), format!("write {key} = \"{}\"", proposal(&better)));
        return None;
    }
    Some(text)
}

struct Address {
    url: String,
    sslmode: SslMode,
    sslrootcert: Option<PathBuf>,
    database: Database,
}

impl Address {
    fn read(entry: &Entry<'_>) -> Option<Self> {
        let text = entry.address("postgres://nobody@HOST/nothing")?;
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            entry.mistake("this is no address of a PostgreSQL database", FORM);
            return None;
        }
        let (base, query) = text.split_once('?').unwrap_or((&text, ""));
        let mut passed_on = Vec::new();
        let (mut sslmode, mut sslrootcert, mut good) = (SslMode::default(), None, true);
        for parameter in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "sslmode" => match SSL_MODES.iter().find(|(mode, _)| *mode == value) {
                    Some((_, mode)) => sslmode = *mode,
                    None => {
                        entry.mistake(
                            "there is no such sslmode",
                            "it is one of disable, prefer, require, verify-ca, verify-full",
                        );
                        good = false;
                    }
                },
                // libpq's word for the system's authorities, which are the default here.
                "sslrootcert" if value == "system" => {}
                "sslrootcert" => sslrootcert = Some(pem_file(entry, &percent_decoded(value), Pem::Certificate)?),
                name if PASSED_ON.contains(&name) => passed_on.push(parameter),
                name => {
                    let names = PASSED_ON.into_iter().chain(["sslmode", "sslrootcert"]);
                    let remedy = suggestion(name, names, "an address takes");
                    entry.mistake("the address has a parameter that is not supported", remedy);
                    good = false;
                }
            }
        }
        let separator = if passed_on.is_empty() { "" } else { "?" };
        let url = format!("{base}{separator}{}", passed_on.join("&"));
        let database = database_of(&url, entry)?;
        good.then_some(Self { url, sslmode, sslrootcert, database })
    }
}

/// Reads the address as the driver does, and looks whether it says enough.
fn database_of(url: &str, entry: &Entry<'_>) -> Option<Database> {
    let Ok(config) = tokio_postgres::Config::from_str(url) else {
        // The driver's own words could repeat a part of a password.
        let remedy = format!("{FORM}; in a password, write @ as %40, / as %2F, ? as %3F, # as %23 and % as %25");
        entry.mistake("this address can not be read", remedy);
        return None;
    };
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
    let missing = match () {
        () if config.get_user().is_none_or(str::is_empty) => Some("the address names no user"),
        () if config.get_dbname().is_none_or(str::is_empty) => Some("the address names no database"),
        () if hosts == 0 => Some("the address names no host"),
        () if hosts > 1 || config.get_ports().len() > 1 => {
            entry.mistake("the address names several hosts, but a slot lives on one", "name the primary");
            return None;
        }
        () => None,
    };
    if let Some(rule) = missing {
        entry.mistake(rule, FORM);
        return None;
    }
    let host = match (config.get_hosts().first(), config.get_hostaddrs().first()) {
        (Some(Host::Unix(folder)), _) => folder.display().to_string(),
        (_, Some(address)) => address.to_string(),
        (Some(Host::Tcp(name)), None) => name.clone(),
        (None, None) => return None,
    };
    let server = Server::new(&host, config.get_ports().first().copied().unwrap_or(5432));
    Some(Database { server, name: config.get_dbname().unwrap_or_default().into() })
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        match digits.filter(|_| *first == b'%').and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_decoded_where_they_stand_for_a_byte() {
        assert_eq!(percent_decoded("/a%20b%zz%4"), "/a b%zz%4");
    }
}
