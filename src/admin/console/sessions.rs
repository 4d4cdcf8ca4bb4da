//! `/sessions`: the WhatsApp accounts, which of them are silent or failed, and the history of each.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::error::PageError;
use super::export;
use super::filters::encoded;
use super::frame::{Frame, Section, shown};
use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::api::filter::LIMIT_MAX;
use crate::admin::api::sessions::{SessionDetail, SessionPage, SessionReport, detail, page};

#[derive(Template)]
#[template(path = "sessions.html", config = "src/admin/console/askama.toml")]
struct SessionsPage {
    frame: Frame,
    page: SessionPage,
    is_first: bool,
}

#[derive(Template)]
#[template(path = "session.html", config = "src/admin/console/askama.toml")]
struct OneSessionPage {
    frame: Frame,
    detail: SessionDetail,
    /// The filter of lists that name it.
    query: String,
}

/// Which page of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    after: Option<i64>,
}

impl SessionReport {
    /// The state in a class for its colour.
    fn class(&self) -> &'static str {
        match self.status.as_deref() {
            Some("WORKING") if self.silent => "warn",
            Some("WORKING") => "good",
            Some("FAILED") => "bad",
            Some("STOPPED") | None => "muted",
            Some(_) => "warn",
        }
    }
}

/// All of them.
pub(super) async fn list(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    which: web::Query<PageQuery>,
) -> Result<HttpResponse, PageError> {
    shown(&SessionsPage {
        frame: Frame::new(&admin, &visitor, Section::Sessions, "Sessions"),
        page: page(&admin, &visitor.caller, which.after, None).await?,
        is_first: which.after.is_none(),
    })
}

/// All of them, as lines of JSON.
pub(super) async fn export(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
) -> HttpResponse {
    let caller = visitor.caller.clone();
    export::paged("sessions.jsonl", move |after| {
        let (admin, caller) = (admin.clone(), caller.clone());
        async move {
            let page = page(&admin, &caller, after, Some(LIMIT_MAX)).await?;
            Ok((page.sessions, page.next))
        }
    })
}

/// One of them.
pub(super) async fn show(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    let detail = detail(&admin, &visitor.caller, *id).await?;
    let SessionReport { source, name, .. } = &detail.session;
    let query = format!("source={}&session={}", encoded(source), encoded(name));
    let title = format!("Session {name}");
    shown(&OneSessionPage {
        frame: Frame::new(&admin, &visitor, Section::Sessions, title),
        detail,
        query,
    })
}
