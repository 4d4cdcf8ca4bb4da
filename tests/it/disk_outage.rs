//! The disk under `up` is full for a while, or every write fails, and nothing is killed: what was
//! accepted is applied, once, as soon as there is space again, and `status` tells the truth meanwhile.
//!
//! `FULL_DISK_ROUNDS` and `FULL_DISK_SEED` run it longer.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use waha_ingest::sender::{Report, Sending, send_all};
use waha_ingest::simulate::{Plan, Sent, history};

use crate::app::{KEY, undisturbed};
use crate::asked;
use crate::disk::{Disk, SmallDisk, WriteLimit};
use crate::process::Setting;
use crate::rows::{assert_equal, rows, without_ledger};

/// Rounds that run with all tests.
const ROUNDS: u64 = 2;
/// Webhooks of a round, and how many of them a second.
const COUNT: usize = 3_200;
const RATE: f64 = 400.0;
/// How long nothing can be written, in milliseconds.
const OUTAGE_MS: std::ops::Range<u64> = 200..8_000;
/// How long a round may take to become quiet.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing() {
    for round in 0..asked("FULL_DISK_ROUNDS", ROUNDS) {
        // Refuses writes with ENOSPC.
        let disk = SmallDisk::mount();
        outlive(round, &disk.path().to_owned(), |_| &disk).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_writes_lose_nothing() {
    for round in 0..asked("FULL_DISK_ROUNDS", ROUNDS) {
        let folder = tempfile::tempdir().unwrap();
        // Refuses writes with EFBIG, which SQLite takes for an I/O error.
        outlive(round, folder.path(), WriteLimit::of).await;
    }
}

async fn outlive<D: Disk>(round: u64, data: &Path, disk: impl FnOnce(u32) -> D) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", data.join("waha.db").display());
    let mut setting = Setting::new(folder.path(), &url);
    setting.environment = vec![("WAHA_INGEST__DATA_DIR", data.display().to_string())];
    let up = setting.up_enduring().await;
    let disk = disk(up.id());
    let mut dice = StdRng::seed_from_u64(asked("FULL_DISK_SEED", 1) + round);
    let plan = Plan { seed: round, messages: 2_500, ..Plan::default() };
    let webhooks: Vec<Sent> = history(&plan).take(COUNT).collect();
    let over = AtomicBool::new(false);
    let told = async { tell(&setting, &over).await };
    let striking = async {
        let sending = tokio::spawn(send(setting.url(), webhooks.clone()));
        tokio::time::sleep(Duration::from_millis(dice.random_range(500..2_000))).await;
        let outage = Duration::from_millis(dice.random_range(OUTAGE_MS));
        disk.fail();
        tokio::time::sleep(outage).await;
        disk.mend();
        let mended = Instant::now();
        let report = sending.await.unwrap();
        let sent = Instant::now();
        let status = setting.settled(PATIENCE).await;
        println!(
            "round {}: nothing written for {outage:?}, {} sent, {} refused, quiet {:?} after the \
             last request and {:?} after the mend: {status}",
            round + 1,
            report.sent,
            report.refused,
            sent.elapsed(),
            mended.elapsed(),
        );
        over.store(true, Ordering::Relaxed);
        (report, status)
    };
    let ((report, status), ()) = tokio::join!(striking, told);
    assert_eq!(report.lost, 0);
    assert_eq!(status["balanced"], true, "{status}");
    assert_eq!(status["dead_lettered"], 0, "{status}");
    assert!(status["accepted"].as_u64().unwrap() >= webhooks.len() as u64, "{status}");
    let db = sea_orm::Database::connect(&url).await.unwrap();
    assert_equal(&undisturbed(webhooks).await, &without_ledger(rows(&db).await));
}

/// Asks again and again; what is answered must be true.
async fn tell(setting: &Setting<'_>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let mut command = setting.command(&["status", "--json"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        // While nothing can be written there may be no answer.
        if let Ok(status) = serde_json::from_slice::<Value>(&output.stdout) {
            assert_ne!(status["balanced"], false, "{status}");
        }
    }
}

async fn send(url: String, webhooks: Vec<Sent>) -> Report {
    let sending = Sending {
        urls: vec![url],
        key: Some(KEY.into()),
        connections: 16,
        rate: Some(RATE),
        attempts_max: 1_000,
        retry_delay: Duration::from_millis(250),
    };
    send_all(sending, webhooks.into_iter(), || ()).await.unwrap()
}
