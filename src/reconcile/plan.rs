//! What happened to a session that makes it due. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::people::GROUP_DAYS;
use crate::store::operations::reconciliations::{
    ReconciliationKind as Kind, ReconciliationRequest, ReconciliationRow, ReconciliationState,
    ReconciliationWindow, SessionMark,
};

/// How often what is new is compared.
const HOURLY: TimeDelta = TimeDelta::hours(1);
/// How often what may have come late is compared.
const DAILY: TimeDelta = TimeDelta::hours(24);
/// How far back that goes, and anything that a session causes.
const DAILY_REACH: TimeDelta = TimeDelta::hours(72);
/// How far back is compared after WAHA started anew.
const RESTART_REACH: TimeDelta = TimeDelta::hours(24);
/// How far back the first time.
const FIRST_REACH: TimeDelta = TimeDelta::hours(2);
/// By so much a window begins before the last one has ended: messages come late into WAHA's list.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// Time for sessions to start and to get what they missed.
const SETTLING: TimeDelta = TimeDelta::minutes(2);
/// NOWEB renews its connection every 28 minutes, and says WORKING each time.
const WORKING_EVERY: TimeDelta = TimeDelta::minutes(15);
/// Seconds of a day.
const DAY_S: i64 = 86_400;
/// What may be on its way by webhook: it is not looked for.
const YOUNGEST: TimeDelta = TimeDelta::seconds(60);

/// Up to when messages can be missing: those of the last minute may be on their way, and WAHA's own store may not
/// have them yet.
pub fn newest_until(now: DateTime<Utc>) -> DateTime<Utc> {
    now - YOUNGEST
}

/// Of which days the groups have their turn when somebody wants all of them now.
pub fn people_window(now: DateTime<Utc>) -> ReconciliationWindow {
    let today = now.timestamp().div_euclid(DAY_S) * DAY_S;
    // The same all day, so that one that was interrupted goes on.
    let today = DateTime::from_timestamp(today, 0).unwrap_or(now);
    ReconciliationWindow { from: today - TimeDelta::days(GROUP_DAYS), until: now }
}

/// What a reconciler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Compares with lists of messages.
    pub messages: bool,
    /// Asks for sessions and people.
    pub people: bool,
}

/// What is known of a session's WAHA and of the session beside its row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circumstances {
    /// When WAHA started, in Unix ms; none if it did not say.
    pub(super) started_ms: Option<i64>,
    /// Since when the session is silent.
    pub(super) silent_since: Option<DateTime<Utc>>,
}

/// What is to be compared of a session now.
pub(super) fn due(
    session: &SessionMark,
    circumstances: Circumstances,
    planned: Planned,
    now: DateTime<Utc>,
) -> Vec<ReconciliationRequest> {
    let Circumstances { started_ms, silent_since } = circumstances;
    let plan = Plan { session, now };
    let messages = || {
        [
            plan.after_restart(started_ms),
            plan.after_return(),
            plan.in_silence(silent_since),
            plan.hourly(),
            plan.daily(),
        ]
    };
    let messages = planned.messages.then(messages).into_iter().flatten();
    let people = planned.people.then(|| plan.people());
    let due = messages.chain(people).flatten();
    due.filter(|it| it.window.from < it.window.until).collect()
}

struct Plan<'a> {
    session: &'a SessionMark,
    now: DateTime<Utc>,
}

impl Plan<'_> {
    fn request(&self, kind: Kind, from: DateTime<Utc>) -> ReconciliationRequest {
        let window = ReconciliationWindow { from, until: newest_until(self.now) };
        let due_at = Some(self.now);
        ReconciliationRequest { session_id: self.session.id, kind, window, mark: None, due_at }
    }

    /// The same once it has settled, and not for the same cause again.
    fn caused(&self, kind: Kind, from: DateTime<Utc>, mark: i64) -> ReconciliationRequest {
        let due_at = self.now + SETTLING;
        let window = ReconciliationWindow { from, until: newest_until(due_at) };
        let request = self.request(kind, from);
        ReconciliationRequest { mark: Some(mark), due_at: Some(due_at), window, ..request }
    }

    fn after_restart(&self, started_ms: Option<i64>) -> Option<ReconciliationRequest> {
        let started_ms = started_ms?;
        let before = self.session.row(Kind::Restart).and_then(|row| row.mark);
        (before != Some(started_ms))
            .then(|| self.caused(Kind::Restart, self.now - RESTART_REACH, started_ms))
    }

    fn after_return(&self) -> Option<ReconciliationRequest> {
        let at =
            self.session.status_at.filter(|_| self.session.status.as_deref() == Some("WORKING"))?;
        let row = self.session.row(Kind::Working);
        let is_known = row.and_then(|row| row.mark) == Some(at.timestamp_millis());
        let ended_at = row.and_then(|row| row.ended_at);
        let is_recent = ended_at.is_some_and(|ended_at| self.now - ended_at < WORKING_EVERY);
        let is_old = self.now - at > RESTART_REACH;
        (!is_known && !is_recent && !is_old)
            .then(|| self.caused(Kind::Working, self.complete_until(), at.timestamp_millis()))
    }

    /// Each time that it has been silent for as long again.
    fn in_silence(&self, since: Option<DateTime<Utc>>) -> Option<ReconciliationRequest> {
        let since = since?;
        let row = self.session.row(Kind::Silence);
        let is_known = row.and_then(|row| row.mark) == Some(since.timestamp_millis());
        let reach = self.now - DAILY_REACH;
        (!is_known).then(|| {
            self.caused(Kind::Silence, (since - OVERLAP).max(reach), since.timestamp_millis())
        })
    }

    fn hourly(&self) -> Option<ReconciliationRequest> {
        self.is_over(Kind::Hourly, HOURLY)
            .then(|| self.request(Kind::Hourly, self.complete_until()))
    }

    fn daily(&self) -> Option<ReconciliationRequest> {
        self.is_over(Kind::Daily, DAILY).then(|| self.request(Kind::Daily, self.now - DAILY_REACH))
    }

    /// Once a day, with the groups that had their turn since the last time.
    fn people(&self) -> Option<ReconciliationRequest> {
        let reach = people_window(self.now).from;
        let row = self.session.row(Kind::People);
        // A command that was interrupted waits for nobody.
        let is_left = row.is_some_and(|row| {
            let is_leased = row.leased_until.is_some_and(|until| until > self.now);
            row.due_at.is_none() && !is_leased
        });
        let is_recent =
            row.and_then(|row| row.ended_at).is_some_and(|ended_at| self.now - ended_at < DAILY);
        let done = row.filter(|row| row.state == ReconciliationState::Done.name());
        let from = done.and_then(|row| row.until_at).unwrap_or(reach).max(reach);
        let window = ReconciliationWindow { from, until: self.now };
        let is_due = row.is_none() || (is_left && !is_recent);
        is_due.then(|| ReconciliationRequest { window, ..self.request(Kind::People, from) })
    }

    fn is_over(&self, kind: Kind, every: TimeDelta) -> bool {
        let Some(row) = self.session.row(kind) else { return true };
        let is_waiting = row.state == ReconciliationState::Waiting.name();
        !is_waiting && row.ended_at.is_none_or(|ended_at| self.now - ended_at >= every)
    }

    /// Up to when the session was compared whole, hour after hour, with an overlap.
    fn complete_until(&self) -> DateTime<Utc> {
        let cursor = |row: &ReconciliationRow| row.cursor_at;
        let done = self.session.row(Kind::Hourly).and_then(cursor);
        let from = done.map_or(self.now - FIRST_REACH, |done| done - OVERLAP);
        from.max(self.now - DAILY_REACH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_790_000_000_000).unwrap()
    }

    fn row(kind: Kind, minutes_ago: i64, mark: Option<i64>) -> ReconciliationRow {
        let at = Some(now() - TimeDelta::minutes(minutes_ago));
        ReconciliationRow {
            id: 1,
            session_id: Some(1),
            kind: kind.name().to_owned(),
            state: "done".to_owned(),
            reason: None,
            from_at: at,
            until_at: at,
            cursor_at: at,
            mark,
            due_at: None,
            leased_until: None,
            lease_number: 1,
            failures: 0,
            requests: 0,
            listed: 0,
            missing: 0,
            accepted: 0,
            ended_at: at,
            created_at: now(),
            updated_at: now(),
        }
    }

    fn session(rows: Vec<ReconciliationRow>) -> SessionMark {
        let (source, name) = ("default".to_owned(), "sales".to_owned());
        SessionMark { id: 1, source, name, status: None, status_at: None, rows }
    }

    const MESSAGES: Planned = Planned { messages: true, people: false };

    fn kinds(session: &SessionMark, circumstances: Circumstances) -> Vec<Kind> {
        due(session, circumstances, MESSAGES, now()).into_iter().map(|it| it.kind).collect()
    }

    fn settled() -> Vec<ReconciliationRow> {
        vec![row(Kind::Hourly, 30, None), row(Kind::Daily, 60, None)]
    }

    #[test]
    fn what_is_new_is_compared_hourly_and_three_days_daily() {
        assert_eq!(kinds(&session(vec![]), Circumstances::default()), [Kind::Hourly, Kind::Daily]);
        assert_eq!(kinds(&session(settled()), Circumstances::default()), []);
        let rows = vec![row(Kind::Hourly, 60, None), row(Kind::Daily, 60, None)];
        let planned = due(&session(rows), Circumstances::default(), MESSAGES, now());
        let [hourly] = planned.as_slice() else { panic!("{planned:?}") };
        // What was complete an hour ago, with an overlap, up to a minute ago.
        assert_eq!(hourly.window.from, now() - TimeDelta::minutes(70));
        assert_eq!(hourly.window.until, now() - TimeDelta::seconds(60));
    }

    #[test]
    fn another_start_of_waha_is_compared_once() {
        let started = Circumstances { started_ms: Some(7), ..Circumstances::default() };
        assert_eq!(kinds(&session(settled()), started), [Kind::Restart]);
        let planned = due(&session(settled()), started, MESSAGES, now());
        let settled_at = now() + TimeDelta::minutes(2);
        assert_eq!(planned[0].due_at, Some(settled_at), "sessions start, and get what they missed");
        assert_eq!(planned[0].window.until, settled_at - TimeDelta::seconds(60));
        let mut rows = settled();
        rows.push(row(Kind::Restart, 90, Some(7)));
        assert_eq!(kinds(&session(rows.clone()), started), []);
        let again = Circumstances { started_ms: Some(8), ..started };
        assert_eq!(kinds(&session(rows), again), [Kind::Restart]);
    }

    #[test]
    fn a_return_to_working_is_compared_and_a_renewed_connection_not_each_time() {
        let at = now() - TimeDelta::minutes(1);
        let working = |rows| SessionMark {
            status: Some("WORKING".to_owned()),
            status_at: Some(at),
            ..session(rows)
        };
        assert_eq!(kinds(&working(settled()), Circumstances::default()), [Kind::Working]);
        let with = |minutes_ago, mark| {
            let mut rows = settled();
            rows.push(row(Kind::Working, minutes_ago, mark));
            kinds(&working(rows), Circumstances::default())
        };
        assert_eq!(with(90, Some(at.timestamp_millis())), []);
        assert_eq!(with(90, Some(1)), [Kind::Working]);
        assert_eq!(with(14, Some(1)), []);
    }

    #[test]
    fn a_silence_is_compared_once_from_its_beginning() {
        let since = now() - TimeDelta::hours(5);
        let silent = Circumstances { silent_since: Some(since), ..Circumstances::default() };
        let planned = due(&session(settled()), silent, MESSAGES, now());
        assert_eq!(planned[0].kind, Kind::Silence);
        assert_eq!(planned[0].window.from, since - TimeDelta::minutes(10));
        let mut rows = settled();
        rows.push(row(Kind::Silence, 90, Some(since.timestamp_millis())));
        assert_eq!(kinds(&session(rows), silent), []);
    }

    #[test]
    fn people_are_asked_for_once_a_day_with_the_turns_that_were_left_out() {
        let planned = Planned { messages: false, people: true };
        let of = |rows| due(&session(rows), Circumstances::default(), planned, now());
        let first = of(vec![]);
        assert_eq!(first[0].kind, Kind::People);
        assert_eq!(first[0].window, people_window(now()));
        assert!(of(vec![row(Kind::People, 23 * 60, None)]).is_empty());
        let next = of(vec![row(Kind::People, 49 * 60, None)]);
        assert_eq!(next[0].window.from, now() - TimeDelta::minutes(49 * 60), "two turns");
        let waiting = ReconciliationRow {
            state: "waiting".to_owned(),
            due_at: Some(now()),
            ..row(Kind::People, 49 * 60, None)
        };
        assert!(of(vec![waiting.clone()]).is_empty());
        let left = ReconciliationRow { due_at: None, ..waiting };
        let leased_until = Some(now() + TimeDelta::minutes(1));
        let taken = ReconciliationRow { leased_until, ..left.clone() };
        assert!(of(vec![taken]).is_empty(), "a command that is at it");
        assert_eq!(of(vec![left])[0].window, people_window(now()), "a command that was killed");
        let none = Planned { messages: false, people: false };
        assert!(due(&session(vec![]), Circumstances::default(), none, now()).is_empty());
    }
}
