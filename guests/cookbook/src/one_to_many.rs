//! An order becomes a message for each of its lines, in their order.

use serde_json::{Value, json};
use sluicegate_guest::prelude::*;

#[transform(table = "public.orders", columns = ["id", "lines"], operations = ["insert"], routes = ["lines"])]
pub fn one_to_many(row: &mut Row, _: &Ctx) -> Result<Verdict> {
    let order = row.int("id")?;
    let Ok(Value::Array(lines)) = serde_json::from_str(row.json("lines")?) else {
        return Ok(reject("no-list", "`lines` is no list"));
    };
    let messages = lines.iter().enumerate().map(|(n, line)| {
        let body = json!({ "order": order, "line": n + 1, "article": line["article"], "count": line["count"] });
        // One key for all lines of an order keeps them in order.
        route("lines").key(order).body_json(body.to_string())
    });
    Ok(emit(messages))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{Outcome, TestRow, run};

    fn order(lines: &str) -> Outcome {
        run::<one_to_many>(&TestRow::insert("public.orders").int("id", 7).json("lines", lines))
    }

    #[test]
    fn every_line_is_a_message() {
        let outcome = order(r#"[{"article":"lamp","count":2},{"article":"bulb","count":4}]"#);
        let bodies: Vec<&str> = outcome.messages().iter().filter_map(|m| m.body_text()).collect();
        assert_eq!(bodies[1], r#"{"article":"bulb","count":4,"line":2,"order":7}"#);
        assert!(outcome.messages().iter().all(|m| m.key.as_deref() == Some("7")));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(order("{}").rejection().map(|r| r.code()), Some("no-list"));
    }
}
