//! A rolling update, as an orchestrator does it: two `serve` and two `work` on RabbitMQ and PostgreSQL
//! are replaced one after the other by SIGTERM, under load. A client that goes on to the next instance
//! has no failed webhook, none is lost or doubled, and each process drains within its grace period.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use waha_ingest::sender::Sending;
use waha_ingest::simulate::{Plan, Sent, history};

use crate::app::undisturbed;
use crate::database::{Database, Kind};
use crate::fleet::{Fleet, FleetPlan, TWO_EACH};
use crate::load::{Load, at_rate};
use crate::rabbitmq_node::prefix;
use crate::rows::{assert_equal, count, without_ledger};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(180);
const PER_SECOND: f64 = 100.0;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_while_every_process_is_replaced() {
    let fleet = start().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let load = send(fleet.urls(), Arc::clone(&is_over));
    fleet.ledger_reaches(100, PATIENCE).await;
    for member in &fleet.members {
        member.replace().await;
        // The next one goes only when webhooks arrive again.
        let rows = fleet.ledger_rows().await;
        fleet.ledger_reaches(rows + 50, PATIENCE).await;
    }
    is_over.store(true, Ordering::SeqCst);
    let report = load.report().await;
    assert_eq!((report.accepted, report.lost), (report.sent, 0));
    let sent = usize::try_from(report.sent).unwrap();
    wait_for("all to be in the ledger", PATIENCE, || async {
        (fleet.ledger_rows().await == sent).then_some(())
    })
    .await;
    wait_for("empty queues", PATIENCE, || async {
        fleet.status().await.filter(|status| status["waiting"] == 0)
    })
    .await;
    let repeated = u64::try_from(count(&fleet.db(), "webhook_duplicates").await).unwrap();
    assert!(repeated <= report.retries, "{repeated} doubled, {} retries", report.retries);
    let webhooks: Vec<Sent> = history(&plan()).take(sent).collect();
    assert_equal(&undisturbed(webhooks).await, &without_ledger(fleet.rows().await));
    println!("sent {sent}, retries {}, repeated {repeated}, lost 0", report.retries);
}

/// On the servers that all tests share: none of them is struck.
async fn start() -> Fleet {
    let database = Database::create(Kind::Postgres).await;
    let queue_url =
        std::env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL is not set: run tests/run");
    let plan = FleetPlan {
        queue_url: Some(queue_url),
        configuration: format!("queue.prefix = \"{}\"\n", prefix()),
        ..FleetPlan::new(TWO_EACH, &database.url)
    };
    Fleet::start(plan).await
}

/// More than is ever sent.
fn plan() -> Plan {
    Plan { seed: 7, messages: 100_000, ..Plan::default() }
}

/// Each webhook may be tried once more, on the other instance, at once.
fn send(urls: Vec<String>, is_over: Arc<AtomicBool>) -> Load {
    let sending =
        Sending { connections: 8, retry_delay: Duration::ZERO, ..at_rate(urls, PER_SECOND, 1) };
    let webhooks = history(&plan()).take_while(move |_| !is_over.load(Ordering::SeqCst));
    Load::start(sending, webhooks)
}
