//! The host's reader: any bytes are verdicts or an error, and what was read is written again as the same verdicts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluicegate_frame::{VerdictWriter, Verdicts};

fuzz_target!(|bytes: &[u8]| {
    // The number of rows is the host's; take what the header says, or no more than the bytes could hold.
    let claimed = bytes.get(8..12).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    let rows = claimed.min(bytes.len());
    let Ok(mut verdicts) = Verdicts::parse(bytes, rows) else { return };
    let mut writer = VerdictWriter::new(rows);
    let mut kept = Vec::new();
    for _ in 0..rows {
        let Ok(Some(verdict)) = verdicts.next() else { return };
        writer.push(&verdict);
        kept.push(format!("{verdict:?}"));
    }
    let written = writer.finish().expect("verdicts that were read fit the layout");
    let mut again = Verdicts::parse(&written, rows).expect("verdicts that were just written");
    for verdict in kept {
        assert_eq!(format!("{:?}", again.next().expect("a verdict").expect("one per row")), verdict);
    }
    assert_eq!(again.next(), Ok(None));
});
