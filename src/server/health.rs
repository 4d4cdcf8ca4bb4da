//! `/livez` and `/readyz`: whether the process runs, and whether it should get webhooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tokio::time::timeout;

use crate::queue::Queue;
use crate::store::Store;

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// What health depends on.
pub struct Health {
    /// Where webhooks are made durable.
    pub queue: Arc<dyn Queue>,
    /// The tables, where this process writes them.
    pub store: Option<Arc<Store>>,
    /// Set once the process was told to stop.
    pub is_draining: AtomicBool,
}

/// What `/readyz` answers.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    draining: bool,
    queue: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<&'static str>,
}

/// The process runs.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "live": true }))
}

/// The process can make webhooks durable. A database that is away does not close the door.
pub async fn ready(health: web::Data<Health>) -> HttpResponse {
    let draining = health.is_draining.load(Ordering::SeqCst);
    let queue = timeout(CHECK_TIMEOUT, health.queue.depth()).await.is_ok_and(|depth| depth.is_ok());
    let database = match &health.store {
        Some(store) => {
            Some(timeout(CHECK_TIMEOUT, store.ping()).await.is_ok_and(|ping| ping.is_ok()))
        }
        None => None,
    };
    let ready = queue && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |reached| if reached { "up" } else { "down" };
    let database = database.map(word);
    HttpResponse::build(status).json(Readiness { ready, draining, queue: word(queue), database })
}
