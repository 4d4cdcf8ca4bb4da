//! `webhooks list|show|renormalize` as an operator runs them.

use std::process::Output;

use serde_json::Value;
use waha_ingest::simulate::{Plan, Sent, history};

use crate::app::TestApp;
use crate::cli::run;
use crate::database::Kind;

/// A database with a history, and the commands on it.
struct Desk {
    app: TestApp,
    folder: tempfile::TempDir,
    sent: Vec<Sent>,
}

impl Desk {
    async fn open() -> Self {
        let app = TestApp::start(Kind::Sqlite).await;
        let sent: Vec<Sent> = history(&Plan { messages: 20, ..Plan::default() }).collect();
        app.publish_all(sent.iter().cloned()).await;
        app.work_until_idle().await;
        Self { app, folder: tempfile::tempdir().unwrap(), sent }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let arguments = [&["webhooks"], arguments].concat();
        run(self.folder.path(), &[("DATABASE__URL", &self.app.database_url)], &arguments)
    }

    /// What a command that has to succeed prints.
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.text(arguments);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn list_filters_and_show_tells_what_the_normalizer_says() {
    let desk = Desk::open().await;
    let acks = desk.lines(&["list", "--json", "--event", "message.ack", "--limit", "1000"]);
    let sent = desk.sent.iter().filter(|sent| sent.event_type == "message.ack").count();
    assert!(sent > 3 && acks.len() == sent, "{} of {sent}", acks.len());
    assert!(acks.iter().all(|ack| ack["event_type"] == "message.ack"));
    let newest_first = acks.is_sorted_by(|a, b| a["id"].as_i64() > b["id"].as_i64());
    assert!(newest_first, "{acks:?}");
    assert!(desk.lines(&["list", "--json", "--until", "2020-01-01"]).is_empty());
    assert_eq!(desk.text(&["list", "--limit", "2"]).lines().count(), 3);

    let id = acks[0]["id"].to_string();
    let shown = desk.text(&["show", &id]);
    for part in [
        "outcome      applied",
        "now          tells of",
        "1 messages",
        "\"event\": \"message.ack\"",
    ] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    let raw = desk.text(&["show", &id, "--raw"]);
    assert!(desk.sent.iter().any(|sent| sent.body == raw.as_bytes()), "{raw}");
    assert_eq!(desk.run(&["show", "0"]).status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn renormalize_asks_first_and_says_what_became_of_each() {
    let desk = Desk::open().await;
    for (arguments, hint) in [
        (&["renormalize", "--yes"][..], "--all"),
        (&["renormalize", "--all"][..], "--yes"),
        (&["renormalize", "--all", "--yes", "--rate", "0"][..], "--rate"),
    ] {
        let output = desk.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && error.contains(hint), "{error}");
    }
    let all = &desk.lines(&["renormalize", "--all", "--dry-run", "--json"])[0];
    assert_eq!((&all["seen"], &all["failed"]), (&desk.sent.len().into(), &0.into()));
    let text = desk.text(&["renormalize", "--event", "session.status", "--yes"]);
    assert!(text.contains("was applied, is applied"), "{text}");
}
