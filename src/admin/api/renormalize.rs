//! `/api/v1/webhooks/renormalize`: stored webhooks are read again by the present normalizer.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{Refused, RefusedBody};
use super::filter::ApiFilter;
use super::validation::check_rate;
use super::{ApiError, actor};
use crate::admin::{Admin, Caller};
use crate::renormalize::{Renormalizer, entry};
use crate::store::audit::Actor;
use crate::store::operations::history::LedgerFilter;
use crate::strict_json::{Object, object};

/// What is to be read again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(
    json!({ "filter": { "events": ["message.ack"], "since": "2026-01-01T00:00:00Z" }, "rate": 50 }),
    json!({ "all": true, "dry_run": true })
))]
pub(super) struct RenormalizeBody {
    /// Which webhooks.
    #[serde(default, deserialize_with = "object")]
    filter: LedgerFilter,
    /// All of them: needed where nothing else says which.
    #[serde(default)]
    all: bool,
    /// Count them; change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Most per second.
    #[schema(exclusive_minimum = 0, maximum = 1_000_000)]
    rate: Option<f64>,
}

/// How many are named.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Renormalizing {
    /// All that the filter names.
    pub(in crate::admin) webhooks: u64,
    /// Those whose body is stored; about others nothing can be done.
    pub(in crate::admin) with_body: u64,
    /// The entry of the audit log that counts them when it is done; none after a dry run.
    pub(in crate::admin) audit_log: Option<i64>,
}

/// Read stored webhooks again, beside the traffic and after the answer.
///
/// The entry of the audit log has the count once it is done.
#[utoipa::path(
    post, path = "/api/v1/webhooks/renormalize", tag = "webhooks", request_body = RenormalizeBody,
    responses(
        (status = 200, body = Renormalizing, description = "What would be read again."),
        (status = 202, body = Renormalizing, description = "It was begun."),
        RefusedBody,
        Refused
    )
)]
pub(super) async fn renormalize(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    request_body: web::Json<Object<RenormalizeBody>>,
) -> Result<HttpResponse, ApiError> {
    let Object(request_body) = request_body.into_inner();
    let RenormalizeBody { dry_run, rate, .. } = request_body;
    let filter = request_body.filter()?;
    if dry_run {
        return Ok(HttpResponse::Ok().json(count(&admin, &filter).await?));
    }
    let actor = actor(&caller, &request);
    let begun = begin(admin.into_inner(), &actor, filter, rate).await?;
    Ok(HttpResponse::Accepted().json(begun))
}

/// How many a filter names.
pub(in crate::admin) async fn count(
    admin: &Admin,
    filter: &LedgerFilter,
) -> Result<Renormalizing, ApiError> {
    let groups = admin.store()?.history_groups(filter).await?;
    let sum = |count: fn(&crate::store::operations::history::LedgerGroup) -> i64| {
        groups.iter().map(|group| count(group).unsigned_abs()).sum()
    };
    let (webhooks, with_body) = (sum(|group| group.total), sum(|group| group.with_body));
    Ok(Renormalizing { webhooks, with_body, audit_log: None })
}

/// Begins on behalf of somebody; it goes on after this returns.
pub(in crate::admin) async fn begin(
    admin: Arc<Admin>,
    actor: &Actor,
    filter: LedgerFilter,
    rate: Option<f64>,
) -> Result<Renormalizing, ApiError> {
    check_rate(rate)?;
    let counted = count(&admin, &filter).await?;
    let log = admin.store()?.record(&entry(&filter, actor)).await?;
    tokio::spawn(run(admin, filter, rate, log));
    Ok(Renormalizing { audit_log: Some(log), ..counted })
}

/// Reads beside the request, until it is done or the process stops.
async fn run(admin: Arc<Admin>, filter: LedgerFilter, rate: Option<f64>, log: i64) {
    let Some(store) = admin.store.as_deref() else { return };
    let renormalizer = Renormalizer { store, rules: &admin.rules, writes: true, rate };
    let reading = renormalizer.run(filter, |_| ());
    let Some(tally) = admin.stop.run_until_cancelled(reading).await else { return };
    let counted = match tally {
        Ok(tally) => store.record_more(log, tally.read_again()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = counted {
        tracing::warn!(error = error.detail(), "reading webhooks again was interrupted");
    }
}

impl RenormalizeBody {
    /// A filter that says which.
    fn filter(self) -> Result<LedgerFilter, ApiError> {
        self.filter.check()?;
        check_rate(self.rate)?;
        if self.filter.is_named() || self.all {
            return Ok(self.filter);
        }
        Err(ApiError::BadRequest("the filter is empty: say which, or all".to_owned()))
    }
}
