//! `/api/v1/log-level`: what the process logs, and its change while it runs.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiError;
use super::error::{Refused, RefusedBody};
use crate::admin::Caller;
use crate::strict_json::Object;
use crate::telemetry::LogLevel;

/// Longest text that is read.
const LEVEL_BYTES_MAX: usize = 1000;

/// What is logged.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "level": "info,waha_ingest=debug" })))]
pub(super) struct LogLevelReport {
    /// Such as `info` or `warn,waha_ingest=debug`.
    #[schema(max_length = 1000)]
    level: String,
}

/// What is logged now.
#[utoipa::path(
    get, path = "/api/v1/log-level", tag = "process",
    responses((status = 200, body = LogLevelReport), Refused)
)]
pub(super) async fn read() -> Result<web::Json<LogLevelReport>, ApiError> {
    report()
}

/// Log something else, until this process ends.
#[utoipa::path(
    put, path = "/api/v1/log-level", tag = "process", request_body = LogLevelReport,
    responses(
        (status = 200, body = LogLevelReport),
        RefusedBody,
        Refused
    )
)]
pub(super) async fn change(
    caller: web::ReqData<Caller>,
    asked: web::Json<Object<LogLevelReport>>,
) -> Result<web::Json<LogLevelReport>, ApiError> {
    let Object(asked) = asked.into_inner();
    if asked.level.len() > LEVEL_BYTES_MAX {
        return Err(ApiError::BadRequest(format!("longer than {LEVEL_BYTES_MAX} bytes")));
    }
    LogLevel::set(&asked.level).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    // The text is an operator's own and went through the parser of directives.
    tracing::info!(caller = caller.name, "the log level was changed");
    report()
}

fn report() -> Result<web::Json<LogLevelReport>, ApiError> {
    let level = LogLevel::get().map_err(|error| ApiError::BadRequest(error.to_string()))?;
    Ok(web::Json(LogLevelReport { level }))
}
