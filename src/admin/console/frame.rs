//! What every page has: its title, where it stands in the menu, who looks at it, and how times are written.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use askama::filters::Safe;
use chrono::{DateTime, SecondsFormat, Utc};

use super::assets;
use super::error::PageError;
use super::users::Visitor;
use super::visible::{exact, with_code};
use crate::admin::Admin;
use crate::admin::access::Right;
use crate::clock::{Clock, SystemClock};
use crate::figures::{grouped, span};

/// A place in the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Now,
    Sessions,
    DeadLetters,
    Retries,
    Webhooks,
    Jobs,
    Audit,
    Consumers,
    Media,
    Completeness,
    Configuration,
    Api,
    /// None of them.
    None,
}

impl Section {
    /// The menu.
    pub(super) const MENU: [Self; 12] = [
        Self::Now,
        Self::Sessions,
        Self::Completeness,
        Self::DeadLetters,
        Self::Retries,
        Self::Webhooks,
        Self::Jobs,
        Self::Consumers,
        Self::Media,
        Self::Audit,
        Self::Configuration,
        Self::Api,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Now => "Now",
            Self::Sessions => "Sessions",
            Self::DeadLetters => "Dead letters",
            Self::Retries => "Retries",
            Self::Webhooks => "Webhooks",
            Self::Jobs => "Jobs",
            Self::Audit => "Audit",
            Self::Consumers => "Consumers",
            Self::Media => "Media",
            Self::Completeness => "Completeness",
            Self::Configuration => "Configuration",
            Self::Api => "API",
            Self::None => "",
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Now | Self::None => "/",
            Self::Sessions => "/sessions",
            Self::DeadLetters => "/dead-letters",
            Self::Retries => "/retries",
            Self::Webhooks => "/webhooks",
            Self::Jobs => "/jobs",
            Self::Audit => "/audit",
            Self::Consumers => "/consumers",
            Self::Media => "/media",
            Self::Completeness => "/completeness",
            Self::Configuration => "/configuration",
            Self::Api => "/api",
        }
    }
}

/// What every page has.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) section: Section,
    pub(super) account: Option<Account>,
    /// What has just been done, in our words.
    pub(super) notice: Option<String>,
    now: DateTime<Utc>,
}

/// Who looks.
pub(super) struct Account {
    pub(super) name: String,
    pub(super) role: &'static str,
    /// The code that forms hold.
    pub(super) code: String,
    pub(super) operates: bool,
    pub(super) reads_bodies: bool,
    /// Whether there is anything to log out of.
    pub(super) has_session: bool,
}

impl Frame {
    pub(super) fn new(
        admin: &Admin,
        visitor: &Visitor,
        section: Section,
        title: impl Into<String>,
    ) -> Self {
        let mut frame = Self::plain(title, section, Some(visitor));
        if let Some(account) = &mut frame.account {
            account.has_session = admin.access.needs_token();
        }
        frame
    }

    /// Where nothing is known of the process.
    pub(super) fn plain(
        title: impl Into<String>,
        section: Section,
        visitor: Option<&Visitor>,
    ) -> Self {
        let account = visitor.map(|visitor| Account {
            name: visitor.caller.name.clone(),
            role: visitor.caller.role.name(),
            code: visitor.cookie.form_code(),
            operates: visitor.may(Right::Operate),
            reads_bodies: visitor.may(Right::Bodies),
            has_session: false,
        });
        Self { title: title.into(), section, account, notice: None, now: SystemClock.now() }
    }

    /// The same with a word on what was done.
    pub(super) fn noting(self, notice: Option<String>) -> Self {
        Self { notice, ..self }
    }

    pub(super) fn operates(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.operates)
    }

    pub(super) fn reads_bodies(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.reads_bodies)
    }

    /// The code that forms hold.
    pub(super) fn code(&self) -> &str {
        self.account.as_ref().map_or("", |account| &account.code)
    }

    pub(super) fn menu(&self) -> &'static [Section] {
        &Section::MENU
    }

    pub(super) fn style(&self) -> &'static str {
        assets::style_path()
    }

    pub(super) fn script(&self) -> &'static str {
        assets::script_path()
    }

    pub(super) fn live(&self) -> &'static str {
        assets::live_path()
    }

    pub(super) fn icon(&self) -> &'static str {
        assets::icon_path()
    }

    /// How long ago, with the moment itself.
    pub(super) fn ago(&self, at: &DateTime<Utc>) -> Safe<String> {
        let ms = (self.now - *at).num_milliseconds();
        let words = match ms {
            ..-999 => format!("in {}", short_span(-ms)),
            -999..1000 => "now".to_owned(),
            _ => format!("{} ago", short_span(ms)),
        };
        with_moment(at, &words)
    }

    /// For how long something is so that began at a moment.
    pub(super) fn lasting(&self, since: &DateTime<Utc>) -> Safe<String> {
        let ms = (self.now - *since).num_milliseconds().max(0);
        with_moment(since, &format!("for {}", short_span(ms)))
    }

    /// The same of a moment that may not have been.
    pub(super) fn ago_if(&self, at: &Option<DateTime<Utc>>) -> Safe<String> {
        at.as_ref().map_or_else(|| Safe("–".to_owned()), |at| self.ago(at))
    }

    /// A moment itself, with how long ago that is.
    pub(super) fn moment(&self, at: &DateTime<Utc>) -> Safe<String> {
        let machine = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let words = at.format("%Y-%m-%d %H:%M:%S%.3f");
        let ago = span((self.now - *at).num_milliseconds().max(0));
        Safe(format!("<time datetime=\"{machine}\" title=\"{ago} ago\">{words}</time>"))
    }

    pub(super) fn number(&self, number: impl Count) -> String {
        grouped(number.count())
    }

    pub(super) fn bytes(&self, bytes: &i64) -> String {
        bytes_in_words(bytes.unsigned_abs())
    }

    pub(super) fn span(&self, ms: impl Count) -> String {
        short_span(i64::try_from(ms.count()).unwrap_or(i64::MAX))
    }

    /// Our own words about the API.
    pub(super) fn prose(&self, text: &str) -> Safe<String> {
        with_code(text)
    }

    /// For a field that is sent back as it is.
    pub(super) fn exact(&self, text: &str) -> Safe<String> {
        exact(text)
    }
}

/// A number of things, however it is stored; templates have it by value or not.
pub(super) trait Count {
    fn count(self) -> u64;
}

impl Count for u64 {
    fn count(self) -> u64 {
        self
    }
}

impl Count for i64 {
    fn count(self) -> u64 {
        self.max(0).unsigned_abs()
    }
}

impl<C: Count + Copy> Count for &C {
    fn count(self) -> u64 {
        (*self).count()
    }
}

/// In its largest unit, from two of it on.
fn short_span(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

pub(super) fn bytes_in_words(bytes: u64) -> String {
    match bytes {
        ..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes.div_ceil(1 << 20)),
        _ => format!("{} GiB", bytes.div_ceil(1 << 30)),
    }
}

/// A template as an answer.
pub(super) fn html(
    status: StatusCode,
    page: &impl Template,
) -> Result<HttpResponse, askama::Error> {
    let body = page.render()?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(body))
}

/// The same of what is as it should be.
pub(super) fn shown(page: &impl Template) -> Result<HttpResponse, PageError> {
    Ok(html(StatusCode::OK, page)?)
}

/// Sends somebody to a page, after what he asked for was done.
pub(super) fn see_other(path: &str) -> HttpResponse {
    use actix_web::http::header::LOCATION;
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

/// Words about a moment, with the moment itself.
fn with_moment(at: &DateTime<Utc>, words: &str) -> Safe<String> {
    let machine = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let title = at.format("%Y-%m-%d %H:%M:%S UTC");
    Safe(format!("<time datetime=\"{machine}\" title=\"{title}\">{words}</time>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_short() {
        let spans = [0, 119_000, 121_000, 7_200_000, 172_800_000].map(short_span);
        assert_eq!(spans, ["0 s", "119 s", "2 min", "2 h", "2 d"]);
        assert_eq!([5, 1025, 1 << 20].map(bytes_in_words), ["5 B", "2 KiB", "1 MiB"]);
    }
}
