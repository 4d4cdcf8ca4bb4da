//! The primary of a PostgreSQL is lost, and its standby promoted. With a synchronous one nothing is lost and
//! nothing doubled; with an asynchronous one exactly what is lost is told, and comes back from the old
//! ledger. An old primary that comes back by mistake is told, and not written to.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use tempfile::TempDir;
use waha_ingest::sender::{Sending, send_all};
use waha_ingest::simulate::{Plan, Sent, history};

use crate::database::Database;
use crate::postgres_pair::PostgresPair;
use crate::process::Setting;
use crate::rows::count;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);

/// A pair with a database, and a process that knows both servers.
struct Site {
    pair: PostgresPair,
    /// On the server that is the primary at first.
    database: Database,
    url: String,
    folder: TempDir,
}

impl Site {
    async fn start() -> Self {
        let pair = PostgresPair::start();
        let database = Database::on_server(&pair.primary.url).await;
        let url = pair.url_of_both(&database.url);
        Self { pair, database, url, folder: tempfile::tempdir().unwrap() }
    }

    fn setting(&self) -> Setting<'_> {
        Setting::new(self.folder.path(), &self.url)
    }

    /// The same database at the server that is promoted.
    fn promoted(&self) -> Database {
        let Self { pair, database, .. } = self;
        database.elsewhere(&pair.primary.address(), &pair.standby.address())
    }

    fn fail_over(&self) {
        self.pair.primary.order("kill");
        self.pair.promote();
    }
}

fn webhooks(seed: u64) -> impl Iterator<Item = Sent> + Send {
    history(&Plan { seed, messages: 5_000, ..Plan::default() })
}

fn sending(setting: &Setting<'_>, rate: Option<f64>) -> Sending {
    Sending { rate, ..setting.sending(8) }
}

async fn post(setting: &Setting<'_>, webhooks: impl Iterator<Item = Sent> + Send + 'static) {
    let report = send_all(sending(setting, None), webhooks, || ()).await.unwrap();
    assert_eq!(report.accepted, report.sent);
}

async fn ledger(database: &Database) -> u64 {
    u64::try_from(count(&database.connect().await, "webhook_events").await).unwrap()
}

/// Rows that can be exported: of what is gone in a moment, such as a presence, no body is kept.
async fn bodies(database: &Database) -> i64 {
    count(&database.connect().await, "webhook_events WHERE body IS NOT NULL").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_loses_and_doubles_nothing_under_load() {
    const COUNT: usize = 1_500;
    let site = Site::start().await;
    site.pair.be_synchronous();
    let setting = site.setting();
    let _up = setting.up().await;
    let all: Vec<Sent> = webhooks(11).take(COUNT).collect();
    let load = send_all(sending(&setting, Some(150.0)), all.into_iter(), || ());
    let load = tokio::spawn(load);
    wait_for("load", PATIENCE, || async { (ledger(&site.database).await > 300).then_some(()) })
        .await;
    site.fail_over();
    let report = load.await.unwrap().unwrap();
    assert_eq!((report.accepted, report.refused), (COUNT as u64, 0), "{report:?}");
    let status = setting.settled(PATIENCE).await;
    assert_eq!(status["balanced"], true, "{status}");
    assert_eq!((&status["accepted"], &status["missing"]), (&COUNT.into(), &0.into()), "{status}");
    assert_eq!(
        (&status["duplicate"], &status["dead_lettered"]),
        (&0.into(), &0.into()),
        "{status}"
    );
    let promoted = site.promoted();
    assert_eq!(ledger(&promoted).await, COUNT as u64);
    let rows = entity::webhook_events::Entity::find().all(&promoted.connect().await).await.unwrap();
    assert!(rows.iter().all(|row| row.attempts == 1), "a failover is no attempt");
    let log = std::fs::read_to_string(site.folder.path().join("log")).unwrap();
    assert!(log.contains("another database server takes writes"), "{log}");
}

/// The standby gets nothing more, and nobody notices.
async fn cut_off_standby(site: &Site) {
    site.pair.standby_catches_up().await;
    let standby = site.promoted().connect().await;
    for sql in ["ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"] {
        standby.execute_unprepared(sql).await.unwrap();
    }
    let primary = site.database.connect().await;
    wait_for("no standby", PATIENCE, || async {
        (count(&primary, "pg_stat_replication").await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_standby_loses_exactly_what_is_told() {
    const KEPT: usize = 300;
    const LOST: usize = 100;
    let site = Site::start().await;
    let setting = site.setting();
    let _up = setting.up().await;
    post(&setting, webhooks(21).take(KEPT)).await;
    setting.settled(PATIENCE).await;
    let kept_bodies = bodies(&site.database).await;
    cut_off_standby(&site).await;
    post(&setting, webhooks(22).take(LOST)).await;
    setting.settled(PATIENCE).await;
    let lost_bodies = bodies(&site.database).await - kept_bodies;
    site.fail_over();
    // Sessions and chats of the second history are gone, and their ids are given to others.
    post(&setting, webhooks(23).take(KEPT)).await;
    post(&setting, webhooks(22).skip(LOST).take(LOST)).await;
    told(&setting, "another database server takes writes").await;
    let told_missing = missing(&setting, LOST as u64).await;
    assert_eq!(told_missing["dead_lettered"], 0, "{told_missing}");

    come_back_by_mistake(&site, &setting).await;
    bring_back(&site, &setting, lost_bodies).await;
    let status = setting.status();
    assert_eq!((&status["balanced"], &status["lost"]), (&true.into(), &LOST.into()), "{status}");
}

/// The status once so many are missing and all others have ended.
async fn missing(setting: &Setting<'_>, count: u64) -> serde_json::Value {
    wait_for("missing webhooks", PATIENCE, || async {
        let status = setting.status();
        let is_known = status["balanced"] == false && status["waiting"] == 0;
        (is_known && status["missing"] == count).then_some(status)
    })
    .await
}

async fn told(setting: &Setting<'_>, text: &str) {
    wait_for(text, PATIENCE, || async {
        std::fs::read_to_string(setting.folder.join("log")).unwrap().contains(text).then_some(())
    })
    .await;
}

async fn come_back_by_mistake(site: &Site, setting: &Setting<'_>) {
    site.pair.primary.order("resume");
    let before = ledger(&site.database).await;
    told(setting, "stop the former primary").await;
    let rows = ledger(&site.promoted()).await;
    post(setting, webhooks(24).take(50)).await;
    wait_for("more rows in the new one", PATIENCE, || async {
        (ledger(&site.promoted()).await == rows + 50).then_some(())
    })
    .await;
    assert_eq!(ledger(&site.database).await, before, "nothing is written to the old one");
    let check = setting.run(&["check"]);
    let lines = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(1), "{lines}");
    assert!(lines.contains("timeline 2") && lines.contains("stop the former primary"), "{lines}");
}

/// As the runbook says.
async fn bring_back(site: &Site, setting: &Setting<'_>, lost_bodies: i64) {
    let file = site.folder.path().join("lost.jsonl").display().to_string();
    let old = Setting::new(site.folder.path(), &site.database.url);
    for (setting, arguments) in [
        (&old, vec!["webhooks", "export", "--all", "--output", &file]),
        (setting, vec!["webhooks", "import", &file, "--yes", "--note", "failover"]),
        (setting, vec!["status", "settle", "--yes", "--note", "brought back"]),
    ] {
        let output = setting.run(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let sql = "SELECT affected FROM audit_logs WHERE action = 'import'";
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = site.promoted().connect().await.query_one_raw(statement).await.unwrap().unwrap();
    let imported: i64 = row.try_get_by_index(0).unwrap();
    assert_eq!(imported, lost_bodies, "what is known is left alone");
}
