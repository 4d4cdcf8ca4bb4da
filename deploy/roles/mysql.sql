-- The users of waha-ingest on MySQL and MariaDB, and what each may: what is not granted here, it may not.
-- Run by an administrator, any number of times. New ones are locked: give each a password with
-- ALTER USER … IDENTIFIED BY '…' ACCOUNT UNLOCK, and, with REQUIRE SSL in it, no way in without TLS.
CREATE DATABASE IF NOT EXISTS waha CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS waha_migrate@'%' ACCOUNT LOCK;
CREATE USER IF NOT EXISTS waha_work@'%' ACCOUNT LOCK;

-- `migrate` makes tables and a view, fills what it adds, and on the way back drops them.
-- MySQL asks for REFERENCES where a table points to another; MariaDB does not.
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, CREATE VIEW, ALTER, DROP, INDEX, REFERENCES ON waha.* TO waha_migrate@'%';

-- `work` reads and writes rows, also of tables that later releases will add.
GRANT SELECT, INSERT, UPDATE, DELETE ON waha.* TO waha_work@'%';
