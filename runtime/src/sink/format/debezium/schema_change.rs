//! The record of a statement that changed what tables are, as the connectors of binary logs write it to the topic that is named after the
//! prefix alone. It is the same in every form of body: the transformations pass over what is no row.

use super::literal::Literal;
use super::options::DebeziumOptions;
use super::own::legal_topic;
use super::source::{self, Parts};
use super::text::{put_int, put_string};
use super::{Debezium, EncodeError, Record, mysql, source_type};
use crate::change::{
    Column, DatabaseKind, DefinedColumn, Notice, SchemaChange, SchemaChangeAbout, TableChange, TableChangeKind,
    TableDefinition,
};

/// What Debezium says instead of a function that is a column's default.
const EPOCH: &str = "1970-01-01 00:00:00";

impl Debezium {
    /// Whether statements that define tables anew are told of.
    pub fn tells_schema_changes(&self) -> bool {
        self.options.schema_changes
    }

    /// The record of a statement.
    ///
    /// # Errors
    /// None that is known: its schema is always the same.
    pub fn schema_change_record(
        &self,
        notice: &Notice,
        change: &SchemaChange,
        now_ns: i64,
    ) -> Result<Record, EncodeError> {
        let (prefix, database) = (self.prefix(&notice.schema), notice.schema.database.kind);
        let mut key = b"{\"databaseName\":".to_vec();
        put_string(&mut key, &change.database);
        key.push(b'}');
        let mut value = b"{\"source\":".to_vec();
        let tables = match &change.about {
            SchemaChangeAbout::Database => None,
            SchemaChangeAbout::Tables { names, .. } => Some(names.join(",")),
            SchemaChangeAbout::Untold => Some(String::new()),
        };
        let parts = Parts::of_statement(database, prefix, &change.database, tables.as_deref(), &self.options);
        parts.put_statement(&mut value, &change.event, notice.committed_at);
        value.extend_from_slice(b",\"ts_ms\":");
        put_int(&mut value, now_ns.div_euclid(1_000_000));
        value.extend_from_slice(b",\"databaseName\":");
        put_string(&mut value, &change.database);
        value.extend_from_slice(b",\"schemaName\":null,\"ddl\":");
        put_string(&mut value, &change.statement);
        value.extend_from_slice(b",\"tableChanges\":[");
        if let Some(change) = &change.change {
            let told = Told { database, comments: self.options.tells_comments(database) };
            put_change(&mut value, change, told);
        }
        value.extend_from_slice(b"]}");
        let (mut key_head, mut value_head) = (String::new(), String::new());
        if self.options.has_schemas() {
            let head = |schema: String| format!("{{\"schema\":{schema},\"payload\":");
            (key_head, value_head) = (head(key_schema(source::connector(database))), head(value_schema(database)));
        }
        let record = self.own_record(legal_topic(prefix), (&key_head, key), (&value_head, value))?;
        Ok(Record { headers: self.context_headers(prefix, database), ..record })
    }
}

/// How definitions are told.
#[derive(Clone, Copy)]
struct Told {
    database: DatabaseKind,
    comments: bool,
}

fn put_change(out: &mut Vec<u8>, change: &TableChange, told: Told) {
    let kind = match change.kind {
        TableChangeKind::Create => "CREATE",
        TableChangeKind::Alter => "ALTER",
        TableChangeKind::Drop => "DROP",
    };
    let quoted = |name: &str| name.replace('"', "\"\"");
    out.extend_from_slice(b"{\"type\":");
    put_string(out, kind);
    out.extend_from_slice(b",\"id\":");
    put_string(out, &format!("\"{}\".\"{}\"", quoted(&change.database), quoted(&change.table)));
    out.extend_from_slice(b",\"table\":");
    match &change.definition {
        Some(table) => put_table(out, table, told),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

fn put_table(out: &mut Vec<u8>, table: &TableDefinition, told: Told) {
    out.extend_from_slice(b"{\"defaultCharsetName\":");
    put_filled(out, &table.charset);
    out.extend_from_slice(b",\"primaryKeyColumnNames\":[");
    let mut key: Vec<&Column> =
        table.columns.iter().map(|defined| &defined.column).filter(|column| column.key).collect();
    key.sort_by_key(|column| column.detail.key_position);
    put_list(out, key.iter().map(|column| column.name.as_str()));
    out.extend_from_slice(b"],\"columns\":[");
    for (index, column) in table.columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_column(out, column, index, told);
    }
    out.extend_from_slice(b"],\"comment\":");
    put_filled(out, if told.comments { &table.comment } else { "" });
    out.push(b'}');
}

fn put_column(out: &mut Vec<u8>, defined: &DefinedColumn, index: usize, told: Told) {
    let database = told.database;
    let DefinedColumn { column, is_auto_increment, is_update_time } = defined;
    let detail = &column.detail;
    let declared = source_type::of(column, database);
    out.extend_from_slice(b"{\"name\":");
    put_string(out, &column.name);
    out.extend_from_slice(b",\"jdbcType\":");
    put_int(out, jdbc_type(&declared.name));
    out.extend_from_slice(b",\"nativeType\":null,\"typeName\":");
    put_string(out, &declared.name);
    out.extend_from_slice(b",\"typeExpression\":");
    put_string(out, &declared.name);
    out.extend_from_slice(b",\"charsetName\":");
    put_filled(out, &detail.charset);
    out.extend_from_slice(b",\"length\":");
    put_number(out, declared.length);
    out.extend_from_slice(b",\"scale\":");
    put_number(out, declared.scale);
    out.extend_from_slice(b",\"position\":");
    put_int(out, index as i64 + 1);
    // MySQL's connector takes a time of updates for something that the server numbers. Of a column that is computed neither says so.
    let is_numbered = *is_auto_increment || *is_update_time && database == DatabaseKind::Mysql;
    for (name, is) in [("optional", !detail.not_null), ("autoIncremented", is_numbered), ("generated", is_numbered)] {
        out.extend_from_slice(format!(",\"{name}\":{is}").as_bytes());
    }
    out.extend_from_slice(b",\"comment\":");
    put_filled(out, if told.comments { &detail.comment } else { "" });
    out.extend_from_slice(b",\"defaultValueExpression\":");
    match default(column, database) {
        Some(text) => put_string(out, &text),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"enumValues\":");
    if detail.labels.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        let quoted: Vec<String> =
            detail.labels.iter().map(|label| format!("'{}'", label.replace('\'', "''"))).collect();
        out.push(b'[');
        put_list(out, quoted.iter().map(String::as_str));
        out.push(b']');
    }
    out.push(b'}');
}

/// The number of the type that Debezium's reader of statements takes it for.
fn jdbc_type(declared: &str) -> i64 {
    let word = declared.split(' ').next().unwrap_or_default();
    match word {
        "TINYINT" | "SMALLINT" => 5,
        "MEDIUMINT" | "INT" | "YEAR" => 4,
        "BIGINT" => -5,
        "DECIMAL" => 3,
        "FLOAT" => 6,
        "DOUBLE" => 8,
        "BIT" => -7,
        "CHAR" | "ENUM" | "SET" => 1,
        "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" => 12,
        "BINARY" => -2,
        "VARBINARY" => -3,
        "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => 2004,
        "DATE" => 91,
        "TIME" => 92,
        "DATETIME" => 93,
        "TIMESTAMP" => 2014,
        // JSON, geometries, vectors, UUID and whatever else: `OTHER`.
        _ => 1111,
    }
}

/// A value as it is, the epoch for a function, nothing for an expression.
fn default(column: &Column, database: DatabaseKind) -> Option<String> {
    let text = column.detail.default.as_deref()?.trim();
    let shape = mysql::shape(column, &DebeziumOptions::default())?;
    match Literal::of_mysql(text, &shape.kind, database)? {
        Literal::Value(text) => Some(text),
        Literal::Function => Some(EPOCH.to_owned()),
        Literal::Word(_) => None,
    }
}

/// Null for an empty text.
fn put_filled(out: &mut Vec<u8>, text: &str) {
    match text {
        "" => out.extend_from_slice(b"null"),
        text => put_string(out, text),
    }
}

fn put_number(out: &mut Vec<u8>, number: Option<i64>) {
    match number {
        Some(number) => put_int(out, number),
        None => out.extend_from_slice(b"null"),
    }
}

fn put_list<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'a str>) {
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_string(out, text);
    }
}

fn key_schema(connector: &str) -> String {
    let fields = [field("string", false, "databaseName")].concat();
    structure(&fields, false, &format!("io.debezium.connector.{connector}.SchemaChangeKey"), "")
}

fn value_schema(database: DatabaseKind) -> String {
    let column = [
        field("string", false, "name"),
        field("int32", false, "jdbcType"),
        field("int32", true, "nativeType"),
        field("string", false, "typeName"),
        field("string", true, "typeExpression"),
        field("string", true, "charsetName"),
        field("int32", true, "length"),
        field("int32", true, "scale"),
        field("int32", false, "position"),
        field("boolean", true, "optional"),
        field("boolean", true, "autoIncremented"),
        field("boolean", true, "generated"),
        field("string", true, "comment"),
        field("string", true, "defaultValueExpression"),
        list("{\"type\":\"string\",\"optional\":false}", true, "enumValues"),
    ];
    let column = structure(&column.join(","), false, "io.debezium.connector.schema.Column", "");
    let table = [
        field("string", true, "defaultCharsetName"),
        list("{\"type\":\"string\",\"optional\":false}", true, "primaryKeyColumnNames"),
        list(&column, false, "columns"),
        field("string", true, "comment"),
    ];
    let table = structure(&table.join(","), true, "io.debezium.connector.schema.Table", ",\"field\":\"table\"");
    let change = [field("string", false, "type"), field("string", false, "id"), table].join(",");
    let change = structure(&change, false, "io.debezium.connector.schema.Change", "");
    let value = [
        source::schema(database),
        field("int64", false, "ts_ms"),
        field("string", true, "databaseName"),
        field("string", true, "schemaName"),
        field("string", true, "ddl"),
        list(&change, false, "tableChanges"),
    ];
    let name = format!("io.debezium.connector.{}.SchemaChangeValue", source::connector(database));
    structure(&value.join(","), false, &name, "")
}

fn field(connect_type: &str, optional: bool, name: &str) -> String {
    format!("{{\"type\":\"{connect_type}\",\"optional\":{optional},\"field\":\"{name}\"}}")
}

fn list(items: &str, optional: bool, name: &str) -> String {
    format!("{{\"type\":\"array\",\"items\":{items},\"optional\":{optional},\"field\":\"{name}\"}}")
}

fn structure(fields: &str, optional: bool, name: &str, tail: &str) -> String {
    format!(
        "{{\"type\":\"struct\",\"fields\":[{fields}],\"optional\":{optional},\"name\":\"{name}\",\"version\":1{tail}}}"
    )
}

#[cfg(test)]
#[path = "schema_change_tests.rs"]
mod tests;
