//! A carrier's code gets its name, from the pipeline's configuration.

use sluicegate_guest::prelude::*;
use std::collections::HashMap;

/// The names by code, read once and not for each row.
pub struct Carriers(HashMap<String, String>);

fn carriers(config: &Config) -> std::result::Result<Carriers, String> {
    let pairs = config.required("carriers")?.split(',').map(|pair| {
        let (code, name) = pair.split_once('=').ok_or(format!("`{pair}` is not CODE=NAME"))?;
        Ok((code.trim().to_owned(), name.trim().to_owned()))
    });
    pairs.collect::<std::result::Result<_, String>>().map(Carriers)
}

#[transform(table = "public.parcels", columns = ["carrier"], init = carriers)]
pub fn enrich(row: &mut Row, cx: &Ctx<Carriers>) -> Result<Verdict> {
    // A delete with its key alone, or a truncate.
    if row.is_absent("carrier")? {
        return Ok(pass());
    }
    let name = cx.state().0.get(row.text("carrier")?).map_or("unknown", String::as_str);
    row.add("carrier_name", name)?;
    Ok(pass())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::testing::{TestGuest, TestRow};

    fn parcel(carrier: &str) -> TestRow {
        TestRow::insert("public.parcels").text("carrier", carrier)
    }

    #[test]
    fn a_known_code_gets_its_name_and_another_one_says_so() {
        let mut guest =
            TestGuest::<enrich>::new([("carriers", "np=Northern Parcels, ex=Express")]).expect("a good config");
        assert!(guest.run(&parcel("ex")).sets("carrier_name", "Express"));
        assert!(guest.run(&parcel("zz")).sets("carrier_name", "unknown"));
    }

    #[test]
    fn a_config_that_can_not_be_read_keeps_the_guest_from_being_used() {
        assert!(TestGuest::<enrich>::new([("carriers", "np")]).is_err());
        assert!(TestGuest::<enrich>::new::<&str, &str>([]).is_err());
    }
}
