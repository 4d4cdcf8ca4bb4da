//! An application that gets webhooks: it keeps what came, and answers as a test wants.

use std::sync::atomic::{AtomicI64, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub struct Got {
    pub id: String,
    pub timestamp: String,
    pub signatures: Vec<String>,
    pub body: String,
    /// What it was answered.
    pub status: u16,
}

impl Got {
    /// The changes in it.
    pub fn changes(&self) -> Vec<Value> {
        match serde_json::from_str(&self.body).unwrap() {
            Value::Array(changes) => changes,
            change => vec![change],
        }
    }

    pub fn position(&self) -> i64 {
        self.changes()[0]["position"].as_i64().unwrap()
    }
}

#[derive(Default)]
struct State {
    got: Mutex<Vec<Got>>,
    status: AtomicU16,
    /// Each so-many-th request is answered 503; 0: none.
    fails_each: AtomicUsize,
    /// What has this position is answered 422; 0: nothing.
    refused: AtomicI64,
    location: Mutex<String>,
}

pub struct Receiver {
    pub url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

impl Receiver {
    pub fn start() -> Self {
        let state = Arc::new(State { status: AtomicU16::new(204), ..State::default() });
        let shared = web::Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::PayloadConfig::new(16 << 20))
                .default_service(web::to(receive))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/hook", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, state, handle }
    }

    /// Answers so from now on.
    pub fn answer(&self, status: u16) {
        self.state.status.store(status, Ordering::SeqCst);
    }

    pub fn fail_each(&self, number: usize) {
        self.state.fails_each.store(number, Ordering::SeqCst);
    }

    /// Takes nothing with this position.
    pub fn refuse(&self, position: i64) {
        self.state.refused.store(position, Ordering::SeqCst);
    }

    pub fn redirect(&self, to: &str) {
        to.clone_into(&mut self.state.location.lock().unwrap());
        self.answer(307);
    }

    /// All requests.
    pub fn got(&self) -> Vec<Got> {
        self.state.got.lock().unwrap().clone()
    }

    /// Changes of requests that were taken, in the order in which they came.
    pub fn taken(&self) -> Vec<Value> {
        let taken = self.got().into_iter().filter(|got| got.status < 300);
        taken.flat_map(|got| got.changes()).collect()
    }

    /// Positions of all requests that came, each where it came first.
    pub fn positions(&self) -> Vec<i64> {
        let mut positions = Vec::new();
        let all = self.got().into_iter().flat_map(|got| got.changes());
        for position in all.map(|change| change["position"].as_i64().unwrap()) {
            if !positions.contains(&position) {
                positions.push(position);
            }
        }
        positions
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn receive(request: HttpRequest, body: String, state: web::Data<State>) -> HttpResponse {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    let mut got = state.got.lock().unwrap();
    let each = state.fails_each.load(Ordering::SeqCst);
    let fails = each > 0 && got.len() % each == each - 1;
    let refused = state.refused.load(Ordering::SeqCst);
    let status = match state.status.load(Ordering::SeqCst) {
        _ if fails => 503,
        _ if refused > 0 && body.contains(&format!("\"position\":{refused},")) => 422,
        status => status,
    };
    got.push(Got {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature").split(' ').map(str::to_owned).collect(),
        body,
        status,
    });
    let mut answer = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    if status == 307 {
        answer.insert_header(("location", state.location.lock().unwrap().clone()));
    }
    answer.finish()
}
