//! Passes the rows of one status and drops the others: what a guest costs when it does next to nothing.
//!
//! It asks for all columns, so that every cell of a row crosses the border, and reads one of them.

use sluicegate_guest::prelude::*;

#[transform(table = "*", operations = ["insert", "update", "read"])]
pub fn filter(row: &mut Row, cx: &Ctx) -> Result<Verdict> {
    Ok(if row.text("status")? == cx.config_or("keep", "In Transit") { pass() } else { drop_row() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{TestGuest, TestRow, run};

    fn row(status: &str) -> TestRow {
        TestRow::insert("public.package_status").int("id", 1).text("status", status).text("note", "")
    }

    #[test]
    fn rows_of_the_kept_status_pass_and_others_do_not() {
        assert!(run::<filter>(&row("In Transit")).is_pass());
        assert!(run::<filter>(&row("Delivered")).is_drop());
    }

    #[test]
    fn the_pipeline_says_which_status_is_kept() {
        let mut guest = TestGuest::<filter>::new([("keep", "Delivered")]).expect("a guest without init");
        assert!(guest.run(&row("Delivered")).is_pass());
        assert!(guest.run(&row("In Transit")).is_drop());
    }
}
