//! Of a sensor that speaks all the time, one reading in ten seconds is enough.
//!
//! The guest's clock is the database's: when a row was committed. What it remembers is gone after a restart, and then a reading
//! more comes through; nothing may depend on it that must not be lost.

use sluicegate_guest::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;

const PAUSE_US: i64 = 10_000_000;
/// Sensors that are remembered; memory has a limit, so this has one.
const SENSORS_MAX: usize = 10_000;

/// When each sensor was last let through.
#[derive(Default)]
pub struct Last(RefCell<HashMap<i64, i64>>);

fn nothing_yet(_: &Config) -> std::result::Result<Last, String> {
    Ok(Last::default())
}

#[transform(
    table = "public.readings",
    columns = ["sensor"],
    operations = ["insert"],
    stateful = true,
    init = nothing_yet
)]
pub fn debounce(row: &mut Row, cx: &Ctx<Last>) -> Result<Verdict> {
    let (sensor, now) = (row.int("sensor")?, row.committed_at().unix_micros().unwrap_or(0));
    let mut last = cx.state().0.borrow_mut();
    if last.get(&sensor).is_some_and(|last| now - last < PAUSE_US) {
        return Ok(drop_row());
    }
    if last.len() >= SENSORS_MAX {
        last.clear();
    }
    last.insert(sensor, now);
    Ok(pass())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_guest::Timestamp;
    use sluicegate_guest::testing::{TestGuest, TestRow};

    #[test]
    fn one_reading_in_ten_seconds_passes_for_each_sensor() {
        let mut guest = TestGuest::<debounce>::new::<&str, &str>([]).expect("a guest that starts");
        let mut passes = |sensor: i64, second: i64| {
            let at = Timestamp::from_unix_micros(second * 1_000_000).expect("a time");
            guest.run(&TestRow::insert("public.readings").int("sensor", sensor).committed_at(at)).is_pass()
        };
        assert!(passes(1, 100) && !passes(1, 105) && passes(2, 106) && passes(1, 110));
    }
}
