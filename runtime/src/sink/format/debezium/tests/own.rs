//! Records that belong to no table, and what is said of transactions in those that do, as it was recorded.

use super::*;
use crate::change::{LogicalMessage, Notice, NoticeKind, TransactionId};
use crate::sink::format::debezium::{CloudEvents, Form, TransactionCounts, TransactionPlace, Unwrap};

/// Of a connector called `app`, in its database.
fn notice(committed_unix_us: i64, transaction: u32) -> Notice {
    Notice {
        before_row: 0,
        mark: RowMark { commit: 1, change: 1, sub: 0, transaction },
        committed_at: committed_unix_us - sluicegate_frame::UNIX_EPOCH_TO_2000_US,
        schema: Arc::new(schema(DatabaseKind::Postgres, "", "", Vec::new())),
        kind: NoticeKind::Begin { id: id(0) },
    }
}

fn id(lsn: u64) -> TransactionId {
    TransactionId::Postgres { xid: 2971, lsn }
}

fn counts() -> TransactionCounts {
    let collections = [("public.orders", 1), ("public.order_lines", 2), ("public.audit", 1)];
    TransactionCounts { events: 4, collections: collections.map(|(name, events)| (name.into(), events)).into() }
}

#[test]
fn bounds_of_a_transaction_are_what_was_recorded() {
    let notice = notice(1_795_243_150_893_061, 2971);
    let plain = plain();
    let begin = plain.transaction_record(&notice, &id(211_925_808), None).expect("a record");
    assert_eq!(begin.topic.as_deref(), Some("app.transaction"));
    assert_eq!(text(begin.key.as_deref().unwrap_or_default()), r#"{"id":"2971:211925808"}"#);
    assert_eq!(
        text(&begin.value),
        r#"{"status":"BEGIN","id":"2971:211925808","event_count":null,"data_collections":null,"ts_ms":1795243150893}"#
    );
    assert!(begin.headers.is_empty() && !begin.tombstone);
    let end = plain.transaction_record(&notice, &id(211_926_704), Some(&counts())).expect("a record");
    assert_eq!(
        text(&end.value),
        r#"{"status":"END","id":"2971:211926704","event_count":4,"data_collections":[{"data_collection":"public.orders","event_count":1},{"data_collection":"public.order_lines","event_count":2},{"data_collection":"public.audit","event_count":1}],"ts_ms":1795243150893}"#
    );
    let empty = plain.transaction_record(&notice, &id(1), Some(&TransactionCounts::default())).expect("a record");
    assert!(text(&empty.value).contains(r#""event_count":0,"data_collections":[],"#));
    let named = with(true, &[("topic.transaction", "tx")]).transaction_record(&notice, &id(5), None).expect("a record");
    assert_eq!(named.topic.as_deref(), Some("app.tx"));
    assert_eq!(
        text(named.key.as_deref().unwrap_or_default()),
        r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"}],"optional":false,"name":"io.debezium.connector.common.TransactionMetadataKey","version":1},"payload":{"id":"2971:5"}}"#
    );
    assert_eq!(
        text(&named.value),
        r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"status"},{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":true,"field":"event_count"},{"type":"array","items":{"type":"struct","fields":[{"type":"string","optional":false,"field":"data_collection"},{"type":"int64","optional":false,"field":"event_count"}],"optional":true,"name":"event.collection","version":1},"optional":true,"field":"data_collections"},{"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,"name":"io.debezium.connector.common.TransactionMetadataValue","version":1},"payload":{"status":"BEGIN","id":"2971:5","event_count":null,"data_collections":null,"ts_ms":1795243150893}}"#
    );
}

#[test]
fn id_of_a_binary_log_is_text_like_any_other() {
    let id = TransactionId::Binlog("file=my\"log.000001,pos=4".into());
    let record = plain().transaction_record(&notice(0, 0), &id, None).expect("a record");
    assert_eq!(text(record.key.as_deref().unwrap_or_default()), r#"{"id":"file=my\"log.000001,pos=4"}"#);
}

fn message() -> LogicalMessage {
    LogicalMessage {
        prefix: "p".into(),
        content: "only a message".into(),
        transactional: true,
        lsn: 211_936_208,
        previous_end: Some(Lsn(211_936_136)),
    }
}

const MESSAGE: &str = r#"{"op":"m","ts_ms":1795243151215,"source":{"version":"3.7.0.Final","connector":"postgresql","name":"app","ts_ms":1795243150897,"snapshot":"false","db":"app","sequence":"[\"211936136\",\"211936208\"]","ts_us":1795243150897880,"ts_ns":1795243150897880000,"schema":"","table":"","txId":2986,"lsn":211936208,"xmin":null,"origin":null,"origin_lsn":null},"transaction":{"id":"2986:211936208","total_order":1,"data_collection_order":1},"message":{"prefix":"p","content":"b25seSBhIG1lc3NhZ2U="}}"#;
const MESSAGE_SCHEMA: &str = r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"},{"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},{"type":"string","optional":false,"field":"connector"},{"type":"string","optional":false,"field":"name"},{"type":"int64","optional":false,"field":"ts_ms"},{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"},{"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"},{"type":"string","optional":false,"field":"schema"},{"type":"string","optional":false,"field":"table"},{"type":"int64","optional":true,"field":"txId"},{"type":"int64","optional":true,"field":"lsn"},{"type":"int64","optional":true,"field":"xmin"},{"type":"string","optional":true,"field":"origin"},{"type":"int64","optional":true,"field":"origin_lsn"}],"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"},{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,"field":"total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block","version":1,"field":"transaction"},{"type":"struct","fields":[{"type":"string","optional":true,"field":"prefix"},{"type":"bytes","optional":true,"field":"content"}],"optional":false,"name":"io.debezium.connector.postgresql.Message","version":1,"field":"message"}],"optional":false,"name":"io.debezium.connector.postgresql.MessageValue","version":1}"#;

#[test]
fn message_of_a_program_is_what_was_recorded() {
    let notice = notice(1_795_243_150_897_880, 2986);
    let place = TransactionPlace {
        id: TransactionId::Postgres { xid: 2986, lsn: 211_936_208 },
        total_order: 1,
        data_collection_order: 1,
    };
    let said = (Some(&place), 1_795_243_151_215_000_000);
    let record = plain().message_record(&notice, &message(), said).expect("a record");
    assert_eq!(record.topic.as_deref(), Some("app.message"));
    assert_eq!(
        (text(record.key.as_deref().unwrap_or_default()).as_str(), text(&record.value).as_str()),
        (r#"{"prefix":"p"}"#, MESSAGE)
    );
    let whole = with(true, &[]).message_record(&notice, &message(), said).expect("a record");
    assert_eq!(
        text(whole.key.as_deref().unwrap_or_default()),
        r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":true,"field":"prefix"}],"optional":false,"name":"io.debezium.connector.postgresql.MessageKey","version":1},"payload":{"prefix":"p"}}"#
    );
    assert_eq!(text(&whole.value), format!("{{\"schema\":{MESSAGE_SCHEMA},\"payload\":{MESSAGE}}}"));
}

#[test]
fn message_without_a_transaction_names_none() {
    let alone =
        LogicalMessage { transactional: false, lsn: 160_826_872, previous_end: Some(Lsn(160_826_872)), ..message() };
    let record = plain().message_record(&notice(0, 0), &alone, (None, NOW_NS)).expect("a record");
    let value = text(&record.value);
    for part in [
        r#""sequence":"[\"160826872\",\"160826872\"]""#,
        r#""txId":null,"lsn":160826872,"#,
        r#""transaction":null,"message""#,
    ] {
        assert!(value.contains(part), "{part}\n{value}");
    }
}

#[test]
fn contents_follow_the_mode_of_bytes() {
    let debezium = with(true, &[("binary.handling.mode", "hex")]);
    let value = text(&debezium.message_record(&notice(0, 0), &message(), (None, NOW_NS)).expect("a record").value);
    assert!(value.contains(r#"{"type":"string","optional":true,"field":"content"}"#), "{value}");
    assert!(value.ends_with(r#""message":{"prefix":"p","content":"6f6e6c792061206d657373616765"}}}"#), "{value}");
}

/// A change of a key is two changes, so it has two places.
#[test]
fn rows_say_where_they_stand_in_their_transaction() {
    let place = TransactionPlace { id: id(9), total_order: 4, data_collection_order: 2 };
    let told = |debezium: &Debezium, row: &Row<'_>| {
        let frame = frame(row.op, row.new, row.old);
        let table = id_and_note();
        let shown = ShownRow { schema: &table, row: frame.row(0).expect("one row"), edits: None };
        let mark = RowMark { commit: 2, change: 1, sub: 0, transaction: 2971 };
        let change = Change {
            shown: &shown,
            mark: &mark,
            previous_end: None,
            event: None,
            index: 0,
            transaction: Some(&place),
            now_ns: NOW_NS,
        };
        let records = debezium.records(&change).expect("records");
        (records, debezium.events(&shown))
    };
    let (new, old) = (&[Cell::Int(2), Cell::Text("x")], &[Cell::Int(1), Cell::Text("x")]);
    let (records, events) = told(&plain(), &update(new, old));
    let block =
        |record: &Record| text(&record.value).split_once("\"transaction\":").map(|(_, rest)| rest[..62].to_owned());
    assert_eq!(events, 2);
    assert_eq!(
        block(&records[0]).as_deref(),
        Some(r#"{"id":"2971:9","total_order":4,"data_collection_order":2},"op""#)
    );
    assert_eq!(
        block(&records[1]).as_deref(),
        Some(r#"{"id":"2971:9","total_order":5,"data_collection_order":3},"op""#)
    );
    assert_eq!(told(&plain(), &insert(new)).1, 1);
    let of_form = |form| Debezium::new(DebeziumOptions::default(), None).of_form(form);
    let options = [("add.fields".to_owned(), "transaction.id,total_order".to_owned())];
    let unwrap = of_form(Form::Unwrap(Unwrap::parse(&options).expect("options")));
    let value = text(&told(&unwrap, &insert(new)).0[0].value);
    assert!(value.ends_with(r#""__transaction_id":"2971:9","__total_order":4}"#), "{value}");
    let events = of_form(Form::CloudEvents(CloudEvents::parse(&[]).expect("options")));
    let value = text(&told(&events, &insert(new)).0[0].value);
    let attributes = r#""iodebeziumtxid":"2971:9","iodebeziumtxtotalorder":"4","iodebeziumtxdatacollectionorder":"2""#;
    assert!(value.contains(attributes), "{value}");
}

#[test]
fn all_of_it_can_be_said_in_avro() {
    let debezium = Debezium::new(DebeziumOptions::parse(Encoding::Avro, &[]).expect("options"), None);
    let notice = notice(0, 7);
    let end = debezium.transaction_record(&notice, &id(5), Some(&counts())).expect("a record");
    let message = debezium.message_record(&notice, &message(), (None, NOW_NS)).expect("a record");
    for record in [end, message] {
        for (schema, bytes) in [
            (&record.form.key_schema, record.key.as_deref().unwrap_or_default()),
            (&record.form.value_schema, &record.value[..]),
        ] {
            let schema = apache_avro::Schema::parse_str(schema.as_deref().expect("a schema")).expect("a schema");
            apache_avro::from_avro_datum(&schema, &mut &bytes[..], None).expect("bytes of it");
        }
    }
}

/// No recording has one; this is what `io.debezium.heartbeat.HeartbeatImpl` says.
#[test]
fn heartbeat_names_who_is_read_and_when() {
    let named = |options: &[(&str, &str)], prefix: Option<&str>| {
        let options: Vec<_> = options.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let options = DebeziumOptions::parse(Encoding::Plain, &options).expect("options");
        Debezium::new(options, prefix.map(Into::into)).heartbeat_record("erp", 1_795_243_150_893).expect("a record")
    };
    let record = named(&[], Some("shop"));
    assert_eq!(record.topic.as_deref(), Some("__debezium-heartbeat.shop"));
    assert_eq!(text(record.key.as_deref().unwrap_or_default()), r#"{"serverName":"shop"}"#);
    assert_eq!(text(&record.value), r#"{"ts_ms":1795243150893}"#);
    let record = named(&[("topic.heartbeat.prefix", "alive")], None);
    assert_eq!(record.topic.as_deref(), Some("alive.erp"));
    let whole = with(true, &[]).heartbeat_record("erp", 7).expect("a record");
    assert!(
        text(&whole.value)
            .contains("\"name\":\"io.debezium.connector.common.Heartbeat\",\"version\":1},\"payload\":{\"ts_ms\":7}}")
    );
}
