//! Error numbers of MySQL and MariaDB, in the order of the table.

use super::ErrorClass::{self, Conflict, Contradiction, Outage, TooLarge, Unknown};

pub(super) fn classify(number: u16) -> ErrorClass {
    if is_outage(number) {
        return Outage;
    }
    match number {
        // Changed since it was read, deadlock, table changed, no part, deadlock, prepare again, lock given up,
        // rolled back by a cluster.
        1020 | 1213 | 1412 | 1526 | 1614 | 1615 | 1689 | 3101 => Conflict,
        // Row, stack, packet, string, transaction log, packet, parameters, stack, transaction log,
        // undo record.
        1118 | 1119 | 1153 | 1162 | 1197 | 1301 | 1390 | 1436 | 1705 | 1713
        // JSON value and key, memory of a statement and of the parser, write set, memory of a
        // connection.
        | 3150 | 3151 | 3170 | 3186 | 3231 | 4082 => TooLarge,
        // Out of range, truncated, wrong value, no such character, too long, not convertible.
        1264 | 1265 | 1292 | 1300 | 1365..=1367 | 1406 | 1411 | 1441 | 1525 | 1690 | 1977
        // JSON; not convertible.
        | 3140 | 3141 | 3156 | 3157 | 3854 | 3988
        // Not null, a view's check, not null, check (MySQL, then MariaDB).
        | 1048 | 1369 | 3673 | 3819 | 4025 => Contradiction,
        _ => Unknown,
    }
}

fn is_outage(number: u16) -> bool {
    matches!(number,
        // Connection; 1047 is a Galera node that is not ready.
        1042 | 1043 | 1047 | 1081 | 1152 | 1154..=1161 | 1184 | 1835 | 2006 | 2013
        // Database, user, host, table, column, right, old protocol, routine, definer, password,
        // locked, no TLS, database, right.
        | 1044 | 1045 | 1129 | 1130 | 1142 | 1143 | 1227 | 1251 | 1370 | 1449 | 1698 | 1820 | 1862
        | 1873 | 3118 | 3159 | 3879 | 3955 | 4150 | 4151 | 6038
        // Disk, memory, connections, threads, table, locks, statements, ids, transactions, temporary
        // file, undo log, memory of all connections, index file.
        | 1021 | 1037 | 1038 | 1040 | 1041 | 1114 | 1135 | 1203 | 1206 | 1226 | 1461 | 1467 | 1637
        | 1878 | 3015 | 3019 | 3044 | 3675 | 3950 | 3985 | 4081 | 4139
        // Read-only: table, lock, option, transaction, server, InnoDB, its recovery, database.
        | 1036 | 1223 | 1290 | 1792 | 1836 | 1874 | 1881 | 3989
        // No such database, table, column, character set, function, variable, collation, engine;
        // not to be written, view, a column without default, upgrade, binary log, tablespace,
        // group replication.
        | 1046 | 1049 | 1051 | 1054 | 1109 | 1115 | 1128 | 1146 | 1193 | 1253 | 1267 | 1270 | 1271
        | 1273 | 1286 | 1288 | 1305 | 1348 | 1356 | 1364 | 1459 | 1471 | 1598 | 1707 | 1812 | 1814
        | 1932 | 3098
        // Lock wait, no wait.
        | 1205 | 3572
        // Shutdown, interrupted, killed, time-out, offline, primary changes.
        | 1053 | 1077..=1080 | 1317 | 1927 | 1969 | 3024 | 3032 | 3168 | 3169 | 3781..=3783 | 4031
        | 4094
        // Files, storage engine, commit and rollback, keys, replication.
        | 1..=99 | 1004 | 1011..=1019 | 1023..=1028 | 1030 | 1033 | 1039 | 1180..=1183 | 1297 | 1534
        | 1810 | 1811 | 3100 | 3185 | 3796..=3799
        // The session: within a transaction, statement forgotten, too late for a level.
        | 1179 | 1192 | 1243 | 1568)
}

/// The name of a foreign key in a message, which the driver leaves there.
pub(super) fn constraint(message: &str) -> Option<&str> {
    message.split_once("CONSTRAINT `")?.1.split('`').next()
}

/// The table that has the foreign key of a message.
pub(super) fn table(message: &str) -> Option<&str> {
    let (before, _) = message.split_once("`, CONSTRAINT `")?;
    before.rsplit('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_key_is_named() {
        let message = "Cannot add or update a child row: a foreign key constraint fails \
                       (`t`.`waha_chats`, CONSTRAINT `fk_chats` FOREIGN KEY (`session_id`) …)";
        assert_eq!(constraint(message), Some("fk_chats"));
        assert_eq!(table(message), Some("waha_chats"));
        assert_eq!(table("Duplicate entry 'a' for key 'b'"), None);
        assert_eq!(constraint("Duplicate entry 'a' for key 'b'"), None);
    }
}
