//! One attempt for many messages: what has been answered, and what is still to be asked.

use super::Refusal;
use super::address::Address;
use super::answer::{self, Trouble};
use super::call::{Call, Kind, Way};
use redis::Value;
use std::sync::Arc;

type Outcome = Result<(), Refusal>;

/// The outcomes of a flight, as they come in.
pub(super) struct Tally {
    outcomes: Vec<Option<Outcome>>,
}

/// What the answers of a call lead to.
pub(super) enum Next {
    /// All its members have their outcomes.
    Done,
    /// It is to be sent once more.
    Again(Call),
}

/// What the answers say about the server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doubt {
    /// It is not the one to ask: its connection is given up.
    pub(super) is_elsewhere: bool,
    /// Slots have moved.
    pub(super) moved: bool,
}

impl Tally {
    pub(super) fn new(len: usize) -> Self {
        Self { outcomes: (0..len).map(|_| None).collect() }
    }

    pub(super) fn settle(&mut self, index: usize, outcome: Outcome) {
        self.outcomes[index] = Some(outcome);
    }

    fn settle_all(&mut self, call: &Call) {
        call.members.iter().for_each(|&index| self.settle(index as usize, Ok(())));
    }

    pub(super) fn refuse_all(&mut self, call: &Call, refusal: &Refusal) {
        for &index in &call.members {
            self.settle(index as usize, Err(refusal.clone()));
        }
    }

    pub(super) fn into_outcomes(self) -> Vec<Outcome> {
        let silent = || Err(answer::passing("no answer".into()));
        self.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(silent)).collect()
    }

    /// Takes the answers to one call. `asked` is the node of a cluster that gave them, if it is one.
    pub(super) fn take(
        &mut self,
        mut call: Call,
        answers: &[Value],
        asked: Option<&Address>,
        doubt: &mut Doubt,
    ) -> Next {
        let Some(error) = answers.iter().find_map(whole_error) else {
            self.take_each(&call, answers, doubt);
            return Next::Done;
        };
        let trouble = Trouble::parse(&error);
        if trouble.code == "NOSCRIPT" && call.kind.script().is_some() {
            call.load = true;
            return Next::Again(call);
        }
        if let Some(asked) = asked
            && let Some(way) = redirection(&trouble, asked)
        {
            doubt.moved |= matches!(way, Way::Moved(_));
            call.way = way;
            return Next::Again(call);
        }
        doubt.is_elsewhere |= trouble.is_elsewhere();
        self.refuse_all(&call, &trouble.refusal());
        Next::Done
    }

    /// No command failed as a whole. Scripts have an answer for each member.
    fn take_each(&mut self, call: &Call, answers: &[Value], doubt: &mut Doubt) {
        let each = match (call.kind, answers.last()) {
            (Kind::Push | Kind::Publish | Kind::Plain, _) => return self.settle_all(call),
            (Kind::Guarded, Some(Value::Int(applied))) if usize::try_from(*applied) == Ok(call.members.len()) => {
                return self.settle_all(call);
            }
            (Kind::Guarded | Kind::Append { .. }, Some(Value::Array(each))) => each.as_slice(),
            (Kind::Guarded | Kind::Append { .. }, _) => &[],
        };
        let mut repeats = 0;
        for (position, &index) in call.members.iter().enumerate() {
            let outcome = match each.get(position) {
                None => continue,
                Some(Value::Int(applied)) => {
                    repeats += u32::from(*applied == 0);
                    Ok(())
                }
                Some(value) => {
                    let error = answer::error(value).unwrap_or_else(|| "ERR no such answer is known".into());
                    let trouble = Trouble::parse(&error);
                    doubt.is_elsewhere |= trouble.is_elsewhere();
                    Err(trouble.refusal())
                }
            };
            self.settle(index as usize, outcome);
        }
        if repeats > 0 {
            tracing::trace!(repeats, "newer than these was there already");
        }
    }
}

/// A command's own error, rather than one in a script's list.
fn whole_error(value: &Value) -> Option<String> {
    matches!(value, Value::ServerError(_)).then(|| answer::error(value)).flatten()
}

/// `MOVED 3999 127.0.0.1:6381`, `ASK 3999 127.0.0.1:6381`
fn redirection(trouble: &Trouble<'_>, asked: &Address) -> Option<Way> {
    let target = || Some(Arc::new(asked.redirected(trouble.detail.split(' ').nth(1)?)?));
    match trouble.code {
        "MOVED" => Some(Way::Moved(target()?)),
        "ASK" => Some(Way::Ask(target()?)),
        _ => None,
    }
}
