//! A whole run at debug level, with everything that makes lines: all kinds of events, wrong
//! signatures, malformed bodies, a database that quotes values in its errors, dead letters, a replay,
//! and outages of broker and database. No text, number, name or key of it is in a log or an answer.

mod leaks;

use std::time::Duration;

use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use secrecy::SecretString;
use serde_json::json;
use tempfile::TempDir;
use waha_ingest::http_client;
use waha_ingest::simulate::{Families, Plan, history, shuffled};
use waha_ingest::webhook::source::sign;

use self::leaks::Secrets;
use crate::database::Database;
use crate::process::{Process, Setting};
use crate::rabbitmq_node::Node;
use crate::rows::count;
use crate::server::Server;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(120);
const KEY: &str = "a-key-that-nobody-may-see";
const WRONG_KEY: &str = "a-wrong-key-that-nobody-may-see";
const PHONE: &str = "4915155501234";
/// What the database repeats in its error.
const POISON: &str = "poison in the text of a message";
/// Lines without which the run has not made what it is about.
const EXPECTED: [&str; 7] = [
    "webhook ended",
    "webhook failed, trying again later",
    "webhook is a dead letter",
    "the broker takes no webhooks: they are spooled until it confirms again",
    "the broker takes webhooks again",
    "the database is away",
    "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_nobody_is_in_a_log_or_an_answer() {
    let (mariadb, broker) = (Server::mysql(), Node::start());
    let database = Database::on_server(&mariadb.url).await;
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    let folders: [TempDir; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let [serve, work] = folders.each_ref().map(|folder| setting(folder, &database.url, &broker));
    let mut processes = [start(&serve, "serve").await, start(&work, "work").await];
    let mut door = Door::new(serve.url());

    repeat_values_in_errors(&db).await;
    door.post_history(0..900).await;
    door.post_oddities().await;
    wait_for("dead letters", PATIENCE, || async {
        (count(&db, "dead_letters").await == 4).then_some(())
    })
    .await;
    broker.does("kill");
    door.post_history(900..1000).await;
    broker.does("resume");
    serve.settled(PATIENCE).await;
    mariadb.order("kill");
    door.post_history(1000..1100).await;
    let away = || async { read(&work).contains("the database is away").then_some(()) };
    wait_for("an outage", PATIENCE, away).await;
    mariadb.order("resume");
    serve.settled(PATIENCE).await;
    let db = database.connect().await;
    db.execute_unprepared("DROP TRIGGER refuse").await.unwrap();
    let replayed = work.run(&["dead-letters", "replay", "--all", "--yes"]);
    assert!(replayed.status.success());
    wait_for("the replay", PATIENCE, || async {
        read(&work).contains("\"outcome\":\"applied\",").then_some(())
    })
    .await;
    serve.settled(PATIENCE).await;
    for process in &mut processes {
        process.terminate();
    }
    let logs = read(&serve) + &read(&work);
    for expected in EXPECTED {
        assert!(logs.contains(expected), "nothing was logged of: {expected}");
    }
    // Whoever replays is told whose dead letters they are, and this session has a number as its name.
    let cli = String::from_utf8([replayed.stdout, replayed.stderr].concat()).unwrap();
    let cli: Vec<&str> = cli.lines().filter(|line| !line.contains("of session")).collect();
    door.secrets.assert_absent("a log", &logs);
    door.secrets.assert_absent("the output of a replay", &cli.join("\n"));
    door.secrets.assert_absent("an answer", &door.answers);
}

fn setting<'a>(folder: &'a TempDir, database_url: &'a str, broker: &Node) -> Setting<'a> {
    let mut setting = Setting::new(folder.path(), database_url);
    setting.queue_url = Some(broker.url().to_owned());
    setting.environment = vec![
        ("RUST_LOG", "debug".to_owned()),
        ("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS", KEY.to_owned()),
        ("WAHA_INGEST__RETRY__DELAYS_MS", "10".to_owned()),
    ];
    setting
}

async fn start(setting: &Setting<'_>, role: &str) -> Process {
    let process = setting.spawn(&[role]);
    setting.answers("readyz").await;
    process
}

fn read(setting: &Setting<'_>) -> String {
    std::fs::read_to_string(setting.folder.join("log")).unwrap()
}

/// Somebody's trigger whose error quotes the row, as errors of databases do.
async fn repeat_values_in_errors(db: &DatabaseConnection) {
    let sql = "CREATE TRIGGER refuse BEFORE INSERT ON waha_messages FOR EACH ROW BEGIN \
               IF new.content LIKE 'poison%' THEN \
               SET @told = CONCAT(new.content, new.sender); \
               SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @told; END IF; END";
    db.execute_unprepared(sql).await.unwrap();
}

/// Posts, and remembers what must not be seen and what was answered.
struct Door {
    url: String,
    client: reqwest::Client,
    secrets: Secrets,
    answers: String,
}

impl Door {
    fn new(url: String) -> Self {
        let client = http_client::plain().build().unwrap();
        let mut secrets = Secrets::default();
        for secret in [KEY, WRONG_KEY, PHONE, POISON, "guest:guest"] {
            secrets.add(secret);
        }
        Self { url, client, secrets, answers: String::new() }
    }

    async fn post(&mut self, url: &str, key: &str, body: Vec<u8>) -> StatusCode {
        self.secrets.add_body(&body);
        let signature = sign(&SecretString::from(key), &body);
        self.secrets.add(&signature);
        let request = self.client.post(url).header("x-webhook-hmac", signature).body(body);
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let answer = request.header("traceparent", trace).send().await.unwrap();
        let status = answer.status();
        if !status.is_success() {
            self.answers += &answer.text().await.unwrap();
        }
        status
    }

    async fn post_history(&mut self, numbers: std::ops::Range<usize>) {
        let plan = Plan { old_session: true, families: Families::ALL, ..Plan::default() };
        let (skip, take) = (numbers.start, numbers.len());
        let webhooks = shuffled(1, 50, 0.1, history(&plan).skip(skip).take(take));
        let url = self.url.clone();
        for sent in webhooks {
            let status = self.post(&url, KEY, sent.body).await;
            assert_eq!(status, StatusCode::ACCEPTED);
        }
    }

    /// What is refused, and what ends as a dead letter.
    async fn post_oddities(&mut self) {
        let url = self.url.clone();
        let message = envelope("message", &format!("{PHONE}@c.us"), POISON).to_string();
        let wrong = self.post(&url, WRONG_KEY, message.clone().into()).await;
        assert_eq!(wrong, StatusCode::UNAUTHORIZED);
        let elsewhere = url.replace("default", PHONE);
        let unknown = self.post(&elsewhere, KEY, message.clone().into()).await;
        assert_eq!(unknown, StatusCode::NOT_FOUND);
        let cut = message.as_bytes()[..message.len() - 10].to_vec();
        let no_id = json!({ "event": "message", "session": PHONE, "payload": { "body": POISON } });
        let number = json!({ "event": "message", "session": "shop", "payload": PHONE });
        let unknown_event = envelope(PHONE, "1", POISON);
        for body in [
            message.into_bytes(),
            cut,
            no_id.to_string().into(),
            number.to_string().into(),
            unknown_event.to_string().into(),
        ] {
            assert_eq!(self.post(&url, KEY, body).await, StatusCode::ACCEPTED);
        }
    }
}

/// A webhook of a session that is called by its number, with an id like a message's.
fn envelope(event: &str, from: &str, text: &str) -> serde_json::Value {
    json!({
        "id": format!("false_{from}_3EB0POISON"), "timestamp": 1_790_000_000_000_i64,
        "event": event, "session": PHONE,
        "payload": { "id": format!("false_{from}_3EB0POISON"), "timestamp": 1_790_000_000,
                     "from": from, "fromMe": false, "body": text },
    })
}
