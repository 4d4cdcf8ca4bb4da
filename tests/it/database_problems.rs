//! A database that can't be used: `check` and `status` say where, what happened and what helps, and
//! `status` says all else that is known.

use sea_orm::ConnectionTrait;
use serde_json::Value;

use crate::cli::run;
use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::rows::count;

/// A server's URL for another user, with a password, or for another database.
pub fn changed(variable: &str, user: Option<&str>, database: &str) -> String {
    let url = std::env::var(variable).unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    let query = path.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
    let (known, host) = authority.rsplit_once('@').unwrap();
    let user = user.map_or_else(|| known.to_owned(), |user| format!("{user}:hush-hush"));
    format!("{scheme}://{user}@{host}/{database}{query}")
}

fn checked(url: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SOURCES__DEFAULT__HMAC_KEYS", "key"), ("DATABASE__URL", url)];
    let output = run(folder.path(), &settings, &["check"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hush"), "{text}");
    (output.status.code(), text)
}

#[test]
fn check_names_place_words_and_remedy() {
    let cases = [
        (
            "postgres://me:hush@127.0.0.1:1/shop?sslmode=disable".to_owned(),
            ["127.0.0.1:1, database shop, user me", "refused", "start the server"],
        ),
        (
            "postgres://me:hush@no-such-host.invalid/shop".to_owned(),
            ["no-such-host.invalid:5432, database shop", "lookup", "name of the host"],
        ),
        (
            changed("TEST_POSTGRES_URL", None, "no_such_shop"),
            ["database no_such_shop", "does not exist (code 3D000)", "create it"],
        ),
        (
            changed("TEST_POSTGRES_URL", Some("nobody_here"), "postgres"),
            ["user nobody_here", "code 28", "user or the password"],
        ),
        (
            changed("TEST_MYSQL_URL", None, "no_such_shop"),
            ["database no_such_shop", "code 1049", "create it"],
        ),
        (
            changed("TEST_MYSQL_URL", Some("nobody_here"), "mysql"),
            ["user nobody_here", "code 1045", "user or the password"],
        ),
    ];
    for (url, parts) in cases {
        let (code, text) = checked(&url);
        assert_eq!(code, Some(1), "{text}");
        let line =
            text.lines().find(|line| line.starts_with("FAILED  database: ")).unwrap_or(&text);
        for part in parts {
            assert!(line.contains(part), "{part:?} is missing in {line}");
        }
    }
}

/// Who may read and not write is told, and nothing that was tried stays.
#[tokio::test(flavor = "multi_thread")]
async fn check_tries_the_rights_and_leaves_nothing() {
    let database = Database::create(Kind::Postgres).await;
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    let name = database.url.rsplit('/').next().unwrap().split('?').next().unwrap();
    for statement in [
        format!("CREATE ROLE reads_{name} LOGIN PASSWORD 'hush-hush'"),
        format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reads_{name}"),
    ] {
        db.execute_unprepared(&statement).await.unwrap();
    }
    let (_, all) = checked(&database.url);
    assert!(all.contains("written and read (rolled back)"), "{all}");
    let (code, text) = checked(&changed("TEST_POSTGRES_URL", Some(&format!("reads_{name}")), name));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("not all of them written: ") && text.contains("42501"), "{text}");
    assert!(text.contains("deploy/roles"), "{text}");
    assert_eq!(count(&db, "waha_processes").await, 0);
    for statement in [format!("DROP OWNED BY reads_{name}"), format!("DROP ROLE reads_{name}")] {
        db.execute_unprepared(&statement).await.unwrap();
    }
}

/// Servers tell how large our tables are, and nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn check_tells_how_the_tables_are() {
    for kind in [Kind::Postgres, Kind::MySql] {
        let database = Database::create(kind).await;
        let db = database.connect().await;
        migration::up(&db).await.unwrap();
        db.execute_unprepared("CREATE TABLE aaa_not_ours (id BIGINT)").await.unwrap();
        let (_, text) = checked(&database.url);
        let line = text.lines().find(|line| line.starts_with("ok      tables: ")).unwrap_or(&text);
        assert!(
            line.contains(" MiB; ") && line.contains(" MiB of indexes, about 0 rows"),
            "{line}"
        );
        assert!(!text.contains("aaa_not_ours"), "{text}");
    }
}

/// An index that was being built when the builder was cut off is written for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn check_names_an_index_that_no_query_uses() {
    let database = Database::create(Kind::Postgres).await;
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    let spoil = "UPDATE pg_index SET indisvalid = FALSE \
                 WHERE indexrelid = 'idx_waha_chats_session_id_last_message_at'::regclass";
    db.execute_unprepared(spoil).await.unwrap();
    let (code, text) = checked(&database.url);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("REINDEX INDEX idx_waha_chats_session_id_last_message_at"), "{text}");
}

/// A port that somebody else has is told; beside our own process it is not.
#[tokio::test(flavor = "multi_thread")]
async fn check_tries_the_ports_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let said = || {
        let output = setting.run(&["check"]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (_, text) = said();
    assert!(text.contains(": free"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a look made something");
    let other = std::net::TcpListener::bind(("127.0.0.1", setting.port)).unwrap();
    let (code, text) = said();
    assert_eq!(code, Some(1), "{text}");
    let line = text.lines().find(|line| line.starts_with("FAILED  port: server.listen")).unwrap();
    assert!(line.contains("another program listens there"), "{line}");
    drop(other);
    let _up = setting.up().await;
    let (code, text) = said();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("as by the process that runs with this configuration"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_what_is_known_while_the_database_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgres://me:hush@127.0.0.1:1/shop?sslmode=disable";
    let setting = Setting::new(folder.path(), url);
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    let simulated = setting.run(&["simulate", "--count", "12"]);
    assert!(simulated.status.success());
    let output = setting.run(&["status"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    for part in [
        "accepted 12, waiting 12",
        "away: database: 127.0.0.1:1, database shop, user me: ",
        "start the server",
        "messages",
        "looked at: data ./data; database 127.0.0.1:1, database shop, user me; queue ./data/queue.db",
    ] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    assert!(!text.contains("hush"), "{text}");
    let output = setting.run(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&status["balanced"], &status["accepted"]), (&Value::Null, &12.into()), "{status}");
    assert_eq!(status["away"][0]["what"], "database");
    assert_eq!(status["lanes"].as_array().unwrap().len(), 4);
    assert_eq!(status["dead_letter_groups"], Value::Null);
}

#[test]
fn status_says_what_is_known_while_the_broker_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let tables = format!("sqlite://{}", folder.path().join("data/waha.db").display());
    let mut setting = Setting::new(folder.path(), &tables);
    setting.queue_url = Some("amqp://me:hush@127.0.0.1:1/%2f".to_owned());
    assert!(setting.run(&["migrate", "up"]).status.success());
    std::fs::write(folder.path().join("data/spool.db"), "").unwrap();
    let output = setting.run(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.code(), Some(3), "{status}");
    assert_eq!(status["away"][0]["what"], "queue", "{status}");
    assert!(status["away"][0]["words"].as_str().unwrap().contains("refused"), "{status}");
    assert_eq!(status["dead_letter_groups"], serde_json::json!([]), "the tables are there");
    assert!(!status.to_string().contains("hush"), "{status}");
}
