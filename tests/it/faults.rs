//! The fault campaign: two `serve` and two `work` with RabbitMQ and PostgreSQL, of which something is
//! killed, frozen or cut off again and again under load. Afterwards every webhook that was answered
//! 202 is in the ledger, and the rows are those of an undisturbed run.
//!
//! `tests/faults --rounds N --seed S` runs it longer; both come in as environment variables.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use waha_ingest::sender::{Report, Sending, send_all};
use waha_ingest::simulate::{Plan, Sent, history, shuffled};

use crate::app::{KEY, undisturbed};
use crate::asked;
use crate::cluster::{Cluster, Fault};
use crate::rows::{assert_equal, without_ledger};
use crate::wait::wait_for;

/// Rounds of the short campaign that runs with all tests.
const ROUNDS: u64 = 2;
/// Webhooks per round.
const COUNT: usize = 3_000;
/// Faults per round.
const FAULTS: usize = 3;
/// How long a round may take to become quiet.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled() {
    let (rounds, seed) = (asked("FAULTS_ROUNDS", ROUNDS), asked("FAULTS_SEED", 1));
    let cluster = Cluster::start().await;
    let mut dice = StdRng::seed_from_u64(seed);
    let mut faults: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut accepted, mut sent) = (0, 0);
    for round in 0..rounds {
        let plan = Plan { seed: seed + round, messages: 2_000, ..Plan::default() };
        let webhooks: Vec<Sent> = history(&plan).take(COUNT).collect();
        let disturbed = shuffled(seed + round, 200, 0.1, webhooks.clone().into_iter());
        cluster.clear().await;
        let sending = tokio::spawn(send(cluster.urls(), disturbed));
        for _ in 0..FAULTS {
            let fault = *Fault::ALL.choose(&mut dice).unwrap();
            let pause = Duration::from_millis(dice.random_range(200..2_000));
            tokio::time::sleep(pause).await;
            cluster.strike(fault, &mut dice).await;
            *faults.entry(fault.name()).or_default() += 1;
        }
        let report = sending.await.unwrap();
        accepted += report.accepted;
        sent += report.sent;
        wait_for("all of a round to be in the ledger", PATIENCE, || async {
            (cluster.ledger_rows().await == webhooks.len()).then_some(())
        })
        .await;
        cluster.quiet(PATIENCE).await;
        assert_equal(&undisturbed(webhooks).await, &without_ledger(cluster.rows().await));
        println!(
            "round {}: {} sent, {} accepted, lost 0, doubled 0",
            round + 1,
            report.sent,
            report.accepted
        );
    }
    println!(
        "rounds {rounds}, sent {sent}, accepted {accepted}, lost 0, doubled 0, faults {faults:?}"
    );
}

async fn send(urls: Vec<String>, webhooks: impl Iterator<Item = Sent> + Send + 'static) -> Report {
    let sending = Sending {
        urls,
        key: Some(KEY.into()),
        connections: 32,
        rate: Some(1_000.0),
        attempts_max: 400,
        retry_delay: Duration::from_millis(250),
    };
    let report = send_all(sending, webhooks, || ()).await.unwrap();
    assert_eq!(report.lost, 0);
    report
}
