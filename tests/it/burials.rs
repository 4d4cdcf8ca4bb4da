//! Dead letters that the database refuses: the batch is split, then the least of one is stored, and
//! what is refused in every form waits in the queue while the lane goes on.

use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use serde_json::json;
use waha_ingest::queue::Queue;
use waha_ingest::retry::RetryPolicy;
use waha_ingest::worker::ByteBudget;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};

on_each_database!(
    a_refused_burial_is_stored_with_the_least,
    what_can_not_be_buried_waits_and_the_lane_goes_on,
);

const HOUR_MS: i64 = 3_600_000;

/// An application whose dead letters are refused unless a condition on their columns holds.
async fn refusing_unless(kind: Kind, condition: &str) -> TestApp {
    let mut app = TestApp::start(kind).await;
    app.worker.policy = RetryPolicy { delays: Vec::new(), jitter: 0.0 };
    let sql = match kind {
        Kind::Sqlite => format!(
            "CREATE TRIGGER fussy BEFORE INSERT ON dead_letters WHEN NOT (NEW.{condition}) \
             BEGIN SELECT RAISE(ABORT, 'fussy'); END"
        ),
        Kind::Postgres | Kind::MySql => {
            format!("ALTER TABLE dead_letters ADD CONSTRAINT fussy CHECK ({condition})")
        }
    };
    app.db().execute_unprepared(&sql).await.unwrap();
    app
}

async fn is_no_longer_fussy(app: &TestApp, kind: Kind) {
    let sql = match kind {
        Kind::Sqlite => "DROP TRIGGER fussy",
        Kind::Postgres | Kind::MySql => "ALTER TABLE dead_letters DROP CONSTRAINT fussy",
    };
    app.db().execute_unprepared(sql).await.unwrap();
}

/// A message without an id, which can't be mapped.
fn without_id(number: i64) -> serde_json::Value {
    let at = 1_794_000_000_000_i64 + number;
    json!({ "event": "message", "session": "s", "timestamp": at, "payload": { "n": number } })
}

fn good() -> serde_json::Value {
    let payload = json!({
        "id": "false_12025550142@c.us_GOOD", "from": "12025550142@c.us", "fromMe": false,
        "timestamp": 1_794_000_000, "body": "hello",
    });
    json!({ "event": "message", "session": "s", "timestamp": 1_794_000_000_000_i64, "payload": payload })
}

async fn letters(app: &TestApp) -> Vec<entity::dead_letters::Model> {
    entity::dead_letters::Entity::find().all(app.db()).await.unwrap()
}

async fn a_refused_burial_is_stored_with_the_least(kind: Kind) {
    let app = refusing_unless(kind, "event_type = ''").await;
    app.post_json(&without_id(1)).await;
    app.post("no JSON").await;
    app.post_json(&good()).await;
    app.work_until_idle().await;

    let letters = letters(&app).await;
    let of = |reason: &str| letters.iter().find(|letter| letter.reason == reason).unwrap();
    assert_eq!(letters.len(), 2);
    assert_eq!(of("malformed").body, b"no JSON");
    assert_eq!(of("unstorable").body, without_id(1).to_string().into_bytes());
    assert!(of("unstorable").webhook_id.starts_with("key_"), "{}", of("unstorable").webhook_id);
    let equation = app.equation().await;
    assert!(equation.balanced == Some(true) && equation.waiting == 0, "{equation:?}");
    assert_eq!((equation.applied, equation.dead_lettered), (1, 2));
}

async fn what_can_not_be_buried_waits_and_the_lane_goes_on(kind: Kind) {
    let app = refusing_unless(kind, "receipt IS NULL").await;
    app.post_json(&without_id(1)).await;
    app.post_json(&good()).await;
    app.work_until_idle().await;
    let equation = app.equation().await;
    assert!(equation.balanced == Some(true), "{equation:?}");
    assert_eq!((equation.applied, equation.waiting, equation.dead_lettered), (1, 1, 0));
    assert_eq!(app.queue.depth().await.unwrap().lanes.iter().map(|it| it.retrying).sum::<u64>(), 1);

    is_no_longer_fussy(&app, kind).await;
    app.clock.advance(2 * HOUR_MS);
    app.work_until_idle().await;
    let letters = letters(&app).await;
    assert_eq!(letters.len(), 1);
    assert_eq!((&*letters[0].event_type, &*letters[0].reason), ("message", "missing_field"));
    assert_eq!(app.equation().await.balanced, Some(true));
}

/// How many dead letters there are, and how many transactions wrote them; on PostgreSQL.
async fn letters_and_transactions(app: &TestApp) -> (i64, i64) {
    let sql = "SELECT count(*) AS letters, count(DISTINCT xmin::text) AS written FROM dead_letters";
    let statement = Statement::from_string(app.db().get_database_backend(), sql);
    let row = app.db().query_one_raw(statement).await.unwrap().unwrap();
    (row.try_get("", "letters").unwrap(), row.try_get("", "written").unwrap())
}

/// One commit for all: a batch of malformed webhooks must not hold its lane for hundreds of them.
#[tokio::test(flavor = "multi_thread")]
async fn burials_of_a_batch_go_together() {
    let app = TestApp::start(Kind::Postgres).await;
    for number in 0..200 {
        app.post_json(&without_id(number)).await;
    }
    app.work_until_idle().await;
    let sql =
        "SELECT count(*) AS letters, count(DISTINCT xmin::text) AS transactions FROM dead_letters";
    let statement = sea_orm::Statement::from_string(app.db().get_database_backend(), sql);
    let row = app.db().query_one_raw(statement).await.unwrap().unwrap();
    let count = |column: &str| row.try_get::<i64>("", column).unwrap();
    assert_eq!((count("letters"), count("transactions")), (200, 1));
}

/// Bodies that together are over a batch's bytes come in several transactions, and one that alone is
/// over them comes alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_keeps_to_its_bytes() {
    let mut app = TestApp::start(Kind::Postgres).await;
    app.worker.budget = ByteBudget::new(10_000, 1 << 20, 4);
    for (number, bytes) in (0..).zip([4000, 4000, 4000, 30_000, 100, 100]) {
        let mut body = without_id(number);
        body["payload"]["text"] = "x".repeat(bytes).into();
        app.post_json(&body).await;
    }
    app.work_until_idle().await;
    assert_eq!(letters_and_transactions(&app).await, (6, 4));
}
