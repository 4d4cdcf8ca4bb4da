//! PostgreSQL: rights, modes, limits and time-outs that an administrator sets, and a full disk.

use std::os::unix::fs::{MetadataExt, chown};

use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::Sender;
use crate::database::Database;
use crate::disk::{Disk, SmallDisk};
use crate::process::Setting;
use crate::server::Server;

/// The database accepts no connections.
const CLOSED: &str = "code 55000";

/// What is told of a refusal, and the statements with which it begins and ends.
type Refusal = (&'static str, Vec<String>, Vec<String>);

/// `name` is that of the database and of the role that uses it.
fn refusals(name: &str) -> [Refusal; 6] {
    let set = |what: &str| format!("ALTER DATABASE {name} SET {what}");
    let reset = |what: &str| format!("ALTER DATABASE {name} RESET {what}");
    let allow = |how: bool| format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {how}");
    let limit = |count: i32| format!("ALTER ROLE {name} CONNECTION LIMIT {count}");
    let locked = |limit: &str| {
        let begin = ["BEGIN", "LOCK TABLE webhook_events"].map(str::to_owned);
        let begin: Vec<String> =
            [set(&format!("{limit} = 300"))].into_iter().chain(begin).collect();
        (begin, vec!["ROLLBACK".to_owned(), reset(limit)])
    };
    let ((timed_begin, timed_end), (locked_begin, locked_end)) =
        (locked("statement_timeout"), locked("lock_timeout"));
    let read_only = "default_transaction_read_only";
    [
        (
            "code 42501",
            vec![format!("REVOKE INSERT ON waha_messages FROM {name}")],
            vec![format!("GRANT INSERT ON waha_messages TO {name}")],
        ),
        ("code 25006", vec![set(&format!("{read_only} = on"))], vec![reset(read_only)]),
        (CLOSED, vec![allow(false)], vec![allow(true)]),
        // The driver tries again on 53300, for as long as it may.
        ("pool timed out while waiting for an open connection", vec![limit(0)], vec![limit(-1)]),
        ("code 57014", timed_begin, timed_end),
        ("code 55P03", locked_begin, locked_end),
    ]
}

async fn run(admin: &DatabaseConnection, statements: &[String]) {
    for sql in statements {
        admin.execute_unprepared(sql).await.unwrap();
    }
}

/// One connection of the administrator's, which locks may need to stay.
async fn administrator(url: &str) -> DatabaseConnection {
    let mut options = sea_orm::ConnectOptions::new(url.to_owned());
    options.max_connections(1);
    sea_orm::Database::connect(options).await.unwrap()
}

/// Settings hold for new sessions only.
async fn end_sessions(admin: &DatabaseConnection, role: &str) {
    let sql =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'");
    admin.execute_unprepared(&sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_refuses() {
    let server = Server::start("postgres");
    let database = Database::on_server(&server.url).await;
    let (inside, outside) = (administrator(&database.url).await, administrator(&server.url).await);
    let name = database.url.rsplit('/').next().unwrap().split('?').next().unwrap();
    outside.execute_unprepared(&format!("CREATE ROLE {name} LOGIN")).await.unwrap();
    let owner = format!("ALTER DATABASE {name} OWNER TO {name}");
    outside.execute_unprepared(&owner).await.unwrap();
    let url = database.url.replace("//postgres@", &format!("//{name}@"));
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &url);
    let _up = setting.up().await;
    let mut sender = Sender::new();
    sender.send(&setting).await;
    for (told, begin, end) in refusals(name) {
        // Nobody may close the database that he is in himself.
        let admin = if told == CLOSED { &outside } else { &inside };
        run(admin, &begin).await;
        end_sessions(&outside, name).await;
        sender.send(&setting).await;
        sender.is_told(&setting, &[told]).await;
        run(admin, &end).await;
        end_sessions(&outside, name).await;
        sender.is_applied(&setting, &database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_tablespace() {
    let server = Server::start("postgres");
    let disk = SmallDisk::mount(server.home().join("small"), 8 << 20);
    let owner = std::fs::metadata(server.home()).unwrap();
    chown(disk.path(), Some(owner.uid()), Some(owner.gid())).unwrap();
    let database = Database::on_server(&server.url).await;
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    let admin = administrator(&database.url).await;
    let place = format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display());
    admin.execute_unprepared(&place).await.unwrap();
    let moved = "ALTER TABLE webhook_events SET TABLESPACE small";
    admin.execute_unprepared(moved).await.unwrap();
    let mut sender = Sender::new();
    sender.send(&setting).await;
    sender.is_applied(&setting, &database).await;
    disk.fail();
    sender.send_until_full(&setting).await;
    sender.is_told(&setting, &["code 53100"]).await;
    disk.mend();
    sender.is_applied(&setting, &database).await;
}
