//! What was expected beside what came. Of a message only what the case says is looked at, and of a JSON body only its fields.

use super::found::{Found, FoundBody, FoundMessage};
use crate::config::{Expectation, ExpectedBody, ExpectedMessage, Judged};
use serde_json::Value as Json;

/// Differences that are listed of one change; more of them say nothing more.
const DIFFERENCES_MAX: usize = 20;

/// One thing that is not as the case says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `message 1, body.status`
    pub what: String,
    pub expected: String,
    pub found: String,
}

/// Everything of `found` that is not as expected.
pub fn differences(expected: &Expectation, found: &Found) -> Vec<Difference> {
    let mut list = List(Vec::new());
    list.verdict(expected, found);
    for reason in &found.unroutable {
        list.add("routes", "a message", &format!("none: {reason}"));
    }
    if let Some(messages) = &expected.messages
        && list.0.is_empty()
    {
        if messages.len() != found.messages.len() {
            list.add("messages", &ways(messages.iter().map(expected_way)), &ways(found.messages.iter().map(way)));
        } else {
            for (n, (expected, found)) in messages.iter().zip(&found.messages).enumerate() {
                list.message(&format!("message {}", n + 1), expected, found);
            }
        }
    }
    list.0
}

/// What a message says of its way.
pub(in crate::workshop) fn way(message: &FoundMessage) -> String {
    format!("{} -> {}", message.route, message.to)
}

fn expected_way(message: &ExpectedMessage) -> String {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "…".into());
    format!("{} -> {}", or(&message.route), or(&message.to))
}

fn ways(all: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = all.collect();
    if all.is_empty() { "none".into() } else { format!("{}: {}", all.len(), all.join(", ")) }
}

struct List(Vec<Difference>);

impl List {
    fn add(&mut self, what: &str, expected: &str, found: &str) {
        if self.0.len() < DIFFERENCES_MAX {
            self.0.push(Difference { what: what.into(), expected: expected.into(), found: found.into() });
        }
    }

    fn verdict(&mut self, expected: &Expectation, found: &Found) {
        let rejection = found.rejection.as_ref();
        let shown = || match rejection {
            Some(r) => format!("reject, by {}: {}: {}", r.guest, r.code, r.reason),
            None => found.verdict.name().into(),
        };
        let refusal = expected.code.is_some() || expected.reason.is_some();
        match expected.verdict {
            Some(verdict) if verdict != found.verdict => return self.add("verdict", verdict.name(), &shown()),
            None if refusal && rejection.is_none() => return self.add("verdict", "reject", &shown()),
            // What is not said is not looked at, but a row that is refused is never what nobody thought of.
            None if !refusal && found.verdict == Judged::Reject => {
                return self.add("verdict", "any but reject", &shown());
            }
            _ => {}
        }
        let Some(rejection) = rejection else { return };
        if let Some(code) = expected.code.as_ref().filter(|code| **code != rejection.code) {
            self.add("code", code, &format!("{} ({})", rejection.code, rejection.reason));
        }
        if let Some(reason) = expected.reason.as_ref().filter(|reason| !rejection.reason.contains(*reason)) {
            self.add("reason", &format!("… {reason} …"), &rejection.reason);
        }
    }

    fn message(&mut self, of: &str, expected: &ExpectedMessage, found: &FoundMessage) {
        let mut text = |what: &str, expected: &Option<String>, found: &str| {
            if let Some(expected) = expected.as_ref().filter(|expected| *expected != found) {
                self.add(&format!("{of}, {what}"), expected, found);
            }
        };
        text("route", &expected.route, &found.route);
        text("to", &expected.to, &found.to);
        text("key", &expected.key, found.key.as_deref().unwrap_or("the row's own"));
        text("place", &expected.place, &found.place);
        for (name, value) in &expected.headers {
            let header = found.headers.iter().rev().find(|(other, _)| other.eq_ignore_ascii_case(name));
            text(&format!("header {name}"), &Some(value.clone()), header.map_or("none", |(_, value)| value));
        }
        match &expected.body {
            None => {}
            Some(ExpectedBody::Fields(fields)) => self.fields(&format!("{of}, body"), fields, &found.body),
            Some(ExpectedBody::Text(text)) => match serde_json::from_str::<Json>(text) {
                Ok(fields) if fields.is_object() || fields.is_array() => {
                    self.fields(&format!("{of}, body"), &fields, &found.body);
                }
                _ if shown(&found.body) == *text => {}
                _ => self.add(&format!("{of}, body"), text, &shown(&found.body)),
            },
        }
    }

    fn fields(&mut self, of: &str, expected: &Json, found: &FoundBody) {
        match found {
            FoundBody::Json(found) => self.json(of, expected, found),
            other => self.add(of, &expected.to_string(), &shown(other)),
        }
    }

    fn json(&mut self, of: &str, expected: &Json, found: &Json) {
        match (expected, found) {
            (Json::Object(expected), Json::Object(found)) => {
                for (name, value) in expected {
                    match found.get(name) {
                        Some(other) => self.json(&format!("{of}.{name}"), value, other),
                        None => self.add(&format!("{of}.{name}"), &value.to_string(), "no such field"),
                    }
                }
            }
            (Json::Array(expected), Json::Array(found)) if expected.len() == found.len() => {
                for (n, (expected, found)) in expected.iter().zip(found).enumerate() {
                    self.json(&format!("{of}[{n}]"), expected, found);
                }
            }
            (Json::Number(expected), Json::Number(found)) if expected.as_f64() == found.as_f64() => {}
            _ if expected == found => {}
            _ => self.add(of, &expected.to_string(), &found.to_string()),
        }
    }
}

/// A body in one line.
pub(in crate::workshop) fn shown(body: &FoundBody) -> String {
    match body {
        FoundBody::None => "none".into(),
        FoundBody::Json(json) => json.to_string(),
        FoundBody::Text(text) => text.clone(),
        FoundBody::Bytes(len) => format!("{len} bytes that are no text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workshop::case::FoundRejection;
    use serde_json::json;

    fn message(body: Json) -> FoundMessage {
        FoundMessage {
            route: "shop".into(),
            to: "shops/7".into(),
            key: None,
            place: String::new(),
            headers: vec![("X-A".into(), "1".into())],
            body: FoundBody::Json(body),
        }
    }

    fn passed(messages: Vec<FoundMessage>) -> Found {
        Found { verdict: Judged::Pass, rejection: None, messages, unroutable: Vec::new() }
    }

    fn expecting(body: Json) -> Expectation {
        let message = ExpectedMessage { body: Some(ExpectedBody::Fields(body)), ..ExpectedMessage::default() };
        Expectation { messages: Some(vec![message]), ..Expectation::default() }
    }

    fn told(expected: &Expectation, found: &Found) -> Vec<String> {
        let list = differences(expected, found);
        list.into_iter().map(|d| format!("{}: {} | {}", d.what, d.expected, d.found)).collect()
    }

    #[test]
    fn fields_that_are_not_named_are_not_looked_at() {
        let found = passed(vec![message(json!({ "id": 1, "deep": { "a": 1.0, "b": 2 } }))]);
        assert!(told(&expecting(json!({ "deep": { "a": 1 } })), &found).is_empty());
        assert_eq!(
            told(&expecting(json!({ "deep": { "a": 2, "c": null } })), &found),
            ["message 1, body.deep.a: 2 | 1.0", "message 1, body.deep.c: null | no such field"]
        );
    }

    #[test]
    fn messages_that_are_named_are_all_there_are() {
        let expected = Expectation { messages: Some(Vec::new()), ..Expectation::default() };
        assert_eq!(told(&expected, &passed(vec![message(json!({}))])), ["messages: none | 1: shop -> shops/7"]);
        assert!(told(&Expectation::default(), &passed(vec![message(json!({}))])).is_empty());
    }

    #[test]
    fn refused_row_is_never_what_was_expected_unless_it_is_said() {
        let rejection =
            FoundRejection { guest: "g".into(), code: "trap".into(), reason: "panic at 1".into(), backtrace: None };
        let found = Found { verdict: Judged::Reject, rejection: Some(rejection), ..passed(Vec::new()) };
        assert_eq!(told(&Expectation::default(), &found), ["verdict: any but reject | reject, by g: trap: panic at 1"]);
        let said = |code: &str, reason: &str| Expectation {
            code: Some(code.into()),
            reason: Some(reason.into()),
            ..Expectation::default()
        };
        assert!(told(&said("trap", "panic"), &found).is_empty());
        assert_eq!(told(&said("deadline", "panic"), &found), ["code: deadline | trap (panic at 1)"]);
        assert_eq!(told(&said("trap", "x"), &passed(Vec::new())), ["verdict: reject | pass"]);
    }

    #[test]
    fn message_that_could_not_be_made_is_told_always() {
        let found = Found { unroutable: vec!["no member".into()], ..passed(Vec::new()) };
        assert_eq!(told(&Expectation::default(), &found), ["routes: a message | none: no member"]);
    }
}
