//! A configured consumer of a running process: its secrets rotate, operators handle it by `consumers`, and a
//! configuration that can't be is refused.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;

use super::receiver::Receiver;
use super::{NEW_SECRET, SECRET};
use crate::app::KEY;
use crate::cli::run;
use crate::process::Setting;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

async fn post(setting: &Setting<'_>, number: u32) {
    let body = json!({ "id": format!("evt_{number}"), "timestamp": 1_794_000_000_000_i64,
        "event": "message", "session": "shop.one", "payload": { "id":
        format!("false_12025550142@c.us_3A{number}"), "timestamp": 1_794_000_000, "fromMe": false,
        "from": "12025550142@c.us", "body": "hello" } })
    .to_string();
    let signature = sign(&KEY.into(), body.as_bytes());
    let request = http_client::plain().build().unwrap().post(setting.url()).body(body);
    let answer = request.header("x-webhook-hmac", signature).send().await.unwrap();
    assert!(answer.status().is_success());
}

fn lines(setting: &Setting<'_>, arguments: &[&str]) -> Vec<Value> {
    let output = setting.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refused(setting: &Setting<'_>, arguments: &[&str]) -> String {
    let output = setting.run(arguments);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_consumer_is_delivered_to_and_handled() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let secrets = folder.path().join("crm-secret");
    std::fs::write(&secrets, SECRET).unwrap();
    let file = format!(
        "[consumers.crm]\nurl = \"{}\"\nsecret_file = \"{}\"\nkinds = [\"message.created\"]\n\
         sessions = [\"default/shop.one\"]\n",
        receiver.url,
        secrets.display()
    );
    std::fs::write(folder.path().join("waha-ingest.toml"), file).unwrap();
    let url = format!("sqlite://{}", folder.path().join("waha.db").display());
    let setting = Setting::new(folder.path(), &url);
    let _up = setting.up().await;
    let registered = || async { lines(&setting, &["consumers", "list", "--json"]).pop() };
    let before = wait_for("the consumer", PATIENCE, registered).await;
    assert_eq!(before["position"], 0);

    post(&setting, 1).await;
    let came = |count: usize| {
        let receiver = &receiver;
        wait_for("a delivery", PATIENCE, move || async move {
            let got = receiver.got();
            (got.len() >= count).then(|| got.last().unwrap().clone())
        })
    };
    let first = came(1).await;
    let change = &first.changes()[0];
    assert_eq!(change["kind"], "message.created");
    assert_eq!(change["session"], "shop.one");
    assert_eq!(change["row"]["content"], "hello");
    assert_eq!(first.signatures.len(), 1);

    std::fs::write(&secrets, format!("{SECRET}\n{NEW_SECRET}\n")).unwrap();
    let mut number = 1;
    wait_for("both secrets", PATIENCE, || {
        number += 1;
        let (setting, receiver) = (&setting, &receiver);
        async move {
            post(setting, number).await;
            receiver.got().last().filter(|got| got.signatures.len() == 2).map(drop)
        }
    })
    .await;

    let paused = &lines(&setting, &["consumers", "pause", "crm", "--note", "moving", "--json"])[0];
    assert_eq!((&paused["state"], &paused["reason"]), (&json!("paused"), &json!("moving")));
    let skip = ["consumers", "skip", "crm", "--yes", "--json"];
    post(&setting, 1_000).await;
    wait_for("something to skip", PATIENCE, || async {
        setting.run(&skip).status.success().then_some(())
    })
    .await;
    let rewind = ["consumers", "rewind", "crm", "--to", "0", "--yes", "--json"];
    let rewound = &lines(&setting, &rewind)[0];
    assert_eq!((&rewound["generation"], &rewound["state"]), (&json!(1), &json!("paused")));
    let count = receiver.got().len();
    lines(&setting, &["consumers", "resume", "crm", "--json"]);
    let again = came(count + 1).await;
    assert!(again.id.ends_with("_1"), "{}", again.id);
    assert!(refused(&setting, &["consumers", "show", "erp"]).contains("no consumer erp"));
    let ahead = ["consumers", "rewind", "crm", "--to", "999999", "--yes"];
    assert!(refused(&setting, &ahead).contains("ahead of the feed"));
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("hello") && !log.contains(SECRET) && !log.contains(NEW_SECRET), "{log}");
    let audit = lines(&setting, &["audit", "list", "--json"]);
    let actions: Vec<&str> = audit.iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert!(["resume", "rewind", "skip", "pause", "keys"].iter().all(|it| actions.contains(it)));
}

fn check(folder: &Path, file: &str) -> String {
    std::fs::write(folder.join("waha-ingest.toml"), file).unwrap();
    let output = run(folder, &[("SOURCES__DEFAULT__HMAC_KEYS", "hush")], &["check"]);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_can_not_be_configured_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let said = check(folder.path(), "[feed]\nexchange = true\n");
    assert!(said.contains("feed.exchange: needs RabbitMQ"), "{said}");
    let file = "[consumers.exchange]\nurl = \"ftp://crm\"\nkinds = [\"message.made\"]\n\
                sessions = [\"shop\"]\nbatch_max = 0\n";
    let said = check(folder.path(), file);
    for part in [
        "consumers.exchange: this name is that of the exchange",
        "consumers.exchange.url: must be an http:// or https:// URL",
        "consumers.exchange.secret: no secret",
        "consumers.exchange.kinds: there is no kind \"message.made\"",
        "consumers.exchange.sessions: \"shop\" is not SOURCE/SESSION",
        "consumers.exchange.batch_max: must be between 1 and 1000",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    let file = "[consumers.crm]\nurl = \"https://user:hidden@crm\"\nsecret = \"whsec_?\"\n";
    let said = check(folder.path(), file);
    assert!(said.contains("consumers.crm.secret: what follows whsec_ must be base64"), "{said}");
    assert!(!said.contains("hidden"), "{said}");
}
