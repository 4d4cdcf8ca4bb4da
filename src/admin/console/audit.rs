//! `/audit`: who did what, when and from where.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::Value;

use super::error::{PageError, query_refused};
use super::export;
use super::filters::address;
use super::frame::{Frame, Section, shown};
use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::api::ApiError;
use crate::admin::api::audit::{AuditLogReport, FilterQuery, Page, page};
use crate::admin::api::filter::LIMIT_MAX;
use crate::store::audit::AuditAction;

#[derive(Template)]
#[template(path = "audit.html", config = "src/admin/console/askama.toml")]
struct AuditPage {
    frame: Frame,
    page: Page,
    action: Option<AuditAction>,
    is_first: bool,
}

impl AuditPage {
    fn actions(&self) -> &'static [AuditAction] {
        &AuditAction::ALL
    }

    fn export(&self) -> String {
        let action = self.action.map(|it| format!("action={}", it.name())).unwrap_or_default();
        address("/export/audit-logs", &action, "")
    }

    fn next_address(&self, next: &i64) -> String {
        let action = self.action.map(|it| format!("action={}&", it.name())).unwrap_or_default();
        format!("/audit?{action}before={next}")
    }
}

impl AuditLogReport {
    /// On what, in one line.
    fn which(&self) -> String {
        self.filter.as_ref().map(words).unwrap_or_default()
    }

    fn values(&self) -> String {
        let told = |name: &str, value: &Option<Value>| {
            value.as_ref().map(|value| format!("{name} {}", words(value)))
        };
        let both = [told("was", &self.old_values), told("is", &self.new_values)];
        both.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// JSON without its signs, as far as it is flat.
fn words(value: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match value {
                Value::Array(values) => {
                    format!("{name}: {}", values.iter().map(word).collect::<Vec<_>>().join(", "))
                }
                value => format!("{name}: {}", word(value)),
            };
            fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(field)
                .collect::<Vec<_>>()
                .join("; ")
        }
        value => word(value),
    }
}

/// The log, newest first.
pub(super) async fn list(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let which = which(&request)?;
    shown(&AuditPage {
        frame: Frame::new(&admin, &visitor, Section::Audit, "Audit"),
        page: page(&admin, &which).await?,
        action: which.action,
        is_first: which.before.is_none(),
    })
}

/// The same as lines of JSON.
pub(super) async fn export(
    admin: web::Data<Admin>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let action = which(&request)?.action;
    Ok(export::paged("audit-logs.jsonl", move |before| {
        let admin = admin.clone();
        async move {
            let which = FilterQuery { action, before, limit: Some(LIMIT_MAX) };
            let page = page(&admin, &which).await?;
            Ok((page.audit_logs, page.next))
        }
    }))
}

/// A form sends its empty field as well.
fn which(request: &HttpRequest) -> Result<FilterQuery, ApiError> {
    let query = request.query_string().replace("action=&", "");
    let query = query.strip_suffix("action=").unwrap_or(&query);
    let which = web::Query::<FilterQuery>::from_query(query);
    Ok(which.map_err(|error| query_refused(&error))?.into_inner())
}
