//! `/webhooks`: the ledger, one webhook with its way, and reading webhooks again.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::TimeDelta;

use super::dead_letters::list::attach;
use super::dead_letters::show::BodyView;
use super::error::PageError;
use super::export;
use super::filters::{address, encoded, of_query, to_query};
use super::form::Form;
use super::frame::{Frame, Section, see_other, shown};
use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::api::ApiError;
use crate::admin::api::filter::{BeforeQuery, FilterQuery, LIMIT_MAX, NoPage};
use crate::admin::api::renormalize::{Renormalizing, begin, count};
use crate::admin::api::webhooks::{WebhookPage, detail, page, raw_body};
use crate::normalize::NORMALIZER_VERSION;
use crate::operations::WebhookDetail;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterSummary};
use crate::store::operations::history::{LedgerFilter, LedgerOutcome, LedgerRow, Repetition};
use crate::store::operations::page::RowPage;

/// Rows of one kind that a page names.
const ROWS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "webhooks.html", config = "src/admin/console/askama.toml")]
struct WebhooksPage {
    frame: Frame,
    filter: LedgerFilter,
    page: WebhookPage,
    is_first: bool,
}

#[derive(Template)]
#[template(path = "webhook.html", config = "src/admin/console/askama.toml")]
struct OneWebhookPage {
    frame: Frame,
    detail: WebhookDetail,
    body: Option<BodyView>,
    repetitions: Vec<Repetition>,
    letter: Option<DeadLetterSummary>,
}

#[derive(Template)]
#[template(path = "renormalize.html", config = "src/admin/console/askama.toml")]
struct RenormalizePage {
    frame: Frame,
    filter: LedgerFilter,
    found: Renormalizing,
}

impl WebhooksPage {
    fn outcomes(&self) -> [LedgerOutcome; 3] {
        [LedgerOutcome::Applied, LedgerOutcome::Ignored, LedgerOutcome::DeadLettered]
    }

    fn has_outcome(&self, outcome: &LedgerOutcome) -> bool {
        self.filter.outcomes.contains(outcome)
    }

    fn to(&self, path: &str) -> String {
        address(path, &to_query(&self.filter), "")
    }

    fn next_address(&self, next: &i64) -> String {
        address("/webhooks", &to_query(&self.filter), &format!("before={next}"))
    }
}

impl OneWebhookPage {
    /// From door to rows.
    fn took(&self) -> String {
        let row = &self.detail.webhook;
        exact_span(row.processed_at - row.received_at)
    }

    /// From WAHA's word to the door.
    fn travelled(&self) -> String {
        let row = &self.detail.webhook;
        exact_span(row.received_at - row.webhook_at)
    }

    fn of_session(&self) -> String {
        let row = &self.detail.webhook;
        format!("/webhooks?source={}&session={}", encoded(&row.source), encoded(&row.session))
    }

    fn normalizer_now(&self) -> i32 {
        NORMALIZER_VERSION
    }
}

impl LedgerRow {
    /// The class of the outcome's colour.
    fn class(&self) -> &'static str {
        match self.outcome {
            LedgerOutcome::Applied => "good",
            LedgerOutcome::Ignored => "muted",
            LedgerOutcome::DeadLettered => "bad",
        }
    }

    fn outcome_words(&self) -> &'static str {
        match self.outcome {
            LedgerOutcome::DeadLettered => "dead-lettered",
            other => other.name(),
        }
    }
}

/// To the millisecond, where that says something.
fn exact_span(span: TimeDelta) -> String {
    match span.num_milliseconds() {
        ms @ ..10_000 => format!("{ms} ms"),
        ms => crate::figures::span(ms),
    }
}

/// A page of the ledger, newest first.
pub(super) async fn list(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, asked) = of_query::<LedgerFilter, BeforeQuery>(&request)?;
    shown(&WebhooksPage {
        frame: Frame::new(&admin, &visitor, Section::Webhooks, "Webhooks"),
        page: page(&admin, &filter, asked.before, asked.limit).await?,
        is_first: asked.before.is_none(),
        filter,
    })
}

/// All that a filter names, as lines of JSON without bodies.
pub(super) async fn export(
    admin: web::Data<Admin>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, _) = of_query::<LedgerFilter, NoPage>(&request)?;
    Ok(export::paged("webhooks.jsonl", move |before| {
        let (admin, filter) = (admin.clone(), filter.clone());
        async move {
            let page = page(&admin, &filter, before, Some(LIMIT_MAX)).await?;
            Ok((page.webhooks, page.next))
        }
    }))
}

/// One webhook.
pub(super) async fn show(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    let detail = detail(&admin, &visitor.caller, &visitor.actor(), *id).await?;
    let letter = letter_of(&admin, &detail.webhook).await?;
    shown(&OneWebhookPage {
        frame: Frame::new(&admin, &visitor, Section::Webhooks, format!("Webhook {id}")),
        body: detail.body.as_deref().map(BodyView::of),
        repetitions: admin.store()?.repetitions_of(*id).await?,
        letter,
        detail,
    })
}

/// The dead letter that a webhook is or was.
async fn letter_of(admin: &Admin, row: &LedgerRow) -> Result<Option<DeadLetterSummary>, PageError> {
    let store = admin.store()?;
    let Some(id) = store.dead_letter_of(row).await? else { return Ok(None) };
    let filter = DeadLetterFilter { ids: vec![id], ..DeadLetterFilter::default() };
    Ok(store.dead_letters(&filter, RowPage::first(1)).await?.pop())
}

/// The body, byte for byte, to keep.
pub(super) async fn body(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    let body = raw_body(&admin, &visitor.actor(), *id).await?;
    let mut answer = HttpResponse::Ok().content_type("application/octet-stream").body(body);
    attach(&mut answer, &format!("webhook-{id}.json"));
    Ok(answer)
}

/// Asks before webhooks are read again.
pub(super) async fn confirm_renormalize(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, _) = of_query::<LedgerFilter, NoPage>(&request)?;
    shown(&RenormalizePage {
        frame: Frame::new(&admin, &visitor, Section::Webhooks, "Read webhooks again"),
        found: count(&admin, &filter).await?,
        filter,
    })
}

/// Begins to.
pub(super) async fn renormalize(
    admin: web::Data<Admin>,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, _) = of_query::<LedgerFilter, NoPage>(&request)?;
    if !filter.is_named() && form.get("all").is_none() {
        return Err(ApiError::BadRequest("say which, or all".to_owned()).into());
    }
    let rate = form.number("rate")?;
    let actor = form.visitor.actor();
    begin(admin.into_inner(), &actor, filter, rate).await?;
    Ok(see_other("/audit?action=renormalize"))
}

impl RenormalizePage {
    fn action(&self) -> String {
        address("/webhooks/renormalize", &to_query(&self.filter), "")
    }

    fn is_for_all(&self) -> bool {
        !self.filter.is_named()
    }
}
