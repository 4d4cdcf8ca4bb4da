//! The dead-letter desk through the admin API: who may, what it tells, and that it does what the
//! commands do.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::admin_api::{Desk, OPERATOR, VIEWER};
use crate::database::{Database, Kind};
use crate::replay_job::{allow, refuse, send};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
const LETTERS: usize = 200;
/// Everything that changes something.
const ACTIONS: [&str; 7] = [
    "dead-letters/replay",
    "dead-letters/discard",
    "dead-letters/restore",
    "dead-letters/import",
    "replay-jobs/1/cancel",
    "webhooks/renormalize",
    "webhooks/retry",
];

impl Desk<'_> {
    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.request(Method::POST, &format!("api/v1/{path}")).bearer_auth(OPERATOR);
        let answer = request.json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn read(&self, path: &str) -> Value {
        self.json(&format!("api/v1/{path}")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_can_not_act_and_nobody_can_do_anything() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    let all = json!({ "all": true, "note": "x", "lines": [] });
    for path in ACTIONS {
        let path = format!("api/v1/{path}");
        let asked = desk.request(Method::POST, &path).json(&all);
        assert_eq!(asked.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
        let asked = desk.request(Method::POST, &path).bearer_auth(VIEWER).json(&all);
        assert_eq!(asked.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{path}");
    }
    for path in ["dead-letters", "dead-letters/groups", "replay-jobs", "audit-logs"] {
        let path = format!("api/v1/{path}");
        let asked = desk.request(Method::GET, &path);
        assert_eq!(asked.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(desk.get(&path).send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    assert_eq!(desk.read("audit-logs").await["audit_logs"], json!([]), "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_replays_discards_and_restores() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    let db = database.connect().await;
    refuse(&db).await;
    send(&desk.setting, LETTERS).await;
    allow(&db).await;
    let groups = desk.read("dead-letters/groups").await;
    assert_eq!(groups["groups"].as_array().unwrap().len(), 5);
    let page = desk.read("dead-letters?limit=150&reason=contradicts_schema").await;
    let refused = page["dead_letters"].as_array().unwrap();
    assert_eq!((refused.len(), &page["next"]), (LETTERS / 20, &Value::Null));
    let id = &refused[0]["id"];
    let shown = desk.read(&format!("dead-letters/{id}")).await;
    assert_eq!(
        (&shown["now"]["outcome"], &shown["failures"][0]["error"].is_string()),
        (&json!("applied"), &true)
    );
    let body = desk.get(&format!("api/v1/dead-letters/{id}/body")).send().await.unwrap();
    assert_eq!(body.text().await.unwrap(), shown["body"].as_str().unwrap());

    replace_a_body(&desk).await;

    refuse_wishes(&desk).await;
    let filter = json!({ "reasons": ["contradicts_schema"] });
    let (status, dry) =
        desk.post("dead-letters/replay", &json!({ "filter": filter, "dry_run": true })).await;
    assert_eq!((status, &dry["would_end"]["applied"]), (StatusCode::OK, &json!(LETTERS / 20)));
    let (status, started) =
        desk.post("dead-letters/replay", &json!({ "filter": filter, "note": "mended" })).await;
    assert_eq!((status, &started["total"]), (StatusCode::ACCEPTED, &json!(LETTERS / 20)));
    wait_for("the replays to end", PATIENCE, || async {
        let jobs = desk.read("replay-jobs").await;
        let job = &jobs["jobs"][0];
        (job["state"] == "done" && job["outcomes"] == json!({ "applied": LETTERS / 20 }))
            .then_some(())
    })
    .await;
    let (status, _) = desk.post("replay-jobs/1/cancel", &json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "it has ended");

    let of_session = json!({ "filter": { "sessions": ["s1"] }, "note": "not ours" });
    let (_, discarded) = desk.post("dead-letters/discard", &of_session).await;
    assert!(discarded["count"].as_u64().unwrap() > 5, "{discarded}");
    let (_, restored) = desk.post("dead-letters/restore", &of_session).await;
    assert_eq!(restored, discarded);
    let logs = desk.read("audit-logs").await;
    let done: Vec<&Value> = logs["audit_logs"].as_array().unwrap().iter().collect();
    let actions: Vec<&str> = done.iter().map(|log| log["action"].as_str().unwrap()).collect();
    // The letter was shown and its body read; after the edit the new body and the original.
    assert_eq!(actions, ["restore", "discard", "replay", "read", "read", "edit", "read", "read"]);
    assert_eq!((&done[2]["actor"], &done[2]["channel"]), (&json!("operator"), &json!("api")));
    assert!(done[2]["place"].as_str().unwrap().starts_with("127.0.0.1:"), "{logs}");

    export_and_import(&desk).await;
    let (status, begun) = desk.post("webhooks/renormalize", &json!({ "all": true })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
    wait_for("the webhooks to be read again", PATIENCE, || async {
        let logs = desk.read("audit-logs?action=renormalize").await;
        // All others are dead letters.
        (logs["audit_logs"][0]["affected"] == LETTERS / 20).then_some(())
    })
    .await;
    let status = desk.setting.status();
    assert_eq!(
        (&status["balanced"], &status["dead_lettered"]),
        (&json!(true), &json!(LETTERS - LETTERS / 20 + 1))
    );
}

/// A body that is mended is read as it would be; one of another session, or no better, is refused.
async fn replace_a_body(desk: &Desk<'_>) {
    let page = desk.read("dead-letters?limit=1&reason=malformed").await;
    let path = format!("api/v1/dead-letters/{}/body", page["dead_letters"][0]["id"]);
    let put = async |token: &str, path: &str, body: &str| {
        let request_body = json!({ "body": body, "note": "by hand" });
        let request = desk.request(Method::PUT, path).bearer_auth(token).json(&request_body);
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let good = r#"{"event":"session.status","session":"s1","payload":{"status":"WORKING"}}"#;
    assert_eq!(put(VIEWER, &path, good).await.0, StatusCode::FORBIDDEN);
    assert_eq!(put(OPERATOR, "api/v1/dead-letters/0/body", good).await.0, StatusCode::NOT_FOUND);
    let (status, problem) = put(OPERATOR, &path, "still no JSON").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    assert_eq!(problem["detail"], "the new body is no JSON: it breaks at line 1, column 1");
    let (_, problem) = put(OPERATOR, &path, "[]").await;
    assert_eq!(problem["detail"], "the new body can't be used: the body is not a JSON object");
    let (status, reading) = put(OPERATOR, &path, good).await;
    assert_eq!((status, &reading["outcome"]), (StatusCode::OK, &json!("applied")), "{reading}");
    assert_eq!(desk.get(&path).send().await.unwrap().text().await.unwrap(), good);
    let before = desk.get(&format!("{path}?original=true")).send().await.unwrap();
    let before = before.text().await.unwrap();
    assert_ne!(before, good, "the original is kept");
    let logs = desk.read("audit-logs?action=edit").await;
    assert_eq!(logs["audit_logs"][0]["note"], "by hand", "{logs}");
}

/// A filter that names nothing needs `all`, a typo is no filter, and JSON of another shape is no wish.
async fn refuse_wishes(desk: &Desk<'_>) {
    let a_state = json!({ "states": [{ "pending": null }] });
    for (path, request_body) in [
        ("dead-letters/replay", json!({})),
        ("dead-letters/discard", json!({ "note": "x" })),
        ("dead-letters/replay", json!({ "filter": { "sesions": ["s1"] } })),
        ("dead-letters/discard", json!({ "all": true, "note": " " })),
        ("webhooks/renormalize", json!({})),
        // What serde would read as a struct or as a name.
        ("dead-letters/replay", json!({ "filter": [], "all": true })),
        ("dead-letters/replay", json!([{}, true, true])),
        ("dead-letters/replay", json!({ "filter": a_state, "all": true })),
        ("dead-letters/discard", json!([{}, true, true, "x"])),
        ("dead-letters/import", json!([[]])),
        ("webhooks/renormalize", json!({ "filter": { "outcomes": [{ "applied": null }] } })),
    ] {
        assert_eq!(
            desk.post(path, &request_body).await.0,
            StatusCode::BAD_REQUEST,
            "{path} {request_body}"
        );
    }
}

/// What is exported is known here; one that is not becomes pending.
async fn export_and_import(desk: &Desk<'_>) {
    let exported = desk.get("api/v1/dead-letters/export?session=s1").send().await.unwrap();
    let text = exported.text().await.unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut foreign: Value = serde_json::from_str(&lines[0]).unwrap();
    foreign["webhook_id"] = json!("from elsewhere");
    lines.push(foreign.to_string());
    let count = lines.len();
    let (status, refused) = desk.post("dead-letters/import", &json!({ "lines": ["{}"] })).await;
    assert_eq!((status, &refused["status"]), (StatusCode::BAD_REQUEST, &json!(400)));
    let (_, carried) = desk.post("dead-letters/import", &json!({ "lines": lines })).await;
    assert_eq!(carried["lines"], count);
    assert_eq!((&carried["imported"], &carried["known"]), (&json!(1), &json!(count - 1)));
}
