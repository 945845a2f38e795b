//! What is told of statements that change definitions, and when the catalog is asked about them.

use super::log_tests::decoder;
use super::tests::{begun, feed, gtid, ids, inserts, mysql, query, table_map};
use super::*;
use crate::change::{Batch, NoticeKind, Position, SchemaChange, SchemaChangeAbout};
use crate::source::mysql::rules::{Catalog, CatalogColumn, CatalogOptions, CatalogTable};
use std::sync::Arc;
use std::time::Instant;

/// A decoder whose pipelines ask for schema changes of `shop.t`, and whose catalog has that table.
fn telling() -> Decoder {
    let catalog = "shop.t\tid\tint\tint\tNO\t\t\t1\nshop.t\tv\tvarchar\tvarchar(20)\tYES\t=x\tutf8mb4\t0";
    let mut decoder = decoder(catalog, DatabaseKind::Mysql);
    decoder.rules.notices.schema_changes = Some(Arc::new(|name| name == "shop.t"));
    decoder
}

fn told(batch: &Batch) -> Vec<(u32, RowMark, Arc<SchemaChange>)> {
    let notice = |notice: &crate::change::Notice| match &notice.kind {
        NoticeKind::SchemaChange(change) => (notice.before_row, notice.mark, change.clone()),
        other => panic!("{other:?}"),
    };
    batch.notices.iter().map(notice).collect()
}

#[test]
fn a_statement_is_told_with_the_table_as_the_catalog_has_it() {
    let mut decoder = telling();
    feed(&mut decoder, &begun(1));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..2)), (kind::XID, vec![0; 8])]);
    feed(&mut decoder, &[(kind::GTID, gtid(2)), (kind::QUERY, query("ALTER TABLE t ADD v int"))]);
    let batch = decoder.take(Instant::now());
    assert_eq!(batch.confirms.as_ref().map(Position::ordinal), Some(2), "it is confirmed with its batch");
    let [(before_row, mark, change)] = &told(&batch)[..] else { panic!("{:?}", batch.notices) };
    assert_eq!((*before_row, *mark), (1, RowMark { commit: 2, change: 0, sub: 1, transaction: 0 }));
    assert_eq!((change.database.as_str(), change.statement.as_str()), ("shop", "ALTER TABLE t ADD v int"));
    assert_eq!(
        (change.event.thread, change.event.server_id, change.event.gtid.to_string().ends_with(":2")),
        (0, 7, true)
    );
    let definition = change.change.as_ref().and_then(|change| change.definition.as_ref()).expect("a table");
    let columns: Vec<&str> = definition.columns.iter().map(|defined| defined.column.name.as_str()).collect();
    assert_eq!((columns, definition.charset.as_str()), (vec!["id", "v"], "utf8mb4"));
}

#[test]
fn each_table_of_a_statement_is_told_by_itself_and_only_to_those_who_ask() {
    let mut decoder = telling();
    feed(&mut decoder, &[(kind::GTID, gtid(1)), (kind::QUERY, query("RENAME TABLE x TO y, t TO u, u TO t"))]);
    feed(&mut decoder, &[(kind::GTID, gtid(2)), (kind::QUERY, query("DROP TABLE t, x"))]);
    for (number, sql) in
        (3..).zip(["CREATE TABLE x (a int)", "CREATE VIEW t AS SELECT 1", "CREATE DATABASE other", "FLUSH TABLES"])
    {
        feed(&mut decoder, &[(kind::GTID, gtid(number)), (kind::QUERY, query(sql))]);
    }
    let batch = decoder.take(Instant::now());
    let told = told(&batch);
    let found: Vec<_> = told
        .iter()
        .map(|(_, mark, change)| {
            (mark.commit, mark.sub, change.statement.as_str(), change.change.as_ref().map(|c| c.kind))
        })
        .collect();
    use crate::change::TableChangeKind::{Alter, Drop};
    assert_eq!(
        found,
        [
            // The catalog has no `u`.
            (1, 1, "RENAME TABLE t TO u", None),
            (1, 2, "RENAME TABLE u TO t", Some(Alter)),
            (2, 1, "DROP TABLE `shop`.`t`", Some(Drop)),
            (5, 1, "CREATE DATABASE other", None),
            (6, 1, "FLUSH TABLES", None),
        ]
    );
    let about = |index: usize| &told[index].2.about;
    let (names, own) = (vec!["y".into(), "u".into(), "t".into()], vec!["shop.u".into(), "shop.t".into()]);
    assert_eq!(*about(0), SchemaChangeAbout::Tables { names, own });
    assert_eq!((about(3), about(4)), (&SchemaChangeAbout::Database, &SchemaChangeAbout::Untold));
    assert_eq!(told[3].2.database, "other");
}

#[test]
fn what_was_told_within_a_transaction_is_not_told_again_behind_a_cut() {
    let mut decoder = telling();
    let made = query("CREATE TABLE t (id int, v varchar(20)) START TRANSACTION");
    let begin = [
        (kind::GTID, gtid(1)),
        (kind::QUERY, query("BEGIN")),
        (kind::QUERY, made),
        (kind::TABLE_MAP, table_map(1, "t")),
    ];
    feed(&mut decoder, &begin);
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..3))]);
    let batch = decoder.take(Instant::now());
    assert_eq!((told(&batch).len(), told(&batch)[0].0, batch.len()), (1, 0, 2));
    assert_eq!(told(&batch)[0].2.event.thread, 5, "within a transaction it is known");
    let from = decoder.position();
    decoder.restart(&from);
    feed(&mut decoder, &begin);
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..4)), (kind::XID, vec![0; 8])]);
    let batch = decoder.take(Instant::now());
    assert_eq!((told(&batch).len(), ids(&batch)), (0, vec![3]));
}

#[test]
fn definitions_stand_outside_of_transactions_for_those_who_ask_for_both() {
    let mut decoder = telling();
    decoder.rules.notices.transactions = true;
    decoder = Decoder::new(
        decoder.rules,
        &BinlogPosition { ordinal: 0, file: "b.1".into(), offset: 4, gtids: "".into() },
        DatabaseKind::Mysql,
    );
    feed(&mut decoder, &[(kind::GTID, gtid(1)), (kind::QUERY, query("DROP TABLE t"))]);
    feed(&mut decoder, &begun(2));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..2)), (kind::XID, vec![0; 8])]);
    let batch = decoder.take(Instant::now());
    let kinds: Vec<&str> = batch
        .notices
        .iter()
        .map(|notice| match notice.kind {
            NoticeKind::Begin { .. } => "begin",
            NoticeKind::Commit { .. } => "commit",
            NoticeKind::SchemaChange(_) => "definition",
            NoticeKind::Message(_) => "message",
        })
        .collect();
    assert_eq!(kinds, ["definition", "begin", "commit"]);
}

/// A statement in another charset than UTF-8: `ALTER TABLE t COMMENT 'é'` of a client in latin1.
#[test]
fn a_statement_is_read_in_its_writers_charset() {
    let mut decoder = telling();
    let variables =
        [&[0, 0, 0, 0, 0][..], &[1, 0, 0, 0, 0, 0, 0, 0, 0], &[6, 3], b"std", &[4, 8, 0, 8, 0, 45, 0]].concat();
    let head = [&[5, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0][..], &(variables.len() as u16).to_le_bytes(), &variables, b"shop\0"]
        .concat();
    let statement = [head, b"ALTER TABLE t COMMENT '\xe9'".to_vec()].concat();
    feed(&mut decoder, &[(kind::GTID, gtid(1)), (kind::QUERY, statement)]);
    assert_eq!(told(&decoder.take(Instant::now()))[0].2.statement, "ALTER TABLE t COMMENT 'é'");
}

#[test]
fn the_catalog_is_asked_when_the_definition_is_read_and_not_again_for_its_rows() {
    struct Changing(u8);
    impl Catalog for Changing {
        fn table(&mut self, _: &str, _: &str) -> Result<CatalogTable, String> {
            self.0 += 1;
            let column = |name: &str, default: Option<String>| CatalogColumn {
                name: name.into(),
                data_type: "varchar".into(),
                column_type: "varchar(20)".into(),
                default,
                charset: "utf8mb4".into(),
                ..CatalogColumn::default()
            };
            Ok(CatalogTable { columns: vec![column("id", None), column("v", Some(self.0.to_string()))] })
        }

        fn await_definition(&mut self, _: &str, _: &str) -> Result<bool, String> {
            Ok(true)
        }

        fn options(&mut self, _: &str, _: &str) -> Result<Option<CatalogOptions>, String> {
            Ok(Some(CatalogOptions { charset: "utf8mb4".into(), comment: String::new() }))
        }
    }
    let mut decoder = mysql();
    decoder.rules.catalog = Box::new(Changing(0));
    let default = |decoder: &mut Decoder, number: u64| {
        feed(decoder, &begun(number));
        feed(decoder, &[(kind::WRITE_ROWS, inserts(1, 1..2)), (kind::XID, vec![0; 8])]);
        let batch = decoder.take(Instant::now());
        batch.schema_of(0).columns[1].detail.default.clone()
    };
    feed(&mut decoder, &[(kind::GTID, gtid(1)), (kind::QUERY, query("ALTER TABLE t ADD v varchar(20) DEFAULT '1'"))]);
    assert_eq!(default(&mut decoder, 2).as_deref(), Some("1"));
    feed(&mut decoder, &[(kind::GTID, gtid(3)), (kind::QUERY, query("CREATE TABLE other (a int)"))]);
    assert_eq!(default(&mut decoder, 4).as_deref(), Some("1"), "another table's definition is no reason to ask");
    // A server that takes capital letters for small ones.
    feed(&mut decoder, &[(kind::GTID, gtid(5)), (kind::QUERY, query("ALTER TABLE T DROP DEFAULT"))]);
    assert_eq!(default(&mut decoder, 6).as_deref(), Some("4"));
    feed(&mut decoder, &[(kind::GTID, gtid(7)), (kind::QUERY, query("DROP DATABASE shop"))]);
    assert_eq!(default(&mut decoder, 8).as_deref(), Some("5"));
}
