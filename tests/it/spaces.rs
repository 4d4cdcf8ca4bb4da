//! Texts that differ only by spaces at their end are two on every database.

use sea_orm::EntityTrait;
use serde_json::json;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};

on_each_database!(spaces_at_the_end_tell_apart);

async fn spaces_at_the_end_tell_apart(kind: Kind) {
    let app = TestApp::start(kind).await;
    for (id, status) in [("evt", "WORKING"), ("evt ", "WORKING ")] {
        app.post_json(&json!({
            "id": id, "timestamp": 1_794_000_000_000_i64, "event": "session.status", "session": "s",
            "payload": {"status": status, "statuses": [
                {"status": "abc", "timestamp": 1_794_000_000_000_i64},
                {"status": "abc ", "timestamp": 1_794_000_000_000_i64},
            ]},
        }))
        .await;
    }
    app.work_until_idle().await;
    let equation = app.equation().await;
    assert!(equation.balanced == Some(true) && equation.applied == 2, "{equation:?}");
    let statuses = entity::waha_session_statuses::Entity::find().all(app.db()).await.unwrap();
    let mut texts: Vec<&str> = statuses.iter().map(|row| row.status.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    assert!(texts.contains(&"abc") && texts.contains(&"abc "), "{texts:?}");
}
