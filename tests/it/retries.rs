//! Webhooks that wait for their next attempt, as an operator sees and hastens them, with the embedded queue
//! and with a broker.

use std::time::Duration;

use futures_util::future::try_join_all;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use waha_ingest::http_client;
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};
use waha_ingest::queue::{BatchLimit, Failure, Lane, Queue};
use waha_ingest::sender::send_all;
use waha_ingest::simulate::Sent;

use crate::database::{Database, Kind};
use crate::process::{Process, Setting};
use crate::rabbitmq_node;
use crate::replay_job::allow;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
pub const COUNT: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_a_file_is_listed_and_tried_now() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = waiting_long(Setting::new(folder.path(), &database.url));
    listed_and_tried_now(&setting, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_on_a_broker_is_listed_and_tried_now() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let mut setting = waiting_long(Setting::new(folder.path(), &database.url));
    setting.queue_url = Some(std::env::var("TEST_AMQP_URL").unwrap());
    setting.environment.push(("WAHA_INGEST__QUEUE__PREFIX", rabbitmq_node::prefix()));
    listed_and_tried_now(&setting, &database).await;
}

/// Nothing is due while a test runs.
pub fn waiting_long(mut setting: Setting<'_>) -> Setting<'_> {
    setting.environment = vec![("WAHA_INGEST__RETRY__DELAYS_MS", "3600000,3600000".to_owned())];
    setting
}

async fn listed_and_tried_now(setting: &Setting<'_>, database: &Database) {
    let up = start_failing(setting, database).await;
    let waiting = waiting(setting, |waiting| waiting.len() == COUNT).await;
    for webhook in &waiting {
        assert_eq!((&webhook["attempts"], &webhook["event_type"]), (&json!(1), &json!("message")));
        assert!(webhook["error"].as_str().unwrap().contains("1811"), "{webhook}");
        assert!(webhook["due_at"].as_str() > webhook["failed_at"].as_str(), "{webhook}");
    }
    let (id, group) = (text(&waiting[0]["id"]), text(&waiting[0]["group"]));
    assert!(waiting.iter().all(|it| it["group"] == group.as_str()), "{waiting:?}");
    refusals(setting, &group);
    let table = said(setting, &["webhooks", "retrying", "--limit", "2"]);
    assert!(table.1.contains(&group) && table.1.lines().count() == 3, "{table:?}");
    assert!(table.2.contains("1 more wait"), "{table:?}");
    for (query, count, more) in [
        ("limit=2", 2, 1),
        (&format!("group={group}"), COUNT, 0),
        (&format!("id={id}"), 1, 0),
        ("id=nothing", 0, 0),
    ] {
        let page = asked(setting, query).await;
        let webhooks = page["webhooks"].as_array().unwrap();
        assert_eq!((webhooks.len(), &page["more"]), (count, &json!(more)), "{query}: {page}");
    }
    let single = said(setting, &["webhooks", "retrying", "--id", &id, "--json"]);
    assert!(single.1.lines().count() == 1 && single.1.contains(&id), "{single:?}");

    // One of them fails again: a further attempt, and none is lost or doubled.
    let once = said(setting, &["webhooks", "retry", "--now", "--id", &id, "--json"]);
    assert_eq!(once.1, "{\"count\":1,\"unseen\":0}\n", "{once:?}");
    let is_again = |all: &[Value]| {
        let attempts = |it: &Value| it["attempts"].as_i64().unwrap();
        all.len() == COUNT && all.iter().map(attempts).sum::<i64>() == 4
    };
    let again = self::waiting(setting, is_again).await;
    assert_eq!(again.iter().find(|it| it["attempts"] == 2).unwrap()["id"], id.as_str());

    allow(&database.connect().await).await;
    let all = said(setting, &["webhooks", "retry", "--now", "--group", &group, "--note", "mended"]);
    assert_eq!((all.0, all.1.as_str()), (Some(0), "3 are tried now\n"), "{all:?}");
    let status = setting.settled(PATIENCE).await;
    assert_eq!((&status["applied"], &status["waiting"]), (&json!(COUNT), &json!(0)), "{status}");
    assert_ne!(status["balanced"], false, "{status}");
    let none = said(setting, &["webhooks", "retrying"]);
    assert_eq!(
        (none.1.as_str(), none.2.as_str()),
        ("", "no webhooks wait for their next attempt\n")
    );
    audited(setting);
    drop(up);
}

/// What the API lists.
async fn asked(setting: &Setting<'_>, query: &str) -> Value {
    let path = format!("api/v1/webhooks/retrying?{query}");
    let url = format!("http://127.0.0.1:{}/{path}", setting.admin_port);
    let answer = http_client::plain().build().unwrap().get(url).send().await.unwrap();
    answer.json().await.unwrap()
}

/// `up` whose tables refuse each message, and some messages.
pub async fn start_failing(setting: &Setting<'_>, database: &Database) -> Process {
    let up = start_refusing(setting, database).await;
    send(setting, COUNT).await;
    up
}

async fn start_refusing(setting: &Setting<'_>, database: &Database) -> Process {
    let up = setting.up().await;
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON waha_messages \
                  BEGIN SELECT RAISE(ABORT, 'no'); END";
    database.connect().await.execute_unprepared(refuse).await.unwrap();
    up
}

/// Messages of one chat, all of which are accepted.
async fn send(setting: &Setting<'_>, count: usize) {
    let message = |number: usize| {
        let webhook_id = format!("evt_{number}");
        let payload = json!({
            "id": format!("false_12025550142@c.us_3EB0{number}"), "from": "12025550142@c.us",
            "timestamp": 1_794_000_000, "fromMe": false, "body": "hello",
        });
        let body = json!({
            "id": webhook_id, "timestamp": 1_794_000_000_000_i64, "event": "message",
            "session": "shop", "payload": payload,
        });
        Sent {
            event_type: "message",
            session: "shop".to_owned(),
            webhook_id: Some(webhook_id),
            at_ms: 1_794_000_000_000,
            body: body.to_string().into_bytes(),
            request_id: format!("request-{number}"),
        }
    };
    let sent = send_all(setting.sending(4), (0..count).map(message), || ()).await.unwrap();
    assert_eq!(sent.accepted, count as u64);
}

/// What waits, once it is so.
pub async fn waiting(setting: &Setting<'_>, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    waiting_of(setting, &[], is_so).await
}

async fn waiting_of(
    setting: &Setting<'_>,
    which: &[&str],
    is_so: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let arguments = [&["webhooks", "retrying", "--json"], which].concat();
    wait_for("what waits", PATIENCE, || async {
        let (_, out, _) = said(setting, &arguments);
        let all: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        is_so(&all).then_some(all)
    })
    .await
}

/// What can't be meant is refused, and names that nothing has come with the nearest.
fn refusals(setting: &Setting<'_>, group: &str) {
    let begun = &group[..6];
    for (arguments, code, hint) in [
        (&["webhooks", "retry", "--all"][..], 2, "--now"),
        (&["webhooks", "retry", "--now"], 1, "say which"),
        (&["webhooks", "retry", "--now", "--all", "--group", group], 1, "say which"),
        (&["webhooks", "retry", "--now", "--group", begun], 1, group),
        (&["webhooks", "retry", "--now", "--id", "nothing"], 1, "no waiting webhook"),
        (&["webhooks", "retrying", "--group", begun], 1, group),
    ] {
        let said = said(setting, arguments);
        assert_eq!(said.0, Some(code), "{arguments:?}: {said:?}");
        assert!(said.2.contains(hint), "{arguments:?}: {said:?}");
    }
}

fn audited(setting: &Setting<'_>) {
    let (_, out, _) = said(setting, &["audit", "list", "--action", "retry", "--json"]);
    let entries: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&entries[0]["affected"], &entries[0]["note"]), (&json!(3), &json!("mended")));
    assert!(entries.iter().any(|entry| entry["affected"] == 1), "{entries:?}");
}

/// More than are moved at a time, so that it can be killed between two.
const MANY: usize = 3_000;
const FEW: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_retry_now_loses_and_doubles_nothing_on_a_broker() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let mut setting = Setting::new(folder.path(), &database.url);
    let url = std::env::var("TEST_AMQP_URL").unwrap();
    let prefix = rabbitmq_node::prefix();
    setting.queue_url = Some(url.clone());
    setting.environment.push(("WAHA_INGEST__QUEUE__PREFIX", prefix.clone()));
    assert!(setting.run(&["migrate", "up"]).status.success());
    let options = Options { prefix, ..Options::new(vec![url.into()]) };
    have_many_wait(&setting, options.clone()).await;
    let queue = RabbitmqQueue::open(options);
    let waits = async || {
        let depth = queue.depth().await.ok()?;
        let lane = &depth.lanes[Lane::Messages as usize];
        Some((lane.ready, lane.retrying))
    };
    let mut command = setting.spawn(&["webhooks", "retry", "--now", "--all"]);
    wait_for("some to be moved", PATIENCE, async || waits().await.filter(|it| it.0 > 0)).await;
    command.kill();
    // What it had in hand goes back; what it had published and not acked is there twice.
    let is_whole = |(ready, retrying): &(u64, u64)| ready + retrying >= MANY as u64;
    let (ready, retrying) =
        wait_for("all to be there", PATIENCE, async || waits().await.filter(is_whole)).await;
    assert!(ready > 0 && retrying > 0, "it was not killed in the middle: {ready}, {retrying}");
    all_are_applied_once(&setting, MANY).await;
}

/// A door takes them in, and a worker that is not there any more wants none before an hour is over.
async fn have_many_wait(setting: &Setting<'_>, options: Options) {
    let mut door = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    send(setting, MANY).await;
    assert_eq!(door.terminate(), Some(0));
    let queue = RabbitmqQueue::open(options);
    let mut left = MANY;
    while left > 0 {
        let limit = BatchLimit::of(500);
        let batch = queue.receive(Lane::Messages, limit, Duration::from_millis(50)).await.unwrap();
        left -= batch.len();
        let retries = batch.into_iter().map(|delivery| {
            let failure = Failure { at_ms: 1, error: "no".to_owned() };
            queue.retry(delivery, failure, Duration::from_hours(1))
        });
        try_join_all(retries).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_retry_now_loses_and_doubles_nothing_in_a_file() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = waiting_long(Setting::new(folder.path(), &database.url));
    let mut up = start_refusing(&setting, &database).await;
    send(&setting, FEW).await;
    waiting_of(&setting, &["--limit", "500"], |waiting| waiting.len() == FEW).await;
    assert_eq!(up.terminate(), Some(0));
    let mut command = setting.spawn(&["webhooks", "retry", "--now", "--all"]);
    // It is written down before it is done.
    wait_for("the log", PATIENCE, async || {
        let (_, log, _) = said(&setting, &["audit", "list", "--action", "retry", "--json"]);
        (!log.is_empty()).then_some(())
    })
    .await;
    command.kill();
    let lane = &setting.status()["lanes"][1];
    let (ready, retrying) = (lane["ready"].as_u64().unwrap(), lane["retrying"].as_u64().unwrap());
    let either = [(0, FEW as u64), (FEW as u64, 0)];
    assert!(either.contains(&(ready, retrying)), "all or nothing: {ready}, {retrying}");
    allow(&database.connect().await).await;
    all_are_applied_once(&setting, FEW).await;
}

async fn all_are_applied_once(setting: &Setting<'_>, count: usize) {
    let _up = setting.up().await;
    // What was in the hands of the killed one may come back only now.
    wait_for("all to be applied", PATIENCE, async || {
        let again = said(setting, &["webhooks", "retry", "--now", "--all"]);
        assert_eq!(again.0, Some(0), "{again:?}");
        (setting.status()["applied"] == count).then_some(())
    })
    .await;
    let status = setting.settled(PATIENCE).await;
    assert_eq!((&status["applied"], &status["duplicate"]), (&json!(count), &json!(0)), "{status}");
    assert_eq!(
        (&status["accepted"], &status["balanced"]),
        (&json!(count), &json!(true)),
        "{status}"
    );
}

fn said(setting: &Setting<'_>, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = setting.command(arguments);
    let output = command.env("WAHA_INGEST__LOG__LEVEL", "off").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
