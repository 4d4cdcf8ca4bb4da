//! Dead letters by cause, and as a list.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{Chosen, class_of};
use crate::admin::Admin;
use crate::admin::api::dead_letters::transfer::export_lines;
use crate::admin::api::dead_letters::{Letters, by_cause, page};
use crate::admin::api::filter::{AfterQuery, FilterQuery, LIMIT_MAX, NoPage};
use crate::admin::console::error::PageError;
use crate::admin::console::export;
use crate::admin::console::filters::{count_in, encoded, of_query, value_in};
use crate::admin::console::frame::{Frame, Section, shown};
use crate::admin::console::users::Visitor;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterGroup};

/// Groups on a page.
const GROUPS_MAX: u64 = 200;

#[derive(Template)]
#[template(path = "groups.html", config = "src/admin/console/askama.toml")]
struct GroupsPage {
    frame: Frame,
    chosen: Chosen,
    groups: Vec<DeadLetterGroup>,
}

#[derive(Template)]
#[template(path = "letters.html", config = "src/admin/console/askama.toml")]
struct LettersPage {
    frame: Frame,
    chosen: Chosen,
    page: Letters,
    is_first: bool,
}

impl GroupsPage {
    /// The list of a group's dead letters.
    fn list_of(&self, group: &DeadLetterGroup) -> String {
        let more = format!("group={}", encoded(&group.group));
        self.chosen.to_with("/dead-letters/list", &more)
    }

    fn total(&self) -> u64 {
        self.groups.iter().map(|group| group.count).sum()
    }
}

impl LettersPage {
    fn class(&self, state: &DeadLetterState) -> &'static str {
        class_of(*state)
    }

    fn next_address(&self, next: &i64) -> String {
        self.chosen.to_with("/dead-letters/list", &format!("after={next}"))
    }
}

/// By cause, the most frequent first.
pub(in crate::admin::console) async fn groups(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, _) = of_query::<DeadLetterFilter, NoPage>(&request)?;
    let found = by_cause(&admin, filter.clone(), GROUPS_MAX).await?;
    shown(&GroupsPage {
        frame: Frame::new(&admin, &visitor, Section::DeadLetters, "Dead letters"),
        chosen: Chosen::of(filter),
        groups: found.groups,
    })
}

/// A page of the list, oldest first.
pub(in crate::admin::console) async fn letters(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let query = request.query_string();
    let FilterQuery(filter, asked) = of_query::<DeadLetterFilter, AfterQuery>(&request)?;
    let frame = Frame::new(&admin, &visitor, Section::DeadLetters, "Dead letters");
    shown(&LettersPage {
        frame: frame.noting(notice(query)),
        page: page(&admin, filter.clone(), asked.after, asked.limit).await?,
        is_first: asked.after.is_none(),
        chosen: Chosen::of(filter),
    })
}

/// The causes, as lines of JSON.
pub(in crate::admin::console) async fn export_groups(
    admin: web::Data<Admin>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, _) = of_query::<DeadLetterFilter, NoPage>(&request)?;
    let found = by_cause(&admin, filter, LIMIT_MAX).await?;
    Ok(export::whole("dead-letter-groups.jsonl", &found.groups)?)
}

/// The list, as lines of JSON without bodies.
pub(in crate::admin::console) async fn export_letters(
    admin: web::Data<Admin>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, _) = of_query::<DeadLetterFilter, NoPage>(&request)?;
    Ok(export::paged("dead-letters.jsonl", move |after| {
        let (admin, filter) = (admin.clone(), filter.clone());
        async move {
            let page = page(&admin, filter, after, Some(LIMIT_MAX)).await?;
            Ok((page.dead_letters, page.next))
        }
    }))
}

/// All that a filter names, with their bodies, as lines of JSON for an import elsewhere.
pub(in crate::admin::console) async fn export(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let FilterQuery(filter, _) = of_query::<DeadLetterFilter, NoPage>(&request)?;
    let mut lines = export_lines(&admin, &visitor.actor(), filter).await?;
    attach(&mut lines, "dead-letters-with-bodies.jsonl");
    Ok(lines)
}

/// Has a browser keep an answer instead of showing it.
pub(in crate::admin::console) fn attach(answer: &mut HttpResponse, name: &str) {
    use actix_web::http::header::{CONTENT_DISPOSITION, HeaderValue};
    let text = format!("attachment; filename=\"{name}\"");
    let text = HeaderValue::from_str(&text).expect("names are plain words");
    answer.headers_mut().insert(CONTENT_DISPOSITION, text);
}

/// What was done just before, in our words: an address of somebody else's can't say anything.
pub(super) fn notice(query: &str) -> Option<String> {
    let count = count_in(query, "count").unwrap_or(1);
    let letters = if count == 1 { "dead letter" } else { "dead letters" };
    match value_in(query, "done")? {
        "discarded" => Some(format!("{count} {letters} discarded.")),
        "restored" => Some(format!("{count} {letters} pending again.")),
        "edited" => Some("The body was replaced; the original is kept.".to_owned()),
        _ => None,
    }
}
