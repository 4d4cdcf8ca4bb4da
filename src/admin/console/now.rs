//! `/`: what somebody must know who was woken. Each part is asked for by itself and soon given up, so that
//! what is away hides nothing else.

mod attention;

use std::time::Duration;

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use tokio::time::timeout;

use super::error::PageError;
use super::frame::{Frame, Section, bytes_in_words, shown};
use super::spark::{Spark, short};
use super::users::Visitor;
use crate::accounting::Accounting;
use crate::admin::health::{DependencyReport, dependencies};
use crate::admin::{
    Admin, LaneReport, ProcessReport, RefusalGroup, RefusalReport, StatusPlace, StatusReport,
};
use crate::monitor::TrendPoint;
use crate::operations::RetryGroup;
use attention::Attention;

/// What takes longer is shown as not known.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// A process that was heard of in this time runs.
const ALIVE_MS: u64 = 15_000;

#[derive(Template)]
#[template(path = "now.html", config = "src/admin/console/askama.toml")]
struct NowPage {
    frame: Frame,
    status: StatusReport,
    dependencies: Vec<(&'static str, DependencyReport)>,
    lanes: Option<Vec<LaneLine>>,
    rates: Vec<RateLine>,
    refusals: Vec<RefusalGroup>,
    retries: Option<RetriesView>,
}

struct LaneLine {
    lane: LaneReport,
    spark: Option<Spark>,
}

/// What waits for its next attempt.
#[derive(Default)]
struct RetriesView {
    /// All of it.
    waiting: u64,
    /// Those that are tried next by cause, and when they were looked at.
    next: Option<(DateTime<Utc>, Vec<RetryGroup>)>,
}

/// How many per second.
struct RateLine {
    what: &'static str,
    now: String,
    spark: Option<Spark>,
}

/// The verdict in a word, a class for its colour, and a sentence.
struct Verdict {
    class: &'static str,
    word: &'static str,
    sentence: String,
}

impl NowPage {
    fn verdict(&self) -> Verdict {
        let Some(equation) = &self.status.equation else {
            let why = self.status.counts.reason.as_deref().unwrap_or_default();
            let sentence = format!("Webhooks can't be counted now: {why}.");
            return Verdict { class: "unknown", word: "Not known", sentence };
        };
        let Accounting { missing, excess, damaged, .. } = equation;
        let (class, word, sentence) = match equation.balanced {
            Some(true) if *damaged > 0 => (
                "warn",
                "Balanced",
                format!("{damaged} were taken by a damaged disk, the rest is accounted for."),
            ),
            Some(true) => {
                let class = if self.attention().is_empty() { "good" } else { "warn" };
                (class, "Balanced", "Every accepted webhook is accounted for.".to_owned())
            }
            Some(false) if *excess > 0 => {
                ("bad", "Not balanced", format!("{excess} more than were accepted."))
            }
            Some(false) => {
                ("bad", "Not balanced", format!("{missing} accepted webhooks are missing."))
            }
            None => ("unknown", "Not known", equation.reason.clone().unwrap_or_default()),
        };
        Verdict { class, word, sentence }
    }

    fn attention(&self) -> Vec<Attention> {
        Attention::all(&self.status, &self.dependencies)
    }

    /// The terms of the equation with the pages that show them.
    fn terms(&self) -> Vec<(&'static str, u64, &'static str)> {
        let Some(it) = &self.status.equation else { return Vec::new() };
        let mut terms = vec![
            ("accepted", it.accepted, ""),
            ("applied", it.applied, "/webhooks?outcome=applied"),
            ("duplicate", it.duplicate, ""),
            ("ignored", it.ignored, "/webhooks?outcome=ignored"),
            ("dead-lettered", it.dead_lettered, "/dead-letters"),
            ("waiting", it.waiting, ""),
        ];
        terms.extend((it.lost > 0).then_some(("lost", it.lost, "/audit?action=settle")));
        terms.extend((it.damaged > 0).then_some(("damaged", it.damaged, "")));
        terms
    }

    /// A process beats every few seconds: one that has not for long is frozen, or ended without a word.
    fn class_of(&self, process: &ProcessReport) -> &'static str {
        if process.seen_age_ms.is_some_and(|age_ms| age_ms < ALIVE_MS) { "good" } else { "warn" }
    }

    /// What is looked at: names, and where they lead.
    fn places(&self) -> Vec<(&'static str, String)> {
        let StatusPlace { data_dir, database, queue } = &self.status.place;
        vec![
            ("data", data_dir.display().to_string()),
            ("database", database.join("; ")),
            ("queue", queue.join(", ")),
        ]
    }

    fn file_words(&self) -> Option<String> {
        let file = self.status.file.as_ref()?;
        let (bytes, max) = (bytes_in_words(file.bytes), bytes_in_words(file.bytes_max));
        Some(format!("queue file: {bytes} of {max}"))
    }
}

/// The page.
pub(super) async fn show(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
) -> Result<HttpResponse, PageError> {
    let mut status = Box::pin(StatusReport::read(&admin, ANSWER_MAX)).await;
    let trend = admin.observer.trend();
    let lanes = status.lanes.take();
    let retries = retries(&admin, lanes.as_deref()).await;
    shown(&NowPage {
        frame: Frame::new(&admin, &visitor, Section::Now, "Now"),
        dependencies: dependencies(&admin).collect(),
        lanes: lanes.map(|lanes| with_sparks(lanes, &trend)),
        rates: rates(&admin, &trend),
        refusals: RefusalGroup::all(RefusalReport::last(&admin)),
        retries,
        status,
    })
}

/// None while the queue does not say how many wait.
async fn retries(admin: &Admin, lanes: Option<&[LaneReport]>) -> Option<RetriesView> {
    let waiting = lanes?.iter().map(|lane| lane.retrying).sum();
    if waiting == 0 {
        return Some(RetriesView::default());
    }
    let seen = timeout(ANSWER_MAX, admin.retries.read(admin)).await;
    let seen = seen.ok().and_then(Result::ok);
    Some(RetriesView { waiting, next: seen.map(|seen| (seen.at, seen.page.groups())) })
}

fn with_sparks(lanes: Vec<LaneReport>, trend: &[TrendPoint]) -> Vec<LaneLine> {
    let line = |(index, lane): (usize, LaneReport)| {
        let waiting = trend.iter().filter_map(|point| point.waiting.as_ref()?.get(index).copied());
        #[expect(clippy::cast_precision_loss, reason = "for a picture")]
        let values: Vec<f64> = waiting.map(|count| count as f64).collect();
        LaneLine { spark: Spark::of("waiting in the last ten minutes", &values), lane }
    };
    lanes.into_iter().enumerate().map(line).collect()
}

/// What came and what ended, of what this process does.
fn rates(admin: &Admin, trend: &[TrendPoint]) -> Vec<RateLine> {
    let line = |what, count: fn(&TrendPoint) -> u64| {
        let values: Vec<f64> = trend.windows(2).map(|two| rate(&two[0], &two[1], count)).collect();
        let now = values.last().map_or_else(|| "–".to_owned(), |now| short(*now));
        RateLine { what, now, spark: Spark::of("per second in the last ten minutes", &values) }
    };
    let accepted = admin.scope.serves.then(|| line("accepted here", |point| point.accepted));
    let ended = admin.scope.works.then(|| line("ended here", |point| point.ended));
    accepted.into_iter().chain(ended).collect()
}

fn rate(before: &TrendPoint, after: &TrendPoint, count: fn(&TrendPoint) -> u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for a picture")]
    let (more, ms) = (
        count(after).saturating_sub(count(before)) as f64,
        (after.at_ms - before.at_ms).max(1) as f64,
    );
    more * 1000.0 / ms
}
