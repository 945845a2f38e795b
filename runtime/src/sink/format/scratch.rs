//! A buffer that is lent again and again. What is written about a row grows as it is written, and its length is known only then;
//! copied from here it takes one allocation of just its size, where a buffer of its own takes several and keeps what it did not use
//! for as long as the message waits.

use bytes::Bytes;
use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// What one large row needed is given back.
const KEPT_BYTES_MAX: usize = 64 << 10;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// This thread's buffer, empty at first; whoever asks while it is lent gets a new one.
pub struct Scratch(Vec<u8>);

impl Scratch {
    pub fn lend() -> Self {
        Self(SPARE.take())
    }

    /// A copy of what was written.
    pub fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

impl Deref for Scratch {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.capacity() <= KEPT_BYTES_MAX {
            self.0.clear();
            // On a thread that ends there may be nowhere left to put it.
            let _ = SPARE.try_with(|spare| spare.set(std::mem::take(&mut self.0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_comes_back_empty_and_is_never_lent_twice() {
        let mut first = Scratch::lend();
        first.extend_from_slice(b"first");
        let mut second = Scratch::lend();
        assert!(second.is_empty());
        second.extend_from_slice(b"second");
        assert_eq!((&first.bytes()[..], &second.bytes()[..]), (&b"first"[..], &b"second"[..]));
        drop((first, second));
        let third = Scratch::lend();
        assert!(third.is_empty() && third.capacity() >= 5);
    }

    #[test]
    fn what_a_large_row_needed_is_given_back() {
        let mut large = Scratch::lend();
        large.resize(KEPT_BYTES_MAX + 1, 0);
        drop(large);
        assert_eq!(Scratch::lend().capacity(), 0);
    }
}
