//! `/media`: the files of messages, what became of each, and having one fetched again.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::error::PageError;
use super::export;
use super::filters::{address, encoded};
use super::form::Form;
use super::frame::{Frame, Section, see_other, shown};
use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::access::Right;
use crate::admin::api::ApiError;
use crate::admin::api::filter::{LIMIT_MAX, next};
use crate::store::operations::attachments::{
    AttachmentFilter, AttachmentReport, AttachmentState, WaitingFiles,
};
use crate::store::operations::page::RowPage;

/// Files of a page.
const PAGE: u64 = 50;
/// Longest name that is shown whole: senders choose it.
const NAME_CHARS_MAX: usize = 80;

/// What is looked at; fields that were left empty restrict nothing.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MediaQuery {
    state: String,
    reason: String,
    after: i64,
}

#[derive(Template)]
#[template(path = "media.html", config = "src/admin/console/askama.toml")]
struct MediaPage {
    frame: Frame,
    asked: MediaQuery,
    waiting: WaitingFiles,
    files: Vec<AttachmentReport>,
}

impl MediaQuery {
    fn filter(&self) -> Result<AttachmentFilter, ApiError> {
        let mut filter = AttachmentFilter::default();
        if !self.state.is_empty() {
            filter.state = Some(state(&self.state)?);
        }
        filter.reason = Some(self.reason.clone()).filter(|reason| !reason.is_empty());
        Ok(filter)
    }

    /// Its filter in an address.
    fn query(&self) -> String {
        let Self { state, reason, after: _ } = self;
        if self.is_named() {
            format!("state={}&reason={}", encoded(state), encoded(reason))
        } else {
            String::new()
        }
    }

    fn is_named(&self) -> bool {
        !(self.state.is_empty() && self.reason.is_empty())
    }
}

fn state(name: &str) -> Result<AttachmentState, ApiError> {
    let found = AttachmentState::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or_else(|| {
        let names = AttachmentState::ALL.map(AttachmentState::name).join(", ");
        ApiError::BadRequest(format!("state: {name:?} is none of {names}"))
    })
}

impl MediaPage {
    fn states(&self) -> [&'static str; 6] {
        AttachmentState::ALL.map(AttachmentState::name)
    }

    /// Where the next page begins, if this one is full.
    fn next(&self) -> Option<String> {
        let last = self.files.last().filter(|_| self.files.len() as u64 == PAGE)?;
        Some(address("/media", &self.asked.query(), &format!("after={}", last.id)))
    }

    fn export(&self) -> String {
        address("/export/media", &self.asked.query(), "")
    }
}

impl AttachmentReport {
    fn class(&self) -> &'static str {
        match self.state.as_str() {
            "stored" => "good",
            "waiting" if self.tries == 0 => "muted",
            "waiting" => "warn",
            _ => "bad",
        }
    }

    /// The webhooks that told of its message.
    fn webhooks(&self) -> String {
        format!("/webhooks?message={}", encoded(&self.message_id))
    }

    /// Its name; of a long one the beginning.
    fn short_name(&self) -> Option<String> {
        let name = self.file_name.as_ref()?;
        let mut short: String = name.chars().take(NAME_CHARS_MAX).collect();
        if short.len() < name.len() {
            short.push('…');
        }
        Some(short)
    }

    fn is_stored(&self) -> bool {
        self.state == AttachmentState::Stored.name()
    }
}

/// A page of them, the first told first.
pub(super) async fn list(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    asked: web::Query<MediaQuery>,
) -> Result<HttpResponse, PageError> {
    let store = admin.store()?;
    let asked = asked.into_inner();
    let page = RowPage { after_id: asked.after, ..RowPage::first(PAGE) };
    let files = store.attachments(&asked.filter()?, page).await?;
    shown(&MediaPage {
        frame: Frame::new(&admin, &visitor, Section::Media, "Media"),
        waiting: store.waiting_files().await?,
        files: files.into_iter().map(AttachmentReport::from).collect(),
        asked,
    })
}

/// All those of a filter, as lines of JSON; names, which people wrote, for those who may read bodies.
pub(super) async fn export(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    asked: web::Query<MediaQuery>,
) -> Result<HttpResponse, PageError> {
    let (filter, has_names) = (asked.filter()?, visitor.may(Right::Bodies));
    Ok(export::paged("media.jsonl", move |after| {
        let (admin, filter) = (admin.clone(), filter.clone());
        async move {
            let page = RowPage { after_id: after.unwrap_or_default(), ..RowPage::first(LIMIT_MAX) };
            let rows = admin.store()?.attachments(&filter, page).await?;
            let next = next(&rows, LIMIT_MAX, |row| row.id);
            let name = |name: Option<String>| name.filter(|_| has_names);
            let report = |row| {
                let report = AttachmentReport::from(row);
                AttachmentReport { file_name: name(report.file_name.clone()), ..report }
            };
            Ok((rows.into_iter().map(report).collect(), next))
        }
    }))
}

/// Has one fetched again.
pub(super) async fn retry(
    admin: web::Data<Admin>,
    form: Form,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    admin.store()?.retry_attachments(&[*id], &form.visitor.actor()).await?;
    Ok(see_other("/media?state=waiting"))
}
