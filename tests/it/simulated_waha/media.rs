//! Files: real bytes with the hash that the message tells, for as long as WAHA keeps them.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use waha_ingest::simulate::Engine;
use waha_ingest::simulate::api::{Oddity, Options};

use super::{Api, plan, text};

const LIFETIME: Duration = Duration::from_secs(180);

/// The webhooks of messages whose files WAHA has fetched.
fn with_files(api: &Api) -> Vec<Value> {
    let bodies = api.served.webhooks().filter(|sent| sent.event_type == "message.any");
    let bodies = bodies.map(|sent| serde_json::from_slice::<Value>(&sent.body).unwrap());
    bodies.filter(|body| body.pointer("/payload/media/url").is_some_and(Value::is_string)).collect()
}

fn url(body: &Value) -> &str {
    text(body, "/payload/media/url")
}

/// The value of a key, wherever it is.
fn deep<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(object) => {
            object.get(key).or_else(|| object.values().find_map(|part| deep(part, key)))
        }
        Value::Array(list) => list.iter().find_map(|part| deep(part, key)),
        _ => None,
    }
}

async fn bytes(api: &Api, url: &str) -> (u16, Vec<u8>) {
    let response = api.client.get(url).send().await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn files_have_the_bytes_that_their_messages_tell() {
    for (engine, hash, length) in [
        (Engine::Gows, "fileSHA256", "fileLength"),
        (Engine::Noweb, "fileSha256", "fileLength"),
        (Engine::Webjs, "filehash", "size"),
        (Engine::Wpp, "filehash", "size"),
    ] {
        let api = Api::start(Options::of(plan(engine)));
        let mut kinds = std::collections::BTreeSet::new();
        for body in with_files(&api) {
            let (status, bytes) = bytes(&api, url(&body)).await;
            assert_eq!(status, 200, "{}", url(&body));
            let data = &body["payload"]["_data"];
            let told = deep(data, hash).and_then(Value::as_str).unwrap();
            assert_eq!(BASE64_STANDARD.encode(Sha256::digest(&bytes)), told);
            let length = deep(data, length).unwrap().to_string();
            assert_eq!(length.trim_matches('"'), bytes.len().to_string());
            kinds.insert(text(&body, "/payload/media/mimetype").to_owned());
        }
        assert!(kinds.len() >= 3, "{kinds:?}");
    }
}

#[tokio::test]
async fn a_file_dies_and_is_fetched_anew_when_its_message_is_asked_for() {
    let api = Api::start(Options::of(plan(Engine::Gows)));
    let body = with_files(&api).remove(0);
    let link = url(&body).to_owned();
    let session = text(&body, "/session");
    let id = text(&body, "/payload/id");
    let path = format!("/api/{session}/chats/all/messages/{}", super::escaped(id));
    api.served.advance(LIFETIME.saturating_sub(Duration::from_millis(1)));
    assert_eq!(api.get(&path).await["media"]["url"], link.as_str());
    assert_eq!(api.served.downloads(), 0, "it is still there");
    api.served.advance(Duration::from_millis(1));
    assert_eq!(bytes(&api, &link).await.0, 404, "asking did not prolong its life");
    let quiet = api.get(&format!("{path}?downloadMedia=false")).await;
    assert_eq!((&quiet["media"], &quiet["hasMedia"]), (&Value::Null, &Value::Bool(true)));
    assert_eq!(bytes(&api, &link).await.0, 404);
    assert_eq!(api.get(&path).await["media"]["url"], link.as_str());
    assert_eq!((bytes(&api, &link).await.0, api.served.downloads()), (200, 1));
    api.served.expire_media();
    api.served.forget_media();
    let gone = api.get(&path).await;
    assert_eq!(gone["media"]["url"], Value::Null);
    assert!(text(&gone, "/media/error/details").contains("status code 403"), "{gone}");
}

#[tokio::test]
async fn lists_fetch_every_file_unless_told_otherwise() {
    let api = Api::of(Engine::Gows);
    api.served.expire_media();
    let messages = api.messages().await;
    assert!(messages.iter().any(|message| message["hasMedia"] == true));
    assert!(messages.iter().all(|message| message["media"].is_null()));
    assert_eq!(api.served.downloads(), 0);
    let whole = api.list("/api/shop-0/chats/all/messages?limit=10000").await;
    let linked = whole.iter().filter(|message| message["media"]["url"].is_string()).count();
    assert_eq!(api.served.downloads(), linked as u64);
    let skipped = |message: &&Value| {
        message["media"]["mimetype"].is_string()
            && message["media"]["url"].is_null()
            && message["media"].get("error").is_none()
    };
    assert!(linked > 5 && whole.iter().filter(skipped).count() < linked);
}

#[tokio::test]
async fn parts_and_heads_are_answered_as_by_express() {
    let api = Api::start(Options::of(plan(Engine::Gows)));
    let body = with_files(&api).remove(0);
    let (_, whole) = bytes(&api, url(&body)).await;
    let ask =
        async |range: &str| api.client.get(url(&body)).header("range", range).send().await.unwrap();
    let part = ask("bytes=3-9").await;
    let range = format!("bytes 3-9/{}", whole.len());
    assert_eq!(
        (part.status().as_u16(), part.headers()["content-range"].to_str().unwrap()),
        (206, &*range)
    );
    assert_eq!(part.bytes().await.unwrap(), whole[3..10]);
    assert_eq!(ask("bytes=-4").await.bytes().await.unwrap(), whole[whole.len() - 4..]);
    assert_eq!(ask(&format!("bytes={}-", whole.len())).await.status(), 416);
    let head = api.client.head(url(&body)).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], whole.len().to_string().as_str());
    assert_eq!(head.headers()["cache-control"], "public, max-age=0");
    assert!(head.headers().contains_key("etag") && head.headers().contains_key("content-type"));
}

/// The bytes stay those of the history that a seed makes, wherever it is served.
#[tokio::test]
async fn equal_seeds_have_equal_files() {
    let mut files = Vec::new();
    for _ in 0..2 {
        let api = Api::start(Options::of(plan(Engine::Gows)));
        let link = url(&with_files(&api)[3]).to_owned();
        files.push(bytes(&api, &link).await);
    }
    assert_eq!(files[0], files[1]);
}

fn odd(oddity: Oddity) -> Options {
    let mut options = Options::of(plan(Engine::Gows));
    options.oddities = options.oddities.with(oddity);
    options.api_key = Some("right".into());
    options
}

#[tokio::test]
async fn files_in_a_bucket_stay_and_need_no_key_if_presigned() {
    for (oddity, path, status) in
        [(Oddity::PresignedLinks, "/waha/", 200), (Oddity::ProxiedLinks, "/api/s3/waha/", 401)]
    {
        let api = Api::start(odd(oddity));
        let body = with_files(&api).remove(0);
        api.served.advance(LIFETIME * 2);
        assert_eq!(bytes(&api, url(&body)).await.0, status, "{}", url(&body));
        let prefix = format!("{}{path}", api.served.url());
        assert!(url(&body).starts_with(&prefix));
        assert_eq!(text(&body, "/payload/media/s3/Bucket"), "waha");
        let answer = api.client.get(url(&body)).header("x-api-key", "right").send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn bytes_can_be_wrong_and_links_can_lead_astray() {
    let api = Api::start(Options { api_key: None, ..odd(Oddity::WrongBytes) });
    let body = with_files(&api).remove(0);
    let (_, bytes) = bytes(&api, url(&body)).await;
    let told = deep(&body["payload"]["_data"], "fileSHA256").and_then(Value::as_str).unwrap();
    assert_ne!(BASE64_STANDARD.encode(Sha256::digest(&bytes)), told);
    let api = Api::start(odd(Oddity::ForeignLinks));
    assert!(url(&with_files(&api)[0]).starts_with("http://169.254.0.1/api/files/"));
}
