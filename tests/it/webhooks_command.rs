//! `webhooks list|show|renormalize` as an operator runs them.

use std::process::Output;

use serde_json::{Value, json};
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
        "messages (1)",
        "\"event\": \"message.ack\"",
    ] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    let raw = desk.text(&["show", &id, "--raw"]);
    assert!(desk.sent.iter().any(|sent| sent.body == raw.as_bytes()), "{raw}");
    assert_eq!(desk.run(&["show", "0"]).status.code(), Some(1));
}

/// By what people know of a webhook, page by page, each once; and whole, as the API tells it.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_found_by_what_it_names() {
    let desk = Desk::open().await;
    let all = desk.lines(&["list", "--json", "--limit", "1000"]);
    let message = desk.sent.iter().find(|sent| sent.event_type == "message.any").unwrap();
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    let of_message = |key: &str| body["payload"][key].as_str().unwrap().to_owned();
    let webhook_id = body["id"].as_str().unwrap();
    let (id, chat) = (of_message("id"), of_message("from"));
    let number = chat.split('@').next().unwrap();
    let bare = id.rsplit('_').next().unwrap();
    let names = |text: &str| {
        let holds = |sent: &&Sent| String::from_utf8_lossy(&sent.body).contains(text);
        desk.sent.iter().filter(holds).count()
    };
    let found = |arguments: &[&str]| {
        let list = [&["list", "--json", "--limit", "1000"], arguments].concat();
        desk.lines(&list)
    };
    let by_id = found(&["--webhook-id", webhook_id]);
    assert!(!by_id.is_empty() && by_id.iter().all(|row| row["webhook_id"] == webhook_id));
    assert_eq!(found(&["--message", bare]).len(), names(bare));
    assert!(found(&["--chat", &chat]).len() >= found(&["--message", bare]).len());
    let plus = format!("+{number}");
    assert_eq!(found(&["--person", &plus]), found(&["--chat", &chat]));
    assert!(found(&["--person", "+49 30 000"]).is_empty());
    assert_eq!(found(&["--chat", &chat, "--since", "2999-01-01"]).len(), 0);

    // Page by page each once.
    let (mut pages, mut before) = (Vec::new(), i64::MAX.to_string());
    while !before.is_empty() {
        let output = desk.run(&["list", "--json", "--limit", "7", "--before", &before]);
        let text = String::from_utf8(output.stdout).unwrap();
        pages.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        let told = String::from_utf8(output.stderr).unwrap();
        let more = told.split_once("there may be more: --before ");
        before = more.map(|it| it.1.split(' ').next().unwrap().to_owned()).unwrap_or_default();
    }
    assert_eq!(pages, all);

    let id = by_id[0]["id"].to_string();
    let shown: Value = serde_json::from_str(&desk.text(&["show", &id, "--json"])).unwrap();
    assert_eq!((&shown["webhook"], &shown["outcome_now"]), (&by_id[0], &Value::from("applied")));
    assert!(shown["body"].as_str().unwrap().contains(webhook_id), "{shown}");
    let row = format!("{bare} in {chat}");
    assert_eq!(shown["rows"]["messages"], json!([row]));
    assert_eq!(shown["rows"]["sessions"], json!([by_id[0]["session"]]));
    assert!(desk.text(&["show", &id]).contains(&row));
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
