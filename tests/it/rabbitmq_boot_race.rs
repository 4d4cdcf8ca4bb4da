//! Three nodes of a broker and the product start together, each after a delay of its own. Queues get the
//! nodes that run when they are declared, so some may have one member: then that is told, and can be
//! mended. `CLUSTER_BOOTS` says how often it is tried.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::rabbitmq_cluster::{BootingCluster, BrokerCluster, Reconciling, configure};
use crate::rabbitmq_management::{QUEUES, metric_is, run_printed_commands, setting, text};
use crate::wait::wait_for;

/// How long queues may take to have three members by themselves.
const MEMBERS_MAX: Duration = Duration::from_mins(1);
const PATIENCE: Duration = Duration::from_mins(2);
/// The longest that one of them starts after another.
const DELAY_MAX_MS: u64 = 8_000;

fn boots() -> u64 {
    std::env::var("CLUSTER_BOOTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_queue_has_three_members_or_it_is_told_which_has_not() {
    if !BrokerCluster::is_possible() {
        return;
    }
    let mut dice = StdRng::seed_from_u64(7);
    let mut full = 0;
    for boot in 1..=boots() {
        let mut delay = || Duration::from_millis(dice.random_range(0..DELAY_MAX_MS));
        let delays = [delay(), delay(), delay()];
        let short = boot_together(delays, delay()).await;
        full += u64::from(short == 0);
        println!(
            "boot {boot}: nodes after {delays:?}: {short} of {QUEUES} queues short, told and grown"
        );
    }
    println!("{} boots: {full} gave every queue three members, the others were told", boots());
}

/// Returns how many queues had too few members a minute after all were up; they were told and grown.
async fn boot_together(nodes: [Duration; 3], product: Duration) -> usize {
    let booting = BootingCluster::begin(nodes, Reconciling::Yes);
    let folder = tempfile::tempdir().unwrap();
    let prefix = configure(folder.path(), &booting.management_urls());
    let setting = setting(&folder, &booting.urls());
    // The order in which they come up is what is tried.
    tokio::time::sleep(product).await;
    let _up = setting.spawn(&["up"]);
    let cluster = tokio::task::spawn_blocking(|| booting.wait()).await.unwrap();
    setting.answers("readyz").await;
    let short = || cluster.members(&prefix).iter().filter(|(_, members)| *members < 3).count();
    wait_for("all queues", PATIENCE, || async {
        (cluster.members(&prefix).len() == QUEUES).then_some(())
    })
    .await;
    let patient = wait_until_full(&short).await;
    metric_is(&setting, "waha_ingest_broker_nodes", &[("state", "running")], 3).await;
    let fault = [("fault", "short_of_members")];
    metric_is(&setting, "waha_ingest_broker_queue_faults", &fault, patient).await;
    let said = text(&setting.run(&["check"]));
    let status = String::from_utf8(setting.run(&["status"]).stdout).unwrap();
    assert_eq!(said.contains("of 3 members ("), patient > 0, "{said}");
    assert_eq!(status.contains("of 3 members ("), patient > 0, "{status}");
    if patient > 0 {
        run_printed_commands(&cluster, &text(&setting.run(&["check", "--grow"])));
        wait_for("three members each", PATIENCE, || async { (short() == 0).then_some(()) }).await;
    }
    patient
}

async fn wait_until_full(short: &impl Fn() -> usize) -> usize {
    let started = std::time::Instant::now();
    wait_for("queues with members", PATIENCE, || async {
        let count = short();
        (count == 0 || started.elapsed() > MEMBERS_MAX).then_some(count)
    })
    .await
}
