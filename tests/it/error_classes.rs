//! What one webhook causes stays its own: the others of its batch are applied, and it ends by its class.
//! What two transactions cause together is tried at once.
//!
//! Each class is made by the database itself, or said by it in a trigger. What no webhook can cause is
//! in `refusals`.

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;
use waha_ingest::store::apply::burial::state::DeadLetterState;
use waha_ingest::store::operations::dead_letter::DeadLetter;
use waha_ingest::telemetry::dependency::{Dependency, Usage};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::desk::letters;
use crate::rows::count;
use crate::wait::wait_for;

on_each_database!(each_ends_by_its_class);

const HOUR_MS: i64 = 3_600_000;
/// Shorter than a transaction is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);
/// Ids of messages, each refused with an error of the class that it is called after.
const REFUSED: [&str; 4] = ["LARGE", "CONTRADICTION", "UNKNOWN", "ORPHAN"];

fn message(id: &str) -> serde_json::Value {
    json!({
        "id": format!("evt_{id}"), "timestamp": 1_794_000_000_000_i64, "event": "message",
        "session": "s",
        "payload": {"id": format!("false_12025550142@c.us_{id}"), "timestamp": 1_794_000_000,
                    "from": "12025550142@c.us", "fromMe": false, "body": id},
    })
}

/// Has the database run statements of its own before it takes a message of this id.
async fn before(app: &TestApp, kind: Kind, id: &str, statements: &str) {
    let head = format!("CREATE TRIGGER of_{id} BEFORE INSERT ON waha_messages");
    let sql = match kind {
        Kind::Sqlite => format!("{head} WHEN new.message_id = '{id}' BEGIN {statements}; END"),
        Kind::MySql => format!(
            "{head} FOR EACH ROW BEGIN IF new.message_id = '{id}' THEN {statements}; END IF; END"
        ),
        Kind::Postgres => format!(
            "CREATE FUNCTION of_{id}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF new.message_id = '{id}' THEN {statements}; END IF; RETURN new; END $$; \
             {head} FOR EACH ROW EXECUTE FUNCTION of_{id}()"
        ),
    };
    app.db().execute_unprepared(&sql).await.unwrap();
}

/// Tables of somebody else's, which take less than there is.
async fn fussy_tables(app: &TestApp) {
    for sql in [
        "CREATE TABLE narrow (n INT NOT NULL, t VARCHAR(16000))",
        "CREATE TABLE crm (id INT PRIMARY KEY)",
        "CREATE TABLE crm_links (crm_id INT, CONSTRAINT crm_link FOREIGN KEY (crm_id) REFERENCES crm (id))",
    ] {
        app.db().execute_unprepared(sql).await.unwrap();
    }
    if app.database_url.starts_with("postgres") {
        let sql = "CREATE INDEX narrow_index ON narrow (t)";
        app.db().execute_unprepared(sql).await.unwrap();
    }
}

/// What makes an error of each class, in the order of [`REFUSED`].
fn causes(kind: Kind) -> [&'static str; 4] {
    let orphan = "INSERT INTO crm_links VALUES (1)";
    match kind {
        Kind::Sqlite => [
            // Longer than any value may be; of the row, else it would be made before it is looked at.
            "SELECT zeroblob(2000000000 + length(new.message_id))",
            "INSERT INTO narrow VALUES (NULL, '')",
            "SELECT RAISE(ABORT, 'no')",
            orphan,
        ],
        Kind::MySql => [
            "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1153",
            "INSERT INTO narrow VALUES (NULL, '')",
            "SIGNAL SQLSTATE '45000'",
            orphan,
        ],
        // Longer than an entry of an index may be, and nothing that would become shorter.
        Kind::Postgres => [
            "INSERT INTO narrow SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 400) i",
            "INSERT INTO narrow VALUES ('x'::text::int, '')",
            "RAISE EXCEPTION 'no'",
            orphan,
        ],
    }
}

async fn each_ends_by_its_class(kind: Kind) {
    let app = TestApp::start(kind).await;
    fussy_tables(&app).await;
    for (id, cause) in REFUSED.into_iter().zip(causes(kind)) {
        before(&app, kind, id, cause).await;
        app.post_json(&message(id)).await;
        app.post_json(&message(&format!("BESIDE{id}"))).await;
    }
    app.work_until_idle().await;
    assert_eq!(count(app.db(), "waha_messages").await, 4, "the others are applied");
    let early = letters(&app, DeadLetterState::Pending).await;
    assert_eq!(reasons(&early), ["contradicts_schema", "too_large"]);
    assert!(early.iter().all(|letter| letter.row.attempts == 1));

    for _ in 0..app.worker.policy.delays.len() {
        app.clock.advance(2 * HOUR_MS);
        app.work_until_idle().await;
    }
    let all = letters(&app, DeadLetterState::Pending).await;
    assert_eq!(reasons(&all), ["contradicts_schema", "too_large", "unknown", "unknown"]);
    let orphan = all.iter().find(|letter| letter.row.webhook_id == "evt_ORPHAN").unwrap();
    assert_eq!((orphan.row.attempts, orphan.failures.len()), (6, 6));
    let error = &orphan.failures[0].error;
    assert!(error.contains("a row that another one refers to is missing"), "{error}");
    // SQLite does not tell which.
    assert!(kind == Kind::Sqlite || error.contains("constraint crm_link"), "{error}");
    let equation = app.equation().await;
    assert_eq!((equation.balanced, equation.waiting), (Some(true), 0), "{equation:?}");
}

/// A database that answers nothing, because somebody keeps a lock, is told as down while it is waited
/// for, long before the transaction is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_somebody_keeps_is_told_while_it_lasts() {
    let app = TestApp::start(Kind::Postgres).await;
    let lock = app.db().begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE webhook_events").await.unwrap();
    app.post_json(&message("LOCKED")).await;
    let released = async {
        let told = wait_for("the lock to be told", LOCK_PATIENCE, || async {
            let standing = app.worker.dependencies.standing(Dependency::Database)?;
            standing.last_use.failure
        });
        let told = told.await;
        lock.commit().await.unwrap();
        told
    };
    let ((), told) = tokio::join!(app.work_until_idle(), released);
    assert_eq!(&*told, "no answer within 5 s");
    assert!(app.worker.dependencies.works(Usage::Apply), "it is over");
    let applied = "webhook_events WHERE outcome = 'applied' AND attempts = 1";
    assert_eq!(count(app.db(), applied).await, 1);
}

fn reasons(letters: &[DeadLetter]) -> Vec<&str> {
    let mut reasons: Vec<&str> = letters.iter().map(|letter| &*letter.row.reason).collect();
    reasons.sort_unstable();
    reasons
}

/// An application whose database refuses a message so many times, as if others had been in the way.
async fn in_the_way(kind: Kind, times: u32) -> TestApp {
    let app = TestApp::start(kind).await;
    // Neither a sequence nor such a table goes back with a transaction.
    let (counter, conflict) = match kind {
        Kind::Postgres => (
            "CREATE SEQUENCE tries",
            format!(
                "IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; \
                 END IF"
            ),
        ),
        Kind::MySql => (
            "CREATE TABLE tries ENGINE = MyISAM SELECT 0 AS n",
            format!(
                "UPDATE tries SET n = n + 1; IF (SELECT n FROM tries) <= {times} THEN \
                 SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1020; END IF"
            ),
        ),
        Kind::Sqlite => unreachable!("it has nothing that stays"),
    };
    app.db().execute_unprepared(counter).await.unwrap();
    before(&app, kind, "CONTENDED", &conflict).await;
    app
}

/// Whether the database was told as down for a while.
async fn is_told_as_down(kind: Kind, conflicts: u32) -> bool {
    let app = in_the_way(kind, conflicts).await;
    app.post_json(&message("FIRST")).await;
    app.work_until_idle().await;
    let since = || app.worker.dependencies.standing(Dependency::Database).unwrap().since_ms;
    let since_first = since();
    app.clock.advance(1000);
    app.post_json(&message("CONTENDED")).await;
    app.work_until_idle().await;
    let attempts = "webhook_events WHERE outcome = 'applied' AND attempts = 1";
    assert_eq!(count(app.db(), attempts).await, 2, "no attempt is used");
    since() != since_first
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_tried_at_once_and_too_many_are_an_outage() {
    for kind in [Kind::Postgres, Kind::MySql] {
        assert!(!is_told_as_down(kind, 3).await, "{kind:?}");
        assert!(is_told_as_down(kind, 8).await, "{kind:?}");
    }
}
