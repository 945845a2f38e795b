-- @set transforms=x
-- @set transforms.x.type=io.debezium.transforms.ExtractNewRecordState
-- @set transforms.x.delete.tombstone.handling.mode=rewrite-with-tombstone
-- @set transforms.x.add.fields=op,db,schema,table,lsn,source.ts_ms,connector:by
-- @set transforms.x.add.headers=op,name,source.schema:where,table
-- ExtractNewRecordState: deletes rewritten and tombstones, fields and headers added, some under other names.
CREATE TYPE hue AS ENUM ('red', 'blue');
CREATE TABLE f_dflt (v text, "Num" numeric(8,3) DEFAULT 2.5, id int, h hue NOT NULL, at timestamptz, part text, PRIMARY KEY (part, id));
CREATE TABLE f_full (b bytea, tags int[], d date NOT NULL DEFAULT '2026-01-01', id uuid PRIMARY KEY, big text);
ALTER TABLE f_full REPLICA IDENTITY FULL, ALTER big SET STORAGE EXTERNAL;
CREATE TABLE f_nokey (n int DEFAULT 3, t text);
ALTER TABLE f_nokey REPLICA IDENTITY FULL;
CREATE TABLE f_toast (n int, big text, id int PRIMARY KEY);
ALTER TABLE f_toast ALTER big SET STORAGE EXTERNAL;
-- @stream
INSERT INTO f_dflt VALUES ('a', 1.5, 1, 'red', '2026-03-01 12:00:00.5Z', 'p'), (NULL, NULL, 2, 'blue', NULL, '');
UPDATE f_dflt SET v = 'b' WHERE id = 1;
UPDATE f_dflt SET v = v WHERE id = 1;
UPDATE f_dflt SET part = 'q', v = 'moved' WHERE id = 1;
DELETE FROM f_dflt;
INSERT INTO f_full VALUES ('\x00ff', '{1,NULL}', DEFAULT, '11111111-1111-1111-1111-111111111111', repeat('F', 5000)), (NULL, NULL, '1969-07-20', '22222222-1111-1111-1111-111111111111', NULL);
UPDATE f_full SET d = d + 1;
UPDATE f_full SET id = '33333333-1111-1111-1111-111111111111' WHERE b IS NULL;
DELETE FROM f_full;
INSERT INTO f_nokey VALUES (1, 'x'), (NULL, NULL);
UPDATE f_nokey SET t = 'y';
DELETE FROM f_nokey WHERE n = 1;
INSERT INTO f_toast VALUES (1, repeat('T', 5000), 1);
UPDATE f_toast SET n = 2;
UPDATE f_toast SET id = 5;
DELETE FROM f_toast;
BEGIN; INSERT INTO f_dflt VALUES ('tx', 1, 9, 'red', NULL, 'tx'); INSERT INTO f_nokey VALUES (9, 'tx'); DELETE FROM f_dflt WHERE id = 9; COMMIT;
SELECT pg_logical_emit_message(true, 'flat', 'message');
