//! `GET /metrics`: everything of `metrics/METRICS.md`, in Prometheus' text format.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};

use super::Admin;
use crate::http_problem::problem;
use crate::metrics;
use crate::telemetry::cause::Causes;

/// All metrics, with depths as they are now.
pub(super) async fn metrics(admin: web::Data<Admin>) -> HttpResponse {
    admin.observer.look().await;
    match admin.metrics.text() {
        Ok(text) => {
            HttpResponse::Ok().insert_header((CONTENT_TYPE, metrics::CONTENT_TYPE)).body(text)
        }
        Err(error) => {
            tracing::error!(error = %Causes(&error), "can't export metrics");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the metrics can't be exported")
        }
    }
}
