//! A small S3: one bucket in memory, by path, for everything that our storage asks. Every request must be signed
//! (`signature`); it can be full, away, or slow to come back; and it remembers what it was asked.

mod multipart;
mod signature;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use actix_web::dev::ServerHandle;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use sha2::{Digest, Sha256};
use waha_ingest::media::storage::{S3Options, StorageOptions};

pub const BUCKET: &str = "files";
pub const ACCESS_KEY: &str = "an-access-key";
pub const SECRET_KEY: &str = "a secret of the tests";
pub const REGION: &str = "eu-test-1";
/// Largest request: a part, and what is around it.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Well,
    /// Takes nothing, as a bucket with a full quota: 403, which nobody repeats.
    Full,
    /// 503 `SlowDown` for everything.
    Slow,
}

/// What is in it, and what it was asked.
#[derive(Default)]
pub struct State {
    objects: BTreeMap<String, Bytes>,
    uploads: multipart::Uploads,
    mood: Mood,
    /// Method and path with query.
    asked: Vec<String>,
}

type Shared = Data<Mutex<State>>;

pub struct S3 {
    pub url: String,
    state: Shared,
    handle: ServerHandle,
}

impl S3 {
    pub fn start() -> Self {
        let state = Shared::new(Mutex::new(State::default()));
        let shared = state.clone();
        let server = HttpServer::new(move || {
            let config = PayloadConfig::new(REQUEST_BYTES_MAX);
            App::new().app_data(shared.clone()).app_data(config).default_service(web::to(answer))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, state, handle }
    }

    pub fn options(&self) -> StorageOptions {
        StorageOptions::S3(S3Options {
            bucket: BUCKET.to_owned(),
            region: REGION.to_owned(),
            endpoint: Some(self.url.clone()),
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: SECRET_KEY.to_owned().into(),
            has_path_style: true,
        })
    }

    pub fn feel(&self, mood: Mood) {
        self.state().mood = mood;
    }

    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.state().objects.clone()
    }

    /// Puts another object in, or in another's place.
    pub fn put(&self, key: &str, bytes: &'static [u8]) {
        self.state().objects.insert(key.to_owned(), Bytes::from_static(bytes));
    }

    /// Uploads that were begun and neither finished nor taken back.
    pub fn unfinished(&self) -> usize {
        self.state().uploads.count()
    }

    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn answer(request: HttpRequest, body: Bytes, state: Shared) -> HttpResponse {
    let mut state = state.lock().unwrap();
    state.asked.push(format!("{} {}", request.method(), request.uri()));
    if let Err(problem) = signature::check(&request, &body) {
        return error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", &problem);
    }
    match state.mood {
        Mood::Slow => return error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "not now"),
        Mood::Full if [Method::PUT, Method::POST].contains(request.method()) => {
            return error(StatusCode::FORBIDDEN, "QuotaExceeded", "the bucket is full");
        }
        Mood::Full | Mood::Well => {}
    }
    let Some(path) = request.path().strip_prefix(&format!("/{BUCKET}")) else {
        return error(StatusCode::NOT_FOUND, "NoSuchBucket", request.path());
    };
    let key = signature::decoded(path.trim_start_matches('/'));
    let query = signature::query(&request);
    if key.is_empty() {
        return list(&state, query.get("prefix").map_or("", String::as_str));
    }
    match (request.method().as_str(), query.contains_key("uploads"), query.get("uploadId")) {
        ("POST", true, _) => state.uploads.begin(&key),
        ("PUT", _, Some(id)) => state.uploads.put(id, &query["partNumber"], body),
        ("POST", _, Some(id)) => multipart::complete(&mut state, id, &body),
        ("DELETE", _, Some(id)) => state.uploads.abort(id),
        ("PUT", ..) => put(&mut state, key, body),
        ("DELETE", ..) => {
            state.objects.remove(&key);
            HttpResponse::NoContent().finish()
        }
        ("GET" | "HEAD", ..) => get(&state, &request, &key),
        _ => error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "?"),
    }
}

fn put(state: &mut State, key: String, body: Bytes) -> HttpResponse {
    let tag = tag(&body);
    state.objects.insert(key, body);
    HttpResponse::Ok().insert_header((header::ETAG, tag)).finish()
}

fn get(state: &State, request: &HttpRequest, key: &str) -> HttpResponse {
    let Some(bytes) = state.objects.get(key) else {
        return error(StatusCode::NOT_FOUND, "NoSuchKey", key);
    };
    let query = signature::query(request);
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::ETAG, tag(bytes)));
    answer.insert_header((header::LAST_MODIFIED, "Fri, 20 Nov 2026 00:00:00 GMT"));
    for (name, asked) in [
        (header::CONTENT_TYPE, "response-content-type"),
        (header::CONTENT_DISPOSITION, "response-content-disposition"),
        (header::CACHE_CONTROL, "response-cache-control"),
    ] {
        if let Some(value) = query.get(asked) {
            answer.insert_header((name, value.as_str()));
        }
    }
    let Some(range) = request.headers().get(header::RANGE) else {
        return answer.body(bytes.clone());
    };
    let (start, last) = range.to_str().unwrap()["bytes=".len()..].split_once('-').unwrap();
    let (start, last): (usize, usize) = (start.parse().unwrap(), last.parse().unwrap());
    if start >= bytes.len() {
        return error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", key);
    }
    let end = bytes.len().min(last + 1);
    answer.status(StatusCode::PARTIAL_CONTENT);
    let told = format!("bytes {start}-{}/{}", end - 1, bytes.len());
    answer.insert_header((header::CONTENT_RANGE, told));
    answer.body(bytes.slice(start..end))
}

fn list(state: &State, prefix: &str) -> HttpResponse {
    let found = state.objects.iter().filter(|(key, _)| key.starts_with(prefix));
    let contents = found.map(|(key, bytes)| {
        format!(
            "<Contents><Key>{key}</Key><Size>{}</Size>\
             <LastModified>2026-11-20T00:00:00.000Z</LastModified></Contents>",
            bytes.len()
        )
    });
    xml(&format!("<ListBucketResult>{}</ListBucketResult>", contents.collect::<String>()))
}

fn tag(bytes: &Bytes) -> String {
    format!("\"{}\"", &hex::encode(Sha256::digest(bytes))[..32])
}

fn xml(text: &str) -> HttpResponse {
    HttpResponse::Ok().content_type("application/xml").body(text.to_owned())
}

fn error(status: StatusCode, code: &str, text: &str) -> HttpResponse {
    let body = format!("<Error><Code>{code}</Code><Message>{text}</Message></Error>");
    HttpResponse::build(status).content_type("application/xml").body(body)
}
