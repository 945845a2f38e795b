//! The corridor: a batch in, messages out, tickets paid or passed on.
//!
//! ```text
//!   (batch, ticket) ─▶ tables? ─▶ guests (chain) ─▶ policy for refused rows ─▶ routes ─▶ ticket.owe(n) ─▶ lanes
//!                  └─▶ notices, between the rows that they stood between ───────┘
//! ```
//!
//! The corridor holds one unpaid share of each ticket until all of a batch's messages stand in lanes, so nothing is confirmed
//! that it has not looked at. A full lane makes it wait, which stops the source; it never skips.

mod address;
pub mod bench;
mod chain;
mod dead;
mod heart;
mod ids;
#[cfg(test)]
mod notice_tests;
mod notices;
mod policy;
mod recorded;
mod rehearsal;
mod render;
mod route;
mod said;
mod shape;
#[cfg(test)]
mod shape_tests;
mod tally;
#[cfg(test)]
mod tests;

/// What `recorded` makes.
pub use crate::telemetry::RecordedRow;
pub use dead::revived;
pub use heart::PipelineSource;
pub use policy::OnError;
pub use rehearsal::{Fate, Rehearsed, RehearsedMessage, rehearse};
pub use render::{Escape, RenderError, render};
pub use route::{Road, Route, RouteSettings, TableFilter};
pub use shape::{Body, CacheForm, Shape};

use crate::change::{Batch, Schema, Template};
use crate::guest::{Generation, Rejection, Transform};
use crate::lane::{Lane, Parcel, Turned};
use crate::ledger::Ticket;
use crate::sink::format::ShownRow;
use crate::store::{DeadLetter, Store};
use crate::telemetry::{PipelineStats, TappedRow, count};
use address::address;
use chain::Outcome;
use dead::Cause;
use heart::Heart;
use policy::Policy;
use route::{Addressed, Unroutable};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Rows that were dead and wait to be tried again, per pipeline.
pub const REVIVED_LEN_MAX: usize = 1;
/// After a failure the store is left alone for so long; what is dead waits, and so does everything behind it.
const BURY_RETRY: Duration = Duration::from_secs(1);

/// Batches that wait for the corridor, per pipeline; each is at most about 1 MiB unless one row is larger.
pub const INBOX_LEN_MAX: usize = 4;
/// How long a halted pipeline waits before it asks its guests again.
const HALT_RETRY: Duration = Duration::from_secs(2);
/// The same complaint is logged once per this time, with the number of those held back.
const COMPLAINT_EVERY: Duration = Duration::from_secs(1);

/// The guests of a pipeline as they stand now, in order. Asked once per batch.
pub type Chain = Arc<dyn Fn() -> Vec<Arc<dyn Transform>> + Send + Sync>;

/// Whether rows of a table belong to a pipeline, by source and `schema.table`.
pub type Tables = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// What a pipeline is made of.
pub struct PipelineSettings {
    pub name: String,
    pub tables: Tables,
    pub on_error: OnError,
    pub routes: Vec<Route>,
    /// Asked about by heartbeats alone.
    pub sources: Vec<PipelineSource>,
    pub guests: Chain,
    /// Takes what becomes no message.
    pub store: Arc<dyn Store>,
    pub stats: Arc<PipelineStats>,
}

/// One pipeline at work.
pub struct Corridor {
    settings: PipelineSettings,
    policy: Policy,
    complaints: Complaints,
    name: Arc<str>,
    /// Of the batch that is walked: set aside before its ticket is paid.
    dead: Vec<DeadLetter>,
    /// Whether any route does.
    tells_transactions: bool,
    heart: Heart,
}

/// Batches with their tickets, on the way to a corridor.
pub type Inbox = mpsc::Receiver<(Arc<Batch>, Ticket)>;

/// The row that is being walked through the routes.
struct Walked<'a> {
    batch: &'a Batch,
    row: usize,
    /// It was dead, and somebody wants it tried again.
    again: bool,
}

/// What is decided once per table version and batch rather than per row.
struct TablePlan<'a> {
    schema: &'a Schema,
    wanted: bool,
}

impl Corridor {
    pub fn new(settings: PipelineSettings) -> Self {
        let (policy, name) = (Policy::new(settings.on_error), settings.name.as_str().into());
        let tells_transactions = settings.routes.iter().any(|route| route.tally().is_some());
        let heart = Heart::new(&settings.routes, &settings.sources);
        Self { policy, settings, complaints: Complaints::default(), name, dead: Vec::new(), tells_transactions, heart }
    }

    /// Takes batches until the inbox is closed, and dead rows that somebody wants tried again. May be dropped at any await: tickets
    /// stay unpaid, and the rows are read again.
    pub async fn run(mut self, mut inbox: Inbox, mut revived: Inbox) {
        loop {
            let ((batch, ticket), again) = tokio::select! {
                biased;
                // 1. What somebody asked for; few, and one at a time.
                Some(row) = revived.recv() => (row, true),
                // 2. A heartbeat; the log may always have something.
                () = self.heart.due() => {
                    self.beat().await;
                    continue;
                }
                // 3. The log.
                batch = inbox.recv() => match batch {
                    Some(batch) => (batch, false),
                    None => return,
                },
            };
            self.walk(&batch, &ticket, again).await;
            self.bury().await;
            ticket.settle();
        }
    }

    /// Sets aside what became no message. Until it is safe nothing goes on: the ticket is not paid before.
    async fn bury(&mut self) {
        while !self.dead.is_empty() {
            match self.settings.store.bury(self.dead.clone()).await {
                Ok(()) => self.dead.clear(),
                Err(reason) => {
                    if !self.settings.stats.halted.replace(Some(reason.to_string())) {
                        error!(pipeline = self.settings.name, %reason, "halted, a row can not be set aside");
                    }
                    tokio::time::sleep(BURY_RETRY).await;
                    continue;
                }
            }
            if self.settings.stats.halted.replace(None) {
                info!(pipeline = self.settings.name, "goes on");
            }
        }
    }

    /// One batch through guests and routes, until all its messages stand in lanes.
    async fn walk(&mut self, batch: &Arc<Batch>, ticket: &Ticket, again: bool) {
        let rows = self.wanted_rows(batch);
        if rows.is_empty() && batch.notices.is_empty() {
            return;
        }
        let stats = self.settings.stats.clone();
        stats.rows_total.fetch_add(rows.len() as u64, Relaxed);
        let outcomes = self.judge(batch, &rows).await;
        let mut addressed = Vec::with_capacity(rows.len());
        let mut notices = batch.notices.as_slice();
        for (&row, outcome) in rows.iter().zip(outcomes) {
            while let Some((notice, rest)) = notices.split_first().filter(|(notice, _)| notice.before_row <= row) {
                self.notice(batch, notice, &mut addressed);
                notices = rest;
            }
            let row = row as usize;
            if self.tells_transactions {
                self.count(&Walked { batch, row, again }, &mut addressed);
            }
            if stats.recorder.is_open() {
                let table = batch.schema_of(row).full_name();
                stats.recorder.take(&table, |masked| recorded::recorded(batch, row, masked));
            }
            let seen = stats.tap.is_open().then(|| (tapped(batch, row, &outcome), addressed.len()));
            self.route(&Walked { batch, row, again }, outcome, &mut addressed);
            if let Some((seen, before)) = seen {
                stats.tap.push(TappedRow { messages: (addressed.len() - before) as u64, ..seen });
            }
        }
        for notice in notices {
            self.notice(batch, notice, &mut addressed);
        }
        stats.messages_total.fetch_add(addressed.len() as u64, Relaxed);
        ticket.owe(addressed.len() as u64);
        for Addressed { lane, message } in addressed {
            if let Err(turned) = lane.push(Parcel { message, ticket: ticket.clone() }).await {
                self.take_back(turned, &lane);
            }
        }
    }

    /// A lane did not take a message. While the house closes the row will be read again; a member that was taken out meanwhile has
    /// become no receiver.
    fn take_back(&mut self, turned: Turned, lane: &Lane) {
        if !turned.is_retired {
            return;
        }
        count(&self.settings.stats.unroutable_total);
        let Parcel { message, ticket } = turned.parcel;
        let reason = "its member was taken out of the configuration";
        if let Some(held_back) = self.complaints.due(reason) {
            warn!(pipeline = self.settings.name, id = %message.id, held_back, "message has no receiver and is set aside: {reason}");
        }
        self.dead.push(lane.letter(message, reason.to_owned()));
        // Paid here, but the batch's own share is not before everything is set aside.
        ticket.settle();
    }

    fn wanted_rows(&self, batch: &Batch) -> Vec<u32> {
        let plan = |schema| {
            let schema: &Schema = schema;
            TablePlan { schema, wanted: (self.settings.tables)(&batch.source, &schema.full_name()) }
        };
        let plans: Vec<TablePlan<'_>> = batch.schemas.iter().map(|s| plan(s)).collect();
        let wanted = |id: u32| plans.iter().any(|p| p.schema.id.0 == id && p.wanted);
        match plans.as_slice() {
            [only] if only.wanted => (0..batch.len() as u32).collect(),
            [_] => Vec::new(),
            _ => (0..batch.len() as u32).filter(|&row| wanted(batch.frame.rows[row as usize].schema)).collect(),
        }
    }

    /// Asks the guests, again and again while the policy halts.
    async fn judge(&mut self, batch: &Arc<Batch>, rows: &[u32]) -> Vec<Outcome> {
        loop {
            let outcomes = chain::judge(batch, rows, &(self.settings.guests)()).await;
            let Some(reason) = self.policy.halts(&outcomes) else {
                if self.settings.stats.halted.replace(None) {
                    info!(pipeline = self.settings.name, "goes on");
                }
                return outcomes;
            };
            if !self.settings.stats.halted.replace(Some(reason.clone())) {
                let first = outcomes.iter().find_map(|o| match o {
                    Outcome::Reject { guest, generation, rejection } => Some((guest, generation, rejection)),
                    _ => None,
                });
                let (guest, generation, rejection) = first.expect("a policy halts over refused rows");
                error!(
                    pipeline = self.settings.name,
                    guest,
                    generation = %generation.0,
                    code = rejection.code,
                    message = rejection.message,
                    "halted, nothing is confirmed: {reason}; put a mended .wasm in its place"
                );
            }
            tokio::time::sleep(HALT_RETRY).await;
        }
    }

    fn route(&mut self, walked: &Walked<'_>, outcome: Outcome, out: &mut Vec<Addressed>) {
        let Walked { batch, row, again } = *walked;
        let mut refused = Vec::new();
        address(&self.settings.routes, (batch, row, again), &outcome, out, &mut |attempt| {
            refused.extend(attempt.made.err());
        });
        self.set_aside(walked, refused);
        if let Outcome::Reject { guest, generation, rejection } = outcome {
            self.refuse(walked, guest, generation, *rejection);
        }
    }

    /// A guest refused the row.
    fn refuse(&mut self, walked: &Walked<'_>, guest: String, generation: Generation, rejection: Rejection) {
        let Walked { batch, row, .. } = *walked;
        count(&self.settings.stats.dead_total);
        if self.settings.on_error == OnError::Skip {
            return;
        }
        let Rejection { code, message, backtrace } = rejection;
        if let Some(held_back) = self.complaints.due(&code) {
            warn!(
                pipeline = self.settings.name,
                guest,
                generation = %generation.0,
                table = batch.schema_of(row).full_name(),
                row = dead::row_id(batch, row),
                code,
                message,
                backtrace,
                held_back,
                "row refused by the guest and set aside"
            );
        }
        let (reason, generation) = (format!("{code}: {message}"), Some(generation.0.to_string()));
        let cause = Cause { reason, guest: Some(guest), generation, backtrace };
        self.dead.push(dead::letter(&self.name, batch, row, cause));
    }

    /// Messages of the row that could not be made. It is set aside once, whole.
    fn set_aside(&mut self, walked: &Walked<'_>, refused: Vec<Unroutable>) {
        let Walked { batch, row, .. } = *walked;
        let mut reasons = Vec::with_capacity(refused.len());
        for reason in refused {
            count(&self.settings.stats.unroutable_total);
            let reason = reason.to_string();
            if let Some(held_back) = self.complaints.due(&reason) {
                warn!(
                    pipeline = self.settings.name,
                    table = batch.schema_of(row).full_name(),
                    row = dead::row_id(batch, row),
                    held_back,
                    "row has no receiver and is set aside: {reason}"
                );
            }
            reasons.push(reason);
        }
        if !reasons.is_empty() {
            let cause = Cause { reason: reasons.join("; "), ..Cause::default() };
            self.dead.push(dead::letter(&self.name, batch, row, cause));
        }
    }
}

/// A row as somebody who watches sees it.
fn tapped(batch: &Batch, row: usize, outcome: &Outcome) -> TappedRow {
    let schema = batch.schema_of(row);
    let shown = ShownRow { schema, row: batch.row(row), edits: None };
    let key = Template::parse("{key}").ok().and_then(|key| render(&key, &shown, Escape::Plain).ok());
    let verdict = match outcome {
        Outcome::Pass(edits) => if edits.is_some() { "pass, edited" } else { "pass" }.to_owned(),
        Outcome::Drop => "drop".into(),
        Outcome::Emit { messages, .. } => {
            let routes: Vec<&str> = messages.iter().map(|message| message.route.as_str()).collect();
            format!("emit to {}", routes.join(", "))
        }
        Outcome::Reject { guest, rejection, .. } => {
            format!("reject, by {guest}: {}: {}", rejection.code, rejection.message)
        }
    };
    let op = shown.row.head.op.name().to_owned();
    TappedRow { number: 0, op, table: schema.full_name(), key: key.unwrap_or_default(), verdict, messages: 0 }
}

/// Keeps a flood of bad rows from becoming a flood of lines.
#[derive(Default)]
struct Complaints {
    last: HashMap<String, (Instant, u64)>,
}

/// Kinds of complaints that are told apart; beyond that the oldest are forgotten.
const COMPLAINT_KINDS_MAX: usize = 256;

impl Complaints {
    /// Whether to speak, and how many were held back since the last time.
    fn due(&mut self, kind: &str) -> Option<u64> {
        let now = Instant::now();
        if let Some((at, held_back)) = self.last.get_mut(kind) {
            if now.duration_since(*at) < COMPLAINT_EVERY {
                *held_back += 1;
                return None;
            }
            *at = now;
            return Some(std::mem::take(held_back));
        }
        if self.last.len() >= COMPLAINT_KINDS_MAX {
            self.last.clear();
        }
        self.last.insert(kind.to_owned(), (now, 0));
        Some(0)
    }
}
