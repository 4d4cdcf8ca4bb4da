//! `/sessions`: the WhatsApp accounts, which of them are in trouble, silent or failed, and the history of each.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::error::PageError;
use super::export;
use super::filters::{address, encoded};
use super::frame::{Frame, Section, shown};
use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::api::filter::LIMIT_MAX;
use crate::admin::api::sessions::{
    SessionDetail, SessionPage, SessionQuery, SessionReport, detail, page,
};

/// Of those in trouble, the failed and the silent ones so many stand before the list.
const TROUBLED_MAX: u64 = 10;
/// What a form calls the state of a working session from which nothing comes.
const SILENT: &str = "silent";
/// What a form calls the state of a session that the watchdog found in trouble.
const TROUBLE: &str = "trouble";
/// WAHA's states of a session, the ones that need somebody first.
const STATES: [&str; 7] =
    [TROUBLE, "FAILED", SILENT, "SCAN_QR_CODE", "STARTING", "STOPPED", "WORKING"];
/// What stands before the list.
const FIRST: [(&str, &str); 3] =
    [("In trouble", TROUBLE), ("Failed", "FAILED"), ("Silent", SILENT)];

#[derive(Template)]
#[template(path = "sessions.html", config = "src/admin/console/askama.toml")]
struct SessionsPage {
    frame: Frame,
    asked: SessionsQuery,
    /// What is looked at first.
    troubled: Vec<TroubledGroup>,
    page: SessionPage,
    is_first: bool,
}

/// Sessions that need somebody for the same reason.
struct TroubledGroup {
    caption: &'static str,
    sessions: Vec<SessionReport>,
    /// Where all of them are, if there are more.
    all: Option<String>,
}

#[derive(Template)]
#[template(path = "session.html", config = "src/admin/console/askama.toml")]
struct OneSessionPage {
    frame: Frame,
    detail: SessionDetail,
    /// The filter of lists that name it.
    query: String,
}

/// What is looked at; fields that were left empty restrict nothing.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SessionsQuery {
    source: String,
    session: String,
    state: String,
    after: Option<i64>,
}

impl SessionsQuery {
    fn of_state(state: &str) -> Self {
        Self { state: state.to_owned(), ..Self::default() }
    }

    fn is_named(&self) -> bool {
        [&self.source, &self.session, &self.state].iter().any(|it| !it.is_empty())
    }

    /// The same for the API.
    fn query(&self, limit: Option<u64>) -> SessionQuery {
        let told = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let is = |state: &str| self.state == state;
        SessionQuery {
            source: told(&self.source),
            session: told(&self.session),
            status: told(&self.state).filter(|_| !is(SILENT) && !is(TROUBLE)),
            silent: is(SILENT).then_some(true),
            trouble: is(TROUBLE).then_some(true),
            after: self.after,
            limit,
        }
    }

    /// Its filter in an address.
    fn address(&self, path: &str, more: &str) -> String {
        let fields = [("source", &self.source), ("session", &self.session), ("state", &self.state)];
        let told = fields.iter().filter(|(_, value)| !value.is_empty());
        let pairs: Vec<String> =
            told.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        address(path, &pairs.join("&"), more)
    }
}

impl SessionsPage {
    fn states(&self) -> [&'static str; 7] {
        STATES
    }

    /// Only where something stands before it.
    fn caption(&self) -> &'static str {
        if self.troubled.is_empty() { "" } else { "All" }
    }

    fn export(&self) -> String {
        self.asked.address("/export/sessions", "")
    }

    fn first(&self) -> String {
        self.asked.address("/sessions", "")
    }

    fn next(&self, next: &i64) -> String {
        self.asked.address("/sessions", &format!("after={next}"))
    }
}

impl SessionReport {
    /// The state in a class for its colour.
    fn class(&self) -> &'static str {
        match self.status.as_deref() {
            // WAHA's word is not believed.
            Some("WORKING") if self.trouble.is_some() => "bad",
            Some("WORKING") if self.silent => "warn",
            Some("WORKING") => "good",
            Some("FAILED") => "bad",
            Some("STOPPED") | None => "muted",
            Some(_) => "warn",
        }
    }
}

/// Those of a filter; without one what needs somebody comes first.
pub(super) async fn list(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    asked: web::Query<SessionsQuery>,
) -> Result<HttpResponse, PageError> {
    let asked = asked.into_inner();
    let is_first = asked.after.is_none();
    let mut troubled = Vec::new();
    if is_first && !asked.is_named() {
        for (caption, state) in FIRST {
            let asked = SessionsQuery::of_state(state);
            let page = page(&admin, &visitor.caller, &asked.query(Some(TROUBLED_MAX))).await?;
            let all = page.next.map(|_| asked.address("/sessions", ""));
            troubled.push(TroubledGroup { caption, sessions: page.sessions, all });
        }
        troubled.retain(|group| !group.sessions.is_empty());
    }
    shown(&SessionsPage {
        frame: Frame::new(&admin, &visitor, Section::Sessions, "Sessions"),
        page: page(&admin, &visitor.caller, &asked.query(None)).await?,
        asked,
        troubled,
        is_first,
    })
}

/// All those of a filter, as lines of JSON.
pub(super) async fn export(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    asked: web::Query<SessionsQuery>,
) -> HttpResponse {
    let (caller, asked) = (visitor.caller.clone(), asked.into_inner());
    export::paged("sessions.jsonl", move |after| {
        let (admin, caller) = (admin.clone(), caller.clone());
        let query = SessionsQuery { after, ..asked.clone() }.query(Some(LIMIT_MAX));
        async move {
            let page = page(&admin, &caller, &query).await?;
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
