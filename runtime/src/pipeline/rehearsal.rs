//! The corridor without its doors: what guests and routes make of a batch, for whoever wants to look at it. Nothing is delivered.

use super::address::address;
use super::chain::{self, Outcome};
use super::{OnError, PipelineSettings};
use crate::change::{Batch, Message, RowMark};
use std::sync::Arc;

/// What became of one row of a batch.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    pub mark: RowMark,
    pub fate: Fate,
    pub messages: Vec<RehearsedMessage>,
    /// Why messages could not be made; names columns and members, no other value.
    pub unroutable: Vec<String>,
}

/// What the guests decided.
#[derive(Clone, Debug)]
pub enum Fate {
    Pass,
    Drop,
    /// To routes that a guest named.
    Emit,
    Reject {
        guest: String,
        code: String,
        message: String,
        backtrace: Option<String>,
        /// What the pipeline does about it.
        on_error: OnError,
    },
}

/// A message with the way that it would take.
#[derive(Clone, Debug)]
pub struct RehearsedMessage {
    pub route: String,
    pub target: String,
    /// Empty for a target without members.
    pub member: String,
    pub message: Message,
}

/// Judges and routes the rows of a batch that are the pipeline's, in order.
pub async fn rehearse(settings: &PipelineSettings, batch: &Arc<Batch>) -> Vec<Rehearsed> {
    let is_ours = |row: &u32| (settings.tables)(&batch.source, &batch.schema_of(*row as usize).full_name());
    let rows: Vec<u32> = (0..batch.len() as u32).filter(is_ours).collect();
    let outcomes = chain::judge(batch, &rows, &(settings.guests)()).await;
    rows.into_iter().zip(outcomes).map(|(row, outcome)| one(settings, batch, row, outcome)).collect()
}

fn one(settings: &PipelineSettings, batch: &Batch, row: u32, outcome: Outcome) -> Rehearsed {
    let mut addressed = Vec::new();
    // Route, target and member of each message, found beside it: messages in lanes do not carry them.
    let mut ways = Vec::new();
    let mut unroutable = Vec::new();
    address(&settings.routes, (batch, row as usize, false), &outcome, &mut addressed, &mut |attempt| {
        if let Some(route) = attempt.route {
            let member = route.member(attempt.routed, attempt.emitted).unwrap_or_default();
            let way = (route.name().to_owned(), route.target().to_owned(), member);
            ways.extend(attempt.messages.map(|_| way.clone()));
        }
        unroutable.extend(attempt.made.err().map(|reason| reason.to_string()));
    });
    let messages = ways.into_iter().zip(addressed).map(|((route, target, member), addressed)| RehearsedMessage {
        route,
        target,
        member,
        message: addressed.message,
    });
    let fate = match outcome {
        Outcome::Pass(_) => Fate::Pass,
        Outcome::Drop => Fate::Drop,
        Outcome::Emit { .. } => Fate::Emit,
        Outcome::Reject { guest, rejection, .. } => Fate::Reject {
            guest,
            code: rejection.code,
            message: rejection.message,
            backtrace: rejection.backtrace,
            on_error: settings.on_error,
        },
    };
    Rehearsed { mark: batch.marks[row as usize], fate, messages: messages.collect(), unroutable }
}
