//! What can go wrong on the way to the server, and what it means: wait and come again, or stop and say what to change.

use crate::fault::Fault;
use crate::source::SourceError;
use crate::source::socket::Obstacle;
use std::fmt;
use std::io;

/// An ErrorResponse, as the server worded it.
/// <https://www.postgresql.org/docs/current/protocol-error-fields.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl ServerError {
    pub(super) fn parse(body: &[u8]) -> Self {
        let mut error = Self::default();
        for field in body.split(|b| *b == 0) {
            let Some((&kind, value)) = field.split_first() else { continue };
            let value = String::from_utf8_lossy(value).into_owned();
            match kind {
                b'C' => error.code = value,
                b'M' => error.message = value,
                b'H' => error.hint = Some(value),
                // Detail and context may repeat values of rows.
                _ => {}
            }
        }
        error
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)?;
        match &self.hint {
            Some(hint) => write!(f, "; hint: {hint}"),
            None => Ok(()),
        }
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

/// What the sentences speak about.
pub(super) struct Scene<'a> {
    pub(super) place: &'a str,
    pub(super) user: &'a str,
    pub(super) database: &'a str,
    pub(super) source: &'a str,
    pub(super) slot: &'a str,
    pub(super) publication: &'a str,
}

pub(super) fn passing(message: impl Into<String>) -> SourceError {
    SourceError { fault: Fault::Passing, message: message.into(), loss: false }
}

pub(super) fn fatal(message: impl Into<String>) -> SourceError {
    SourceError { fault: Fault::Fatal, message: message.into(), loss: false }
}

pub(super) fn loss(message: impl Into<String>) -> SourceError {
    SourceError { fault: Fault::Fatal, message: message.into(), loss: true }
}

/// Turns a failure into a sentence with a remedy, and decides whether it passes by itself.
pub(super) fn judge(trouble: Trouble, scene: &Scene<'_>) -> SourceError {
    match trouble {
        Trouble::Judged(error) => error,
        Trouble::Stopped => passing("stopped while waiting for the server"),
        Trouble::Refused(sentence) => fatal(sentence),
        Trouble::Protocol(what) => fatal(format!(
            "{} sent what logical replication with protocol version 1 does not allow: {what}; is a proxy or pooler between? \
             Name the PostgreSQL server itself in the URL",
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
            "nothing listens at {place} ({doing}: {error}); start PostgreSQL there or correct host and port in the URL"
        )),
        io::ErrorKind::PermissionDenied => {
            fatal(format!("{place} may not be opened ({doing}: {error}); give this user the right to it"))
        }
        // rustls reports its own errors, a certificate that is not trusted for example, as invalid data.
        io::ErrorKind::InvalidData => fatal(format!(
            "TLS with {place} failed ({doing}: {error}); check the server's certificate, and sslmode and sslrootcert in the URL"
        )),
        _ => passing(format!("the connection to {place} failed ({doing}: {error}); it is tried again")),
    }
}

fn judge_server(doing: &str, error: &ServerError, scene: &Scene<'_>) -> SourceError {
    let Scene { place, user, database, source, slot, publication } = *scene;
    let ident = |name: &str| postgres_protocol::escape::escape_identifier(name);
    let text = &error.message;
    match error.code.as_str() {
        "28P01" => fatal(format!("{place} refuses the password of user {user:?}; correct it in the URL ({error})")),
        "28000" if text.contains("replication") || text.contains("pg_hba.conf") => fatal(format!(
            "{place} does not let user {user:?} in: {error}; allow this address in pg_hba.conf (a line with database \
             {database:?}) and give the right: ALTER ROLE {} LOGIN REPLICATION;",
            ident(user)
        )),
        "28000" => fatal(format!("{place} does not let user {user:?} in: {error}; check user and pg_hba.conf")),
        "3D000" => fatal(format!(
            "{place} has no database {database:?}; correct the URL, or CREATE DATABASE {};",
            ident(database)
        )),
        "42501" if doing == "log in" || text.contains("replication") || doing.contains("slot") => fatal(format!(
            "user {user:?} may not replicate ({error}); run as a superuser: ALTER ROLE {} REPLICATION;",
            ident(user)
        )),
        "42501" => fatal(format!("user {user:?} lacks a right to {doing}: {error}")),
        "55006" => passing(format!("slot {slot:?} is in use: {text}; it is tried again until that reader is gone")),
        "55000" if text.contains("wal_level") => fatal(wal_level(place, "too low")),
        "55000" if is_lost(text) => loss(format!(
            "slot {slot:?} is lost: {error}; changes since its last confirmed position can not be read any more. To go on \
             without them: SELECT pg_drop_replication_slot('{slot}'); then sluicegate forget {source}"
        )),
        "53400" if text.contains("replication slots") => fatal(format!(
            "{place} has no free replication slot ({text}); drop one that nobody needs, or raise max_replication_slots and restart"
        )),
        "42704" if text.contains("publication") => loss(format!(
            "{text} at the position of slot {slot:?}: publication {publication:?} was made, or made again, after the changes that \
             the slot still holds. To go on without those: SELECT pg_drop_replication_slot('{slot}'); then sluicegate forget {source}"
        )),
        "42704" if text.contains("replication slot") => passing(format!("{text}; the slot is looked at again")),
        code => judge_class(code, doing, error, scene),
    }
}

fn is_lost(text: &str) -> bool {
    ["exceeded the maximum reserved size", "has been invalidated", "can no longer get changes", "no longer accessible"]
        .iter()
        .any(|t| text.contains(t))
}

/// By the first two characters of the SQLSTATE: connection (08), resources (53), operator (57), system (58), and what a
/// lock or a serialisation conflict says (40, 55) go away.
fn judge_class(code: &str, doing: &str, error: &ServerError, scene: &Scene<'_>) -> SourceError {
    let place = scene.place;
    match code.get(..2) {
        Some("58") if is_lost(&error.message) || error.message.contains("has already been removed") => loss(format!(
            "the log that slot {:?} needs was removed: {error}; changes since its last confirmed position are lost. To go on \
             without them: SELECT pg_drop_replication_slot('{}'); then sluicegate forget {}",
            scene.slot, scene.slot, scene.source
        )),
        Some("08" | "40" | "53" | "55" | "57" | "58") => {
            passing(format!("{place} can not serve right now ({doing}: {error}); it is tried again"))
        }
        _ => fatal(format!("{place} refused to {doing}: {error}")),
    }
}

pub(super) fn wal_level(place: &str, found: &str) -> String {
    format!(
        "wal_level of {place} is {found}; logical replication needs logical: ALTER SYSTEM SET wal_level = 'logical'; then restart the server"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(code: &str, message: &str) -> SourceError {
        let scene =
            Scene { place: "db:5432", user: "cdc", database: "shop", source: "erp", slot: "erp", publication: "erp" };
        let error = ServerError { code: code.into(), message: message.into(), hint: None };
        judge(Trouble::Server { doing: "read", error }, &scene)
    }

    #[test]
    fn what_a_restart_causes_passes() {
        for (code, text) in [
            ("57P01", "terminating connection due to administrator command"),
            ("57P03", "the database system is starting up"),
            ("53300", "sorry, too many clients already"),
            ("55006", "replication slot \"erp\" is active for PID 4"),
        ] {
            assert_eq!(judged(code, text).fault, Fault::Passing, "{code}");
        }
    }

    #[test]
    fn what_a_human_must_change_is_fatal_and_says_how() {
        for (code, text, remedy) in [
            ("28P01", "password authentication failed", "URL"),
            ("3D000", "database does not exist", "CREATE DATABASE"),
            (
                "42501",
                "must be superuser or replication role to use replication slots",
                "ALTER ROLE \"cdc\" REPLICATION",
            ),
            ("53400", "all replication slots are in use", "max_replication_slots"),
        ] {
            let error = judged(code, text);
            assert_eq!(error.fault, Fault::Fatal);
            assert!(error.message.contains(remedy) && !error.loss, "{}", error.message);
        }
    }

    #[test]
    fn removed_log_is_loss() {
        assert!(judged("58P01", "requested WAL segment 000000010000000000000001 has already been removed").loss);
        assert!(judged("55000", "can no longer get changes from replication slot \"erp\"").loss);
    }

    #[test]
    fn detail_is_not_repeated() {
        let error = ServerError::parse(b"SERROR\0C22P02\0Mbad\0DKey (id)=(secret)\0Htry\0\0");
        assert_eq!(error.to_string(), "bad (SQLSTATE 22P02); hint: try");
    }
}
