//! `/jobs`: what replays, how far it is, and what came of it.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::error::PageError;
use super::export;
use super::filters::to_query;
use super::form::Form;
use super::frame::{Frame, Section, see_other, shown};
use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::api::dead_letters::act::start_replay;
use crate::admin::api::filter::LIMIT_MAX;
use crate::admin::api::jobs::{self, JobReport, Jobs};
use crate::store::operations::job::JobState;

#[derive(Template)]
#[template(path = "jobs.html", config = "src/admin/console/askama.toml")]
struct JobsPage {
    frame: Frame,
    jobs: Jobs,
    is_first: bool,
}

#[derive(Template)]
#[template(path = "job.html", config = "src/admin/console/askama.toml")]
struct JobPage {
    frame: Frame,
    job: JobReport,
}

#[derive(Template)]
#[template(path = "cancel_job.html", config = "src/admin/console/askama.toml")]
struct CancelPage {
    frame: Frame,
    job: JobReport,
}

/// Which page of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    before: Option<i64>,
}

impl JobReport {
    fn class(&self) -> &'static str {
        match self.state {
            JobState::Running => "busy",
            JobState::Interrupted => "warn",
            JobState::Done => "good",
            JobState::Cancelled => "muted",
        }
    }

    /// Whether it goes on by itself, or replays of it have not ended.
    pub(super) fn is_moving(&self) -> bool {
        self.state == JobState::Running || self.on_their_way() > 0
    }

    /// Whether there is something to cancel.
    fn is_active(&self) -> bool {
        matches!(self.state, JobState::Running | JobState::Interrupted)
    }

    fn on_their_way(&self) -> i64 {
        self.outcomes.get("on_their_way").copied().unwrap_or_default()
    }

    fn query(&self) -> String {
        to_query(&self.filter)
    }
}

/// All of them, newest first.
pub(super) async fn list(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    which: web::Query<PageQuery>,
) -> Result<HttpResponse, PageError> {
    shown(&JobsPage {
        frame: Frame::new(&admin, &visitor, Section::Jobs, "Jobs"),
        jobs: jobs::read(&admin, which.before, None).await?,
        is_first: which.before.is_none(),
    })
}

/// All of them, as lines of JSON.
pub(super) async fn export(admin: web::Data<Admin>) -> HttpResponse {
    export::paged("jobs.jsonl", move |before| {
        let admin = admin.clone();
        async move {
            let page = jobs::read(&admin, before, Some(LIMIT_MAX)).await?;
            Ok((page.jobs, page.next))
        }
    })
}

/// One of them.
pub(super) async fn show(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    let title = format!("Job {id}");
    shown(&JobPage {
        frame: Frame::new(&admin, &visitor, Section::Jobs, title),
        job: jobs::show(&admin, *id).await?,
    })
}

/// Goes on with one whose process has gone.
pub(super) async fn resume(
    admin: web::Data<Admin>,
    form: Form,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    let job = jobs::show(&admin, *id).await?;
    let actor = form.visitor.actor();
    let started = start_replay(&admin, &actor, &job.filter, job.rate, None).await?;
    Ok(see_other(&format!("/jobs/{}", started.job)))
}

/// Asks whether one is to be stopped.
pub(super) async fn confirm_cancel(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    let title = format!("Cancel job {id}");
    shown(&CancelPage {
        frame: Frame::new(&admin, &visitor, Section::Jobs, title),
        job: jobs::show(&admin, *id).await?,
    })
}

/// Stops one for good.
pub(super) async fn cancel(
    admin: web::Data<Admin>,
    form: Form,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    jobs::cancel_job(&admin, *id, &form.visitor.actor()).await?;
    Ok(see_other(&format!("/jobs/{id}")))
}
