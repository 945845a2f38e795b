//! What becomes of a change: Debezium's own envelope, or what one of its transformations or converters makes of it.

use super::cloud::CloudEvents;
use super::outbox::Outbox;
use super::unwrap::Unwrap;

/// The form of a record's value, and with `Outbox` of all of the record.
#[derive(Clone, Debug, Default)]
pub enum Form {
    #[default]
    Envelope,
    /// As `ExtractNewRecordState`.
    Unwrap(Unwrap),
    /// As `EventRouter`.
    Outbox(Box<Outbox>),
    /// As `CloudEventsConverter`.
    CloudEvents(CloudEvents),
}

impl Form {
    /// The same for Kafka's records, whose headers are other ones than HTTP's.
    pub fn of_records(self) -> Self {
        match self {
            Self::CloudEvents(events) => Self::CloudEvents(events.of_records()),
            other => other,
        }
    }
}

/// Options by their names.
pub type Options = [(String, String)];

/// The refusal of an option that a form does not have.
pub(super) fn unknown(name: &str, form: &str) -> String {
    format!("{name} is no option of {form} that is known here")
}

/// `a, b` as its parts.
pub(super) fn listed(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty())
}
