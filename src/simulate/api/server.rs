//! What WAHA tells of itself: version, start, environment, counters.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use secrecy::ExposeSecret;

use super::answer::{Answer, json};
use super::error::ApiError;
use super::oddity::Oddity;
use super::served::Waha;
use super::state::State;
use crate::simulate::json::{Obj, obj};
use crate::simulate::session::{Age, Engine};

const WORKER: &str = "waha-0";

/// The name of its worker, where there are several.
pub(super) fn worker(state: &State) -> Option<&'static str> {
    state.options.oddities.contains(Oddity::OtherWorker).then_some(WORKER)
}

/// The engine of the process: the one that is wanted, else GOWS.
fn engine(state: &State) -> Engine {
    state.options.manner.or(state.options.plan.engine).unwrap_or(Engine::Gows)
}

/// Version, engine and platform.
pub(super) fn version_body(state: &State) -> Obj {
    let engine = engine(state);
    obj! {
        "version": state.options.plan.age.version(), "engine": engine.name(), "tier": "CORE",
        "browser": engine.is_browser().then_some("/usr/bin/chromium"), "platform": "linux/x64",
        "worker": obj! { "id": worker(state) },
    }
}

pub(super) async fn ping() -> HttpResponse {
    json(&obj! { "message": "pong" })
}

pub(super) async fn version(waha: Data<Waha>) -> HttpResponse {
    json(&version_body(&waha.state()))
}

pub(super) async fn status(waha: Data<Waha>) -> HttpResponse {
    let state = waha.state();
    json(&obj! {
        "startTimestamp": state.started_ms, "uptime": state.now_ms() - state.started_ms,
        "worker": obj! { "id": worker(&state).unwrap_or_default() },
    })
}

/// All of it in clear, as WAHA tells administrators.
pub(super) async fn environment(waha: Data<Waha>) -> HttpResponse {
    let state = waha.state();
    let key = state.options.api_key.as_ref().map(ExposeSecret::expose_secret);
    let engine = engine(&state).name();
    json(
        &obj! { "WAHA_WORKER_ID": worker(&state), "WHATSAPP_DEFAULT_ENGINE": engine }
            .with_some("WAHA_API_KEY", key)
            .with_some("WHATSAPP_HOOK_URL", state.options.global_webhook_url.as_deref()),
    )
}

pub(super) async fn health() -> HttpResponse {
    let space = |path: &str| {
        obj! {
            "status": "up", "path": path, "diskPath": "/", "free": 132_979_355_648_i64,
            "threshold": 104_857_600,
        }
    };
    let all = obj! {
        "mediaFiles.space": space("/tmp/whatsapp-files"),
        "sessionsFiles.space": space("/app/.sessions"),
    };
    json(&obj! { "status": "ok", "info": &all, "error": Obj::new(), "details": &all })
}

/// Counters since the start; there are none before 2026.8.2.
pub(super) async fn metrics(request: HttpRequest, waha: Data<Waha>) -> Answer {
    let state = waha.state();
    let is_young = state.options.plan.age == Age::Autumn;
    if !is_young || state.options.oddities.contains(Oddity::NoMetrics) {
        return Err(ApiError::no_route(&request));
    }
    let mut text = server_metrics(&state);
    (0..state.stores.len()).for_each(|position| text += &session_metrics(&state, position));
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}

fn server_metrics(state: &State) -> String {
    let (worker, engine) = (worker(state).unwrap_or_default(), engine(state).name());
    let version = state.options.plan.age.version();
    let working = (0..state.stores.len()).filter(|place| state.status(*place) == "WORKING").count();
    format!(
        "waha_up{{worker=\"{worker}\"}} 1\n\
         waha_info{{version=\"{version}\",tier=\"CORE\",engine=\"{engine}\",platform=\"linux/x64\",\
         worker=\"{worker}\"}} 1\n\
         waha_sessions{{status=\"WORKING\",engine=\"{engine}\",worker=\"{worker}\"}} {working}\n"
    )
}

fn session_metrics(state: &State, position: usize) -> String {
    let (worker, engine) = (worker(state).unwrap_or_default(), engine(state).name());
    let name = &state.session(position).name;
    let status = state.status(position);
    let store = &state.stores[position];
    let [others, own] = store.emitted;
    let all = others + own;
    let seconds = store.status_changed_ms / 1_000;
    format!(
        "waha_session_status{{session=\"{name}\",status=\"{status}\",engine=\"{engine}\",\
         worker=\"{worker}\"}} 1\n\
         waha_session_status_change_timestamp_seconds{{session=\"{name}\",worker=\"{worker}\"}} \
         {seconds}\n\
         waha_messages_total{{session=\"{name}\",fromMe=\"false\",worker=\"{worker}\"}} {others}\n\
         waha_messages_total{{session=\"{name}\",fromMe=\"true\",worker=\"{worker}\"}} {own}\n\
         waha_events_total{{session=\"{name}\",event=\"message.any\",worker=\"{worker}\"}} {all}\n"
    )
}
