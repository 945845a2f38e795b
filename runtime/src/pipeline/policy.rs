//! What happens to rows that a guest refused, and when a guest refuses so many that it must be broken.

use super::chain::Outcome;

/// The pipeline's `on_error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Set the row aside, say so, go on.
    #[default]
    DeadLetter,
    /// Count it, go on.
    Skip,
    /// Hold everything until a guest accepts the row.
    Halt,
}

/// Rows over which refusals are counted before the count starts again.
const WINDOW_ROWS: u64 = 1_000;
/// So many refusals within a window mean a broken guest: the pipeline halts rather than empty a table into the dead letters.
const WINDOW_REJECTED_MAX: u64 = 500;

/// Counts refusals.
#[derive(Debug)]
pub struct Policy {
    on_error: OnError,
    judged: u64,
    rejected: u64,
    /// Set by too many refusals, until a guest accepts most of the rows again.
    broken: bool,
}

impl Policy {
    pub fn new(on_error: OnError) -> Self {
        Self { on_error, judged: 0, rejected: 0, broken: false }
    }

    /// Why the pipeline must halt before these outcomes go anywhere, if it must. Asked again for the same rows after a halt.
    pub fn halts(&mut self, outcomes: &[Outcome]) -> Option<String> {
        let rejected = outcomes.iter().filter(|o| matches!(o, Outcome::Reject { .. })).count() as u64;
        if self.on_error == OnError::Halt && rejected > 0 {
            return Some(format!("{rejected} rows were refused and on_error is \"halt\""));
        }
        let rows = outcomes.len() as u64;
        if self.broken && rejected * 2 > rows {
            return Some(format!("{rejected} of {rows} rows are still refused: the guest looks broken"));
        }
        if std::mem::take(&mut self.broken) || self.judged >= WINDOW_ROWS {
            (self.judged, self.rejected) = (0, 0);
        }
        if self.rejected + rejected >= WINDOW_REJECTED_MAX {
            self.broken = true;
            let (rejected, judged) = (self.rejected + rejected, self.judged + rows);
            return Some(format!("{rejected} of the last {judged} rows were refused: the guest looks broken"));
        }
        self.judged += rows;
        self.rejected += rejected;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::{Generation, Rejection};

    fn refused(n: usize) -> Vec<Outcome> {
        let rejection = Rejection { code: "bad".into(), message: String::new(), backtrace: None };
        let outcome =
            Outcome::Reject { guest: "g".into(), generation: Generation("1".into()), rejection: Box::new(rejection) };
        vec![outcome; n]
    }

    #[test]
    fn broken_guest_halts_before_it_empties_a_table() {
        let mut policy = Policy::new(OnError::DeadLetter);
        assert_eq!(policy.halts(&refused(400)), None);
        assert!(policy.halts(&refused(100)).is_some());
        assert!(policy.halts(&refused(100)).is_some(), "the same rows, asked again, are no better");
        assert_eq!(policy.halts(&vec![Outcome::Drop; 100]), None, "a mended guest goes on");
    }

    #[test]
    fn few_refusals_among_many_rows_do_not_halt() {
        let mut policy = Policy::new(OnError::DeadLetter);
        for _ in 0..100 {
            assert_eq!(policy.halts(&refused(40)), None);
            assert_eq!(policy.halts(&vec![Outcome::Drop; 960]), None);
        }
    }

    #[test]
    fn halt_means_the_first_refusal() {
        assert!(Policy::new(OnError::Halt).halts(&refused(1)).is_some());
        assert_eq!(Policy::new(OnError::Skip).halts(&refused(1)), None);
    }
}
