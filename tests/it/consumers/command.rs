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

/// Its task has ended with its process, which has not given it back: the next one on the folder goes on at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_is_followed_at_once_and_a_removed_consumer_is_forgotten() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    // A request may take a minute, so another process would wait three.
    let file = format!(
        "[consumers.crm]\nurl = \"{}\"\nsecret = \"{SECRET}\"\ntimeout_ms = 60000\n",
        receiver.url
    );
    let path = folder.path().join("waha-ingest.toml");
    std::fs::write(&path, file).unwrap();
    let url = format!("sqlite://{}", folder.path().join("waha.db").display());
    let setting = Setting::new(folder.path(), &url);
    let mut up = setting.up().await;
    let consumer = || lines(&setting, &["consumers", "list", "--json"]).pop();
    wait_for("the consumer", PATIENCE, || async { consumer() }).await;
    post(&setting, 1).await;
    wait_for("a delivery", PATIENCE, || async { receiver.got().pop() }).await;
    up.kill();
    let mut up = setting.up().await;
    let count = receiver.got().len();
    post(&setting, 2).await;
    wait_for("the next", PATIENCE, || async { (receiver.got().len() > count).then_some(()) }).await;

    let said = |arguments: &[&str]| {
        let output = setting.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let paused = said(&["consumers", "pause", "crm"]);
    assert!(paused.starts_with("crm is paused at position "), "{paused}");
    let remove = ["consumers", "remove", "crm", "--yes"];
    assert!(refused(&setting, &remove).contains("consumer crm is configured"));
    post(&setting, 3).await;
    let skip = ["consumers", "skip", "crm", "--yes"];
    let skipped = wait_for("something to skip", PATIENCE, || async {
        let output = setting.run(&skip);
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    });
    let skipped = skipped.await;
    assert!(skipped.starts_with("left out ") && skipped.contains(" at position "), "{skipped}");
    let rewound = said(&["consumers", "rewind", "crm", "--to", "0", "--yes"]);
    assert!(
        rewound.contains("crm gets what came after position 0 once it is resumed"),
        "{rewound}"
    );
    assert_eq!(up.terminate(), Some(0));

    std::fs::write(&path, "").unwrap();
    assert_eq!(consumer().unwrap()["state"], "removed");
    assert_eq!(said(&remove), "crm is forgotten\n");
    assert_eq!(consumer(), None);
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
        "consumers.exchange.kinds: there is no kind \"message.made\"; near it: message.",
        "consumers.exchange.sessions: \"shop\" is not SOURCE/SESSION",
        "consumers.exchange.batch_max: must be a whole number from 1 to 1000; it is 0",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    let file = "[consumers.crm]\nurl = \"https://user:hidden@crm\"\nsecret = \"whsec_?\"\n";
    let said = check(folder.path(), file);
    assert!(said.contains("consumers.crm.secret: what follows whsec_ must be base64"), "{said}");
    assert!(!said.contains("hidden"), "{said}");
    let said =
        check(folder.path(), "[consumers.\"A B\"]\nurl = \"https://crm\"\nsecret = \"hush\"\n");
    let about: Vec<&str> = said.lines().filter(|line| line.contains("consumers")).collect();
    assert!(about.len() == 1 && about[0].contains("consumers.A B: "), "{said}");
    let missing = "[consumers.crm]\nurl = \"https://crm\"\nsecret = \"a secret of some length\"\n\
                   ca_file = \"nowhere.pem\"\n";
    let said = check(folder.path(), missing);
    assert!(said.contains("consumers.crm.ca_file: nowhere.pem can't be read"), "{said}");
}
