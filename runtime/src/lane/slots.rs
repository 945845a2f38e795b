//! Attempts that all lanes of a process may have in the air together. One hanging customer must not take what others need: a
//! lane's first attempt is always its own, and of those that are lent no lane gets more than a tenth.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is lent unless set otherwise.
pub const SLOTS_MAX: usize = 2_048;
/// No lane has more than this part of them.
const SHARE: usize = 10;

/// The slots of a process.
#[derive(Clone)]
pub struct Slots(Arc<Pool>);

struct Pool {
    limit: usize,
    lent: AtomicUsize,
}

impl Default for Slots {
    fn default() -> Self {
        Self::new(SLOTS_MAX)
    }
}

impl Slots {
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Pool { limit, lent: AtomicUsize::new(0) }))
    }

    /// Slots that are lent now; each lane's first one is not counted.
    pub fn lent(&self) -> usize {
        self.0.lent.load(Relaxed)
    }

    pub(super) fn account(&self) -> Account {
        Account { slots: self.clone(), borrowed: 0 }
    }
}

/// What one lane has borrowed; given back when it is dropped.
pub(super) struct Account {
    slots: Slots,
    borrowed: usize,
}

impl Account {
    /// Takes a slot for one more attempt beside `flights` others. A lane that gets none waits for one of its own to land.
    pub(super) fn take(&mut self, flights: usize) -> bool {
        if flights == 0 {
            return true;
        }
        let Pool { limit, lent } = &*self.slots.0;
        if self.borrowed >= (*limit / SHARE).max(1) {
            return false;
        }
        let taken = lent.try_update(Relaxed, Relaxed, |lent| (lent < *limit).then_some(lent + 1)).is_ok();
        self.borrowed += usize::from(taken);
        taken
    }

    /// After an attempt has landed.
    pub(super) fn give_back(&mut self) {
        if self.borrowed > 0 {
            self.borrowed -= 1;
            self.slots.0.lent.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.slots.0.lent.fetch_sub(self.borrowed, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_lane_takes_more_than_its_share_and_everyone_has_one() {
        let slots = Slots::new(20);
        let (mut greedy, mut modest) = (slots.account(), slots.account());
        let taken = (0..50).filter(|flights| greedy.take(*flights)).count();
        assert_eq!((taken, slots.lent()), (3, 2), "its own and a tenth of twenty");
        let others: Vec<Account> = (0..9)
            .map(|_| {
                let mut account = slots.account();
                assert!(account.take(0) && account.take(1) && account.take(2));
                account
            })
            .collect();
        assert_eq!(slots.lent(), 20);
        assert!(modest.take(0), "its first needs none of them");
        assert!(!modest.take(1));
        greedy.give_back();
        assert!(modest.take(1));
        drop((greedy, others));
        assert_eq!(slots.lent(), 1);
    }
}
