//! `/api/v1/webhooks/retrying` and `/api/v1/webhooks/retry`: what waits for its next attempt.

use std::time::Duration;

use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::error::{Refused, RefusedBody};
use super::filter::{ApiFilter, FilterQuery, LimitQuery, limit};
use super::validation::check_note;
use super::{ApiError, actor};
use crate::admin::{Admin, Caller};
use crate::clock::{Clock, SystemClock};
use crate::operations::{RetryFilter, RetryNowError, RetryPage, retry_now, retrying};
use crate::queue::Hastened;
use crate::store::audit::Actor;
use crate::strict_json::{Object, object};

/// How old a shared look may be: at a queue file, and at a broker.
const FILE_LOOK_EVERY: Duration = Duration::from_secs(5);
const BROKER_LOOK_EVERY: Duration = Duration::from_mins(1);

/// What waits, as it was seen last. Who asks again and again shares a look: on a broker each takes in hand what
/// it looks at, so it is not done more often than it says something new.
#[derive(Default)]
pub struct LastRetries(Mutex<Option<SeenRetries>>);

/// What somebody saw.
#[derive(Clone)]
pub(in crate::admin) struct SeenRetries {
    pub(in crate::admin) at: DateTime<Utc>,
    pub(in crate::admin) page: RetryPage,
    looked: Instant,
}

impl LastRetries {
    /// The next to be tried, as they were at most a minute ago.
    pub(in crate::admin) async fn read(&self, admin: &Admin) -> Result<SeenRetries, ApiError> {
        let age_max = if admin.scope.has_broker { BROKER_LOOK_EVERY } else { FILE_LOOK_EVERY };
        let mut last = self.0.lock().await;
        if let Some(seen) = last.as_ref().filter(|seen| seen.looked.elapsed() < age_max) {
            return Ok(seen.clone());
        }
        let page = page(admin, &RetryFilter::default(), None).await?;
        let seen = SeenRetries { at: SystemClock.now(), page, looked: Instant::now() };
        *last = Some(seen.clone());
        Ok(seen)
    }

    /// What was seen is true no more.
    async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// What is to be tried now.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(
    json!({ "filter": { "groups": ["5e3c1f0a9b7d2468"] }, "note": "the column is there now" }),
    json!({ "all": true })
))]
pub(super) struct RetryBody {
    /// Which of those that wait.
    #[serde(default, deserialize_with = "object")]
    filter: RetryFilter,
    /// All of them: needed where the filter is empty.
    #[serde(default)]
    all: bool,
    /// Why, for the audit log.
    note: Option<String>,
}

/// How many are tried now.
#[derive(Serialize, ToSchema)]
pub(super) struct RetriedNow {
    count: u64,
    /// How many more wait that were not looked at: ask again once these are done.
    unseen: u64,
}

/// List webhooks that wait for their next attempt, the next first.
///
/// On a broker they are looked at by taking them in hand for a moment, so there are no further pages.
#[utoipa::path(
    get, path = "/api/v1/webhooks/retrying", tag = "webhooks", params(RetryFilter, LimitQuery),
    responses((status = 200, body = RetryPage), Refused)
)]
pub(super) async fn list(
    admin: web::Data<Admin>,
    FilterQuery(filter, asked): FilterQuery<RetryFilter, LimitQuery>,
) -> Result<web::Json<RetryPage>, ApiError> {
    Ok(web::Json(page(&admin, &filter, asked.limit).await?))
}

/// The first of those that a filter names.
pub(in crate::admin) async fn page(
    admin: &Admin,
    filter: &RetryFilter,
    asked: Option<u64>,
) -> Result<RetryPage, ApiError> {
    let limit = usize::try_from(limit(asked)?).unwrap_or(usize::MAX);
    Ok(retrying(&*admin.queue, filter, limit).await?)
}

/// Try webhooks now that wait for their next attempt. Attempts that were used stay used.
#[utoipa::path(
    post, path = "/api/v1/webhooks/retry", tag = "webhooks", request_body = RetryBody,
    responses((status = 200, body = RetriedNow), RefusedBody, Refused)
)]
pub(super) async fn retry(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    request_body: web::Json<Object<RetryBody>>,
) -> Result<web::Json<RetriedNow>, ApiError> {
    let Object(RetryBody { filter, all, note }) = request_body.into_inner();
    filter.check()?;
    let actor = actor(&caller, &request);
    let Hastened { count, unseen } = hasten(&admin, &actor, &filter, all, note.as_deref()).await?;
    Ok(web::Json(RetriedNow { count, unseen }))
}

/// Has those tried now that a filter names; `all` says that it names none on purpose.
pub(in crate::admin) async fn hasten(
    admin: &Admin,
    actor: &Actor,
    filter: &RetryFilter,
    all: bool,
    note: Option<&str>,
) -> Result<Hastened, ApiError> {
    check_note(note)?;
    if filter.is_named() == all {
        let detail = "filter: say which by ids or groups, or say all alone";
        return Err(ApiError::BadRequest(detail.to_owned()));
    }
    let done = retry_now(&*admin.queue, admin.store()?, filter, actor, note).await;
    admin.retries.forget().await;
    done.map_err(|error| match error {
        RetryNowError::Queue(error) => ApiError::Queue(error),
        RetryNowError::Store(error) => ApiError::Store(error),
    })
}
