//! What comes in is counted by state, for the host's metrics. Names of counters are few and fixed: never a value of a row.

use sluicegate_guest::prelude::*;

#[transform(table = "public.payments", columns = ["state", "cents"], operations = ["insert"])]
pub fn counter(row: &mut Row, cx: &Ctx) -> Result<Verdict> {
    let cents = row.uint("cents")?;
    match row.text("state")? {
        "paid" => {
            cx.counter("paid", 1);
            cx.counter("paid_cents", cents);
        }
        _ => cx.counter("not_paid", 1),
    }
    Ok(pass())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{TestGuest, TestRow};

    #[test]
    fn payments_and_their_cents_are_counted() {
        let mut guest = TestGuest::<counter>::new::<&str, &str>([]).expect("a guest without init");
        for (state, cents) in [("paid", 250), ("paid", 50), ("open", 999)] {
            assert!(guest.run(&TestRow::insert("public.payments").text("state", state).uint("cents", cents)).is_pass());
        }
        assert_eq!((guest.counter("paid"), guest.counter("paid_cents"), guest.counter("not_paid")), (2, 300, 1));
    }
}
