//! `/livez` and `/readyz`: whether the process runs, and whether it should get webhooks.
//!
//! Asked by kubelets and load balancers, which have no token and little patience: neither waits for
//! anything but the first look after the start.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Admin;
use crate::telemetry::dependency::{Dependency, Standing};

/// What `/readyz` answers.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    draining: bool,
    /// The database lacks migrations of this release.
    waits_for_schema: bool,
    dependencies: BTreeMap<&'static str, DependencyReport>,
}

#[derive(Serialize)]
struct DependencyReport {
    state: &'static str,
    since: DateTime<Utc>,
}

/// The process runs.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "live": true }))
}

/// A door is ready when it can make webhooks durable: a database that is away does not close it, nor
/// a broker while the spool has room. A worker alone is ready when it can work; a rollout then keeps
/// those of the previous release until the database is migrated.
pub(super) async fn ready(admin: web::Data<Admin>) -> HttpResponse {
    let draining = admin.is_draining.load(Ordering::SeqCst);
    let takes_webhooks = admin.observer.latest().await.is_some_and(|sight| sight.takes_webhooks);
    let waits_for_schema = admin.waits_for_schema.load(Ordering::SeqCst);
    let works = is_up(&admin, Dependency::Database) && !waits_for_schema;
    let can_work = admin.scope.serves || works;
    let ready = takes_webhooks && can_work && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let dependencies = Dependency::ALL.into_iter().filter_map(|it| report(&admin, it)).collect();
    HttpResponse::build(status).json(Readiness { ready, draining, waits_for_schema, dependencies })
}

fn is_up(admin: &Admin, dependency: Dependency) -> bool {
    admin.metrics.dependencies.standing(dependency).is_some_and(|standing| standing.is_up)
}

fn report(admin: &Admin, dependency: Dependency) -> Option<(&'static str, DependencyReport)> {
    let Standing { is_up, since_ms } = admin.metrics.dependencies.standing(dependency)?;
    let state = if is_up { "up" } else { "down" };
    let since = DateTime::from_timestamp_millis(since_ms).unwrap_or_default();
    Some((dependency.name(), DependencyReport { state, since }))
}
