//! The feed over HTTP: pages that wait, streams that go on where they broke off, and who sees what.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use waha_ingest::http_client;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};
use waha_ingest::webhook::source::sign;

use crate::admin_api::{Desk, secret};
use crate::app::KEY;
use crate::database::{Database, Kind};
use crate::last_messages::{PHONE, message};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

async fn send(desk: &Desk<'_>, seed: u64, count: usize) {
    let webhooks = history(&Plan { seed, ..Plan::default() }).take(count);
    let report = send_all(desk.setting.sending(4), webhooks, || ()).await.unwrap();
    assert_eq!(report.accepted, count as u64);
}

async fn get(desk: &Desk<'_>, query: &str) -> Response {
    let asked = desk.request(Method::GET, &format!("api/v1/changes{query}"));
    asked.bearer_auth(secret("application")).send().await.unwrap()
}

async fn page(desk: &Desk<'_>, query: &str) -> Value {
    let answer = get(desk, query).await;
    assert_eq!(answer.status(), StatusCode::OK, "{query}");
    answer.json().await.unwrap()
}

fn positions(page: &Value) -> Vec<i64> {
    let changes = page["changes"].as_array().unwrap().iter();
    changes.map(|change| change["position"].as_i64().unwrap()).collect()
}

/// Position of the feed once all that was sent is applied.
async fn newest(desk: &Desk<'_>) -> i64 {
    let is_quiet = async || {
        let status = desk.json("api/v1/status").await;
        (status["waiting"] == 0 && status["balanced"] == true).then_some(())
    };
    wait_for("all to be applied", PATIENCE, is_quiet).await;
    let mut position = 0;
    loop {
        let page = page(desk, &format!("?after={position}&limit=1000")).await;
        let next = page["position"].as_i64().unwrap();
        if next == position {
            return position;
        }
        position = next;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_tell_each_position_once() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    send(&desk, 1, 120).await;
    let newest = newest(&desk).await;
    let (mut told, mut after) = (Vec::new(), 0);
    while after < newest {
        let page = page(&desk, &format!("?after={after}&limit=7")).await;
        told.extend(positions(&page));
        after = page["position"].as_i64().unwrap();
    }
    assert_eq!(told, (1..=newest).collect::<Vec<_>>());
    let only = page(&desk, "?kind=message.created,chat.created&limit=1000").await;
    let kinds = only["changes"].as_array().unwrap().iter().map(|it| it["kind"].clone());
    let kinds: std::collections::BTreeSet<String> =
        kinds.map(|kind| kind.as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["chat.created", "message.created"].map(str::to_owned).into());
    assert_eq!(only["position"], newest, "what is left out is told as read");
    let with_rows = page(&desk, "?kind=message.created&limit=1000&include=row").await;
    let changes = with_rows["changes"].as_array().unwrap();
    assert!((1..=100).contains(&changes.len()), "{}", changes.len());
    for change in changes {
        let (row, key) = (&change["row"], &change["natural_key"]);
        assert_eq!((&row["id"], &row["message_id"]), (&change["row_id"], key), "{change}");
    }
    assert_eq!(positions(&page(&desk, "?session=nobody&limit=1000").await), [0; 0]);
}

/// However many are asked for: who reads slowly has a page in memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_with_rows_is_bounded_by_what_they_hold() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    for number in 1..=3 {
        let mut webhook = message(PHONE, &format!("3EB0A{number}"), false, number);
        webhook["payload"]["body"] = "long ".repeat(140_000).into();
        let body = webhook.to_string();
        let signature = sign(&KEY.into(), body.as_bytes());
        let asked = http_client::plain().build().unwrap().post(desk.setting.url()).body(body);
        let answer = asked.header("x-webhook-hmac", signature).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
    let newest = newest(&desk).await;
    let (mut told, mut after) = (0, 0);
    while after < newest {
        let query = format!("?after={after}&limit=100&include=row&kind=message.created");
        let page = page(&desk, &query).await;
        assert!(positions(&page).len() <= 1, "two are more than a MiB");
        told += positions(&page).len();
        after = page["position"].as_i64().unwrap();
    }
    assert_eq!(told, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_waits_for_what_comes() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    let empty = page(&desk, "?wait_s=0").await;
    assert_eq!((positions(&empty), &empty["position"]), (Vec::new(), &Value::from(0)));
    let waiting = page(&desk, "?wait_s=60");
    let sending = send(&desk, 1, 1);
    let (page, ()) = tokio::join!(waiting, sending);
    assert_eq!(positions(&page)[0], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_where_it_broke_off() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    send(&desk, 1, 30).await;
    let first = Events::open(&desk, None).await.until(10).await;
    assert_eq!(first, (1..=10).collect::<Vec<_>>());
    let mut events = Events::open(&desk, Some(10)).await;
    send(&desk, 2, 30).await;
    let newest = newest(&desk).await;
    assert_eq!(events.until(newest).await, (11..=newest).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_not_follow_is_told_why() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    let problem: Value = get(&desk, "?kind=message.created,nothing").await.json().await.unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("kind: there is no \"nothing\"; there are "), "{detail}");
    for (query, status) in [
        ("?after=7", StatusCode::GONE),
        ("?epoch=another", StatusCode::GONE),
        ("?after=-1", StatusCode::BAD_REQUEST),
        ("?wait_s=61", StatusCode::BAD_REQUEST),
        ("?kind=nothing", StatusCode::BAD_REQUEST),
        ("?limit=0", StatusCode::BAD_REQUEST),
    ] {
        let answer = get(&desk, query).await;
        assert_eq!(answer.status(), status, "{query}");
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().len() > 10, "{problem}");
    }
}

/// A stream of events.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn open(desk: &Desk<'_>, last: Option<i64>) -> Self {
        let mut asked = desk.request(Method::GET, "api/v1/changes");
        asked = asked.bearer_auth(secret("application")).header("accept", "text/event-stream");
        if let Some(last) = last {
            asked = asked.header("last-event-id", last);
        }
        let response = asked.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The positions told, up to this one.
    async fn until(&mut self, last: i64) -> Vec<i64> {
        let mut told = Vec::new();
        while told.last().is_none_or(|position| *position < last) {
            let part =
                tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("goes on");
            self.text.push_str(std::str::from_utf8(&part.unwrap().expect("goes on")).unwrap());
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let id = event.lines().find_map(|line| line.strip_prefix("id: "));
                let position = |id: &str| id.rsplit_once('_').unwrap().1.parse::<i64>().unwrap();
                told.extend(id.filter(|_| event.contains("\ndata: ")).map(position));
                let rest = rest.to_owned();
                self.text = rest;
            }
        }
        told.retain(|position| *position <= last);
        told
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_epoch_is_told_to_who_follows() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    send(&desk, 4, 40).await;
    let newest = newest(&desk).await;
    let shown = |arguments: &[&str]| -> Value {
        serde_json::from_slice(&desk.setting.run(arguments).stdout).unwrap()
    };
    let before = shown(&["feed", "show", "--json"]);
    assert_eq!(before["position"], newest);
    let query = format!("?after={newest}&epoch={}", before["epoch"].as_str().unwrap());
    assert_eq!(get(&desk, &query).await.status(), StatusCode::OK);
    let after = shown(&["feed", "renew", "--yes", "--json"]);
    assert_eq!(after["position"], newest);
    let told = get(&desk, &query).await;
    assert_eq!(told.status(), StatusCode::GONE);
    let problem: Value = told.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("read the tables"), "{problem}");
    let stream = desk.request(Method::GET, "api/v1/changes").header("accept", "text/event-stream");
    let last = format!("{}_{newest}", before["epoch"].as_str().unwrap());
    let stream = stream.bearer_auth(secret("application")).header("last-event-id", last);
    assert_eq!(stream.send().await.unwrap().status(), StatusCode::GONE);
    // Who waits shares what somebody read a moment ago.
    wait_for("the epoch", PATIENCE, || async {
        (page(&desk, &format!("?after={newest}")).await["epoch"] == after["epoch"]).then_some(())
    })
    .await;
    let place = desk.json("api/v1/feed").await;
    assert_eq!(
        place,
        serde_json::json!({
            "epoch": after["epoch"], "position": newest, "oldest_position": 1,
        })
    );
    let audit = desk.json("api/v1/audit-logs?action=renew").await;
    assert_eq!(audit["audit_logs"].as_array().unwrap().len(), 1);
}

/// Else who comes again after a while would begin where he began, and be too late one day.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_stream_in_which_nothing_comes_the_last_id_goes_on() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    send(&desk, 4, 40).await;
    let place = desk.json("api/v1/feed").await;
    let last = format!("id: {}_{}\n\n", place["epoch"].as_str().unwrap(), place["position"]);
    let asked = desk.request(Method::GET, "api/v1/changes?kind=message.deleted");
    let asked = asked.bearer_auth(secret("application")).header("accept", "text/event-stream");
    let mut response = asked.send().await.unwrap();
    let mut text = String::new();
    while !text.contains(&last) {
        let part = tokio::time::timeout(PATIENCE, response.chunk()).await.expect("goes on");
        text.push_str(std::str::from_utf8(&part.unwrap().expect("goes on")).unwrap());
    }
    assert!(!text.contains("data:"), "{text}");
}
