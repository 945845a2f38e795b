//! What an answer of the server means, or the lack of one.

use super::Refusal;
use crate::fault::Fault;
use redis::{RedisError, ServerError, Value};
use std::fmt;
use std::time::Duration;

/// Out of memory does not pass within milliseconds.
const MEMORY_WAIT: Duration = Duration::from_secs(5);
/// A server that starts, or a cluster that moves slots, asks for a little patience.
const SHORT_WAIT: Duration = Duration::from_millis(200);
/// A reason is shown in one line.
const REASON_CHARS_MAX: usize = 300;

/// The rule under which an ACL user can do all that the sink does.
pub(super) const ACL_RULE: &str = "~* &* +evalsha +script|load +get +mget +set +mset +del +hlen +hset +hdel +hget +pexpire +xadd \
    +xrange +rpush +publish +select +role +info +cluster|slots +asking";

/// An error that the server answered: `WRONGTYPE`, and what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trouble<'a> {
    pub(super) code: &'a str,
    pub(super) detail: &'a str,
}

impl<'a> Trouble<'a> {
    pub(super) fn of(error: &'a ServerError) -> Self {
        Self { code: error.code(), detail: error.details().unwrap_or_default() }
    }

    /// From a whole line, as scripts and [`line`] give it.
    pub(super) fn parse(line: &'a str) -> Self {
        let (code, detail) = line.split_once(' ').unwrap_or((line, ""));
        Self { code, detail }
    }

    /// Whether the server is not (or not alone) the one to ask: its connection and what is known of its cluster are given up.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(self.code, "READONLY" | "MASTERDOWN" | "CLUSTERDOWN" | "MOVED")
    }

    /// What it asks for, and a sentence with the remedy.
    pub(super) fn refusal(&self) -> Refusal {
        let passing = |wait, sentence: &str| (Fault::Passing, wait, sentence.to_owned());
        let poison = |sentence: &str| (Fault::Poison, None, sentence.to_owned());
        let fatal = |sentence: String| (Fault::Fatal, None, sentence);
        let (fault, retry_after, sentence) = match self.code {
            "OOM" => passing(
                Some(MEMORY_WAIT),
                "the server's memory is full; raise its `maxmemory` or remove keys: nothing is dropped, it is tried again",
            ),
            "READONLY" => passing(
                Some(SHORT_WAIT),
                "this server is a replica and takes no writes; the next attempt looks for the master again. If this stays, let \
                 `url` name the master, or use `sentinel` or `cluster`",
            ),
            "MASTERDOWN" => {
                passing(Some(SHORT_WAIT), "the server has lost its master; the next attempt connects again")
            }
            "LOADING" => passing(Some(SHORT_WAIT), "the server is loading its data"),
            "CLUSTERDOWN" => passing(Some(SHORT_WAIT), "the cluster does not serve this slot now; see CLUSTER INFO"),
            "TRYAGAIN" => passing(Some(SHORT_WAIT), "the slot of this key is being moved"),
            "MISCONF" => passing(
                Some(MEMORY_WAIT),
                "the server can not save to its disk and takes no writes; look at its log and its disk",
            ),
            "NOREPLICAS" => {
                passing(Some(SHORT_WAIT), "the server has too few replicas to write (`min-replicas-to-write`)")
            }
            "BUSY" => passing(Some(SHORT_WAIT), "another script has been running on the server for long"),
            "MOVED" | "ASK" => fatal("the server is part of a cluster; set `cluster = true`".into()),
            "NOAUTH" => fatal("the server wants a password; put user and password into `url`".into()),
            "WRONGPASS" => fatal("the server does not know this user and password; correct `url`".into()),
            "NOPERM" => fatal(lacks_rights()),
            "ERR" => self.general(),
            "WRONGTYPE" => {
                poison("the key holds something of another type; delete it, or let the route use another key")
            }
            "CROSSSLOT" => poison("the keys of this change are not in one slot of the cluster"),
            "FOREIGNID" => poison(
                "the stream holds entries with greater ids which this route did not write; use one stream for one source and \
                 one route, or a new stream",
            ),
            _ => passing(None, "the server answered with an error"),
        };
        let reason = format!("{sentence} ({})", self.shown());
        Refusal { fault, reason, retry_after, answer: None }
    }

    /// The code, and for errors that say nothing else the text up to the first thing quoted: that may be of a row.
    fn shown(&self) -> String {
        if self.code != "ERR" {
            return self.code.chars().take(REASON_CHARS_MAX).collect();
        }
        let plain = self.detail.split(['\'', '`', '"']).next().unwrap_or_default();
        format!("ERR {}", plain.trim_end()).chars().take(REASON_CHARS_MAX).collect()
    }

    /// Errors without a code of their own.
    fn general(&self) -> (Fault, Option<Duration>, String) {
        let says = |what: &str| self.detail.contains(what);
        if says("max number of clients") {
            return (
                Fault::Passing,
                Some(SHORT_WAIT),
                "the server has too many clients; raise its `maxclients`".into(),
            );
        }
        if says("user executing the script") || says("has no permissions") {
            return (Fault::Fatal, None, lacks_rights());
        }
        if says("SELECT is not allowed in cluster mode") {
            return (Fault::Fatal, None, "a cluster has database 0 only; take the number out of `url`".into());
        }
        if says("DB index is out of range") {
            return (Fault::Fatal, None, "the server has no database of this number; correct `url`".into());
        }
        if says("without any password configured") || says("no password is set") {
            return (Fault::Fatal, None, "the server knows no password; take it out of `url`".into());
        }
        if says("unknown command") {
            return (Fault::Fatal, None, "the server lacks a command that is needed; Redis 5 or newer is".into());
        }
        if says("cluster support disabled") {
            return (Fault::Fatal, None, "the server is not part of a cluster; set `cluster = false`".into());
        }
        if says("exceeds maximum allowed") || says("exhausted the last possible ID") {
            return (Fault::Poison, None, "the server can not hold this".into());
        }
        (Fault::Passing, None, "the server answered with an error".into())
    }
}

fn lacks_rights() -> String {
    format!("the user of `url` lacks a right; give it what the sink needs: ACL SETUSER <user> {ACL_RULE}")
}

/// The error in one answer: a command's, or a script's for one change.
pub(super) fn error(value: &Value) -> Option<String> {
    match value {
        Value::ServerError(error) => Some(format!("{} {}", error.code(), error.details().unwrap_or_default())),
        Value::BulkString(line) => Some(String::from_utf8_lossy(line).into_owned()),
        _ => None,
    }
}

pub(super) fn unanswered(timeout: Duration) -> Refusal {
    passing(format!("no answer within {} ms", timeout.as_millis()))
}

/// The connection can not be made, or broke.
pub(super) fn network(what: &str, place: &dyn fmt::Display, error: &RedisError) -> Refusal {
    let cause: String = error.to_string().chars().take(REASON_CHARS_MAX).collect();
    passing(format!("{what} {place}: {cause}"))
}

pub(super) fn passing(reason: String) -> Refusal {
    Refusal { fault: Fault::Passing, reason, retry_after: None, answer: None }
}

pub(super) fn poison(reason: impl Into<String>) -> Refusal {
    Refusal { fault: Fault::Poison, reason: reason.into(), retry_after: None, answer: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: &str) -> Fault {
        Trouble::parse(line).refusal().fault
    }

    #[test]
    fn every_class_of_errors_asks_for_what_the_documentation_says() {
        for (line, expected) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", Fault::Passing),
            ("READONLY You can't write against a read only replica.", Fault::Passing),
            ("MASTERDOWN Link with MASTER is down", Fault::Passing),
            ("LOADING Redis is loading the dataset in memory", Fault::Passing),
            ("CLUSTERDOWN The cluster is down", Fault::Passing),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Fault::Passing),
            ("MISCONF Errors writing to the AOF file", Fault::Passing),
            ("ERR max number of clients reached", Fault::Passing),
            ("ERR something that nobody has thought of", Fault::Passing),
            ("NEWCODE likewise", Fault::Passing),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Fault::Poison),
            ("CROSSSLOT Keys in request don't hash to the same slot", Fault::Poison),
            ("ERR string exceeds maximum allowed size (proto-max-bulk-len)", Fault::Poison),
            ("MOVED 3999 127.0.0.1:6381", Fault::Fatal),
            ("ASK 3999 127.0.0.1:6381", Fault::Fatal),
            ("NOAUTH Authentication required.", Fault::Fatal),
            ("WRONGPASS invalid username-password pair or user is disabled.", Fault::Fatal),
            ("NOPERM this user has no permissions to run the 'evalsha' command", Fault::Fatal),
            ("ERR The user executing the script can't run this command or subcommand", Fault::Fatal),
            ("ERR SELECT is not allowed in cluster mode", Fault::Fatal),
            ("ERR unknown command 'EVALSHA', with args beginning with: ", Fault::Fatal),
        ] {
            assert_eq!(fault(line), expected, "{line}");
        }
    }

    #[test]
    fn missing_right_is_answered_with_the_rule_that_gives_it() {
        let refusal = Trouble::parse("NOPERM this user has no permissions to run the 'evalsha' command").refusal();
        assert!(refusal.reason.contains("ACL SETUSER <user> ~* &* +evalsha"), "{}", refusal.reason);
    }

    /// An unknown command is answered with its arguments, which are keys and values.
    #[test]
    fn what_the_server_quotes_is_not_shown() {
        let refusal = Trouble::parse("ERR unknown command 'SET', with args beginning with: 'secret'").refusal();
        assert!(!refusal.reason.contains("secret"), "{}", refusal.reason);
        assert!(
            !Trouble::parse("NOPERM No permissions to access the 'secret' key").refusal().reason.contains("secret")
        );
    }
}
