//! Urgent tickets ring, others are mailed, and those of robots are nobody's business.

use sluicegate_guest::prelude::*;

#[transform(
    table = "public.tickets",
    columns = ["priority", "author"],
    operations = ["insert", "update"],
    routes = ["pager", "mail"]
)]
pub fn by_value(row: &mut Row, _: &Ctx) -> Result<Verdict> {
    if row.text("author")?.ends_with("[bot]") {
        return Ok(drop_row());
    }
    Ok(match row.text("priority")? {
        "urgent" => route("pager").into(),
        "normal" | "low" => route("mail").into(),
        // The value itself belongs into the message, which is stored with the row, and never into the code.
        other => reject("unknown-priority", format!("`{other}` is none that we know")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{Outcome, TestRow, run};

    fn ticket(priority: &str, author: &str) -> Outcome {
        run::<by_value>(&TestRow::insert("public.tickets").text("priority", priority).text("author", author))
    }

    #[test]
    fn the_priority_says_where_a_ticket_goes() {
        assert_eq!(ticket("urgent", "ana").message().route, "pager");
        assert_eq!(ticket("low", "ana").message().route, "mail");
        assert_eq!(ticket("huge", "ana").rejection().map(|r| r.code()), Some("unknown-priority"));
    }

    #[test]
    fn robots_are_not_heard() {
        assert!(ticket("urgent", "build[bot]").is_drop());
    }
}
