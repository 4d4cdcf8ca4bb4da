//! `kill -9` of the whole process under load loses nothing and doubles nothing; SIGTERM does neither.

use std::time::Duration;

use waha_ingest::sender::{Report, Sending, send_all};
use waha_ingest::simulate::{Age, Plan, history, shuffled};

use crate::app::KEY;
use crate::database::{Database, Kind, on_each_database};
use crate::process::Setting;
use crate::rows::{Rows, assert_equal, rows};
use crate::wait::wait_for;

on_each_database!(killed_in_the_middle_the_rows_are_the_same);

const COUNT: usize = 5_000;
const SEED: u64 = 7;
const PATIENCE: Duration = Duration::from_secs(180);

async fn killed_in_the_middle_the_rows_are_the_same(kind: Kind) {
    let expected = run(kind, false).await;
    let killed = run(kind, true).await;
    assert_equal(&expected, &killed);
}

/// Sends everything to `up`, which is killed in the middle or not; returns the rows at the end.
async fn run(kind: Kind, kills: bool) -> Rows {
    let (database, folder) = (Database::create(kind).await, tempfile::tempdir().unwrap());
    let setting = Setting::new(folder.path(), &database.url);
    let mut up = setting.up().await;
    let sending = tokio::spawn(send(setting.url()));
    if kills {
        let middle = i64::try_from(COUNT).unwrap() / 3;
        wait_for("a part to be accepted", PATIENCE, || async {
            (setting.status()["accepted"].as_i64()? > middle).then_some(())
        })
        .await;
        up.kill();
        let status = setting.status();
        assert_eq!(status["balanced"], true, "right after the kill: {status}");
        up = setting.up().await;
    }
    let report = sending.await.unwrap();
    assert_eq!((report.lost, report.accepted), (0, report.sent));
    let status = setting.settled(PATIENCE).await;
    assert_eq!(status["balanced"], true, "{status}");
    assert_eq!(status["uncertain"], 0, "{status}");
    // A webhook that became durable before the kill but was not answered is sent again.
    assert!(status["accepted"].as_u64().unwrap() >= report.accepted, "{status}");
    assert_eq!(up.terminate(), Some(0));
    rows(&database.connect().await).await
}

async fn send(url: String) -> Report {
    let sending = Sending {
        urls: vec![url],
        key: Some(KEY.into()),
        connections: 32,
        rate: None,
        attempts_max: 200,
        retry_delay: Duration::from_millis(250),
        waha: Age::default(),
    };
    let messages = u32::try_from(COUNT).unwrap();
    let plan = Plan { seed: SEED, messages, ..Plan::default() };
    let webhooks = shuffled(SEED, 200, 0.1, history(&plan).take(COUNT));
    send_all(sending, webhooks, || ()).await.unwrap()
}
