//! One dead letter: why it failed, what it would do now, its headers and its body.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::class_of;
use super::list::{attach, notice};
use crate::admin::Admin;
use crate::admin::api::dead_letters::show::{detail, raw_body};
use crate::admin::console::error::PageError;
use crate::admin::console::filters::encoded;
use crate::admin::console::frame::{Frame, Section, shown};
use crate::admin::console::users::Visitor;
use crate::operations::{LetterDetail, indented};
use crate::store::apply::burial::state::DeadLetterState;

/// Bytes of a body that a page shows; the whole of it can be kept.
const SHOWN_MAX: usize = 256 << 10;
/// Bytes of a body that can be edited here: what a request of the API holds.
pub(super) const EDITED_MAX: i64 = 1 << 20;

#[derive(Template)]
#[template(path = "letter.html", config = "src/admin/console/askama.toml")]
struct LetterPage {
    frame: Frame,
    detail: LetterDetail,
    body: Option<BodyView>,
}

/// A body as people read it.
pub(in crate::admin::console) struct BodyView {
    /// Indented, or why not.
    pub(in crate::admin::console) pretty: Result<String, String>,
    /// As it came.
    pub(in crate::admin::console) raw: String,
    /// Whether the page has only its beginning.
    pub(in crate::admin::console) is_cut: bool,
}

impl BodyView {
    pub(in crate::admin::console) fn of(body: &str) -> Self {
        let (raw, is_raw_cut) = cut(body);
        let (pretty, is_pretty_cut) = match indented(body.as_bytes()) {
            Ok(text) => {
                let (text, is_cut) = cut(&text);
                (Ok(text), is_cut)
            }
            Err(why) => (Err(why), false),
        };
        Self { pretty, raw, is_cut: is_raw_cut || is_pretty_cut }
    }
}

/// The beginning of a text, by whole characters.
fn cut(text: &str) -> (String, bool) {
    let end = text.floor_char_boundary(SHOWN_MAX);
    (text[..end].to_owned(), end < text.len())
}

/// Which body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin::console) struct WhichBody {
    #[serde(default)]
    original: bool,
}

impl LetterPage {
    fn class(&self) -> &'static str {
        class_of(self.detail.dead_letter.state)
    }

    fn is(&self, state: &str) -> bool {
        self.detail.dead_letter.state.name() == state
    }

    fn is_editable(&self) -> bool {
        self.detail.dead_letter.state == DeadLetterState::Pending
            && self.detail.dead_letter.body_bytes <= EDITED_MAX
    }

    /// The webhook of this dead letter is one of these.
    fn webhooks(&self) -> String {
        let letter = &self.detail.dead_letter;
        let (source, session) = (encoded(&letter.source), encoded(&letter.session));
        let event = encoded(&letter.event_type);
        format!("/webhooks?source={source}&session={session}&event={event}&outcome=dead_lettered")
    }

    fn group(&self) -> String {
        format!("/dead-letters/list?group={}", encoded(&self.detail.dead_letter.fingerprint))
    }
}

/// The page.
pub(in crate::admin::console) async fn show(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
    id: web::Path<i64>,
) -> Result<HttpResponse, PageError> {
    let (detail, _) = detail(&admin, &visitor.caller, &visitor.actor(), *id).await?;
    let frame = Frame::new(&admin, &visitor, Section::DeadLetters, format!("Dead letter {id}"));
    shown(&LetterPage {
        frame: frame.noting(notice(request.query_string())),
        body: detail.body.as_deref().map(BodyView::of),
        detail,
    })
}

/// The body, byte for byte, to keep.
pub(in crate::admin::console) async fn body(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    id: web::Path<i64>,
    which: web::Query<WhichBody>,
) -> Result<HttpResponse, PageError> {
    let body = raw_body(&admin, &visitor.actor(), *id, which.original).await?;
    let mut answer = HttpResponse::Ok().content_type("application/octet-stream").body(body);
    attach(&mut answer, &format!("dead-letter-{id}.json"));
    Ok(answer)
}
