//! A rolling update, as an orchestrator does it: two `serve` and two `work` on RabbitMQ and PostgreSQL
//! are replaced one after the other by SIGTERM, under load. A client that goes on to the next instance
//! has no failed webhook, none is lost or doubled, and each process drains within its grace period.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use waha_ingest::sender::{Report, Sending, send_all};
use waha_ingest::simulate::{Plan, Sent, history};

use crate::app::KEY;
use crate::app::undisturbed;
use crate::cluster::Cluster;
use crate::rows::assert_equal;
use crate::rows::without_ledger;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(180);
const PER_SECOND: f64 = 100.0;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_while_every_process_is_replaced() {
    let cluster = Cluster::start().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(send(cluster.urls(), Arc::clone(&is_over)));
    cluster.ledger_reaches(100, PATIENCE).await;
    for member in 0..cluster.size() {
        cluster.replace(member).await;
        // The next one goes only when webhooks arrive again.
        let rows = cluster.ledger_rows().await;
        cluster.ledger_reaches(rows + 50, PATIENCE).await;
    }
    is_over.store(true, Ordering::SeqCst);
    let report = sending.await.unwrap();
    assert_eq!((report.accepted, report.lost), (report.sent, 0));
    let sent = usize::try_from(report.sent).unwrap();
    wait_for("all to be in the ledger", PATIENCE, || async {
        (cluster.ledger_rows().await == sent).then_some(())
    })
    .await;
    cluster.quiet(PATIENCE).await;
    let repeated = cluster.duplicates().await;
    assert!(repeated <= report.retries, "{repeated} doubled, {} retries", report.retries);
    let webhooks: Vec<Sent> = history(&plan()).take(sent).collect();
    assert_equal(&undisturbed(webhooks).await, &without_ledger(cluster.rows().await));
    println!("sent {sent}, retries {}, repeated {repeated}, lost 0", report.retries);
}

/// More than is ever sent.
fn plan() -> Plan {
    Plan { seed: 7, messages: 100_000, ..Plan::default() }
}

/// Each webhook may be tried once more, on the other instance, at once.
async fn send(urls: Vec<String>, is_over: Arc<AtomicBool>) -> Report {
    let sending = Sending {
        urls,
        key: Some(KEY.into()),
        connections: 8,
        rate: Some(PER_SECOND),
        attempts_max: 1,
        retry_delay: Duration::ZERO,
    };
    let webhooks = history(&plan()).take_while(move |_| !is_over.load(Ordering::SeqCst));
    send_all(sending, webhooks, || ()).await.unwrap()
}
