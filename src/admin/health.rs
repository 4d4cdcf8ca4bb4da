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
use crate::store::connect::replica::ReplicaView;
use crate::telemetry::dependency::{Dependency, LastUse, Standing, Usage};

/// The state of what can't be used.
const DOWN: &str = "down";

/// What `/readyz` answers.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    draining: bool,
    /// The database lacks migrations of this release.
    waits_for_schema: bool,
    dependencies: BTreeMap<&'static str, DependencyReport>,
    /// As it was seen last; none without `database.read_url`. Nothing waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_replica: Option<ReplicaView>,
}

#[derive(Serialize)]
pub(in crate::admin) struct DependencyReport {
    /// `up` if its last use worked, else `down`.
    pub(in crate::admin) state: &'static str,
    pub(in crate::admin) since: DateTime<Utc>,
    pub(in crate::admin) last_use: LastUseReport,
}

impl DependencyReport {
    /// Whether its last use failed.
    pub(in crate::admin) fn is_down(&self) -> bool {
        self.state == DOWN
    }
}

/// What the state is known from.
#[derive(Serialize)]
pub(in crate::admin) struct LastUseReport {
    /// What was done: `apply`, `publish`, `receive`, `spool`.
    pub(in crate::admin) usage: &'static str,
    pub(in crate::admin) at: DateTime<Utc>,
    pub(in crate::admin) age_ms: u64,
    /// Why it failed, without values; none if it worked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::admin) failure: Option<String>,
}

/// The process runs.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "live": true }))
}

/// A door is ready when it can make webhooks durable: a database that is away does not close it, nor
/// a broker while the spool takes them. A worker alone is ready when it can take webhooks and apply
/// them; a rollout then keeps those of the previous release until the database is migrated.
pub(super) async fn ready(admin: web::Data<Admin>) -> HttpResponse {
    admin.observer.latest().await;
    let draining = admin.is_draining.load(Ordering::SeqCst);
    let waits_for_schema = admin.waits_for_schema.load(Ordering::SeqCst);
    let works = |usage| admin.metrics.dependencies.works(usage);
    let can = if admin.scope.serves {
        works(Usage::Publish) || works(Usage::Spool)
    } else {
        works(Usage::Receive) && works(Usage::Apply) && !waits_for_schema
    };
    let ready = can && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let dependencies = dependencies(&admin).collect();
    let read_replica = admin.store.as_ref().and_then(|store| store.last_replica());
    HttpResponse::build(status).json(Readiness {
        ready,
        draining,
        waits_for_schema,
        dependencies,
        read_replica,
    })
}

/// How each stands that this process has used.
pub(super) fn dependencies(
    admin: &Admin,
) -> impl Iterator<Item = (&'static str, DependencyReport)> {
    Dependency::ALL.into_iter().filter_map(|it| report(admin, it))
}

fn report(admin: &Admin, dependency: Dependency) -> Option<(&'static str, DependencyReport)> {
    let standing = admin.metrics.dependencies.standing(dependency)?;
    let Standing { is_up, since_ms, last_use } = standing;
    let state = if is_up { "up" } else { DOWN };
    let last_use = LastUseReport::of(last_use, admin.observer.now_ms());
    Some((dependency.name(), DependencyReport { state, since: time(since_ms), last_use }))
}

impl LastUseReport {
    fn of(last_use: LastUse, now_ms: i64) -> Self {
        let LastUse { usage, at_ms, failure } = last_use;
        let age_ms = now_ms.saturating_sub(at_ms).max(0).unsigned_abs();
        let failure = failure.as_deref().map(str::to_owned);
        Self { usage: usage.name(), at: time(at_ms), age_ms, failure }
    }
}

fn time(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}
