//! Search over HTTP and on the command line: who finds what, what is refused and why, and what `check` says.

use std::collections::BTreeSet;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};

use crate::admin_api::{Desk, secret};
use crate::cli::run;
use crate::database::{Database, Kind};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
const ENABLED: &str = "\n[search]\nenabled = true\n";

async fn get(desk: &Desk<'_>, role: &str, query: &[(&str, &str)]) -> Response {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = query.iter().map(|(key, value)| format!("{key}={}", encoded(value)));
    let path = format!("api/v1/messages?{}", pairs.collect::<Vec<_>>().join("&"));
    let asked = desk.request(Method::GET, &path);
    asked.bearer_auth(secret(role)).send().await.unwrap()
}

async fn page(desk: &Desk<'_>, role: &str, query: &[(&str, &str)]) -> Value {
    let answer = get(desk, role, query).await;
    assert_eq!(answer.status(), StatusCode::OK, "{query:?}");
    answer.json().await.unwrap()
}

async fn problem(desk: &Desk<'_>, query: &[(&str, &str)], status: StatusCode) -> String {
    let answer = get(desk, "application", query).await;
    assert_eq!(answer.status(), status, "{query:?}");
    let problem: Value = answer.json().await.unwrap();
    problem["detail"].as_str().unwrap().to_owned()
}

fn sessions(page: &Value) -> BTreeSet<&str> {
    page["messages"].as_array().unwrap().iter().map(|it| it["session"].as_str().unwrap()).collect()
}

async fn send(desk: &Desk<'_>, count: usize) {
    let webhooks = history(&Plan { seed: 1, ..Plan::default() }).take(count);
    let report = send_all(desk.setting.sending(4), webhooks, || ()).await.unwrap();
    assert_eq!(report.accepted, count as u64);
}

/// What a command prints, and whether it succeeded.
fn command(folder: &std::path::Path, database: &Database, arguments: &[&str]) -> (bool, String) {
    let output = run(folder, &[("DATABASE__URL", &database.url)], arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_searches_its_own_sessions() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let limits = format!("sessions = [\"shop-0\"]\n{ENABLED}");
    let desk = Desk::open_limiting_application(&folder, &database, &limits).await;
    let off = problem(&desk, &[("q", "order")], StatusCode::CONFLICT).await;
    assert!(off.contains("waha-ingest search enable"), "{off}");
    let (is_good, text) = command(folder.path(), &database, &["search", "enable"]);
    assert!(is_good && text.contains("all messages can be searched"), "{text}");
    send(&desk, 400).await;
    let all = wait_for("the words to be there", PATIENCE, async || {
        let status = desk.json("api/v1/status").await;
        let page = page(&desk, "reader", &[("q", "the"), ("limit", "100")]).await;
        let is_quiet = status["waiting"] == 0 && page["behind"] == 0;
        is_quiet.then_some(page)
    })
    .await;
    assert_eq!(all["complete"], true);
    assert!(sessions(&all).is_superset(&["shop-0", "desk_1"].into()), "{all}");
    let one = page(&desk, "reader", &[("q", "the"), ("session", "desk_1"), ("limit", "100")]).await;
    assert_eq!(sessions(&one), ["desk_1"].into());
    let chat = one["messages"][0]["chat"].as_str().unwrap();
    let chats = page(&desk, "reader", &[("q", "the"), ("chat", chat)]).await;
    assert!(chats["messages"].as_array().unwrap().iter().all(|it| it["chat"] == chat), "{chats}");
    let its = page(&desk, "application", &[("q", "the")]).await;
    assert_eq!(sessions(&its), ["shop-0"].into());
    let others = page(&desk, "application", &[("q", "the"), ("session", "desk_1")]).await;
    assert_eq!(sessions(&others), BTreeSet::new());
    // Page by page it is the same.
    let (mut told, mut before) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("q", "the"), ("limit", "3")];
        query.extend(before.as_deref().map(|before| ("before", before)));
        let page = page(&desk, "reader", &query).await;
        told.extend(page["messages"].as_array().unwrap().iter().cloned());
        before = page["next"].as_str().map(str::to_owned);
        if before.is_none() {
            break;
        }
    }
    assert_eq!(&told[..told.len().min(100)], all["messages"].as_array().unwrap().as_slice());
    assert_eq!(get(&desk, "viewer", &[("q", "the")]).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_searched_is_refused_with_what_helps() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open_limiting_application(&folder, &database, ENABLED).await;
    assert!(command(folder.path(), &database, &["search", "enable"]).0);
    let long = "x".repeat(1_000);
    for (query, said) in [
        (vec![], "q is missing"),
        (vec![("q", "")], "q is too short"),
        (vec![("q", "a")], "q is too short"),
        (vec![("q", "%%%")], "q is too short"),
        (vec![("q", "' OR 1=1 --")], ""),
        (vec![("q", long.as_str())], "q is too long"),
        (vec![("q", "ab"), ("limit", "0")], "limit"),
        (vec![("q", "ab"), ("limit", "101")], "limit"),
        (vec![("q", "ab"), ("before", "yesterday")], "before"),
        (vec![("q", "ab"), ("chat", "x\0")], "NUL"),
        (vec![("q", "ab"), ("other", "x")], "unknown field `other`"),
    ] {
        let status = if said.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let answer = get(&desk, "application", &query).await;
        assert_eq!(answer.status(), status, "{query:?}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(said), "{query:?}: {text}");
    }
    let longer = "x".repeat(10_000);
    let answer = get(&desk, "application", &[("q", longer.as_str())]).await;
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_check_say_how_it_stands() {
    for kind in [Kind::Sqlite, Kind::Postgres, Kind::MySql] {
        let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(kind).await);
        migration::up(&database.connect().await).await.unwrap();
        let run = |settings: &[(&str, &str)], arguments: &[&str]| {
            let settings = [&[("DATABASE__URL", database.url.as_str())], settings].concat();
            let output = run(folder.path(), &settings, arguments);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (output.status.success(), text(&output.stdout) + &text(&output.stderr))
        };
        let on = ("SEARCH__ENABLED", "true");
        let says = |(is_good, text): (bool, String), expected: bool, said: &str| {
            assert!(is_good == expected && text.contains(said), "{kind:?}: {said}: {text}");
        };
        says(run(&[], &["search", "status"]), true, "off");
        says(run(&[on], &["search", "status"]), false, "run `waha-ingest search enable`");
        assert!(!run(&[], &["check"]).1.contains("search"));
        assert!(run(&[on], &["check"]).1.contains("FAILED  search: search.enabled is true"));
        says(run(&[], &["search", "enable"]), true, "search.enabled is false");
        says(run(&[on], &["search", "enable"]), true, "all messages can be searched");
        says(run(&[on], &["search", "status", "--json"]), true, "\"state\":\"on\"");
        assert!(run(&[on], &["check"]).1.contains("ok      search: on"));
        assert!(run(&[], &["check"]).1.contains("FAILED  search: search.enabled is false"));
        says(run(&[], &["search", "disable"]), false, "--yes");
        says(run(&[on], &["search", "disable", "--yes"]), true, "set it to false");
        says(run(&[], &["search", "disable", "--yes"]), true, "the search is off");
    }
}
