//! A connector's settings as Sluicegate's: where they go, and which need what does not exist yet.

use super::folder::{Flavour, Recording};
use super::script::Script;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The settings of `modesN`, as they were recorded.
const MODES_POSTGRES: [&[(&str, &str)]; 4] = [
    &[
        ("decimal.handling.mode", "string"),
        ("time.precision.mode", "connect"),
        ("interval.handling.mode", "string"),
        ("hstore.handling.mode", "map"),
        ("binary.handling.mode", "hex"),
        ("include.unknown.datatypes", "true"),
    ],
    &[("decimal.handling.mode", "double"), ("time.precision.mode", "isostring"), ("binary.handling.mode", "base64")],
    &[("time.precision.mode", "microseconds"), ("binary.handling.mode", "base64-url-safe")],
    &[("time.precision.mode", "nanoseconds")],
];
const MODES_BINLOG: [&[(&str, &str)]; 2] = [
    &[
        ("decimal.handling.mode", "string"),
        ("bigint.unsigned.handling.mode", "precise"),
        ("time.precision.mode", "connect"),
        ("binary.handling.mode", "hex"),
        ("enable.time.adjuster", "false"),
    ],
    &[("decimal.handling.mode", "double"), ("time.precision.mode", "isostring"), ("binary.handling.mode", "base64")],
];

/// Settings that the `debezium` body has under the same name.
const OF_THE_BODY: [&str; 23] = [
    "decimal.handling.mode",
    "decimal.format",
    "money.fraction.digits",
    "schema.name.adjustment.mode",
    "field.name.adjustment.mode",
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
    "provide.transaction.metadata",
    "topic.transaction",
    "include.schema.comments",
    "message.key.columns",
    "column.propagate.source.type",
    "datatype.propagate.source.type",
];
/// The same with a number in the middle.
const OF_THE_BODY_COUNTED: [&str; 2] = ["column.mask.with.", "column.truncate.to."];

fn is_of_the_body(name: &str) -> bool {
    OF_THE_BODY.contains(&name) || OF_THE_BODY_COUNTED.iter().any(|first| name.starts_with(first))
}

/// Settings that say how it is recorded, not what.
const OF_THE_WORKER: [&str; 9] = [
    "publication.autocreate.mode",
    "publication.name",
    "slot.name",
    "plugin.name",
    "tasks.max",
    "poll.interval.ms",
    "max.batch.size",
    "max.queue.size",
    "errors.max.retries",
];
/// Settings that have their place in a pipeline.
const OF_THE_PIPELINE: [&str; 9] = [
    "topic.prefix",
    "database.include.list",
    "schema.include.list",
    "table.include.list",
    "column.include.list",
    "column.exclude.list",
    "include.schema.changes",
    "skipped.operations",
    "skip.messages.without.change",
];

/// What a recording needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Need {
    Ready(Configuration),
    /// The initial snapshot; recordings of it are not run.
    Snapshot,
    /// A feature that is not there yet, by name.
    Missing(String),
}

/// A pipeline's part of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    pub prefix: String,
    /// The database that is captured.
    pub database: String,
    tables: String,
    columns: Option<String>,
    left_out: Option<String>,
    skip_unchanged: bool,
    ops: Vec<String>,
    body: Body,
    options: Vec<(String, String)>,
    /// Of the body, without what a connector's configuration puts before them.
    own: Vec<(String, String)>,
}

/// What the connector's transformation or converter is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Debezium,
    Unwrap,
    Outbox,
    CloudEvents,
}

impl Body {
    fn name(self) -> &'static str {
        match self {
            Self::Debezium => "debezium",
            Self::Unwrap => "unwrap",
            Self::Outbox => "outbox",
            Self::CloudEvents => "cloudevents",
        }
    }

    /// `None` if there is none here.
    fn of(name: &str, value: &str) -> Option<Self> {
        let is_type = name.starts_with("transforms.") && name.ends_with(".type");
        match value.rsplit('.').next().unwrap_or_default() {
            "ExtractNewRecordState" if is_type => Some(Self::Unwrap),
            "EventRouter" if is_type => Some(Self::Outbox),
            "CloudEventsConverter" if name == "value.converter" => Some(Self::CloudEvents),
            _ => None,
        }
    }
}

/// Reads what the scenario, the recording's name and Debezium's defaults say.
pub fn need(flavour: Flavour, script: &Script, recording: &Recording) -> Need {
    if recording.variant == "snapshot" {
        return Need::Snapshot;
    }
    let mut settings: BTreeMap<String, String> = script.settings.iter().cloned().collect();
    match recording.variant.as_str() {
        "" => {}
        "tx" => drop(settings.insert("provide.transaction.metadata".into(), "true".into())),
        variant => match modes(flavour, variant) {
            Some(modes) => settings.extend(modes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))),
            None => return Need::Missing(format!("recordings called {variant}")),
        },
    }
    if let Some(feature) = missing(&settings) {
        return Need::Missing(feature);
    }
    let database = script
        .database
        .clone()
        .unwrap_or_else(|| if flavour == Flavour::Postgres { "app".to_owned() } else { "shop".to_owned() });
    Need::Ready(configuration(flavour, database, settings, recording.schemas))
}

fn modes(flavour: Flavour, variant: &str) -> Option<&'static [(&'static str, &'static str)]> {
    let number: usize = variant.strip_prefix("modes")?.parse().ok()?;
    let all: &[&[(&str, &str)]] = if flavour == Flavour::Postgres { &MODES_POSTGRES } else { &MODES_BINLOG };
    all.get(number.checked_sub(1)?).copied()
}

/// The first thing that is asked for and does not exist. Whoever adds one of these takes its line out.
fn missing(settings: &BTreeMap<String, String>) -> Option<String> {
    for (name, value) in settings {
        let feature = match name.as_str() {
            name if Body::of(name, value).is_some() => continue,
            name if name.starts_with("transforms.") && name.ends_with(".type") => {
                format!("the transform {}", value.rsplit('.').next().unwrap_or_default())
            }
            "transforms" => continue,
            name if name.starts_with("transforms.") => continue,
            "value.converter" | "key.converter" if !value.ends_with(".JsonConverter") => {
                format!("the converter {value}")
            }
            "heartbeat.interval.ms" if value != "0" => "heartbeat topic".to_owned(),
            "value.converter" | "key.converter" => continue,
            name if OF_THE_PIPELINE.contains(&name) => continue,
            name if is_of_the_body(name) || OF_THE_WORKER.contains(&name) => continue,
            name => format!("the setting {name}"),
        };
        return Some(feature);
    }
    None
}

fn configuration(
    flavour: Flavour,
    database: String,
    settings: BTreeMap<String, String>,
    schemas: bool,
) -> Configuration {
    let get = |name: &str| settings.get(name).map(String::as_str);
    let of_schemas =
        |list: &str| expressions(&list.split(',').map(|s| format!("{}\\..*", s.trim())).collect::<Vec<_>>().join(","));
    let schemas_of = if flavour == Flavour::Postgres { "schema.include.list" } else { "database.include.list" };
    let tables = match (get("table.include.list"), get(schemas_of), flavour) {
        (Some(list), _, _) => expressions(list),
        (None, Some(list), _) => of_schemas(list),
        (None, None, Flavour::Postgres) => "\"*.*\"".to_owned(),
        (None, None, Flavour::Mysql | Flavour::Mariadb) => quoted(&format!("{database}.*")),
    };
    // Debezium leaves truncates out unless it is told to leave nothing out.
    let skipped = get("skipped.operations").unwrap_or("t");
    let is_skipped = |letter: &str| skipped.split(',').any(|op| op.trim() == letter);
    let mut ops = vec![("c", "insert"), ("u", "update"), ("d", "delete"), ("t", "truncate"), ("r", "read")];
    let mut options = vec![("schemas.enable".to_owned(), schemas.to_string())];
    if flavour != Flavour::Postgres {
        // Debezium's default, which is not ours.
        let is_told = get("include.schema.changes").unwrap_or("true");
        options.push(("include.schema.changes".to_owned(), is_told.to_owned()));
    }
    options.extend(settings.iter().filter(|(n, _)| is_of_the_body(n)).map(|(n, v)| (n.clone(), v.clone())));
    let body = settings.iter().find_map(|(name, value)| Body::of(name, value)).unwrap_or(Body::Debezium);
    if flavour == Flavour::Postgres && matches!(body, Body::Debezium | Body::Unwrap) {
        ops.push(("m", "message"));
    }
    // `transforms.NAME.OPTION`, and `value.converter.OPTION`.
    let own = settings.iter().filter_map(|(name, value)| {
        let of_transform = name.strip_prefix("transforms.").and_then(|rest| rest.split_once('.')).map(|(_, own)| own);
        let own = of_transform.or_else(|| name.strip_prefix("value.converter."))?;
        (own != "type").then(|| (own.to_owned(), value.clone()))
    });
    Configuration {
        body,
        own: own.collect(),
        prefix: get("topic.prefix").unwrap_or("app").to_owned(),
        tables,
        columns: get("column.include.list").map(expressions),
        left_out: get("column.exclude.list").map(expressions),
        skip_unchanged: get("skip.messages.without.change") == Some("true"),
        ops: ops.iter().filter(|(letter, _)| !is_skipped(letter)).map(|(_, op)| format!("\"{op}\"")).collect(),
        options,
        database,
    }
}

/// Debezium's list of expressions, each of which must fit a whole name, whatever its capitals.
fn expressions(list: &str) -> String {
    let one = |expression: &str| quoted(&format!("/(?i){}/", expression.trim()));
    list.split(',').map(one).collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    // JSON's strings are TOML's too.
    serde_json::Value::from(text).to_string()
}

impl Configuration {
    /// `pipeline.toml`. The table `sentinel` is captured beside what is asked for: its row says that everything has come.
    pub fn pipeline(&self, sentinel: &str, brokers: &str) -> String {
        let mut text = format!("sources = [\"db\"]\ntables = [{}, {}]\n", self.tables, quoted(sentinel));
        if let Some(columns) = &self.columns {
            // The sentinel is captured whole.
            writeln!(text, "columns.include = [{columns}, {}]", quoted(&format!("{sentinel}.*"))).expect("a String");
        }
        if let Some(columns) = &self.left_out {
            writeln!(text, "columns.exclude = [{columns}]").expect("a String");
        }
        writeln!(text, "skip_unchanged = {}", self.skip_unchanged).expect("a String");
        // Nothing is parked while topics are made. Our own headers say where a record stands in the log.
        write!(
            text,
            "\n[target.events]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\nhold = \"1 h\"\n\
             prefix = {}\n\n",
            quoted(&self.prefix)
        )
        .expect("a String");
        if self.body != Body::Debezium {
            // What the sentinel's row says is no event, and has no envelope.
            let route = "[[route]]\nname = \"sentinel\"\nto = \"events\"\nbody = \"debezium\"\n";
            writeln!(text, "{route}tables = [{}]\n", quoted(sentinel)).expect("a String");
        }
        writeln!(text, "[[route]]\nname = \"records\"\nto = \"events\"\nbody = \"{}\"", self.body.name())
            .expect("a String");
        if self.body != Body::Debezium {
            writeln!(text, "tables = [{}]", self.tables).expect("a String");
        }
        writeln!(text, "ops = [{}]", self.ops.join(", ")).expect("a String");
        for (name, value) in &self.options {
            let value = if matches!(value.as_str(), "true" | "false") { value.clone() } else { quoted(value) };
            writeln!(text, "debezium.\"{name}\" = {value}").expect("a String");
        }
        for (name, value) in &self.own {
            writeln!(text, "{}.\"{name}\" = {}", self.body.name(), quoted(value)).expect("a String");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn found(flavour: Flavour, sql: &str, variant: &str) -> Need {
        let script = Script::read(sql, flavour).expect("a script");
        need(flavour, &script, &Recording { path: PathBuf::new(), variant: variant.into(), schemas: false })
    }

    #[test]
    fn settings_find_their_place() {
        let sql = "-- @db clients\n-- @set topic.prefix=clients.cdc\n-- @set table.include.list=clients.users,a.b\n\
                   -- @set column.include.list=.*id\n-- @set skipped.operations=none\n";
        let Need::Ready(configuration) = found(Flavour::Mysql, sql, "modes1") else { panic!("all of it is there") };
        let text = configuration.pipeline("conform.the_end", "127.0.0.1:9");
        for line in [
            r#"tables = ["/(?i)clients.users/", "/(?i)a.b/", "conform.the_end"]"#,
            r#"columns.include = ["/(?i).*id/", "conform.the_end.*"]"#,
            r#"prefix = "clients.cdc""#,
            r#"debezium."bigint.unsigned.handling.mode" = "precise""#,
            r#"debezium."enable.time.adjuster" = false"#,
            r#"debezium."include.schema.changes" = true"#,
            "skip_unchanged = false",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
        }
        assert!(text.contains("ops = [\"insert\", \"update\", \"delete\", \"truncate\", \"read\"]\n"), "{text}");
        let sql =
            "-- @set schema.include.list=a,b\n-- @set column.exclude.list=a.t.secret\n-- @set skipped.operations=u,t\n";
        let Need::Ready(configuration) = found(Flavour::Postgres, sql, "") else { panic!("all of it is there") };
        let text = configuration.pipeline("conform.the_end", "127.0.0.1:9");
        let Need::Ready(configuration) = found(Flavour::Postgres, sql, "tx") else { panic!("all of it is there") };
        let with_transactions = configuration.pipeline("conform.the_end", "127.0.0.1:9");
        assert!(
            with_transactions.contains("debezium.\"provide.transaction.metadata\" = true\n"),
            "{with_transactions}"
        );
        for line in [
            r#"tables = ["/(?i)a\\..*/", "/(?i)b\\..*/", "conform.the_end"]"#,
            r#"columns.exclude = ["/(?i)a.t.secret/"]"#,
            r#"ops = ["insert", "delete", "read", "message"]"#,
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
        }
    }

    #[test]
    fn transformations_and_converters_are_bodies_with_their_options() {
        let pipeline = |sql: &str| match found(Flavour::Postgres, sql, "") {
            Need::Ready(configuration) => configuration.pipeline("conform.the_end", "127.0.0.1:9"),
            other => panic!("{other:?}"),
        };
        let unwrap = pipeline(
            "-- @set transforms=flat\n-- @set transforms.flat.type=io.debezium.transforms.ExtractNewRecordState\n\
             -- @set transforms.flat.add.fields=op,lsn\n",
        );
        assert!(
            unwrap.contains("body = \"unwrap\"\n") && unwrap.contains("unwrap.\"add.fields\" = \"op,lsn\"\n"),
            "{unwrap}"
        );
        let outbox =
            pipeline("-- @set transforms=o\n-- @set transforms.o.type=io.debezium.transforms.outbox.EventRouter\n");
        assert!(outbox.contains("body = \"outbox\"\n") && outbox.contains("name = \"sentinel\"\n"), "{outbox}");
        let events = pipeline("-- @set value.converter=io.debezium.converters.CloudEventsConverter\n");
        assert!(events.contains("body = \"cloudevents\"\n"), "{events}");
    }

    #[test]
    fn what_is_not_there_yet_is_said_by_name() {
        let feature = |sql: &str, variant: &str| match found(Flavour::Postgres, sql, variant) {
            Need::Missing(feature) => feature,
            other => panic!("{other:?}"),
        };
        assert_eq!(feature("", "modes9"), "recordings called modes9");
        assert_eq!(
            feature("-- @set transforms.x.type=io.debezium.transforms.ByLogicalTableRouter", ""),
            "the transform ByLogicalTableRouter"
        );
        assert_eq!(feature("-- @set no.such.thing=1", ""), "the setting no.such.thing");
        assert_eq!(found(Flavour::Postgres, "", "snapshot"), Need::Snapshot);
    }
}
