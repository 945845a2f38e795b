//! What is said about a cluster: librdkafka's lines without secrets and not too many of them, the last trouble, and how long brokers
//! have been silent.

use super::options::Secrets;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// librdkafka repeats itself at every attempt to connect; one line of a kind is enough for so long.
const SAME_AGAIN_AFTER: Duration = Duration::from_secs(30);

pub(super) struct Journal {
    brokers: String,
    secrets: Secrets,
    /// Whether librdkafka's lines are written.
    is_written: bool,
    /// Whether there is a trouble: looked at for every acknowledgement.
    troubled: AtomicBool,
    page: Mutex<Page>,
}

#[derive(Default)]
struct Page {
    /// The last thing that librdkafka complained about since brokers were heard.
    trouble: Option<Trouble>,
    /// Whether librdkafka said since then that no broker is left.
    everybody_away: bool,
    /// Flights that are late, and since when the first of them is in the air.
    late: usize,
    late_since: Option<Instant>,
    /// When a line of a facility was written last, and how many were not since. There are some thirty facilities.
    said: HashMap<String, (Instant, u64)>,
}

/// Something that librdkafka goes on trying about.
#[derive(Clone)]
pub(super) struct Trouble {
    pub(super) reason: String,
    /// Whether brokers are there and turn us away: nothing changes until somebody changes a password or a certificate.
    pub(super) is_turned_away: bool,
}

/// Counts a flight as late for as long as it lives.
pub(super) struct Late<'a>(&'a Journal);

impl Journal {
    pub(super) fn new(brokers: &str, secrets: Secrets) -> Self {
        Self { is_written: true, ..Self::silent(brokers, secrets) }
    }

    /// One that remembers, and writes nothing: for who reports what it remembers.
    pub(super) fn silent(brokers: &str, secrets: Secrets) -> Self {
        let troubled = AtomicBool::new(false);
        Self { brokers: brokers.to_owned(), secrets, is_written: false, troubled, page: Mutex::default() }
    }

    pub(super) fn brokers(&self) -> &str {
        &self.brokers
    }

    pub(super) fn masked(&self, text: &str) -> String {
        self.secrets.mask(text)
    }

    /// A line of librdkafka's own log. What it calls an error is one attempt of many, so it is a warning here.
    pub(super) fn line(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        if !self.is_written {
            return;
        }
        let brokers = &self.brokers;
        match level {
            Emerg | Warning if is_our_doing(facility, line) => {
                tracing::debug!(brokers, facility, line = self.masked(line), "librdkafka")
            }
            Emerg | Alert | Critical | Error | Warning => {
                if let Some(unsaid) = self.may_say(facility) {
                    tracing::warn!(brokers, facility, unsaid, line = self.masked(line), "librdkafka");
                }
            }
            Notice | Info => tracing::info!(brokers, facility, line = self.masked(line), "librdkafka"),
            Debug => tracing::debug!(brokers, facility, line = self.masked(line), "librdkafka"),
        }
    }

    /// How many lines of a facility were left out, if another may be written now.
    fn may_say(&self, facility: &str) -> Option<u64> {
        let mut page = self.page();
        let Some((at, unsaid)) = page.said.get_mut(facility) else {
            page.said.insert(facility.to_owned(), (Instant::now(), 0));
            return Some(0);
        };
        if at.elapsed() < SAME_AGAIN_AFTER {
            *unsaid += 1;
            return None;
        }
        *at = Instant::now();
        Some(std::mem::take(unsaid))
    }

    /// Something that librdkafka goes on trying about.
    pub(super) fn trouble(&self, code: Option<Code>, reason: &str) {
        // It only counts the others, which say why.
        let is_sum = code == Some(Code::AllBrokersDown);
        let mut page = self.page();
        page.everybody_away |= is_sum;
        self.troubled.store(true, Relaxed);
        if code != Some(Code::Fatal) && !(is_sum && page.trouble.is_some()) {
            let is_turned_away = matches!(code, Some(Code::Authentication | Code::SSL));
            page.trouble = Some(Trouble { reason: self.masked(reason), is_turned_away });
        }
    }

    /// The brokers answered.
    pub(super) fn heard(&self) {
        if self.troubled.load(Relaxed) {
            self.troubled.store(false, Relaxed);
            let mut page = self.page();
            (page.trouble, page.everybody_away) = (None, false);
        }
    }

    /// Whether every broker refuses us, or is away.
    pub(super) fn is_everybody_away(&self) -> bool {
        self.page().everybody_away
    }

    pub(super) fn last_trouble(&self) -> Option<Trouble> {
        self.page().trouble.clone()
    }

    /// A flight that went out at `since` is late.
    pub(super) fn late(&self, since: Instant) -> Late<'_> {
        let mut page = self.page();
        page.late += 1;
        if page.late_since.is_none() {
            page.late_since = Some(since);
            let (brokers, reason) = (&self.brokers, page.why());
            tracing::warn!(
                brokers,
                reason,
                "brokers do not acknowledge; records stay in the air, in order, until they do"
            );
        }
        Late(self)
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let page = self.page();
        let silent_s = page.late_since?.elapsed().as_secs();
        Some(format!("no acknowledgement for {silent_s} s, nothing is dropped: {}", page.why()))
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A producer that breaks is replaced, which is told there; and one of our options is called an experiment.
fn is_our_doing(facility: &str, line: &str) -> bool {
    facility == "FATAL" || facility == "CONFWARN" && line.contains("enable.gapless.guarantee")
}

impl Page {
    fn why(&self) -> &str {
        self.trouble.as_ref().map_or("the brokers say nothing", |trouble| &trouble.reason)
    }
}

impl Drop for Late<'_> {
    fn drop(&mut self) {
        let mut page = self.0.page();
        page.late -= 1;
        if page.late == 0 && page.late_since.take().is_some() {
            tracing::info!(brokers = self.0.brokers, "no record is late any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_librdkafka_repeats_is_written_once_in_a_while() {
        let journal = Journal::new("b:1", Secrets::default());
        assert_eq!([0; 3].map(|_| journal.may_say("FAIL")), [Some(0), None, None]);
        assert_eq!(journal.may_say("CONNECT"), Some(0), "another facility has its own turn");
        journal.page().said.insert("FAIL".into(), (Instant::now() - SAME_AGAIN_AFTER, 2));
        assert_eq!(journal.may_say("FAIL"), Some(2), "and says how many lines were left out");
    }

    #[test]
    fn brokers_that_turn_us_away_are_told_from_those_that_are_away() {
        let journal = Journal::new("b:1", Secrets::default());
        for (code, is_turned_away) in [
            (Code::BrokerTransportFailure, false),
            (Code::Authentication, true),
            // It sums up what was said before, and takes nothing of it away.
            (Code::AllBrokersDown, true),
            (Code::SSL, true),
        ] {
            journal.trouble(Some(code), "as a test");
            assert_eq!(journal.last_trouble().map(|trouble| trouble.is_turned_away), Some(is_turned_away), "{code}");
        }
        assert!(journal.is_everybody_away());
        journal.heard();
        assert!(journal.last_trouble().is_none() && !journal.is_everybody_away());
    }

    #[test]
    fn complaint_names_the_cause_and_ends_with_the_last_late_flight() {
        let journal = Journal::new("b:1", Secrets::default());
        journal.trouble(Some(Code::BrokerTransportFailure), "Connection refused");
        journal.trouble(Some(Code::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(journal.complaint(), None, "nobody waits");
        let first = journal.late(Instant::now());
        let second = journal.late(Instant::now());
        drop(first);
        let complaint = journal.complaint().expect("one is late still");
        assert_eq!(complaint, "no acknowledgement for 0 s, nothing is dropped: Connection refused");
        drop(second);
        assert_eq!(journal.complaint(), None);
    }
}
