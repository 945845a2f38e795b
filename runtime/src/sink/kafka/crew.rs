//! Who sends: the producer of the day, which is replaced when it breaks, and the solitary one for suspects.

use super::KafkaError;
use super::journal::Journal;
use super::options::Options;
use super::producer::Producer;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) struct Crew {
    options: Arc<Options>,
    journal: Arc<Journal>,
    current: Mutex<Arc<Producer>>,
    /// Made when first needed. Whoever holds the lock is alone with it.
    solitary: tokio::sync::Mutex<Option<Arc<Producer>>>,
}

/// The solitary producer, for one attempt at a time.
pub(super) struct Alone<'a>(tokio::sync::MutexGuard<'a, Option<Arc<Producer>>>);

impl Crew {
    pub(super) fn new(options: Arc<Options>, journal: Arc<Journal>) -> Result<Self, KafkaError> {
        let first = Arc::new(options.producer(&journal)?);
        Ok(Self { options, journal, current: Mutex::new(first), solitary: tokio::sync::Mutex::new(None) })
    }

    /// The producer to send with. One that is broken is replaced first; those who wait for its answers still get them.
    pub(super) fn producer(&self) -> Result<Arc<Producer>, KafkaError> {
        let mut current = self.current();
        if let Some((_, reason)) = current.broken() {
            let reason = self.journal.masked(&reason);
            tracing::info!(
                brokers = self.journal.brokers(),
                reason,
                "producer is replaced; what it had not delivered goes out again"
            );
            *current = Arc::new(self.options.producer(&self.journal)?);
        }
        Ok(current.clone())
    }

    /// Takes the solitary producer; waits while another attempt has it.
    pub(super) async fn alone(&self) -> Result<Alone<'_>, KafkaError> {
        let mut solitary = self.solitary.lock().await;
        if solitary.as_ref().is_none_or(|producer| producer.broken().is_some()) {
            *solitary = Some(Arc::new(self.options.solitary_producer(&self.journal)?));
        }
        Ok(Alone(solitary))
    }

    fn current(&self) -> MutexGuard<'_, Arc<Producer>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alone<'_> {
    pub(super) fn producer(&self) -> &Arc<Producer> {
        self.0.as_ref().expect("made when it was taken")
    }
}
