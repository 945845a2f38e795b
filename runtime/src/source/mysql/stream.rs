//! The loop: connect, read, hand over; after a cut, again.
//!
//! ```text
//!   run ─▶ Session::open ─▶ Session::run: ┌─ 1 stop?           2 idle advance
//!    ▲                                    │  3 read (waits at most READ_WAIT)
//!    └── backoff ◀── passing failure ◀────└─ 4 decode, hand over; or, after nothing came for too long, let go
//! ```
//!
//! While the intake is full nothing is read ("held"): the server's thread waits in its own `send`, for as long as the session has told
//! it to. Where a connection went on is where the last complete transaction ended; of one that was cut in the middle, the decoder leaves
//! out what was handed over already.

use super::MysqlSettings;
use super::catalog::ServerCatalog;
use super::decode::{DecodeError, Decoder, Step};
use super::dump;
use super::envelope::{self, Damaged, Envelope};
use super::event::RawEvent;
use super::link::{EOF, EOF_LEN_MAX, ERR, Link, OK};
use super::payload::{Payload, TRANSACTION_PAYLOAD};
use super::prepare::{Ready, prepare, rights};
use super::rules::Rules;
use super::survey;
use super::trouble::{ServerError, Trouble, fatal, passing};
use crate::change::{Batch, BinlogPosition, Database, Position};
use crate::fault::Fault;
use crate::source::sessions::{self, SessionEnd, Sessions};
use crate::source::{Intake, SourceError};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::error::TrySendError;

/// How often an idle position is confirmed.
const IDLE_ADVANCE_EVERY: Duration = Duration::from_secs(1);
/// While the intake is full, it is tried at this interval.
const HELD_WAIT: Duration = Duration::from_millis(1);
/// While it stays full, the server is asked at this interval how far its log has grown.
const HELD_LOOK: Duration = Duration::from_secs(5);
/// Looking for the first event behind a GTID, a server reads a file of up to a gigabyte, and says nothing meanwhile.
const SEARCH_MAX: Duration = Duration::from_secs(60);
/// So many heartbeats may be missed.
const HEARTBEATS_MISSED_MAX: u32 = 2;
/// An event that is damaged so many times in succession is damaged on the server's disk.
const DAMAGED_MAX: u32 = 3;

/// What outlives a connection.
struct Run {
    settings: Arc<MysqlSettings>,
    intake: Intake,
    /// From the first connection on: before it, nobody knows what kind of server it is.
    decoder: Option<Decoder>,
    /// The end of the last complete transaction that was handed over.
    handed_over: u64,
    damaged_in_succession: u32,
}

/// Reads until stopped, or until nothing can go on.
pub(super) fn run(settings: Arc<MysqlSettings>, intake: Intake) -> Result<(), SourceError> {
    let run = Run { settings, intake, decoder: None, handed_over: 0, damaged_in_succession: 0 };
    sessions::run(run)
}

impl Sessions for Run {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn intake(&self) -> &Intake {
        &self.intake
    }

    fn session(&mut self) -> SessionEnd {
        match self.connection() {
            Ok(()) | Err(Trouble::Stopped) => SessionEnd::Stopped,
            Err(trouble) => SessionEnd::Failed(self.settings.judge(trouble)),
        }
    }
}

impl Run {
    /// One connection, from its start to its end. `Ok` only when stopped.
    fn connection(&mut self) -> Result<(), Trouble> {
        let mut link = Link::open(&self.settings, &self.intake.stop)?;
        // What was read is in this process's hands; asking for it again would only double it.
        let read = self.decoder.as_mut().map(|decoder| BinlogPosition::clone(&decoder.position()));
        let known = read.or_else(|| self.settings.known.clone());
        let ready = prepare(&mut link, &self.settings, known.as_ref())?;
        dump::start(&mut link, &self.settings, ready.way, &ready.ask).map_err(|trouble| denied(trouble, &mut link))?;
        Session::open(self, link, ready, known.is_none())?.run()
    }
}

/// Says a missing right with the account's own name, which the server is asked for.
fn denied(trouble: Trouble, link: &mut Link) -> Trouble {
    match (&trouble, survey::facts(link)) {
        (Trouble::Server { .. }, Ok(facts)) => rights(trouble, &facts),
        _ => trouble,
    }
}

/// One connection that sends events.
struct Session<'r> {
    settings: Arc<MysqlSettings>,
    intake: &'r Intake,
    decoder: &'r mut Decoder,
    handed_over: &'r mut u64,
    damaged_in_succession: &'r mut u32,
    link: Link,
    envelope: Envelope,
    /// An event of the log itself, or a heartbeat, has come: from now on silence means that nobody is there.
    has_begun: bool,
    heard_at: Instant,
    received_at: Instant,
    /// When the transaction under way was committed, if its server says so.
    committed_at_us: Option<u64>,
    /// Something has moved the position since it was last handed over.
    has_moved: bool,
    idle_advanced_at: Instant,
}

impl<'r> Session<'r> {
    fn open(run: &'r mut Run, link: Link, ready: Ready, is_first: bool) -> Result<Self, Trouble> {
        let Run { settings, intake, decoder, handed_over, damaged_in_succession } = run;
        match decoder {
            Some(decoder) => decoder.restart(&ready.from),
            None => *handed_over = ready.from.ordinal,
        }
        let decoder = decoder.get_or_insert_with(|| decoder_at(&ready, settings, intake));
        let now = Instant::now();
        let mut session = Session {
            settings: settings.clone(),
            intake,
            decoder,
            handed_over,
            damaged_in_succession,
            link,
            envelope: Envelope::new(),
            has_begun: false,
            heard_at: now,
            received_at: now,
            committed_at_us: None,
            has_moved: false,
            idle_advanced_at: now,
        };
        session.await_first_event()?;
        let stats = &session.intake.stats;
        stats.server.set(ready.server.clone());
        stats.end.fetch_max(ready.end, Relaxed);
        stats.received.fetch_max(ready.from.ordinal, Relaxed);
        stats.confirmed.fetch_max(if is_first { ready.from.ordinal } else { 0 }, Relaxed);
        tracing::info!(source = settings.name, server = ready.server, position = %ready.from, "streaming");
        if is_first {
            // The checkpoint holds a position from the first moment, so that a log that is purged later is missed.
            session.hand_over_position()?;
        }
        session.intake.stats.state.set("streaming");
        session.intake.stats.last_error.clear();
        Ok(session)
    }

    /// The server answers the request at once, with an event that it makes up, or with why it will send none.
    fn await_first_event(&mut self) -> Result<(), Trouble> {
        const DOING: &str = "ask for the binary log";
        let deadline = Instant::now() + SEARCH_MAX;
        loop {
            if let Some(packet) = self.link.inbox.next().map_err(Trouble::Protocol)? {
                self.heard_at = Instant::now();
                return match packet.body.split_first() {
                    Some((&OK, _)) => Ok(()),
                    _ => Err(ended(packet.body)),
                };
            }
            if self.intake.stop.load(Relaxed) {
                return Err(Trouble::Stopped);
            }
            if Instant::now() > deadline {
                return Err(Trouble::Judged(passing("the server sends nothing of its binary log; connecting anew")));
            }
            self.link.fill(DOING)?;
        }
    }

    fn run(&mut self) -> Result<(), Trouble> {
        loop {
            if self.intake.stop.load(Relaxed) {
                return Ok(());
            }
            self.advance_idle()?;
            // The first event may have come with what was read before.
            self.decode()?;
            if self.link.fill("read the binary log")? > 0 {
                self.received_at = Instant::now();
                self.heard_at = self.received_at;
            } else if self.heard_at.elapsed() > self.patience() {
                return Err(Trouble::Judged(passing(format!(
                    "the server has said nothing for {} s, not even a heartbeat; connecting anew",
                    self.heard_at.elapsed().as_secs()
                ))));
            }
        }
    }

    fn patience(&self) -> Duration {
        let heartbeats = self.settings.heartbeat * HEARTBEATS_MISSED_MAX;
        if self.has_begun { heartbeats } else { heartbeats.max(SEARCH_MAX) }
    }

    /// Decodes every whole event, and hands over what is complete when none is left.
    fn decode(&mut self) -> Result<(), Trouble> {
        while let Some(packet) = self.link.inbox.next().map_err(Trouble::Protocol)? {
            let len = packet.len;
            let Some((&OK, bytes)) = packet.body.split_first() else { return Err(ended(packet.body)) };
            let event = match self.envelope.open(bytes) {
                Ok(event) => event,
                Err(damaged) => return Err(self.damaged(damaged)),
            };
            self.has_begun |= !is_preamble(event.kind);
            self.committed_at_us = envelope::committed_at_us(&event).or(self.committed_at_us);
            if !matches!(event.kind, envelope::HEARTBEAT | envelope::HEARTBEAT_V2) {
                let step = match self.decoder.event(&event) {
                    Ok(step) => step,
                    Err(error) => return Err(self.ended_by(error)),
                };
                note(step, &event, &mut self.committed_at_us, self.intake);
            }
            let inside = (event.kind == TRANSACTION_PAYLOAD).then(|| event.body.to_vec());
            self.link.inbox.consume(len);
            self.has_moved = true;
            if let Some(body) = inside {
                self.unpack(&body)?;
            }
            while self.decoder.is_full() {
                self.hand_over_rows()?;
            }
        }
        while !self.decoder.is_empty() && !self.decoder.in_transaction() {
            self.hand_over_rows()?;
        }
        Ok(())
    }

    /// The events of a compressed transaction, one by one.
    fn unpack(&mut self, body: &[u8]) -> Result<(), Trouble> {
        let mut payload = Payload::open(body).map_err(|damaged| self.damaged(damaged))?;
        loop {
            match payload.next() {
                Ok(Some(event)) => {
                    let step = match self.decoder.event(&event) {
                        Ok(step) => step,
                        Err(error) => return Err(self.ended_by(error)),
                    };
                    note(step, &event, &mut self.committed_at_us, self.intake);
                }
                Ok(None) => return Ok(()),
                Err(damaged) => return Err(self.damaged(damaged)),
            }
            while self.decoder.is_full() {
                self.hand_over_rows()?;
            }
        }
    }

    /// Hands over what is complete, if nothing else will come behind it: whoever repairs this may take a while.
    fn ended_by(&mut self, error: DecodeError) -> Trouble {
        if error.fault == Fault::Fatal {
            self.decoder.give_up();
            while !self.decoder.is_empty() {
                if let Err(trouble) = self.hand_over_rows() {
                    return trouble;
                }
            }
        }
        error.into()
    }

    /// Damage on the way passes with a new connection; damage on the server's disk does not.
    fn damaged(&mut self, Damaged(what): Damaged) -> Trouble {
        *self.damaged_in_succession += 1;
        if *self.damaged_in_succession < DAMAGED_MAX {
            return Trouble::Judged(passing(format!("the binary log came damaged: {what}; it is asked for again")));
        }
        Trouble::Judged(fatal(format!(
            "the binary log came damaged {DAMAGED_MAX} times at the same place, behind {}: {what}. Look at the file with mysqlbinlog \
             --verify-binlog-checksum; is a disk or a proxy at fault?",
            self.decoder.position()
        )))
    }

    fn hand_over_rows(&mut self) -> Result<(), Trouble> {
        let batch = self.decoder.take(self.received_at);
        let rows = batch.len() as u64;
        self.hand_over(batch)?;
        let stats = &self.intake.stats;
        stats.rows_total.fetch_add(rows, Relaxed);
        stats.transactions_total.store(self.decoder.transactions_total, Relaxed);
        *self.damaged_in_succession = 0;
        Ok(())
    }

    /// Hands over where we stand, without any row.
    fn hand_over_position(&mut self) -> Result<(), Trouble> {
        let mut batch = self.decoder.take(self.received_at);
        batch.confirms = Some(Position::Binlog(self.decoder.position()));
        self.has_moved = false;
        self.idle_advanced_at = Instant::now();
        self.hand_over(batch)
    }

    /// Puts a batch into the intake. While that is full, nothing is read.
    fn hand_over(&mut self, mut batch: Batch) -> Result<(), Trouble> {
        let confirms = batch.confirms.as_ref().map(Position::ordinal);
        let mut is_held = false;
        let mut looked_at = Instant::now();
        loop {
            match self.intake.batches.try_send(batch) {
                Ok(()) => break,
                Err(TrySendError::Closed(_)) => return Err(Trouble::Stopped),
                Err(TrySendError::Full(back)) => batch = back,
            }
            if self.intake.stop.load(Relaxed) {
                return Err(Trouble::Stopped);
            }
            if !is_held {
                self.intake.stats.state.set("held");
                is_held = true;
            }
            self.intake.stats.confirmed.fetch_max(self.intake_confirmed(), Relaxed);
            if looked_at.elapsed() > HELD_LOOK {
                self.look_at_end();
                looked_at = Instant::now();
            }
            std::thread::sleep(HELD_WAIT);
        }
        if is_held {
            self.intake.stats.state.set("streaming");
            // Nobody listened meanwhile.
            self.heard_at = Instant::now();
        }
        if let Some(ordinal) = confirms {
            *self.handed_over = (*self.handed_over).max(ordinal);
            self.intake.stats.received.fetch_max(ordinal, Relaxed);
            self.intake.stats.end.fetch_max(ordinal, Relaxed);
        }
        Ok(())
    }

    /// How far the log has grown that nobody reads: the length of what waits is the first thing that one wants to know.
    fn look_at_end(&self) {
        let asked = Link::open(&self.settings, &self.intake.stop).and_then(|mut link| {
            let facts = survey::facts(&mut link)?;
            let end = survey::end(&mut link, &facts)?;
            link.close();
            Ok(end.position.ordinal)
        });
        match asked {
            Ok(end) => {
                self.intake.stats.end.fetch_max(end, Relaxed);
            }
            Err(trouble) => tracing::debug!(?trouble, "end of the log is not known while held"),
        }
    }

    fn intake_confirmed(&self) -> u64 {
        self.intake.confirmed.borrow().as_ref().map_or(0, Position::ordinal)
    }

    /// When everything that was handed over is confirmed, and transactions have passed that were not for us, their end goes the same
    /// way, as an empty batch: or the log of a server whose other tables are busy would be purged behind our checkpoint.
    fn advance_idle(&mut self) -> Result<(), Trouble> {
        let confirmed = self.intake_confirmed();
        self.intake.stats.confirmed.fetch_max(confirmed, Relaxed);
        let is_quiet = self.decoder.is_empty() && !self.decoder.in_transaction();
        if !self.has_moved || !is_quiet || self.idle_advanced_at.elapsed() < IDLE_ADVANCE_EVERY {
            return Ok(());
        }
        self.idle_advanced_at = Instant::now();
        if *self.handed_over > confirmed.max(self.known()) {
            return Ok(());
        }
        self.has_moved = false;
        self.intake.stats.transactions_total.store(self.decoder.transactions_total, Relaxed);
        if self.decoder.position().ordinal > *self.handed_over { self.hand_over_position() } else { Ok(()) }
    }

    fn known(&self) -> u64 {
        self.settings.known.as_ref().map_or(0, |known| known.ordinal)
    }
}

fn decoder_at(ready: &Ready, settings: &Arc<MysqlSettings>, intake: &Intake) -> Decoder {
    let rules = Rules {
        source: settings.name.as_str().into(),
        database: Arc::new(Database { kind: ready.kind, name: String::new(), epoch: settings.epoch }),
        tables: settings.tables.clone(),
        columns: settings.columns.clone(),
        notices: settings.notices.clone(),
        catalog: Box::new(ServerCatalog::new(settings.clone(), intake.stop.clone())),
    };
    Decoder::new(rules, &ready.from, ready.kind)
}

/// What a server sends before it looks for the first event that was asked for: rotation, format, the GTIDs before the file, the start of
/// its encryption.
fn is_preamble(kind: u8) -> bool {
    matches!(kind, 4 | envelope::FORMAT_DESCRIPTION | 35 | 161 | 163 | 164)
}

/// Notes how long ago a transaction was committed that has just ended.
fn note(step: Step, event: &RawEvent<'_>, committed_at_us: &mut Option<u64>, intake: &Intake) {
    if step == Step::Committed {
        let at_us = committed_at_us.take().unwrap_or_else(|| event_us(event));
        intake.stats.lag_us.store(lag_us(at_us), Relaxed);
    }
}

/// A packet that is no event: how the stream ends.
fn ended(body: &[u8]) -> Trouble {
    match body.split_first() {
        Some((&ERR, rest)) => Trouble::Server { doing: "send its binary log", error: ServerError::parse(rest) },
        Some((&EOF, _)) if body.len() <= EOF_LEN_MAX => {
            Trouble::Judged(passing("the server ended the stream; connecting anew"))
        }
        _ => Trouble::Protocol("a packet in the stream that is no event".into()),
    }
}

/// Where only the second is known, the transaction is taken to have been committed at its beginning.
fn event_us(event: &RawEvent<'_>) -> u64 {
    u64::from(event.timestamp) * 1_000_000
}

fn lag_us(committed_at_us: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX).saturating_sub(committed_at_us)
}
