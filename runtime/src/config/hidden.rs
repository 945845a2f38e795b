//! What no mistake may show: secrets that somebody wrote into a file, found by the names of their keys. What is filled in from
//! elsewhere is never in a file's text, so it needs no hiding.

use super::excerpt::is_filled_in;
use super::mistake::nearest;
use std::ops::Range;
use toml_edit::{Item, TableLike, Value};

/// The places of all values whose key says that they are secret.
pub(super) fn secrets_in(root: &dyn TableLike) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    find_secrets(root, &mut found);
    found
}

/// What is hidden of a line in a file that could not be parsed: all after the first key that names a secret.
pub(super) fn secret_in_line(text: &str, at: usize) -> Option<Range<usize>> {
    let at = (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let from = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let to = text[at..].find('\n').map_or(text.len(), |i| at + i);
    let line = &text[from..to];
    let hidden = line.match_indices('=').find(|(equals, _)| {
        let key = line[..*equals].trim_end().trim_end_matches(['"', '\'']);
        let mut words = key.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
        words.next().is_some_and(names_a_secret)
    });
    hidden.map(|(equals, _)| from + equals + 1..to)
}

fn find_secrets(table: &dyn TableLike, found: &mut Vec<Range<usize>>) {
    for (key, item) in table.iter() {
        // The headers of a route are templates, those of a target are not.
        if key == "route" {
            continue;
        }
        let secret = names_a_secret(key);
        match item {
            Item::Value(value) => find_in_value(value, secret, found),
            Item::Table(table) if secret => table.iter().filter_map(|(_, i)| i.as_value()).for_each(|v| hide(v, found)),
            Item::Table(table) => find_secrets(table, found),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|table| find_secrets(table, found)),
            Item::None => {}
        }
    }
}

fn find_in_value(value: &Value, secret: bool, found: &mut Vec<Range<usize>>) {
    match value {
        Value::InlineTable(table) if secret => table.iter().for_each(|(_, value)| hide(value, found)),
        Value::InlineTable(table) => find_secrets(table, found),
        Value::Array(values) => values.iter().for_each(|value| find_in_value(value, secret, found)),
        _ if secret => hide(value, found),
        _ => {}
    }
}

fn hide(value: &Value, found: &mut Vec<Range<usize>>) {
    // A scheme tells nothing, and without it one sees what the rest is filled in from.
    let told = |text: &str| {
        ["Bearer ", "Basic ", "Token "].iter().find_map(|scheme| text.strip_prefix(scheme)).map(is_filled_in)
    };
    let harmless = value.as_str().is_some_and(|text| is_filled_in(text) || told(text) == Some(true));
    if let (false, Some(span)) = (harmless, value.span()) {
        found.push(span);
    }
}

/// Whether a key's value is to be hidden. Misspelt keys count, and one key too many does no harm.
fn names_a_secret(key: &str) -> bool {
    const WORDS: [&str; 11] = [
        "secret",
        "pass",
        "token",
        "credential",
        "authorization",
        "private",
        "apikey",
        "api_key",
        // librdkafka's.
        "pem",
        "bearer",
        "assertion",
    ];
    let key = key.to_lowercase().replace('-', "_");
    WORDS.iter().any(|word| key.contains(word))
        || nearest(&key, ["token", "sign", "headers", "password", "bearer"]).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml_edit::Document;

    fn hidden(text: &str) -> Vec<&str> {
        let toml = Document::parse(text).expect("TOML");
        secrets_in(toml.as_table()).into_iter().map(|span| &text[span]).collect()
    }

    #[test]
    fn secrets_are_found_in_every_way_to_write_a_table() {
        assert_eq!(hidden("[host]\ntoken = \"a\"\nstate = \"b\""), ["\"a\""]);
        assert_eq!(hidden("target.t.member.1 = { sign = [\"a\", \"b\"], url = \"c\" }"), ["\"a\"", "\"b\""]);
        assert_eq!(hidden("[target.t.headers]\nX-A = \"a\""), ["\"a\""]);
        assert_eq!(hidden("[[x]]\nmy_password = \"a\""), ["\"a\""]);
    }

    #[test]
    fn what_shows_nothing_is_not_hidden() {
        assert!(hidden("token = \"${A}${B}\"\nheaders = { A = \"Bearer ${C}\" }").is_empty());
        assert!(hidden("[[route]]\nheaders = { A = \"{id}\" }").is_empty());
        assert_eq!(hidden("token = \"${A}b\"").len(), 1);
    }

    #[test]
    fn rest_of_a_broken_line_is_hidden_behind_a_secret_key() {
        let text = "a = 1\nb = { 'token' = \"x, y = 2 }\nc = 3";
        let span = secret_in_line(text, text.find("y =").expect("it is there")).expect("hidden");
        assert_eq!(&text[span], " \"x, y = 2 }");
        assert_eq!(secret_in_line(text, 2), None);
    }
}
