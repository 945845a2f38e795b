//! A bare reader: the same transport and the same rhythm, and everything discarded. It says how fast the walsender can be
//! read on this machine, and what decoding adds.

use super::PostgresSettings;
use super::catalog::ServerCatalog;
use super::copy_both::{CopyData, copy_data, standby_status, start_command};
use super::decode::{Decoder, Step};
use super::link::{Link, Purpose};
use super::relation::Rules;
use super::rhythm::{Rhythm, RhythmMode};
use super::trouble::Trouble;
use crate::change::Lsn;
use crate::source::SourceError;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// What is done with the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainWork {
    /// Counted, and not looked at.
    Discard,
    /// Decoded into frames, which are thrown away.
    Decode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainUntil {
    /// At the end of the transaction in which this many rows were reached.
    Rows(u64),
    /// At the first transaction or keepalive that ends at or behind this position.
    Lsn(Lsn),
}

#[derive(Clone, Copy, Debug)]
pub struct DrainPlan {
    pub rhythm: RhythmMode,
    pub work: DrainWork,
    pub until: DrainUntil,
}

/// What was read, and how long it took from the first row to the last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    pub rows: u64,
    pub transactions: u64,
    pub bytes: u64,
    pub reads: u64,
    pub elapsed: Duration,
}

impl Rate {
    pub fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Nothing for so long: there is nothing more to come.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const FEEDBACK_EVERY: Duration = Duration::from_secs(1);

/// Reads the slot from its confirmed position. Slot and publication must exist; nothing is confirmed, so that the slot can be
/// read again. Blocking.
///
/// # Errors
/// As a source's, and when nothing comes for 30 s.
pub fn drain_bare(settings: &PostgresSettings, plan: DrainPlan) -> Result<Rate, SourceError> {
    drain(settings, plan).map_err(|trouble| settings.judge(trouble))
}

fn drain(settings: &PostgresSettings, plan: DrainPlan) -> Result<Rate, Trouble> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut link = Link::open(settings, Purpose::Replication, &stop)?;
    let names = [settings.publication.clone()];
    link.start_copy(&start_command(&settings.slot, Lsn(0), &names, &[]))?;
    let mut rhythm = Rhythm::new(plan.rhythm, link.is_unix);
    let mut counter = Counter::new(settings, plan, &stop);
    let (mut began, mut fed_at, mut heard_at) = (None, Instant::now(), Instant::now());
    while !counter.is_done {
        let bytes = link.fill("read the stream")?;
        let read_at = Instant::now();
        if bytes > 0 {
            heard_at = read_at;
        } else if heard_at.elapsed() > SILENCE_MAX {
            return Err(Trouble::Refused("the slot holds fewer rows than were asked for".into()));
        }
        while let Some(message) = link.inbox.peek().map_err(Trouble::Protocol)? {
            if counter.take(message.tag, message.body)? {
                began.get_or_insert(read_at);
            }
            let len = message.len;
            link.inbox.consume(len);
        }
        if fed_at.elapsed() > FEEDBACK_EVERY {
            fed_at = read_at;
            // Written but never flushed: the slot stays where it is.
            link.send_copy(&standby_status(Lsn(counter.received), Lsn(0)))?;
        }
        let pause = rhythm.after(bytes, read_at);
        if !pause.is_zero() && !counter.is_done {
            std::thread::sleep(pause);
        }
    }
    let elapsed = began.map_or(Duration::ZERO, |b| b.elapsed());
    let (bytes, reads) = (link.inbox.bytes_total, link.inbox.reads_total);
    link.close(true);
    Ok(Rate { rows: counter.rows, transactions: counter.transactions, bytes, reads, elapsed })
}

struct Counter {
    plan: DrainPlan,
    decoder: Decoder,
    catalog: ServerCatalog,
    rows: u64,
    transactions: u64,
    received: u64,
    is_done: bool,
}

impl Counter {
    fn new(settings: &PostgresSettings, plan: DrainPlan, stop: &Arc<AtomicBool>) -> Self {
        let catalog = ServerCatalog::new(Arc::new(settings.clone()), stop.clone());
        Self {
            plan,
            decoder: Decoder::new(Rules::of(settings)),
            catalog,
            rows: 0,
            transactions: 0,
            received: 0,
            is_done: false,
        }
    }

    /// Takes one message; whether it was one of the log.
    #[inline]
    fn take(&mut self, tag: u8, body: &[u8]) -> Result<bool, Trouble> {
        if tag != b'd' {
            return Err(Trouble::Protocol(format!("{:?} in the middle of a stream", char::from(tag))));
        }
        match copy_data(body).ok_or_else(|| Trouble::Protocol("a message that ends early".into()))? {
            CopyData::Log { lsn, bytes } => {
                self.received = self.received.max(lsn);
                self.log(lsn, bytes)?;
                Ok(true)
            }
            CopyData::Keepalive { end, .. } => {
                self.received = self.received.max(end);
                self.is_done |= matches!(self.plan.until, DrainUntil::Lsn(wanted) if end >= wanted.0);
                Ok(false)
            }
        }
    }

    #[inline]
    fn log(&mut self, lsn: u64, bytes: &[u8]) -> Result<(), Trouble> {
        let is_commit = match self.plan.work {
            DrainWork::Discard => {
                self.rows += u64::from(matches!(bytes.first(), Some(b'I' | b'U' | b'D' | b'T')));
                bytes.first() == Some(&b'C')
            }
            DrainWork::Decode => {
                let step = self.decoder.take(lsn, bytes, &mut self.catalog)?;
                self.rows = self.decoder.rows_total;
                if self.decoder.is_full() {
                    self.decoder.discard();
                }
                matches!(step, Step::Committed { .. })
            }
        };
        if is_commit {
            self.transactions += 1;
            self.is_done |= match self.plan.until {
                DrainUntil::Rows(wanted) => self.rows >= wanted,
                DrainUntil::Lsn(wanted) => lsn >= wanted.0,
            };
        }
        Ok(())
    }
}
