//! A database that can't be used: `check` and `status` say where, what happened and what helps, and
//! `status` says all else that is known.

use serde_json::Value;

use crate::cli::run;
use crate::process::Setting;

/// A server's URL for another user, with a password, or for another database.
fn changed(variable: &str, user: Option<&str>, database: &str) -> String {
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
