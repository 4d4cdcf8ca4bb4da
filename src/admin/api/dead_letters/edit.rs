//! Replaces the body of a dead letter by a mended one, to be replayed then.

use actix_web::{HttpRequest, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::show::find;
use crate::admin::api::error::{Refused, RefusedBody};
use crate::admin::api::validation::check_note;
use crate::admin::api::{ApiError, Problem, actor};
use crate::admin::{Admin, Caller};
use crate::operations::{DryRun, EditError, edit};
use crate::store::audit::Actor;
use crate::strict_json::Object;

/// A mended body.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin::api) struct NewBody {
    /// The whole body, as a text. A request holds 1 MiB: `dead-letters replay --edit` takes more.
    body: String,
    /// Why, for the audit log.
    note: Option<String>,
}

/// Replace the body of a pending dead letter, if the new one can be read; the original is kept.
///
/// Session and event type stay: a body that tells of others is refused.
#[utoipa::path(
    put, path = "/api/v1/dead-letters/{id}/body", tag = "dead letters",
    params(("id" = i64, Path)), request_body = NewBody,
    responses(
        (status = 200, body = DryRun, description = "What the normalizer says of the new body."),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        RefusedBody,
        Refused
    )
)]
pub(in crate::admin::api) async fn replace_body(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    id: web::Path<i64>,
    new: web::Json<Object<NewBody>>,
) -> Result<web::Json<DryRun>, ApiError> {
    let Object(NewBody { body, note }) = new.into_inner();
    let actor = actor(&caller, &request);
    Ok(web::Json(replace(&admin, &actor, *id, body, note.as_deref()).await?))
}

/// Replaces it on behalf of somebody.
pub(in crate::admin) async fn replace(
    admin: &Admin,
    actor: &Actor,
    id: i64,
    body: String,
    note: Option<&str>,
) -> Result<DryRun, ApiError> {
    check_note(note)?;
    let letter = find(admin, id).await?;
    let store = admin.store()?;
    let edited = edit(store, &admin.rules, &letter, body.into_bytes(), actor, note).await;
    edited.map_err(refused)
}

/// In words for whoever edits.
pub(in crate::admin) fn refused(error: EditError) -> ApiError {
    match error {
        EditError::Envelope(cause) => ApiError::BadRequest(format!("{error}: {cause}")),
        EditError::Other { field, .. } => {
            ApiError::BadRequest(format!("the new body tells of another {field}"))
        }
        EditError::Useless(_) | EditError::Broken { .. } => ApiError::BadRequest(error.to_string()),
        EditError::NotPending(_) => ApiError::Conflict(error.to_string()),
        EditError::Store(error) => ApiError::Store(error),
    }
}
