//! Files as processes fetch them, applications get them over the API, and operators see them.

use super::*;

use crate::admin_api::{Desk, secret};
use crate::cli::run as run_command;
use reqwest::{Method, Response, StatusCode};

/// An installation with a WAHA, as processes have it.
fn settings(waha: &Waha) -> String {
    format!(
        "\n[media]\nenabled = true\n\n[sources.default.waha]\nurl = \"{}\"\napi_key = \"{KEY}\"\n",
        waha.url
    )
}

async fn get(desk: &Desk<'_>, role: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let asked = desk.request(Method::GET, path).bearer_auth(secret(role));
    headers
        .iter()
        .fold(asked, |asked, (name, value)| asked.header(*name, *value))
        .send()
        .await
        .unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map(|it| it.to_str().unwrap()).unwrap_or_default()
}

/// Posts a message with a file through the door, and waits until it is stored.
async fn store(desk: &Desk<'_>, message: &Told<'_>) -> Value {
    let body = message.webhook().to_string();
    let signature = waha_ingest::webhook::source::sign(&crate::app::KEY.into(), body.as_bytes());
    let client = waha_ingest::http_client::plain().build().unwrap();
    let posted = client.post(desk.setting.url()).header("x-webhook-hmac", signature).body(body);
    assert_eq!(posted.send().await.unwrap().status(), StatusCode::ACCEPTED);
    wait_for("a stored file", PATIENCE, async || {
        let list = desk.json("api/v1/messages/1/attachments").await;
        let file = list["attachments"].as_array().unwrap().first().cloned()?;
        (file["state"] == "stored").then_some(file)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_gets_files_of_its_sessions_in_a_sandbox() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let waha = Waha::start();
    let desk = Desk::open_configured(&folder, &database, "", &settings(&waha)).await;
    waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    let link = format!("{}{}", waha.url, Keeping::path("A1"));
    let file = store(&desk, &Told { hashed: Some(PNG), ..Told::new("A1", Some(&link)) }).await;
    let path = format!("api/v1/attachments/{}", file["id"]);
    let answer = get(&desk, "application", &path, &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "content-type"), "image/png");
    assert_eq!(header(&answer, "content-length"), PNG.len().to_string());
    assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    assert_eq!(header(&answer, "content-security-policy"), "sandbox; default-src 'none'");
    let named = "attachment; filename=\"_.._agnp.png\"; filename*=UTF-8''_.._agnp.png";
    assert_eq!(header(&answer, "content-disposition"), named);
    let tag = header(&answer, "etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", file["sha256"].as_str().unwrap()));
    assert_eq!(answer.bytes().await.unwrap(), PNG);
    let known = get(&desk, "application", &path, &[("if-none-match", &tag)]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    for (asked, status, bytes) in [
        (&[("range", "bytes=0-3")][..], StatusCode::PARTIAL_CONTENT, &PNG[..4]),
        (&[("range", "bytes=-4")], StatusCode::PARTIAL_CONTENT, &PNG[PNG.len() - 4..]),
        (&[("range", "bytes=1-"), ("if-range", &tag)], StatusCode::PARTIAL_CONTENT, &PNG[1..]),
        (&[("range", "bytes=1-"), ("if-range", "\"other\"")], StatusCode::OK, PNG),
        (&[("range", "bytes=0-1,3-4")], StatusCode::OK, PNG),
    ] {
        let answer = get(&desk, "application", &path, asked).await;
        assert_eq!(answer.status(), status, "{asked:?}");
        assert_eq!(answer.bytes().await.unwrap(), bytes, "{asked:?}");
    }
    let outside = get(&desk, "application", &path, &[("range", "bytes=900-")]).await;
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header(&outside, "content-range"), format!("bytes */{}", PNG.len()));
    let head = desk.request(Method::HEAD, &path).bearer_auth(secret("application")).send().await;
    let head = head.unwrap();
    assert_eq!((head.status(), header(&head, "content-length")), (StatusCode::OK, "24"));
    assert_eq!(head.bytes().await.unwrap(), "");
    for (role, status) in [("viewer", StatusCode::FORBIDDEN), ("metrics", StatusCode::FORBIDDEN)] {
        assert_eq!(get(&desk, role, &path, &[]).await.status(), status, "{role}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_gets_no_files_of_other_sessions() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let (waha, limits) = (Waha::start(), "sessions = [\"support\"]\n");
    let desk = Desk::open_configured(&folder, &database, limits, &settings(&waha)).await;
    waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    let link = format!("{}{}", waha.url, Keeping::path("A1"));
    let file = store(&desk, &Told::new("A1", Some(&link))).await;
    let path = format!("api/v1/attachments/{}", file["id"]);
    assert_eq!(get(&desk, "reader", &path, &[]).await.status(), StatusCode::OK);
    assert_eq!(get(&desk, "application", &path, &[]).await.status(), StatusCode::NOT_FOUND);
    let list = get(&desk, "application", "api/v1/messages/1/attachments", &[]).await;
    let list: Value = list.json().await.unwrap();
    assert_eq!(list["attachments"], json!([]));
}

/// The one file of the first attachment.
fn file_of(folder: &TempDir) -> PathBuf {
    let stored = folder.path().join("data/media/default/sales/1");
    std::fs::read_dir(stored).unwrap().next().unwrap().unwrap().path()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_list_retry_and_verify() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let waha = Waha::start();
    let desk = Desk::open_configured(&folder, &database, "", &settings(&waha)).await;
    let command = |arguments: &[&str]| {
        let key = ("SOURCES__DEFAULT__HMAC_KEYS", crate::app::KEY);
        let settings = [("DATABASE__URL", database.url.as_str()), key];
        let output = run_command(folder.path(), &settings, arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    // At first nobody has it.
    let link = format!("{}{}", waha.url, Keeping::path("A1"));
    let body = Told::new("A1", Some(&link)).webhook().to_string();
    let signature = waha_ingest::webhook::source::sign(&crate::app::KEY.into(), body.as_bytes());
    let client = waha_ingest::http_client::plain().build().unwrap();
    let posted = client.post(desk.setting.url()).header("x-webhook-hmac", signature).body(body);
    posted.send().await.unwrap();
    wait_for("a file that is gone", PATIENCE, async || {
        command(&["media", "list"]).1.contains("message_unknown").then_some(())
    })
    .await;
    let refused = desk.get("api/v1/attachments/1").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert!(refused.text().await.unwrap().contains("media retry"));
    assert!(!command(&["media", "retry", "--yes"]).0, "it must be said which");
    waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    let (is_good, text) = command(&["media", "retry", "--state", "gone", "--yes"]);
    assert!(is_good && text.contains("1 files"), "{text}");
    wait_for("the file", PATIENCE, async || {
        command(&["media", "list", "--state", "stored", "--json"])
            .1
            .contains("sha256")
            .then_some(())
    })
    .await;
    let (is_good, text) = command(&["media", "verify"]);
    assert!(is_good && text.contains("1 files are as they were stored, 0 are damaged"), "{text}");
    let file = file_of(&folder);
    std::fs::write(&file, b"other bytes").unwrap();
    let (is_good, text) = command(&["media", "verify"]);
    assert!(!is_good && text.contains("1 are damaged"), "{text}");
    std::fs::remove_file(&file).unwrap();
    let (is_good, text) = command(&["media", "verify", "--json"]);
    assert!(!is_good && text.contains("\"damage\":\"missing\""), "{text}");
    let (is_good, text) = command(&["media", "retry", "1", "--yes"]);
    assert!(is_good && text.contains("media verify --retry"), "{text}");
    let gone = desk.get("api/v1/attachments/1").send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::GONE);
    assert!(gone.text().await.unwrap().contains("media verify --retry"));
    let (is_good, text) = command(&["media", "verify", "--retry"]);
    assert!(!is_good && text.contains("1 are fetched again"), "{text}");
    wait_for("a sound file", PATIENCE, async || {
        command(&["media", "verify"]).1.starts_with("1 files are as they were").then_some(())
    })
    .await;
    std::fs::write(file_of(&folder), b"").unwrap();
    let (is_good, text) = command(&["media", "verify"]);
    assert!(!is_good && text.contains(": other bytes"), "{text}");
    for (refused, words) in [
        (&["media", "verify", "--state", "waiting"][..], "reads what is stored"),
        (&["media", "retry", "1", "--state", "failed", "--yes"], "not both"),
        (&["media", "list", "--after", "-5"], "-5 is not in 0.."),
    ] {
        let (is_good, text) = command(refused);
        assert!(!is_good && text.contains(words), "{text}");
    }
    let audit = command(&["audit", "list", "--action", "retry"]).1;
    assert!(audit.contains("attachments"), "{audit}");
}

/// While WAHA is away files wait that it deletes after three minutes: whoever looks is told.
#[tokio::test(flavor = "multi_thread")]
async fn status_tells_of_files_that_wait_for_too_long() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    keeping.waha.stop().await;
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    keeping.tell(&Told::new("A2", None)).await;
    keeping.set_told_now().await;
    let late = async || keeping.app.store.late_files().await.unwrap();
    assert_eq!(late().await, None, "they have just been told");
    let _fetching = keeping.fetch();
    keeping.row_when("A1", "an outage", |row| row.reason.is_some()).await;
    keeping.row_when("A2", "an outage", |row| row.reason.is_some()).await;
    keeping.app.clock.advance(4 * MINUTE_MS);
    let told = late().await.unwrap();
    assert_eq!((told.count, told.reason.as_deref()), (2, Some("waha_away")));
}
