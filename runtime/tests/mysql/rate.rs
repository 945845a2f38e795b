//! The bare reader, against which the source is measured: it reads what it is asked for, and ends there.

use crate::reader::{Reader, settings};
use crate::server::{BOTH, Server};
use sluicegate::source::mysql::{DrainUntil, drain_bare};

#[test]
fn bare_reader_reads_from_a_position_to_an_end() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("bare");
        sql.run("CREATE TABLE t (id int PRIMARY KEY)");
        let ours = settings(&server, "bare");
        let mut reader = Reader::start(ours.clone()).streaming();
        let first = reader.batch().confirms;
        reader.confirm(first);
        let from = reader.stop_known();
        for id in 0..50 {
            sql.run(&format!("INSERT INTO t VALUES ({id}), (-{id} - 1)"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for until in [DrainUntil::RowEvents(50), DrainUntil::Transactions(50)] {
            let rate = runtime.block_on(drain_bare(&ours, &from, until)).expect("the log is there");
            // Other tests write to the same log.
            assert!(rate.transactions >= 50 || rate.row_events >= 50, "{rate:?}");
            assert!(rate.events > rate.row_events && rate.bytes > 50 * 30 && !rate.elapsed.is_zero(), "{rate:?}");
        }
    }
}
