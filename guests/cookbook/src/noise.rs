//! A device that only said that it is still there is no news. Needs the row as it was: `ALTER TABLE devices REPLICA IDENTITY FULL`.

use sluicegate_guest::prelude::*;

/// What counts as news; `seen_at` does not.
const NEWS: [&str; 2] = ["state", "firmware"];

#[transform(table = "public.devices", columns = ["state", "firmware"], operations = ["update"], old = true)]
pub fn noise(row: &mut Row, _: &Ctx) -> Result<Verdict> {
    let Some(old) = row.old() else { return Ok(pass()) };
    for column in NEWS {
        if row.cell(column)? != old.cell(column)? {
            return Ok(pass());
        }
    }
    Ok(drop_row())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{TestRow, run};

    fn update(state: &str, before: &str) -> TestRow {
        let row = TestRow::update("public.devices").text("state", state).text("firmware", "1.2");
        row.was("state", before).was("firmware", "1.2")
    }

    #[test]
    fn an_update_without_news_is_dropped() {
        assert!(run::<noise>(&update("on", "on")).is_drop());
        assert!(run::<noise>(&update("off", "on")).is_pass());
    }

    #[test]
    fn update_that_does_not_say_how_it_was_passes() {
        assert!(run::<noise>(&TestRow::update("public.devices").text("state", "on").text("firmware", "1")).is_pass());
    }
}
