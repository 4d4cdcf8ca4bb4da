//! Error numbers of MySQL (`mysqld_error.h`) and MariaDB (`errmsg-utf8.txt`). Up to 1885 they are the
//! same; above they differ, but none that is here has two meanings.

use super::ErrorClass::{self, Outage, Permanent, Retry, TooLarge};

pub(super) fn classify(number: u16) -> ErrorClass {
    if is_outage(number) {
        return Outage;
    }
    match number {
        // Row, packet, string, transaction log, parameters, stack, undo record.
        1118 | 1153 | 1162 | 1197 | 1301 | 1390 | 1436 | 1713 => TooLarge,
        // Not null, out of range, truncated, wrong value, no such character, too long.
        1048 | 1264 | 1265 | 1292 | 1300 | 1365..=1367 | 1406 | 1411 | 1690 => Permanent,
        // JSON, check (MySQL, then MariaDB), not convertible.
        3140 | 3819 | 4025 | 3854 => Permanent,
        // Duplicates, foreign keys, damage, and what is not known.
        _ => Retry,
    }
}

fn is_outage(number: u16) -> bool {
    matches!(number,
        // Connection; 1047 is a Galera node that is not ready.
        1042 | 1043 | 1047 | 1081 | 1152 | 1154..=1161 | 1184 | 1835 | 2006 | 2013
        // Database, user, host, table, column, right, old protocol, routine, password, locked.
        | 1044 | 1045 | 1129 | 1130 | 1142 | 1143 | 1227 | 1251 | 1370 | 1698 | 1820 | 1862 | 3118
        | 4151
        // Disk, memory, connections, threads, table full, statements, transactions, temporary file.
        | 1021 | 1037 | 1038 | 1040 | 1041 | 1114 | 1135 | 1203 | 1226 | 1461 | 1637 | 1878
        // Read-only: table, lock, option, transaction, server, InnoDB, replication.
        | 1036 | 1223 | 1290 | 1792 | 1836 | 1874 | 3100
        // Missing database, table, column, routine or savepoint; collations, view, a column without
        // default, changed meanwhile.
        | 1046 | 1049 | 1051 | 1054 | 1109 | 1146 | 1267 | 1305 | 1356 | 1364 | 1412 | 1932
        // Changed since it was read, lock wait, deadlock, prepare again, lock given up, no wait.
        | 1020 | 1205 | 1213 | 1614 | 1615 | 1689 | 3572
        // Shutdown, interrupted, killed, time-out.
        | 1053 | 1077..=1080 | 1317 | 1927 | 1969 | 3024 | 3168 | 3169 | 4031
        // Files, storage engine, commit, rollback.
        | 1004 | 1015..=1018 | 1023..=1027 | 1030 | 1033 | 1180 | 1181
        // The session: within a transaction, statement forgotten, too late for a level.
        | 1179 | 1243 | 1568)
}

/// The name of a foreign key in a message, which the driver leaves there.
pub(super) fn constraint(message: &str) -> Option<&str> {
    message.split_once("CONSTRAINT `")?.1.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_decided() {
        let kinds: [(&[u16], ErrorClass); 14] = [
            (&[1042, 1047, 1152, 1158, 1161, 2006, 2013], Outage),
            (&[1044, 1045, 1142, 1143, 1227, 1370, 3118], Outage),
            (&[1021, 1040, 1114, 1203, 1226], Outage),
            (&[1036, 1290, 1792, 1836, 1874], Outage),
            (&[1049, 1054, 1146, 1364, 1412], Outage),
            (&[1020, 1205, 1213, 1615], Outage),
            (&[1053, 1077, 1317, 1927, 1969, 3024], Outage),
            (&[1026, 1030, 1180], Outage),
            (&[1153, 1197, 1118, 1390], TooLarge),
            (&[1048, 1264, 1366, 1406, 3140, 3819, 4025], Permanent),
            (&[1062, 1586], Retry),
            (&[1216, 1452], Retry),
            (&[1194, 1712, 1877], Retry),
            (&[1064, 1105, 1644, 9999], Retry),
        ];
        for (numbers, class) in kinds {
            for number in numbers {
                assert_eq!(classify(*number), class, "{number}");
            }
        }
    }

    #[test]
    fn a_foreign_key_is_named() {
        let message = "Cannot add or update a child row: a foreign key constraint fails \
                       (`t`.`waha_chats`, CONSTRAINT `fk_chats` FOREIGN KEY (`session_id`) …)";
        assert_eq!(constraint(message), Some("fk_chats"));
        assert_eq!(constraint("Duplicate entry 'a' for key 'b'"), None);
    }
}
