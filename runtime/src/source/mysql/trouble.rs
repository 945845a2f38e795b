//! What can go wrong on the way to the server, and what it means: wait and come again, or stop and say what to change.

use super::refusal::DecodeError;
use crate::fault::Fault;
use crate::source::SourceError;
use crate::source::socket::Obstacle;
use std::fmt;
use std::io;

/// An ERR packet, as the server worded it.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    pub(super) code: u16,
    pub(super) message: String,
}

impl ServerError {
    /// From what follows the packet's first byte.
    pub(super) fn parse(body: &[u8]) -> Self {
        const STATE: usize = 5;
        let Some((code, rest)) = body.split_first_chunk::<2>() else { return Self::default() };
        let text = match rest.strip_prefix(b"#") {
            Some(state) => state.get(STATE..).unwrap_or_default(),
            None => rest,
        };
        Self { code: u16::from_le_bytes(*code), message: String::from_utf8_lossy(text).into_owned() }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (error {})", self.message, self.code)
    }
}

/// Why an exchange with the server failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The way to the server: refused, cut, timed out.
    Io { doing: &'static str, error: io::Error },
    /// The server said no.
    Server { doing: &'static str, error: ServerError },
    /// Something that a human must change; a sentence.
    Refused(String),
    /// The server sent what it must not send.
    Protocol(String),
    /// `stop` was set while waiting.
    Stopped,
    /// A sentence of its own, already judged.
    Judged(SourceError),
}

impl Trouble {
    pub(super) fn io(doing: &'static str) -> impl Fn(io::Error) -> Trouble {
        move |error| Trouble::Io { doing, error }
    }
}

impl From<Obstacle> for Trouble {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Io { doing, error } => Trouble::Io { doing, error },
            Obstacle::Refused(sentence) => Trouble::Refused(sentence),
        }
    }
}

impl From<DecodeError> for Trouble {
    fn from(error: DecodeError) -> Self {
        Trouble::Judged(SourceError { fault: error.fault, message: error.message, loss: error.loss })
    }
}

/// What the sentences speak about.
pub(super) struct Scene<'a> {
    pub(super) place: &'a str,
    pub(super) user: &'a str,
    pub(super) server_id: u32,
}

pub(super) fn passing(message: impl Into<String>) -> SourceError {
    SourceError { fault: Fault::Passing, message: message.into(), loss: false }
}

pub(super) fn fatal(message: impl Into<String>) -> SourceError {
    SourceError { fault: Fault::Fatal, message: message.into(), loss: false }
}

/// What happened, and what it costs; the way back is the same for all.
pub(super) fn loss(message: impl fmt::Display) -> SourceError {
    let message = format!("{message}. {WAY_BACK}");
    SourceError { fault: Fault::Fatal, message, loss: true }
}

/// Positions begin anew with it, and what is cached under the old ones would win over what comes.
const WAY_BACK: &str = "To go on without them, remove this source's checkpoint, and raise its `epoch`, so that caches take what comes \
                        then for newer";

/// Turns a failure into a sentence with a remedy, and decides whether it passes by itself.
pub(super) fn judge(trouble: Trouble, scene: &Scene<'_>) -> SourceError {
    match trouble {
        Trouble::Judged(error) => error,
        Trouble::Stopped => passing("stopped while waiting for the server"),
        Trouble::Refused(sentence) => fatal(sentence),
        Trouble::Protocol(what) => fatal(format!(
            "{} sent what the protocol of MySQL does not allow: {what}; is it another kind of server, or is a proxy between? Name \
             the MySQL or MariaDB server itself in the URL",
            scene.place
        )),
        Trouble::Io { doing, error } => judge_io(doing, &error, scene),
        Trouble::Server { doing, error } => judge_server(doing, &error, scene),
    }
}

fn judge_io(doing: &str, error: &io::Error, scene: &Scene<'_>) -> SourceError {
    let place = scene.place;
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => passing(format!(
            "nothing listens at {place} ({doing}: {error}); start the server there or correct host and port in the URL"
        )),
        io::ErrorKind::PermissionDenied => {
            fatal(format!("{place} may not be opened ({doing}: {error}); give this user the right to it"))
        }
        // rustls reports its own errors, a certificate that is not trusted for example, as invalid data.
        io::ErrorKind::InvalidData => fatal(format!(
            "TLS with {place} failed ({doing}: {error}); check the server's certificate, sslmode and sslrootcert"
        )),
        _ => passing(format!("the connection to {place} failed ({doing}: {error}); it is tried again")),
    }
}

/// <https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html>,
/// <https://mariadb.com/kb/en/mariadb-error-code-reference/>
fn judge_server(doing: &str, error: &ServerError, scene: &Scene<'_>) -> SourceError {
    let Scene { place, user, .. } = *scene;
    let text = &error.message;
    match error.code {
        // Access denied: to log in, to a database, for a right.
        1045 | 1698 if doing == "log in" => fatal(format!(
            "{place} does not let user {user:?} in: {text}; check user and password in the URL. If they are right, look whether an \
             account for a narrower host ({user}@localhost, or one without a name) is chosen in place of this one: SELECT User, Host \
             FROM mysql.user;"
        )),
        1130 => fatal(format!(
            "{place} does not let this machine in: {text}; make an account for it: CREATE USER {}@'%' IDENTIFIED BY '...';",
            quoted(user)
        )),
        1820 | 1862 => fatal(format!("the password of user {user:?} has expired ({text}); set a new one")),
        3118 | 4151 => fatal(format!(
            "the account of user {user:?} is locked ({text}): ALTER USER {} ACCOUNT UNLOCK;",
            quoted(user)
        )),
        1044 | 1045 | 1142 | 1227 | 1370 => fatal(format!(
            "user {user:?} lacks a right to {doing}: {text}; run as an administrator: {}",
            grant(&quoted(user))
        )),
        1129 => passing(format!(
            "{place} has blocked this machine after failed connections: {text}; FLUSH HOSTS; it is tried again"
        )),
        1236 => judge_dump(text, scene),
        code if is_busy(code) => {
            passing(format!("{place} can not serve right now ({doing}: {error}); it is tried again"))
        }
        _ => fatal(format!("{place} refused to {doing}: {error}")),
    }
}

/// Too many connections, out of memory, shutting down, killed, interrupted, waited too long for a lock, a deadlock, a network error,
/// starting up, in offline mode.
fn is_busy(code: u16) -> bool {
    matches!(
        code,
        1040 | 1041 | 1037 | 1038 | 1053 | 1077 | 1078 | 1079 | 1152
            ..=1161 | 1184 | 1203 | 1205 | 1213 | 1226 | 1317 | 1927 | 2013 | 3024 | 3032 | 3168 | 3169 | 4031
    )
}

/// Error 1236 says only by its text why the log can not be sent.
fn judge_dump(text: &str, scene: &Scene<'_>) -> SourceError {
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    let Scene { place, server_id, .. } = *scene;
    if has(&["same server_uuid/server_id", "same server_id"]) {
        return fatal(format!(
            "another reader has come to {place} with server_id {server_id}, and the server has let go of this one ({text}); every reader \
             and every replica needs its own: set another server_id"
        ));
    }
    if has(&["purged", "Could not find first log file", "Could not find GTID state", "could not find next log"]) {
        return loss(format!(
            "{place} no longer has the binary log that comes next, and what was in it is lost ({text}). To keep it from happening, \
             raise binlog_expire_logs_seconds"
        ));
    }
    if has(&[
        "not in the master's binlog",
        "more GTIDs than",
        "impossible position",
        "position > file size",
        "requested GTID",
        "diverged",
    ]) {
        return loss(format!(
            "{place} does not have what was delivered already ({text}): this is an older copy of the server, or another one; what it \
             wrote since is lost"
        ));
    }
    if has(&["max_allowed_packet"]) {
        return fatal(format!(
            "{place} can not send an event that is larger than its limit ({text}); raise it: SET GLOBAL max_allowed_packet = 1073741824;"
        ));
    }
    if has(&["AUTO_POSITION", "GTID_MODE"]) {
        return fatal(format!("{place} can not send by GTID any more ({text}); set gtid_mode to ON again"));
    }
    passing(format!("{place} stopped sending its binary log: {text}; it is tried again"))
}

/// A name as SQL writes an account's part.
pub(super) fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\\', "\\\\").replace('\'', "''"))
}

/// What an account needs, as SQL.
pub(super) fn grant(account: &str) -> String {
    format!("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {account};")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(doing: &'static str, code: u16, message: &str) -> SourceError {
        let scene = Scene { place: "db:3306", user: "cdc", server_id: 77 };
        judge(Trouble::Server { doing, error: ServerError { code, message: message.into() } }, &scene)
    }

    #[test]
    fn what_a_restart_causes_passes() {
        for (code, text) in [
            (1053, "Server shutdown in progress"),
            (1040, "Too many connections"),
            (1317, "Query execution was interrupted"),
            (1927, "Connection was killed"),
        ] {
            assert_eq!(judged("read the stream", code, text).fault, Fault::Passing, "{code}");
        }
    }

    #[test]
    fn what_a_human_must_change_is_fatal_and_says_how() {
        for (doing, code, text, remedy) in [
            ("log in", 1045, "Access denied for user 'cdc'@'localhost' (using password: YES)", "password in the URL"),
            ("register", 1227, "Access denied; you need REPLICATION SLAVE", "GRANT SELECT, REPLICATION SLAVE"),
            (
                "read the stream",
                1236,
                "A replica with the same server_uuid/server_id as this replica has connected to the source",
                "set another server_id",
            ),
            ("read the stream", 1236, "log event entry exceeded max_allowed_packet", "SET GLOBAL max_allowed_packet"),
        ] {
            let error = judged(doing, code, text);
            assert_eq!(error.fault, Fault::Fatal);
            assert!(error.message.contains(remedy) && !error.loss, "{}", error.message);
        }
    }

    #[test]
    fn removed_log_and_another_server_are_loss_with_the_way_back() {
        for text in [
            "Cannot replicate because the source purged required binary logs.",
            "Could not find first log file name in binary log index file",
            "Error: connecting slave requested to start from GTID 0-1-5, which is not in the master's binlog",
            "Slave has more GTIDs than the master has",
        ] {
            let error = judged("read the stream", 1236, text);
            assert!(error.loss && error.message.contains("`epoch`") && error.message.contains("checkpoint"), "{error}");
        }
    }

    #[test]
    fn error_of_the_server_is_read_with_and_without_state() {
        let error = ServerError { code: 1045, message: "no".into() };
        assert_eq!(ServerError::parse(b"\x15\x04#28000no"), error);
        assert_eq!(ServerError::parse(b"\x15\x04no"), error);
        assert_eq!(quoted("o'b\\"), "'o''b\\\\'");
    }
}
