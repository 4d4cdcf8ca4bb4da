//! Two servers of MySQL or MariaDB in one URL: the one that takes writes is used, also by administrators,
//! whom a replica would let write; and what was known of the other's rows is forgotten.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database as Connect, DatabaseConnection, EntityTrait};
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};

use crate::process::Setting;
use crate::rows::count;
use crate::server::Server;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);
const COUNT: usize = 200;

async fn database_of(server: &Server) -> DatabaseConnection {
    let admin = Connect::connect(&server.url).await.unwrap();
    admin.execute_unprepared("CREATE DATABASE hosts").await.unwrap();
    let url = format!("mysql://root@{}/hosts", server.address());
    let db = Connect::connect(url).await.unwrap();
    migration::up(&db).await.unwrap();
    db
}

async fn set_read_only(db: &DatabaseConnection, how: &str) {
    db.execute_unprepared(&format!("SET GLOBAL read_only = {how}")).await.unwrap();
}

async fn post(setting: &Setting<'_>, skip: usize) {
    let sending = setting.sending(4);
    let plan = Plan { seed: 41, ..Plan::default() };
    let webhooks = history(&plan).skip(skip).take(COUNT);
    assert_eq!(send_all(sending, webhooks, || ()).await.unwrap().accepted, COUNT as u64);
}

async fn reaches(db: &DatabaseConnection, rows: usize) {
    let rows = i64::try_from(rows).unwrap();
    wait_for("webhooks in the ledger", PATIENCE, || async {
        (count(db, "webhook_events").await >= rows).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_that_takes_writes_is_used_and_followed() {
    let servers = [Server::mysql(), Server::mysql()];
    let (one, two) = (database_of(&servers[0]).await, database_of(&servers[1]).await);
    set_read_only(&one, "ON").await;
    let addresses = servers.each_ref().map(Server::address).join(",");
    let (folder, url) = (tempfile::tempdir().unwrap(), format!("mysql://root@{addresses}/hosts"));
    let setting = Setting::new(folder.path(), &url);
    let check = setting.run(&["check"]);
    let lines = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(0), "{lines}");
    assert!(lines.contains("takes no writes") && lines.contains("takes writes"), "{lines}");
    let _up = setting.up().await;
    post(&setting, 0).await;
    reaches(&two, COUNT).await;
    // The same people go on on a server that has never seen them.
    set_read_only(&two, "ON").await;
    set_read_only(&one, "OFF").await;
    post(&setting, COUNT).await;
    reaches(&one, COUNT).await;
    assert_eq!(count(&two, "webhook_events").await, i64::try_from(COUNT).unwrap());
    let rows = entity::webhook_events::Entity::find().all(&one).await.unwrap();
    assert!(rows.iter().all(|row| row.attempts == 1), "a failover is no attempt");
    assert_eq!(count(&one, "dead_letters").await, 0);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("another database server takes writes"), "{log}");
    set_read_only(&one, "ON").await;
    let check = setting.run(&["check"]);
    let lines = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(1), "{lines}");
    assert!(lines.contains("none of its servers takes writes"), "{lines}");
}
