//! `/retries`: what failed and waits for its next attempt, by cause and one by one, and trying some now.
//!
//! On a broker it is looked at by taking it in hand for a moment. So there are no further pages, and nothing
//! here asks again by itself.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::error::PageError;
use super::export;
use super::filters::{address, count_in, encoded, of_query, to_query};
use super::form::Form;
use super::frame::{Frame, Section, see_other, shown};
use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::api::filter::{FilterQuery, LIMIT_MAX, LimitQuery, NoPage};
use crate::admin::api::retries::{hasten, page};
use crate::figures::grouped;
use crate::operations::{RetryFilter, RetryGroup, RetryPage};
use crate::queue::Hastened;

#[derive(Template)]
#[template(path = "retries.html", config = "src/admin/console/askama.toml")]
struct RetriesPage {
    frame: Frame,
    filter: RetryFilter,
    page: RetryPage,
    groups: Vec<RetryGroup>,
}

#[derive(Template)]
#[template(path = "retry_now.html", config = "src/admin/console/askama.toml")]
struct RetryNowPage {
    frame: Frame,
    filter: RetryFilter,
    page: RetryPage,
    groups: Vec<RetryGroup>,
}

impl RetriesPage {
    fn to(&self, path: &str) -> String {
        address(path, &to_query(&self.filter), "")
    }

    /// The same list, as long as it can be.
    fn longest(&self) -> String {
        address("/retries", &to_query(&self.filter), &format!("limit={LIMIT_MAX}"))
    }

    fn may_be_longer(&self) -> bool {
        self.page.more > 0 && (self.page.webhooks.len() as u64) < LIMIT_MAX
    }

    fn of_group(&self, group: &str) -> String {
        format!("/retries?group={}", encoded(group))
    }
}

impl RetryNowPage {
    fn action(&self) -> String {
        address("/retries/now", &to_query(&self.filter), "")
    }

    fn list(&self) -> String {
        address("/retries", &to_query(&self.filter), "")
    }

    /// All that wait where no filter restricts it; else those that were found.
    fn count(&self) -> u64 {
        let more = if self.is_for_all() { self.page.more } else { 0 };
        self.page.webhooks.len() as u64 + more
    }

    fn webhooks(&self) -> &'static str {
        if self.count() == 1 { "webhook" } else { "webhooks" }
    }

    fn is_for_all(&self) -> bool {
        !self.filter.is_named()
    }
}

/// What waits, the next first.
pub(super) async fn list(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let query = request.query_string();
    let FilterQuery(filter, asked) = of_query::<RetryFilter, LimitQuery>(&request)?;
    let page = page(&admin, &filter, asked.limit).await?;
    shown(&RetriesPage {
        frame: Frame::new(&admin, &visitor, Section::Retries, "Retries").noting(notice(query)),
        groups: page.groups(),
        filter,
        page,
    })
}

/// The same as lines of JSON.
pub(super) async fn export(
    admin: web::Data<Admin>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, _) = of_query::<RetryFilter, NoPage>(&request)?;
    let page = page(&admin, &filter, Some(LIMIT_MAX)).await?;
    Ok(export::whole("retries.jsonl", &page.webhooks)?)
}

/// Asks before some are tried.
pub(super) async fn confirm(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, _) = of_query::<RetryFilter, NoPage>(&request)?;
    let page = page(&admin, &filter, Some(LIMIT_MAX)).await?;
    shown(&RetryNowPage {
        frame: Frame::new(&admin, &visitor, Section::Retries, "Try webhooks now"),
        groups: page.groups(),
        filter,
        page,
    })
}

/// Has them tried.
pub(super) async fn try_now(
    admin: web::Data<Admin>,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, _) = of_query::<RetryFilter, NoPage>(&request)?;
    let (actor, all) = (form.visitor.actor(), form.get("all").is_some());
    let Hastened { count, unseen } = hasten(&admin, &actor, &filter, all, form.get("note")).await?;
    Ok(see_other(&format!("/retries?done=tried&count={count}&unseen={unseen}")))
}

/// What was done just before, in our words.
fn notice(query: &str) -> Option<String> {
    let tried = count_in(query, "count")?;
    let webhooks = if tried == 1 { "webhook is" } else { "webhooks are" };
    let tried = format!("{} {webhooks} tried now.", grouped(tried));
    match count_in(query, "unseen").filter(|unseen| *unseen > 0) {
        Some(unseen) => Some(format!(
            "{tried} {} more wait that were not looked at: once these are done, do it again.",
            grouped(unseen)
        )),
        None => Some(tried),
    }
}
