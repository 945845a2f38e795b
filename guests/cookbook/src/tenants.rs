//! Every tenant has a receiver of its own, and sees no row of another.

use sluicegate_guest::prelude::*;

#[transform(table = "public.*", columns = ["tenant"], routes = ["tenant"])]
pub fn tenants(row: &mut Row, _: &Ctx) -> Result<Verdict> {
    // Whose row was deleted, only a table with REPLICA IDENTITY FULL says, or one that has the tenant in its key.
    if row.is_absent("tenant")? {
        return Ok(drop_row());
    }
    Ok(route("tenant").member(row.text("tenant")?).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{TestRow, run};

    #[test]
    fn a_row_goes_to_its_tenant_alone() {
        let verdict = run::<tenants>(&TestRow::insert("public.orders").text("tenant", "acme"));
        assert_eq!(verdict.message().member.as_deref(), Some("acme"));
    }

    #[test]
    fn a_row_of_nobody_is_refused() {
        let verdict = run::<tenants>(&TestRow::insert("public.orders").null("tenant"));
        assert_eq!(verdict.rejection().map(|r| r.code()), Some("null-value"));
    }
}
