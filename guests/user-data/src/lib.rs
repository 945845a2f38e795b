//! An e-mail to every user whose address changed, and the change itself on the topic.
//!
//! New and deleted users pass it by: it wants updates alone. What it knows of a user is what the pipeline captures, the id
//! and the two addresses; there is nothing else that it could tell.

use serde_json::{Value, json};
use sluicegate_guest::Image;
use sluicegate_guest::prelude::*;

#[transform(
    table = "*users",
    columns = ["id", "email_address", "address"],
    operations = ["update"],
    old = true,
    routes = ["info-user", "e-mail"]
)]
pub fn tell_the_user(row: &mut Row, _: &Ctx) -> Result<Verdict> {
    let Some(old) = row.old() else {
        return Ok(reject("no-old-image", "the e-mail names the address before: the log has to hold whole rows"));
    };
    let (before, after) = (addresses(&old)?, addresses(row)?);
    let topic = route("info-user");
    if before == after {
        return Ok(topic.into());
    }
    let mail = json!({
        "user": row.int("id")?,
        "to": row.text("email_address")?,
        "before": before,
        "after": after,
    });
    Ok(emit([topic, route("e-mail").body_json(mail.to_string())]))
}

fn addresses(image: &Image) -> Result<Value> {
    Ok(json!({ "email_address": image.text("email_address")?, "address": image.text("address")? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{TestGuest, TestRow, run};

    fn moved() -> TestRow {
        TestRow::update("clients.users")
            .int("id", 7)
            .text("email_address", "ana@example.org")
            .text("address", "Rua Nova 2, Porto")
            .was("id", 7_i64)
            .was("email_address", "ana@example.org")
            .was("address", "Rua Velha 1, Porto")
            .key("id")
    }

    #[test]
    fn a_user_who_moved_is_told_the_address_before_and_after() {
        let verdict = run::<tell_the_user>(&moved());
        let [topic, mail] = verdict.messages() else { panic!("two messages: {:?}", verdict.messages()) };
        assert_eq!((topic.route.as_str(), &topic.body), ("info-user", &None), "the topic carries the row");
        assert_eq!(mail.route, "e-mail");
        let body: Value = serde_json::from_str(mail.body_text().expect("a body")).expect("JSON");
        let expected = json!({
            "user": 7,
            "to": "ana@example.org",
            "before": { "email_address": "ana@example.org", "address": "Rua Velha 1, Porto" },
            "after": { "email_address": "ana@example.org", "address": "Rua Nova 2, Porto" },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn an_update_of_something_else_is_told_to_nobody() {
        let same = moved().was("address", "Rua Nova 2, Porto");
        let verdict = run::<tell_the_user>(&same);
        assert_eq!(verdict.message().route, "info-user");
    }

    #[test]
    fn new_and_deleted_users_pass_it_by() {
        let guest = TestGuest::<tell_the_user>::new::<&str, &str>([]).expect("a guest without init");
        assert!(guest.wants(&moved()));
        assert!(!guest.wants(&TestRow::insert("clients.users").int("id", 7)));
        assert!(!guest.wants(&TestRow::delete("clients.users").int("id", 7)));
        assert!(!guest.wants(&TestRow::update("clients.orders").int("id", 7)));
    }

    #[test]
    fn without_the_row_as_it_was_the_change_is_rejected() {
        let row = TestRow::update("clients.users").int("id", 7).text("email_address", "a").text("address", "b");
        let verdict = run::<tell_the_user>(&row);
        assert_eq!(verdict.rejection().expect("a rejection").code(), "no-old-image");
    }
}
