//! The connection URL, taken apart once: where the server is, and as whom to come.
//!
//! Forms: `mysql://user:password@host:3306/database`, `mariadb://user@%2Frun%2Fmysqld%2Fmysqld.sock`. No message repeats the URL:
//! it may hold a password.

use crate::source::socket::{Place, percent_decoded};

/// A connection URL that was understood. Has no `Debug`: it holds the password.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) place: Place,
    pub(super) user: String,
    pub(super) password: String,
}

const PORT_DEFAULT: u16 = 3306;

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
            .strip_prefix("mysql://")
            .or_else(|| url.strip_prefix("mariadb://"))
            .ok_or("the URL must begin with mysql:// or mariadb://, as in mysql://user:password@host:3306")?;
        if rest.contains('?') {
            return Err("the URL has parameters; a source of MySQL or MariaDB has none: use the settings sslmode and \
                        sslrootcert beside `url`, and write a ? in a password as %3F"
                .into());
        }
        // The last @ divides, so that an unescaped one in a password does no harm; a / before it would cut it short.
        let (login, host) = rest.rsplit_once('@').ok_or(NO_USER)?;
        // A replica reads the log of the whole server: the database is allowed, and says nothing.
        let (host, _database) = host.split_once('/').unwrap_or((host, ""));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = split_port(host)?;
        let (user, password, host) = (percent_decoded(user)?, percent_decoded(password)?, percent_decoded(host)?);
        if user.is_empty() {
            return Err(NO_USER.into());
        }
        if host.contains(',') {
            return Err("the URL names several hosts; name the one server whose log is read".into());
        }
        // A NUL would end the value early in the login, and what follows would be read as something else.
        if user.contains('\0') || password.contains('\0') {
            return Err("the URL's user or password holds a NUL character".into());
        }
        let place = match host.as_str() {
            "" => Place::Tcp { host: "localhost".into(), port },
            path if path.starts_with('/') => Place::Unix { path: path.into() },
            _ => Place::Tcp { host, port },
        };
        Ok(Address { place, user, password })
    }
}

const NO_USER: &str = "the URL names no user; write mysql://USER:PASSWORD@HOST:PORT";

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
    match text.parse() {
        Ok(0) | Err(_) => Err("the URL's port is not a number from 1 to 65535".to_owned()),
        Ok(number) => Ok(number),
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
        let a = Address::parse("mysql://u%40x:p%3Aw@db.example:6000/shop").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(a.place, Place::Tcp { host: "db.example".into(), port: 6000 });
        assert_eq!((a.user.as_str(), a.password.as_str()), ("u@x", "p:w"));
        let a = Address::parse("mysql://root:a/b@c@h").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(a.password, "a/b@c", "nothing in a password needs escaping but % and ?");
    }

    #[test]
    fn hosts_of_every_form_are_found() {
        assert_eq!(place("mariadb://u@[::1]:6000/d"), "[::1]:6000");
        assert_eq!(place("mariadb://u@%2Frun%2Fmysqld%2Fmysqld.sock"), "/run/mysqld/mysqld.sock");
        assert_eq!(place("mysql://u@host"), "host:3306");
        assert_eq!(place("mysql://u@"), "localhost:3306");
    }

    #[test]
    fn mistake_is_named_without_the_password() {
        for url in [
            "postgres://u:secret@h/d",
            "mysql://:secret@h",
            "mysql://h",
            "mysql://u:secret@h:x/d",
            "mysql://u:secret@h:0",
            "mysql://u:secret@h/d?sslmode=require",
            "mysql://u:secret%zz@h/d",
            "mysql://u:secret@a,b/d",
            "mysql://u:secret%00@a",
        ] {
            let sentence = check_url(url).expect_err(url);
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }
}
