//! The command line: exit codes, what goes where, and errors that name what to change.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::process::Setting;

const BINARY: &str = env!("CARGO_BIN_EXE_waha-ingest");

/// Runs in a folder of its own with these settings and nothing else in the environment.
pub fn run(folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_clear().current_dir(folder);
    for (key, value) in settings {
        command.env(format!("WAHA_INGEST__{key}"), value);
    }
    command.output().unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_command_has_help_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let help = String::from_utf8(run(folder.path(), &[], &["--help"]).stdout).unwrap();
    // Each stands at the begin of a line, two spaces in.
    let listed = help.split_once("Commands:").unwrap().1.split("\n\n").next().unwrap();
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let is_command = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let commands: Vec<String> = listed.lines().filter(is_command).filter_map(name).collect();
    assert!(commands.len() > 15, "{help}");
    for command in commands.iter().map(String::as_str).filter(|command| *command != "help") {
        let output = run(folder.path(), &[], &[command, "--help"]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && help.contains("Example"), "{command}: {help}");
    }
    assert_eq!(run(folder.path(), &[], &["nonsense"]).status.code(), Some(2));
}

#[test]
fn a_period_that_holds_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for command in [&["webhooks", "list"][..], &["dead-letters", "list"]] {
        for until in ["2026-11-01", "2026-10-31"] {
            let period = ["--since", "2026-11-01", "--until", until];
            let output = run(folder.path(), &[], &[command, &period].concat());
            assert_eq!(output.status.code(), Some(2));
            assert!(error(&output).contains("--since must be before --until"), "{command:?}");
        }
    }
}

#[test]
fn demo_ends_balanced() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[], &["demo"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}{}", error(&output));
    assert!(text.contains("messages") && text.contains(": balanced"), "{text}");
    assert!(text.contains("that no webhook told were taken over"), "{text}");
    assert!(text.contains("WAHA has deleted its files by now"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "leaves nothing behind");
}

#[test]
fn all_problems_of_a_configuration_are_reported_at_once_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[server]\nlisten = \"here\"\nbody_bytes_max = \"many\"\nport = 1\n\
                [retry]\njitter = 7\n[sources.Shop]\nverify = \"md5\"\n\
                [queue]\nurl = \"amqps//user:hidden@host\"\n";
    std::fs::write(folder.path().join("waha-ingest.toml"), file).unwrap();
    let output = run(folder.path(), &[("LEDGER__BODIES", "some")], &["check"]);
    assert_eq!(output.status.code(), Some(1));
    let error = error(&output);
    for key in [
        "server.listen",
        "server.body_bytes_max",
        "server.port: unknown key",
        "retry.jitter",
        "sources.Shop",
        "queue.url",
        "ledger.bodies",
    ] {
        assert!(error.contains(key), "{key} is missing in {error}");
    }
    assert!(!error.contains("hidden"), "{error}");
}

#[test]
fn without_a_key_serve_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[], &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("HMAC_KEYS"), "{}", error(&output));
    let settings = [("SOURCES__DEFAULT__VERIFY", "hmac-sha512")];
    let output = run(folder.path(), &settings, &["up"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("sources.default.hmac_keys"), "{}", error(&output));
}

#[test]
fn a_generated_key_is_kept_for_its_owner_only_and_reaches_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SERVER__LISTEN", "127.0.0.1:1"), ("ADMIN__LISTEN", "off")];
    // Port 1 can't be bound by an ordinary user and is free for root: stop it either way.
    let first = run_briefly(folder.path(), &settings, "hmac-key");
    let file = folder.path().join("data/hmac-key");
    let key = std::fs::read_to_string(&file).unwrap();
    assert_eq!(key.trim().len(), 64);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let second = run_briefly(folder.path(), &settings, "hmac-key");
    for said in [first, second] {
        assert!(!said.contains(key.trim()) && said.contains("hmac-key"), "{said}");
    }
}

/// What the first start of `up` makes.
fn make_installation(folder: &Path) {
    let [key, listen] = [("SOURCES__DEFAULT__HMAC_KEYS", "key"), ("SERVER__LISTEN", "127.0.0.1:0")];
    run_briefly(folder, &[key, listen, ("ADMIN__LISTEN", "off")], "WHATSAPP_HOOK_URL");
}

/// Starts `up` and stops it with SIGTERM once it has said this; returns what it said.
fn run_briefly(folder: &Path, settings: &[(&str, &str)], until: &str) -> String {
    use std::io::Read;
    let mut command = Command::new(BINARY);
    command.arg("up").env_clear().current_dir(folder).stderr(std::process::Stdio::piped());
    for (key, value) in settings {
        command.env(format!("WAHA_INGEST__{key}"), value);
    }
    let mut child = command.spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut said = String::new();
    let mut buffer = [0; 4096];
    while !said.contains(until) {
        let read = stderr.read(&mut buffer).unwrap();
        assert!(read > 0, "ended early: {said}");
        said.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    child.wait().unwrap();
    said
}

#[test]
fn check_says_what_works_and_what_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let key = ("SOURCES__DEFAULT__HMAC_KEYS", "very-secret-key");
    make_installation(folder.path());
    let output = run(folder.path(), &[key], &["check", "--print"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}{}", error(&output));
    assert!(!text.contains("very-secret-key"), "{text}");
    for good in
        ["ok      port: server.listen", "ok      disk: data_dir", "written and read (rolled back)"]
    {
        assert!(text.contains(good), "{good:?} is missing in {text}");
    }
    let nowhere = ("DATABASE__URL", "postgres://me:pw@127.0.0.1:1/none?sslmode=disable");
    let output = run(folder.path(), &[key, nowhere], &["check", "--print"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("FAILED  database") && !text.contains(":pw@"), "{text}");
}

#[test]
fn status_of_a_new_installation_is_balanced_and_dead_letters_need_a_scope() {
    let folder = tempfile::tempdir().unwrap();
    make_installation(folder.path());
    let output = run(folder.path(), &[], &["status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&status["accepted"], &status["balanced"]), (&Value::from(0), &Value::from(true)));
    let output = run(folder.path(), &[], &["dead-letters", "replay", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("--all"), "{}", error(&output));
}

/// With WAHA's defaults an outage of 42 seconds lost all of 400 webhooks.
#[tokio::test]
async fn up_says_how_waha_keeps_what_it_can_not_deliver() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("waha.db").display());
    let setting = Setting::new(folder.path(), &url);
    let _process = setting.up().await;
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    for line in [
        "WHATSAPP_HOOK_RETRIES_POLICY=exponential",
        "WHATSAPP_HOOK_RETRIES_ATTEMPTS=15",
        "WHATSAPP_FILES_LIFETIME=604800",
    ] {
        assert!(log.contains(line), "{line} is missing:\n{log}");
    }
}
