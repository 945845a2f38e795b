-- @set transforms=r
-- @set transforms.r.type=io.debezium.transforms.outbox.EventRouter
-- @set table.include.list=public.outbox
-- @set transforms.r.table.expand.json.payload=true
-- @set transforms.r.table.json.payload.null.behavior=optional_bytes
-- @set transforms.r.table.fields.additional.placement=type:header:eventType
-- EventRouter with expanded documents of many shapes; nulls kept.
CREATE TABLE outbox (type text NOT NULL, payload text, aggregatetype text NOT NULL, aggregateid uuid NOT NULL, id uuid PRIMARY KEY);
-- @stream
INSERT INTO outbox VALUES ('T', '{"i": 1, "big": 5000000000, "neg": -1, "f": 1.5, "e": 1e3, "t": true, "s": "é \"q\"", "n": null}', 'doc', '11111111-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001');
INSERT INTO outbox VALUES ('T', '{"o": {"p": {"q": [1, 2]}}, "a": [{"x": 1}, {"y": "z"}], "e": [], "eo": {}, "nn": {"m": null}}', 'doc', '11111111-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002');
INSERT INTO outbox VALUES ('T', 'not json', 'other', '11111111-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000006'), ('T', '"str"', 'other', '11111111-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000007'), ('T', '12', 'other', '11111111-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000008'), ('T', '{}', 'other', '11111111-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000009'), ('T', NULL, 'other', '11111111-0000-0000-0000-000000000003', '00000000-0000-0000-0000-00000000000a'), ('T', '{"broken": ', 'other', '11111111-0000-0000-0000-000000000003', '00000000-0000-0000-0000-00000000000b'), ('T', '  {"lead": "blank"}', 'other', '11111111-0000-0000-0000-000000000003', '00000000-0000-0000-0000-00000000000c');
INSERT INTO outbox VALUES ('T', '{"odd name": 1, "dot.ted": 2, "é": 3, "1": 4, "dup": 1, "dup": 2}', 'odd', '11111111-0000-0000-0000-000000000004', '00000000-0000-0000-0000-00000000000d');
DELETE FROM outbox WHERE aggregatetype = 'list';
