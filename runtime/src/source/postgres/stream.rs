//! The loop: connect, read, hand over, give feedback; after a cut, again.
//!
//! ```text
//!   run ─▶ Session::open ─▶ Session::run: ┌─ 1 stop?            2 feedback, if due
//!    ▲                                    │  3 idle advance     4 read (waits at most READ_WAIT)
//!    └── backoff ◀── passing failure ◀────└─ 5 decode, hand over  6 pause (rhythm)
//! ```
//!
//! Feedback never waits for the intake: while that is full, the session goes on saying that it lives ("held").

use super::PostgresSettings;
use super::catalog::ServerCatalog;
use super::copy_both::{CopyData, copy_data, lag_us, standby_status, start_command};
use super::decode::{Decoder, Step};
use super::link::{Link, Purpose, QUERY_MAX};
use super::prepare::{Ready, prepare};
use super::relation::Rules;
use super::rhythm::{Rhythm, RhythmMode};
use super::scout::Scout;
use super::trouble::{Trouble, fatal};
use crate::change::{Batch, Lsn, Position};
use crate::source::sessions::{self, SessionEnd, Sessions};
use crate::source::{Intake, SourceError};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;

/// Without anything to say, feedback is given at this interval, or at a third of the server's patience if that is shorter.
const FEEDBACK_EVERY: Duration = Duration::from_secs(10);
/// What was newly confirmed is said at least this much later than what was said before.
const FEEDBACK_GAP: Duration = Duration::from_millis(50);
/// How often an idle position is confirmed.
const IDLE_ADVANCE_EVERY: Duration = Duration::from_secs(1);
/// While the intake is full, it is tried at this interval.
const HELD_WAIT: Duration = Duration::from_millis(1);
/// While it stays full, the server is asked at this interval whether it wants to go.
const HELD_LOOK: Duration = Duration::from_secs(5);
/// A server that shuts down asks again and again, until everything is confirmed or we are gone. It gets so much time of ours
/// to be told; somebody is waiting for it, and what is owed is safe with the slot.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);
/// Questions further apart than this are not a server's that shuts down.
const ASKED_GAP: Duration = Duration::from_millis(500);
/// An answer comes no sooner than this after the one before.
const ANSWER_GAP: Duration = Duration::from_millis(10);

/// What outlives a connection.
struct Run {
    settings: Arc<PostgresSettings>,
    intake: Intake,
    decoder: Decoder,
    catalog: ServerCatalog,
    /// The end of the last complete transaction that was handed over; the next connection goes on from here.
    handed_over: Option<Lsn>,
    /// What is known to be delivered; the slot must not be ahead of it.
    floor: Option<Lsn>,
}

/// Reads until stopped, or until nothing can go on.
pub(super) fn run(settings: Arc<PostgresSettings>, intake: Intake) -> Result<(), SourceError> {
    let run = Run {
        decoder: Decoder::new(Rules::of(&settings)),
        catalog: ServerCatalog::new(settings.clone(), intake.stop.clone()),
        handed_over: None,
        floor: settings.known,
        settings,
        intake,
    };
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
    /// The newest confirmed position, wherever it comes from.
    fn confirmed(&self) -> Option<Lsn> {
        let Some(Position::Postgres(lsn)) = *self.intake.confirmed.borrow() else { return self.floor };
        Some(self.floor.map_or(lsn, |floor| floor.max(lsn)))
    }

    /// One connection, from its start to its end. `Ok` only when stopped.
    fn connection(&mut self) -> Result<(), Trouble> {
        self.floor = self.confirmed();
        let stop = self.intake.stop.clone();
        let mut sql = Link::open(&self.settings, Purpose::Sql, &stop)?;
        let ready = prepare(&mut sql, &self.settings, self.floor)?;
        sql.close(false);
        let mut session = Session::open(self, ready)?;
        let ended = session.run();
        session.close(&ended);
        ended
    }
}

/// One replication connection.
struct Session<'r> {
    run: &'r mut Run,
    link: Link,
    rhythm: Rhythm,
    scout: Scout,
    /// The end of what was read.
    received: Lsn,
    confirmed: Lsn,
    /// Behind everything that was sent so far, with nothing in it for us.
    idle_end: Option<Lsn>,
    idle_advanced_at: Instant,
    feedback_every: Duration,
    feedback_at: Instant,
    /// What the last feedback confirmed.
    told: Lsn,
    is_asked: bool,
    asked: Option<Asked>,
    received_at: Instant,
}

/// Questions of the server in close succession.
#[derive(Clone, Copy)]
struct Asked {
    first: Instant,
    last: Instant,
}

impl<'r> Session<'r> {
    fn open(run: &'r mut Run, ready: Ready) -> Result<Self, Trouble> {
        let settings = run.settings.clone();
        let is_first = run.floor.is_none();
        let confirmed = run.floor.unwrap_or(ready.slot_confirmed);
        // What was handed over is in this process's hands; asking for it again would only double it.
        let start = run.handed_over.unwrap_or(confirmed).max(confirmed);
        let mut link = Link::open(&settings, Purpose::Replication, &run.intake.stop)?;
        let patience_ms = wal_sender_timeout_ms(&mut link)?;
        let options: &[&str] = if settings.notices.messages.is_some() { &["messages 'true'"] } else { &[] };
        link.start_copy(&start_command(&settings.slot, start, &ready.publications, options))?;
        // Only now: until the slot is ours, another reader may move it.
        run.floor = Some(confirmed);
        run.decoder.reconnected();
        let stats = &run.intake.stats;
        stats.server.set(ready.server.clone());
        stats.state.set("streaming");
        stats.last_error.clear();
        stats.end.fetch_max(ready.end.0, Relaxed);
        stats.confirmed.store(confirmed.0, Relaxed);
        tracing::info!(source = settings.name, server = ready.server, position = %start, "streaming");
        let now = Instant::now();
        let mut session = Session {
            rhythm: Rhythm::new(RhythmMode::Paused, link.is_unix),
            link,
            scout: Scout::start(settings, ready.publications),
            received: start,
            confirmed,
            idle_end: None,
            idle_advanced_at: now,
            feedback_every: feedback_every(patience_ms),
            feedback_at: now,
            told: Lsn(0),
            is_asked: true,
            asked: None,
            received_at: now,
            run,
        };
        if is_first {
            // The checkpoint holds a position from the first moment, so that a slot that vanishes later is missed.
            let batch = session.run.decoder.sign_of_life(confirmed);
            session.hand_over(batch)?;
        }
        Ok(session)
    }

    fn run(&mut self) -> Result<(), Trouble> {
        loop {
            if self.run.intake.stop.load(Relaxed) {
                return Ok(());
            }
            if self.scout.has_changed() {
                return Err(Trouble::Judged(super::trouble::passing("the publications have changed; connecting anew")));
            }
            self.feedback_if_due()?;
            self.advance_idle()?;
            self.let_go_of_a_server_that_shuts_down()?;
            let bytes = self.link.fill("read the stream")?;
            self.received_at = Instant::now();
            if bytes > 0 {
                self.decode()?;
            }
            let pause = self.rhythm.after(bytes, self.received_at);
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
        }
    }

    /// Decodes every whole message, and hands over what is complete when none is left.
    fn decode(&mut self) -> Result<(), Trouble> {
        const COPY_DATA: u8 = b'd';
        while let Some(message) = self.link.inbox.peek().map_err(Trouble::Protocol)? {
            let len = message.len;
            match message.tag {
                COPY_DATA => {
                    let copy =
                        copy_data(message.body).ok_or_else(|| Trouble::Protocol("a message that ends early".into()))?;
                    match copy {
                        CopyData::Log { lsn, bytes } => {
                            self.received = self.received.max(Lsn(lsn));
                            let step = self.run.decoder.take(lsn, bytes, &mut self.run.catalog)?;
                            if let Step::Committed { committed_at } = step {
                                self.committed(committed_at);
                            }
                        }
                        CopyData::Keepalive { end, is_asking } => self.keepalive(end, is_asking),
                    }
                }
                tag => {
                    let body = message.body.to_vec();
                    self.link.inbox.consume(len);
                    self.other(tag, &body)?;
                    continue;
                }
            }
            self.link.inbox.consume(len);
            if self.run.decoder.is_full() {
                self.hand_over_rows()?;
            }
        }
        if self.run.decoder.is_ready() {
            self.hand_over_rows()?;
        }
        Ok(())
    }

    fn committed(&mut self, committed_at: i64) {
        let stats = &self.run.intake.stats;
        stats.lag_us.store(lag_us(committed_at), Relaxed);
        if let Some(end) = self.run.decoder.take_empty_end() {
            self.idle_end = self.idle_end.max(Some(end));
        }
    }

    fn keepalive(&mut self, end: u64, is_asking: bool) {
        self.received = self.received.max(Lsn(end));
        self.run.intake.stats.end.fetch_max(end, Relaxed);
        if is_asking {
            let now = Instant::now();
            let first = self.asked.filter(|a| now - a.last < ASKED_GAP).map_or(now, |a| a.first);
            self.asked = Some(Asked { first, last: now });
            self.is_asked = true;
        }
        // The server has decoded up to here, and sent what it found: between transactions nothing before it is still to come.
        if self.run.decoder.is_between() && !self.run.decoder.is_ready() {
            self.idle_end = self.idle_end.max(Some(Lsn(end)));
        }
    }

    /// While changes are owed, a shutdown of the server would wait for us as long as our sinks hang.
    fn let_go_of_a_server_that_shuts_down(&self) -> Result<(), Trouble> {
        match self.asked {
            Some(a) if a.last - a.first > SHUTDOWN_PATIENCE && self.confirmed < self.received => {
                Err(Trouble::Judged(super::trouble::passing(
                    "the server is shutting down, and changes are still owed; leaving it, to go on when it is back",
                )))
            }
            _ => Ok(()),
        }
    }

    /// What is neither data nor keepalive: notices, and the ways in which a stream ends.
    fn other(&mut self, tag: u8, body: &[u8]) -> Result<(), Trouble> {
        use postgres_protocol::message::backend;
        match tag {
            backend::NOTICE_RESPONSE_TAG | backend::PARAMETER_STATUS_TAG => Ok(()),
            backend::ERROR_RESPONSE_TAG => {
                Err(Trouble::Server { doing: "stream", error: super::trouble::ServerError::parse(body) })
            }
            backend::COPY_DONE_TAG | backend::COMMAND_COMPLETE_TAG => {
                Err(Trouble::Judged(super::trouble::passing("the server ended the stream; connecting anew")))
            }
            other => Err(Trouble::Protocol(format!("{:?} in the middle of a stream", char::from(other)))),
        }
    }

    fn hand_over_rows(&mut self) -> Result<(), Trouble> {
        let batch = self.run.decoder.take_batch(self.received_at);
        let (rows, last) = (batch.len() as u64, super::decode::last_mark(&batch));
        self.hand_over(batch)?;
        self.run.decoder.was_handed_over(last);
        let stats = &self.run.intake.stats;
        stats.rows_total.fetch_add(rows, Relaxed);
        stats.transactions_total.store(self.run.decoder.transactions_total, Relaxed);
        stats.received.fetch_max(self.received.0, Relaxed);
        stats.end.fetch_max(self.received.0, Relaxed);
        Ok(())
    }

    /// Puts a batch into the intake. While that is full, feedback goes on.
    fn hand_over(&mut self, mut batch: Batch) -> Result<(), Trouble> {
        let confirms = batch.confirms.clone();
        let mut is_held = false;
        let mut looked_at = Instant::now();
        loop {
            match self.run.intake.batches.try_send(batch) {
                Ok(()) => break,
                Err(TrySendError::Closed(_)) => return Err(Trouble::Stopped),
                Err(TrySendError::Full(back)) => batch = back,
            }
            if self.run.intake.stop.load(Relaxed) {
                return Err(Trouble::Stopped);
            }
            if !is_held {
                self.run.intake.stats.state.set("held");
                is_held = true;
            }
            self.feedback_if_due()?;
            if looked_at.elapsed() > HELD_LOOK {
                // Unread, the stream can not tell us that the server shuts down; a question over plain SQL can.
                self.run.catalog.is_server_there()?;
                looked_at = Instant::now();
            }
            std::thread::sleep(HELD_WAIT);
        }
        if is_held {
            self.run.intake.stats.state.set("streaming");
        }
        if let Some(Position::Postgres(lsn)) = confirms {
            self.run.handed_over = self.run.handed_over.max(Some(lsn));
        }
        Ok(())
    }

    /// When everything that was handed over is confirmed, the end of what the server has looked at is confirmed as well, or
    /// the log of an idle database would grow for ever. It goes through the intake, so that ledger and checkpoint see it.
    fn advance_idle(&mut self) -> Result<(), Trouble> {
        let Some(end) = self.idle_end else { return Ok(()) };
        let handed_over = self.run.handed_over.unwrap_or_default();
        if end <= handed_over.max(self.confirmed) {
            self.idle_end = None;
            return Ok(());
        }
        let is_paid = handed_over <= self.confirmed;
        if !is_paid || self.idle_advanced_at.elapsed() < IDLE_ADVANCE_EVERY || self.run.decoder.is_ready() {
            return Ok(());
        }
        self.idle_advanced_at = Instant::now();
        self.idle_end = None;
        let batch = self.run.decoder.sign_of_life(end);
        self.hand_over(batch)
    }

    /// Tells the server what was received and what is confirmed: when it asks, when there is news, and otherwise often enough
    /// that it does not take us for dead.
    fn feedback_if_due(&mut self) -> Result<(), Trouble> {
        if let Some(confirmed) = self.run.confirmed() {
            self.confirmed = self.confirmed.max(confirmed);
        }
        let since = self.feedback_at.elapsed();
        let is_news = self.confirmed > self.told && since >= FEEDBACK_GAP;
        let is_answer = self.is_asked && since >= ANSWER_GAP;
        if is_answer || is_news || since >= self.feedback_every {
            self.feedback()?;
        }
        Ok(())
    }

    fn feedback(&mut self) -> Result<(), Trouble> {
        let written = self.received.max(self.confirmed);
        self.link.send_copy(&standby_status(written, self.confirmed))?;
        self.told = self.confirmed;
        self.feedback_at = Instant::now();
        self.is_asked = false;
        self.run.intake.stats.confirmed.store(self.confirmed.0, Relaxed);
        self.run.intake.stats.received.fetch_max(self.received.0, Relaxed);
        Ok(())
    }

    fn close(mut self, ended: &Result<(), Trouble>) {
        self.scout.stop();
        let is_alive = matches!(ended, Ok(()) | Err(Trouble::Stopped | Trouble::Judged(_)));
        if !is_alive {
            return;
        }
        if let Some(confirmed) = self.run.confirmed() {
            self.confirmed = self.confirmed.max(confirmed);
        }
        if let Err(trouble) = self.feedback() {
            tracing::debug!(?trouble, "last feedback was not heard");
        }
        self.link.close(true);
    }
}

fn feedback_every(wal_sender_timeout_ms: u64) -> Duration {
    match wal_sender_timeout_ms {
        // Never timed out.
        0 => FEEDBACK_EVERY,
        ms => Duration::from_millis(ms / 3).min(FEEDBACK_EVERY),
    }
}

fn wal_sender_timeout_ms(link: &mut Link) -> Result<u64, Trouble> {
    // On this very connection: the setting may differ by user and database.
    let sql = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'";
    let rows = link.query("ask for wal_sender_timeout", sql, Some(QUERY_MAX))?;
    let setting = rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok());
    setting.ok_or_else(|| {
        Trouble::Judged(fatal(
            "the server does not say its wal_sender_timeout; is it a PostgreSQL of version 14 to 18?",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_of_the_server_sets_the_pace_of_feedback() {
        assert_eq!(feedback_every(0), FEEDBACK_EVERY);
        assert_eq!(feedback_every(60_000), FEEDBACK_EVERY);
        assert_eq!(feedback_every(3_000), Duration::from_secs(1));
    }
}
