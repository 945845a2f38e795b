//! A receiver that wants its own JSON, and a header with it.

use serde_json::json;
use sluicegate_guest::prelude::*;

#[transform(table = "public.users", columns = ["id", "email", "name"], operations = ["insert"], routes = ["welcome"])]
pub fn by_hand(row: &mut Row, cx: &Ctx) -> Result<Verdict> {
    let body = json!({
        "to": [{ "address": row.text("email")?, "name": row.opt_text("name")? }],
        "template": cx.config_or("template", "welcome"),
    });
    Ok(route("welcome").key(row.int("id")?).header("x-kind", "transactional").body_json(body.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{TestRow, run};

    #[test]
    fn the_body_is_what_the_receiver_wants() {
        let user = TestRow::insert("public.users").int("id", 7).text("email", "ana@example.org").null("name");
        let outcome = run::<by_hand>(&user);
        let expected = r#"{"template":"welcome","to":[{"address":"ana@example.org","name":null}]}"#;
        assert_eq!(outcome.message().body_text(), Some(expected));
        assert_eq!(outcome.message().header("x-kind"), Some("transactional"));
    }
}
