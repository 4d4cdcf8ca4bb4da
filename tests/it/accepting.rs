//! The door: what is accepted, what is refused, and that nothing refused is queued.

use reqwest::StatusCode;
use serde_json::{Value, json};
use waha_ingest::queue::Queue;

use crate::app::TestApp;
use crate::database::{Database, Kind};

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_webhook_is_durable_before_202() {
    let app = TestApp::start(Kind::Sqlite).await;
    let body = json!({"id": "evt_1", "event": "message", "session": "s", "payload": {}});
    assert_eq!(app.post(body.to_string()).await, StatusCode::ACCEPTED);
    assert_eq!(app.queue.census().await.unwrap().accepted, 1);
    assert_eq!(app.queue.depth().await.unwrap().total(), 1);
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
    let client = reqwest::Client::builder()
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
    let unsigned = reqwest::Client::new().post(url).body("{}").send().await.unwrap();
    assert_problem(unsigned, StatusCode::UNAUTHORIZED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_413_with_and_without_content_length() {
    let app = TestApp::start(Kind::Sqlite).await;
    let told = app.request().body(vec![b'x'; 20_000_000]).send().await;
    // The answer may come while the client still writes: then it sees a closed connection.
    if let Ok(response) = told {
        assert_problem(response, StatusCode::PAYLOAD_TOO_LARGE).await;
    }
    let chunks = (0..10).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1_000_000]));
    let untold = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    if let Ok(response) = app.request().body(untold).send().await {
        assert_problem(response, StatusCode::PAYLOAD_TOO_LARGE).await;
    }
    assert_eq!(app.queue.depth().await.unwrap().total(), 0);
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
