//! WAHA's own counters of messages as a witness: how many it told in the last hours, and how many arrived.
//!
//! Kept by `watchdog` in the row of a session; shown by `cli` and `admin` beside what was compared. The counters begin
//! anew when WAHA does, so what they grew by is added up; what was told between the last look and such a start nobody
//! knows. What is counted up to a look is compared one look later, when its webhooks have had time to arrive.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use entity::waha_session_watches::{Column, Entity};
use entity::{waha_sessions, webhook_events};

use crate::store::Store;
use crate::store::operations::sessions::SessionReach;
use crate::store::sql::error::StoreError;
use crate::webhook::BACKFILL_PREFIX;

/// After so long counting begins anew; what was counted before stays for as long again.
const WINDOW: TimeDelta = TimeDelta::hours(1);
/// Windows that are kept.
const WINDOWS_MAX: usize = 2;
/// Messages at the ends of the time, which the clocks of both sides may see on different sides of it.
const EDGE_LEAST: u64 = 2;
/// The same as a part of all.
const EDGE_PART: u64 = 100;

/// Messages that a WAHA has told of a session: own ones, and those of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldMessages {
    /// Written by the account.
    pub own: u64,
    /// Written by others.
    pub others: u64,
}

/// What was counted from a time on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CountedWindow {
    from: DateTime<Utc>,
    /// Up to the newest look.
    told: ToldMessages,
    /// Up to the look before that.
    settled: ToldMessages,
    /// Starts of WAHA, at each of which some may be unknown.
    starts: u32,
}

/// How a session's counters have grown: what a row holds as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCounters {
    /// When that WAHA started, in Unix ms, if it says.
    started_ms: Option<i64>,
    /// The counters at the newest look.
    raw: ToldMessages,
    at: DateTime<Utc>,
    settled_at: DateTime<Utc>,
    windows: Vec<CountedWindow>,
}

impl MessageCounters {
    /// Goes on with what the counters are now.
    #[must_use]
    pub fn advanced(
        before: Option<Self>,
        raw: ToldMessages,
        started_ms: Option<i64>,
        now: DateTime<Utc>,
    ) -> Self {
        let Some(before) = before else { return Self::begun(raw, started_ms, now) };
        let Self { mut windows, .. } = before;
        let is_another = before.started_ms.zip(started_ms).is_some_and(|(one, other)| one != other);
        let has_fallen = raw.own < before.raw.own || raw.others < before.raw.others;
        let is_anew = is_another || has_fallen;
        let base = if is_anew { ToldMessages::default() } else { before.raw };
        for window in &mut windows {
            window.settled = window.told;
        }
        if let Some(window) = windows.last_mut() {
            window.told.own += raw.own - base.own;
            window.told.others += raw.others - base.others;
            window.starts += u32::from(is_anew);
        }
        if windows.last().is_none_or(|window| now - window.from >= WINDOW) {
            windows.push(CountedWindow::begun(now));
        }
        windows.drain(..windows.len().saturating_sub(WINDOWS_MAX));
        let started_ms = started_ms.or(before.started_ms.filter(|_| !is_anew));
        Self { started_ms, raw, at: now, settled_at: before.at, windows }
    }

    fn begun(raw: ToldMessages, started_ms: Option<i64>, now: DateTime<Utc>) -> Self {
        let windows = vec![CountedWindow::begun(now)];
        Self { started_ms, raw, at: now, settled_at: now, windows }
    }

    /// From when to when what was told is known; none while that is no time.
    fn span(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let from = self.windows.first()?.from;
        (from < self.settled_at).then_some((from, self.settled_at))
    }

    fn settled(&self) -> ToldMessages {
        let of = |told: fn(&CountedWindow) -> u64| self.windows.iter().map(told).sum();
        ToldMessages { own: of(|it| it.settled.own), others: of(|it| it.settled.others) }
    }

    /// Reads what a row holds.
    pub fn read(text: Option<&str>) -> Option<Self> {
        serde_json::from_str(text?).ok()
    }

    /// As a row holds it.
    pub fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

impl CountedWindow {
    fn begun(from: DateTime<Utc>) -> Self {
        let (told, settled) = (ToldMessages::default(), ToldMessages::default());
        Self { from, told, settled, starts: 0 }
    }
}

/// What WAHA's counters say of a session beside what arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionCounters {
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// `even`, `missing` (WAHA told more than arrived) or `unknown` (it does not count, or was not looked at yet).
    pub state: String,
    /// From when on it is counted: an hour or two ago.
    pub from: Option<DateTime<Utc>>,
    /// Up to when: the look before the last one.
    pub until: Option<DateTime<Utc>>,
    /// Messages that WAHA told, as far as webhooks for them are configured.
    pub told: Option<u64>,
    /// Their webhooks that arrived.
    pub arrived: Option<u64>,
    /// How often WAHA started anew meanwhile: it may have told some more just before.
    pub starts: Option<u32>,
}

impl SessionCounters {
    fn unknown(session: waha_sessions::Model) -> Self {
        let (source, session, state) = (session.source, session.name, "unknown".to_owned());
        let (from, until, told, arrived, starts) = (None, None, None, None, None);
        Self { source, session, state, from, until, told, arrived, starts }
    }
}

/// Webhooks of messages that arrived.
#[derive(Clone, Copy, Debug, Default)]
struct Arrived {
    /// `message.any`: everybody's.
    any: u64,
    /// `message`: others'.
    others: u64,
}

impl Arrived {
    /// What was told and what arrived, of what is configured to be told.
    fn beside(self, told: ToldMessages) -> (u64, u64) {
        if self.any > 0 { (told.own + told.others, self.any) } else { (told.others, self.others) }
    }
}

fn state(told: u64, arrived: u64) -> &'static str {
    let edge = Ord::max(told / EDGE_PART, EDGE_LEAST);
    if told > arrived + edge { "missing" } else { "even" }
}

impl Store {
    /// What WAHA's counters say of the sessions within reach that are watched, in the order of sessions. Counts the
    /// webhooks of the last hour or two.
    pub async fn session_counters(
        &self,
        reach: &SessionReach,
    ) -> Result<Vec<SessionCounters>, StoreError> {
        let rows = Entity::find()
            .find_also_related(waha_sessions::Entity)
            .filter(reach.condition())
            .order_by_asc(Column::SessionId);
        let mut counters = Vec::new();
        for (row, session) in rows.all(&self.pool().db).await? {
            let Some(session) = session else { continue };
            let counted = MessageCounters::read(row.counters.as_deref());
            counters.push(match counted.as_ref().and_then(|it| Some((it, it.span()?))) {
                Some((counted, span)) => self.told_beside(session, counted, span).await?,
                None => SessionCounters::unknown(session),
            });
        }
        Ok(counters)
    }

    async fn told_beside(
        &self,
        session: waha_sessions::Model,
        counted: &MessageCounters,
        (from, until): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<SessionCounters, StoreError> {
        let arrived = self.arrived(&session, from, until).await?;
        let (told, arrived) = arrived.beside(counted.settled());
        let starts = counted.windows.iter().map(|window| window.starts).sum();
        Ok(SessionCounters {
            state: state(told, arrived).to_owned(),
            from: Some(from),
            until: Some(until),
            told: Some(told),
            arrived: Some(arrived),
            starts: Some(starts),
            ..SessionCounters::unknown(session)
        })
    }

    /// By the index on the time of arrival: nothing that was told since `from` arrived before.
    async fn arrived(
        &self,
        session: &waha_sessions::Model,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Arrived, StoreError> {
        use webhook_events::Column as C;
        let time = |at: DateTime<Utc>| Expr::val(self.dialect.bind(at.into()));
        let rows = webhook_events::Entity::find()
            .select_only()
            .column(C::EventType)
            .column_as(C::Id.count(), "count")
            .filter(C::Source.eq(&session.source))
            .filter(C::Session.eq(&session.name))
            .filter(Expr::col(C::ReceivedAt).gte(time(from)))
            .filter(C::EventType.is_in(["message", "message.any"]))
            .filter(Expr::col(C::WebhookAt).gte(time(from)))
            .filter(Expr::col(C::WebhookAt).lt(time(until)))
            .filter(C::WebhookId.not_like(format!("{BACKFILL_PREFIX}%")))
            .group_by(C::EventType);
        let rows: Vec<(String, i64)> = rows.into_tuple().all(&self.pool().db).await?;
        let of = |event: &str| rows.iter().find(|(it, _)| it == event).map_or(0, |(_, it)| *it);
        let number = |count: i64| u64::try_from(count).unwrap_or_default();
        Ok(Arrived { any: number(of("message.any")), others: number(of("message")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn told(own: u64, others: u64) -> ToldMessages {
        ToldMessages { own, others }
    }

    /// Looks each minute, and finds one count after the other, with WAHA's start.
    fn counted(looks: &[(u64, Option<i64>)]) -> MessageCounters {
        let mut counters = None;
        for (minute, (others, started_ms)) in (0..).zip(looks) {
            let raw = told(1, *others);
            counters = Some(MessageCounters::advanced(counters, raw, *started_ms, at(minute)));
        }
        counters.unwrap()
    }

    #[test]
    fn what_grew_is_known_one_look_later() {
        let begun = counted(&[(100, None)]);
        assert_eq!(begun.span(), None, "nothing is known of the time before");
        let two = counted(&[(100, None), (107, None)]);
        assert_eq!(two.span(), None);
        let three = counted(&[(100, None), (107, None), (109, None)]);
        assert_eq!(three.span(), Some((at(0), at(1))));
        assert_eq!(three.settled(), told(0, 7));
    }

    #[test]
    fn a_waha_that_starts_anew_counts_on() {
        // Its counters fall.
        let fallen = counted(&[(100, None), (107, None), (3, None), (5, None), (5, None)]);
        assert_eq!(fallen.settled(), told(1, 7 + 5));
        // They have overtaken by the next look: its start says so.
        let looks = [(4, Some(1)), (5, Some(1)), (9, Some(2)), (9, Some(2))];
        assert_eq!(counted(&looks).settled(), told(1, 1 + 9));
        let starts = |it: &MessageCounters| it.windows.iter().map(|it| it.starts).sum::<u32>();
        assert_eq!((starts(&fallen), starts(&counted(&looks))), (1, 1));
    }

    #[test]
    fn it_is_counted_for_an_hour_or_two() {
        let mut counters = None;
        for minute in 0..600 {
            let raw = told(0, u64::try_from(minute).unwrap());
            counters = Some(MessageCounters::advanced(counters, raw, Some(1), at(minute)));
            let Some((from, until)) = counters.as_ref().and_then(MessageCounters::span) else {
                continue;
            };
            let (length, settled) = (until - from, counters.as_ref().unwrap().settled());
            assert!(length <= TimeDelta::hours(2));
            assert!(minute < 70 || length >= TimeDelta::minutes(59), "{minute}: {length}");
            assert_eq!(settled.others, u64::try_from(length.num_minutes()).unwrap());
        }
        let text = counters.as_ref().unwrap().text();
        assert_eq!(MessageCounters::read(text.as_deref()), counters);
        assert_eq!(MessageCounters::read(Some("{")), None);
    }

    #[test]
    fn what_arrived_is_compared_with_what_is_configured_to_be_told() {
        let told = told(40, 60);
        assert_eq!(Arrived { any: 97, others: 60 }.beside(told), (100, 97));
        assert_eq!(Arrived { any: 0, others: 60 }.beside(told), (60, 60));
        assert_eq!(Arrived::default().beside(told), (60, 0));
        let states = [state(100, 97), state(100, 98), state(100, 120), state(1_000, 990)];
        assert_eq!(states, ["missing", "even", "even", "even"]);
    }
}
