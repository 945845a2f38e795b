//! A batch through the guests, one after the other: what one passes on, the next is offered, with the edits made so far.

use crate::change::{Batch, Edits, Op};
use crate::guest::{Emitted, Generation, Judgement, OfferedRow, Rejection, Transform};
use std::sync::Arc;

/// What became of a row.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// To every route that matches.
    Pass(Option<Arc<Edits>>),
    Drop,
    /// To the routes that the messages name.
    Emit {
        edits: Option<Arc<Edits>>,
        messages: Vec<Emitted>,
    },
    /// To the policy for bad rows.
    Reject {
        guest: String,
        generation: Generation,
        rejection: Box<Rejection>,
    },
}

/// Asks each guest that wants them about the given rows of a batch. One outcome per row, in order.
pub async fn judge(batch: &Arc<Batch>, rows: &[u32], guests: &[Arc<dyn Transform>]) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = rows.iter().map(|_| Outcome::Pass(None)).collect();
    for guest in guests {
        let mut wants = Wants::new(guest.as_ref());
        // Where in `outcomes` each offered row stands.
        let mut places = Vec::with_capacity(rows.len());
        let mut offered = Vec::with_capacity(rows.len());
        for (place, (&row, outcome)) in rows.iter().zip(&outcomes).enumerate() {
            if let Outcome::Pass(edits) = outcome
                && wants.row(batch, row as usize)
            {
                places.push(place);
                offered.push(OfferedRow { row, edits: edits.clone() });
            }
        }
        if offered.is_empty() {
            continue;
        }
        let judged = guest.judge(batch.clone(), offered).await;
        assert_eq!(judged.judgements.len(), places.len(), "a guest's worker judges every row that it is offered");
        for (place, judgement) in places.into_iter().zip(judged.judgements) {
            apply(&mut outcomes[place], judgement, guest.name(), &judged.generation);
        }
    }
    outcomes
}

fn apply(outcome: &mut Outcome, judgement: Judgement, guest: &str, generation: &Generation) {
    let earlier = || match &*outcome {
        Outcome::Pass(Some(edits)) => Some(edits.clone()),
        _ => None,
    };
    *outcome = match judgement {
        Judgement::Pass => return,
        Judgement::Drop => Outcome::Drop,
        Judgement::Edit(edits) => Outcome::Pass(merged(earlier(), *edits)),
        Judgement::Emit(emission) => {
            Outcome::Emit { edits: merged(earlier(), emission.edits), messages: emission.messages }
        }
        Judgement::Reject(rejection) => {
            Outcome::Reject { guest: guest.to_owned(), generation: generation.clone(), rejection }
        }
    };
}

fn merged(earlier: Option<Arc<Edits>>, later: Edits) -> Option<Arc<Edits>> {
    match (earlier, later.is_empty()) {
        (earlier, true) => earlier,
        (None, false) => Some(Arc::new(later)),
        (Some(earlier), false) => {
            let mut edits = Arc::unwrap_or_clone(earlier);
            edits.merge(later);
            Some(Arc::new(edits))
        }
    }
}

/// Remembers the guest's answer for the last table and operation: rows of a batch mostly share them.
struct Wants<'g> {
    guest: &'g dyn Transform,
    last: Option<(u32, Op, bool)>,
}

impl<'g> Wants<'g> {
    fn new(guest: &'g dyn Transform) -> Self {
        Self { guest, last: None }
    }

    fn row(&mut self, batch: &Batch, row: usize) -> bool {
        let head = &batch.frame.rows[row];
        match self.last {
            Some((schema, op, answer)) if schema == head.schema && op == head.op => answer,
            _ => {
                let answer = self.guest.wants(batch.schema_of(row), head.op);
                self.last = Some((head.schema, head.op, answer));
                answer
            }
        }
    }
}
