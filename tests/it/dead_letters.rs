//! Retried, then dead-lettered, then replayed or discarded; the equation holds at every step.

use sea_orm::ConnectionTrait;
use serde_json::json;
use waha_ingest::queue::Queue;
use waha_ingest::store::apply::burial::state::DeadLetterState;
use waha_ingest::store::operations::dead_letter::DeadLetter;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::desk::{actor, discard, letters, of, replay};
use crate::rows::count;

on_each_database!(
    a_dead_letter_is_replayed_once_its_cause_is_gone,
    a_discarded_dead_letter_stays_as_a_row,
    one_bad_webhook_does_not_hold_up_the_others,
);

fn message(id: &str) -> serde_json::Value {
    json!({
        "id": format!("evt_{id}"), "timestamp": 1_794_000_000_000_i64, "event": "message",
        "session": "s",
        "payload": {"id": format!("false_12025550142@c.us_{id}"), "timestamp": 1_794_000_000,
                    "from": "12025550142@c.us", "fromMe": false, "body": id},
    })
}

/// A cause that is unknown to us: somebody put a constraint on our table.
async fn refuse(app: &TestApp, id: &str) {
    let sql = match app.db().get_database_backend() {
        sea_orm::DbBackend::Sqlite => format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON waha_messages WHEN new.message_id = '{id}' \
             BEGIN SELECT RAISE(FAIL, 'refused by a trigger'); END"
        ),
        sea_orm::DbBackend::MySql => format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON waha_messages FOR EACH ROW BEGIN \
             IF new.message_id = '{id}' THEN SIGNAL SQLSTATE '45000'; END IF; END"
        ),
        _ => format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF new.message_id = '{id}' THEN RAISE EXCEPTION 'refused by a trigger'; END IF; \
             RETURN new; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON waha_messages FOR EACH ROW EXECUTE FUNCTION refuse()"
        ),
    };
    app.db().execute_unprepared(&sql).await.unwrap();
}

async fn allow(app: &TestApp) {
    let sql = match app.db().get_database_backend() {
        sea_orm::DbBackend::Sqlite | sea_orm::DbBackend::MySql => "DROP TRIGGER refuse",
        _ => "DROP TRIGGER refuse ON waha_messages",
    };
    app.db().execute_unprepared(sql).await.unwrap();
}

/// Climbs the ladder to its end.
async fn exhaust(app: &TestApp) {
    for _ in 0..=app.worker.policy.delays.len() {
        app.work_until_idle().await;
        app.clock.advance(2 * 60 * 60 * 1000);
    }
}

async fn a_dead_letter_is_replayed_once_its_cause_is_gone(kind: Kind) {
    let app = TestApp::start(kind).await;
    refuse(&app, "BAD").await;
    app.post_json(&message("BAD")).await;
    app.work_until_idle().await;
    assert_eq!(app.queue.depth().await.unwrap().lanes[1].retrying, 1);
    assert!(letters(&app, DeadLetterState::Pending).await.is_empty());
    exhaust(&app).await;
    let dead = letters(&app, DeadLetterState::Pending).await;
    assert_eq!((dead[0].row.attempts, dead[0].failures.len()), (6, 6));
    assert_eq!(dead[0].row.body, message("BAD").to_string().into_bytes());

    // Replayed while the cause is still there: it comes back, with all its failures.
    assert_eq!(replay(&app, &of(&dead)).await, 1);
    assert_balanced(&app, 1, 0).await;
    exhaust(&app).await;
    let dead = letters(&app, DeadLetterState::Pending).await;
    assert_eq!((dead[0].row.attempts, dead[0].failures.len(), dead[0].row.replays), (12, 12, 1));

    allow(&app).await;
    assert_eq!(replay(&app, &of(&dead)).await, 1);
    app.work_until_idle().await;
    assert_eq!(ends(&app, &dead[0]).await, ["dead_lettered (unknown)", "applied"]);
    assert!(letters(&app, DeadLetterState::Pending).await.is_empty());
    assert_eq!(letters(&app, DeadLetterState::Replayed).await.len(), 1);
    assert_eq!(count(app.db(), "waha_messages").await, 1);
    assert_balanced(&app, 0, 1).await;

    // Once more, by mistake: nothing changes.
    app.queue.publish(dead[0].webhook()).await.unwrap();
    app.work_until_idle().await;
    assert_balanced(&app, 0, 1).await;
}

async fn a_discarded_dead_letter_stays_as_a_row(kind: Kind) {
    let app = TestApp::start(kind).await;
    assert!(app.post("not json").await.is_success());
    app.work_until_idle().await;
    let dead = letters(&app, DeadLetterState::Pending).await;
    assert_eq!(dead[0].row.reason, "malformed");
    assert_eq!(discard(&app, &of(&dead), true).await, 1);
    assert_eq!(replay(&app, &of(&dead)).await, 0, "only pending ones are");
    let discarded = letters(&app, DeadLetterState::Discarded).await;
    assert_eq!(discarded[0].row.note.as_deref(), Some("a test"));
    assert_eq!(discarded[0].row.resolved_by.as_deref(), Some(actor().name.as_str()));
    assert_balanced(&app, 1, 0).await;
    // Taken back, it can be replayed.
    assert_eq!(discard(&app, &of(&dead), false).await, 1);
    assert_eq!(replay(&app, &of(&dead)).await, 1);
    assert_balanced(&app, 1, 0).await;
}

async fn one_bad_webhook_does_not_hold_up_the_others(kind: Kind) {
    let app = TestApp::start(kind).await;
    refuse(&app, "BAD").await;
    for id in ["A", "B", "C", "BAD", "D", "E"] {
        app.post_json(&message(id)).await;
    }
    app.work_until_idle().await;
    assert_eq!(count(app.db(), "waha_messages").await, 5);
    assert_eq!(app.queue.depth().await.unwrap().total(), 1);
}

/// How the replays of a dead letter ended.
async fn ends(app: &TestApp, letter: &DeadLetter) -> Vec<String> {
    let replays = app.store.replays_of(&[letter.row.id]).await.unwrap();
    let end = |outcome: &str, reason: Option<&str>| match reason {
        Some(reason) => format!("{outcome} ({reason})"),
        None => outcome.to_owned(),
    };
    let replays = replays[&letter.row.id].iter();
    replays
        .map(|it| end(it.outcome.as_deref().unwrap_or("on its way"), it.reason.as_deref()))
        .collect()
}

async fn assert_balanced(app: &TestApp, dead_lettered: u64, applied: u64) {
    let equation = app.equation().await;
    assert!(equation.is_balanced(), "{equation:?}");
    assert_eq!((equation.dead_lettered, equation.applied), (dead_lettered, applied));
}
