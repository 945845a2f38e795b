//! What an error means for the record that got it, and what to do about it.

use super::Refusal;
use crate::fault::Fault;
use rdkafka::types::RDKafkaErrorCode as Code;

/// What becomes of a record that was not acknowledged.
pub(super) enum Verdict {
    /// Refused, by itself; what is behind it may go on if it is `Poison`.
    Refused(Refusal),
    /// The batch was refused because of one record in it: this one or another.
    Suspect(Refusal),
    /// It was stopped because of another one, or its producer ended: it goes again.
    Again,
}

/// The meaning of an error that came back for a record on its way to `topic`.
pub(super) fn verdict(code: Code, topic: &str) -> Verdict {
    match code {
        Code::PurgeQueue | Code::PurgeInflight | Code::Fatal => Verdict::Again,
        // Of a producer that has ended: its successor counts anew.
        Code::GaplessGuarantee
        | Code::OutOfOrderSequenceNumber
        | Code::DuplicateSequenceNumber
        | Code::InvalidProducerEpoch
        | Code::UnknownProducerId
        | Code::Retry => Verdict::Again,
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => Verdict::Suspect(poison(format!(
            "topic {topic:?} takes no record of this size; raise its max.message.bytes (and librdkafka's message.max.bytes)"
        ))),
        Code::InvalidRecord => Verdict::Suspect(poison(format!(
            "topic {topic:?} refuses the record as invalid; a compacted topic, for example, wants a key: give the route one"
        ))),
        Code::InvalidTimestamp => Verdict::Suspect(poison(format!(
            "topic {topic:?} refuses the record's time; write timestamp = \"sent\" in the target, or, if that is so, see this machine's clock \
             and the topic's message.timestamp.before.max.ms and .after.max.ms"
        ))),
        Code::InvalidMessage | Code::InvalidMessageSize => {
            Verdict::Suspect(poison(format!("topic {topic:?} refuses the record: {code}")))
        }
        other => Verdict::Refused(refusal(other, topic)),
    }
}

/// The meaning of an error that concerns a whole topic.
pub(super) fn refusal(code: Code, topic: &str) -> Refusal {
    match code {
        Code::TopicAuthorizationFailed => fatal(format!(
            "not authorised to write to topic {topic:?}; as an administrator: kafka-acls.sh --add --allow-principal User:NAME \
             --producer --topic {topic}"
        )),
        Code::ClusterAuthorizationFailed => fatal(
            "not authorised to write with idempotence; as an administrator: kafka-acls.sh --add --allow-principal User:NAME \
             --operation IdempotentWrite --cluster"
                .into(),
        ),
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::UnknownTopicId => missing(topic),
        Code::InvalidTopic => fatal(format!(
            "the brokers do not take {topic:?} as a topic's name; it may collide with one that differs in `.` and `_` only"
        )),
        Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism | Code::IllegalSASLState => {
            fatal(format!("the brokers refuse the login: {code}; see librdkafka's sasl.* options"))
        }
        Code::UnsupportedVersion | Code::UnsupportedForMessageFormat | Code::UnsupportedCompressionType => {
            fatal(format!("the brokers are too old for the options in use: {code}; Kafka 0.11 is the oldest for idempotence"))
        }
        Code::InvalidRequiredAcks => fatal(format!("the brokers refuse `acks`: {code}")),
        _ => passing(format!("topic {topic:?}: {code}")),
    }
}

/// A topic is not there, and nobody makes it.
pub(super) fn missing(topic: &str) -> Refusal {
    fatal(format!(
        "topic {topic:?} does not exist; make it (kafka-topics.sh --create --topic {topic}), or let sluicegate make it: \
         topics.create = true"
    ))
}

pub(super) fn poison(reason: String) -> Refusal {
    Refusal { fault: Fault::Poison, reason, retry_after: None, answer: None }
}

pub(super) fn passing(reason: String) -> Refusal {
    Refusal { fault: Fault::Passing, reason, retry_after: None, answer: None }
}

pub(super) fn fatal(reason: String) -> Refusal {
    Refusal { fault: Fault::Fatal, reason, retry_after: None, answer: None }
}
