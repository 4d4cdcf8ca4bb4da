//! An application that adds a column of its own to a table of ours which no row of ours can fill: no
//! webhook is to blame, on any database.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::json;
use waha_ingest::telemetry::dependency::Dependency;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::rows::count;
use crate::wait::wait_for;

on_each_database!(a_column_that_we_can_t_fill_is_an_outage_that_names_it);

const PATIENCE: Duration = Duration::from_secs(30);

/// Lets rows of ours be again.
fn mend(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "ALTER TABLE waha_messages DROP COLUMN crm_owner",
        Kind::Postgres => "ALTER TABLE waha_messages ALTER COLUMN crm_owner DROP NOT NULL",
        Kind::MySql => "ALTER TABLE waha_messages MODIFY COLUMN crm_owner INTEGER NULL",
    }
}

async fn a_column_that_we_can_t_fill_is_an_outage_that_names_it(kind: Kind) {
    let app = TestApp::start(kind).await;
    let add = "ALTER TABLE waha_messages ADD COLUMN crm_owner INTEGER NOT NULL";
    app.db().execute_unprepared(add).await.unwrap();
    app.post_json(&json!({
        "id": "evt_1", "timestamp": 1_794_000_000_000_i64, "event": "message", "session": "s",
        "payload": {"id": "false_12025550142@c.us_1", "timestamp": 1_794_000_000,
                    "from": "12025550142@c.us", "fromMe": false, "body": "hello"},
    }))
    .await;
    let told = wait_for("what is wrong", PATIENCE, || async {
        let standing = app.worker.dependencies.standing(Dependency::Database)?;
        standing.last_use.failure
    });
    let mended = async {
        let told = told.await;
        // A connection of SQLite's that has been idle does not know the column until it reads something.
        wait_for("a table as it was", PATIENCE, async || {
            app.db().execute_unprepared(mend(kind)).await.ok()
        })
        .await;
        told
    };
    let ((), told) = tokio::join!(app.work_until_idle(), mended);
    assert!(told.contains("the column crm_owner of waha_messages is not ours"), "{told}");
    assert!(told.ends_with("give it a default, or let it take NULL"), "{told}");
    let applied = "webhook_events WHERE outcome = 'applied' AND attempts = 1";
    assert_eq!(count(app.db(), applied).await, 1, "no attempt is used");
    assert_eq!(count(app.db(), "dead_letters").await, 0);
}
