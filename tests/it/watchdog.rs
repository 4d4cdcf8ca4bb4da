//! Sessions that say WORKING and do not work, sessions whose webhooks do not arrive, and those that need a person: found
//! by each witness, told once, helped as configured, by one worker at a time.

use std::sync::Arc;
use std::time::Duration;

use entity::{reconciliations, waha_session_watches, waha_sessions};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use waha_ingest::clock::Clock;
use waha_ingest::metrics::watchdog::WatchdogMetrics;
use waha_ingest::retention::RetentionKind;
use waha_ingest::simulate::api::{Failure, Fault, Oddities, Oddity, Options, Served, Silence};
use waha_ingest::simulate::{Engine, Families, Family, Plan, Sent};
use waha_ingest::store::operations::sessions::SessionReach;
use waha_ingest::waha_api::{WahaApi, WahaApiOptions};
use waha_ingest::watchdog::{Remedies, Watchdog, WatchdogOptions};

use crate::app::{NOW_MS, TestApp};
use crate::database::{Kind, on_each_database};
use crate::wait::wait_for;

on_each_database!(
    a_dead_session_is_found_told_and_restarted,
    messages_that_waha_has_and_nobody_told_mean_that_webhooks_do_not_arrive,
    several_workers_look_once_each_time,
    what_is_taken_is_as_it_was_left,
    counters_say_how_many_arrived,
);

const SESSION: &str = "shop-0";
const MINUTE_MS: i64 = 60_000;
const ALL: Remedies = Remedies { reconcile: true, warn: true, restart: true };

/// An installation whose WAHA is watched.
struct Watching {
    app: TestApp,
    waha: Served,
    watchdog: Watchdog,
}

fn plan(engine: Engine) -> Plan {
    // Without statuses in the history all are WORKING from the beginning. What is written comes after what was heard.
    let families = Families::default().without(Family::Session);
    let (engine, start_ms) = (Some(engine), NOW_MS + 5 * MINUTE_MS);
    Plan {
        engine,
        sessions: 1,
        people: 12,
        groups: 1,
        messages: 40,
        families,
        start_ms,
        ..Plan::default()
    }
}

fn options(remedies: Remedies) -> WatchdogOptions {
    WatchdogOptions {
        every: Duration::from_mins(1),
        remedies,
        restart_after: Duration::from_mins(10),
        restart_wait: Duration::from_hours(1),
    }
}

fn api(waha: &Served) -> WahaApi {
    api_of("default", waha)
}

fn api_of(source: &str, waha: &Served) -> WahaApi {
    let options = WahaApiOptions {
        source: source.to_owned(),
        url: waha.url().parse().unwrap(),
        api_key: None.into(),
        requests_per_minute: 1_000_000.try_into().unwrap(),
        concurrency: 4,
        s3_origins: Vec::new(),
    };
    WahaApi::new(options).unwrap()
}

fn watchdog(app: &TestApp, waha: &Served, remedies: Remedies) -> Watchdog {
    watchdog_of(app, vec![api(waha)], remedies)
}

fn watchdog_of(app: &TestApp, apis: Vec<WahaApi>, remedies: Remedies) -> Watchdog {
    watchdog_with(app, apis, options(remedies))
}

fn watchdog_with(app: &TestApp, apis: Vec<WahaApi>, options: WatchdogOptions) -> Watchdog {
    let (store, queue) = (Arc::clone(&app.store), Arc::new(app.queue.clone()));
    let (clock, silent_after) = (app.clock.clone(), Duration::from_hours(1));
    let metrics = WatchdogMetrics::new();
    Watchdog::new(store, queue, clock, apis, options, silent_after, metrics)
}

/// An own message, by a webhook.
fn message(session: &str, number: i64) -> Value {
    let id = format!("{session}{number}");
    json!({ "id": id, "event": "message.any", "session": session, "payload": {
        "id": format!("true_4915100000000@c.us_{id}"), "from": "4915100000000@c.us",
        "to": "4915100000001@c.us", "fromMe": true, "timestamp": 1_750_000_000, "body": "hello",
    }})
}

impl Watching {
    /// One from whose session something has just come.
    async fn start(kind: Kind, options: Options, remedies: Remedies) -> Self {
        let (app, waha) = (TestApp::start(kind).await, Served::start(options).unwrap());
        let watchdog = watchdog(&app, &waha, remedies);
        let it = Self { app, waha, watchdog };
        it.hear().await;
        it
    }

    /// A webhook comes from the session, and is processed.
    async fn hear(&self) {
        self.publish().await;
        self.app.work_until_idle().await;
    }

    async fn publish(&self) {
        self.app.post_json(&message(SESSION, self.app.clock.now_ms())).await;
    }

    /// A minute passes, and the sessions are looked at.
    async fn look(&self) {
        self.app.clock.advance(MINUTE_MS);
        self.watchdog.look_due().await.unwrap();
    }

    async fn look_times(&self, times: usize) {
        for _ in 0..times {
            self.look().await;
        }
    }

    async fn row(&self) -> waha_session_watches::Model {
        waha_session_watches::Entity::find().one(self.app.db()).await.unwrap().unwrap()
    }

    /// What was found last, and what says so.
    async fn found(&self) -> (String, String) {
        let row = self.row().await;
        (row.verdict, row.reason.unwrap())
    }

    async fn assert_found(&self, verdict: &str, reason: &str) {
        assert_eq!(self.found().await, (verdict.to_owned(), reason.to_owned()));
    }

    /// What somebody is warned of.
    async fn troubles(&self) -> Vec<String> {
        let troubled = self.app.store.troubled_sessions().await.unwrap();
        troubled.into_iter().map(|it| it.verdict).collect()
    }

    /// The history, oldest first: what, with what was found or why it failed.
    async fn history(&self) -> Vec<(String, String)> {
        let session = waha_sessions::Entity::find().one(self.app.db()).await.unwrap().unwrap();
        let probes = self.app.store.session_probes(session.id, 100).await.unwrap();
        let entry = |it: waha_ingest::store::operations::watches::SessionProbe| {
            let said = if it.kind == "probe" { Some(it.verdict) } else { it.reason };
            (it.kind, said.unwrap_or_default())
        };
        probes.into_iter().rev().map(entry).collect()
    }

    async fn assert_history(&self, expected: &[(&str, &str)]) {
        let owned = |(kind, said): &(&str, &str)| ((*kind).to_owned(), (*said).to_owned());
        assert_eq!(self.history().await, expected.iter().map(owned).collect::<Vec<_>>());
    }

    fn asked(&self, method: &str, path_end: &str) -> usize {
        let is_it = |it: &&waha_ingest::simulate::api::Request| {
            it.method == method && it.path.ends_with(path_end)
        };
        self.waha.requests().iter().filter(is_it).count()
    }

    fn restarts(&self) -> usize {
        self.asked("POST", "/restart")
    }

    /// All that is written from now on WAHA has, and sends nothing of it; the clock is behind it by then.
    fn write_unheard(&self, minutes_after: i64) {
        self.waha.silence(Some(Silence::Webhooks));
        let mut webhooks = self.waha.webhooks();
        assert!(webhooks.next().is_none(), "nothing is sent");
        let passed = self.waha.now_ms().max(NOW_MS + 10 * MINUTE_MS) - self.app.clock.now_ms();
        self.app.clock.advance(passed + minutes_after * MINUTE_MS);
    }
}

async fn a_dead_session_is_found_told_and_restarted(kind: Kind) {
    let it = Watching::start(kind, Options::of(plan(Engine::Gows)), ALL).await;
    it.look().await;
    it.assert_found("alive", "engine").await;
    assert_eq!(it.troubles().await, Vec::<String>::new());

    it.waha.silence(Some(Silence::Dead));
    it.look().await;
    it.assert_found("dead", "engine").await;
    assert_eq!(it.troubles().await, Vec::<String>::new(), "once is nothing yet");
    it.look().await;
    assert_eq!(it.troubles().await, ["dead"]);
    it.assert_history(&[("probe", "alive"), ("probe", "dead"), ("reconcile", ""), ("warn", "")])
        .await;
    let asked = reconciliations::Entity::find()
        .filter(reconciliations::Column::Kind.eq("watchdog"))
        .one(it.app.db())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((asked.state.as_str(), asked.due_at.is_some()), ("waiting", true));
    let heard_ms = NOW_MS - 10 * MINUTE_MS;
    assert_eq!(asked.from_at.unwrap().timestamp_millis(), heard_ms, "a bit more than is known");

    it.look_times(8).await;
    assert_eq!(it.restarts(), 0, "dead for nine minutes");
    it.look().await;
    assert_eq!(it.restarts(), 1);
    assert_eq!(it.history().await.last().unwrap().0, "restart");
    // It starts, and works again.
    it.look().await;
    it.assert_found("idle", "starting").await;
    it.waha.advance(Duration::from_secs(10));
    it.look().await;
    it.assert_found("alive", "engine").await;
    assert_eq!(it.troubles().await, Vec::<String>::new());
    assert_eq!(it.row().await.restarts, 1, "what it was is not forgotten at once");

    it.waha.silence(Some(Silence::Dead));
    it.look_times(2).await;
    assert_eq!(it.troubles().await, ["dead"], "once more");
    let history = it.history().await;
    let count = |kind: &str| history.iter().filter(|it| it.0 == kind).count();
    assert_eq!((count("warn"), count("reconcile")), (2, 2), "{history:?}");

    let history = it.history().await.len() as u64;
    it.app.clock.advance(2 * 24 * 60 * MINUTE_MS);
    let day = Duration::from_hours(24);
    let gone = it.app.cleaner().let_go(RetentionKind::Probes, day).await.unwrap();
    assert_eq!(gone, history);
    it.assert_history(&[]).await;
}

async fn messages_that_waha_has_and_nobody_told_mean_that_webhooks_do_not_arrive(kind: Kind) {
    let oddities = Oddities::NONE.with(Oddity::NoMetrics);
    let options = Options { oddities, ..Options::of(plan(Engine::Gows)) };
    let it = Watching::start(kind, options, ALL).await;
    it.look().await;
    it.assert_found("alive", "engine").await;
    it.write_unheard(5);
    it.look_times(2).await;
    it.assert_found("deaf", "messages_ahead").await;
    assert_eq!(it.troubles().await, ["deaf"]);
    it.look_times(30).await;
    assert_eq!(it.restarts(), 0, "the session is well");
    let history = it.history().await;
    let compared = history.iter().filter(|(kind, _)| kind == "reconcile").count();
    assert_eq!(compared, 4, "every ten minutes: {history:?}");
    assert_eq!(history.iter().filter(|(kind, _)| kind == "warn").count(), 1, "told once");
    // Something comes again.
    it.hear().await;
    it.look().await;
    it.assert_found("alive", "engine").await;
    assert_eq!(it.troubles().await, Vec::<String>::new());
}

async fn several_workers_look_once_each_time(kind: Kind) {
    let it = Watching::start(kind, Options::of(plan(Engine::Gows)), ALL).await;
    it.waha.silence(Some(Silence::Dead));
    let other = watchdog(&it.app, &it.waha, ALL);
    for _ in 0..12 {
        it.app.clock.advance(MINUTE_MS);
        let (one, two) = tokio::join!(it.watchdog.look_due(), other.look_due());
        one.and(two).unwrap();
    }
    assert_eq!(it.row().await.lease_number, 12, "each minute one of them");
    // In the last one it starts.
    assert_eq!(it.asked("GET", "/api/sessions/shop-0"), 11);
    assert_eq!(it.restarts(), 1);
    assert_eq!(it.history().await.iter().filter(|(kind, _)| kind == "warn").count(), 1);
}

async fn counters_say_how_many_arrived(kind: Kind) {
    let it = Watching::start(kind, Options::of(plan(Engine::Gows)), ALL).await;
    let counters = async || {
        let reach = SessionReach::default();
        let mut counters = it.app.store.session_counters(&reach).await.unwrap();
        assert_eq!(counters.len(), 1);
        let it = counters.remove(0);
        (it.state, it.told, it.arrived, it.starts)
    };
    it.look_times(2).await;
    assert_eq!(counters().await.0, "unknown", "nothing is counted yet");
    // Half of what is told arrives, twice.
    let told: Vec<Sent> = it.waha.webhooks().collect();
    let last = told.iter().map(|sent| sent.at_ms).max().unwrap();
    it.app.clock.advance(last - it.app.clock.now_ms());
    let emitted = api(&it.waha).emitted_messages().await.unwrap().unwrap()[SESSION];
    let all = emitted.own + emitted.others;
    let is_message = |sent: &&Sent| sent.event_type == "message.any";
    let arriving: Vec<&Sent> = told.iter().filter(is_message).step_by(2).collect();
    let post = async |sent: &Sent| assert_eq!(it.app.post(sent.body.clone()).await, 202);
    for sent in arriving.iter().chain(&arriving) {
        post(sent).await;
    }
    it.app.work_until_idle().await;
    it.look_times(2).await;
    let arrived = arriving.len() as u64;
    let expected = |starts| ("missing".to_owned(), Some(all), Some(arrived), Some(starts));
    assert!(all > arrived + 5 && arrived > 5);
    assert_eq!(counters().await, expected(0));
    // WAHA starts anew: its counters begin at nothing, and what they had is not forgotten.
    it.waha.restart().await;
    it.waha.advance(Duration::from_secs(10));
    it.look_times(2).await;
    assert_eq!(counters().await, expected(1));
    // What was lost comes after all.
    for sent in told.iter().filter(is_message) {
        post(sent).await;
    }
    it.app.work_until_idle().await;
    let (state, told, _, _) = counters().await;
    assert_eq!((state.as_str(), told), ("even", Some(all)));
}

/// Where WAHA does not count, nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn without_counters_it_is_not_known_what_arrived() {
    let oddities = Oddities::NONE.with(Oddity::NoMetrics);
    let options = Options { oddities, ..Options::of(plan(Engine::Gows)) };
    let it = Watching::start(Kind::Sqlite, options, ALL).await;
    it.look_times(4).await;
    let counters = it.app.store.session_counters(&SessionReach::default()).await.unwrap();
    assert_eq!((counters[0].state.as_str(), counters[0].told), ("unknown", None));
}

/// Messages have WhatsApp's time, webhooks were heard by ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_behind_makes_no_session_deaf() {
    let oddities = Oddities::NONE.with(Oddity::NoMetrics);
    let options = Options { oddities, ..Options::of(plan(Engine::Gows)) };
    let it = Watching::start(Kind::Sqlite, options, ALL).await;
    // All that WAHA has is told at once, by our clock five minutes before it is written.
    it.app.publish_all(it.waha.webhooks().collect::<Vec<_>>()).await;
    it.app.work_until_idle().await;
    let passed = it.waha.now_ms() - it.app.clock.now_ms();
    assert!(passed > 5 * MINUTE_MS);
    it.app.clock.advance(passed + 5 * MINUTE_MS);
    it.look_times(3).await;
    it.assert_found("alive", "engine").await;
}

/// Without a store and with an engine that says nothing, counters are all there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_rises_while_nothing_arrives_means_the_same() {
    let oddities = Oddities::NONE.with(Oddity::StoreOff);
    let options = Options { oddities, ..Options::of(plan(Engine::Noweb)) };
    let it = Watching::start(Kind::Sqlite, options, ALL).await;
    let mut config = it.waha.config(SESSION).unwrap();
    config["noweb"]["store"]["enabled"] = json!(false);
    it.waha.configure(SESSION, config);
    it.look().await;
    it.assert_found("alive", "webhooks").await;
    it.write_unheard(5);
    it.look_times(2).await;
    it.assert_found("deaf", "counters_ahead").await;
    assert_eq!(it.troubles().await, ["deaf"]);
    assert_eq!(it.asked("GET", "/chats/all/messages"), 0, "without a store nothing is asked of it");
    it.hear().await;
    it.look().await;
    it.assert_found("alive", "webhooks").await;
}

/// What waits in the queue may be what WAHA has.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lags_makes_no_session_deaf() {
    let it = Watching::start(Kind::Sqlite, Options::of(plan(Engine::Gows)), ALL).await;
    it.app.clock.advance(MINUTE_MS);
    it.publish().await;
    it.write_unheard(5);
    it.look_times(3).await;
    it.assert_found("alive", "engine").await;
    it.app.work_until_idle().await;
    it.look_times(2).await;
    it.assert_found("deaf", "messages_ahead").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_must_do_is_said_and_not_tried() {
    let it = Watching::start(Kind::Sqlite, Options::of(plan(Engine::Gows)), ALL).await;
    for (status, reason) in [("SCAN_QR_CODE", "qr_code"), ("FAILED", "failed")] {
        it.waha.set_status(SESSION, status);
        it.look_times(20).await;
        it.assert_found("person", reason).await;
        let troubled = it.app.store.troubled_sessions().await.unwrap();
        assert_eq!(troubled[0].reason.as_deref(), Some(reason));
    }
    assert_eq!(it.restarts(), 0);
    it.assert_history(&[("probe", "person"), ("warn", "")]).await;
    it.waha.set_status(SESSION, "STOPPED");
    it.look().await;
    assert_eq!(it.troubles().await, Vec::<String>::new(), "whoever stops it knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_scope_says_so_and_is_not_tried_each_minute() {
    let options = Options { is_read_only: true, ..Options::of(plan(Engine::Gows)) };
    let it = Watching::start(Kind::Sqlite, options, ALL).await;
    it.waha.silence(Some(Silence::Dead));
    it.look_times(40).await;
    assert_eq!(it.restarts(), 1);
    assert!(it.history().await.contains(&("restart".to_owned(), "key_forbidden".to_owned())));
    assert_eq!(it.troubles().await, ["dead"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_are_off_unless_they_are_wanted() {
    let remedies = Remedies { restart: false, ..ALL };
    let it = Watching::start(Kind::Sqlite, Options::of(plan(Engine::Gows)), remedies).await;
    it.waha.silence(Some(Silence::Dead));
    it.look_times(60).await;
    assert_eq!(it.restarts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waha_that_is_away_changes_no_verdict() {
    let it = Watching::start(Kind::Sqlite, Options::of(plan(Engine::Gows)), ALL).await;
    it.waha.silence(Some(Silence::Dead));
    it.look_times(2).await;
    let failure = Failure::Proxy(503);
    it.waha.fail(Fault { path: "/api/sessions".to_owned(), times: 100, failure });
    it.look_times(3).await;
    it.assert_found("unknown", "waha_failed").await;
    assert_eq!(it.troubles().await, ["dead"], "that nobody can say ends no trouble");
    let told = it.app.store.troubled_sessions().await.unwrap().remove(0);
    assert_eq!(told.reason, None, "what nobody could say is not why");
    assert_eq!(told.since.timestamp_millis(), NOW_MS + MINUTE_MS, "since it was found");
    let history = it.history().await;
    assert!(!history.contains(&("probe".to_owned(), "unknown".to_owned())), "{history:?}");
}

/// They are shown as stopped, and their worker's counters are elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_other_workers_are_left_to_them() {
    let oddities = Oddities::NONE.with(Oddity::OtherWorker);
    let options = Options { oddities, ..Options::of(Plan { sessions: 2, ..plan(Engine::Gows) }) };
    let it = Watching::start(Kind::Sqlite, options, ALL).await;
    it.app.post_json(&message("desk_1", NOW_MS)).await;
    it.app.work_until_idle().await;
    it.look_times(3).await;
    let rows = waha_session_watches::Entity::find().all(it.app.db()).await.unwrap();
    let mut reasons: Vec<_> = rows.iter().map(|row| row.reason.clone().unwrap()).collect();
    reasons.sort();
    assert_eq!(reasons, ["engine", "other_worker"]);
    let counted = rows.iter().filter(|row| row.counters.is_some()).count();
    assert_eq!(counted, 1, "its worker counts it");
}

/// After days without a webhook WAHA's list is not read from their beginning.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_silent_for_long_is_compared_for_three_days() {
    let it = Watching::start(Kind::Sqlite, Options::of(plan(Engine::Gows)), ALL).await;
    it.waha.silence(Some(Silence::Dead));
    it.app.clock.advance(4 * 24 * 60 * MINUTE_MS);
    it.look_times(2).await;
    let asked = reconciliations::Entity::find().one(it.app.db()).await.unwrap().unwrap();
    let from_ms = it.app.clock.now_ms() - 3 * 24 * 60 * MINUTE_MS;
    assert_eq!(asked.from_at.unwrap().timestamp_millis(), from_ms);
}

/// A worker that knows other sources takes no session from those who watch it; what nobody watches is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_other_sources_are_not_taken_and_forgotten_at_start() {
    let it = Watching::start(Kind::Sqlite, Options::of(plan(Engine::Gows)), ALL).await;
    it.look().await;
    let other = watchdog_of(&it.app, vec![api_of("other", &it.waha)], ALL);
    it.app.clock.advance(MINUTE_MS);
    other.look_due().await.unwrap();
    assert_eq!(it.row().await.lease_number, 1);
    let stop = CancellationToken::new();
    let running = tokio::spawn(other.run(stop.clone()));
    wait_for("no row", Duration::from_secs(20), || async {
        let row = waha_session_watches::Entity::find().one(it.app.db()).await.unwrap();
        row.is_none().then_some(())
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}

/// A silent session of whose messages WAHA fails to tell is dead; not so where the key may not read them, or is
/// refused.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_failure_of_the_session_itself_speaks_against_it() {
    for (failure, verdict, reason) in [
        (Failure::ContextDestroyed, "dead", "silent_and_failing"),
        (Failure::Forbidden, "unwitnessed", "silent"),
        (Failure::Unauthorized, "unknown", "key_refused"),
    ] {
        let oddities = Oddities::NONE.with(Oddity::NoMetrics).with(Oddity::ShallowState);
        let options = Options { oddities, ..Options::of(plan(Engine::Noweb)) };
        let it = Watching::start(Kind::Sqlite, options, ALL).await;
        let working = json!({ "id": "working", "event": "session.status", "session": SESSION,
            "payload": { "name": SESSION, "status": "WORKING" } });
        it.app.post_json(&working).await;
        it.hear().await;
        it.app.clock.advance(3 * 60 * MINUTE_MS);
        let path = format!("/api/{SESSION}/chats/all/messages");
        it.waha.fail(Fault { path, times: 1_000, failure });
        it.look().await;
        it.assert_found(verdict, reason).await;
    }
}

/// Of two that look at once, because one was slow, only the later one acts.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_took_too_long_does_nothing() {
    let it = Watching::start(Kind::Sqlite, Options::of(plan(Engine::Gows)), ALL).await;
    it.waha.silence(Some(Silence::Dead));
    it.look().await;
    let other = watchdog(&it.app, &it.waha, ALL);
    let failure = Failure::Slow(Duration::from_secs(3));
    it.waha.fail(Fault { path: format!("/api/sessions/{SESSION}"), times: 1, failure });
    it.app.clock.advance(MINUTE_MS);
    let later = async {
        wait_for("the slow one", Duration::from_secs(20), || async {
            (it.row().await.lease_number == 2).then_some(())
        })
        .await;
        it.app.clock.advance(MINUTE_MS);
        other.look_due().await
    };
    let (slow, later) = tokio::join!(it.watchdog.look_due(), later);
    slow.and(later).unwrap();
    let history = it.history().await;
    assert_eq!(history.iter().filter(|it| it.0 == "warn").count(), 1, "{history:?}");
}

/// A worker that read who is due while another looked judges by what that one found.
async fn what_is_taken_is_as_it_was_left(kind: Kind) {
    let it = Watching::start(kind, Options::of(plan(Engine::Gows)), ALL).await;
    it.look().await;
    it.app.clock.advance(MINUTE_MS);
    let (store, source) = (&it.app.store, ["default".to_owned()]);
    let next_at = it.app.clock.now();
    let due = || async { store.due_watches(&source).await.unwrap().remove(0) };
    let taken = store.take_watch(due().await, next_at).await.unwrap().unwrap();
    let read_meanwhile = due().await;
    let found = waha_session_watches::Model { verdict: "dead".to_owned(), times: 2, ..taken.row };
    assert!(store.note_watch(&found, &[]).await.unwrap());
    let taken = store.take_watch(read_meanwhile, next_at).await.unwrap().unwrap();
    assert_eq!((taken.row.verdict.as_str(), taken.row.times), ("dead", 2));
    assert_eq!(taken.row.lease_number, found.lease_number + 1);
}

/// What is found of a session, by WAHA's name of it; none before it was looked at.
async fn found_of(it: &Watching, session: &str) -> Option<String> {
    let rows = waha_session_watches::Entity::find()
        .find_also_related(waha_sessions::Entity)
        .filter(waha_session_watches::Column::ProbedAt.is_not_null())
        .filter(waha_sessions::Column::Name.eq(session));
    rows.one(it.app.db()).await.unwrap().map(|(row, _)| row.verdict)
}

/// An installation of whose every session something has just come.
async fn watching_sessions(kind: Kind, sessions: u16) -> Watching {
    let options = Options::of(Plan { sessions, ..plan(Engine::Gows) });
    let it = Watching::start(kind, options, ALL).await;
    for session in it.waha.sessions() {
        it.app.post_json(&message(&session, it.app.clock.now_ms())).await;
    }
    it.app.work_until_idle().await;
    it
}

on_each_database!(one_session_of_a_source_is_restarted_at_a_time);

async fn one_session_of_a_source_is_restarted_at_a_time(kind: Kind) {
    let it = watching_sessions(kind, 3).await;
    it.waha.silence(Some(Silence::Dead));
    let other = watchdog(&it.app, &it.waha, ALL);
    let look_times = async |times| {
        for _ in 0..times {
            it.app.clock.advance(MINUTE_MS);
            let (one, two) = tokio::join!(it.watchdog.look_due(), other.look_due());
            one.and(two).unwrap();
        }
    };
    look_times(11).await;
    assert_eq!(it.restarts(), 1, "dead for ten minutes, all of them");
    look_times(3).await;
    assert_eq!(it.restarts(), 1, "the first one starts");
    it.waha.advance(Duration::from_secs(10));
    look_times(2).await;
    assert_eq!(it.restarts(), 2, "it works again");
    look_times(6).await;
    assert_eq!(it.restarts(), 3, "the second one does not, for longer than is waited");
}

on_each_database!(nobody_is_restarted_twice_before_the_others_are_once);

async fn nobody_is_restarted_twice_before_the_others_are_once(kind: Kind) {
    let it = watching_sessions(kind, 2).await;
    it.waha.silence(Some(Silence::Dead));
    // Sooner than a turn is over that helped nobody.
    let options = WatchdogOptions { restart_wait: Duration::from_mins(1), ..options(ALL) };
    let watchdog = watchdog_with(&it.app, vec![api(&it.waha)], options);
    while it.restarts() < 2 {
        let before = it.restarts();
        it.app.clock.advance(MINUTE_MS);
        watchdog.look_due().await.unwrap();
        if it.restarts() > before {
            // It starts, and is dead as before.
            it.waha.advance(Duration::from_secs(10));
            it.waha.silence(Some(Silence::Dead));
        }
    }
    let paths = it.waha.requests().into_iter().map(|it| it.path);
    let mut restarted: Vec<String> = paths.filter(|path| path.ends_with("/restart")).collect();
    restarted.dedup();
    assert_eq!(restarted.len(), 2, "{restarted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waha_that_does_not_answer_holds_up_no_other() {
    let it = watching_sessions(Kind::Sqlite, 2).await;
    let elsewhere = Served::start(Options::of(Plan { sessions: 2, ..plan(Engine::Gows) })).unwrap();
    let moved = waha_sessions::Entity::update_many()
        .col_expr(waha_sessions::Column::Source, "other".into())
        .filter(waha_sessions::Column::Name.eq("desk_1"));
    moved.exec(it.app.db()).await.unwrap();
    let failure = Failure::Slow(Duration::from_hours(1));
    it.waha.fail(Fault { path: format!("/api/sessions/{SESSION}"), times: 10, failure });
    let apis = vec![api(&it.waha), api_of("other", &elsewhere)];
    let watchdog = watchdog_of(&it.app, apis, ALL);
    it.app.clock.advance(MINUTE_MS);
    let looking = tokio::spawn(async move { watchdog.look_due().await });
    // Less than one call may take.
    let found = || found_of(&it, "desk_1");
    let verdict = wait_for("the other source", Duration::from_secs(20), found).await;
    assert_eq!(verdict, "alive");
    assert_eq!(found_of(&it, SESSION).await, None);
    let looked = tokio::time::timeout(Duration::from_secs(60), looking).await;
    looked.expect("it is not waited for as a list is").unwrap().unwrap();
    assert_eq!(found_of(&it, SESSION).await.as_deref(), Some("unknown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_answered_the_others_wait_for_the_next_round() {
    let it = watching_sessions(Kind::Sqlite, 6).await;
    let failure = Failure::Proxy(503);
    it.waha.fail(Fault { path: "/api/sessions/".to_owned(), times: 6, failure });
    it.look().await;
    let verdicts = async || {
        let found = waha_session_watches::Entity::find().all(it.app.db()).await.unwrap();
        let looked = found.into_iter().filter(|row| row.probed_at.is_some());
        let mut verdicts: Vec<_> = looked.map(|row| row.verdict).collect();
        verdicts.sort();
        verdicts
    };
    assert_eq!(verdicts().await, ["unknown"; 3], "each was asked for twice");
    it.watchdog.look_due().await.unwrap();
    let both = ["alive", "alive", "alive", "unknown", "unknown", "unknown"];
    assert_eq!(verdicts().await, both, "those that waited come first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_waha_refuses_is_none() {
    let it = Watching::start(Kind::Sqlite, Options::of(plan(Engine::Gows)), ALL).await;
    it.waha.silence(Some(Silence::Dead));
    let path = format!("/api/sessions/{SESSION}/restart");
    it.waha.fail(Fault { path, times: 2, failure: Failure::Lock });
    it.look_times(71).await;
    assert_eq!(it.restarts(), 2, "once an hour");
    assert_eq!(it.app.store.troubled_sessions().await.unwrap()[0].restarts, 0);
    it.look_times(60).await;
    assert_eq!((it.restarts(), it.row().await.restarts), (3, 1));
}
