//! One instance of librdkafka, and the thread that hears it: acknowledgements, errors, log lines.

use super::flight::Receipt;
use super::journal::Journal;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::DeliveryResult;
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// How long the thread listens before it looks whether it is to end or the producer is broken.
const LISTEN: Duration = Duration::from_millis(50);

/// How long a broken producer waits for answers to what it has sent, before it gives them up; about as long as brokers themselves
/// may take (`request.timeout.ms`). What is given up is sent again, and may be there already.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(30);

pub(super) type Record<'a> = BaseRecord<'a, [u8], [u8], Box<Receipt>>;

pub(super) struct Producer {
    /// Always there until the drop.
    base: Option<Arc<BaseProducer<Ear>>>,
    ended: Arc<AtomicBool>,
}

/// Hears what librdkafka says; on the producer's own thread.
pub(super) struct Ear(Arc<Journal>);

impl Ear {
    pub(super) fn new(journal: Arc<Journal>) -> Self {
        Self(journal)
    }
}

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.trouble(error.rdkafka_error_code(), reason);
    }
}

impl ProducerContext for Ear {
    type DeliveryOpaque = Box<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Box<Receipt>) {
        match result {
            Ok(_) => {
                self.0.heard();
                receipt.acknowledged();
            }
            Err((error, _)) => receipt.failed(error.rdkafka_error_code().unwrap_or(Code::Fail)),
        }
    }
}

impl Producer {
    /// # Errors
    /// If options contradict each other, or the system has no threads left.
    pub(super) fn new(config: &ClientConfig, journal: Arc<Journal>) -> KafkaResult<Self> {
        let base: Arc<BaseProducer<Ear>> = Arc::new(config.create_with_context(Ear::new(journal))?);
        let ended = Arc::new(AtomicBool::new(false));
        let (heard, until) = (base.clone(), ended.clone());
        thread::Builder::new()
            .name("kafka".into())
            .spawn(move || listen(&heard, &until))
            .map_err(|error| KafkaError::ClientCreation(format!("no thread for it: {error}")))?;
        Ok(Self { base: Some(base), ended })
    }

    /// Hands a record over, and gives it back if it was not taken.
    pub(super) fn send<'a>(&self, record: Record<'a>) -> Result<(), (Code, Record<'a>)> {
        self.base()
            .send(record)
            .map_err(|(error, record)| (error.rdkafka_error_code().unwrap_or(Code::InvalidArgument), record))
    }

    /// Records that are queued or in the air.
    pub(super) fn in_flight(&self) -> usize {
        usize::try_from(self.base().in_flight_count()).unwrap_or(0)
    }

    /// Why this producer will send nothing any more, if so.
    pub(super) fn broken(&self) -> Option<(Code, String)> {
        self.base().client().fatal_error()
    }

    /// Asks the brokers about one topic, or about all. Blocks.
    pub(super) fn metadata(&self, topic: Option<&str>, timeout: Duration) -> Result<Metadata, Code> {
        let asked = self.base().client().fetch_metadata(topic, timeout);
        asked.map_err(|error| error.rdkafka_error_code().unwrap_or(Code::Fail))
    }

    #[cfg(test)]
    pub(super) fn native(&self) -> *mut rdkafka::types::RDKafka {
        self.base().client().native_ptr()
    }

    fn base(&self) -> &BaseProducer<Ear> {
        self.base.as_ref().expect("there until the drop")
    }
}

impl Drop for Producer {
    /// The thread is the last to hold librdkafka's instance: taking it down takes a while, and this may be a task.
    fn drop(&mut self) {
        self.base = None;
        self.ended.store(true, Relaxed);
    }
}

fn listen(base: &BaseProducer<Ear>, ended: &AtomicBool) {
    let mut broken_at = None;
    while !ended.load(Relaxed) {
        base.poll(LISTEN);
        if base.client().fatal_error().is_none() || base.in_flight_count() == 0 {
            continue;
        }
        // What it has queued it will never send, and would keep for ever. Purged again and again, for what is refused on its way
        // comes back into the queue.
        let broken_at = *broken_at.get_or_insert_with(Instant::now);
        let queued = PurgeConfig::default().queue().non_blocking();
        base.purge(if broken_at.elapsed() < LAST_ANSWERS_WITHIN { queued } else { queued.inflight() });
    }
}
