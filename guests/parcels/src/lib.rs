//! Every step of a parcel to the customer who owns it: one line of `public.package_status` per step, one message each.
//!
//! Steps whose status is the config's `skip` stay in the house. The message carries the row; its status stands in a header
//! as well, so that a receiver can sort without parsing.

use sluicegate_guest::prelude::*;

#[transform(
    table = "public.package_status",
    columns = ["package_id", "customer_id", "status"],
    operations = ["insert", "update", "read"],
    routes = ["customer"]
)]
pub fn to_customer(row: &mut Row, cx: &Ctx) -> Result<Verdict> {
    let status = row.text("status")?;
    if cx.config("skip") == Some(status) {
        cx.counter("skipped", 1);
        return Ok(drop_row());
    }
    if cfg!(feature = "v2") {
        row.add("handled_by", "parcels v2")?;
    }
    Ok(route("customer")
        .member(row.int("customer_id")?)
        .key(row.int("package_id")?)
        .header("x-parcel-status", status)
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{TestGuest, TestRow, run};

    fn step(status: &str) -> TestRow {
        TestRow::insert("public.package_status")
            .int("package_id", 7)
            .int("customer_id", 2)
            .text("status", status)
            .key("package_id")
    }

    #[test]
    fn a_step_goes_to_the_customer_who_owns_the_parcel() {
        let verdict = run::<to_customer>(&step("In Transit"));
        let message = verdict.message();
        assert_eq!(message.route, "customer");
        assert_eq!(message.member.as_deref(), Some("2"));
        assert_eq!(message.key.as_deref(), Some("7"));
        assert_eq!(message.header("x-parcel-status"), Some("In Transit"));
        assert_eq!(message.body, None, "the message carries the row");
    }

    #[test]
    fn the_second_version_says_so_in_the_row() {
        let verdict = run::<to_customer>(&step("In Transit"));
        assert_eq!(verdict.sets("handled_by", "parcels v2"), cfg!(feature = "v2"));
        assert_eq!(verdict.edits().is_empty(), !cfg!(feature = "v2"));
    }

    #[test]
    fn a_skipped_status_is_dropped_and_counted() {
        let mut guest = TestGuest::<to_customer>::new([("skip", "Package Posted")]).expect("a guest without init");
        assert!(guest.run(&step("Package Posted")).is_drop());
        assert_eq!(guest.run(&step("Delivered")).messages().len(), 1);
        assert_eq!(guest.counter("skipped"), 1);
    }

    #[test]
    fn nothing_is_skipped_unless_the_pipeline_says_so() {
        assert_eq!(run::<to_customer>(&step("Package Posted")).messages().len(), 1);
    }

    #[test]
    fn a_step_without_customer_is_rejected_and_not_sent_to_customer_zero() {
        let verdict = run::<to_customer>(&step("In Transit").null("customer_id"));
        let rejection = verdict.rejection().expect("a rejection");
        assert_eq!(rejection.code(), "null-value");
        assert!(rejection.message().contains("customer_id"), "{rejection}");
    }

    #[test]
    fn a_deleted_step_is_no_step() {
        let guest = TestGuest::<to_customer>::new::<&str, &str>([]).expect("a guest without init");
        assert!(!guest.wants(&TestRow::delete("public.package_status").int("package_id", 7)));
        assert!(!guest.wants(&TestRow::insert("public.packages").int("package_id", 7)));
    }
}
