-- @set decimal.format=NUMERIC
-- @set money.fraction.digits=3
-- Decimals as JSON numbers, money with three digits. (decimal.format is the converter's.)
CREATE TABLE fn (n numeric(12,4) DEFAULT 1.5, v numeric DEFAULT 2.50, m money DEFAULT 1.25, nn numeric(10,2) NOT NULL, k numeric(6,1), a numeric(5,2)[], PRIMARY KEY (k));
CREATE TABLE fm (m money PRIMARY KEY, v numeric(30,10));
-- @stream
INSERT INTO fn VALUES (12345678.1234, 100.00, 12.34, 0.10, 1.0, '{1.50,NULL}'), (NULL, NULL, NULL, -0.01, -1.5, NULL), (0, 1e30, '92233720368547758.07', 99999999.99, 0, '{}'), (0.0001, 0.0000001, -0.01, 100, 99999.9, '{-1}');
UPDATE fn SET n = n * 2 WHERE k > 0; UPDATE fn SET k = k + 1 WHERE k < 0; DELETE FROM fn;
INSERT INTO fm VALUES (1.5, 12345678901234567890.0123456789); UPDATE fm SET m = 2; DELETE FROM fm;
