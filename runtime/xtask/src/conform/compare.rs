//! Where two records differ: each place by itself, with what stands there on either side.

use super::json::{Document, Kind, Node, unquoted};
use super::mask::{Masked, Part, payload};

/// One place at which two records are not the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub place: Place,
    /// Names and indexes down from the place: `before`, `name`, `0`.
    pub path: Vec<String>,
    /// JSON as it is written; `None` where there is nothing.
    pub theirs: Option<String>,
    pub ours: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Key,
    KeySchema,
    Value,
    /// Fields go by their names: `after`, `name`, `type`.
    ValueSchema,
    Headers,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::KeySchema => "key's schema",
            Self::Value => "value",
            Self::ValueSchema => "value's schema",
            Self::Headers => "headers",
        }
    }
}

/// All differences, in the order of key, value, headers; none if the two are the same byte for byte.
pub fn differences(theirs: &Masked, ours: &Masked) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut parts = |theirs: &Option<Part>, ours: &Option<Part>, place: Place, schema: Place| {
        let mut list = List { place, path: Vec::new(), all: &mut found };
        list.parts(theirs.as_ref(), ours.as_ref(), schema);
    };
    parts(&theirs.key, &ours.key, Place::Key, Place::KeySchema);
    parts(&theirs.value, &ours.value, Place::Value, Place::ValueSchema);
    let mut list = List { place: Place::Headers, path: Vec::new(), all: &mut found };
    list.headers(theirs, ours);
    found
}

struct List<'a> {
    place: Place,
    path: Vec<String>,
    all: &'a mut Vec<Difference>,
}

impl List<'_> {
    fn add(&mut self, theirs: Option<&str>, ours: Option<&str>) {
        let text = |text: Option<&str>| text.map(str::to_owned);
        self.all.push(Difference {
            place: self.place,
            path: self.path.clone(),
            theirs: text(theirs),
            ours: text(ours),
        });
    }

    fn within(&mut self, name: &str, compare: impl FnOnce(&mut Self)) {
        self.path.push(name.to_owned());
        compare(self);
        self.path.pop();
    }

    fn parts(&mut self, theirs: Option<&Part>, ours: Option<&Part>, schema: Place) {
        let same = theirs.map(Part::bytes) == ours.map(Part::bytes);
        if same {
            return;
        }
        let (Some(Part::Json(theirs)), Some(Part::Json(ours))) = (theirs, ours) else {
            let text = |part: Option<&Part>| part.map(|part| String::from_utf8_lossy(part.bytes()).into_owned());
            return self.add(text(theirs).as_deref(), text(ours).as_deref());
        };
        let before = self.all.len();
        self.documents(theirs, ours, schema);
        if self.all.len() == before {
            // The same values in the same order, but other bytes: blanks.
            self.add(Some(&theirs.text), Some(&ours.text));
        }
    }

    fn documents(&mut self, theirs: &Document, ours: &Document, schema: Place) {
        let (a, b) = (payload(&theirs.root), payload(&ours.root));
        let has_schema = |root: &Node, payload: &Node| !std::ptr::eq(root, payload);
        if has_schema(&theirs.root, a) && has_schema(&ours.root, b) {
            let (x, y) = (theirs.root.get("schema"), ours.root.get("schema"));
            if let (Some(x), Some(y)) = (x, y) {
                let mut list = List { place: schema, path: Vec::new(), all: self.all };
                list.nodes(&Side { theirs, ours }, x, y);
            }
            return self.nodes(&Side { theirs, ours }, a, b);
        }
        self.nodes(&Side { theirs, ours }, &theirs.root, &ours.root);
    }

    fn nodes(&mut self, side: &Side<'_>, a: &Node, b: &Node) {
        let (x, y) = (side.theirs.raw(a), side.ours.raw(b));
        if x == y {
            return;
        }
        let is_schema = matches!(self.place, Place::KeySchema | Place::ValueSchema);
        match (&a.kind, &b.kind) {
            (Kind::Object(theirs), Kind::Object(ours)) => {
                let named = |all: &[(String, Node)]| all.iter().map(|(n, node)| (n.clone(), node.clone())).collect();
                self.members(side, named(theirs), named(ours));
            }
            (Kind::Array(theirs), Kind::Array(ours)) if is_schema => {
                let names = |document: &Document, all: &[Node]| -> Option<Vec<(String, Node)>> {
                    let name = |node: &Node| unquoted(document.raw(node.get("field")?));
                    all.iter().map(|node| Some((name(node)?, node.clone()))).collect()
                };
                match (names(side.theirs, theirs), names(side.ours, ours)) {
                    (Some(theirs), Some(ours)) => self.members(side, theirs, ours),
                    _ => self.add(Some(x), Some(y)),
                }
            }
            (Kind::Array(theirs), Kind::Array(ours)) if theirs.len() == ours.len() => {
                for (i, (a, b)) in theirs.iter().zip(ours).enumerate() {
                    self.within(&i.to_string(), |list| list.nodes(side, a, b));
                }
            }
            _ => self.add(Some(x), Some(y)),
        }
    }

    fn members(&mut self, side: &Side<'_>, theirs: Vec<(String, Node)>, ours: Vec<(String, Node)>) {
        let find =
            |all: &[(String, Node)], name: &str| all.iter().find(|(n, _)| n == name).map(|(_, node)| node.clone());
        let is_schema = matches!(self.place, Place::KeySchema | Place::ValueSchema);
        for (name, a) in &theirs {
            // The list itself is no place of its own in a schema's path.
            let compare = |list: &mut Self| match find(&ours, name) {
                Some(b) => list.nodes(side, a, &b),
                None => list.add(Some(side.theirs.raw(a)), None),
            };
            if is_schema && name == "fields" { compare(self) } else { self.within(name, compare) }
        }
        for (name, b) in ours.iter().filter(|(name, _)| find(&theirs, name).is_none()) {
            self.within(name, |list| list.add(None, Some(side.ours.raw(b))));
        }
        let common = |all: &[(String, Node)], other: &[(String, Node)]| -> Vec<String> {
            all.iter().map(|(n, _)| n.clone()).filter(|n| find(other, n).is_some()).collect()
        };
        let (a, b) = (common(&theirs, &ours), common(&ours, &theirs));
        if a != b {
            self.within("(order)", |list| list.add(Some(&a.join(",")), Some(&b.join(","))));
        }
    }

    fn headers(&mut self, theirs: &Masked, ours: &Masked) {
        if theirs.headers == ours.headers {
            return;
        }
        let shown = |headers: &[(String, Option<Vec<u8>>)]| {
            let one = |(name, value): &(String, Option<Vec<u8>>)| {
                let value = value.as_ref().map(|value| String::from_utf8_lossy(value));
                format!("{name}={}", value.unwrap_or("(null)".into()))
            };
            headers.iter().map(one).collect::<Vec<_>>()
        };
        let names = |headers: &[(String, Option<Vec<u8>>)]| headers.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        let (a, b) = (names(&theirs.headers), names(&ours.headers));
        let repeats = |names: &[String]| names.iter().enumerate().any(|(i, name)| names[..i].contains(name));
        if a != b || repeats(&a) {
            return self.add(Some(&shown(&theirs.headers).join("; ")), Some(&shown(&ours.headers).join("; ")));
        }
        for ((name, a), (_, b)) in theirs.headers.iter().zip(&ours.headers).filter(|((_, a), (_, b))| a != b) {
            let text = |value: &Option<Vec<u8>>| value.as_ref().map(|v| String::from_utf8_lossy(v).into_owned());
            self.within(name, |list| list.add(text(a).as_deref(), text(b).as_deref()));
        }
    }
}

struct Side<'a> {
    theirs: &'a Document,
    ours: &'a Document,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conform::folder::Flavour;
    use crate::conform::recording::Record;

    fn record(key: Option<&str>, value: Option<&str>) -> Record {
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        Record {
            key: bytes(key),
            value: bytes(value),
            headers: vec![("h".into(), Some(b"v".to_vec()))],
            at: Default::default(),
        }
    }

    fn found(theirs: &Record, ours: &Record) -> Vec<String> {
        let mask = |record| Masked::of(record, "t", Flavour::Postgres);
        let shown = |d: &Difference| {
            let side = |text: &Option<String>| text.clone().unwrap_or("nothing".into());
            format!("{} {}: {} {}", d.place.name(), d.path.join("."), side(&d.theirs), side(&d.ours))
        };
        differences(&mask(theirs), &mask(ours)).iter().map(shown).collect()
    }

    fn of_values(theirs: &str, ours: &str) -> Vec<String> {
        found(&record(Some("{}"), Some(theirs)), &record(Some("{}"), Some(ours)))
    }

    #[test]
    fn one_byte_is_seen_wherever_it_is() {
        let same = record(Some(r#"{"id":1}"#), Some(r#"{"after":{"a":1}}"#));
        assert_eq!(found(&same, &same), Vec::<String>::new());
        assert_eq!(found(&same, &Record { key: Some(b"{\"id\":2}".to_vec()), ..same.clone() }), ["key id: 1 2"]);
        assert_eq!(of_values(r#"{"a":1.0}"#, r#"{"a":1.00}"#), ["value a: 1.0 1.00"]);
        assert_eq!(of_values(r#"{"a":"\u00e9"}"#, r#"{"a":"é"}"#), [r#"value a: "\u00e9" "é""#]);
        assert_eq!(of_values(r#"{"a":1}"#, r#"{"a": 1}"#), [r#"value : {"a":1} {"a": 1}"#]);
        assert_eq!(of_values(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#), ["value (order): a,b b,a"]);
        assert_eq!(of_values(r#"{"a":[1,2]}"#, r#"{"a":[1,3]}"#), ["value a.1: 2 3"]);
        assert_eq!(of_values(r#"{"a":null}"#, r#"{"b":null}"#), ["value a: null nothing", "value b: nothing null"]);
        let other = Record { headers: vec![("h".into(), Some(b"w".to_vec()))], ..same.clone() };
        assert_eq!(found(&same, &other), ["headers h: v w"]);
    }

    #[test]
    fn a_tombstone_and_a_null_key_differ_from_what_is_there() {
        let there = record(Some("{}"), Some("{}"));
        assert_eq!(found(&there, &record(None, Some("{}"))), ["key : {} nothing"]);
        assert_eq!(found(&there, &record(Some("{}"), None)), ["value : {} nothing"]);
    }

    #[test]
    fn fields_of_a_schema_go_by_their_names() {
        let value = |fields: &str| format!(r#"{{"schema":{{"type":"struct","fields":[{fields}]}},"payload":{{}}}}"#);
        let theirs = value(r#"{"type":"int32","field":"a"},{"type":"string","field":"b"}"#);
        let ours = value(r#"{"type":"int64","field":"a"},{"type":"string","field":"b"}"#);
        assert_eq!(of_values(&theirs, &ours), [r#"value's schema a.type: "int32" "int64""#]);
        let turned = value(r#"{"type":"string","field":"b"},{"type":"int32","field":"a"}"#);
        assert_eq!(of_values(&theirs, &turned), ["value's schema (order): a,b b,a"]);
    }
}
