//! What is commanded: restarts, silence, loss, delay, failures.

use std::time::Duration;

use serde_json::{Value, json};
use waha_ingest::simulate::Engine;
use waha_ingest::simulate::api::{Failure, Fault, Options, Silence, Time};

use super::{Api, plan, text};

/// How many messages of the first session can be read.
async fn readable(api: &Api) -> usize {
    api.messages().await.len()
}

#[tokio::test]
async fn only_what_was_taken_can_be_read() {
    let api = Api::start(Options::of(plan(Engine::Gows)));
    let mut webhooks = api.served.webhooks();
    assert_eq!(readable(&api).await, 0);
    let is_first = |sent: &waha_ingest::simulate::Sent| {
        sent.session == "shop-0" && sent.event_type == "message.any"
    };
    let first: Value = serde_json::from_slice(&webhooks.find(is_first).unwrap().body).unwrap();
    let messages = api.messages().await;
    assert_eq!((messages.len(), &messages[0]["id"]), (1, &first["payload"]["id"]));
}

#[tokio::test]
async fn what_is_lost_can_be_read() {
    let whole = Api::start(Options::of(plan(Engine::Gows)));
    let lossy = Api::start(Options { lose: 0.2, ..Options::of(plan(Engine::Gows)) });
    let (all, sent) = (whole.served.webhooks().count(), lossy.served.webhooks().count());
    assert!((all * 7 / 10..all * 9 / 10).contains(&sent), "{sent} of {all}");
    assert_eq!(readable(&whole).await, readable(&lossy).await);
    let again = Api::start(Options { lose: 0.2, ..Options::of(plan(Engine::Gows)) });
    assert_eq!(again.served.webhooks().count(), sent, "the seed decides");
    again.served.lose(false);
    assert_eq!(again.served.webhooks().count(), all);
}

#[tokio::test]
async fn webhooks_can_be_late() {
    let delay = Duration::from_secs(120);
    let api = Api::start(Options { delay, ..Options::of(plan(Engine::Gows)) });
    let prompt = Api::start(Options::of(plan(Engine::Gows)));
    let mut late = api.served.webhooks();
    assert_eq!(late.next(), prompt.served.webhooks().next());
    assert!(readable(&api).await > readable(&prompt).await);
    assert_eq!(late.count() + 1, prompt.served.webhooks().count(), "none is lost");
}

#[tokio::test]
async fn a_restart_has_another_start_no_files_and_no_connections() {
    let api = Api::start(Options { lost_per_restart: 5, ..Options::of(plan(Engine::Gows)) });
    let mut webhooks = api.served.webhooks();
    let linked = |sent: &waha_ingest::simulate::Sent| {
        let body: Value = serde_json::from_slice(&sent.body).unwrap();
        body.pointer("/payload/media/url").is_some_and(Value::is_string)
    };
    let body: Value = serde_json::from_slice(&webhooks.find(linked).unwrap().body).unwrap();
    let url = text(&body, "/payload/media/url");
    assert_eq!(api.client.get(url).send().await.unwrap().status(), 200);
    let before = api.get("/api/server/status").await["startTimestamp"].as_i64();
    let mut idle = tokio::net::TcpStream::connect(api.served.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut idle, b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut idle, &mut answer).await.unwrap();
    api.served.restart().await;
    let mut rest = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut idle, &mut rest);
    let closed = tokio::time::timeout(Duration::from_secs(10), closed).await;
    assert!(closed.is_ok(), "the connection is closed");
    assert!(api.get("/api/server/status").await["startTimestamp"].as_i64() > before);
    assert_eq!(api.client.get(url).send().await.unwrap().status(), 404);
    let news: Vec<String> = webhooks
        .by_ref()
        .take(6)
        .map(|sent| {
            let body: Value = serde_json::from_slice(&sent.body).unwrap();
            format!("{} {}", sent.session, text(&body, "/payload/status"))
        })
        .collect();
    assert_eq!(news[..3], ["shop-0 STOPPED", "shop-0 STARTING", "shop-0 WORKING"]);
    let all = Api::start(Options::of(plan(Engine::Gows))).served.webhooks().count();
    let upto = Api::start(Options::of(plan(Engine::Gows)));
    let taken = upto.served.webhooks().position(|sent| linked(&sent)).unwrap() + 1;
    assert_eq!(webhooks.count(), all - taken - 5, "five were in memory");
}

#[tokio::test]
async fn a_session_can_work_and_send_nothing() {
    let all = Api::of(Engine::Gows);
    let api = Api::start(Options::of(plan(Engine::Gows)));
    api.served.silence(Some(Silence::Webhooks));
    assert_eq!(api.served.webhooks().count(), 0);
    assert_eq!(api.get("/api/sessions/shop-0").await["status"], "WORKING");
    assert_eq!(readable(&api).await, readable(&all).await, "everything can be read");
    let silent = Options { silent_after: Some(10), ..Options::of(plan(Engine::Gows)) };
    assert_eq!(Api::start(silent).served.webhooks().count(), 10);
}

#[tokio::test]
async fn a_dead_connection_brings_all_at_once_when_it_comes_back() {
    let all = Api::start(Options::of(plan(Engine::Gows)));
    let count = all.served.webhooks().count();
    let api = Api::start(Options::of(plan(Engine::Gows)));
    api.served.silence(Some(Silence::Dead));
    let mut webhooks = api.served.webhooks();
    assert_eq!(webhooks.next(), None);
    let session = api.get("/api/sessions/shop-0").await;
    assert_eq!((text(&session, "/status"), readable(&api).await), ("WORKING", 0));
    let dead = json!({
        "engine": "GOWS", "grpc": { "client": "READY", "stream": "TRANSIENT_FAILURE" },
        "gows": { "found": true, "connected": false },
    });
    assert_eq!(session["engine"], dead);
    for session in api.served.sessions() {
        let path = format!("/api/sessions/{session}/restart");
        assert_eq!(api.send("POST", &path, &json!({})).await.0, 201);
    }
    assert_eq!(webhooks.filter(|sent| sent.event_type != "session.status").count(), count);
    api.served.advance(Duration::from_secs(2));
    assert_eq!(readable(&api).await, readable(&all).await);
}

#[tokio::test]
async fn requests_fail_as_they_are_told_to() {
    let api = Api::of(Engine::Gows);
    let fail = |failure| api.served.fail(Fault { path: "/api/".to_owned(), times: 1, failure });
    let ask = async || api.ask("/api/shop-0/groups?limit=1").await;
    for (failure, status, pointer, said) in [
        (Failure::RateOverlimit, 500, "/exception/message", "rate-overlimit"),
        (Failure::Grpc(14), 500, "/exception/message", "14 UNAVAILABLE: No connection established"),
        (Failure::NotWorking, 422, "/status", "SCAN_QR_CODE"),
        (Failure::Unauthorized, 401, "/message", "Unauthorized"),
        (Failure::Forbidden, 403, "/message", "Forbidden"),
        (Failure::Proxy(502), 502, "", ""),
        (Failure::Empty, 200, "", ""),
        (Failure::NotJson, 200, "", ""),
        (Failure::ContextDestroyed, 500, "/exception/name", "Error"),
        (
            Failure::ExecutionTime,
            500,
            "/exception/message",
            "Maximum execution time is exceeded shop-0",
        ),
    ] {
        fail(failure);
        let (got, body) = ask().await;
        assert_eq!((got, text(&body, pointer)), (status, said), "{failure:?}");
    }
    fail(Failure::CutOff);
    assert!(api.response("/api/shop-0/groups").await.bytes().await.is_err());
    fail(Failure::Slow(Duration::from_millis(300)));
    let begun = std::time::Instant::now();
    assert_eq!(ask().await.0, 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(ask().await.0, 200, "each failed once");
}

#[tokio::test]
async fn a_failure_repeats_the_whole_request_with_its_secrets() {
    let api = Api::of(Engine::Gows);
    let fault = Fault { path: "/api/sessions/shop-0".to_owned(), times: 1, failure: Failure::Lock };
    api.served.fail(fault);
    let config = json!({ "config": { "webhooks": [{ "hmac": { "key": "secret" } }] } });
    let (status, refusal) = api.send("PUT", "/api/sessions/shop-0?a=b", &config).await;
    assert_eq!(status, 500);
    let request = json!({
        "path": "/api/sessions/shop-0", "method": "PUT", "body": config, "query": { "a": "b" },
    });
    assert_eq!(refusal["request"], request);
    assert_eq!(text(&refusal, "/exception/message"), "async-lock timed out in queue shop-0");
    assert_eq!(refusal["version"], api.get("/api/server/version").await);
}

#[tokio::test]
async fn requests_are_written_down() {
    let api = Api::of(Engine::Gows);
    let url = format!("{}/api/nobody/chats?limit=3", api.served.url());
    api.client.get(url).header("x-api-key", "any").send().await.unwrap();
    let requests = api.served.requests();
    let last = requests.last().unwrap();
    assert_eq!((&*last.method, &*last.path, &*last.query), ("GET", "/api/nobody/chats", "limit=3"));
    assert_eq!((last.has_key, last.status), (true, 422));
}

#[tokio::test]
async fn time_can_be_that_of_the_history() {
    let api = Api::start(Options { time: Time::History, ..Options::of(plan(Engine::Gows)) });
    let last = api.served.webhooks().last().unwrap();
    assert_eq!(api.served.now_ms(), last.at_ms);
    let served = api.served;
    served.stop().await.unwrap();
}
