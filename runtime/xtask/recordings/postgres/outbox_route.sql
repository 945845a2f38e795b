-- @set transforms=r
-- @set transforms.r.type=io.debezium.transforms.outbox.EventRouter
-- @set table.include.list=public.events_out
-- @set transforms.r.table.field.event.id=event_id
-- @set transforms.r.table.field.event.key=entity
-- @set transforms.r.table.field.event.payload=body
-- @set transforms.r.route.by.field=kind
-- @set transforms.r.route.topic.regex=(.*)\.(.*)
-- @set transforms.r.route.topic.replacement=outbox-$2.of.$1
-- @set transforms.r.route.tombstone.on.empty.payload=true
-- @set transforms.r.table.fields.additional.placement=trace:header,version:header:v,created:envelope:createdAt,amount:envelope
-- EventRouter with other column names, a routing expression, an integer key, headers of several types, columns in the envelope, tombstones.
CREATE TABLE events_out (body text, kind text NOT NULL, entity bigint, event_id bigint PRIMARY KEY, trace text, version smallint, created timestamptz, amount numeric(8,2), unused text DEFAULT 'u');
-- @stream
INSERT INTO events_out VALUES ('{"a":1}', 'order.created', 7, 1, 't-1', 3, '2026-03-01 12:00:00.5Z', 12.5, 'x');
INSERT INTO events_out VALUES ('plain é text', 'order.shipped', 7, 2, NULL, NULL, NULL, NULL, NULL), ('', 'customer.new', NULL, 3, '', 0, '2026-03-01 12:00:00Z', 0, NULL);
INSERT INTO events_out VALUES (NULL, 'customer.gone', 8, 4, 't', 1, NULL, NULL, NULL);
INSERT INTO events_out VALUES ('null', 'a.b.c', 9223372036854775807, 5, 't', -1, NULL, -0.01, NULL);
BEGIN; INSERT INTO events_out VALUES ('tx', 'order.created', 9, 6, 't', 1, NULL, 1, NULL); DELETE FROM events_out WHERE event_id = 6; COMMIT;
DELETE FROM events_out;
INSERT INTO events_out (body, kind, entity, event_id) VALUES ('[1, 2]', 'order.created', -1, 7);
