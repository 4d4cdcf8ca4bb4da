//! What is wrong with a configuration, said so that it can be mended: place, key and reason, nearest names,
//! and variables that only look like settings.

use std::path::Path;
use std::process::{Command, Output};

use crate::cli::run;

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn check(folder: &Path, file: &str) -> (Option<i32>, String) {
    std::fs::write(folder.join("waha-ingest.toml"), file).unwrap();
    let output = run(folder, &[("SOURCES__DEFAULT__HMAC_KEYS", "hush")], &["check"]);
    (output.status.code(), error(&output))
}

/// Runs `check` with a variable under its whole name.
fn check_with(folder: &Path, name: &str, value: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waha-ingest"));
    command.arg("check").env_clear().current_dir(folder).env(name, value);
    command.env("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS", "hush").output().unwrap()
}

#[test]
fn a_file_that_is_no_toml_is_told_with_place_key_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = check(folder.path(), "[server]\nlisten = here\n");
    assert_eq!(code, Some(1), "{said}");
    for part in ["waha-ingest.toml", "line 2, column 10", "server.listen", "quoted"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    let secret = "[sources.default]\nhmac_keys = c2VjcmV0\n";
    let (_, said) = check(folder.path(), secret);
    assert!(said.contains("sources.default.hmac_keys") && !said.contains("c2VjcmV0"), "{said}");
    let (_, said) = check(folder.path(), "[log]\nlevel = \"info\"\nlevel = \"warn\"\n");
    assert!(said.contains("duplicate key") && said.contains("log.level"), "{said}");
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_one() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = check(folder.path(), "[server]\nlisen = \"0.0.0.0:1\"\n");
    assert_eq!(code, Some(1));
    assert!(said.contains("server.lisen: unknown key; near it: server.listen"), "{said}");
    assert!(said.contains("WAHA_INGEST__SERVER__LISTEN"), "{said}");
}

#[test]
fn a_level_that_means_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for level in ["loud", "info,nonsense", "waha_ingest=loud"] {
        let (code, said) = check(folder.path(), &format!("[log]\nlevel = \"{level}\"\n"));
        assert_eq!(code, Some(1), "{level}: {said}");
        assert!(said.contains("log.level: ") && said.contains("error, warn, info"), "{said}");
    }
    std::fs::remove_file(folder.path().join("waha-ingest.toml")).unwrap();
    let output = check_with(folder.path(), "RUST_LOG", "loud");
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("RUST_LOG: \"loud\""), "{}", error(&output));
    assert_eq!(check_with(folder.path(), "RUST_LOG", "warn,other=debug").status.code(), Some(0));
}

#[test]
fn a_variable_that_only_looks_like_a_setting_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (name, meant) in [
        ("WAHA_INGEST_SERVER_LISTEN", "WAHA_INGEST__SERVER__LISTEN"),
        ("WAHA_INGEST_SERVER__LISTEN", "WAHA_INGEST__SERVER__LISTEN"),
        ("WAHA_INGEST_SOURCES_SHOP_HMAC_KEYS", "WAHA_INGEST__SOURCES__NAME__HMAC_KEYS"),
        ("WAHA_INGEST__SERVER_LISTEN", "WAHA_INGEST__SERVER__LISTEN"),
    ] {
        let output = check_with(folder.path(), name, "127.0.0.1:1");
        assert_eq!(output.status.code(), Some(1), "{name}: {}", error(&output));
        assert!(error(&output).contains(meant), "{name}: {}", error(&output));
    }
    let output = check_with(folder.path(), "WAHA_INGEST_TAG", "0.1.0");
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    assert!(error(&output).contains("WAHA_INGEST_TAG is no setting"), "{}", error(&output));
    // What Kubernetes makes for a Service of this name.
    let output = check_with(folder.path(), "WAHA_INGEST_PORT", "tcp://10.0.0.1:8080");
    assert_eq!((output.status.code(), error(&output).as_str()), (Some(0), ""));
}

#[test]
fn check_finds_the_key_that_up_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("hmac-key"), "a-key\n").unwrap();
    let output = run(folder.path(), &[], &["check"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("data/hmac-key") && !text.contains("a-key\n"), "{text}");
}

#[test]
fn what_is_wrong_with_waha_and_media_is_told_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = check(folder.path(), "[media]\nenabled = true\n");
    assert_eq!(code, Some(1));
    assert!(said.contains("media.enabled: no source has a [sources.NAME.waha]"), "{said}");
    let waha = "[sources.default.waha]\napi_key = \"hush hush\"\ns3_origins = [\"https://s3/x\"]\n\
                requests_per_minute = 0\nurl = \"ftp://waha\"\n\
                [media]\nenabled = true\nstorage = \"s3\"\nsessions = [\"sales\"]\n\
                [media.s3]\nendpoint = \"s3:9000\"\nsecret_access_key = \"hush hush\"\n";
    let (code, said) = check(folder.path(), waha);
    assert_eq!(code, Some(1));
    for key in [
        "sources.default.waha.url: must be an http:// or https:// URL",
        "sources.default.waha.s3_origins: must be an origin",
        "sources.default.waha.requests_per_minute: must be a whole number",
        "media.sessions: \"sales\" is not SOURCE/SESSION",
        "media.s3.bucket: must not be empty",
        "media.s3.access_key_id: must not be empty",
        "media.s3.endpoint: must be an http:// or https:// URL",
    ] {
        assert!(said.contains(key), "{key} is missing in {said}");
    }
    assert!(!said.contains("hush hush"), "{said}");
    let misspelt = "[sources.default.waha]\nurl = \"http://waha\"\n\
                    [media]\nenabled = true\nsessions = [\"defualt/sales\"]\n";
    let (code, said) = check(folder.path(), misspelt);
    let told =
        "media.sessions: \"defualt/sales\": no source defualt has an API; these have: default";
    assert!(code == Some(1) && said.contains(told), "{said}");
}

#[test]
fn ages_of_sources_are_told_with_what_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let said = |file: &str| check(folder.path(), file);
    let (code, error) = said("[retention.sources.defualt]\nmessage_days = 3\nnonsense = 1\n");
    let meant = "retention.sources.defualt: there is no source \"defualt\"; near it: default";
    assert!(code == Some(1) && error.contains(meant), "{error}");
    assert!(!error.contains("nonsense"), "{error}");
    let (_, error) = said("[retention.sources.default]\nmesage_days = 3\n");
    let meant = "unknown key; near it: retention.sources.default.message_days";
    assert!(error.contains(meant), "{error}");
    let (_, error) = said("[retention.sources.default]\nledger_days = 30\n");
    assert!(error.contains("retention.sources.default.ledger_days: unknown key"), "{error}");
    let (_, error) = said("[retention.sources.default]\ncall_days = -1\n");
    let meant = "retention.sources.default.call_days: must be a whole number from 0 to 36500";
    assert!(error.contains(meant), "{error}");
    let archive = "[archive]\nurl = \"archive\"\n[retention.sources.default]\nbody_days = 3\n";
    let (_, error) = said(archive);
    let meant = "retention.sources.default.body_days: must be 0 with archive.url";
    assert!(error.contains(meant), "{error}");
    let (code, error) = said("[retention.sources.default]\nbody_days = 0\nmessage_days = 3\n");
    assert_eq!(code, Some(0), "{error}");
}

/// A URL that the door answers 404, or that WAHA refuses, is told before anything is registered.
#[test]
fn a_url_of_the_door_that_leads_nowhere_is_told_with_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let said = |url: &str| {
        let waha = "[sources.default.waha]\nurl = \"http://127.0.0.1:1\"\n";
        check(folder.path(), &format!("{waha}webhook_url = \"{url}\"\n")).1
    };
    for path in ["/webhooks/default/", "/webhooks", "/webhooks/nosuch", "/webhooks/Default", "/x"] {
        let said = said(&format!("http://ingest:8080{path}"));
        assert!(said.contains("webhook_url: must end in /webhooks/default"), "{path}: {said}");
    }
    for (url, why) in [
        ("http://waha_ingest:8080", "underscore"),
        ("http://0:8080", "none to send to"),
        ("http://[::]:8080/webhooks/default", "none to send to"),
    ] {
        let said = said(url);
        assert!(said.contains("webhook_url: ") && said.contains(why), "{url}: {said}");
    }
    for url in ["http://ingest:8080", "http://ingest/", "https://host/a/b/webhooks/default"] {
        assert!(!said(url).contains("webhook_url"), "{url}");
    }
    // What only this WAHA can't reach is no fault of the URL: `check` says it.
    let file = "[sources.default.waha]\nurl = \"http://203.0.113.7:3000\"\nwebhook_url = \"http://localhost:8080\"\n";
    std::fs::write(folder.path().join("waha-ingest.toml"), file).unwrap();
    let output = run(folder.path(), &[("SOURCES__DEFAULT__HMAC_KEYS", "hush")], &["check"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let line = said.lines().find(|line| line.contains("webhook_url")).unwrap();
    assert!(line.starts_with("FAILED") && line.contains("loopback"), "{said}");
}

#[test]
fn events_that_waha_does_not_know_are_told_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let said = |events: &str| {
        let waha = "[sources.default.waha]\nurl = \"http://127.0.0.1:1\"\n";
        check(folder.path(), &format!("{waha}webhook_events = {events}\n")).1
    };
    let wrong = said(r#"["message", "mesage.any", ""]"#);
    let told = r#"webhook_events: there is no event "mesage.any"; near it: message.any"#;
    assert!(wrong.contains(told), "{wrong}");
    for none in ["[]", r#"[""]"#] {
        let said = said(none);
        assert!(said.contains("webhook_events: names no event"), "{none}: {said}");
    }
    for right in [r#"["*"]"#, r#"["message", "group.v2.participants.join-request"]"#] {
        assert!(!said(right).contains("webhook_events"), "{right}");
    }
}

#[test]
fn a_file_of_a_key_that_holds_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    for (text, problem) in [
        ("hush-1\nhush-2\n", "has several lines"),
        ("hush\0hush", "has a character that no key has"),
        ("\n", "is empty"),
    ] {
        std::fs::write(&key, text).unwrap();
        let waha = "[sources.default.waha]\nurl = \"http://127.0.0.1:1\"\n";
        let file = format!("{waha}api_key_file = \"{}\"\n", key.display());
        let (code, said) = check(folder.path(), &file);
        let told = format!("sources.default.waha.api_key_file: {problem}");
        assert!(code == Some(1) && said.contains(&told), "{text:?}: {said}");
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn a_remedy_that_does_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let waha = "[sources.default.waha]\nurl = \"http://127.0.0.1:1\"\n";
    let said = |more: &str| check(folder.path(), &format!("{waha}{more}")).1;
    let told = "watchdog.remedies: \"reconcile\" does nothing";
    let off = said("[reconcile]\nenabled = false\n");
    assert!(off.contains(told), "{off}");
    assert!(!said("").contains(told));
    let left_out = "[reconcile]\nenabled = false\n[watchdog]\nremedies = [\"warn\"]\n";
    assert!(!said(left_out).contains(told));
}
