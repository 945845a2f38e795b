-- @set message.key.columns=shop.k_null:ref;shop.k_order:b,a;(.*)_line:order_no,line_no;SHOP.K_CASE:CODE;shop.k_types:k.*
-- message.key.columns, with full row images.
CREATE TABLE k_null (id int PRIMARY KEY, n int, ref varchar(20));
CREATE TABLE k_order (id int PRIMARY KEY, a int NOT NULL, b varchar(8) NOT NULL DEFAULT 'bee', n int);
CREATE TABLE a_line (line_no int, order_no bigint, item text, PRIMARY KEY (order_no, line_no));
CREATE TABLE b_line (id int PRIMARY KEY AUTO_INCREMENT, line_no smallint unsigned NOT NULL, order_no int NOT NULL, item text);
CREATE TABLE k_case (id int PRIMARY KEY, code text NOT NULL);
CREATE TABLE k_types (id int PRIMARY KEY, k1 enum('a','b') NOT NULL, k2 set('a','b'), k3 bigint unsigned NOT NULL, k4 datetime(3), k5 time, k6 year NOT NULL, k7 bit(9), k8 json, k9 blob, k10 binary(4), k11 double, k12 date, k13 bool NOT NULL DEFAULT 1, v int);
-- @stream
INSERT INTO k_null VALUES (1, 1, NULL), (2, 2, 'x'), (3, 3, NULL);
UPDATE k_null SET n = 10 WHERE id = 1;
UPDATE k_null SET ref = 'r' WHERE id = 1;
UPDATE k_null SET ref = NULL WHERE id = 2;
UPDATE k_null SET id = 30 WHERE id = 3;
DELETE FROM k_null;
INSERT INTO k_order (id, a, n) VALUES (1, 1, 1);
INSERT INTO k_order VALUES (2, 2, 'bb', 2);
UPDATE k_order SET n = 5;
UPDATE k_order SET a = 3 WHERE id = 1;
UPDATE k_order SET b = 'é🚢' WHERE id = 2;
DELETE FROM k_order;
INSERT INTO a_line VALUES (1, 100, 'a'), (2, 100, 'b');
UPDATE a_line SET item = 'c' WHERE line_no = 1;
UPDATE a_line SET line_no = 3 WHERE line_no = 2;
DELETE FROM a_line;
INSERT INTO b_line (line_no, order_no, item) VALUES (1, 100, 'a'), (1, 100, 'same key');
UPDATE b_line SET order_no = 101 WHERE id = 1;
UPDATE b_line SET id = 20 WHERE id = 2;
DELETE FROM b_line;
INSERT INTO k_case VALUES (1, 'c');
UPDATE k_case SET code = 'd';
DELETE FROM k_case;
INSERT INTO k_types VALUES (1, 'b', 'a,b', 18446744073709551615, '2026-03-01 01:02:03.456', '-10:11:12', 2026, b'100000001', '{"a": 1}', x'00ff', 'ab', 1.5, '2026-03-01', 0, 1), (2, 'a', NULL, 0, NULL, NULL, 1970, NULL, NULL, NULL, NULL, NULL, NULL, 1, 2);
UPDATE k_types SET v = 3;
UPDATE k_types SET k2 = '' WHERE id = 2;
DELETE FROM k_types;
