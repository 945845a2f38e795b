-- Tables without primary key: which unique index is the key; a primary key that is checked late.
CREATE TABLE two_uniques (x int NOT NULL, y text NOT NULL, z int);
CREATE UNIQUE INDEX two_uniques_z ON two_uniques (z);
CREATE UNIQUE INDEX two_uniques_y ON two_uniques (y);
CREATE UNIQUE INDEX two_uniques_x ON two_uniques (x);
ALTER TABLE two_uniques REPLICA IDENTITY FULL;
CREATE TABLE partial_unique (x int NOT NULL, y text NOT NULL);
CREATE UNIQUE INDEX partial_unique_x ON partial_unique (x) WHERE x > 0;
ALTER TABLE partial_unique REPLICA IDENTITY FULL;
CREATE TABLE mixed_unique (a int NOT NULL, b int, c int NOT NULL, UNIQUE (c, a), UNIQUE (b));
ALTER TABLE mixed_unique REPLICA IDENTITY FULL;
CREATE TABLE late_key (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text);
-- @stream
INSERT INTO two_uniques VALUES (1, 'a', 1), (2, 'b', NULL);
UPDATE two_uniques SET z = 5 WHERE x = 1;
UPDATE two_uniques SET y = 'c' WHERE x = 2;
UPDATE two_uniques SET x = 9 WHERE x = 2;
DELETE FROM two_uniques;
INSERT INTO partial_unique VALUES (1, 'a'), (-1, 'b'), (-1, 'c');
UPDATE partial_unique SET y = 'd' WHERE x = 1;
DELETE FROM partial_unique;
INSERT INTO mixed_unique VALUES (1, NULL, 3), (2, 5, 3);
UPDATE mixed_unique SET b = 7 WHERE a = 1;
UPDATE mixed_unique SET c = 4 WHERE a = 1;
DELETE FROM mixed_unique;
INSERT INTO late_key VALUES (1, 'a'), (2, 'b');
