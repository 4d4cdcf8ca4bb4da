//! `/completeness`: which hours of which sessions are complete, what was found again, and what is not known.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::error::PageError;
use super::filters::{address, encoded};
use super::frame::{Frame, Section, shown};
use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::api::completeness::{CompletenessReport, report};
use crate::store::operations::reconciliations::{
    CompletenessFilter, CompletenessHour, ReconciliationReport,
};
use crate::store::operations::sessions::SessionReach;
use crate::store::operations::watches::SessionCounters;

/// What is looked at; fields that were left empty restrict nothing.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CompletenessPageQuery {
    session: String,
    gaps: bool,
    after: i64,
}

#[derive(Template)]
#[template(path = "completeness.html", config = "src/admin/console/askama.toml")]
struct CompletenessPage {
    frame: Frame,
    asked: CompletenessPageQuery,
    report: CompletenessReport,
}

impl CompletenessPage {
    fn is_named(&self) -> bool {
        !self.asked.session.is_empty() || self.asked.gaps
    }

    /// Where the next page begins, if this one is full.
    fn next(&self) -> Option<String> {
        let next = self.report.next?;
        let CompletenessPageQuery { session, gaps, .. } = &self.asked;
        let query = format!("session={}&gaps={gaps}", encoded(session));
        Some(address("/completeness", &query, &format!("after={next}")))
    }
}

impl CompletenessHour {
    fn class(&self) -> &'static str {
        match self.state.as_str() {
            "complete" if self.refused > 0 => "warn",
            "complete" => "good",
            "partial" => "muted",
            _ => "warn",
        }
    }
}

impl SessionCounters {
    fn class(&self) -> &'static str {
        match self.state.as_str() {
            "even" => "good",
            "missing" => "warn",
            _ => "muted",
        }
    }
}

impl ReconciliationReport {
    fn class(&self) -> &'static str {
        match self.state.as_str() {
            "done" => "good",
            "waiting" if self.reason.is_none() => "muted",
            _ => "warn",
        }
    }
}

/// A page of hours, below how comparing stands.
pub(super) async fn show(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    asked: web::Query<CompletenessPageQuery>,
) -> Result<HttpResponse, PageError> {
    let asked = asked.into_inner();
    let sessions = Some(asked.session.clone()).filter(|it| !it.is_empty());
    let reach =
        SessionReach { sessions: sessions.into_iter().collect(), ..SessionReach::default() };
    let filter = CompletenessFilter { reach, from: None, only_gaps: asked.gaps };
    let report = report(&admin, filter, Some(asked.after), None).await?;
    let frame = Frame::new(&admin, &visitor, Section::Completeness, "Completeness");
    shown(&CompletenessPage { frame, asked, report })
}
