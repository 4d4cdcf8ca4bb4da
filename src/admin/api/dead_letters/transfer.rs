//! Export and import of dead letters.

use std::io::Cursor;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::api::error::{Refused, RefusedBody};
use crate::admin::api::filter::{FilterQuery, NoPage};
use crate::admin::api::validation::check_note;
use crate::admin::api::{ApiError, actor, read};
use crate::admin::{Admin, Caller};
use crate::operations::{self, LineError, Transferred};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::audit::{Actor, AuditAction, AuditEntry};
use crate::store::operations::dead_letter::DeadLetterFilter;
use crate::strict_json::Object;

/// Dead letters from elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin::api) struct ImportBody {
    /// The lines of an export, each as a text. A request holds 1 MiB: `dead-letters import` takes
    /// more.
    lines: Vec<String>,
    /// Tell what would be imported; change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Why, for the audit log.
    note: Option<String>,
}

/// Dead letters as lines of JSON, bodies byte for byte.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/export", tag = "dead letters", params(DeadLetterFilter),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), Refused)
)]
pub(in crate::admin::api) async fn export(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    FilterQuery(filter, _): FilterQuery<DeadLetterFilter, NoPage>,
) -> Result<HttpResponse, ApiError> {
    export_lines(&admin, &actor(&caller, &request), filter).await
}

/// The lines, for somebody who may read bodies.
pub(in crate::admin) async fn export_lines(
    admin: &Admin,
    actor: &Actor,
    filter: DeadLetterFilter,
) -> Result<HttpResponse, ApiError> {
    let filter = filter.or_states(&[DeadLetterState::Pending]);
    read::log(admin, actor, json!({ "dead_letters": &filter })).await?;
    let store = Arc::clone(admin.store()?);
    let pages = try_unfold(Some(0), move |after| {
        let (store, filter) = (store.clone(), filter.clone());
        async move {
            let Some(after) = after else { return Ok::<_, LineError>(None) };
            let part = operations::export_letters_part(&store, &filter, after).await?;
            Ok(part.map(|part| (Bytes::from(part.lines), Some(part.last_id))))
        }
    });
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").streaming(pages))
}

/// Take exported dead letters in: what the ledger does not know becomes pending here.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/import", tag = "dead letters", request_body = ImportBody,
    responses(
        (status = 200, body = Transferred),
        RefusedBody,
        Refused
    )
)]
pub(in crate::admin::api) async fn import(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    request_body: web::Json<Object<ImportBody>>,
) -> Result<web::Json<Transferred>, ApiError> {
    let Object(request_body) = request_body.into_inner();
    let store = admin.store()?;
    let rules = &admin.rules;
    check_note(request_body.note.as_deref())?;
    let text = request_body.lines.join("\n");
    // Looked at as a whole first: all of it can be read, or nothing is imported.
    let looked = operations::import_letters(store, rules, &mut Cursor::new(&text), None).await;
    let mut carried = looked.map_err(refused)?;
    if !request_body.dry_run {
        let actor = actor(&caller, &request);
        let entry = AuditEntry {
            note: request_body.note.as_deref(),
            ..AuditEntry::new(AuditAction::Import, &actor)
        };
        let log = store.record(&entry).await?;
        let imported =
            operations::import_letters(store, rules, &mut Cursor::new(&text), Some(log)).await;
        carried = imported.map_err(refused)?;
    }
    Ok(web::Json(carried))
}

fn refused(error: LineError) -> ApiError {
    match error {
        LineError::Line { .. } => ApiError::BadRequest(error.to_string()),
        LineError::File(_) => ApiError::BadRequest("the lines can't be read".to_owned()),
        LineError::Store(error) => ApiError::Store(error),
    }
}
