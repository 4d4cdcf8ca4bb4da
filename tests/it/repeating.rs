//! Any order, any number of times: the same rows, on each kind of database.

use serde_json::json;
use waha_ingest::simulate::{Families, Plan, Sent, history, shuffled};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::rows::{assert_equal, count, rows};

on_each_database!(shuffled_and_repeated_webhooks_give_the_same_rows, message_and_message_any);

fn plan(seed: u64) -> Plan {
    Plan { seed, messages: 120, people: 12, groups: 2, families: Families::ALL, ..Plan::default() }
}

async fn shuffled_and_repeated_webhooks_give_the_same_rows(kind: Kind) {
    for seed in 1..=3 {
        let in_order = TestApp::start(kind).await;
        in_order.publish_all(history(&plan(seed))).await;
        in_order.work_until_idle().await;
        let expected = rows(in_order.db()).await;

        let mut disturbed = TestApp::start(kind).await;
        disturbed.worker.batch_max = 7;
        let webhooks: Vec<Sent> =
            shuffled(seed, usize::MAX >> 8, 0.3, history(&plan(seed))).collect();
        disturbed.publish_all(webhooks).await;
        disturbed.work_until_idle().await;
        assert_equal(&expected, &rows(disturbed.db()).await);

        let equation = disturbed.equation().await;
        assert!(equation.is_balanced() && equation.waiting == 0, "{equation:?}");
        assert!(equation.duplicate > 0, "{equation:?}");
        assert_eq!(equation.dead_lettered, 0, "{equation:?}");
    }
}

/// NOWEB and GOWS give both events of one message one event id.
async fn message_and_message_any(kind: Kind) {
    let app = TestApp::start(kind).await;
    for event in ["message", "message.any"] {
        app.post_json(&json!({
            "id": "evt_1", "timestamp": 1_794_000_000_000_i64, "event": event, "session": "s",
            "payload": {"id": "false_12025550142@c.us_3A1", "timestamp": 1_794_000_000,
                        "from": "12025550142@c.us", "fromMe": false, "body": "one"},
        }))
        .await;
    }
    app.work_until_idle().await;
    assert_eq!(count(app.db(), "waha_messages").await, 1);
    assert_eq!(count(app.db(), "webhook_events").await, 2);
    assert_eq!(app.equation().await.applied, 2);
}
