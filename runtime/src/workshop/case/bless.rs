//! What came is written into the case where it was expected differently or not at all. Comments, and what held, stay as they are.

use super::compare::differences;
use super::found::{Found, FoundBody, FoundMessage};
use crate::config::CasePlan;
use serde_json::{Map, Value as Json};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value};

/// Longer bodies stand on lines of their own.
const INLINE_LEN_MAX: usize = 100;

/// The file's new text, or `None` if everything holds. `found` has an item for each change.
///
/// # Errors
/// If the text is not that of the case.
pub fn blessed(text: &str, case: &CasePlan, found: &[Found]) -> Result<Option<String>, String> {
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| e.message().to_owned())?;
    let mut changed = false;
    for (index, (change, found)) in case.changes.iter().zip(found).enumerate() {
        if !change.expected.is_empty() && differences(&change.expected, found).is_empty() {
            continue;
        }
        let all = document.get_mut("change").and_then(Item::as_array_of_tables_mut);
        let table = all.and_then(|all| all.get_mut(index)).ok_or("its changes are not written as [[change]]")?;
        write_expectation(table, found);
        changed = true;
    }
    Ok(changed.then(|| document.to_string()))
}

/// Writes what came as what is expected.
pub fn write_expectation(table: &mut Table, found: &Found) {
    for key in ["verdict", "code", "reason", "message"] {
        table.remove(key);
    }
    table.insert("verdict", found.verdict.name().into());
    if let Some(rejection) = &found.rejection {
        table.insert("code", rejection.code.as_str().into());
    }
    if found.messages.is_empty() {
        return;
    }
    let mut messages = ArrayOfTables::new();
    for message in &found.messages {
        messages.push(message_table(message));
    }
    table.insert("message", Item::ArrayOfTables(messages));
}

fn message_table(message: &FoundMessage) -> Table {
    let mut table = Table::new();
    table.insert("route", message.route.as_str().into());
    table.insert("to", message.to.as_str().into());
    if let Some(key) = message.key.as_ref().filter(|key| **key != message.place) {
        table.insert("key", key.as_str().into());
    }
    if !message.place.is_empty() {
        table.insert("place", message.place.as_str().into());
    }
    // Those of Debezium say which run it was.
    let said = message.headers.iter().filter(|(name, _)| !name.starts_with("__debezium."));
    let headers: InlineTable = said.map(|(name, value)| (name, value.as_str())).collect();
    if !headers.is_empty() {
        table.insert("headers", Item::Value(Value::InlineTable(headers)));
    }
    match &message.body {
        FoundBody::Json(json) => table.insert("body", body_item(&lasting(json))),
        FoundBody::Text(text) => table.insert("body", text.as_str().into()),
        FoundBody::None | FoundBody::Bytes(_) => None,
    };
    table
}

/// Without what says when the change was read and where it stood: that is another time each run, or no matter of the guest's. What is
/// null is not said either: TOML has no word for it.
pub(super) fn lasting(json: &Json) -> Json {
    let Json::Object(fields) = json else { return json.clone() };
    let fields: Map<String, Json> =
        fields.iter().filter(|(_, v)| !v.is_null()).map(|(n, v)| (n.clone(), lasting(v))).collect();
    if let Some(payload) = fields.get("payload").filter(|_| fields.contains_key("schema")) {
        return Json::Object(Map::from_iter([("payload".to_owned(), payload.clone())]));
    }
    let envelope = fields.contains_key("op") && fields.contains_key("source");
    let kept = |name: &str| match envelope {
        true => matches!(name, "op" | "before" | "after"),
        false => !name.starts_with("__") || name == "__deleted" && fields[name] == "true",
    };
    let lasting = fields.iter().filter(|(name, _)| kept(name));
    Json::Object(lasting.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// As a table where TOML can say it, as JSON where it can not.
fn body_item(json: &Json) -> Item {
    match toml_of(json) {
        Some(Value::InlineTable(fields)) if fields.to_string().len() > INLINE_LEN_MAX => {
            Item::Table(fields.into_table())
        }
        Some(value) => value.into(),
        None => serde_json::to_string_pretty(json).unwrap_or_else(|_| json.to_string()).into(),
    }
}

/// A JSON value as TOML writes it, unless there is a null in it or a number that TOML does not have.
pub fn toml_of(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(flag) => (*flag).into(),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None if number.is_f64() => number.as_f64()?.into(),
            None => return None,
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Value::Array(items.iter().map(toml_of).collect::<Option<Array>>()?),
        Json::Object(fields) => {
            let pairs = fields.iter().map(|(name, value)| Some((name.as_str(), toml_of(value)?)));
            Value::InlineTable(pairs.collect::<Option<Vec<_>>>()?.into_iter().collect())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Judged, load_case};
    use serde_json::json;

    const CASE: &str = "# kept\n[[change]]\ninsert = \"a.b\"\nrow = { id = 1 }   # kept too\nverdict = \"drop\"\n\n\
                        [[change]]\ninsert = \"a.b\"\nrow = { id = 2 }\nverdict = \"drop\"\n";

    fn case() -> (tempfile::TempDir, CasePlan) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.toml");
        std::fs::write(&path, CASE).expect("written");
        let case = load_case(&path).expect("a case");
        (folder, case)
    }

    fn dropped() -> Found {
        Found { verdict: Judged::Drop, ..Found::unseen() }
    }

    #[test]
    fn what_holds_stays_and_what_does_not_is_written_anew() {
        let (folder, case) = case();
        let body = json!({ "id": 2, "none": null, "__op": "c", "__source_ts_ms": 5 });
        let message = FoundMessage {
            route: "r".into(),
            to: "t/1".into(),
            key: None,
            place: String::new(),
            headers: Vec::new(),
            body: FoundBody::Json(body),
        };
        let emitted = Found { verdict: Judged::Emit, messages: vec![message], ..Found::unseen() };
        let found = [dropped(), emitted];
        let text = blessed(CASE, &case, &found).expect("TOML").expect("something new");
        assert!(text.starts_with(&CASE[..CASE.find("\n\n").expect("two changes")]), "{text}");
        assert!(!text.contains("__source_ts_ms") && !text.contains("none"), "{text}");
        let path = folder.path().join("d.toml");
        std::fs::write(&path, &text).expect("written");
        let again = load_case(&path).expect("what was written is a case");
        assert_eq!(blessed(&text, &again, &found).expect("TOML"), None, "it holds now: {text}");
    }

    #[test]
    fn nothing_is_written_when_everything_holds() {
        let (_folder, case) = case();
        assert_eq!(blessed(CASE, &case, &[dropped(), dropped()]).expect("TOML"), None);
    }
}
