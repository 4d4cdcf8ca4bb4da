//! Traces as a collector gets them: one per webhook, from the request in one process to the
//! transaction in another, through the spool, a retry, a dead letter and its replay. A collector that
//! fails costs spans and one line.

mod collector;

use std::time::Duration;

use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use secrecy::SecretString;
use serde_json::json;
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;

use self::collector::{Collector, Seen};
use crate::app::KEY;
use crate::database::{Database, Kind};
use crate::process::{Process, Setting};
use crate::rabbitmq_node::Node;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
/// The span of a proxy before us.
const PROXY: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_request_to_the_row() {
    let (collector, broker) = (Collector::start(), Node::start());
    let database = Database::create(Kind::Postgres).await;
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    let folders: [_; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let settings = folders.each_ref().map(|folder| Setting::new(folder.path(), &database.url));
    let [serve, work] = settings.map(|setting| traced(setting, &collector, &broker));
    let _processes = [start(&serve, "serve").await, start(&work, "work").await];

    goes_on_from_a_proxy(&serve, &collector).await;
    begins_where_nothing_proper_came(&serve, &collector).await;
    goes_through_the_spool(&serve, &collector, &broker).await;
    goes_on_after_a_dead_letter(&serve, &work, &collector, &db).await;
}

/// `serve` is told by our configuration, `work` and the commands by OpenTelemetry's variables.
fn traced<'a>(mut setting: Setting<'a>, collector: &Collector, broker: &Node) -> Setting<'a> {
    setting.queue_url = Some(broker.url().to_owned());
    setting.environment = vec![
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()),
        ("WAHA_INGEST__TRACES__HEADERS", "x-api-key=open".to_owned()),
        ("WAHA_INGEST__RETRY__DELAYS_MS", "10".to_owned()),
        ("WAHA_INGEST__LOG__LEVEL", "info".to_owned()),
    ];
    setting
}

async fn start(setting: &Setting<'_>, role: &str) -> Process {
    let mut command = setting.command(&[role]);
    command.env("OTEL_SERVICE_NAME", role);
    let process = setting.spawn_command(command);
    setting.answers("readyz").await;
    process
}

async fn goes_on_from_a_proxy(serve: &Setting<'_>, collector: &Collector) {
    let unsampled = "11111111111111111111111111111111";
    post(serve, "unsampled", &format!("00-{unsampled}-{PROXY}-00")).await;
    let trace = "22222222222222222222222222222222";
    post(serve, "sampled", &format!("00-{trace}-{PROXY}-01")).await;
    let apply = collector.wait(trace, "apply", |_| true).await;
    let publish = parent_of(collector, &apply, "publish").await;
    let receive = parent_of(collector, &publish, "receive").await;
    assert_eq!(receive.parent_id, PROXY);
    assert_eq!((receive.service.as_str(), apply.service.as_str()), ("serve", "work"));
    assert_eq!(receive.api_key.as_deref(), Some("open"));
    assert_eq!(apply.attribute("outcome"), "applied");
    assert_eq!(apply.attribute("delivery.attempt"), "1");
    assert_eq!(apply.attribute("webhook.event_type"), "message");
    assert_eq!(publish.attribute("queue.backend"), "rabbitmq");
    assert_eq!(collector.trace(trace).len(), 3);
    assert!(collector.trace(unsampled).is_empty(), "the proxy did not want it recorded");
}

async fn begins_where_nothing_proper_came(serve: &Setting<'_>, collector: &Collector) {
    let zero = "00000000000000000000000000000000";
    post(serve, "improper", &format!("00-{zero}-{PROXY}-01")).await;
    let fits = |span: &Seen| span.attribute("webhook.id") == webhook_id("improper");
    let apply = wait_for("a trace of its own", PATIENCE, || async {
        collector.all().into_iter().find(|span| span.name == "apply" && fits(span))
    })
    .await;
    let publish = parent_of(collector, &apply, "publish").await;
    let receive = parent_of(collector, &publish, "receive").await;
    assert_eq!(receive.parent_id, "");
    assert_ne!(receive.trace_id, zero);
}

async fn goes_through_the_spool(serve: &Setting<'_>, collector: &Collector, broker: &Node) {
    let trace = "33333333333333333333333333333333";
    broker.does("kill");
    post(serve, "spooled", &format!("00-{trace}-{PROXY}-01")).await;
    broker.does("resume");
    let apply = collector.wait(trace, "apply", |_| true).await;
    let drain = parent_of(collector, &apply, "drain").await;
    let spool = parent_of(collector, &drain, "spool").await;
    let publish = parent_of(collector, &spool, "publish").await;
    assert_eq!(parent_of(collector, &publish, "receive").await.parent_id, PROXY);
}

async fn goes_on_after_a_dead_letter(
    serve: &Setting<'_>,
    work: &Setting<'_>,
    collector: &Collector,
    db: &DatabaseConnection,
) {
    let trace = "44444444444444444444444444444444";
    refuse_messages(db).await;
    post(serve, "refused", &format!("00-{trace}-{PROXY}-01")).await;
    let retried = collector.wait(trace, "apply", |span| span.attribute("outcome") == "retried");
    assert!(retried.await.is_error);
    let is_dead = |span: &Seen| span.attribute("outcome") == "dead_lettered";
    let dead = collector.wait(trace, "apply", is_dead).await;
    assert_eq!((dead.attribute("delivery.attempt").as_str(), dead.is_error), ("2", true));
    let log = std::fs::read_to_string(work.folder.join("log")).unwrap();
    let is_about = |line: &&str| line.contains("webhook is a dead letter") && line.contains(trace);
    assert_eq!(log.lines().filter(is_about).count(), 1, "the log names the trace: {log}");
    db.execute_unprepared("DROP TRIGGER refuse ON waha_messages").await.unwrap();
    let replayed = work.run(&["dead-letters", "replay", "--all", "--yes"]);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let applied = collector.wait(trace, "apply", |span| span.attribute("outcome") == "applied");
    let replay = parent_of(collector, &applied.await, "replay").await;
    assert_eq!(parent_of(collector, &replay, "publish").await.trace_id, trace);
}

/// The parent of a span, in the same trace.
async fn parent_of(collector: &Collector, span: &Seen, name: &str) -> Seen {
    collector.wait(&span.trace_id, name, |parent| parent.span_id == span.parent_id).await
}

async fn refuse_messages(db: &DatabaseConnection) {
    let sql = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               RAISE EXCEPTION 'refused by a trigger'; END $$; \
               CREATE TRIGGER refuse BEFORE INSERT ON waha_messages FOR EACH ROW EXECUTE FUNCTION refuse()";
    db.execute_unprepared(sql).await.unwrap();
}

/// A webhook id of WAHA's shape.
fn webhook_id(name: &str) -> String {
    format!("evt_{name:x<26}")
}

async fn post(setting: &Setting<'_>, name: &str, trace_parent: &str) {
    let body = json!({
        "id": webhook_id(name), "timestamp": 1_794_000_000_000_i64, "event": "message",
        "session": "s",
        "payload": {"id": format!("false_12025550142@c.us_{name}"), "timestamp": 1_794_000_000,
                    "from": "12025550142@c.us", "fromMe": false, "body": name},
    });
    let body = body.to_string();
    let signature = sign(&SecretString::from(KEY), body.as_bytes());
    let client = http_client::plain().build().unwrap();
    let request = client.post(setting.url()).header("x-webhook-hmac", signature);
    let answer = request.header("traceparent", trace_parent).body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_fails_costs_one_line_and_no_webhook() {
    let collector = Collector::start();
    collector.refuse(true);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("waha.db").display());
    let mut setting = Setting::new(folder.path(), &url);
    setting.environment = vec![
        ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
        // Less than is sent: it fills up.
        ("OTEL_BSP_MAX_QUEUE_SIZE", "16".to_owned()),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8".to_owned()),
        ("WAHA_INGEST__TRACES__ENDPOINT", collector.url.clone()),
    ];
    let mut up = setting.up().await;
    let mut sent: u64 = 0;
    while collector.requests() < 8 {
        post(&setting, &format!("m{sent}"), "").await;
        sent += 1;
    }
    let status = setting.settled(PATIENCE).await;
    assert_eq!((&status["accepted"], &status["applied"]), (&sent.into(), &sent.into()));
    let lines = |text: &str| {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        log.lines().filter(|line| line.contains(text)).count()
    };
    assert_eq!(lines("the trace collector takes nothing"), 1);
    collector.refuse(false);
    wait_for("the collector to be used again", PATIENCE, || async {
        post(&setting, &format!("n{}", collector.requests()), "").await;
        (lines("the trace collector takes spans again") == 1).then_some(())
    })
    .await;
    assert_eq!(lines("the trace collector takes nothing"), 1);
    assert_eq!(up.terminate(), Some(0));
}
