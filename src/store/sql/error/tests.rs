//! The table in `error.rs` says what the code does, and the other way round.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::ffi;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

use super::{ErrorClass, StoreError, mysql, postgres, sqlite};

const SOURCE: &str = include_str!("../error.rs");

/// Every class of SQLSTATE that PostgreSQL has (`errcodes.txt` of 15).
const POSTGRES_CLASSES: [&str; 44] = [
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21", "22", "23",
    "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42",
    "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX", "ZZ",
];

macro_rules! sqlite_codes {
    ($($name:ident),+ $(,)?) => { [$((stringify!($name), ffi::$name)),+] };
}

/// Every primary code that is an error, and the extended ones that are in the table.
const SQLITE_CODES: [(&str, i32); 39] = sqlite_codes![
    SQLITE_ERROR,
    SQLITE_INTERNAL,
    SQLITE_PERM,
    SQLITE_ABORT,
    SQLITE_BUSY,
    SQLITE_LOCKED,
    SQLITE_NOMEM,
    SQLITE_READONLY,
    SQLITE_INTERRUPT,
    SQLITE_IOERR,
    SQLITE_CORRUPT,
    SQLITE_NOTFOUND,
    SQLITE_FULL,
    SQLITE_CANTOPEN,
    SQLITE_PROTOCOL,
    SQLITE_EMPTY,
    SQLITE_SCHEMA,
    SQLITE_TOOBIG,
    SQLITE_CONSTRAINT,
    SQLITE_MISMATCH,
    SQLITE_MISUSE,
    SQLITE_NOLFS,
    SQLITE_AUTH,
    SQLITE_FORMAT,
    SQLITE_RANGE,
    SQLITE_NOTADB,
    SQLITE_NOTICE,
    SQLITE_WARNING,
    SQLITE_ERROR_MISSING_COLLSEQ,
    SQLITE_ERROR_RETRY,
    SQLITE_ERROR_SNAPSHOT,
    SQLITE_BUSY_SNAPSHOT,
    SQLITE_IOERR_CORRUPTFS,
    SQLITE_IOERR_DATA,
    SQLITE_CONSTRAINT_NOTNULL,
    SQLITE_CONSTRAINT_CHECK,
    SQLITE_CONSTRAINT_DATATYPE,
    SQLITE_CONSTRAINT_TRIGGER,
    SQLITE_CONSTRAINT_FUNCTION,
];

/// What the table says in one of its columns: class by code, each code once.
fn documented(column: usize) -> BTreeMap<&'static str, ErrorClass> {
    let mut classes = BTreeMap::new();
    let mut class = None;
    let rows = SOURCE.lines().filter_map(|line| line.strip_prefix("//! | "));
    for row in rows.skip_while(|row| !row.starts_with("**Outage**")) {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        class = class_of(cells[0]).or(class);
        for code in cells[column].split(", ") {
            let before = classes.insert(code, class.unwrap());
            assert_eq!(before, None, "{code} is in the table twice");
        }
    }
    classes
}

fn class_of(cell: &str) -> Option<ErrorClass> {
    let name = cell.strip_prefix("**")?.split("**").next()?;
    Some(match name {
        "Outage" => ErrorClass::Outage,
        "Conflict" => ErrorClass::Conflict,
        "Too large" => ErrorClass::TooLarge,
        "Contradiction" => ErrorClass::Contradiction,
        "Unknown" => ErrorClass::Unknown,
        _ => panic!("no class is called {name}"),
    })
}

#[test]
fn postgres_codes_are_as_documented() {
    let table = documented(1);
    let classes: BTreeSet<&str> = table.keys().copied().filter(|code| code.len() == 2).collect();
    let there_are = POSTGRES_CLASSES.into_iter().filter(|class| *class != "ZZ").collect();
    assert_eq!(classes, there_are);
    for class in POSTGRES_CLASSES {
        for code in codes_of(class) {
            let documented = table.get(&*code).or(table.get(class));
            let documented = documented.copied().unwrap_or(ErrorClass::Unknown);
            assert_eq!(postgres::classify(&code), documented, "{code}");
        }
    }
    assert_eq!(postgres::classify(""), ErrorClass::Unknown);
}

/// Every code that a class could have.
fn codes_of(class: &str) -> impl Iterator<Item = String> {
    let digits = || ('0'..='9').chain('A'..='Z');
    let pairs = move || digits().flat_map(move |a| digits().map(move |b| (a, b)));
    digits().flat_map(move |first| pairs().map(move |(a, b)| format!("{class}{first}{a}{b}")))
}

#[test]
fn mysql_numbers_are_as_documented() {
    let mut table = BTreeMap::new();
    for (numbers, class) in documented(2) {
        let (first, last) = numbers.split_once('–').unwrap_or((numbers, numbers));
        for number in first.parse::<u16>().unwrap()..=last.parse().unwrap() {
            assert_eq!(table.insert(number, class), None, "{number} is in the table twice");
        }
    }
    for number in 0..=u16::MAX {
        let documented = table.get(&number).copied().unwrap_or(ErrorClass::Unknown);
        assert_eq!(mysql::classify(number), documented, "{number}");
    }
}

#[test]
fn sqlite_codes_are_as_documented() {
    let mut table = documented(3);
    table.retain(|code, _| !code.contains('"'));
    let mut classes = BTreeMap::new();
    for (name, code) in SQLITE_CODES {
        let class = table.remove(name.trim_start_matches("SQLITE_"));
        classes.insert(code, class.unwrap_or_else(|| panic!("{name} is not in the table")));
    }
    assert_eq!(table, BTreeMap::new(), "there are no such codes");
    for code in 0..=i32::from(u16::MAX) {
        let documented = classes.get(&code).or(classes.get(&(code & 0xff)));
        let documented = documented.copied().unwrap_or(ErrorClass::Unknown);
        assert_eq!(sqlite::classify(code, ""), documented, "{code}");
    }
}

#[test]
fn sqlite_messages_are_as_documented() {
    let mut count = 0;
    for (code, class) in documented(3) {
        let Some(message) = code.strip_prefix("ERROR \"") else { continue };
        let message = message.trim_end_matches('"').replace('…', "something");
        assert_eq!(sqlite::classify(ffi::SQLITE_ERROR, &message), class, "{message}");
        count += 1;
    }
    assert_eq!(count, 4);
    let ours = "near \"SELEC\": syntax error";
    assert_eq!(sqlite::classify(ffi::SQLITE_ERROR, ours), ErrorClass::Unknown);
}

/// Without a connection no webhook was there that could have caused it.
#[test]
fn what_refuses_a_connection_is_an_outage() {
    let decode = || sea_orm::sqlx::Error::RowNotFound.into();
    let class = |error| StoreError::Database(error).class();
    assert_eq!(class(DbErr::Conn(RuntimeErr::SqlxError(decode()))), ErrorClass::Outage);
    assert_eq!(class(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)), ErrorClass::Outage);
    assert_eq!(class(DbErr::Exec(RuntimeErr::SqlxError(decode()))), ErrorClass::Unknown);
}
