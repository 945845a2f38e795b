-- @set table.include.list=public.inc_.*,other.t
-- @set column.include.list=public.inc_a.(b|d),.*.inc_key.v,other.t.(id|x),public.inc_full..*
-- @set skip.messages.without.change=true
-- Tables and columns that are wanted; messages without a change are skipped where it can be told.
CREATE SCHEMA other;
CREATE TABLE inc_a (a int, b text, c numeric(6,2), d jsonb, id int PRIMARY KEY);
CREATE TABLE inc_key (z int, k1 text, v text, k2 date, hidden bytea NOT NULL DEFAULT '\x01', PRIMARY KEY (k2, k1));
CREATE TABLE inc_full (id int PRIMARY KEY, a int, b text);
ALTER TABLE inc_full REPLICA IDENTITY FULL;
CREATE TABLE not_inc (id int PRIMARY KEY, b text);
CREATE TABLE other.t (id int PRIMARY KEY, x text, y text);
ALTER TABLE other.t REPLICA IDENTITY FULL;
CREATE TABLE other.t2 (id int PRIMARY KEY);
-- @stream
INSERT INTO inc_a VALUES (1, 'b', 1.5, '{"d": 1}', 1), (NULL, NULL, NULL, NULL, 2);
UPDATE inc_a SET a = 2 WHERE id = 1;
UPDATE inc_a SET b = 'bb' WHERE id = 1;
UPDATE inc_a SET id = 3 WHERE id = 1;
DELETE FROM inc_a;
INSERT INTO inc_key VALUES (1, 'k', 'v', '2026-01-01', '\x02');
UPDATE inc_key SET z = 2;
UPDATE inc_key SET v = 'w';
UPDATE inc_key SET k1 = 'l';
DELETE FROM inc_key;
INSERT INTO inc_full VALUES (1, 1, 'b'), (2, 2, NULL);
UPDATE inc_full SET a = a;
UPDATE inc_full SET a = 5 WHERE id = 1;
UPDATE inc_full SET id = 9 WHERE id = 2;
DELETE FROM inc_full;
INSERT INTO not_inc VALUES (1, 'never');
UPDATE not_inc SET b = 'seen';
INSERT INTO other.t VALUES (1, 'x', 'y'), (2, NULL, NULL);
UPDATE other.t SET y = 'yy' WHERE id = 1;
UPDATE other.t SET x = 'xx' WHERE id = 1;
UPDATE other.t SET x = 'xxx', y = 'yyy';
DELETE FROM other.t WHERE id = 2;
INSERT INTO other.t2 VALUES (1);
BEGIN; INSERT INTO inc_a VALUES (5, 'tx', 5, '[]', 5); INSERT INTO not_inc VALUES (2, 'x'); UPDATE other.t SET y = 'only y'; INSERT INTO other.t VALUES (3, 'tx', NULL); COMMIT;
BEGIN; INSERT INTO not_inc VALUES (3, 'x'); INSERT INTO other.t2 VALUES (3); COMMIT;
