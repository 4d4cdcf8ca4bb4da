//! The door: what is accepted, what is refused, and that nothing refused is queued.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use waha_ingest::config::Config;
use waha_ingest::http_client;
use waha_ingest::queue::Queue;

use crate::app::TestApp;
use crate::database::{Database, Kind};

/// Whoever holds the file's lock keeps it from being written: then nobody is told 202.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_webhook_is_durable_before_202() {
    let app = TestApp::start(Kind::Sqlite).await;
    let body =
        |id| json!({"id": id, "event": "message", "session": "s", "payload": {}}).to_string();
    let other = rusqlite::Connection::open(&app.queue_path).unwrap();
    let stored = |id: &str| -> i64 {
        let sql = "SELECT COUNT(*) FROM webhooks WHERE webhook_id = ?1";
        other.query_row(sql, [id], |row| row.get(0)).unwrap()
    };
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(app.post(body("evt_1")).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stored("evt_1"), 0);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(app.post(body("evt_2")).await, StatusCode::ACCEPTED);
    assert_eq!(stored("evt_2"), 1, "committed: another connection sees it");
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_and_wrongly_signed_requests_queue_nothing() {
    let app = TestApp::start(Kind::Sqlite).await;
    let unsigned = app.request().body("{}").send().await.unwrap();
    assert_problem(unsigned, StatusCode::UNAUTHORIZED).await;
    let wrong = app.request().header("x-webhook-hmac", "ab".repeat(64)).body("{}");
    assert_problem(wrong.send().await.unwrap(), StatusCode::UNAUTHORIZED).await;
    let algorithm = app.request().header("x-webhook-hmac-algorithm", "sha1").body("{}");
    assert_problem(algorithm.send().await.unwrap(), StatusCode::UNAUTHORIZED).await;
    assert_eq!(app.queue.depth().await.unwrap().total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_source_is_404_and_no_path_redirects() {
    let app = TestApp::start(Kind::Sqlite).await;
    let client = http_client::plain()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    for path in ["other", "default/", "/default", ""] {
        let url = app.url.replace("default", path);
        let response = client.post(url).body("{}").send().await.unwrap();
        assert_problem(response, StatusCode::NOT_FOUND).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_source_is_known_however_its_path_is_encoded() {
    let app = TestApp::start(Kind::Sqlite).await;
    let url = app.url.replace("default", "def%61ult");
    let unsigned = http_client::plain().build().unwrap().post(url).body("{}").send().await.unwrap();
    assert_problem(unsigned, StatusCode::UNAUTHORIZED).await;
}

/// Both send no byte more than the door must read to know: a client that still writes when the answer
/// comes may see a closed connection in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_413_with_and_without_content_length() {
    let app = TestApp::start(Kind::Sqlite).await;
    let bytes = Config::load_defaults().unwrap().limits.body_bytes_max + 1;
    // Without a signature it would be refused for that.
    let head = format!(
        "POST /webhooks/default HTTP/1.1\r\nhost: localhost\r\nx-webhook-hmac: {}\r\n",
        "0".repeat(128)
    );
    let told = format!("{head}content-length: {bytes}\r\n\r\n");
    let untold = format!("{head}transfer-encoding: chunked\r\n\r\n{bytes:x}\r\n");
    let untold = [untold.into_bytes(), vec![b'x'; bytes]].concat();
    for request in [told.into_bytes(), untold] {
        let answer = answer_to(&app, &request).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    assert_eq!(app.queue.depth().await.unwrap().total(), 0);
}

/// Everything that comes until the door closes the connection.
async fn answer_to(app: &TestApp, request: &[u8]) -> String {
    let address = app.url.split('/').nth(2).unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_503_with_retry_after() {
    let app = TestApp::start_with(Database::create(Kind::Sqlite).await, 1 << 20).await;
    let body = json!({"event": "message", "session": "s", "payload": "x".repeat(100_000)});
    for _ in 0..20 {
        app.signed(body.to_string()).send().await.unwrap();
    }
    let response = app.signed(body.to_string()).send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    let problem = assert_problem(response, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(!problem.to_string().contains("bytes_max"), "no inner cause: {problem}");
}

/// Asserts an answer in the form of RFC 9457.
async fn assert_problem(response: reqwest::Response, status: StatusCode) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status.as_u16());
    assert!(problem["detail"].is_string());
    problem
}
