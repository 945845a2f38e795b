//! The connection URL, taken apart once: where the server is, as whom to come, and how the way there is protected.
//!
//! Forms: `postgres://user:password@host:5432/database?sslmode=require`, `postgres://user@/database?host=/run/postgresql`,
//! `postgres://user@%2Frun%2Fpostgresql/database`. No message repeats the URL: it may hold a password.

use crate::source::SslMode;
use crate::source::socket::{Place, percent_decoded};
use std::path::PathBuf;

/// A connection URL that was understood. Has no `Debug`: it holds the password.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) place: Place,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    pub(super) sslmode: Option<SslMode>,
    pub(super) sslrootcert: Option<PathBuf>,
}

const PORT_DEFAULT: u16 = 5432;

/// Says whether a URL can be used, without connecting.
///
/// # Errors
/// A sentence with the rule and the remedy; it never repeats the password.
pub fn check_url(url: &str) -> Result<(), String> {
    Address::parse(url).map(drop)
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or("the URL must begin with postgres://, as in postgres://user:password@host:5432/database")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // The last @ divides, so that an unescaped one in a password does no harm.
        let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        let (host, port) = split_port(host)?;
        let mut parts = Parts {
            host: percent_decoded(host)?,
            port,
            user: percent_decoded(user)?,
            password: password.map(percent_decoded).transpose()?,
            database: percent_decoded(path)?,
            sslmode: None,
            sslrootcert: None,
        };
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parts.set(&percent_decoded(name)?, percent_decoded(value)?)?;
        }
        parts.finish()
    }
}

struct Parts {
    host: String,
    port: u16,
    user: String,
    password: Option<String>,
    database: String,
    sslmode: Option<SslMode>,
    sslrootcert: Option<PathBuf>,
}

impl Parts {
    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "host" => self.host = value,
            "port" => self.port = port(&value)?,
            "user" => self.user = value,
            "password" => self.password = Some(value),
            "dbname" => self.database = value,
            "sslmode" => self.sslmode = Some(value.parse()?),
            "sslrootcert" => self.sslrootcert = Some(value.into()),
            _ => {
                return Err(format!(
                    "the URL's parameter {name:?} is not known; it may have host, port, user, password, dbname, sslmode, sslrootcert"
                ));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Address, String> {
        if self.user.is_empty() {
            return Err("the URL names no user; write postgres://USER:PASSWORD@HOST/DATABASE".into());
        }
        if self.host.contains(',') {
            return Err("the URL names several hosts; name the primary server alone".into());
        }
        let place = if self.host.starts_with('/') {
            Place::Unix { path: PathBuf::from(&self.host).join(format!(".s.PGSQL.{}", self.port)) }
        } else if self.host.is_empty() {
            Place::Tcp { host: "localhost".into(), port: self.port }
        } else {
            Place::Tcp { host: self.host, port: self.port }
        };
        let database = if self.database.is_empty() { self.user.clone() } else { self.database };
        // A NUL would end the value early in the startup message, and what follows would be read as another parameter.
        if [&self.user, &database].iter().any(|t| t.contains('\0')) {
            return Err("the URL's user or database holds a NUL character".into());
        }
        Ok(Address {
            place,
            user: self.user,
            password: self.password,
            database,
            sslmode: self.sslmode,
            sslrootcert: self.sslrootcert,
        })
    }
}

fn split_port(host: &str) -> Result<(&str, u16), String> {
    if let Some(rest) = host.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or("the URL's host begins with [ but has no ]")?;
        let number = after.strip_prefix(':').map_or(Ok(PORT_DEFAULT), port)?;
        return Ok((inside, number));
    }
    match host.split_once(':') {
        Some((host, number)) => Ok((host, port(number)?)),
        None => Ok((host, PORT_DEFAULT)),
    }
}

fn port(text: &str) -> Result<u16, String> {
    match text {
        "" => Ok(PORT_DEFAULT),
        _ => text.parse().map_err(|_| "the URL's port is not a number from 1 to 65535".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> String {
        Address::parse(url).map_or_else(|e| e, |a| a.place.to_string())
    }

    #[test]
    fn url_is_taken_apart() {
        let a = Address::parse("postgres://u%40x:p%3Aw@db.example:6000/shop?sslmode=verify-full&sslrootcert=/ca.pem")
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(a.place, Place::Tcp { host: "db.example".into(), port: 6000 });
        assert_eq!((a.user.as_str(), a.password.as_deref(), a.database.as_str()), ("u@x", Some("p:w"), "shop"));
        assert_eq!((a.sslmode, a.sslrootcert), (Some(SslMode::VerifyFull), Some(PathBuf::from("/ca.pem"))));
    }

    #[test]
    fn hosts_of_every_form_are_found() {
        assert_eq!(place("postgresql://u@[::1]:6000/d"), "[::1]:6000");
        assert_eq!(place("postgres://u@/d?host=/run/pg&port=6000"), "/run/pg/.s.PGSQL.6000");
        assert_eq!(place("postgres://u@%2Frun%2Fpg:6000/d"), "/run/pg/.s.PGSQL.6000");
        assert_eq!(place("postgres://u@host"), "host:5432");
    }

    #[test]
    fn mistake_is_named_without_the_password() {
        for url in [
            "mysql://u:secret@h/d",
            "postgres://:secret@h/d",
            "postgres://u:secret@h:x/d",
            "postgres://u:secret@h/d?sslmode=maybe",
            "postgres://u:secret@h/d?sslmood=require",
            "postgres://u:secret%zz@h/d",
            "postgres://u:secret@a,b/d",
        ] {
            let sentence = check_url(url).expect_err(url);
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }
}
