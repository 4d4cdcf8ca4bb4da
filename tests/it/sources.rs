//! Our webhook in the configurations of WAHA's sessions: seen, put in, right and out, by commands and by itself, with
//! everything else as it was; and a key rotates through it without a rejected webhook.

mod rotation;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use entity::webhook_registrations::{Entity, Model};
use sea_orm::EntityTrait;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use waha_ingest::registrar::{
    Manage, Registering, Registrar, RegistrarOptions, SigningKey, WantedWebhook,
};
use waha_ingest::simulate::api::{Failure, Fault, Oddities, Oddity, Options, Served, Time};
use waha_ingest::simulate::{Engine, Families, Family, Plan};
use waha_ingest::store::operations::registrations::RegistrationState;
use waha_ingest::waha_api::{WahaApi, WahaApiOptions};

use crate::app::TestApp;
use crate::cli::run;
use crate::database::{Kind, on_each_database};
use crate::process::Setting;
use crate::wait::wait_for;

on_each_database!(
    what_is_otherwise_is_kept_and_told_once,
    what_is_otherwise_is_put_right_by_one_worker_and_not_again_within_the_hour,
);

const DOOR: &str = "http://127.0.0.1:8080/webhooks/default";
const KEY: &str = "the-key-of-the-door";
const MINUTE_MS: i64 = 60_000;
/// In WAHA's order.
const SESSIONS: [&str; 3] = ["shop-0", "desk_1", "1002"];

fn plan(sessions: u16) -> Plan {
    // Without statuses in the history all are WORKING from the beginning.
    let families = Families::default().without(Family::Session);
    let engine = Some(Engine::Gows);
    Plan { seed: 11, sessions, messages: 20, engine, families, ..Plan::default() }
}

/// A WAHA whose sessions have our webhook as they should.
fn options() -> Options {
    Options {
        webhook_url: Some(DOOR.to_owned()),
        webhook_key: Some(KEY.into()),
        ..Options::of(plan(3))
    }
}

fn registrar(waha: &Served, manage: Manage) -> Registrar {
    let api = WahaApi::new(WahaApiOptions {
        source: "default".to_owned(),
        url: waha.url().parse().unwrap(),
        api_key: None.into(),
        requests_per_minute: 100_000.try_into().unwrap(),
        concurrency: 4,
        s3_origins: Vec::new(),
    });
    let webhook = WantedWebhook {
        url: DOOR.parse().unwrap(),
        events: vec!["*".to_owned()],
        retry_delay_s: 2,
        retry_attempts: 15,
    };
    let key = SigningKey::from(Some(SecretString::from(KEY)));
    let registrar = Registrar::new(api.unwrap(), RegistrarOptions { webhook, manage, key });
    // Sessions start when time is advanced, which most tests don't.
    registrar.with_start_max(Duration::ZERO)
}

fn registering(app: &TestApp, registrar: Registrar) -> Registering {
    let (store, clock) = (Arc::clone(&app.store), app.clock.clone());
    Registering { store, clock, registrars: vec![registrar] }
}

/// In WAHA's order.
async fn rows(app: &TestApp) -> Vec<Model> {
    let mut rows = Entity::find().all(app.db()).await.unwrap();
    rows.sort_by_key(|row| SESSIONS.iter().position(|name| *name == row.session));
    rows
}

/// Changes one place of a session's configuration, as somebody else does.
fn spoil(waha: &Served, session: &str, pointer: &str, value: Value) {
    let mut config = waha.config(session).unwrap();
    *config.pointer_mut(pointer).unwrap() = value;
    waha.configure(session, config);
}

fn changes(waha: &Served) -> usize {
    waha.requests().iter().filter(|request| request.method == "PUT").count()
}

async fn what_is_otherwise_is_kept_and_told_once(kind: Kind) {
    let (app, waha) = (TestApp::start(kind).await, Served::start(options()).unwrap());
    let registering = registering(&app, registrar(&waha, Manage::Check));
    let check = async || registering.check(&registering.registrars[0]).await.unwrap();
    check().await;
    let states = async || rows(&app).await.into_iter().map(|it| it.state).collect::<Vec<_>>();
    assert_eq!(states().await, ["registered"; 3]);

    spoil(&waha, "shop-0", "/webhooks/0/events", json!(["message"]));
    waha.configure(SESSIONS[2], json!({ "webhooks": [] }));
    app.clock.advance(10 * MINUTE_MS);
    check().await;
    assert_eq!(states().await, ["differs", "registered", "missing"]);
    let first = rows(&app).await.remove(0);
    assert_eq!(first.differences.as_deref(), Some("events"));
    app.clock.advance(10 * MINUTE_MS);
    check().await;
    let later = rows(&app).await.remove(0);
    assert_eq!(later.since_at, first.since_at, "it has stood so since then");
    assert!(later.checked_at > first.checked_at);
    assert_eq!(changes(&waha), 0, "it is only looked at them");
    let drifts = app.store.registration_drifts().await.unwrap();
    let mut drifts: Vec<_> =
        drifts.iter().map(|it| (it.session.as_str(), it.state.as_str())).collect();
    drifts.sort_unstable();
    assert_eq!(drifts, [(SESSIONS[2], "missing"), (SESSIONS[0], "differs")]);
    let mut counts = app.store.registration_counts().await.unwrap();
    counts.sort();
    let expected = [("differs", 1), ("missing", 1), ("registered", 1)];
    assert_eq!(counts, expected.map(|(state, count)| (state.to_owned(), count)));
    // Something else differs now.
    spoil(&waha, "shop-0", "/webhooks/0/retries/attempts", json!(1));
    check().await;
    let both = rows(&app).await.remove(0);
    assert_eq!(both.differences.as_deref(), Some("events, retries"));
    // What WAHA lists no more goes, that of another source stays.
    app.store.note_registrations("another", &[]).await.unwrap();
    assert_eq!(rows(&app).await.len(), 3);
    app.store.note_registrations("default", &[]).await.unwrap();
    assert!(rows(&app).await.is_empty());
    check().await;
    // Of a source that is not looked at any more nothing is known.
    app.store.forget_registrations_but(&["another".to_owned()]).await.unwrap();
    assert!(rows(&app).await.is_empty());
}

async fn what_is_otherwise_is_put_right_by_one_worker_and_not_again_within_the_hour(kind: Kind) {
    let (app, waha) = (TestApp::start(kind).await, Served::start(options()).unwrap());
    let workers = [(); 2].map(|()| registering(&app, registrar(&waha, Manage::Apply)));
    let check = async || {
        let [one, two] = &workers;
        let (one, two) = tokio::join!(one.check(&one.registrars[0]), two.check(&two.registrars[0]));
        one.and(two).unwrap();
    };
    let before = waha.config(SESSIONS[1]).unwrap();
    spoil(&waha, SESSIONS[1], "/webhooks/0/hmac/key", json!("another"));
    check().await;
    assert_eq!(changes(&waha), 0, "doors may not have the key yet");
    app.clock.advance(6 * MINUTE_MS);
    check().await;
    assert_eq!(changes(&waha), 1, "one of two workers");
    assert_eq!(waha.config(SESSIONS[1]).unwrap(), before, "all else is as it was");
    assert_eq!(rows(&app).await[1].state, "registered");
    // Somebody else puts it back, again and again.
    for (minutes, expected) in [(6, 1), (20, 1), (60, 2)] {
        spoil(&waha, SESSIONS[1], "/webhooks/0/hmac/key", json!("another"));
        check().await;
        app.clock.advance(minutes * MINUTE_MS);
        check().await;
        assert_eq!(changes(&waha), expected, "after {minutes} minutes");
    }
}

#[tokio::test]
async fn a_key_without_the_scope_says_so_once_an_hour() {
    let app = TestApp::start(Kind::Sqlite).await;
    let waha = Served::start(Options { is_read_only: true, ..options() }).unwrap();
    spoil(&waha, "shop-0", "/webhooks/0/retries/attempts", json!(1));
    let registering = registering(&app, registrar(&waha, Manage::Apply));
    for _ in 0..3 {
        registering.check(&registering.registrars[0]).await.unwrap();
        app.clock.advance(6 * MINUTE_MS);
    }
    assert_eq!(changes(&waha), 1);
    let row = rows(&app).await.remove(0);
    assert_eq!((row.state.as_str(), row.problem.as_deref()), ("differs", Some("key_forbidden")));
}

#[tokio::test]
async fn without_the_environment_a_missing_webhook_is_no_drift() {
    let waha = Served::start(Options { is_read_only: true, ..options() }).unwrap();
    waha.configure("shop-0", json!({}));
    let registrar = registrar(&waha, Manage::Check);
    let around = registrar.surroundings().await.unwrap();
    assert_eq!(around.global_urls, None);
    let found = registrar.inspect(&around).await.unwrap();
    assert_eq!(found[0].state, RegistrationState::Unseen);
    assert_eq!(found[1].state, RegistrationState::Registered);
}

#[tokio::test]
async fn the_same_url_in_the_environment_is_refused() {
    let global = Some(DOOR.to_owned());
    let waha = Served::start(Options { global_webhook_url: global, ..options() }).unwrap();
    waha.configure("shop-0", json!({}));
    let registrar = registrar(&waha, Manage::Check);
    let around = registrar.surroundings().await.unwrap();
    let found = registrar.inspect(&around).await.unwrap();
    assert_eq!(found[0].state, RegistrationState::Global, "the environment has it for all");
    assert_eq!(found[1].state, RegistrationState::Differs, "it comes twice");
    let problem = registrar.register(&found[0], &around).await.unwrap_err();
    assert_eq!(problem.reason(), "global");
    assert_eq!(changes(&waha), 0);
}

/// WAHA shows them as stopped, and a change there would reach nobody.
#[tokio::test]
async fn sessions_of_other_workers_are_not_changed() {
    let oddities = Oddities::NONE.with(Oddity::OtherWorker);
    let waha = Served::start(Options { oddities, ..options() }).unwrap();
    spoil(&waha, SESSIONS[1], "/webhooks/0/events", json!([]));
    let registrar = registrar(&waha, Manage::Apply);
    let around = registrar.surroundings().await.unwrap();
    let found = registrar.inspect(&around).await.unwrap();
    assert_eq!(found[1].other_worker.as_deref(), Some("waha-1"));
    let problem = registrar.register(&found[1], &around).await.unwrap_err();
    assert_eq!(problem.reason(), "other_worker");
    // Nor by itself, and that is no problem of anybody.
    let app = TestApp::start(Kind::Sqlite).await;
    let registering = registering(&app, registrar);
    for _ in 0..2 {
        registering.check(&registering.registrars[0]).await.unwrap();
        app.clock.advance(6 * MINUTE_MS);
    }
    let row = rows(&app).await.remove(1);
    assert_eq!((row.state.as_str(), row.problem, row.applied_at), ("differs", None, None));
    assert_eq!(changes(&waha), 0);
}

/// What was seen of sources that nobody looks at goes when a worker starts.
#[tokio::test(flavor = "multi_thread")]
async fn sources_that_are_gone_are_forgotten_at_start() {
    let (app, waha) = (TestApp::start(Kind::Sqlite).await, Served::start(options()).unwrap());
    let registering = registering(&app, registrar(&waha, Manage::Check));
    registering.check(&registering.registrars[0]).await.unwrap();
    let nobody = Registering { registrars: Vec::new(), ..registering };
    let stop = CancellationToken::new();
    let running = tokio::spawn(waha_ingest::registrar::run(nobody, stop.clone()));
    wait_for("no rows", Duration::from_secs(20), || async {
        rows(&app).await.is_empty().then_some(())
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}

/// WAHA's 500 says that the change goes on: what counts is what is there.
#[tokio::test]
async fn after_an_error_it_is_looked_at_what_is_there_and_nothing_is_sent_twice() {
    let waha = Served::start(options()).unwrap();
    spoil(&waha, "shop-0", "/webhooks/0/events", json!(["message"]));
    let registrar = registrar(&waha, Manage::Check);
    let around = registrar.surroundings().await.unwrap();
    let found = registrar.inspect(&around).await.unwrap();
    // The first request for the session reads, the second one changes.
    let path = "/api/sessions/shop-0".to_owned();
    let slow = Failure::Slow(Duration::ZERO);
    waha.fail(Fault { path: path.clone(), times: 1, failure: slow });
    waha.fail(Fault { path, times: 1, failure: Failure::Lock });
    let problem = registrar.register(&found[0], &around).await.unwrap_err();
    assert_eq!(problem.reason(), "waha_failed");
    assert_eq!(changes(&waha), 1);
    let done = registrar.register(&found[0], &around).await.unwrap();
    assert_eq!(done.len(), 1);
    assert_eq!(registrar.register(&found[0], &around).await.unwrap(), [], "nothing is left to do");
    assert_eq!(changes(&waha), 2);
}

/// WAHA says yes and forgets it, as when somebody else writes at the same moment; or nobody knows what it said.
#[tokio::test]
async fn what_waha_does_not_keep_is_told_and_not_sent_again() {
    for (failure, reason) in [(Failure::Empty, "not_kept"), (Failure::CutOff, "waha_away")] {
        let waha = Served::start(options()).unwrap();
        spoil(&waha, "shop-0", "/webhooks/0/events", json!(["message"]));
        let registrar = registrar(&waha, Manage::Check);
        let around = registrar.surroundings().await.unwrap();
        let found = registrar.inspect(&around).await.unwrap();
        let path = "/api/sessions/shop-0".to_owned();
        let slow = Failure::Slow(Duration::ZERO);
        waha.fail(Fault { path: path.clone(), times: 1, failure: slow });
        waha.fail(Fault { path, times: 1, failure });
        let problem = registrar.register(&found[0], &around).await.unwrap_err();
        assert_eq!((problem.reason(), changes(&waha)), (reason, 1), "{failure:?}");
    }
}

/// A configuration that nobody can read is left alone, and keeps nobody from looking at the others.
#[tokio::test]
async fn one_odd_configuration_holds_up_no_other() {
    let (app, waha) = (TestApp::start(Kind::Sqlite).await, Served::start(options()).unwrap());
    for odd in [json!({ "webhooks": { "x": 1 } }), json!([]), json!("config"), json!(7)] {
        waha.configure("shop-0", odd);
        spoil(&waha, SESSIONS[1], "/webhooks/0/events", json!(["message"]));
        let registering = registering(&app, registrar(&waha, Manage::Apply));
        let check = async || registering.check(&registering.registrars[0]).await.unwrap();
        check().await;
        app.clock.advance(61 * MINUTE_MS);
        let before = changes(&waha);
        check().await;
        assert_eq!(changes(&waha), before + 1, "the other one");
        let rows = rows(&app).await;
        let stands = |row: &Model| (row.state.clone(), row.differences.clone());
        let unreadable = ("differs".to_owned(), Some("unreadable".to_owned()));
        assert_eq!(stands(&rows[0]), unreadable);
        assert_eq!(rows[0].problem.as_deref(), Some("config_unreadable"));
        assert_eq!(rows[1].state, "registered");
    }
}

/// A session that is deleted between two requests is a problem of its own.
#[tokio::test]
async fn a_session_that_vanishes_holds_up_no_other() {
    let (app, waha) = (TestApp::start(Kind::Sqlite).await, Served::start(options()).unwrap());
    for session in &SESSIONS[..2] {
        spoil(&waha, session, "/webhooks/0/events", json!(["message"]));
    }
    let registering = registering(&app, registrar(&waha, Manage::Apply));
    let check = async || registering.check(&registering.registrars[0]).await.unwrap();
    check().await;
    app.clock.advance(6 * MINUTE_MS);
    let path = format!("/api/sessions/{}", SESSIONS[0]);
    waha.fail(Fault { path, times: 10, failure: Failure::NoRoute });
    check().await;
    let rows = rows(&app).await;
    assert_eq!(rows[0].problem.as_deref(), Some("unsupported"));
    assert_eq!(rows[1].state, "registered");
}

/// One list, one comparison of each, and no list more for each that is put right.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sessions_are_looked_at_with_one_list() {
    let app = TestApp::start(Kind::Sqlite).await;
    let waha = Served::start(Options { plan: plan(10_000), ..options() }).unwrap();
    let registering = registering(&app, registrar(&waha, Manage::Apply));
    let check = async || registering.check(&registering.registrars[0]).await.unwrap();
    check().await;
    assert_eq!(Entity::find().all(app.db()).await.unwrap().len(), 10_000);
    let sessions = waha.sessions();
    for session in &sessions[..30] {
        spoil(&waha, session, "/webhooks/0/events", json!(["message"]));
    }
    check().await;
    app.clock.advance(6 * MINUTE_MS);
    check().await;
    assert_eq!(changes(&waha), 30);
    let lists = waha.requests().into_iter().filter(|it| it.path == "/api/sessions").count();
    assert_eq!(lists, 3);
    assert!(app.store.registration_drifts().await.unwrap().is_empty());
}

/// The commands, as an operator uses them.
#[tokio::test(flavor = "multi_thread")]
async fn commands_show_register_and_unregister() {
    let folder = tempfile::tempdir().unwrap();
    let api_key = "the-key-of-the-api";
    // Sessions start by themselves.
    let time = Time::Real;
    let options = Options { api_key: Some(api_key.into()), time, ..options() };
    let waha = Served::start(options).unwrap();
    let url = waha.url();
    let settings = [
        ("SOURCES__DEFAULT__HMAC_KEYS", KEY),
        ("SOURCES__DEFAULT__WAHA__URL", url.as_str()),
        ("SOURCES__DEFAULT__WAHA__API_KEY", api_key),
        ("SOURCES__DEFAULT__WAHA__WEBHOOK_URL", "http://127.0.0.1:8080"),
    ];
    let command = |arguments: &[&str]| said(folder.path(), &settings, arguments);
    let (code, _, words) = command(&["sources", "diff"]);
    assert_eq!(code, Some(0), "{words}");
    let crm = json!({ "url": "https://crm.example", "events": ["message"], "hmac": { "key": "crm-secret" } });
    let config = json!({ "metadata": { "user.id": "7" }, "webhooks": [crm] });
    waha.configure("shop-0", config.clone());
    spoil(&waha, SESSIONS[1], "/webhooks/0/hmac/key", json!("an-old-secret"));

    let (code, shown, _) = command(&["sources", "diff"]);
    assert_eq!(code, Some(1));
    assert!(shown.contains("shop-0") && shown.contains("+ {\"url\":"), "{shown}");
    assert!(shown.contains("~ hmac.key: *** -> ***"), "{shown}");
    let (code, listed, _) = command(&["sources", "list", "--json"]);
    assert_eq!(code, Some(0));
    let lines: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<&str> = lines.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["missing", "differs", "registered"]);
    assert_eq!(lines[0]["other_webhooks"], 1);

    let (code, _, words) = command(&["sources", "register", "--dry-run"]);
    assert!(code == Some(0) && words.contains("nothing was changed"), "{words}");
    assert!(words.contains("2 of 2 sessions run and start anew"), "{words}");
    let (code, _, words) = command(&["sources", "register", "--session", "nobody", "--yes"]);
    assert!(code == Some(1) && words.contains("lists no session"), "{words}");
    assert_eq!(changes(&waha), 0);
    let (code, text, words) = command(&["sources", "register", "--yes"]);
    assert_eq!(code, Some(0), "{text}{words}");
    assert_eq!(changes(&waha), 2);
    let after = waha.config("shop-0").unwrap();
    assert_eq!(after["webhooks"][0], crm, "that of others stays, secret and all");
    assert_eq!(after["webhooks"][1]["hmac"]["key"], KEY);
    assert_eq!(after["metadata"], config["metadata"]);
    assert_eq!(command(&["sources", "diff"]).0, Some(0));

    let (code, _, words) = command(&["sources", "unregister", "--session", "shop-0", "--yes"]);
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(waha.config("shop-0").unwrap(), config, "as before it was registered");
    let (code, _, words) = command(&["sources", "unregister", "--session", "shop-0", "--yes"]);
    assert!(code == Some(0) && words.contains("nothing is to be done"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_waha_can_not_reach_is_refused_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let waha = Served::start(options()).unwrap();
    let url = waha.url();
    let settings = [
        ("SOURCES__DEFAULT__HMAC_KEYS", KEY),
        ("SOURCES__DEFAULT__WAHA__URL", url.as_str()),
        ("SOURCES__DEFAULT__WAHA__WEBHOOK_URL", "http://0.0.0.0:8080"),
    ];
    let (code, _, words) =
        said(folder.path(), &settings, &["sources", "register", "--yes", "--session", "shop-0"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("none to send to"), "{words}");
    let wrong = [("SOURCES__DEFAULT__WAHA__MANAGE", "apply"), settings[0], settings[1]];
    let (code, _, words) = said(folder.path(), &wrong, &["check"]);
    assert!(code == Some(1) && words.contains("needs webhook_url beside it"), "{words}");
    assert_eq!(changes(&waha), 0);
}

/// Exit code, stdout and stderr; nothing of it holds a secret.
fn said(
    folder: &Path,
    settings: &[(&str, &str)],
    arguments: &[&str],
) -> (Option<i32>, String, String) {
    let output = run(folder, settings, arguments);
    let [text, words] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    for secret in ["secret", "the-key-of"] {
        assert!(!text.contains(secret) && !words.contains(secret), "{secret}: {text}{words}");
    }
    (output.status.code(), text, words)
}

on_each_database!(one_session_of_a_source_starts_at_a_time);

async fn one_session_of_a_source_starts_at_a_time(kind: Kind) {
    let (app, waha) = (TestApp::start(kind).await, Served::start(options()).unwrap());
    for session in &SESSIONS[..2] {
        spoil(&waha, session, "/webhooks/0/events", json!(["message"]));
    }
    let patient = || registrar(&waha, Manage::Apply).with_start_max(Duration::from_mins(1));
    let workers = [(); 2].map(|()| registering(&app, patient()));
    let check = async |it: &Registering| it.check(&it.registrars[0]).await;
    check(&workers[0]).await.unwrap();
    app.clock.advance(6 * MINUTE_MS);
    let operator = async {
        let is_asked = || async {
            let requests = waha.requests();
            let changed = requests.iter().position(|it| it.method == "PUT")?;
            let path = &requests[changed].path;
            // When it was written it is read, and then looked whether it works.
            let reads =
                requests[changed..].iter().filter(|it| it.path == *path && it.method == "GET");
            (reads.count() > 2).then_some(())
        };
        wait_for("a session that starts", Duration::from_secs(30), is_asked).await;
        assert_eq!(changes(&waha), 1, "it does not work yet");
        waha.advance(Duration::from_secs(10));
        let is_next = || async { (changes(&waha) == 2).then_some(()) };
        wait_for("the next one", Duration::from_secs(30), is_next).await;
        waha.advance(Duration::from_secs(10));
    };
    let (one, two, ()) = tokio::join!(check(&workers[0]), check(&workers[1]), operator);
    one.and(two).unwrap();
    assert!(rows(&app).await.iter().all(|row| row.state == "registered"));
}

/// What one session can't do keeps nobody from the others.
#[tokio::test(flavor = "multi_thread")]
async fn unregister_goes_on_past_a_session_that_can_not_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let waha = Served::start(Options { time: Time::Real, ..options() }).unwrap();
    waha.configure(SESSIONS[0], json!({ "webhooks": { "x": 1 } }));
    let url = waha.url();
    let settings = [
        ("SOURCES__DEFAULT__HMAC_KEYS", KEY),
        ("SOURCES__DEFAULT__WAHA__URL", url.as_str()),
        ("SOURCES__DEFAULT__WAHA__WEBHOOK_URL", "http://127.0.0.1:8080"),
    ];
    let (code, lines, words) =
        said(folder.path(), &settings, &["sources", "unregister", "--yes", "--json"]);
    assert_eq!(code, Some(1), "{lines}{words}");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ended: Vec<_> =
        lines.iter().map(|it| (it["session"].as_str().unwrap(), &it["done"])).collect();
    let (done, not) = (json!(true), json!(false));
    assert_eq!(ended, [(SESSIONS[0], &not), (SESSIONS[1], &done), (SESSIONS[2], &done)]);
    assert_eq!(lines[0]["reason"], "config_unreadable");
    assert_eq!(changes(&waha), 2);
}

/// Whoever does both gets each event twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_registers_itself_asks_for_nothing_in_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("waha.db").display());
    let waha = Served::start(options()).unwrap();
    let mut setting = Setting::new(folder.path(), &url);
    setting.environment = vec![
        ("WAHA_INGEST__SOURCES__DEFAULT__WAHA__URL", waha.url()),
        ("WAHA_INGEST__SOURCES__DEFAULT__WAHA__WEBHOOK_URL", setting.url()),
        ("WAHA_INGEST__SOURCES__DEFAULT__WAHA__MANAGE", "apply".to_owned()),
    ];
    let _up = setting.up().await;
    let log = || async { std::fs::read_to_string(folder.path().join("log")).ok() };
    let told = || async { log().await.filter(|log| log.contains("WHATSAPP_FILES_LIFETIME")) };
    let told = wait_for("what to put into WAHA", Duration::from_secs(30), told).await;
    assert!(
        told.contains("Source default puts its webhook into WAHA's sessions by itself"),
        "{told}"
    );
    assert!(!told.contains("WHATSAPP_HOOK_URL=") && !told.contains("HOOK_RETRIES"), "{told}");
}
