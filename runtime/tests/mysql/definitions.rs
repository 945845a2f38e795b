//! What statements do to tables, told as the server's catalog has it.

use crate::reader::{Reader, settings};
use crate::server::{BOTH, Server, Sql};
use sluicegate::change::{NoticeKind, RowMark, SchemaChange, SchemaChangeAbout, TableChangeKind, TableDefinition};
use std::sync::Arc;

const DATABASE: &str = "definitions";

type Told = (RowMark, Arc<SchemaChange>);

/// The next `count` statements on this test's database, with the rows that came meanwhile, by the default of their last column.
fn told(reader: &mut Reader, count: usize) -> (Vec<Told>, Vec<Option<String>>) {
    let (mut all, mut defaults) = (Vec::new(), Vec::new());
    while all.len() < count {
        let batch = reader.batch();
        for notice in &batch.notices {
            let NoticeKind::SchemaChange(change) = &notice.kind else { panic!("{notice:?}") };
            // Other tests make databases on the same server.
            if change.database == DATABASE {
                all.push((notice.mark, change.clone()));
            }
        }
        let default = |index| batch.schema_of(index).columns.last().and_then(|column| column.detail.default.clone());
        defaults.extend((0..batch.len()).map(default));
        reader.confirm(batch.confirms);
    }
    (all, defaults)
}

fn definition(change: &SchemaChange) -> &TableDefinition {
    change.change.as_ref().and_then(|change| change.definition.as_ref()).expect("a table")
}

fn run_and_see(reader: &mut Reader, sql: &Sql, statement: &str) -> Told {
    sql.run(statement);
    told(reader, 1).0.remove(0)
}

#[test]
fn definitions_are_told_with_their_tables_and_come_again_under_the_same_marks() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in(DATABASE);
        let mut settings = settings(&server, DATABASE);
        settings.notices.schema_changes = Some(settings.tables.clone());
        let mut reader = Reader::start(settings.clone()).streaming();
        let beginning = reader.batch().confirms;
        reader.confirm(beginning);
        let from = reader.known().expect("the position that it began at");

        let statement = "CREATE TABLE t (id int unsigned NOT NULL AUTO_INCREMENT, v varchar(10) CHARACTER SET latin1 DEFAULT 'x' COMMENT 'said', \
                         at timestamp NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP, PRIMARY KEY (id)) DEFAULT CHARSET utf8mb4 COMMENT 'of all'";
        let (first, created) = run_and_see(&mut reader, &sql, statement);
        assert_eq!((created.statement.as_str(), first.sub), (statement, 1), "{kind:?}");
        let table = definition(&created);
        assert_eq!((table.charset.as_str(), table.comment.as_str(), table.columns.len()), ("utf8mb4", "of all", 3));
        let [id, v, at] = &table.columns[..] else { panic!("{table:?}") };
        assert!(
            id.is_auto_increment && id.column.key && id.column.type_name.contains("int") && id.column.detail.not_null
        );
        assert_eq!((v.column.detail.charset.as_str(), v.column.detail.comment.as_str()), ("latin1", "said"));
        assert!(at.is_update_time && !at.is_auto_increment && !v.is_update_time, "{table:?}");

        let (_, altered) = run_and_see(&mut reader, &sql, "ALTER TABLE t ADD COLUMN n decimal(10,2) DEFAULT 1.25");
        let n = &definition(&altered).columns[3].column;
        assert_eq!((n.name.as_str(), n.detail.default.as_deref()), ("n", Some("1.25")), "{kind:?}");
        let kinds = |change: &SchemaChange| change.change.as_ref().map(|change| change.kind);
        assert_eq!((kinds(&created), kinds(&altered)), (Some(TableChangeKind::Create), Some(TableChangeKind::Alter)));

        // The row's schema is what the catalog said when the statement was read, not what it says by now.
        sql.run("INSERT INTO t (v) VALUES ('a'); DROP TABLE IF EXISTS t, never_there");
        let (dropped, defaults) = told(&mut reader, 2);
        assert_eq!(defaults, [Some("1.25".to_owned())], "{kind:?}");
        let statements: Vec<&str> = dropped.iter().map(|(_, change)| change.statement.as_str()).collect();
        let wanted = ["DROP TABLE IF EXISTS `definitions`.`t`", "DROP TABLE IF EXISTS `definitions`.`never_there`"];
        assert_eq!(statements, wanted, "{kind:?}");
        assert_eq!((dropped[0].0.commit, dropped[0].0.sub, dropped[1].0.sub), (dropped[1].0.commit, 1, 2));
        let SchemaChangeAbout::Tables { names, .. } = &dropped[0].1.about else { panic!("{dropped:?}") };
        assert_eq!(names, &["t", "never_there"]);
        reader.stop().expect("stops in order");

        settings.known = Some(from);
        let mut reader = Reader::start(settings).streaming();
        let (again, _) = told(&mut reader, 4);
        let marks: Vec<RowMark> = again.iter().map(|(mark, _)| *mark).collect();
        assert_eq!((marks[0], marks[2], marks[3]), (first, dropped[0].0, dropped[1].0), "{kind:?}");
        // The table is gone by now: what it was then, nobody knows any more, and the statement is told all the same.
        assert_eq!((again[0].1.change.as_ref(), again[0].1.statement.as_str()), (None, statement), "{kind:?}");
    }
}

#[test]
fn nobody_who_does_not_ask_is_told() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("untold");
        let mut reader = Reader::start(settings(&server, "untold")).streaming();
        sql.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
        let batch = reader.batch_of_rows();
        assert_eq!((batch.len(), batch.notices.len()), (1, 0), "{kind:?}");
    }
}
