//! Mends the body of a dead letter: what the normalizer says of the new one, and what differs, before it is
//! kept.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use super::show::EDITED_MAX;
use crate::admin::Admin;
use crate::admin::api::ApiError;
use crate::admin::api::dead_letters::edit::{refused, replace};
use crate::admin::api::dead_letters::show::detail;
use crate::admin::console::diff::{DiffLine, diff};
use crate::admin::console::error::PageError;
use crate::admin::console::form::Form;
use crate::admin::console::frame::{Frame, Section, html, see_other, shown};
use crate::admin::console::users::Visitor;
use crate::operations::{DryRun, LetterDetail, indented, judge_edit};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::DeadLetter;

#[derive(Template)]
#[template(path = "edit.html", config = "src/admin/console/askama.toml")]
struct EditPage<'a> {
    frame: Frame,
    detail: &'a LetterDetail,
    /// What is in the field.
    body: String,
    note: String,
    checked: Option<Checked<'a>>,
}

/// What was found of a new body.
struct Checked<'a> {
    outcome: Result<DryRun, String>,
    changes: Vec<DiffLine<'a>>,
}

impl EditPage<'_> {
    /// Whether what is in the field was checked and can be kept.
    fn may_save(&self) -> bool {
        self.checked.as_ref().is_some_and(|checked| checked.outcome.is_ok())
    }
}

/// With the present body.
pub(in crate::admin::console) async fn show(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    let (detail, _) = editable(&admin, &visitor, *id).await?;
    let body = readable(detail.body.as_deref().unwrap_or_default());
    shown(&page(&admin, &visitor, &detail, body, String::new(), None))
}

/// Checks what somebody wrote, or keeps it.
pub(in crate::admin::console) async fn submit(
    admin: web::Data<Admin>,
    form: Form,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    let (new, note) = (form.text("body"), form.text("note"));
    let visitor = &form.visitor;
    if form.get("step") == Some("save") {
        let told = (!note.trim().is_empty()).then_some(note.as_str());
        match replace(&admin, &visitor.actor(), *id, new.clone(), told).await {
            Ok(_) => return Ok(see_other(&format!("/dead-letters/{id}?done=edited"))),
            Err(ApiError::BadRequest(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (detail, letter) = editable(&admin, visitor, *id).await?;
    let outcome = judge_edit(&letter, new.as_bytes(), &admin.rules);
    let status = if outcome.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let (old, mended) = comparable(detail.body.as_deref().unwrap_or_default(), &new);
    let checked = Checked {
        outcome: outcome.map_err(|error| refused(error).to_string()),
        changes: diff(&old, &mended),
    };
    Ok(html(status, &page(&admin, visitor, &detail, new.clone(), note, Some(checked)))?)
}

fn page<'a>(
    admin: &Admin,
    visitor: &Visitor,
    detail: &'a LetterDetail,
    body: String,
    note: String,
    checked: Option<Checked<'a>>,
) -> EditPage<'a> {
    let title = format!("Edit dead letter {}", detail.dead_letter.id);
    let frame = Frame::new(admin, visitor, Section::DeadLetters, title);
    EditPage { frame, detail, body, note, checked }
}

/// A dead letter whose body may be replaced here. That it is read is written down.
async fn editable(
    admin: &Admin,
    visitor: &Visitor,
    id: i64,
) -> Result<(LetterDetail, DeadLetter), PageError> {
    let (detail, letter) = detail(admin, &visitor.caller, &visitor.actor(), id).await?;
    if detail.dead_letter.state != DeadLetterState::Pending {
        return Err(ApiError::Conflict(format!("dead letter {id} is not pending")).into());
    }
    if detail.dead_letter.body_bytes > EDITED_MAX {
        let told = "the body is too large for a page: `dead-letters replay --edit` takes it";
        return Err(ApiError::Conflict(told.to_owned()).into());
    }
    Ok((detail, letter))
}

/// Both indented, or both as they are: else every line would differ.
fn comparable(old: &str, new: &str) -> (String, String) {
    match (indented(old.as_bytes()), indented(new.as_bytes())) {
        (Ok(old), Ok(new)) => (old, new),
        _ => (old.to_owned(), new.to_owned()),
    }
}

/// Indented, where that leaves nothing out.
fn readable(body: &str) -> String {
    indented(body.as_bytes()).unwrap_or_else(|_| body.to_owned())
}
