-- @set transforms=r
-- @set transforms.r.type=io.debezium.transforms.outbox.EventRouter
-- @set table.include.list=shop.outbox
-- @set include.schema.changes=false
-- @set transforms.r.table.expand.json.payload=true
-- @set transforms.r.table.fields.additional.placement=type:header:eventType,tenant:envelope,made:header
-- EventRouter on binary logs: JSON payload expanded, an envelope, a date and time as a header.
CREATE TABLE outbox (id char(36) PRIMARY KEY, type varchar(255) NOT NULL, tenant int unsigned, made datetime(3), aggregateid varchar(255) NOT NULL, payload json, aggregatetype varchar(255) NOT NULL);
-- @stream
INSERT INTO outbox VALUES ('00000000-0000-0000-0000-000000000001', 'Created', 7, '2026-03-01 12:00:00.5', 'o-1', '{"id": 1, "total": 12.5, "tags": ["a", "b"], "who": {"name": "é"}}', 'Order');
INSERT INTO outbox VALUES ('00000000-0000-0000-0000-000000000002', 'Shipped', NULL, NULL, 'o-1', '{}', 'Order'), ('00000000-0000-0000-0000-000000000003', '', 0, '1970-01-01', '', '"text"', 'customer'), ('00000000-0000-0000-0000-000000000004', 'Gone', 4294967295, NULL, 'c', NULL, 'customer'), ('00000000-0000-0000-0000-000000000005', 'Num', 1, NULL, 'c', '5', 'customer');
BEGIN; INSERT INTO outbox VALUES ('00000000-0000-0000-0000-000000000006', 'Tx', 1, NULL, 'c', '{"n": null, "e": {}, "l": []}', 'customer'); DELETE FROM outbox; COMMIT;
