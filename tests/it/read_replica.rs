//! Lists are read from a replica and say how old they are; what must be fresh is not, and a replica that is away or
//! too old is missed by nobody.

use std::time::Duration;

use reqwest::Response;
use sea_orm::{ConnectionTrait, Database as Connect};
use secrecy::SecretString;
use serde_json::{Value, json};
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;
use waha_ingest::webhook::verify::HMAC_HEADER;

use crate::app::KEY;
use crate::cli::run;
use crate::database::{Database, Kind};
use crate::database_problems::changed;
use crate::postgres_pair::PostgresPair;
use crate::process::Setting;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_mins(3);
const AGE: &str = "waha-ingest-data-age-ms";

/// A webhook that is in the ledger once it ended.
async fn post(setting: &Setting<'_>, number: u32) {
    let body = json!({
        "id": format!("evt_{number}"), "event": "session.status", "session": "s",
        "timestamp": 1_795_000_000_000_u64, "engine": "NOWEB",
        "payload": { "status": "WORKING" },
    })
    .to_string();
    let signature = sign(&SecretString::from(KEY), body.as_bytes());
    let client = http_client::plain().build().unwrap();
    let request = client.post(setting.url()).header(HMAC_HEADER, signature).body(body);
    assert_eq!(request.send().await.unwrap().status(), 202);
}

async fn get(setting: &Setting<'_>, path: &str) -> Response {
    let url = format!("http://127.0.0.1:{}/{path}", setting.admin_port);
    let client = http_client::plain().timeout(PATIENCE).build().unwrap();
    client.get(url).send().await.unwrap()
}

/// How many webhooks the list shows, and how old it says that it is, ms.
async fn listed(setting: &Setting<'_>) -> (usize, Option<u64>) {
    let answer = get(setting, "api/v1/webhooks").await;
    assert_eq!(answer.status(), 200);
    let age = answer.headers().get(AGE).map(|age| age.to_str().unwrap().parse().unwrap());
    let page: Value = answer.json().await.unwrap();
    (page["webhooks"].as_array().unwrap().len(), age)
}

async fn json_of(setting: &Setting<'_>, path: &str) -> Value {
    get(setting, path).await.json().await.unwrap()
}

/// So many are applied, as the primary counts them.
async fn applied(setting: &Setting<'_>, count: u64) {
    wait_for("the webhooks to be applied", PATIENCE, || async {
        let status = json_of(setting, "api/v1/status").await;
        let ended = ["applied", "ignored"].map(|it| status[it].as_u64().unwrap_or_default());
        (ended.iter().sum::<u64>() == count && status["balanced"] == true).then_some(())
    })
    .await;
}

async fn shows(setting: &Setting<'_>, count: usize, is_old: bool) {
    wait_for(&format!("{count} in the list, from the replica: {is_old}"), PATIENCE, || async {
        let (rows, age) = listed(setting).await;
        (rows == count && age.is_some() == is_old).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_from_a_standby_while_that_is_good_enough() {
    let pair = PostgresPair::start();
    let database = Database::on_server(&pair.primary.url).await;
    let standby = database.elsewhere(&pair.primary.address(), &pair.standby.address());
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.environment.push(("WAHA_INGEST__DATABASE__READ_URL", standby.url.clone()));
    setting.environment.push(("WAHA_INGEST__DATABASE__READ_AGE_MAX_MS", "45000".to_owned()));
    let _up = setting.up().await;
    post(&setting, 1).await;
    applied(&setting, 1).await;
    shows(&setting, 1, true).await;
    let status = json_of(&setting, "api/v1/status").await;
    assert_eq!(status["read_replica"]["is_used"], true, "{status}");
    assert!(status["read_replica"]["age_ms"].as_u64().unwrap() < 10_000, "{status}");
    assert_eq!(json_of(&setting, "readyz").await["read_replica"]["is_used"], true);

    // It follows no more: what it has is told, and how old that is; what must be fresh is.
    let admin = Connect::connect(&standby.url).await.unwrap();
    admin.execute_unprepared("SELECT pg_wal_replay_pause()").await.unwrap();
    wait_for("a list that is two seconds old", PATIENCE, || async {
        listed(&setting).await.1.filter(|age| *age >= 2_000)
    })
    .await;
    post(&setting, 2).await;
    applied(&setting, 2).await;
    let (rows, age) = listed(&setting).await;
    assert_eq!(rows, 1, "the standby does not have it");
    assert!(age.is_some_and(|age| age >= 1_000), "{age:?}");
    let listed = setting.run(&["webhooks", "list", "--json"]);
    // A command has never seen it follow, so it does not know how old it is.
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 2);

    // Too old.
    shows(&setting, 2, false).await;
    let status = json_of(&setting, "api/v1/status").await;
    assert_eq!(status["read_replica"]["is_used"], false, "{status}");
    assert!(
        status["read_replica"]["problem"].as_str().unwrap().contains("45 s behind"),
        "{status}"
    );
    admin.execute_unprepared("SELECT pg_wal_replay_resume()").await.unwrap();
    shows(&setting, 2, true).await;
    let listed = setting.run(&["webhooks", "list", "--json"]);
    let said = String::from_utf8_lossy(&listed.stderr);
    assert!(said.contains("read from the replica: at most "), "{said}");

    // It hangs, then it is gone.
    for (strike, mend) in [("freeze", Some("thaw")), ("kill", None)] {
        pair.standby.order(strike);
        shows(&setting, 2, false).await;
        wait_for("the metric", PATIENCE, || async {
            let metrics = get(&setting, "metrics").await.text().await.unwrap();
            metrics.contains("waha_ingest_read_replica_up 0").then_some(())
        })
        .await;
        if let Some(mend) = mend {
            pair.standby.order(mend);
            shows(&setting, 2, true).await;
        }
    }
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("lists are read from the primary, not from the replica"), "{log}");
    let check = setting.run(&["check"]);
    let text = String::from_utf8_lossy(&check.stdout);
    assert!(text.contains("FAILED  database: database.read_url: "), "{text}");
    assert!(!text.contains("read_url: postgres:"), "{text}");
}

/// The databases of a cluster have one log, so one says of the others how far they are.
#[tokio::test(flavor = "multi_thread")]
async fn another_database_of_the_same_server_is_none() {
    let [database, other] =
        [Database::create(Kind::Postgres).await, Database::create(Kind::Postgres).await];
    migration::up(&other.connect().await).await.unwrap();
    is_not_read_from(&database, &other.url, "another database").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_user_may_not_read_is_none() {
    let database = Database::create(Kind::Postgres).await;
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    let name = database.url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let user = format!("blind_{name}");
    for statement in [
        format!("CREATE ROLE {user} LOGIN PASSWORD 'hush-hush'"),
        format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}"),
        format!("REVOKE SELECT ON audit_logs FROM {user}"),
    ] {
        db.execute_unprepared(&statement).await.unwrap();
    }
    let url = changed("TEST_POSTGRES_URL", Some(&user), name);
    is_not_read_from(&database, &url, "not all of our tables can be read").await;
    for statement in [format!("DROP OWNED BY {user}"), format!("DROP ROLE {user}")] {
        db.execute_unprepared(&statement).await.unwrap();
    }
}

/// Lists are right, and it is said why they come from the primary.
async fn is_not_read_from(database: &Database, read_url: &str, why: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.environment.push(("WAHA_INGEST__DATABASE__READ_URL", read_url.to_owned()));
    let _up = setting.up().await;
    post(&setting, 1).await;
    applied(&setting, 1).await;
    shows(&setting, 1, false).await;
    let status = json_of(&setting, "api/v1/status").await;
    assert_eq!(status["read_replica"]["is_used"], false, "{status}");
    assert!(status["read_replica"]["problem"].as_str().unwrap().contains(why), "{status}");
    let check = setting.run(&["check"]);
    let text = String::from_utf8_lossy(&check.stdout);
    let line = text.lines().find(|line| line.contains("database.read_url: ")).unwrap();
    assert!(line.starts_with("FAILED ") && line.contains(why), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_has_one_too() {
    let database = Database::create(Kind::MySql).await;
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), &database.url);
    let password = folder.path().join("read_url");
    std::fs::write(&password, format!("{}\n", database.url)).unwrap();
    let file = password.display().to_string();
    setting.environment.push(("WAHA_INGEST__DATABASE__READ_URL_FILE", file));
    let _up = setting.up().await;
    post(&setting, 1).await;
    applied(&setting, 1).await;
    shows(&setting, 1, true).await;
    let check = setting.run(&["check"]);
    let text = String::from_utf8_lossy(&check.stdout);
    assert!(text.contains("ok      database: database.read_url: "), "{text}");
}

#[test]
fn what_can_be_no_replica_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let key = ("SOURCES__DEFAULT__HMAC_KEYS", "key");
    let read = ("DATABASE__READ_URL", "postgres://me:hush@127.0.0.1:1/shop");
    let output = run(folder.path(), &[key, read], &["check"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("database.read_url: is for PostgreSQL"), "{error}");
    let mysql = ("DATABASE__URL", "mysql://me:hush@127.0.0.1:1/shop");
    let output = run(folder.path(), &[key, read, mysql], &["check"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("the same kind of database"), "{text}");
    let several = ("DATABASE__READ_URL", "postgres://a,b/shop");
    let url = ("DATABASE__URL", "postgres://me:hush@127.0.0.1:1/shop");
    let output = run(folder.path(), &[key, several, url], &["check"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("must name one server") && !text.contains("hush"), "{text}");
}
