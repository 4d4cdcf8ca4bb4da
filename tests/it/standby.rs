//! A server that only reads is no place for the tables, and `check` says so.

use sea_orm::ConnectionTrait;

use crate::database::Database;
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
