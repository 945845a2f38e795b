//! Of a card's number only the last four digits leave the house.

use sluicegate_guest::prelude::*;

#[transform(table = "public.payments", columns = ["card"])]
pub fn mask(row: &mut Row, _: &Ctx) -> Result<Verdict> {
    // A delete with its key alone, or a truncate.
    if row.is_absent("card")? {
        return Ok(pass());
    }
    if let Some(card) = row.opt_text("card")? {
        let hidden = card.chars().count().saturating_sub(4);
        let masked: String = card.chars().enumerate().map(|(n, c)| if n < hidden { '*' } else { c }).collect();
        row.set("card", masked)?;
    }
    Ok(pass())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{TestRow, run};

    fn payment() -> TestRow {
        TestRow::insert("public.payments")
    }

    #[test]
    fn last_four_digits_stay() {
        assert!(run::<mask>(&payment().text("card", "4111111111111234")).sets("card", "************1234"));
        assert!(run::<mask>(&payment().text("card", "12")).sets("card", "12"));
        assert!(run::<mask>(&payment().null("card")).edits().is_empty());
    }

    #[test]
    fn a_value_that_is_not_in_the_log_is_refused_rather_than_sent_unseen() {
        let verdict = run::<mask>(&TestRow::update("public.payments").unchanged("card"));
        assert_eq!(verdict.rejection().map(|r| r.code()), Some("unchanged-value"));
    }
}
