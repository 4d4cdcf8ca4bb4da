//! `check --print`: every key with the value that holds, and no secret.

use std::collections::BTreeMap;
use std::path::Path;

use config::{Config, File, FileFormat, Value, ValueKind};
use waha_ingest::config::DEFAULTS;

use crate::cli::run;

/// What no output may hold.
const SECRET: &str = "hush-hush-hush-hush";

/// A secret wherever there can be one.
fn file_with_secrets() -> String {
    format!(
        "[sources.shop]\nhmac_keys = [\"{SECRET}\", \"{SECRET}2\"]\nhmac_keys_file = \"secrets\"\n\
         [retention]\ncall_days = 9\n[retention.sources.shop]\nmessage_days = 0\n\
         [sources.shop.waha]\nurl = \"http://waha:3000\"\napi_key = \"{SECRET}\"\n\
         [media.s3]\nsecret_access_key = \"{SECRET}\"\n\
         [admin.tokens.app]\nrole = \"application\"\nsecret = \"{SECRET}\"\nsessions = [\"s\"]\n\
         [admin.tokens.bob]\nrole = \"viewer\"\nsecret_file = \"secrets\"\n\
         [database]\nurl = \"postgres://me:{SECRET}@127.0.0.1:1/none?password={SECRET}\"\n\
         [queue]\nurl = [\"amqp://me:{SECRET}@127.0.0.1:1\"]\n\
         management_url = \"http://me:{SECRET}@127.0.0.1:1\"\n\
         [traces]\nendpoint = \"http://me:{SECRET}@127.0.0.1:1\"\nheaders = [\"key={SECRET}\"]\n"
    )
}

/// What is printed of this file and these settings, by key; the lines of the checks come after it.
fn printed(folder: &Path, file: &str, settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    std::fs::write(folder.join("waha-ingest.toml"), file).unwrap();
    let output = run(folder, settings, &["check", "--print"]);
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(!said.concat().contains(SECRET), "{}", said.concat());
    let lines = said[0].lines().take_while(|line| !line.contains("configuration: "));
    let pairs = lines.map(|line| line.split_once(" = ").unwrap_or_else(|| panic!("{line}")));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_key_of_the_defaults_is_printed_with_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let printed = printed(folder.path(), "", &[]);
    let defaults = File::from_str(DEFAULTS, FileFormat::Toml);
    let defaults = Config::builder().add_source(defaults).build().unwrap();
    let defaults: Value = defaults.try_deserialize().unwrap();
    let mut told = BTreeMap::new();
    leaves("", defaults, &mut told);
    // These stand for something that is shown in their place.
    told.insert("database.url".into(), "\"sqlite://./data/waha.db\"".into());
    told.insert("traces.headers".into(), "0 (hidden)".into());
    told.insert("media.folder".into(), "\"./data/media\"".into());
    told.insert("queue.url".into(), "[\"embedded\"]".into());
    told.insert("queue.management_url".into(), "[]".into());
    assert_eq!(printed, told);
}

fn leaves(path: &str, value: Value, told: &mut BTreeMap<String, String>) {
    let ValueKind::Table(table) = value.kind else {
        told.insert(path.to_owned(), text(value));
        return;
    };
    for (name, value) in table {
        let dot = if path.is_empty() { "" } else { "." };
        leaves(&format!("{path}{dot}{name}"), value, told);
    }
}

/// As TOML writes it.
fn text(value: Value) -> String {
    match value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Float(number) => format!("{number:?}"),
        ValueKind::Array(items) => {
            format!("[{}]", items.into_iter().map(text).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[test]
fn what_is_told_is_printed_and_no_secret_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secrets"), format!("{SECRET}3\n")).unwrap();
    let settings = [("RETRY__DELAYS_MS", "7,8"), ("SERVER__BODY_BYTES_MAX", "4096")];
    let printed = printed(folder.path(), &file_with_secrets(), &settings);
    for (key, value) in [
        ("sources.shop.hmac_keys", "3 (hidden)"),
        ("sources.shop.hmac_keys_file", "\"secrets\""),
        ("sources.shop.verify", "\"hmac-sha512\""),
        ("admin.tokens.app.role", "\"application\""),
        ("admin.tokens.app.secret", "(hidden)"),
        ("admin.tokens.app.sessions", "[\"s\"]"),
        ("admin.tokens.bob.secret", "(hidden)"),
        ("database.url", "\"postgres://***@127.0.0.1:1/none\""),
        ("queue.url", "[\"amqp://***@127.0.0.1:1\"]"),
        ("queue.management_url", "[\"http://***@127.0.0.1:1\"]"),
        ("traces.endpoint", "\"http://***@127.0.0.1:1\""),
        ("traces.headers", "1 (hidden)"),
        ("retention.sources.shop.message_days", "0"),
        ("retention.sources.shop.call_days", "9"),
        ("retry.delays_ms", "[7, 8]"),
        ("server.body_bytes_max", "4096"),
    ] {
        assert_eq!(printed.get(key).map(String::as_str), Some(value), "{key}");
    }
}

#[test]
fn what_is_wrong_comes_with_value_limits_and_variable() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("waha-ingest.toml"), "[retry]\njitter = 2.5\n").unwrap();
    let settings = [
        ("WORKER__BATCH_MAX", "abc"),
        ("WORKER__CONCURRENCY", "0"),
        ("SEARCH__ENABLED", "perhaps"),
        ("LEDGER__BODIES", "some"),
        ("RETRY__DELAYS_MS", "5,soon"),
        ("DATABASE__URL", SECRET),
        ("QUEUE__URL", SECRET),
    ];
    let error = String::from_utf8(run(folder.path(), &settings, &["check"]).stderr).unwrap();
    for said in [
        "worker.batch_max: must be a whole number from 1 to 5000; it is \"abc\" (WAHA_INGEST__WORKER__BATCH_MAX)",
        "worker.concurrency: must be a whole number from 1 to 64; it is \"0\" (WAHA_INGEST__WORKER__CONCURRENCY)",
        "search.enabled: must be true or false; it is \"perhaps\" (WAHA_INGEST__SEARCH__ENABLED)",
        "ledger.bodies: must be one of: all, none; it is \"some\" (WAHA_INGEST__LEDGER__BODIES)",
        "retry.delays_ms: must be a list of whole numbers; \"soon\" is none (WAHA_INGEST__RETRY__DELAYS_MS)",
        "retry.jitter: must be a number from 0 to 1; it is 2.5\n",
    ] {
        assert!(error.contains(said), "{said} is missing in {error}");
    }
    assert!(!error.contains(SECRET), "{error}");
}

#[test]
fn a_list_in_a_list_is_a_problem_and_not_an_empty_list() {
    let folder = tempfile::tempdir().unwrap();
    for delays in ["[[5000]]", "[{ first = 1 }]", "{}"] {
        let file = format!("[retry]\ndelays_ms = {delays}\n");
        std::fs::write(folder.path().join("waha-ingest.toml"), file).unwrap();
        let output = run(folder.path(), &[], &["check"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{delays}: {error}");
        assert!(error.contains("retry.delays_ms: must be a list"), "{delays}: {error}");
    }
}
