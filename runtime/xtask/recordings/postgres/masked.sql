-- @set column.mask.with.0.chars=public\.m_zero\..*,public\.m_each\.zero
-- @set column.mask.with.7.chars=public\.m_seven\..*,PUBLIC\.M_EACH\.SEVEN , public.m_pk.code,public\.m_toast\.c
-- @set column.truncate.to.4.chars=public\.m_cut\..*,public\.m_each\.cut,public\.m_toast\.b
-- @set column.truncate.to.20.chars=public\.m_wide\..*
-- @set column.truncate.to.0.chars=public\.m_gone\..*
-- @set column.propagate.source.type=public\.m_over\..*
-- Masks, hashes and cuts over columns of many types; the key is never masked.
CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE TYPE grade AS ENUM ('low', 'mid', 'high', 'über alles');
CREATE DOMAIN sku AS varchar(12) CHECK (VALUE <> '');
CREATE TABLE m_zero (id int PRIMARY KEY, t text, vc varchar, vc20 varchar(20), vc3 varchar(3), c char, c10 char(10), bp bpchar, nm name, qc "char", i int, bi bigint, n numeric(8,2), nv numeric, b boolean, d date, tm time, tz timestamptz, ttz timetz, j json, jb jsonb, by bytea, x xml, u uuid, g grade, ci citext, hs hstore, dom sku, ine inet, bt bit(9), iv interval, at text[], av varchar(4)[], ag grade[], dbl double precision, m money, p point, r int4range, o oid, nn text NOT NULL DEFAULT 'dflt', nnv varchar(20) NOT NULL DEFAULT 'a longer default', nni int NOT NULL DEFAULT 7, nullable varchar(30) DEFAULT 'nullable default', gd grade NOT NULL DEFAULT 'mid');
CREATE TABLE m_seven (LIKE m_zero INCLUDING ALL);
CREATE TABLE m_cut (LIKE m_zero INCLUDING ALL);
CREATE TABLE m_pk (code text PRIMARY KEY, v text);
-- @stream
INSERT INTO m_zero VALUES (1, 'text of some length', 'varchar', 'varchar twenty', 'abc', 'c', 'char ten', 'bp', 'a name', 'q', 123456, 9876543210, 1234.56, 1.50, true, '2026-01-01', '01:02:03.5', '2026-01-01 00:00:00Z', '01:02:03+01', '{"a": [1, 2]}', '{"a": [1, 2]}', '\x0102030405060708', '<a>text</a>', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'über alles', 'CiText', 'a=>1', 'SKU-00000001', '10.0.0.1', B'101010101', '1 day', '{alpha,beta}', '{alph,beta}', '{high}', 1234.5, 12.34, '(1,2)', '[1,5)', 99999, 'value', 'value', 8, 'some', 'low');
INSERT INTO m_zero (id, nullable) VALUES (2, NULL);
INSERT INTO m_zero (id, t, vc, vc20, c10, by) VALUES (3, 'é東x🚢🚢x', '🚢🚢🚢', 'ab🚢déf', '🚢🚢', '\x01020304'), (4, '', '', '', '', ''), (5, 'abcd', 'abcde', 'abc', 'abcd', '\x0102030405');
INSERT INTO m_seven SELECT * FROM m_zero;
INSERT INTO m_cut SELECT * FROM m_zero;
INSERT INTO m_pk VALUES ('secret', 'v');
UPDATE m_pk SET v = 'w';
UPDATE m_pk SET code = 'other secret';
DELETE FROM m_pk;
