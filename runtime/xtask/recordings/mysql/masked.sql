-- @set column.mask.with.0.chars=shop\.m_zero\..*,shop\.m_each\.zero
-- @set column.mask.with.7.chars=shop\.m_seven\..*,SHOP\.M_EACH\.SEVEN , shop.m_pk.code,shop\.m_over\.a
-- @set column.truncate.to.4.chars=shop\.m_cut\..*,shop\.m_each\.cut,shop\.m_over\.(a|b|c)
-- @set column.truncate.to.20.chars=shop\.m_wide\..*
-- @set column.truncate.to.0.chars=shop\.m_gone\..*
-- @set column.propagate.source.type=shop\.m_over\..*
-- Masks, hashes and cuts over columns of many types; the key is never masked.
CREATE TABLE m_zero (id int PRIMARY KEY, t text, tt tinytext, mt mediumtext, vc20 varchar(20), vc3 varchar(3), c char, c10 char(10), l1 varchar(20) CHARACTER SET latin1, vb varbinary(20), bi10 binary(10), bl blob, tb tinyblob, i int, bu bigint unsigned, n decimal(8,2), b bool, d date, tm time, dt datetime(3), ts timestamp(3) NULL, y year, j json, e enum('low','mid','high','über alles'), st set('one','two','three'), bt bit(9), dbl double, g point, nc nchar(10), nn varchar(40) NOT NULL DEFAULT 'dflt', nnv varchar(20) NOT NULL DEFAULT 'a longer default', nni int NOT NULL DEFAULT 7, nullable varchar(30) DEFAULT 'nullable default', ed enum('low','mid') NOT NULL DEFAULT 'mid', sd set('one','two') DEFAULT 'one,two');
CREATE TABLE m_seven (id int PRIMARY KEY, t text, tt tinytext, mt mediumtext, vc20 varchar(20), vc3 varchar(3), c char, c10 char(10), l1 varchar(20) CHARACTER SET latin1, vb varbinary(20), bi10 binary(10), bl blob, tb tinyblob, i int, bu bigint unsigned, n decimal(8,2), b bool, d date, tm time, dt datetime(3), ts timestamp(3) NULL, y year, j json, e enum('low','mid','high','über alles'), st set('one','two','three'), bt bit(9), dbl double, g point, nc nchar(10), nn varchar(40) NOT NULL DEFAULT 'dflt', nnv varchar(20) NOT NULL DEFAULT 'a longer default', nni int NOT NULL DEFAULT 7, nullable varchar(30) DEFAULT 'nullable default', ed enum('low','mid') NOT NULL DEFAULT 'mid', sd set('one','two') DEFAULT 'one,two');
CREATE TABLE m_cut (id int PRIMARY KEY, t text, tt tinytext, mt mediumtext, vc20 varchar(20), vc3 varchar(3), c char, c10 char(10), l1 varchar(20) CHARACTER SET latin1, vb varbinary(20), bi10 binary(10), bl blob, tb tinyblob, i int, bu bigint unsigned, n decimal(8,2), b bool, d date, tm time, dt datetime(3), ts timestamp(3) NULL, y year, j json, e enum('low','mid','high','über alles'), st set('one','two','three'), bt bit(9), dbl double, g point, nc nchar(10), nn varchar(40) NOT NULL DEFAULT 'dflt', nnv varchar(20) NOT NULL DEFAULT 'a longer default', nni int NOT NULL DEFAULT 7, nullable varchar(30) DEFAULT 'nullable default', ed enum('low','mid') NOT NULL DEFAULT 'mid', sd set('one','two') DEFAULT 'one,two');
CREATE TABLE m_pk (code varchar(20) PRIMARY KEY, v text);
-- @stream
INSERT INTO m_zero VALUES (1, 'text of some length', 'tinytext', 'mediumtext', 'varchar twenty', 'abc', 'c', 'char ten', 'lätin', x'0102030405060708', x'0102030405', x'0102030405060708', x'01', 123456, 18446744073709551615, 1234.56, 1, '2026-01-01', '01:02:03', '2026-01-01 00:00:00.123', '2026-01-01 00:00:00.123', 2026, '{"a": [1, 2]}', 'über alles', 'one,three', b'101010101', 1234.5, ST_GeomFromText('POINT(1 2)'), 'nchar', 'value', 'value', 8, 'some', 'low', 'two');
INSERT INTO m_zero (id, nullable, sd) VALUES (2, NULL, NULL);
INSERT INTO m_zero (id, t, tt, vc20, c10, bl) VALUES (3, 'é東x🚢🚢x', '🚢🚢🚢', 'ab🚢déf', '🚢🚢', x'01020304'), (4, '', '', '', '', ''), (5, 'abcd', 'abcde', 'abc', 'abcd', x'0102030405');
INSERT INTO m_seven SELECT * FROM m_zero;
INSERT INTO m_cut SELECT * FROM m_zero;
INSERT INTO m_pk VALUES ('secret', 'v');
UPDATE m_pk SET v = 'w';
UPDATE m_pk SET code = 'other secret';
DELETE FROM m_pk;
