//! The database's password changes under load, as Kubernetes mounts it: the URL is in a file that is
//! replaced. No webhook is rejected or lost, no process is started anew, and the old connections close.

use std::path::Path;
use std::time::Duration;

use sea_orm::{ConnectionTrait, Database as Connect, DatabaseConnection, Statement};
use waha_ingest::http_client;
use waha_ingest::sender::{Sending, send_all};
use waha_ingest::simulate::{Plan, Sent, history};

use crate::app::KEY;
use crate::database::Database;
use crate::process::Setting;
use crate::rows::count;
use crate::server::Server;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);
const COUNT: usize = 1_200;
const RATE: f64 = 80.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_taken_over_under_load() {
    let server = Server::start("postgres");
    let database = Database::on_server(&server.url).await;
    let db = database.connect().await;
    require_passwords(&server, &db).await;
    let folder = tempfile::tempdir().unwrap();
    let url_file = folder.path().join("url");
    let url =
        |password: &str| database.url.replacen("//postgres@", &format!("//waha:{password}@"), 1);
    replace(&url_file, &url("former-word"));
    let mut setting = Setting::new(folder.path(), "");
    let file = url_file.display().to_string();
    setting.environment = vec![("WAHA_INGEST__DATABASE__URL_FILE", file)];
    let mut up = setting.up().await;
    let plan = Plan { seed: 9, messages: 2_000, ..Plan::default() };
    let webhooks: Vec<Sent> = history(&plan).take(COUNT).collect();
    let sending = Sending { rate: Some(RATE), ..setting.sending(8) };
    let sending = tokio::spawn(send_all(sending, webhooks.into_iter(), || ()));
    wait_for("load", PATIENCE, || async {
        (count(&db, "webhook_events").await > 50).then_some(())
    })
    .await;
    let before = connections(&db).await;
    assert!(!before.is_empty());
    // A file that names a password which the server does not know yet keeps the old connections.
    replace(&url_file, &url("later-word"));
    told(&setting, "the changed URL of the database can't be used yet").await;
    db.execute_unprepared("ALTER ROLE waha PASSWORD 'later-word'").await.unwrap();
    told(&setting, "connected by the changed URL of the database").await;
    wait_for("the old connections to close", PATIENCE, || async {
        connections(&db).await.iter().all(|pid| !before.contains(pid)).then_some(())
    })
    .await;
    let report = sending.await.unwrap().unwrap();
    assert_eq!((report.accepted, report.refused), (report.sent, 0), "{report:?}");
    let status = setting.settled(PATIENCE).await;
    assert_eq!((&status["balanced"], &status["duplicate"]), (&true.into(), &0.into()), "{status}");
    assert_eq!(status["accepted"], COUNT, "{status}");
    // Another kind of database can't be taken over.
    replace(&url_file, "sqlite://elsewhere.db");
    told(&setting, "restart for that").await;
    post_still_works(&setting, &db).await;
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("-word"), "{log}");
    assert_eq!(up.terminate(), Some(0));
}

async fn post_still_works(setting: &Setting<'_>, db: &DatabaseConnection) {
    let client = http_client::plain().build().unwrap();
    let body = r#"{"event":"message","session":"after"}"#;
    let signature = waha_ingest::webhook::source::sign(&KEY.into(), body.as_bytes());
    let request = client.post(setting.url()).header("x-webhook-hmac", signature).body(body);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 202);
    let all = i64::try_from(COUNT + 1).unwrap();
    wait_for("one more in the ledger", PATIENCE, || async {
        (count(db, "webhook_events").await == all).then_some(())
    })
    .await;
}

/// The role waha needs one; its administrator none.
async fn require_passwords(server: &Server, db: &DatabaseConnection) {
    for sql in
        ["CREATE ROLE waha LOGIN PASSWORD 'former-word'", "GRANT ALL ON SCHEMA public TO waha"]
    {
        db.execute_unprepared(sql).await.unwrap();
    }
    let file = server.home().join("data/pg_hba.conf");
    let rules = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("host all waha 127.0.0.1/32 scram-sha-256\n{rules}")).unwrap();
    db.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    let wrong = server.url.replacen("//postgres@", "//waha:wrong@", 1);
    wait_for("the rule", PATIENCE, || async {
        Connect::connect(&wrong).await.is_err().then_some(())
    })
    .await;
}

fn replace(file: &Path, text: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, file).unwrap();
}

async fn told(setting: &Setting<'_>, text: &str) {
    wait_for(text, PATIENCE, || async {
        std::fs::read_to_string(setting.folder.join("log")).unwrap().contains(text).then_some(())
    })
    .await;
}

/// The processes of the server that serve us.
async fn connections(db: &DatabaseConnection) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE usename = 'waha'";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}
