//! `dead-letters replay` says what became of the letters, and refuses what can't be meant before anything.

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;
use waha_ingest::webhook::verify::HMAC_HEADER;

use crate::app::KEY;
use crate::process::Setting;

const PATIENCE: Duration = Duration::from_secs(60);

/// Without a payload no release reads them.
async fn bury(setting: &Setting<'_>, count: usize) {
    let client = http_client::plain().build().unwrap();
    for number in 0..count {
        let body = json!({ "id": format!("evt_{number}"), "event": "message", "session": "shop" });
        let body = body.to_string();
        let signature = sign(&SecretString::from(KEY), body.as_bytes());
        let request = client.post(setting.url()).header(HMAC_HEADER, signature).body(body);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
    setting.settled(PATIENCE).await;
}

fn said(setting: &Setting<'_>, arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["dead-letters", "replay"], arguments].concat();
    let mut command = setting.command(&arguments);
    let output = command.env("WAHA_INGEST__LOG__LEVEL", "off").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_what_became_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let mut up = setting.up().await;
    bury(&setting, 2).await;
    let groups = setting.run(&["dead-letters", "groups", "--json"]).stdout;
    let group: Value = serde_json::from_slice(&groups).unwrap();
    let group = group["group"].as_str().unwrap();

    let (code, out, _) = said(&setting, &["--group", group, "--yes"]);
    let again = format!("2 replayed: 0 applied, 2 dead again: group {group} (2)\n");
    assert_eq!((code, out), (Some(0), again));
    let (_, out, _) = said(&setting, &["--group", group, "--yes", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["outcomes"], json!({ "dead_lettered": 2 }), "{report}");
    assert_eq!(report["dead_again"], json!([{ "group": group, "count": 2 }]), "{report}");
    let (code, out, _) = said(&setting, &["--id", "1", "--yes", "--no-wait"]);
    assert_eq!((code, out.as_str()), (Some(0), "replayed 1 of 1, job 3 is done\n"));
    setting.settled(PATIENCE).await;

    // Nobody works.
    assert_eq!(up.terminate(), Some(0));
    let (code, out, error) = said(&setting, &["--id", "2", "--yes"]);
    assert_eq!((code, out.as_str()), (Some(0), "1 replayed: 0 applied, 1 on their way\n"));
    assert!(error.contains("no worker has been seen"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_meant_is_refused_and_an_edit_is_judged_first() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let up = setting.up().await;
    bury(&setting, 2).await;
    let file = |name: &str, body: &Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, body.to_string()).unwrap();
        path.display().to_string()
    };
    let mended = file(
        "mended.json",
        &json!({
            "id": "evt_0", "event": "message", "session": "shop", "payload": {
                "id": "false_12025550142@c.us_3EB0", "from": "12025550142@c.us",
                "timestamp": 1_794_000_000, "fromMe": false, "body": "hello",
            },
        }),
    );
    let useless =
        file("useless.json", &json!({ "id": "evt_0", "event": "message", "session": "shop" }));
    for (arguments, code, hint) in [
        (&["--edit", &mended, "--all", "--yes"][..], 1, "--edit needs a single --id"),
        (&["--edit", &mended, "--id", "1", "--session", "shop", "--yes"], 1, "single --id"),
        (&["--edit", &mended, "--id", "9", "--yes"], 1, "no dead letter 9"),
        (&["--edit", "no-such-file", "--id", "1", "--yes"], 1, "no-such-file"),
        (&["--edit", &useless, "--id", "1", "--yes"], 1, "dead letter again"),
        (&["--edit", &useless, "--id", "1", "--dry-run"], 1, "dead letter again"),
        (&["--id", "1", "--dry-run", "--no-wait"], 2, "--no-wait"),
        (&["--id", "1", "--rate", "0", "--yes"], 1, "--rate"),
        (&["--id", "1", "--state", "replayed", "--yes"], 1, "state pending"),
    ] {
        let (said_code, out, error) = said(&setting, arguments);
        assert_eq!(said_code, Some(code), "{arguments:?}: {out}{error}");
        assert!(error.contains(hint), "{arguments:?}: {error}");
    }
    let judged = said(&setting, &["--edit", &mended, "--id", "1", "--dry-run"]);
    assert_eq!(judged.0, Some(0), "{judged:?}");
    assert!(judged.1.contains("tells of") && judged.1.contains("messages (1)"), "{judged:?}");
    let letters = setting.run(&["dead-letters", "list", "--json"]).stdout;
    assert_eq!(String::from_utf8(letters).unwrap().lines().count(), 2, "nothing was done so far");
    let (code, out, _) = said(&setting, &["--edit", &mended, "--id", "1", "--yes"]);
    assert_eq!((code, out.as_str()), (Some(0), "1 replayed: 1 applied\n"));
    drop(up);
}
