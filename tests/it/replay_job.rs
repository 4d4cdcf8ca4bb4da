//! A replay is a job: interrupted it goes on, cancelled it ends, and each dead letter is replayed once.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use waha_ingest::queue::Queue;
use waha_ingest::replay::{self, Ended};
use waha_ingest::sender::{Sending, send_all};
use waha_ingest::simulate::{Age, Sent};
use waha_ingest::store::apply::burial::state::DeadLetterState;
use waha_ingest::store::operations::dead_letter::DeadLetterFilter;
use waha_ingest::store::operations::job::{JobStart, JobStep, LEASE, ReplayJob, ReplayRequest};

use crate::app::{KEY, TestApp};
use crate::database::{Database, Kind, on_each_database};
use crate::desk::{actor, letters, replay};
use crate::process::Setting;
use crate::rows::count;
use crate::server::Server;
use crate::wait::wait_for;

on_each_database!(
    killed_in_the_middle_each_is_replayed_once_more,
    what_was_marked_and_not_published_is_published_by_the_next,
    one_process_at_a_time_replays_a_filter,
    a_cancelled_job_ends_and_gives_back,
    replays_wait_while_webhooks_wait,
);

const PATIENCE: Duration = Duration::from_secs(300);
const SESSIONS: usize = 7;

/// Of which cause the n-th webhook will be a dead letter. The last is mended before the replay.
const CAUSES: [&str; 5] = ["not JSON", "no id", "no ack", "no call", "refused"];

/// One in twenty is refused by the database, which takes a transaction each.
fn cause(number: usize) -> usize {
    if number.is_multiple_of(20) { 4 } else { number % 4 }
}

fn dead_letters(total: usize) -> impl Iterator<Item = Sent> + Send {
    (0..total).map(|number| {
        let session = format!("s{}", number % SESSIONS);
        let (event_type, payload) = match CAUSES[cause(number)] {
            "no id" | "not JSON" => ("message", json!({ "from": "12025550142@c.us" })),
            "no ack" => ("message.ack", json!({ "from": "12025550142@c.us" })),
            "no call" => ("call.received", json!({ "from": "12025550142@c.us" })),
            _ => ("message", json!({
                "id": format!("false_12025550142@c.us_REFUSED{number}"), "from": "12025550142@c.us",
                "timestamp": 1_794_000_000, "fromMe": false, "body": "hello",
            })),
        };
        let mut body = json!({
            "id": format!("evt_{number}"), "timestamp": 1_794_000_000_000_i64,
            "event": event_type, "session": session, "payload": payload,
        })
        .to_string();
        if CAUSES[cause(number)] == "not JSON" {
            body.pop();
        }
        Sent {
            event_type,
            session,
            webhook_id: Some(format!("evt_{number}")),
            at_ms: 1_794_000_000_000,
            body: body.into_bytes(),
            request_id: format!("request-{number}"),
        }
    })
}

/// The tables refuse some messages for good: trying again can't help.
pub async fn refuse(db: &DatabaseConnection) {
    let statements: &[&str] = match db.get_database_backend() {
        DbBackend::Sqlite => &[
            "CREATE TABLE refusals (reason TEXT NOT NULL)",
            "CREATE TRIGGER refuse BEFORE INSERT ON waha_messages \
             WHEN new.message_id LIKE 'REFUSED%' BEGIN INSERT INTO refusals VALUES (NULL); END",
        ],
        DbBackend::MySql => &["CREATE TRIGGER refuse BEFORE INSERT ON waha_messages FOR EACH ROW \
             BEGIN IF new.message_id LIKE 'REFUSED%' THEN \
             SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1048; END IF; END"],
        _ => &[
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF new.message_id LIKE 'REFUSED%' THEN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; \
             END IF; RETURN new; END $$",
            "CREATE TRIGGER refuse BEFORE INSERT ON waha_messages \
             FOR EACH ROW EXECUTE FUNCTION refuse()",
        ],
    };
    for statement in statements {
        db.execute_unprepared(statement).await.unwrap();
    }
}

pub async fn allow(db: &DatabaseConnection) {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite | DbBackend::MySql => "DROP TRIGGER refuse",
        _ => "DROP TRIGGER refuse ON waha_messages",
    };
    db.execute_unprepared(sql).await.unwrap();
}

async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap();
    row.and_then(|row| row.try_get_by_index::<Option<i64>>(0).unwrap()).unwrap_or_default()
}

/// Sends them through the door and waits until each is a dead letter.
pub async fn send(setting: &Setting<'_>, total: usize) {
    let sending = Sending {
        urls: vec![setting.url()],
        key: Some(KEY.into()),
        connections: 32,
        rate: None,
        attempts_max: 20,
        retry_delay: Duration::from_millis(250),
        waha: Age::default(),
    };
    let report = send_all(sending, dead_letters(total), || ()).await.unwrap();
    assert_eq!((report.accepted, report.lost), (total as u64, 0));
    // A broker does not tell what workers have in hand, so nothing waiting does not mean all ended.
    wait_for("all to be dead letters", PATIENCE, || async {
        let status = setting.status();
        assert_ne!(status["balanced"], false, "{status}");
        (status["dead_lettered"] == total).then_some(())
    })
    .await;
}

async fn killed_in_the_middle_each_is_replayed_once_more(kind: Kind) {
    let (database, folder) = (Database::create(kind).await, tempfile::tempdir().unwrap());
    let setting = Setting::new(folder.path(), &database.url);
    assert!(setting.run(&["migrate", "up"]).status.success());
    let _up = setting.up().await;
    let total = if kind == Kind::Sqlite { 10_000 } else { 4_000 };
    kill_and_go_on(&setting, &database.connect().await, total).await;
}

/// The same with a broker, whose counts can't stand still: the equation may be uncertain, not wrong.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_with_a_broker() {
    let (database, folder) = (Database::create(Kind::Postgres).await, tempfile::tempdir().unwrap());
    let broker = Server::start("rabbitmq");
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(broker.url.clone());
    assert!(setting.run(&["migrate", "up"]).status.success());
    {
        let _up = setting.up().await;
        kill_and_go_on(&setting, &database.connect().await, 1_000).await;
    }
    broker.order("kill");
}

async fn kill_and_go_on(setting: &Setting<'_>, db: &DatabaseConnection, total: usize) {
    refuse(db).await;
    send(setting, total).await;
    let started = std::time::Instant::now();
    let output = setting.run(&["dead-letters", "groups", "--json"]);
    let took = started.elapsed();
    let groups: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    eprintln!("groups of {total} dead letters took {took:?}");
    let counted: u64 = groups.iter().map(|group| group["count"].as_u64().unwrap()).sum();
    assert_eq!((groups.len(), counted), (5, total as u64));
    assert!(
        groups
            .iter()
            .all(|group| group["session_count"] == SESSIONS || group["event_types"] == json!([""]))
    );
    allow(db).await;

    let names: Vec<&str> = groups.iter().map(|group| group["group"].as_str().unwrap()).collect();
    let mut command = vec!["dead-letters", "replay", "--rate", "2000", "--yes"];
    for name in &names {
        command.extend(["--group", name]);
    }
    let mut job = setting.spawn(&command);
    let third = i64::try_from(total / 3).unwrap();
    wait_for("a third to be replayed", PATIENCE, || async {
        let replayed = number(db, "SELECT MAX(replayed) FROM replay_jobs").await;
        (replayed > third).then_some(())
    })
    .await;
    job.kill();
    let replayed = number(db, "SELECT MAX(replayed) FROM replay_jobs").await;
    assert!(usize::try_from(replayed).unwrap() < total, "killed too late to show anything");
    assert_ne!(setting.status()["balanced"], false, "right after the kill");
    let mut job = setting.spawn(&command);
    wait_for("the job to end", PATIENCE, || async {
        let status = setting.status();
        assert_ne!(status["balanced"], false, "{status}");
        (number(db, "SELECT COUNT(*) FROM replay_jobs WHERE state = 'done'").await == 1)
            .then_some(())
    })
    .await;
    assert_eq!(job.end(), Some(0));
    each_was_replayed_once(setting, db, total).await;
}

async fn each_was_replayed_once(setting: &Setting<'_>, db: &DatabaseConnection, total: usize) {
    let on_their_way = "SELECT COUNT(*) FROM dead_letter_replays WHERE ended_at IS NULL";
    wait_for("the replays to end", PATIENCE, || async {
        (number(db, on_their_way).await == 0).then_some(())
    })
    .await;
    let status = setting.settled(PATIENCE).await;
    assert_eq!((&status["balanced"], &status["uncertain"]), (&json!(true), &json!(0)), "{status}");
    assert_eq!(status["accepted"], total, "{status}");
    assert_eq!(status["applied"], total / 20, "those that were mended");
    let total = i64::try_from(total).unwrap();
    assert_eq!(number(db, "SELECT COUNT(*) FROM dead_letters WHERE replays = 1").await, total);
    assert_eq!(count(db, "dead_letter_replays").await, total);
    let ended = "SELECT COUNT(*) FROM dead_letter_replays WHERE outcome = ";
    assert_eq!(number(db, &format!("{ended}'applied'")).await, total / 20);
    assert_eq!(number(db, &format!("{ended}'dead_lettered'")).await, total - total / 20);
    let jobs = String::from_utf8(setting.run(&["dead-letters", "jobs", "--json"]).stdout).unwrap();
    let job: Value = serde_json::from_str(jobs.trim()).unwrap();
    assert_eq!((&job["state"], &job["replayed"]), (&json!("done"), &json!(total)), "{job}");
}

/// Buries some in this process; they stay bad.
async fn bury(app: &TestApp, total: usize) {
    for number in 0..total {
        assert!(app.post(format!("not JSON {number}")).await.is_success());
    }
    app.work_until_idle().await;
}

fn pending() -> DeadLetterFilter {
    DeadLetterFilter { states: vec![DeadLetterState::Pending], ..DeadLetterFilter::default() }
}

async fn start(app: &TestApp, filter: &DeadLetterFilter, owner: &str) -> JobStart {
    let actor = actor();
    let request_body = ReplayRequest { filter, rate: None, actor: &actor, note: None, owner };
    app.store.start_job(&request_body).await.unwrap()
}

async fn started(app: &TestApp, owner: &str) -> ReplayJob {
    match start(app, &pending(), owner).await {
        JobStart::Started(job) => job,
        other => panic!("{other:?}"),
    }
}

/// A process that dies between marking and publishing, at the worst instant.
async fn what_was_marked_and_not_published_is_published_by_the_next(kind: Kind) {
    let app = TestApp::start(kind).await;
    bury(&app, 7).await;
    let dead = started(&app, "dead").await;
    assert!(
        matches!(app.store.step_job(&dead, 3).await.unwrap(), JobStep::Marked(job) if job.replayed == 3)
    );
    let equation = app.equation().await;
    assert!(equation.is_balanced() && equation.dead_lettered == 7, "{equation:?}");
    app.clock.advance(i64::try_from(LEASE.as_millis()).unwrap() + 1);
    let JobStart::Resumed(job) = start(&app, &pending(), "next").await else {
        panic!("not resumed")
    };
    assert_eq!((job.id, job.replayed), (dead.id, 3));
    let unsure = app.store.replays().await.unwrap();
    assert_eq!((unsure.published, unsure.unsure), (0, 6), "marked, and maybe published twice");
    // The dead one was only slow: it has lost its job.
    assert!(matches!(app.store.step_job(&dead, 3).await.unwrap(), JobStep::Lost(_)));
    let stop = CancellationToken::new();
    let ended = replay::run(&app.store, &app.queue, job, &stop, |_| ()).await.unwrap();
    assert!(matches!(ended, Ended::Done(job) if job.replayed == 7));
    assert_eq!(app.queue.depth().await.unwrap().total(), 7);
    app.work_until_idle().await;
    let all = letters(&app, DeadLetterState::Pending).await;
    assert_eq!(all.iter().map(|letter| letter.row.replays).collect::<Vec<_>>(), [1; 7]);
    assert!(app.equation().await.is_balanced());
}

async fn one_process_at_a_time_replays_a_filter(kind: Kind) {
    let app = TestApp::start(kind).await;
    bury(&app, 2).await;
    let job = started(&app, "one").await;
    assert!(
        matches!(start(&app, &pending(), "two").await, JobStart::Busy(busy) if busy.id == job.id)
    );
    let other = DeadLetterFilter { reasons: vec!["malformed".to_owned()], ..pending() };
    assert!(matches!(start(&app, &other, "two").await, JobStart::Started(_)), "another filter may");
    app.store.release_job(&job).await.unwrap();
    app.clock.advance(1);
    assert!(
        matches!(start(&app, &pending(), "two").await, JobStart::Resumed(_)),
        "it was given back"
    );
    // At once, by many: one gets it.
    let third = DeadLetterFilter { sources: vec!["default".to_owned()], ..pending() };
    let owners: Vec<String> = (0..8).map(|number| format!("owner {number}")).collect();
    let starts = owners.iter().map(|owner| start(&app, &third, owner));
    let starts = futures_util::future::join_all(starts).await;
    assert_eq!(starts.iter().filter(|start| matches!(start, JobStart::Started(_))).count(), 1);
}

async fn a_cancelled_job_ends_and_gives_back(kind: Kind) {
    let app = TestApp::start(kind).await;
    bury(&app, 5).await;
    // One whose process is gone: what it marked and may not have published is pending again.
    let job = started(&app, "dead").await;
    app.store.step_job(&job, 2).await.unwrap();
    app.clock.advance(i64::try_from(LEASE.as_millis()).unwrap() + 1);
    let cancelled = app.store.cancel_job(job.id, &actor()).await.unwrap().unwrap();
    assert_eq!((cancelled.replayed, cancelled.state.as_str()), (2, "cancelled"));
    assert_eq!(letters(&app, DeadLetterState::Pending).await.len(), 5);
    assert!(app.store.cancel_job(job.id, &actor()).await.unwrap().is_none());
    assert!(matches!(app.store.step_job(&job, 2).await.unwrap(), JobStep::Cancelled(_)));
    // One that runs ends at its next step; what it has published is not taken back.
    let job = started(&app, "alive").await;
    let stop = CancellationToken::new();
    let mut steps = 0;
    let slow = ReplayJob { rate: Some(4.0), ..job.clone() };
    let store = app.store.clone();
    let (cancel, wait) = tokio::sync::oneshot::channel::<()>();
    let mut cancel = Some(cancel);
    let operator = tokio::spawn(async move {
        wait.await.unwrap();
        store.cancel_job(job.id, &actor()).await.unwrap().unwrap()
    });
    let ended = replay::run(&app.store, &app.queue, slow, &stop, |_| {
        steps += 1;
        if steps == 2 {
            cancel.take().unwrap().send(()).unwrap();
        }
    });
    let Ended::Cancelled(job) = ended.await.unwrap() else { panic!("not cancelled") };
    operator.await.unwrap();
    assert!((1..5).contains(&job.replayed), "{job:?}");
    app.work_until_idle().await;
    let replays = app.store.replays_of(&(0..1000).collect::<Vec<_>>()).await.unwrap();
    let mut ends: BTreeMap<String, i64> = BTreeMap::new();
    for replay in replays.values().flatten() {
        *ends.entry(replay.outcome.clone().unwrap()).or_default() += 1;
    }
    assert_eq!(
        ends,
        [("cancelled".to_owned(), 2), ("dead_lettered".to_owned(), job.replayed)].into()
    );
    assert!(app.equation().await.is_balanced());
    assert_eq!(replay(&app, &pending()).await, 5, "the filter is free again");
}

/// Nobody works: the queue has more and more to do, and a replay of all adds no more to it.
async fn replays_wait_while_webhooks_wait(kind: Kind) {
    let app = TestApp::start(kind).await;
    bury(&app, 20).await;
    for number in 0..600 {
        assert!(app.post(format!("waits {number}")).await.is_success());
    }
    let job = started(&app, "one").await;
    let stop = CancellationToken::new();
    let slow = ReplayJob { rate: Some(2.0), ..job };
    let mut waited = false;
    let ended = replay::run(&app.store, &app.queue, slow, &stop, |progress| {
        if matches!(progress, replay::Progress::Waits) {
            waited = true;
            stop.cancel();
        }
    });
    let Ended::Stopped(job) = ended.await.unwrap() else { panic!("not stopped") };
    assert!(waited && job.replayed < 20, "{job:?}");
    app.clock.advance(1);
    // Once the worker is there it goes on, with what was there at its start.
    app.work_until_idle().await;
    assert_eq!(replay(&app, &pending()).await, 20);
}
