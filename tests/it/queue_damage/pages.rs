//! One page that is lost, of every kind that there is.

use waha_ingest::queue::Queue;

use super::file::{Outcome, QueueFile, WEBHOOKS, open_and_work_off, webhook, work_off};

/// All that are published in a case.
const ALL: usize = WEBHOOKS + 20;

/// Table or index, and kind of page.
const CASES: [(&str, &str); 12] = [
    ("sqlite_schema", "leaf"),
    ("webhooks", "internal"),
    ("webhooks", "leaf"),
    ("webhooks", "overflow"),
    ("deliveries", "internal"),
    ("deliveries", "leaf"),
    ("deliveries_by_due", "internal"),
    ("deliveries_by_due", "leaf"),
    ("deliveries_by_age", "internal"),
    ("deliveries_by_age", "leaf"),
    ("counters", "leaf"),
    ("counter_copies", "leaf"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_page_costs_what_was_on_it_and_no_more() {
    let whole = QueueFile::filled().await;
    for (name, kind) in CASES {
        let pages = whole.pages(name, kind);
        let page = pages[pages.len() / 2];
        let file = whole.copy();
        file.zero_page(page);
        let case = format!("{kind} page of {name}");
        let outcome = open_and_work_off(&file, &case).await;
        outcome.assert_whole(ALL, &case);
        let (set_aside, missing) = match (name, kind) {
            ("webhooks", "overflow") => (1, 0),
            ("webhooks", "leaf") => (0, outcome.missing.clamp(1, 4)),
            // What a row says is told by its webhook, and an index by its rows.
            _ => (0, 0),
        };
        assert_eq!((outcome.set_aside, outcome.missing), (set_aside, missing), "{case}");
        assert_eq!(file.lines().len() as u64, outcome.gone(), "{case}: a line for each");
        assert_eq!(file.kept().len(), 1, "{case}: the damaged file is kept, and only that");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_webhook_is_set_aside() {
    let whole = QueueFile::filled().await;
    let page = whole.pages("webhooks", "overflow")[10];
    whole.zero_page(page);
    let outcome = open_and_work_off(&whole, "overflow").await;
    let lines = whole.lines();
    let id = lines[0]["webhook"]["id"].as_str().unwrap();
    assert!(!outcome.applied.contains_key(id), "it was handed out damaged");
    assert_eq!(lines[0]["webhook"]["session"], "support");
    assert_eq!(
        lines[0]["webhook"]["headers"],
        format!("{{\"x-webhook-request-id\":\"request {id}\"}}")
    );
    assert!(lines[0]["webhook"]["body_base64"].as_str().unwrap().len() > 1000, "the first part");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ended_before_does_not_come_back() {
    let whole = QueueFile::filled().await;
    let queue = whole.open();
    let mut ended = Outcome::default();
    work_off(&queue, &mut ended).await;
    for number in 0..20 {
        queue.publish(webhook(WEBHOOKS + 100 + number)).await.unwrap();
    }
    drop(queue);
    // The list of what was deleted is told by the first page and by pages of its own.
    for page in [1, whole.pages("deliveries", "leaf")[0]] {
        let file = whole.copy();
        file.zero_page(page);
        let outcome = open_and_work_off(&file, "deleted").await;
        assert_eq!(outcome.applied.len(), 40, "page {page}");
        assert_eq!(outcome.gone(), 0, "page {page}");
    }
}
