//! `/consumers`: whom the feed is delivered to, how far each got, what keeps it, and what can be done about it.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::error::PageError;
use super::export;
use super::filters::encoded;
use super::form::Form;
use super::frame::{Frame, Section, see_other, shown};
use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::api::ApiError;
use crate::admin::api::consumers::{checked, report_of, reports, skip_one};
use crate::admin::api::validation::check_note;
use crate::operations::ConsumerReport;

#[derive(Template)]
#[template(path = "consumers.html", config = "src/admin/console/askama.toml")]
struct ConsumersPage {
    frame: Frame,
    consumers: Vec<ConsumerReport>,
}

#[derive(Template)]
#[template(path = "consumer.html", config = "src/admin/console/askama.toml")]
struct ConsumerPage {
    frame: Frame,
    it: ConsumerReport,
}

impl ConsumerReport {
    fn class(&self) -> &'static str {
        match self.state.as_str() {
            "active" if self.failing_since.is_some() => "warn",
            "active" => "good",
            "gone" => "bad",
            _ => "muted",
        }
    }

    /// Why it does not get more.
    fn why(&self) -> &str {
        self.reason.as_deref().or(self.last_error.as_deref()).unwrap_or_default()
    }

    fn is_active(&self) -> bool {
        self.state == "active"
    }

    fn path(&self) -> String {
        path_of(&self.name)
    }
}

fn path_of(name: &str) -> String {
    format!("/consumers/{}", encoded(name))
}

/// All of them.
pub(super) async fn list(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
) -> Result<HttpResponse, PageError> {
    shown(&ConsumersPage {
        frame: Frame::new(&admin, &visitor, Section::Consumers, "Consumers"),
        consumers: reports(&admin).await?,
    })
}

/// The same as lines of JSON.
pub(super) async fn export(admin: web::Data<Admin>) -> Result<HttpResponse, PageError> {
    Ok(export::whole("consumers.jsonl", &reports(&admin).await?)?)
}

/// One of them.
pub(super) async fn show(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let it = report_of(&admin, &checked(name)?).await?;
    let title = format!("Consumer {}", it.name);
    shown(&ConsumerPage { frame: Frame::new(&admin, &visitor, Section::Consumers, title), it })
}

/// Delivers nothing more.
pub(super) async fn pause(
    admin: web::Data<Admin>,
    form: Form,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let name = checked(name)?;
    let note = form.get("note");
    check_note(note)?;
    let paused = admin.store()?.pause_consumer(&name, note, &form.visitor.actor()).await?;
    paused.map_err(ApiError::from)?;
    Ok(see_other(&path_of(&name)))
}

/// Delivers again.
pub(super) async fn resume(
    admin: web::Data<Admin>,
    form: Form,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let name = checked(name)?;
    let resumed = admin.store()?.resume_consumer(&name, &form.visitor.actor()).await?;
    resumed.map_err(ApiError::from)?;
    Ok(see_other(&path_of(&name)))
}

/// Delivers once more.
pub(super) async fn rewind(
    admin: web::Data<Admin>,
    form: Form,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let name = checked(name)?;
    let to: Option<i64> = form.number("to")?;
    let to = to.filter(|to| *to >= 0);
    let to = to.ok_or_else(|| ApiError::BadRequest("say a position from 0 on".to_owned()))?;
    let rewound = admin.store()?.rewind_consumer(&name, to, &form.visitor.actor()).await?;
    rewound.map_err(ApiError::from)?;
    Ok(see_other(&path_of(&name)))
}

/// Leaves a change out.
pub(super) async fn skip(
    admin: web::Data<Admin>,
    form: Form,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let name = checked(name)?;
    skip_one(&admin, &form.visitor.actor(), &name).await?;
    Ok(see_other(&path_of(&name)))
}
