//! The `source` block: where a change comes from, in the words of each connector.

use super::Change;
use super::options::DebeziumOptions;
use super::text::{put_finer, put_int, put_string};
use crate::change::{BinlogEvent, Database, DatabaseKind, Gtid, Op, Schema};
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;
use std::io::Write as _;
use std::sync::Arc;

/// The versions that are imitated.
const VERSION_POSTGRES: &str = "3.7.0.Final";
const VERSION_BINLOG: &str = "3.6.1.Final";

/// The name that a connector has for its kind.
pub(super) fn connector(database: DatabaseKind) -> &'static str {
    match database {
        DatabaseKind::Postgres => "postgresql",
        DatabaseKind::Mysql => "mysql",
        DatabaseKind::Mariadb => "mariadb",
    }
}

/// What is the same for all rows of a table, between what is not.
pub(super) struct Parts {
    database: DatabaseKind,
    /// Up to `ts_ms`.
    head: Vec<u8>,
    /// The database.
    db: Vec<u8>,
    /// The schema, and the table behind it.
    table: Vec<u8>,
    /// Whether the statement is shown, if the log has it.
    query: bool,
    /// What stands at `snapshot` of what streams: a null that is written as its default, or a null.
    no_snapshot: &'static str,
}

impl Parts {
    pub(super) fn new(schema: &Schema, prefix: &str, options: &DebeziumOptions) -> Self {
        let database = schema.database.kind;
        let string = |text: &str| {
            let mut out = Vec::new();
            put_string(&mut out, text);
            out
        };
        let (version, db) = match database {
            DatabaseKind::Postgres => (VERSION_POSTGRES, &schema.database.name),
            DatabaseKind::Mysql | DatabaseKind::Mariadb => (VERSION_BINLOG, &schema.namespace),
        };
        let mut head =
            format!("{{\"version\":\"{version}\",\"connector\":\"{}\",\"name\":", connector(database)).into_bytes();
        head.extend(string(prefix));
        head.extend_from_slice(b",\"ts_ms\":");
        let mut table = Vec::new();
        if database == DatabaseKind::Postgres {
            table.extend_from_slice(b",\"schema\":");
            table.extend(string(&schema.namespace));
        }
        table.extend_from_slice(b",\"table\":");
        table.extend(string(&schema.table));
        let no_snapshot = if options.null_is_default { "\"false\"" } else { "null" };
        Self { database, head, db: string(db), table, query: options.query, no_snapshot }
    }

    /// Those of a statement on `database`; `tables` is what stands for the table.
    pub(super) fn of_statement(
        kind: DatabaseKind,
        prefix: &str,
        database: &str,
        tables: Option<&str>,
        options: &DebeziumOptions,
    ) -> Self {
        let about = Schema {
            namespace: database.to_owned(),
            table: tables.unwrap_or_default().to_owned(),
            ..Schema::default()
        };
        let about = Schema { database: Arc::new(Database { kind, ..Database::default() }), ..about };
        let parts = Self { query: false, ..Self::new(&about, prefix, options) };
        match tables {
            Some(_) => parts,
            None => Self { table: b",\"table\":null".to_vec(), ..parts },
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>, change: &Change<'_>) {
        let head = change.shown.row.head;
        let snapshot = if head.op == Op::Read { "\"true\"" } else { self.no_snapshot };
        self.put_head(out, head.committed_at.saturating_add(UNIX_EPOCH_TO_2000_US), snapshot, |out| {
            match self.database {
                DatabaseKind::Postgres => put_sequence(out, change),
                DatabaseKind::Mysql | DatabaseKind::Mariadb => out.extend_from_slice(b"null"),
            }
        });
        match self.database {
            DatabaseKind::Postgres => put_postgres(out, change),
            DatabaseKind::Mysql | DatabaseKind::Mariadb => self.put_binlog(out, change),
        }
    }

    /// The block of a statement, of which Debezium knows the time in milliseconds.
    pub(super) fn put_statement(&self, out: &mut Vec<u8>, event: &BinlogEvent, committed_at: i64) {
        let micros = committed_at.saturating_add(UNIX_EPOCH_TO_2000_US);
        self.put_head(out, micros.div_euclid(1000) * 1000, self.no_snapshot, |out| out.extend_from_slice(b"null"));
        self.put_event(out, event, 0, event.thread);
    }

    /// Up to and with the table.
    fn put_head(
        &self,
        out: &mut Vec<u8>,
        micros: i64,
        snapshot: &'static str,
        put_sequence: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(&self.head);
        let begin = out.len();
        put_int(out, micros.div_euclid(1000));
        let millis = begin..out.len();
        out.extend_from_slice(b",\"snapshot\":");
        out.extend_from_slice(snapshot.as_bytes());
        out.extend_from_slice(b",\"db\":");
        out.extend_from_slice(&self.db);
        out.extend_from_slice(b",\"sequence\":");
        put_sequence(out);
        out.extend_from_slice(b",\"ts_us\":");
        let digits = put_finer(out, millis, micros);
        out.extend_from_slice(b",\"ts_ns\":");
        out.extend_from_within(digits);
        out.extend_from_slice(b"000");
        out.extend_from_slice(&self.table);
    }

    fn put_binlog(&self, out: &mut Vec<u8>, change: &Change<'_>) {
        let Some(event) = change.event else {
            return out.extend_from_slice(
                b",\"server_id\":0,\"gtid\":null,\"file\":\"\",\"pos\":0,\"row\":0,\"thread\":null,\"query\":null}",
            );
        };
        let row = change.index as i64 - i64::from(event.first_row) + i64::from(event.skipped_rows);
        // Of a TRUNCATE Debezium does not tell the connection.
        let thread = if change.shown.row.head.op == Op::Truncate { 0 } else { event.thread };
        self.put_event(out, event, row, thread);
    }

    fn put_event(&self, out: &mut Vec<u8>, event: &BinlogEvent, row: i64, thread: u32) {
        out.extend_from_slice(b",\"server_id\":");
        put_int(out, i64::from(event.server_id));
        out.extend_from_slice(b",\"gtid\":");
        match &event.gtid {
            Gtid::None => out.extend_from_slice(b"null"),
            gtid => write!(out, "\"{gtid}\"").expect("a vector takes any length"),
        }
        out.extend_from_slice(b",\"file\":");
        put_string(out, &event.file);
        out.extend_from_slice(b",\"pos\":");
        put_int(out, event.offset as i64);
        out.extend_from_slice(b",\"row\":");
        put_int(out, row);
        out.extend_from_slice(b",\"thread\":");
        // MariaDB's connector does not read it.
        match thread {
            thread if thread != 0 && self.database == DatabaseKind::Mysql => put_int(out, i64::from(thread)),
            _ => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"query\":");
        match event.query.as_ref().filter(|_| self.query) {
            Some(query) => put_string(out, query),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }
}

/// A JSON text in a string: the end of the last transaction before this one, and this change, both as log positions.
fn put_sequence(out: &mut Vec<u8>, change: &Change<'_>) {
    match change.previous_end {
        None => out.extend_from_slice(b"\"[null,\\\""),
        Some(end) => {
            out.extend_from_slice(b"\"[\\\"");
            put_int(out, end.0 as i64);
            out.extend_from_slice(b"\\\",\\\"");
        }
    }
    put_int(out, change.mark.change as i64);
    out.extend_from_slice(b"\\\"]\"");
}

fn put_postgres(out: &mut Vec<u8>, change: &Change<'_>) {
    out.extend_from_slice(b",\"txId\":");
    match change.mark.transaction {
        0 => out.extend_from_slice(b"null"),
        transaction => put_int(out, i64::from(transaction)),
    }
    out.extend_from_slice(b",\"lsn\":");
    put_int(out, change.mark.change as i64);
    out.extend_from_slice(b",\"xmin\":null,\"origin\":null,\"origin_lsn\":null}");
}

/// What stands before and behind `"optional"` in a field's schema.
pub(super) type FieldSchema = (&'static str, &'static str);
pub(super) const TEXT: FieldSchema = ("\"type\":\"string\"", "");
pub(super) const LONG: FieldSchema = ("\"type\":\"int64\"", "");
const INT: FieldSchema = ("\"type\":\"int32\"", "");
const SNAPSHOT: FieldSchema = (
    "\"type\":\"string\"",
    ",\"name\":\"io.debezium.data.Enum\",\"version\":1,\"parameters\":{\"allowed\":\
     \"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental\"}",
);

/// A field of the block: its schema, whether it may be null, its name.
type BlockField = (FieldSchema, bool, &'static str);

const COMMON: [BlockField; 9] = [
    (TEXT, false, "version"),
    (TEXT, false, "connector"),
    (TEXT, false, "name"),
    (LONG, false, "ts_ms"),
    (SNAPSHOT, true, "snapshot"),
    (TEXT, false, "db"),
    (TEXT, true, "sequence"),
    (LONG, true, "ts_us"),
    (LONG, true, "ts_ns"),
];
const OF_POSTGRES: [BlockField; 7] = [
    (TEXT, false, "schema"),
    (TEXT, false, "table"),
    (LONG, true, "txId"),
    (LONG, true, "lsn"),
    (LONG, true, "xmin"),
    (TEXT, true, "origin"),
    (LONG, true, "origin_lsn"),
];
const OF_BINLOGS: [BlockField; 8] = [
    (TEXT, true, "table"),
    (LONG, false, "server_id"),
    (TEXT, true, "gtid"),
    (TEXT, false, "file"),
    (LONG, false, "pos"),
    (INT, false, "row"),
    (LONG, true, "thread"),
    (TEXT, true, "query"),
];

fn fields(database: DatabaseKind) -> impl Iterator<Item = &'static BlockField> {
    let own: &[BlockField] = match database {
        DatabaseKind::Postgres => &OF_POSTGRES,
        DatabaseKind::Mysql | DatabaseKind::Mariadb => &OF_BINLOGS,
    };
    COMMON.iter().chain(own)
}

/// Whether any connector's block has such a field.
pub(super) fn knows(field: &str) -> bool {
    COMMON.iter().chain(&OF_POSTGRES).chain(&OF_BINLOGS).any(|(.., name)| *name == field)
}

/// The schema of a field of the block.
pub(super) fn field_schema(database: DatabaseKind, field: &str) -> Option<FieldSchema> {
    fields(database).find(|(.., name)| *name == field).map(|(schema, ..)| *schema)
}

/// The block's schema, as a field.
pub(super) fn schema(database: DatabaseKind) -> String {
    let field = |((head, tail), optional, name): &BlockField| {
        let default = if *name == "snapshot" { ",\"default\":\"false\"" } else { "" };
        format!("{{{head},\"optional\":{optional}{tail}{default},\"field\":\"{name}\"}}")
    };
    let fields: Vec<String> = fields(database).map(field).collect();
    format!(
        "{{\"type\":\"struct\",\"fields\":[{}],\"optional\":false,\
         \"name\":\"io.debezium.connector.{}.Source\",\"version\":1,\"field\":\"source\"}}",
        fields.join(","),
        connector(database)
    )
}
