-- @set decimal.format=NUMERIC
-- @set bigint.unsigned.handling.mode=precise
-- Decimals as JSON numbers. (decimal.format is the converter's.)
CREATE TABLE fn (n decimal(12,4) DEFAULT 1.5, d decimal DEFAULT 7, bu bigint unsigned DEFAULT 18446744073709551615, nn decimal(10,2) NOT NULL, k decimal(6,1), PRIMARY KEY (k));
-- @stream
INSERT INTO fn VALUES (12345678.1234, 100, 5, 0.10, 1.0), (NULL, NULL, NULL, -0.01, -1.5), (0, -9999999999, 0, 99999999.99, 0), (0.0001, 0, 9223372036854775808, 100, 99999.9);
UPDATE fn SET n = n * 2 WHERE k > 0; UPDATE fn SET k = k + 1 WHERE k < 0; DELETE FROM fn;
ALTER TABLE fn ADD COLUMN more decimal(20,6) NOT NULL DEFAULT 2.5; INSERT INTO fn (nn, k) VALUES (1, 1);
