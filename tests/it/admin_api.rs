//! The admin listener: who may do what, health while things are away, and answers that agree with
//! `status`.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use waha_ingest::http_client;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};

use crate::cli;
use crate::database::{Database, Kind};
use crate::process::{Process, Setting};
use crate::scrape::Scrape;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
pub const VIEWER: &str = "viewer secret viewer secret";
pub const OPERATOR: &str = "operator secret operator secret";
const ROLES: [&str; 5] = ["metrics", "viewer", "application", "reader", "operator"];

/// The secret of the token of a role, whose name is the role's.
pub fn secret(role: &str) -> String {
    format!("{role} secret {role} secret")
}

/// A running `up` with a token of each role.
pub struct Desk<'a> {
    pub setting: Setting<'a>,
    client: reqwest::Client,
    _process: Process,
}

impl<'a> Desk<'a> {
    pub async fn open(folder: &'a TempDir, database: &'a Database) -> Self {
        Self::open_configured(folder, database, "", "").await
    }

    /// The same with more settings of the application's token.
    pub async fn open_limiting_application(
        folder: &'a TempDir,
        database: &'a Database,
        limits: &str,
    ) -> Self {
        Self::open_configured(folder, database, limits, "").await
    }

    /// The same with more in its configuration.
    pub async fn open_configured(
        folder: &'a TempDir,
        database: &'a Database,
        limits: &str,
        more: &str,
    ) -> Self {
        let token = |role: &str| {
            let secret = secret(role);
            let limits = if role == "application" { limits } else { "" };
            format!("[admin.tokens.{role}]\nrole = \"{role}\"\nsecret = \"{secret}\"\n{limits}")
        };
        let file = ROLES.map(token).concat() + more;
        std::fs::write(folder.path().join("waha-ingest.toml"), file).unwrap();
        let setting = Setting::new(folder.path(), &database.url);
        let process = setting.up().await;
        let client = http_client::plain().build().unwrap();
        Self { setting, client, _process: process }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://127.0.0.1:{}/{path}", self.setting.admin_port);
        self.client.request(method, url)
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path).bearer_auth(secret("reader"))
    }

    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }
}

async fn send(setting: &Setting<'_>, count: usize) -> u64 {
    let sending = setting.sending(4);
    let webhooks = history(&Plan { seed: 5, ..Plan::default() }).take(count);
    send_all(sending, webhooks, || ()).await.unwrap().accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_reads_an_operator_acts_and_nobody_else_does_anything() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    for path in ["livez", "readyz"] {
        let answer = desk.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    let api = ["status", "sessions", "log-level", "webhooks", "webhooks/1", "openapi.json", "x"];
    let paths = api.map(|path| format!("api/v1/{path}"));
    for path in paths.iter().map(String::as_str).chain(["metrics"]) {
        let answer = desk.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        let wrong = desk.request(Method::GET, path).bearer_auth("wrong secret wrong secret");
        assert_eq!(wrong.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let put = |secret: &str, level: &str| {
        let request = desk.request(Method::PUT, "api/v1/log-level").bearer_auth(secret);
        request.json(&json!({ "level": level })).send()
    };
    assert_eq!(put(VIEWER, "debug").await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(put(OPERATOR, "=,=").await.unwrap().status(), StatusCode::BAD_REQUEST);
    let changed = put(OPERATOR, "warn,waha_ingest=debug").await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    let level = desk.json("api/v1/log-level").await;
    assert!(level["level"].as_str().unwrap().contains("waha_ingest=debug"), "{level}");
    let form = desk.request(Method::PUT, "api/v1/log-level").bearer_auth(OPERATOR);
    let form = form.header("content-type", "text/plain").body("{\"level\":\"off\"}").send().await;
    assert_eq!(form.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let page = desk.get("api/v1/status").header("origin", "https://evil.example");
    assert_eq!(page.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let post = desk.request(Method::POST, "api/v1/status").bearer_auth(OPERATOR).json(&json!({}));
    let post = post.send().await.unwrap();
    assert_eq!(
        (post.status(), &post.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET".parse().unwrap())
    );
}

#[test]
fn an_address_that_others_reach_needs_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let check = |settings: &[(&str, &str)]| {
        let output = cli::run(folder.path(), settings, &["check"]);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let open = ("ADMIN__LISTEN", "0.0.0.0:9090");
    assert!(check(&[open]).contains("admin.listen"), "{}", check(&[open]));
    let role = ("ADMIN__TOKENS__HAND__ROLE", "operator");
    let short = check(&[open, role, ("ADMIN__TOKENS__HAND__SECRET", "guess me")]);
    assert!(short.contains("admin.tokens.hand.secret") && !short.contains("guess me"), "{short}");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, OPERATOR).unwrap();
    let file = ("ADMIN__TOKENS__HAND__SECRET_FILE", secret.to_str().unwrap());
    let right = check(&[open, role, file]);
    assert!(!right.contains("admin."), "{right}");
}

/// The API's status is that of the command line, but for what time alone changes.
fn are_one_status(told: &Value, status: &Value) {
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(told), names(status));
    let passing = ["processes", "file"];
    for name in names(told).iter().filter(|name| !passing.contains(&name.as_str())) {
        assert_eq!(told[name], status[name], "{name}");
    }
    assert_eq!(names(&told["file"]), names(&status["file"]));
    assert_eq!(names(&told["processes"][0]), names(&status["processes"][0]));
    assert_eq!(told["processes"][0]["pid"], status["processes"][0]["pid"]);
    assert_eq!((told["lanes"].as_array().unwrap().len(), &told["worker_seen"]), (4, &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_tells_what_the_commands_tell() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    let accepted = send(&desk.setting, 60).await;
    let status = desk.setting.settled(PATIENCE).await;
    let told = wait_for("the count of now", PATIENCE, || async {
        let told = desk.json("api/v1/status").await;
        (told["accepted"] == accepted && told["waiting"] == 0).then_some(told)
    })
    .await;
    are_one_status(&told, &status);
    let newest = desk.json("api/v1/webhooks?limit=2").await;
    let next = newest["next"].as_i64().unwrap();
    let older = desk.json(&format!("api/v1/webhooks?before={next}&limit=500")).await;
    assert_eq!(older["next"], Value::Null);
    let ledger = status["applied"].as_u64().unwrap() + status["ignored"].as_u64().unwrap();
    assert_eq!(older["webhooks"].as_array().unwrap().len() as u64 + 2, ledger);
    let ignored = desk.json("api/v1/webhooks?outcome=ignored&limit=500").await;
    assert_eq!(ignored["webhooks"].as_array().unwrap().len() as u64, status["ignored"]);
    let shown = desk.json(&format!("api/v1/webhooks/{next}")).await;
    assert_eq!(shown["webhook"]["id"], next);
    let raw = desk.get(&format!("api/v1/webhooks/{next}/body")).send().await.unwrap();
    assert_eq!(raw.text().await.unwrap(), shown["body"].as_str().unwrap());
    let sessions = desk.json("api/v1/sessions").await;
    let sessions = sessions["sessions"].as_array().unwrap();
    assert!(
        !sessions.is_empty() && sessions.iter().all(|it| it["silent"] == false),
        "{sessions:?}"
    );
    for (path, status) in [
        ("api/v1/webhooks/0", StatusCode::NOT_FOUND),
        ("api/v1/webhooks/x", StatusCode::BAD_REQUEST),
        ("api/v1/webhooks?limit=0", StatusCode::BAD_REQUEST),
        ("api/v1/webhooks?session=%00", StatusCode::BAD_REQUEST),
        ("api/v1/webhooks?unknown=1", StatusCode::BAD_REQUEST),
        ("api/v1/nothing", StatusCode::NOT_FOUND),
    ] {
        let answer = desk.get(path).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    // Errors name the field and what is wrong with it.
    for (query, parts) in [
        ("limit=x", ["limit=x", "must be a whole number"]),
        ("limit=0", ["limit", "between 1 and 500, and is 0"]),
        ("outcome=lost", ["outcome", "`applied`"]),
        ("id=7&since=yesterday", ["since=yesterday", "a time such as 2026-11-28T09:00:00Z"]),
        ("sesion=shop", ["sesion", "unknown field"]),
        ("since=2026-11-28T09:00:00Z&until=2026-11-28T09:00:00Z", ["since", "before until"]),
    ] {
        let answer = desk.get(&format!("api/v1/webhooks?{query}")).send().await.unwrap();
        let problem: Value = answer.json().await.unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(parts.iter().all(|part| detail.contains(part)), "{query}: {detail}");
    }
    let asked = desk.request(Method::POST, "api/v1/webhooks/retry").bearer_auth(OPERATOR);
    let answer = asked.json(&json!({ "filter": { "grups": [] } })).send().await.unwrap();
    let problem: Value = answer.json().await.unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("unknown field `grups`") && detail.contains("`groups`"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_path_is_there() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    let description = desk.json("api/v1/openapi.json").await;
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() >= 6, "{paths:?}");
    for (path, ways) in paths {
        // None of its methods is this one: the answer names those that are.
        let path = path.trim_start_matches('/').replace("{id}", "1");
        let refused = desk.request(Method::DELETE, &path).bearer_auth(OPERATOR).send().await;
        let refused = refused.unwrap();
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let mut allowed: Vec<String> = refused.headers()["allow"]
            .to_str()
            .unwrap()
            .to_lowercase()
            .split(", ")
            .map(str::to_owned)
            .collect();
        // Who may get something may ask for its headers alone: that is HTTP's, and no way of its own.
        allowed.retain(|way| way != "head");
        allowed.sort_unstable();
        let described: Vec<&String> = ways.as_object().unwrap().keys().collect();
        assert_eq!(allowed.iter().collect::<Vec<_>>(), described, "{path}");
    }
}

/// What the metrics count lies between what `status` counts before and after, and is the same in the
/// end.
#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_during_load_agrees_with_status() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    let loading = send(&setting, 1500);
    let looking = async {
        for _ in 0..5 {
            let (before, scrape) = (setting.status(), Scrape::of(&setting).await);
            let after = setting.status();
            for (count, counted) in counts(&scrape) {
                let [least, most] = [&before, &after].map(|it| it[count].as_f64().unwrap());
                // Four senders may each have a webhook that is durable but not answered yet, and a
                // batch may be committed but not counted.
                let slack = if count == "accepted" { 4.0 } else { 500.0 };
                assert!(
                    counted >= least - slack && counted <= most,
                    "{count}: {least} {counted} {most}"
                );
            }
        }
    };
    let (accepted, ()) = futures_util::future::join(loading, looking).await;
    let status = setting.settled(PATIENCE).await;
    assert_eq!(status["accepted"], accepted);
    wait_for("the same counts", PATIENCE, || async {
        let scrape = Scrape::of(&setting).await;
        let is_equal = |(count, counted): &(&str, f64)| status[count].as_f64() == Some(*counted);
        counts(&scrape).iter().all(is_equal).then_some(())
    })
    .await;
}

fn counts(scrape: &Scrape) -> [(&'static str, f64); 5] {
    let ended = |outcome| scrape.sum("waha_ingest_deliveries_total", &[("outcome", outcome)]);
    let received =
        |response| scrape.sum("waha_ingest_webhooks_received_total", &[("response", response)]);
    [
        ("accepted", received("accepted") + received("malformed")),
        ("applied", ended("applied")),
        ("duplicate", ended("duplicate")),
        ("ignored", ended("ignored")),
        ("dead_lettered", ended("dead_lettered")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_of_all_numbers_names_nothing() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    for path in ["sessions", "webhooks", "dead-letters"] {
        let answer = desk.get(&format!("api/v1/{path}/{}", i64::MIN)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

/// PostgreSQL refuses to look for one, whichever filter it is in.
#[tokio::test(flavor = "multi_thread")]
async fn no_filter_takes_a_nul() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Postgres).await);
    let desk = Desk::open(&folder, &database).await;
    for query in [
        "sessions?source=%00",
        "completeness?session=a%00b",
        "webhooks?reason=%00",
        "dead-letters?session=%00",
        "audit-logs?actor=%00",
        "messages?q=%00",
        "changes?session=%00",
    ] {
        let answer = desk.get(&format!("api/v1/{query}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{query}");
    }
}
