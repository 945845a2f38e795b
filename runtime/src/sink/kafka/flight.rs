//! What became of records that went out together. The thread that hears librdkafka writes, one task waits, and is woken once.

use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Why a message was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// librdkafka did not take it: the broker has not seen it.
    Rejected(Code),
    /// It was reported as failed.
    Failed(Code),
    /// It was never handed over, for one before it failed.
    HeldBack,
}

/// A message, by its index in the attempt, that was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) index: u32,
    pub(super) why: Why,
}

/// Records in the air, and one share for the sender, so that it can not land before everything is sent.
pub(super) struct Flight {
    unanswered: AtomicUsize,
    stopped: AtomicBool,
    failures: Mutex<Vec<Failure>>,
    landed: Notify,
}

/// Travels through librdkafka with a record. Exactly one of its two methods is called when the record's fate is known.
pub(super) struct Receipt {
    flight: Arc<Flight>,
    index: u32,
}

impl Flight {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            unanswered: AtomicUsize::new(1),
            stopped: AtomicBool::new(false),
            failures: Mutex::new(Vec::new()),
            landed: Notify::new(),
        })
    }

    /// For a record that is about to be handed over.
    pub(super) fn receipt(self: &Arc<Self>, index: u32) -> Box<Receipt> {
        self.unanswered.fetch_add(1, AcqRel);
        Box::new(Receipt { flight: self.clone(), index })
    }

    /// Whether a record has come back failed: nothing more may be sent then, or it could overtake.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Acquire)
    }

    /// Nothing more may be sent.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Release);
    }

    /// Records without an answer; it shrinks while brokers acknowledge.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.load(Acquire)
    }

    pub(super) fn fail(&self, index: u32, why: Why) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(Failure { index, why });
    }

    /// Everything is sent. Wait for [`Flight::landed`] now.
    pub(super) fn all_sent(&self) {
        self.settle();
    }

    /// Resolves once, when every record has its answer.
    pub(super) async fn landed(&self) {
        self.landed.notified().await;
    }

    /// The messages that failed, in order, each once: of a record and its tombstone the first that failed.
    pub(super) fn failures(&self) -> Vec<Failure> {
        let mut failures = std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        failures.sort_by_key(|failure| failure.index);
        failures.dedup_by_key(|failure| failure.index);
        failures
    }

    fn settle(&self) {
        if self.unanswered.fetch_sub(1, AcqRel) == 1 {
            self.landed.notify_one();
        }
    }
}

impl Receipt {
    pub(super) fn acknowledged(self) {
        self.flight.settle();
    }

    pub(super) fn failed(self, code: Code) {
        self.flight.fail(self.index, Why::Failed(code));
        self.flight.stop();
        self.flight.settle();
    }

    /// librdkafka did not take the record: there will be no report.
    pub(super) fn returned(self) {
        self.flight.settle();
    }
}
