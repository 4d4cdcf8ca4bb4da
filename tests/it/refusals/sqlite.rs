//! SQLite: a full disk, one that is read-only, and another program that keeps the lock.

use sea_orm::ConnectionTrait;
use tempfile::TempDir;

use super::Sender;
use crate::database::Database;
use crate::disk::{Disk, SmallDisk};
use crate::process::Setting;

/// A database on a disk of its own; the queue is elsewhere.
fn on_small_disk(folder: &TempDir) -> (SmallDisk, Database) {
    let disk = SmallDisk::mount(folder.path().join("small"), 16 << 20);
    let database = Database::at(&disk.path().join("waha.db"));
    (disk, database)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, database) = on_small_disk(&folder);
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    let mut sender = Sender::new();
    sender.send(&setting).await;
    sender.is_applied(&setting, &database).await;
    disk.fail();
    sender.send_until_full(&setting).await;
    sender.is_told(&setting, &["code 13"]).await;
    disk.mend();
    sender.is_applied(&setting, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, database) = on_small_disk(&folder);
    let setting = Setting::new(folder.path(), &database.url);
    let mut up = setting.up().await;
    let mut sender = Sender::new();
    sender.send(&setting).await;
    sender.is_applied(&setting, &database).await;
    // Killed, it leaves the files without which nobody could even read.
    up.kill();
    disk.remount("ro");
    let _up = setting.spawn(&["up"]);
    setting.answers("livez").await;
    sender.send(&setting).await;
    // READONLY, and that of its log, which can't be written either.
    sender.is_told(&setting, &["code 8", "code 1288"]).await;
    disk.remount("rw");
    sender.is_applied(&setting, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_somebody_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::at(&folder.path().join("waha.db"));
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    let mut options = sea_orm::ConnectOptions::new(database.url.clone());
    let other = sea_orm::Database::connect(options.max_connections(1).to_owned()).await.unwrap();
    let mut sender = Sender::new();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    sender.send(&setting).await;
    sender.is_told(&setting, &["code 5"]).await;
    other.execute_unprepared("ROLLBACK").await.unwrap();
    sender.is_applied(&setting, &database).await;
}
