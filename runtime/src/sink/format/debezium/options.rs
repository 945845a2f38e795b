//! How values are written: Debezium's own options, with its names and defaults.

use super::columns::ColumnRules;
use super::names::Adjust;
use crate::change::DatabaseKind;
use std::time::Duration;

/// See `decimal.handling.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DecimalMode {
    #[default]
    Precise,
    Double,
    Text,
}

/// See `binary.handling.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BinaryMode {
    #[default]
    Bytes,
    Base64,
    Base64UrlSafe,
    Hex,
}

/// See `time.precision.mode`. Each connector has a default of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeMode {
    Adaptive,
    AdaptiveTimeMicroseconds,
    Connect,
    IsoString,
    Microseconds,
    Nanoseconds,
}

/// What bytes a record is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// JSON.
    #[default]
    Plain,
    /// JSON, with the record's schema in front of it.
    Schemas,
    /// Avro; the schema goes to a registry.
    Avro,
}

/// How a body of Debezium's form is written. The default is Debezium's, without schemas.
#[derive(Clone, Debug)]
pub struct DebeziumOptions {
    pub(super) encoding: Encoding,
    pub(super) schema_names: Adjust,
    pub(super) field_names: Adjust,
    pub(super) decimals: DecimalMode,
    /// Precise decimals as JSON's numbers, not as bytes.
    pub(super) decimal_numbers: bool,
    /// Digits behind the point of PostgreSQL's `money`.
    pub(super) money_digits: i32,
    pub(super) binary: BinaryMode,
    /// `None`: the connector's default.
    pub(super) time: Option<TimeMode>,
    pub(super) unsigned_precise: bool,
    pub(super) interval_text: bool,
    pub(super) hstore_map: bool,
    pub(super) unknown: bool,
    pub(super) query: bool,
    pub(super) tombstones: bool,
    pub(super) null_is_default: bool,
    pub(super) adjust_years: bool,
    pub(super) context_headers: bool,
    pub(super) placeholder: String,
    pub(super) transactions: bool,
    pub(super) schema_changes: bool,
    /// The end of the topic's name.
    pub(super) transaction_topic: String,
    pub(super) heartbeat: Option<Duration>,
    /// The beginning of the topic's name.
    pub(super) heartbeat_prefix: String,
    pub(super) columns: ColumnRules,
    /// `None`: the connector's default.
    pub(super) comments: Option<bool>,
}

impl Default for DebeziumOptions {
    fn default() -> Self {
        Self {
            encoding: Encoding::default(),
            schema_names: Adjust::default(),
            field_names: Adjust::default(),
            decimals: DecimalMode::default(),
            decimal_numbers: false,
            money_digits: 2,
            binary: BinaryMode::default(),
            time: None,
            unsigned_precise: false,
            interval_text: false,
            hstore_map: false,
            unknown: false,
            query: false,
            tombstones: true,
            null_is_default: true,
            adjust_years: true,
            context_headers: true,
            placeholder: "__debezium_unavailable_value".into(),
            transactions: false,
            schema_changes: false,
            transaction_topic: "transaction".into(),
            heartbeat: None,
            heartbeat_prefix: "__debezium-heartbeat".into(),
            columns: ColumnRules::default(),
            comments: None,
        }
    }
}

/// Every option that is understood.
const KNOWN: &[&str] = &[
    "decimal.handling.mode",
    "decimal.format",
    "money.fraction.digits",
    "binary.handling.mode",
    "time.precision.mode",
    "bigint.unsigned.handling.mode",
    "interval.handling.mode",
    "hstore.handling.mode",
    "unavailable.value.placeholder",
    "include.unknown.datatypes",
    "include.query",
    "tombstones.on.delete",
    "replace.null.with.default",
    "enable.time.adjuster",
    "extended.headers.enabled",
    "schema.name.adjustment.mode",
    "field.name.adjustment.mode",
    "provide.transaction.metadata",
    "include.schema.changes",
    "topic.transaction",
    "heartbeat.interval.ms",
    "topic.heartbeat.prefix",
    "include.schema.comments",
    "message.key.columns",
    "column.propagate.source.type",
    "datatype.propagate.source.type",
    "column.truncate.to.16.chars",
    "column.mask.with.16.chars",
];

/// Looks at one option by itself.
///
/// # Errors
/// A sentence that says what it may be.
pub fn check_option(name: &str, value: &str) -> Result<(), String> {
    DebeziumOptions::default().set(name, value)
}

impl DebeziumOptions {
    /// Reads options by Debezium's names.
    ///
    /// # Errors
    /// A sentence that names the option, what it may be, and what it was.
    pub fn parse(encoding: Encoding, options: &[(String, String)]) -> Result<Self, String> {
        // Avro has no other names.
        let names = if encoding == Encoding::Avro { Adjust::Avro } else { Adjust::No };
        let mut read = Self { encoding, schema_names: names, field_names: names, ..Self::default() };
        for (name, value) in options {
            read.set(name, value)?;
        }
        Ok(read)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "decimal.handling.mode" => {
                use DecimalMode::{Double, Precise, Text};
                self.decimals = choose(name, value, &[("precise", Precise), ("double", Double), ("string", Text)])?;
            }
            "decimal.format" => {
                let choices = [("base64", false), ("numeric", true)];
                let choices = if self.encoding == Encoding::Avro { &choices[..1] } else { &choices };
                // Kafka Connect spells them in capitals, and takes both.
                self.decimal_numbers = choose(name, &value.to_ascii_lowercase(), choices)?;
            }
            "money.fraction.digits" => {
                let digits = value.parse().ok().filter(|digits| (0..=MONEY_DIGITS_MAX).contains(digits));
                let rule = || format!("{name} is {value:?}; it must be 0 to {MONEY_DIGITS_MAX}");
                self.money_digits = digits.ok_or_else(rule)?;
            }
            "binary.handling.mode" => {
                use BinaryMode::{Base64, Base64UrlSafe, Bytes, Hex};
                let choices = [("bytes", Bytes), ("base64", Base64), ("base64-url-safe", Base64UrlSafe), ("hex", Hex)];
                self.binary = choose(name, value, &choices)?;
            }
            "time.precision.mode" => {
                let choices = [
                    ("adaptive", TimeMode::Adaptive),
                    ("adaptive_time_microseconds", TimeMode::AdaptiveTimeMicroseconds),
                    ("connect", TimeMode::Connect),
                    ("isostring", TimeMode::IsoString),
                    ("microseconds", TimeMode::Microseconds),
                    ("nanoseconds", TimeMode::Nanoseconds),
                ];
                self.time = Some(choose(name, value, &choices)?);
            }
            "bigint.unsigned.handling.mode" => {
                self.unsigned_precise = choose(name, value, &[("long", false), ("precise", true)])?;
            }
            "interval.handling.mode" => {
                self.interval_text = choose(name, value, &[("numeric", false), ("string", true)])?;
            }
            "hstore.handling.mode" => self.hstore_map = choose(name, value, &[("json", false), ("map", true)])?,
            "unavailable.value.placeholder" => value.clone_into(&mut self.placeholder),
            "include.unknown.datatypes" => self.unknown = choose(name, value, YES_NO)?,
            "include.query" => self.query = choose(name, value, YES_NO)?,
            "tombstones.on.delete" => self.tombstones = choose(name, value, YES_NO)?,
            "replace.null.with.default" => self.null_is_default = choose(name, value, YES_NO)?,
            "enable.time.adjuster" => self.adjust_years = choose(name, value, YES_NO)?,
            "extended.headers.enabled" => self.context_headers = choose(name, value, YES_NO)?,
            "include.schema.changes" => self.schema_changes = choose(name, value, YES_NO)?,
            "include.schema.comments" => self.comments = Some(choose(name, value, YES_NO)?),
            "provide.transaction.metadata" => self.transactions = choose(name, value, YES_NO)?,
            "heartbeat.interval.ms" => self.heartbeat = millis(name, value)?,
            "topic.heartbeat.prefix" => value.clone_into(&mut self.heartbeat_prefix),
            "message.key.columns" => self.columns.set_keys(value)?,
            "column.propagate.source.type" => self.columns.tell_types_of_columns(value)?,
            "datatype.propagate.source.type" => self.columns.tell_types(value)?,
            "topic.transaction" => value.clone_into(&mut self.transaction_topic),
            "schema.name.adjustment.mode" => self.schema_names = self.adjust(name, value)?,
            "field.name.adjustment.mode" => self.field_names = self.adjust(name, value)?,
            _ if self.columns.set_counted(name, value)? => {}
            _ => return Err(format!("{name} is not an option of the debezium body; known are {}", KNOWN.join(", "))),
        }
        Ok(())
    }

    fn adjust(&self, name: &str, value: &str) -> Result<Adjust, String> {
        let choices = [("none", Adjust::No), ("avro", Adjust::Avro), ("avro_unicode", Adjust::AvroUnicode)];
        let first = usize::from(self.encoding == Encoding::Avro);
        choose(name, value, &choices[first..])
    }

    /// Whether schemas show the comments of columns and tables: MariaDB's connector does unless it is told not to, MySQL's only if it
    /// is told to, PostgreSQL's never.
    pub(super) fn tells_comments(&self, database: DatabaseKind) -> bool {
        let is_default = database == DatabaseKind::Mariadb;
        database != DatabaseKind::Postgres && self.comments.unwrap_or(is_default)
    }

    /// Whether a schema stands in front of what is written, if only to be taken away again.
    pub(super) fn has_schemas(&self) -> bool {
        self.encoding != Encoding::Plain
    }
}

/// No currency has more.
const MONEY_DIGITS_MAX: i32 = 9;

/// Heartbeats are at least this far apart: each is a record.
const HEARTBEAT_MS_MIN: u64 = 100;
const HEARTBEAT_MS_MAX: u64 = 86_400_000;

/// A number of milliseconds; 0 for never.
fn millis(name: &str, value: &str) -> Result<Option<Duration>, String> {
    match value.parse() {
        Ok(0) => Ok(None),
        Ok(millis @ HEARTBEAT_MS_MIN..=HEARTBEAT_MS_MAX) => Ok(Some(Duration::from_millis(millis))),
        _ => {
            Err(format!("{name} is {value:?}; it must be 0, or {HEARTBEAT_MS_MIN} to {HEARTBEAT_MS_MAX} milliseconds"))
        }
    }
}

pub(super) const YES_NO: &[(&str, bool)] = &[("true", true), ("false", false)];

pub(super) fn choose<T: Copy>(name: &str, value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| *word == value);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        format!("{name} is {value:?}; it must be one of {}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, value: &str) -> Result<DebeziumOptions, String> {
        DebeziumOptions::parse(Encoding::Plain, &[(name.into(), value.into())])
    }

    #[test]
    fn every_known_option_is_read_and_a_wrong_value_names_the_right_ones() {
        let is_free = |name: &str| {
            name.starts_with("topic.")
                || [".placeholder", ".ms", ".digits", ".columns", ".source.type", ".chars"]
                    .iter()
                    .any(|end| name.ends_with(end))
        };
        for name in KNOWN.iter().filter(|name| !is_free(name)) {
            let error = parse(name, "nonsense").expect_err(name);
            let first = error.split("one of ").nth(1).and_then(|words| words.split(", ").next()).expect("choices");
            assert!(parse(name, first).is_ok(), "{name}");
        }
        assert_eq!(parse("unavailable.value.placeholder", "?").expect("known").placeholder, "?");
    }

    #[test]
    fn decimals_are_numbers_only_where_the_encoding_has_them() {
        assert!(parse("decimal.format", "NUMERIC").expect("known").decimal_numbers);
        let avro = DebeziumOptions::parse(Encoding::Avro, &[("decimal.format".into(), "NUMERIC".into())]);
        assert!(avro.is_err_and(|error| error.contains("base64")));
        assert_eq!(parse("money.fraction.digits", "0").map(|options| options.money_digits), Ok(0));
        for wrong in ["-1", "10", "two", ""] {
            assert!(parse("money.fraction.digits", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn interval_of_heartbeats_is_a_number_within_bounds() {
        let every = |value| parse("heartbeat.interval.ms", value).map(|options| options.heartbeat);
        assert_eq!((every("0"), every("5000")), (Ok(None), Ok(Some(Duration::from_secs(5)))));
        for wrong in ["99", "86400001", "-1", "1 s", ""] {
            assert!(every(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn unknown_option_is_refused_with_the_known_ones() {
        let error = parse("decimal.mode", "string").expect_err("unknown");
        assert!(error.contains("decimal.mode") && error.contains("decimal.handling.mode"), "{error}");
    }
}
