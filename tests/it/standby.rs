//! A server that only reads is no place for the tables, and `check` says so.

use sea_orm::ConnectionTrait;

use crate::database::Database;
use crate::postgres_pair::PostgresPair;
use crate::process::Setting;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn check_refuses_a_read_only_postgres() {
    let server = Server::start("postgres");
    let database = Database::on_server(&server.url).await;
    let name = database.url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    refuses(&database, &sql, "must lead to the primary").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_refuses_a_standby_and_finds_its_primary() {
    let pair = PostgresPair::start();
    let database = Database::on_server(&pair.primary.url).await;
    migration::up(&database.connect().await).await.unwrap();
    pair.standby_catches_up().await;
    let folder = tempfile::tempdir().unwrap();
    let standby = database.elsewhere(&pair.primary.address(), &pair.standby.address());
    let check = |url: &str| {
        let output = Setting::new(folder.path(), url).run(&["check"]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = check(&standby.url);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("it is a standby") && text.contains("name all servers"), "{text}");
    // The standby first: the order decides nothing.
    let both = format!("{},{}", pair.standby.address(), pair.primary.address());
    let url = database.url.replace(&pair.primary.address(), &both);
    let (code, text) = check(&format!("{url}&target_session_attrs=read-write"));
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("takes no writes") && text.contains("takes writes, timeline 1"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_refuses_a_read_only_mysql() {
    let server = Server::mysql();
    let database = Database::on_server(&server.url).await;
    refuses(&database, "SET GLOBAL read_only = ON", "read_only is set").await;
}

async fn refuses(database: &Database, sql: &str, told: &str) {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &database.url);
    assert!(setting.run(&["migrate", "up"]).status.success());
    let check = || {
        let output = setting.run(&["check"]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(check().0, Some(0));
    database.connect().await.execute_unprepared(sql).await.unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("FAILED  database") && text.contains(told), "{text}");
}
