//! Order is kept per warehouse and article, which no column says alone.

use sluicegate_guest::prelude::*;

#[transform(
    table = "public.stock_moves",
    columns = ["warehouse", "article"],
    operations = ["insert"],
    routes = ["stock"]
)]
pub fn derived_key(row: &mut Row, _: &Ctx) -> Result<Verdict> {
    let key = format!("{}/{}", row.text("warehouse")?, row.int("article")?);
    Ok(route("stock").key(key).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{TestRow, run};

    #[test]
    fn the_key_is_made_of_both_columns() {
        let row = TestRow::insert("public.stock_moves").text("warehouse", "porto").int("article", 12);
        assert_eq!(run::<derived_key>(&row).message().key.as_deref(), Some("porto/12"));
    }
}
