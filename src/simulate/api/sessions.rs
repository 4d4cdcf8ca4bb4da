//! Sessions: listed, read, changed, started and stopped.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::answer::{Answer, empty, json, json_with};
use super::error::ApiError;
use super::oddity::Oddity;
use super::params::Params;
use super::served::Waha;
use super::server::worker;
use super::session_config::replaced;
use super::state::State;
use crate::simulate::envelope;
use crate::simulate::json::{Obj, obj};
use crate::simulate::session::Engine;

/// How long an action keeps the account online.
const ONLINE_MS: i64 = 25_000;

/// Those that run, or all.
pub(super) async fn list(request: HttpRequest, waha: Data<Waha>) -> Answer {
    let mut params = Params::of(&request);
    let is_all = params.flag("all").unwrap_or(false);
    params.check()?;
    let state = waha.state();
    let shown = (0..state.stores.len()).filter(|place| is_all || state.status(*place) != "STOPPED");
    let listed = |place| info(&state, place).with("assignedWorker", assigned(&state, place));
    Ok(json(&shown.map(listed).collect::<Vec<Obj>>()))
}

pub(super) async fn get(path: Path<String>, waha: Data<Waha>) -> Answer {
    let state = waha.state();
    let position = state.position(&path).ok_or_else(ApiError::session_not_found)?;
    Ok(json(&whole(&state, position)))
}

/// Null, which is an empty body, before the account is paired.
pub(super) async fn me(path: Path<String>, waha: Data<Waha>) -> Answer {
    let state = waha.state();
    let running = |position: &usize| state.status(*position) != "STOPPED";
    let position = state.position(&path).filter(running);
    let position = position.ok_or_else(|| ApiError::not_running(&path))?;
    Ok(me_of(&state, position).map_or_else(|| empty(StatusCode::OK), |me| json(&me)))
}

/// Replaces the configuration, and starts the session anew if it runs.
pub(super) async fn update(path: Path<String>, body: Bytes, waha: Data<Waha>) -> Answer {
    let mut state = waha.state();
    let position = state.position(&path).ok_or_else(ApiError::session_not_found)?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|_| ApiError::BadRequest("Unexpected token in JSON".to_owned()))?;
    state.stores[position].config = Some(replaced(&body)?);
    if state.status(position) != "STOPPED" {
        state.start_session(position);
    }
    Ok(json(&whole(&state, position)))
}

pub(super) async fn start(path: Path<String>, waha: Data<Waha>) -> Answer {
    let mut state = waha.state();
    let position = state.position(&path).ok_or_else(ApiError::session_not_found)?;
    if state.status(position) == "STOPPED" {
        state.start_session(position);
    }
    Ok(changed(&state, position))
}

/// Of an unknown session no error, and nothing to tell.
pub(super) async fn stop(path: Path<String>, waha: Data<Waha>) -> Answer {
    let mut state = waha.state();
    let Some(position) = state.position(&path) else { return Ok(empty(StatusCode::CREATED)) };
    state.stop_session(position);
    Ok(changed(&state, position))
}

pub(super) async fn restart(path: Path<String>, waha: Data<Waha>) -> Answer {
    let mut state = waha.state();
    let position = state.position(&path).ok_or_else(ApiError::session_not_found)?;
    state.start_session(position);
    if state.stores.iter().all(|store| !store.is_dead) {
        state.silence = None;
    }
    Ok(changed(&state, position))
}

fn changed(state: &State, position: usize) -> HttpResponse {
    json_with(StatusCode::CREATED, &whole(state, position))
}

fn assigned(state: &State, position: usize) -> &'static str {
    match worker(state) {
        Some(_) if state.is_elsewhere(position) => "waha-1",
        ours => ours.unwrap_or_default(),
    }
}

fn info(state: &State, position: usize) -> Obj {
    let store = &state.stores[position];
    let status = state.status(position);
    let is_working = status == "WORKING";
    // A stopped session has the account that is remembered.
    let me = me_of(state, position).filter(|_| status != "STARTING");
    let is_online = store.activity_ms.is_some_and(|at_ms| state.now_ms() < at_ms + ONLINE_MS);
    let presence = if is_online { "online" } else { "offline" };
    obj! {
        "name": &state.session(position).name, "status": status, "config": &store.config,
        "me": me, "presence": is_working.then_some(presence),
        "timestamps": obj! { "activity": store.activity_ms },
    }
}

fn whole(state: &State, position: usize) -> Obj {
    info(state, position).with("engine", engine(state, position))
}

fn me_of(state: &State, position: usize) -> Option<Obj> {
    let session = state.session(position);
    session.paired.then(|| envelope::me(session, state.now_ms()))
}

/// What an engine tells of its connection.
fn engine(state: &State, position: usize) -> Obj {
    if state.status(position) == "STOPPED" {
        return Obj::new();
    }
    let engine = state.options.manner.unwrap_or(state.session(position).engine);
    let named = obj! { "engine": engine.name() };
    if state.is(position, Oddity::ShallowState) {
        return named;
    }
    let is_alive = !state.stores[position].is_dead;
    match engine {
        Engine::Gows => {
            let stream = if is_alive { "READY" } else { "TRANSIENT_FAILURE" };
            named.and(&obj! {
                "grpc": obj! { "client": "READY", "stream": stream },
                "gows": obj! { "found": true, "connected": is_alive },
            })
        }
        Engine::Webjs | Engine::Wpp => named.and(&obj! {
            "WWebVersion": is_alive.then_some("2.3000.1035920091"),
            "state": is_alive.then_some("CONNECTED"),
        }),
        Engine::Noweb => named,
    }
}
