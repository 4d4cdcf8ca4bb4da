//! Replay, discard and restore: a page that says what would be touched and asks, then the act.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::Chosen;
use crate::admin::Admin;
use crate::admin::api::dead_letters::act::{named, resolve_all, start_replay};
use crate::admin::api::filter::{FilterQuery, NoPage};
use crate::admin::console::error::PageError;
use crate::admin::console::filters::{address, of_query, to_query};
use crate::admin::console::form::Form;
use crate::admin::console::frame::{Frame, Section, see_other, shown};
use crate::admin::console::users::Visitor;
use crate::operations::{Prospect, forecast};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::{DeadLetterFilter, FilterExtent};

/// So many are looked at without being asked for: reading a body takes a moment.
const FORECAST_MAX: u64 = 500;

/// What can be done with dead letters of a filter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Replay,
    Discard,
    Restore,
}

#[derive(Template)]
#[template(path = "act.html", config = "src/admin/console/askama.toml")]
struct ActPage {
    frame: Frame,
    act: Act,
    chosen: Chosen,
    extent: FilterExtent,
    /// How they would end now; none while nobody asked that of many.
    prospect: Option<Prospect>,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::Replay => "Replay",
            Self::Discard => "Discard",
            Self::Restore => "Restore",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Replay => "/dead-letters/replay",
            Self::Discard => "/dead-letters/discard",
            Self::Restore => "/dead-letters/restore",
        }
    }

    /// What it does, in a sentence.
    fn explains(self) -> &'static str {
        match self {
            Self::Replay => {
                "A job publishes them again under their first receipts, beside the traffic. What \
                 fails again is a dead letter again; nothing is applied twice."
            }
            Self::Discard => "They are given up. They stay as rows and can be restored.",
            Self::Restore => "They are pending again, and can be replayed.",
        }
    }

    /// The state that it is for.
    fn state(self) -> DeadLetterState {
        match self {
            Self::Replay | Self::Discard => DeadLetterState::Pending,
            Self::Restore => DeadLetterState::Discarded,
        }
    }

    fn is_replay(self) -> bool {
        self == Self::Replay
    }

    fn is_destructive(self) -> bool {
        self == Self::Discard
    }
}

impl ActPage {
    /// The form's address: the act on the same dead letters.
    fn action(&self) -> String {
        self.chosen.for_action(self.act.path())
    }

    fn forecast_address(&self) -> String {
        let filter = DeadLetterFilter { states: Vec::new(), ..self.chosen.filter.clone() };
        address(self.act.path(), &to_query(&filter), "forecast=1")
    }

    /// Whether it is for all there are.
    fn is_for_all(&self) -> bool {
        !self.chosen.filter.is_named()
    }

    fn letters(&self) -> &'static str {
        if self.extent.count == 1 { "dead letter" } else { "dead letters" }
    }
}

/// Asks before a replay.
pub(in crate::admin::console) async fn confirm_replay(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    confirm(&admin, &visitor, &request, Act::Replay).await
}

/// Asks before discarding.
pub(in crate::admin::console) async fn confirm_discard(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    confirm(&admin, &visitor, &request, Act::Discard).await
}

/// Asks before discarding is taken back.
pub(in crate::admin::console) async fn confirm_restore(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    confirm(&admin, &visitor, &request, Act::Restore).await
}

async fn confirm(
    admin: &Admin,
    visitor: &Visitor,
    request: &HttpRequest,
    act: Act,
) -> Result<HttpResponse, PageError> {
    // The page itself says that it is for all.
    let filter = chosen(request, act, true)?;
    let store = admin.store()?;
    let extent = store.dead_letter_extent(&filter).await?;
    let is_asked = request.query_string().split('&').any(|pair| pair == "forecast=1");
    let prospect = if extent.count <= FORECAST_MAX || is_asked {
        Some(forecast(store, &admin.rules, &filter, |_| ()).await?.would_end)
    } else {
        None
    };
    let title = format!("{} dead letters", act.name());
    shown(&ActPage {
        frame: Frame::new(admin, visitor, Section::DeadLetters, title),
        act,
        chosen: Chosen::of(filter),
        extent,
        prospect,
    })
}

/// Starts a job; its page shows how it gets on.
pub(in crate::admin::console) async fn replay(
    admin: web::Data<Admin>,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let filter = chosen(&request, Act::Replay, form.get("all").is_some())?;
    let rate = form.number("rate")?;
    let actor = form.visitor.actor();
    let started = start_replay(&admin, &actor, &filter, rate, form.get("note")).await?;
    Ok(see_other(&format!("/jobs/{}", started.job)))
}

/// Gives up.
pub(in crate::admin::console) async fn discard(
    admin: web::Data<Admin>,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    resolve(&admin, &request, &form, Act::Discard, "discarded").await
}

/// Takes that back.
pub(in crate::admin::console) async fn restore(
    admin: web::Data<Admin>,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    resolve(&admin, &request, &form, Act::Restore, "restored").await
}

async fn resolve(
    admin: &Admin,
    request: &HttpRequest,
    form: &Form,
    act: Act,
    done: &str,
) -> Result<HttpResponse, PageError> {
    let filter = chosen(request, act, form.get("all").is_some())?;
    let note = form.get("note").unwrap_or_default();
    // What has come since the page was shown nobody has seen.
    let last_id = form.number("last_id")?.unwrap_or(i64::MAX);
    let actor = form.visitor.actor();
    let count = resolve_all(admin, &actor, &filter, note, act.state(), last_id).await?;
    let to = if let [id] = filter.ids.as_slice() {
        format!("/dead-letters/{id}?done={done}")
    } else {
        let filter = DeadLetterFilter { states: Vec::new(), ..filter };
        let done = format!("done={done}&count={count}");
        address("/dead-letters/list", &to_query(&filter), &done)
    };
    Ok(see_other(&to))
}

fn chosen(request: &HttpRequest, act: Act, all: bool) -> Result<DeadLetterFilter, PageError> {
    let FilterQuery(filter, _) = of_query::<DeadLetterFilter, NoPage>(request)?;
    Ok(named(filter, all, act.state())?)
}
