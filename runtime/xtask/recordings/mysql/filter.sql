-- @set table.include.list=shop.inc_.*,shop.other
-- @set column.exclude.list=shop.inc_a.secret,.*.hidden_.*
-- @set tombstones.on.delete=false
-- @set extended.headers.enabled=false
-- @set skip.messages.without.change=true
-- @set include.schema.changes=false
-- @set bigint.unsigned.handling.mode=precise
-- @set skipped.operations=none
-- @set topic.transaction=trail.transaction
-- Tables wanted, columns left out, no tombstones, no context headers, no schema changes, truncates told, messages without a change skipped.
CREATE TABLE inc_a (secret varchar(9), a int, hidden_1 int, b varchar(9) DEFAULT 'b', big bigint unsigned, id int PRIMARY KEY);
CREATE TABLE inc_b (k1 bigint unsigned, k2 varchar(9), Hidden_Two text, v decimal(5,2), PRIMARY KEY (k2, k1));
CREATE TABLE other (a int, hidden_x int);
CREATE TABLE others (id int PRIMARY KEY);
CREATE TABLE not_inc (id int PRIMARY KEY, a int);
-- @stream
INSERT INTO inc_a VALUES ('s', 1, 2, 'x', 18446744073709551615, 1), (NULL, NULL, NULL, NULL, NULL, 2);
UPDATE inc_a SET secret = 't' WHERE id = 1; UPDATE inc_a SET hidden_1 = 5, secret = NULL; UPDATE inc_a SET a = 7, secret = 'u' WHERE id = 1; UPDATE inc_a SET id = 3 WHERE id = 2;
DELETE FROM inc_a WHERE id = 3;
INSERT INTO inc_b VALUES (18446744073709551615, 'k', 'h', 1.5), (0, '', NULL, NULL); UPDATE inc_b SET Hidden_Two = 'i'; UPDATE inc_b SET v = 2 WHERE k1 = 0; UPDATE inc_b SET k1 = 9223372036854775808 WHERE k1 = 0; DELETE FROM inc_b;
INSERT INTO other VALUES (1, 1), (NULL, 2); UPDATE other SET hidden_x = 3; UPDATE other SET a = 4; DELETE FROM other;
INSERT INTO others VALUES (1); INSERT INTO not_inc VALUES (1, 1); UPDATE not_inc SET a = 2;
BEGIN; INSERT INTO not_inc VALUES (2, 2); INSERT INTO inc_a (a, id) VALUES (1, 10); INSERT INTO others VALUES (2); INSERT INTO other VALUES (5, 5); COMMIT;
BEGIN; INSERT INTO not_inc VALUES (3, 3); INSERT INTO others VALUES (3); COMMIT;
ALTER TABLE inc_a ADD COLUMN hidden_3 int DEFAULT 1, ADD COLUMN shown int DEFAULT 2 AFTER secret; INSERT INTO inc_a (id) VALUES (20); UPDATE inc_a SET hidden_3 = 9 WHERE id = 20;
ALTER TABLE not_inc ADD COLUMN b int; CREATE TABLE inc_new (hidden_a int, id int PRIMARY KEY); INSERT INTO inc_new VALUES (1, 1);
TRUNCATE TABLE inc_b; TRUNCATE others; TRUNCATE TABLE other; INSERT INTO other VALUES (9, 9);
