-- @set transforms=unwrap
-- @set transforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState
-- @set transforms.unwrap.add.fields=op,table,lsn,source.ts_ms
-- @set transforms.unwrap.delete.tombstone.handling.mode=rewrite
-- The flat shape: ExtractNewRecordState with deletes rewritten.
CREATE TABLE flat_t (id int PRIMARY KEY, name text, amount numeric(10,2) DEFAULT 1.5, tags text[], nn int NOT NULL);
CREATE TABLE flat_full (id int PRIMARY KEY, name text);
ALTER TABLE flat_full REPLICA IDENTITY FULL;
CREATE TABLE flat_nopk (a int, b text);
ALTER TABLE flat_nopk REPLICA IDENTITY FULL;
-- @stream
INSERT INTO flat_t VALUES (1, 'a', 1.00, '{x,y}', 5), (2, NULL, NULL, NULL, 6);
UPDATE flat_t SET name = 'b' WHERE id = 1;
UPDATE flat_t SET id = 3 WHERE id = 1;
DELETE FROM flat_t WHERE id = 3;
DELETE FROM flat_t WHERE id = 2;
INSERT INTO flat_full VALUES (1, 'a');
UPDATE flat_full SET name = 'b';
DELETE FROM flat_full;
INSERT INTO flat_nopk VALUES (1, 'a');
DELETE FROM flat_nopk;
TRUNCATE flat_t;
