//! The database stops: intake goes on, nothing is dead-lettered, no attempt is used. The campaign
//! (`tests/faults --kinds database-away`) has it stop for more than a minute.

use std::time::Duration;

use sea_orm::EntityTrait;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};

use crate::database::Database;
use crate::process::Setting;
use crate::server::Server;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(180);
/// Longer than the retry ladder's first rung and a driver's time-out for a connection.
const OUTAGE: Duration = Duration::from_secs(20);
const COUNT: usize = 3_000;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_for_a_while() {
    outlive(&Server::start("postgres"), "kill", "resume").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_hangs_for_a_while() {
    outlive(&Server::mysql(), "freeze", "thaw").await;
}

async fn outlive(server: &Server, strike: &str, mend: &str) {
    let database = Database::on_server(&server.url).await;
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    send(&setting, 0).await;
    setting.settled(PATIENCE).await;
    server.order(strike);
    let struck = std::time::Instant::now();
    let accepted_before = COUNT as u64;
    send(&setting, COUNT).await;
    wait_for("the outage to be over", PATIENCE, || async {
        (struck.elapsed() > OUTAGE).then_some(())
    })
    .await;
    server.order(mend);
    let status = setting.settled(PATIENCE).await;
    assert_eq!(status["balanced"], true, "{status}");
    assert_eq!(status["dead_lettered"], 0, "{status}");
    assert_eq!(status["accepted"], accepted_before + COUNT as u64, "{status}");
    assert_eq!(attempts(&database).await, 1, "an outage is no attempt");
}

/// Sends the part of a history that starts at `skip`; every webhook must be accepted at once.
async fn send(setting: &Setting<'_>, skip: usize) {
    let sending = setting.sending(8);
    let plan = Plan { seed: 3, messages: 5_000, ..Plan::default() };
    let webhooks = history(&plan).skip(skip).take(COUNT);
    let report = send_all(sending, webhooks, || ()).await.unwrap();
    assert_eq!(report.accepted, COUNT as u64, "intake goes on");
}

async fn attempts(database: &Database) -> i32 {
    let rows = entity::webhook_events::Entity::find().all(&database.connect().await).await.unwrap();
    assert_eq!(rows.len(), 2 * COUNT);
    rows.iter().map(|row| row.attempts).max().unwrap()
}
