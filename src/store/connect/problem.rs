//! Why a server can't be used, for whoever configures it: where it was looked for, the driver's words, and
//! what helps.
//!
//! Called by `check` and `status`. The words of a refused connection name users and databases, never rows;
//! of any other error only the code is told.

use std::io;

use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::{DbBackend, sqlx};

use super::hosts::ServerUrl;
use crate::driver_error::{code, driver_error};
use crate::store::sql::error::StoreError;
use crate::telemetry::cause;

/// A server that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerProblem {
    /// Host, port, database and user, or the file.
    pub place: String,
    /// What happened, as the driver says it.
    pub words: String,
    /// What helps; empty if nobody can know.
    pub remedy: &'static str,
}

impl std::fmt::Display for ServerProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, words, remedy } = self;
        let mark = if remedy.is_empty() { "" } else { ": " };
        write!(f, "{place}: {words}{mark}{remedy}")
    }
}

impl ServerProblem {
    pub(in crate::store) fn of(server: &ServerUrl, error: &StoreError) -> Self {
        let (words, remedy) = match error {
            StoreError::Database(database) => {
                driver_error(database).map_or_else(|| (cause::words(error), ""), of_driver)
            }
            StoreError::Timeout(_) => (error.to_string(), SILENT),
            _ => (cause::words(error), ""),
        };
        Self { place: place(server), words, remedy }
    }
}

const SILENT: &str =
    "look whether the host runs, whether a firewall is between, and at the port in database.url";

/// The words of a driver that could not connect, and what helps.
fn of_driver(error: &sqlx::Error) -> (String, &'static str) {
    match error {
        sqlx::Error::Database(refusal) => {
            let code = code(refusal.as_ref());
            let remedy = of_refusal(&code);
            (format!("{} (code {code})", refusal.message()), remedy)
        }
        sqlx::Error::Io(error) => (error.to_string(), of_io(error)),
        sqlx::Error::Tls(error) => (
            format!("TLS failed: {error}"),
            "the server's certificate is refused, or it has no TLS: see sslmode and sslrootcert in \
             database.url",
        ),
        sqlx::Error::Configuration(_) => {
            ("the driver can't read the URL".to_owned(), "write database.url as its default shows")
        }
        sqlx::Error::PoolTimedOut => ("no connection came in time".to_owned(), SILENT),
        other => (cause::words(other), ""),
    }
}

/// By `SQLSTATE` of PostgreSQL, or the number of MySQL and SQLite.
fn of_refusal(code: &str) -> &'static str {
    match code {
        "28P01" | "28000" | "1045" | "1698" => {
            "it refuses the user or the password: correct them in database.url, or let the user in there"
        }
        "3D000" | "1049" => {
            "the database does not exist: create it, or correct its name in database.url"
        }
        "42501" | "1044" => "the user may not use the database: grant it the rights",
        "53300" | "1040" | "1203" => {
            "no connection is left there: raise its max_connections, or lower database.connections_max"
        }
        "57P03" => "it starts or stops: wait",
        "1129" | "1130" => "it lets nobody in from this host: allow it there",
        "14" => "the file can't be opened: look at its folder and its rights",
        "8" => "it can't be written to: look at its rights and its disk",
        "26" => "the file is no SQLite database: name another one in database.url",
        _ => "",
    }
}

fn of_io(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nothing listens there: start the server, or correct host and port in database.url"
        }
        io::ErrorKind::NotFound => "there is no such socket: correct host in database.url",
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => SILENT,
        // What a resolver says has no kind of its own.
        _ if error.to_string().contains("lookup") => {
            "nobody knows the name of the host: correct it in database.url, or look at the DNS"
        }
        _ => "look at the server's own log",
    }
}

/// Where a server is looked for, without the password.
pub(in crate::store) fn place(server: &ServerUrl) -> String {
    let named = |host: &str, port: u16, database: Option<&str>, user: &str| {
        let database = database.map(|name| format!(", database {name}")).unwrap_or_default();
        format!("{host}:{port}{database}, user {user}")
    };
    let place = match server.backend {
        DbBackend::Postgres => server.url.parse().ok().map(|it: PgConnectOptions| {
            let database = it.get_database().unwrap_or(it.get_username());
            named(it.get_host(), it.get_port(), Some(database), it.get_username())
        }),
        DbBackend::MySql => server.url.parse().ok().map(|it: MySqlConnectOptions| {
            named(it.get_host(), it.get_port(), it.get_database(), it.get_username())
        }),
        _ => {
            let path = server.url.split('?').next().unwrap_or_default();
            Some(path.trim_start_matches("sqlite:").trim_start_matches("//").to_owned())
        }
    };
    place.unwrap_or_else(|| server.name.clone())
}

#[cfg(test)]
mod tests {
    use super::super::hosts::servers_of;
    use super::*;

    fn place_of(url: &str) -> String {
        place(&servers_of(url).unwrap()[0])
    }

    #[test]
    fn a_place_has_all_but_the_password() {
        assert_eq!(
            place_of("postgres://me:hush@db:5433/shop?sslmode=disable"),
            "db:5433, database shop, user me"
        );
        assert_eq!(place_of("mysql://me:hush@db/shop"), "db:3306, database shop, user me");
        assert_eq!(place_of("sqlite://./data/waha.db?mode=rwc"), "./data/waha.db");
    }

    #[test]
    fn what_happened_comes_with_what_helps() {
        let server = &servers_of("postgres://me:hush@db/shop").unwrap()[0];
        let refused = sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into());
        let error = sea_orm::DbErr::Conn(sea_orm::RuntimeErr::SqlxError(refused.into()));
        let said = ServerProblem::of(server, &error.into()).to_string();
        assert!(
            said.starts_with("db:5432, database shop, user me: connection refused: "),
            "{said}"
        );
        assert!(said.contains("start the server") && !said.contains("hush"), "{said}");
        let silent = ServerProblem::of(server, &StoreError::Timeout(3)).to_string();
        assert!(silent.contains("within 3 s") && silent.contains("firewall"), "{silent}");
    }
}
