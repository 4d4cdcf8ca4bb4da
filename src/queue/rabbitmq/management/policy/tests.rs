//! Each setting on each kind of queue: what it does there.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const RUNG: QueueRole = QueueRole::Rung(Duration::from_secs(30));

fn found(queue_type: &str, definition: &Value) -> FoundQueue {
    FoundQueue {
        queue_type: queue_type.to_owned(),
        policy: Some("limits".to_owned()),
        effective_policy_definition: serde_json::from_value(definition.clone()).ok(),
        ..FoundQueue::default()
    }
}

/// Settings and effects of what a definition does to a queue of this role.
fn effects(role: QueueRole, definition: &Value) -> Vec<(&'static str, PolicyEffect)> {
    let expected = ExpectedQueue { name: "waha.chats".to_owned(), role: Some(role) };
    let conflicts = conflicts(&expected, &found("quorum", definition));
    conflicts.into_iter().map(|conflict| (conflict.setting, conflict.effect)).collect()
}

#[test]
fn a_length_loses_or_delays_by_what_becomes_of_the_rest() {
    use PolicyEffect::{Delays, Loses};
    let bound = json!({ "max-length": 10 });
    for role in [QueueRole::Lane, QueueRole::Suspects, RUNG] {
        assert_eq!(effects(role, &bound), [("max-length", Delays)], "{role:?} rejects");
    }
    assert_eq!(effects(QueueRole::Dead, &bound), [("max-length", Loses)], "it drops by itself");
    let drops = json!({ "max-length-bytes": 10, "overflow": "drop-head" });
    assert_eq!(
        effects(QueueRole::Lane, &drops),
        [("overflow", Loses), ("max-length-bytes", Loses)]
    );
    let drops = json!({ "overflow": "drop-head" });
    assert_eq!(effects(RUNG, &drops), [("overflow", Loses)], "dead-lettering is not safe any more");
    assert!(effects(QueueRole::Dead, &drops).is_empty());
    assert!(effects(QueueRole::Lane, &json!({ "overflow": "reject-publish" })).is_empty());
}

#[test]
fn a_life_time_is_judged_by_what_waits_there() {
    use PolicyEffect::{Buries, Loses};
    let ttl = |ms: u64| json!({ "message-ttl": ms });
    assert_eq!(effects(QueueRole::Lane, &ttl(1_000)), [("message-ttl", Buries)]);
    assert_eq!(effects(QueueRole::Dead, &ttl(1_000)), [("message-ttl", Loses)]);
    assert_eq!(effects(RUNG, &ttl(29_999)), [("message-ttl", Buries)]);
    assert!(effects(RUNG, &ttl(30_000)).is_empty());
    for role in [QueueRole::Lane, QueueRole::Suspects, QueueRole::Dead, RUNG] {
        assert_eq!(effects(role, &json!({ "expires": 60_000 })), [("expires", Loses)]);
    }
}

#[test]
fn a_delivery_limit_is_compared_with_what_is_needed() {
    use PolicyEffect::{Buries, Loses};
    let limit = |limit: i64| json!({ "delivery-limit": limit });
    assert_eq!(effects(QueueRole::Lane, &limit(2)), [("delivery-limit", Buries)]);
    assert!(effects(QueueRole::Lane, &limit(3)).is_empty());
    assert_eq!(effects(QueueRole::Suspects, &limit(2)), [("delivery-limit", Buries)]);
    assert_eq!(effects(QueueRole::Dead, &limit(1_000_000)), [("delivery-limit", Loses)]);
    assert!(effects(QueueRole::Dead, &limit(-1)).is_empty(), "none at all");
    assert!(effects(RUNG, &limit(1)).is_empty(), "nobody consumes it");
}

#[test]
fn what_our_arguments_win_over_is_no_conflict() {
    let definition = json!({
        "dead-letter-exchange": "theirs", "dead-letter-routing-key": "theirs",
        "dead-letter-strategy": "at-most-once", "queue-leader-locator": "balanced",
    });
    for role in [QueueRole::Lane, QueueRole::Suspects, QueueRole::Dead, RUNG] {
        assert!(effects(role, &definition).is_empty(), "{role:?}");
    }
    assert!(effects(QueueRole::Lane, &json!([])).is_empty(), "some versions write none as a list");
}

#[test]
fn a_conflict_names_policies_and_setting() {
    let expected = ExpectedQueue { name: "waha.chats".to_owned(), role: Some(QueueRole::Lane) };
    let mut found = found("classic", &json!({ "expires": 5 }));
    found.operator_policy = Some("caps".to_owned());
    let texts: Vec<String> = conflicts(&expected, &found).iter().map(ToString::to_string).collect();
    let start = "policy \"limits\" with operator policy \"caps\" sets ";
    assert!(texts.iter().all(|text| text.starts_with(start)), "{texts:?}");
    assert!(texts[0].contains("queue type = classic") && texts[1].contains("expires = 5"));
}
