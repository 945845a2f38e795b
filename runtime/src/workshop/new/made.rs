//! The texts of a new guest and its pipeline.

use super::{Order, PORT};
use crate::change::{DatabaseKind, Tag};
use crate::source::SampledColumn;
use crate::workshop::case::tag_of;
use crate::workshop::sdk;
use std::fmt::Write;

const TAKES_ALL: &str = "a string takes any length";

/// A line is broken where the formatter of Rust would break it.
const LINE_LEN_MAX: usize = 100;

pub(super) struct Made<'a> {
    order: &'a Order<'a>,
    columns: Vec<Column<'a>>,
}

/// A column as the guest reads it.
struct Column<'a> {
    of: &'a SampledColumn,
    /// Its function in `columns`.
    function: String,
    /// Of the SDK: `opt_text`.
    getter: String,
    /// What the getter gives.
    returns: &'static str,
}

impl<'a> Made<'a> {
    pub(super) fn of(order: &'a Order<'a>) -> Self {
        let mut columns: Vec<Column<'_>> = Vec::new();
        for of in &order.sample.columns {
            let mut function = identifier(&of.name);
            while columns.iter().any(|column| column.function == function) {
                function.push('_');
            }
            let (getter, returns) = getter(tag_of(of, order.kind));
            let getter = if of.not_null { getter.to_owned() } else { format!("opt_{getter}") };
            columns.push(Column { of, function, getter, returns });
        }
        Self { order, columns }
    }

    pub(super) fn manifest(&self) -> String {
        format!(
            r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"
publish = false

# A guest is compiled by itself, for another machine than the host.
[workspace]

[lib]
crate-type = ["cdylib", "rlib"]

[dependencies]
sluicegate-guest = {{ path = "../sluicegate-sdk/{sdk}" }}

[profile.release]
lto = true
codegen-units = 1
panic = "abort"
strip = "debuginfo"     # names of functions stay: without them a trap says nothing of where
"#,
            name = self.order.name,
            sdk = sdk::CRATE,
        )
    }

    pub(super) fn pipeline(&self) -> String {
        let Order { name, table, settings, .. } = self.order;
        format!(
            r#"about   = "The changes of {table}, judged by {name}"
sources = ["{source}"]
tables  = ["{table}"]

[guest.{name}]
crate  = "../../guests/{name}"          # what `sluicegate build` makes {name}.wasm from
config = {{ }}                           # texts, for `cx.config` in the guest

[target.receiver]
kind = "http"
url  = "http://127.0.0.1:{PORT}/"       # `sluicegate listen` answers here, and shows what it gets

[[route]]
name = "out"
to   = "receiver"
body = "flat"
"#,
            source = settings.source,
        )
    }

    pub(super) fn source(&self) -> String {
        let Order { name, table, .. } = self.order;
        let function = identifier(name);
        let mut text = format!("//! Judges the changes of `{table}`.\n\nuse sluicegate_guest::prelude::*;\n\n");
        let names: Vec<String> = self.columns.iter().map(|column| format!("{:?}", column.of.name)).collect();
        text.push_str("#[transform(\n");
        writeln!(text, "    table = {table:?},").expect(TAKES_ALL);
        writeln!(text, "    columns = [{}],", listed(&names)).expect(TAKES_ALL);
        text.push_str("    routes = [\"out\"]\n)]\n");
        writeln!(text, "pub fn {function}(row: &mut Row, cx: &Ctx) -> Result<Verdict> {{").expect(TAKES_ALL);
        text.push_str(BODY);
        text.push_str("}\n\n");
        self.getters(&mut text);
        self.tests(&mut text, &function);
        text
    }

    /// One function per column, typed as the table is.
    fn getters(&self, text: &mut String) {
        let table = self.order.table;
        writeln!(
            text,
            "/// The columns of `{table}`. Remove those that you do not need, here and above: fewer are faster."
        )
        .expect(TAKES_ALL);
        let unsent: Vec<String> = self.order.sample.unsent.iter().map(|name| format!("`{name}`")).collect();
        if !unsent.is_empty() {
            writeln!(text, "/// Left out, because PostgreSQL does not send generated columns: {}.", unsent.join(", "))
                .expect(TAKES_ALL);
        }
        text.push_str("#[allow(dead_code)]\nmod columns {\n    use sluicegate_guest::prelude::*;\n");
        for Column { of, function, getter, returns } in &self.columns {
            let key = if of.key { ", part of the key" } else { "" };
            let null = if of.not_null { "" } else { ", may be null" };
            writeln!(text, "\n    /// {}{key}{null}", of.type_name.replace('\n', " ")).expect(TAKES_ALL);
            let returns = if of.not_null { (*returns).to_owned() } else { format!("Option<{returns}>") };
            let lifetime = if returns.contains("'r") { "<'r>" } else { "" };
            let row = if lifetime.is_empty() { "&Row<'_>" } else { "&Row<'r>" };
            let head = format!("    pub fn {function}{lifetime}(row: {row}) -> Result<{returns}> {{");
            writeln!(text, "{head}\n        row.{getter}({:?})\n    }}", of.name).expect(TAKES_ALL);
        }
        text.push_str("}\n\n");
    }

    fn tests(&self, text: &mut String, function: &str) {
        let table = self.order.table;
        let mut row = format!("TestRow::insert({table:?})");
        for Column { of, .. } in &self.columns {
            match example(tag_of(of, self.order.kind)) {
                Some(value) => write!(row, "\n            .set({:?}, {value})", of.name).expect(TAKES_ALL),
                None => write!(row, "\n            .null({:?})", of.name).expect(TAKES_ALL),
            }
            if of.key {
                write!(row, "\n            .key({:?})", of.name).expect(TAKES_ALL);
            }
        }
        write!(
            text,
            r#"#[cfg(test)]
mod tests {{
    use super::*;
    use sluicegate_guest::testing::{{TestRow, run}};

    fn row() -> TestRow {{
        {row}
    }}

    #[test]
    fn a_row_passes() {{
        assert!(run::<{function}>(&row()).is_pass());
    }}
}}
"#
        )
        .expect(TAKES_ALL);
    }
}

const BODY: &str =
    "    // Begin here. drop_row() and reject(\"code\", \"why\") end a row; row.set(\"column\", value)? changes it;
    // route(\"out\").key(1).into() sends it to one route. Texts of pipeline.toml: cx.config(\"name\").
    // A deleted row has its key alone, unless its table says REPLICA IDENTITY FULL: ask row.op() or is_absent first.
    let _ = (row, cx);
    Ok(pass())
";

/// A list that is broken into lines when it is long.
fn listed(names: &[String]) -> String {
    let line = names.join(", ");
    if line.len() < LINE_LEN_MAX - 16 {
        return line;
    }
    names.iter().fold("\n".to_owned(), |text, name| format!("{text}        {name},\n")) + "    "
}

/// The SDK's getter for what a column holds, and what it gives.
fn getter(tag: Tag) -> (&'static str, &'static str) {
    match tag {
        Tag::Bool => ("bool", "bool"),
        Tag::Int => ("int", "i64"),
        Tag::UInt => ("uint", "u64"),
        Tag::Float32 | Tag::Float64 => ("float", "f64"),
        Tag::Decimal | Tag::DecimalUnscaled => ("decimal", "std::borrow::Cow<'r, str>"),
        Tag::Bytes => ("bytes", "&'r [u8]"),
        Tag::Date => ("date", "sluicegate_guest::Date"),
        Tag::Time | Tag::TimeTz => ("time", "sluicegate_guest::Time"),
        Tag::Timestamp | Tag::TimestampTz => ("timestamp", "sluicegate_guest::Timestamp"),
        Tag::Interval => ("interval", "sluicegate_guest::Interval"),
        Tag::Uuid => ("uuid", "sluicegate_guest::Uuid"),
        Tag::Json => ("json", "&'r str"),
        Tag::Array => ("array", "sluicegate_guest::Array<'r>"),
        _ => ("text", "&'r str"),
    }
}

/// A value for a test, in Rust; `None`: null.
fn example(tag: Tag) -> Option<&'static str> {
    Some(match tag {
        Tag::Bool => "true",
        Tag::Int => "7_i64",
        Tag::UInt => "7_u64",
        Tag::Float32 | Tag::Float64 => "1.5_f64",
        Tag::Decimal | Tag::DecimalUnscaled => "sluicegate_guest::Decimal(\"12.50\")",
        Tag::Text | Tag::Enum | Tag::Bits | Tag::Other => "\"a text\"",
        Tag::Bytes => "vec![1_u8, 2]",
        Tag::Date => "sluicegate_guest::Date::from_days_since_2000(1)",
        Tag::Timestamp => "sluicegate_guest::Timestamp::local(1_000_000)",
        Tag::TimestampTz => "sluicegate_guest::Timestamp::utc(1_000_000)",
        Tag::Uuid => "sluicegate_guest::Uuid([7; 16])",
        Tag::Json => "sluicegate_guest::Json(\"{}\")",
        _ => return None,
    })
}

/// A name as Rust writes functions.
fn identifier(name: &str) -> String {
    const KEYWORDS: [&str; 51] = [
        "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false", "fn",
        "for", "gen", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self",
        "static", "struct", "super", "trait", "true", "type", "unsafe", "use", "where", "while", "abstract", "become",
        "box", "do", "final", "macro", "override", "priv", "try", "typeof", "unsized", "virtual", "yield",
    ];
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let mut made: String = name.chars().map(letter).collect();
    // Rust warns of two in a row.
    while made.contains("__") {
        made = made.replace("__", "_");
    }
    if made.is_empty() || made.starts_with(|c: char| c.is_ascii_digit()) || made.chars().all(|c| c == '_') {
        made.insert_str(0, "column_");
    }
    if KEYWORDS.contains(&made.as_str()) {
        made.push('_');
    }
    made
}

/// A table for those who show none.
pub(super) fn nothing_shown(kind: DatabaseKind) -> (&'static str, crate::source::TableSample) {
    let column = |name: &str, type_name: &str, key: bool, not_null: bool| SampledColumn {
        name: name.into(),
        type_name: type_name.into(),
        key,
        not_null,
    };
    let columns = vec![
        column("id", "bigint", true, true),
        column("customer_id", "bigint", false, true),
        column("status", "text", false, true),
        column("note", "text", false, false),
    ];
    let row = |id: &str, status: &str, note: Option<&str>| {
        vec![Some(id.to_owned()), Some("7".into()), Some(status.to_owned()), note.map(str::to_owned)]
    };
    let rows = vec![row("1", "new", None), row("2", "paid", Some("ring twice"))];
    let table = if kind == DatabaseKind::Postgres { "public.orders" } else { "shop.orders" };
    (table, crate::source::TableSample { columns, rows, ..Default::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_any_name_become_functions() {
        assert_eq!(identifier("Customer ID"), "customer_id");
        assert_eq!(identifier("type"), "type_");
        assert_eq!(identifier("2nd"), "column_2nd");
        assert_eq!(identifier("Straße"), "stra_e");
        assert_eq!(identifier("Größe"), "gr_e");
        assert_eq!(identifier("日"), "column__");
    }
}
