//! What an operator meets in the terminal beside the counts: names that are not there, times, empty lists,
//! pipes that close, bodies that are not what they seem, and requests that were refused.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::Value;
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;
use waha_ingest::webhook::verify::HMAC_HEADER;

use crate::app::KEY;
use crate::cli::run;
use crate::process::Setting;

const PATIENCE: Duration = Duration::from_secs(60);
/// Two names that are there twice: what is built of it has one of each.
const TWICE: &str =
    r#"{"id":"evt_1","event":"message","session":"shop","event":"message","x":1,"x":2}"#;

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn post(url: &str, body: &str, key: &str) -> StatusCode {
    let client = http_client::plain().build().unwrap();
    let signature = sign(&SecretString::from(key), body.as_bytes());
    let request = client.post(url).header(HMAC_HEADER, signature).body(body.to_owned());
    request.send().await.unwrap().status()
}

#[test]
fn empty_lists_say_so_alike_and_print_no_data() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), &[], &["migrate", "up"]).status.success());
    for (arguments, none) in [
        (&["dead-letters", "list"][..], "no dead letters\n"),
        (&["dead-letters", "groups"], "no groups of dead letters\n"),
        (&["dead-letters", "jobs"], "no replay jobs\n"),
        (&["webhooks", "list", "--since", "1h"], "no webhooks\n"),
        (&["audit", "list"], "no entries in the audit log\n"),
    ] {
        let output = run(folder.path(), &[("LOG__LEVEL", "off")], arguments);
        assert_eq!(said(&output), (Some(0), String::new(), none.to_owned()), "{arguments:?}");
        let json = run(folder.path(), &[("LOG__LEVEL", "off")], &[arguments, &["--json"]].concat());
        assert_eq!(said(&json), (Some(0), String::new(), String::new()), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_nothing_has_are_errors_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let _up = setting.up().await;
    assert_eq!(post(&setting.url(), TWICE, KEY).await, StatusCode::ACCEPTED);
    setting.settled(PATIENCE).await;
    let groups = setting.run(&["dead-letters", "groups", "--json"]).stdout;
    let group: Value = serde_json::from_slice(&groups).unwrap();
    let group = group["group"].as_str().unwrap();
    let near = format!("near it: {group}");
    let begun = &group[..6];
    for (arguments, said_of_it) in [
        (&["dead-letters", "replay", "--group", begun, "--yes"][..], near.as_str()),
        (&["dead-letters", "replay", "--group", begun, "--dry-run"], &near),
        (&["dead-letters", "discard", "--group", begun, "--note", "x", "--yes"], &near),
        (&["dead-letters", "list", "--reason", "malformd"], "near it: malformed"),
        (&["dead-letters", "groups", "--event", "mesage.any"], "near it: message.any"),
        (&["dead-letters", "list", "--id", "99"], "no dead letter 99"),
        (&["webhooks", "list", "--event", "mesage.any"], "near it: message.any"),
        (&["webhooks", "list", "--reason", "malformd"], "near it: malformed"),
        (&["webhooks", "list", "--session", "shp"], "there is no session"),
        (&["webhooks", "renormalize", "--event", "nonsense", "--dry-run"], "there is no event"),
    ] {
        let (code, out, error) = said(&setting.run(arguments));
        assert_eq!(code, Some(1), "{arguments:?}: {out}{error}");
        assert!(error.contains(said_of_it), "{arguments:?}: {error}");
    }
    // Known, and nothing fits.
    let arguments = ["dead-letters", "list", "--event", "call.received"];
    assert_eq!(said(&setting.run(&arguments)).0, Some(0));
    let arguments = ["dead-letters", "list", "--group", group, "--until", "1h"];
    assert_eq!(said(&setting.run(&arguments)).0, Some(0));

    // What is shown of a body is what came, where indenting it would leave something out.
    let shown = said(&setting.run(&["dead-letters", "show", "1"])).1;
    assert!(shown.contains(TWICE) && shown.contains("twice in one object"), "{shown}");

    // Nobody reads on.
    for number in 0..50 {
        let body = format!("{{\"event\":\"message\",\"id\":\"e{number}\",\"session\":{number}");
        assert_eq!(post(&setting.url(), &body, KEY).await, StatusCode::ACCEPTED);
    }
    setting.settled(PATIENCE).await;
    for arguments in [
        &["dead-letters", "list"][..],
        &["dead-letters", "list", "--json"],
        &["dead-letters", "export", "--all"],
        &["webhooks", "list"],
        &["webhooks", "show", "1", "--json"],
        &["audit", "list"],
        &["status"],
    ] {
        assert_closes_quietly(&setting, arguments);
    }
}

/// Reads a line and closes the pipe.
fn assert_closes_quietly(setting: &Setting<'_>, arguments: &[&str]) {
    let mut command = setting.command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    // Without a buffer that would take all of it.
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    assert!(!error.contains("panic") && !error.contains("rror"), "{arguments:?}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_in_the_log_by_status_and_by_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let mut up = setting.up().await;
    for _ in 0..5 {
        assert_eq!(post(&setting.url(), "{}", "wrong").await, StatusCode::UNAUTHORIZED);
    }
    let nowhere = setting.url().replace("default", "defualt");
    assert_eq!(post(&nowhere, "{}", KEY).await, StatusCode::NOT_FOUND);
    let base = setting.url().replace("/webhooks/default", "/hook");
    assert_eq!(post(&base, "{}", KEY).await, StatusCode::NOT_FOUND);

    let (_, text, _) = said(&setting.run(&["status"]));
    for part in [
        "refused: 5 × 401, last from 127.0.0.1 at ",
        "signature does not match any key of source default: compare WAHA's WHATSAPP_HOOK_HMAC_KEY",
        "refused: 1 × 404, last from 127.0.0.1",
        "must end in /webhooks/SOURCE",
    ] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    let url = format!("http://127.0.0.1:{}/api/v1/refusals", setting.admin_port);
    let answer = http_client::plain().build().unwrap().get(url).send().await.unwrap();
    let refusals: Vec<Value> = answer.json().await.unwrap();
    assert_eq!(refusals.len(), 7);
    assert_eq!(
        (&refusals[0]["reason"], &refusals[1]["reason"]),
        (&"unknown_path".into(), &"unknown_source".into())
    );
    assert_eq!(
        (&refusals[6]["reason"], &refusals[6]["source"]),
        (&"signature".into(), &"default".into())
    );

    assert_eq!(up.terminate(), Some(0));
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let refused: Vec<&str> = log.lines().filter(|line| line.contains("request refused")).collect();
    assert_eq!(refused.len(), 3, "one line for each source and reason: {log}");
    assert!(refused[0].contains("127.0.0.1") && refused[0].contains("401"), "{}", refused[0]);
    let (_, text, _) = said(&setting.run(&["status"]));
    assert!(text.contains("process: none answers at 127.0.0.1:"), "{text}");
}

/// What a real bash offers after these words.
fn offered(script: &std::path::Path, words: &[&str]) -> String {
    let last = words.len() - 1;
    let program = format!(
        "source {script}\nset -- $(complete -p waha-ingest)\nwhile [[ $1 != -F ]]; do shift; done\n\
         COMP_WORDS=({words})\nCOMP_CWORD={last}\n\
         $2 waha-ingest \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{before}]}}\"\n\
         echo \"${{COMPREPLY[@]}}\"",
        script = script.display(),
        words = words.join(" "),
        before = last - 1,
    );
    let bash = std::process::Command::new("bash").args(["--norc", "-c", &program]).output();
    String::from_utf8(bash.unwrap().stdout).unwrap()
}

#[test]
fn bash_completes_every_word() {
    let folder = tempfile::tempdir().unwrap();
    let (_, script, _) = said(&run(folder.path(), &[], &["completions", "bash"]));
    // Longer than an argument may be.
    let file = folder.path().join("completions");
    std::fs::write(&file, script).unwrap();
    for (words, offers) in [
        (&["waha-ingest", "webh"][..], "webhooks"),
        (&["waha-ingest", "webhooks", "retryi"], "retrying"),
        (&["waha-ingest", "dead-letters", "rep"], "replay"),
        (&["waha-ingest", "dead-letters", "replay", "--dry"], "--dry-run"),
        (&["waha-ingest", "status", "--js"], "--json"),
        (&["waha-ingest", "completions", "fi"], "fish"),
    ] {
        assert_eq!(offered(&file, words).trim(), offers, "{words:?}");
    }
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, error) = said(&run(folder.path(), &[], &["completions", shell]));
        assert_eq!((code, error.as_str()), (Some(0), ""));
        assert!(script.contains("dead-letters") && script.contains("renormalize"), "{shell}");
    }
    let (code, page, error) = said(&run(folder.path(), &[], &["man"]));
    assert_eq!((code, error.as_str()), (Some(0), ""));
    for part in [".TH", "WAHA-INGEST DEAD-LETTERS REPLAY", "dry\\-run"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    // They need no configuration, not even a sound one.
    std::fs::write(folder.path().join("waha-ingest.toml"), "nonsense").unwrap();
    assert_eq!(said(&run(folder.path(), &[], &["man"])).0, Some(0));
}

/// The lines of the README that sign a body by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_signed_by_hand_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let _up = setting.up().await;
    let readme = include_str!("../../README.md");
    let lines = readme.split("```sh\n").find(|block| block.starts_with("body=")).unwrap();
    let lines = lines.split("```").next().unwrap();
    let lines = lines.replace("http://127.0.0.1:8080/webhooks/default", &setting.url());
    let lines = lines.replace("-hmac secret", &format!("-hmac {KEY}"));
    let lines =
        lines.replace("curl ", "curl --silent --output /dev/null --write-out '%{http_code}' ");
    let answered = std::process::Command::new("bash").args(["-ec", &lines]).output().unwrap();
    assert_eq!(said(&answered), (Some(0), "202".to_owned(), String::new()));
}

#[test]
fn a_data_folder_that_can_not_be_is_told_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (data_dir, problem) in [
        (file.clone(), "file is not a folder: name another"),
        (file.join("below"), "file is not a folder: name another"),
        ("/proc/nope".into(), "can't be made: /proc is on no disk"),
    ] {
        let data_dir = data_dir.to_str().unwrap();
        let (_, out, _) = said(&run(folder.path(), &[("DATA_DIR", data_dir)], &["check"]));
        let line = out.lines().find(|line| line.contains("disk: ")).unwrap();
        assert!(line.starts_with("FAILED") && line.contains(problem), "{line}");
    }
    let settings = [("DATA_DIR", file.to_str().unwrap())];
    for arguments in [&["up"][..], &["migrate", "up"]] {
        let (code, _, error) = said(&run(folder.path(), &settings, arguments));
        assert_eq!(code, Some(1));
        assert!(error.contains("is not a folder") && !error.contains("chmod"), "{error}");
    }
}
