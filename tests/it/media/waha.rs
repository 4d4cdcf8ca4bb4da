//! A WAHA that has files and messages as a test wants, and remembers who asked for what; or a stranger, who is
//! to be asked for nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

/// The key that it knows.
pub const KEY: &str = "a key of WAHA";

/// What a path answers.
#[derive(Clone, Debug)]
pub enum Answer {
    Bytes(Vec<u8>),
    Json(u16, Value),
    /// What a proxy says by itself.
    Text(u16, &'static str),
    /// With a header of one's own.
    Headed(u16, &'static str, &'static str, &'static [u8]),
    /// Nothing, with 200: WAHA's null.
    Null,
    Redirect(String),
    /// Never ends.
    Endless,
    /// Announces more than it sends. Long enough to be sent at all before it is cut off.
    CutOff(Vec<u8>),
    /// Takes for ever to begin.
    Silence,
}

#[derive(Default)]
struct State {
    answers: Mutex<BTreeMap<String, Answer>>,
    /// Without which nobody is answered.
    key: Mutex<Option<String>>,
    /// Path with query, and the key that came along.
    asked: Mutex<Vec<(String, Option<String>)>>,
}

pub struct Waha {
    pub url: String,
    port: u16,
    state: Arc<State>,
    handle: Mutex<ServerHandle>,
}

impl Waha {
    pub fn start() -> Self {
        let state = Arc::new(State::default());
        let (port, handle) = serve(&state, 0);
        let url = format!("http://127.0.0.1:{port}");
        Self { url, port, state, handle: Mutex::new(handle) }
    }

    /// Answers so from now on.
    pub fn set(&self, path: &str, answer: Answer) {
        self.state.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Has it no more.
    pub fn unset(&self, path: &str) {
        self.state.answers.lock().unwrap().remove(path);
    }

    /// Answers only who has this key.
    pub fn require(&self, key: &str) {
        *self.state.key.lock().unwrap() = Some(key.to_owned());
    }

    /// What was asked for, in order.
    pub fn asked(&self) -> Vec<(String, Option<String>)> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Closes its port.
    pub async fn stop(&self) {
        let handle = self.handle.lock().unwrap().clone();
        handle.stop(false).await;
    }

    /// Is there again, at the same address.
    pub fn restart(&self) {
        *self.handle.lock().unwrap() = serve(&self.state, self.port).1;
    }
}

impl Drop for Waha {
    fn drop(&mut self) {
        drop(self.handle.lock().unwrap().stop(false));
    }
}

fn serve(state: &Arc<State>, port: u16) -> (u16, ServerHandle) {
    let shared = web::Data::from(Arc::clone(state));
    let server = HttpServer::new(move || {
        App::new().app_data(shared.clone()).default_service(web::to(answer))
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", port)).unwrap();
    let port = server.addrs()[0].port();
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    (port, handle)
}

async fn answer(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let key = request.headers().get("x-api-key").map(|key| key.to_str().unwrap().to_owned());
    let asked = request.uri().to_string();
    state.asked.lock().unwrap().push((asked, key.clone()));
    let needed = state.key.lock().unwrap().clone();
    if needed.is_some() && needed != key {
        return sample(401, r#"{"message":"Unauthorized","statusCode":401}"#);
    }
    let answer = state.answers.lock().unwrap().get(request.path()).cloned();
    match answer {
        None if request.path().contains("/messages/") => {
            sample(404, include_str!("samples/error.404.message.json"))
        }
        None => sample(404, include_str!("samples/error.404.file.json")),
        Some(Answer::Bytes(bytes)) => HttpResponse::Ok().body(bytes),
        Some(Answer::Json(status, json)) => sample(status, &json.to_string()),
        Some(Answer::Text(status, text)) => {
            HttpResponse::build(StatusCode::from_u16(status).unwrap()).body(text)
        }
        Some(Answer::Headed(status, name, value, body)) => {
            let status = StatusCode::from_u16(status).unwrap();
            HttpResponse::build(status).insert_header((name, value)).body(body)
        }
        Some(Answer::Null) => HttpResponse::Ok().finish(),
        Some(Answer::Redirect(to)) => {
            HttpResponse::Found().insert_header(("location", to)).finish()
        }
        Some(Answer::Endless) => {
            let chunk = Bytes::from(vec![b'x'; 1 << 16]);
            let endless = stream::repeat_with(move || Ok::<_, actix_web::Error>(chunk.clone()));
            HttpResponse::Ok().streaming(endless)
        }
        Some(Answer::CutOff(bytes)) => {
            let announced = bytes.len() as u64 + 1;
            let part = stream::iter([
                Ok(Bytes::from(bytes)),
                Err(actix_web::error::ErrorInternalServerError("cut off")),
            ]);
            HttpResponse::Ok().no_chunking(announced).streaming(part)
        }
        Some(Answer::Silence) => std::future::pending().await,
    }
}

fn sample(status: u16, json: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap();
    HttpResponse::build(status).content_type("application/json").body(json.to_owned())
}
