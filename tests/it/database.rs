//! A fresh database per test, on each kind that we support.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database as Connect, DatabaseConnection};
use tempfile::TempDir;

/// Which kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    MySql,
}

/// A database of one test; SQLite files vanish with it, the others with their server.
pub struct Database {
    pub url: String,
    _folder: Option<TempDir>,
}

impl Database {
    /// An empty database, not migrated.
    pub async fn create(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("waha.db");
                Self { _folder: Some(folder), ..Self::at(&path) }
            }
            Kind::Postgres => Self::on_server(&server("TEST_POSTGRES_URL")).await,
            Kind::MySql => Self::on_server(&server("TEST_MYSQL_URL")).await,
        }
    }

    /// A SQLite file, which stays.
    pub fn at(path: &Path) -> Self {
        Self { url: format!("sqlite://{}", path.display()), _folder: None }
    }

    /// A database on a server, whose URL names its administrator and a database.
    pub async fn on_server(admin_url: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = Connect::connect(admin_url).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        let (server, rest) = admin_url.rsplit_once('/').unwrap();
        let parameters = rest.split_once('?').map(|(_, p)| format!("?{p}")).unwrap_or_default();
        Self { url: format!("{server}/{name}{parameters}"), _folder: None }
    }

    /// The database of the same name on another server.
    pub fn elsewhere(&self, address: &str, other: &str) -> Self {
        Self { url: self.url.replace(address, other), _folder: None }
    }

    pub async fn connect(&self) -> DatabaseConnection {
        let url = match self.url.strip_prefix("sqlite://") {
            Some(path) => format!("sqlite://{path}?mode=rwc"),
            None => self.url.clone(),
        };
        Connect::connect(url).await.unwrap()
    }
}

fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run tests/run"))
}

/// Makes a test of `async fn name(kind: Kind)` for each kind of database.
macro_rules! on_each_database {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use crate::database::Kind;
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() { super::$name(Kind::Sqlite).await; }
            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() { super::$name(Kind::Postgres).await; }
            #[tokio::test(flavor = "multi_thread")]
            async fn mysql() { super::$name(Kind::MySql).await; }
        }
    )+};
}
pub(crate) use on_each_database;
