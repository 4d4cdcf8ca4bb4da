//! Who does it: one worker at a time, by a lease whose number fences what is written; and whoever takes it over goes
//! on where it was.

use waha_ingest::simulate::{Engine, Families, Family};
use waha_ingest::store::operations::reconciliations::{ReconciliationEnd, WindowDone};

use super::*;
use crate::database::on_each_database;

on_each_database!(
    one_worker_has_a_session_and_one_that_lost_it_writes_nothing,
    an_interrupted_one_goes_on_where_it_was,
    what_happens_to_a_session_makes_it_due_once,
    what_is_asked_for_again_leaves_nothing_out,
    a_session_has_one_worker_and_what_is_urgent_comes_first,
);

fn options() -> Options {
    let families = Families::default().without(Family::Session);
    let engine = Some(Engine::Gows);
    let plan = Plan { engine, sessions: 1, people: 8, messages: 80, families, ..Plan::default() };
    Options { lose: 0.3, ..Options::of(plan) }
}

async fn one_worker_has_a_session_and_one_that_lost_it_writes_nothing(kind: Kind) {
    let it = Reconciling::start(kind, options()).await;
    it.live().await;
    let session = it.sessions().await.remove(0);
    let frozen = it.take(session.id).await;
    let store = &it.app.store;
    let second = || store.take_reconciliation_of(session.id, ReconciliationKind::Command, LEASE);
    assert!(second().await.unwrap().is_none(), "it has one");
    assert!(store.renew_reconciliation(&frozen, LEASE).await.unwrap());
    // The worker freezes until its lease is over.
    it.app.clock.advance(121_000);
    let owner = second().await.unwrap().expect("its lease is over");
    let none = CancellationToken::new();
    let (_, problem) = it.reconciler().reconcile(&frozen, &none).await;
    assert!(matches!(problem, Some(ReconcileProblem::Lost)), "{problem:?}");
    assert!(backfills(it.app.db()).await.is_empty());
    let done = WindowDone { cursor: it.window.until, hours: Vec::new(), requests: 1, listed: 1 };
    assert!(!store.end_window(session.id, frozen.fence(), &done).await.unwrap());
    assert!(!store.end_reconciliation(&frozen, ReconciliationEnd::Done).await.unwrap());
    assert!(!store.renew_reconciliation(&frozen, LEASE).await.unwrap());
    let (counts, problem) = it.reconciler().reconcile(&owner, &none).await;
    assert!(problem.is_none() && counts.missing > 5, "{problem:?}");
    it.assert_balanced().await;
    let row = it.row(session.id).await;
    assert_eq!((row.state.as_str(), row.leased_until), ("done", None));
    assert_eq!(row.accepted, i64::try_from(backfills(it.app.db()).await.len()).unwrap());
}

async fn an_interrupted_one_goes_on_where_it_was(kind: Kind) {
    let it = Reconciling::start(kind, options()).await;
    it.live().await;
    let session = it.sessions().await.remove(0);
    let task = it.take(session.id).await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    let (_, problem) = it.reconciler().reconcile(&task, &stopped).await;
    assert!(matches!(problem, Some(ReconcileProblem::Interrupted)));
    let row = it.row(session.id).await;
    assert_eq!((row.state.as_str(), row.cursor_at), ("waiting", row.from_at));
    // Half of it was done by somebody.
    let middle = it.window.from + TimeDelta::hours(2);
    let task = it.take(session.id).await;
    let done = WindowDone { cursor: middle, hours: Vec::new(), requests: 1, listed: 1 };
    assert!(it.app.store.end_window(session.id, task.fence(), &done).await.unwrap());
    it.app.clock.advance(121_000);
    let task = it.take(session.id).await;
    assert_eq!(task.target.window.from, middle, "the same was asked: it goes on");
}

async fn what_happens_to_a_session_makes_it_due_once(kind: Kind) {
    let it = Reconciling::start(kind, options()).await;
    it.live().await;
    let due = async || {
        it.reconciler().plan().await.unwrap();
        let rows = reconciliations::Entity::find().order_by_asc(reconciliations::Column::Id);
        let rows = rows.all(it.app.db()).await.unwrap();
        let waiting = rows.into_iter().filter(|row| row.due_at.is_some());
        waiting.map(|row| row.kind).collect::<std::collections::BTreeSet<_>>()
    };
    let kinds = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(due().await, kinds(&["daily", "hourly", "restart"]));
    let pass = async || {
        it.app.clock.advance(180_000);
        it.reconciler().run_due(&CancellationToken::new()).await.unwrap();
    };
    pass().await;
    assert_eq!(due().await, kinds(&[]));
    it.waha.advance(Duration::from_secs(1));
    it.waha.restart().await;
    it.waha.advance(Duration::from_secs(10));
    assert_eq!(due().await, kinds(&["restart"]));
    pass().await;
    it.app.clock.advance(3_600_000);
    assert_eq!(due().await, kinds(&["hourly"]));
    it.assert_balanced().await;
}

async fn what_is_asked_for_again_leaves_nothing_out(kind: Kind) {
    let it = Reconciling::start(kind, options()).await;
    it.live().await;
    let (session, store) = (it.sessions().await.remove(0), &it.app.store);
    let hour = |hours| it.window.from + TimeDelta::hours(hours);
    let ask = async |from, until| {
        let window = ReconciliationWindow { from: hour(from), until: hour(until) };
        let (session_id, kind) = (session.id, ReconciliationKind::Command);
        let request = ReconciliationRequest { session_id, kind, window, mark: None, due_at: None };
        store.request_reconciliation(&request).await.unwrap();
        let row = it.row(session.id).await;
        (row.from_at.unwrap(), row.until_at.unwrap(), row.cursor_at.unwrap())
    };
    let get_to = async |task: &ReconciliationTask, hours| {
        let (cursor, hours) = (hour(hours), Vec::new());
        let done = WindowDone { cursor, hours, requests: 1, listed: 1 };
        store.end_window(session.id, task.fence(), &done).await.unwrap()
    };
    let take = async || {
        let kind = ReconciliationKind::Command;
        store.take_reconciliation_of(session.id, kind, LEASE).await.unwrap().unwrap()
    };
    assert_eq!(ask(10, 20).await, (hour(10), hour(20), hour(10)));
    let task = take().await;
    assert!(get_to(&task, 12).await);
    assert_eq!(ask(11, 15).await, (hour(10), hour(20), hour(12)), "it goes on to its end");
    assert_eq!(ask(11, 30).await, (hour(10), hour(30), hour(12)), "and further");
    assert!(get_to(&task, 13).await, "whoever has it keeps it");
    assert_eq!(ask(5, 20).await, (hour(5), hour(20), hour(5)), "what is before it, too");
    assert!(!get_to(&task, 14).await, "of the window that was before nothing is written");
    // Failures that are over are not counted.
    let failed = ReconciliationEnd::Waits { at: hour(40), reason: "x", is_failure: true };
    assert!(store.end_reconciliation(&take().await, failed).await.unwrap());
    assert_eq!(it.row(session.id).await.failures, 1);
    assert!(store.end_reconciliation(&take().await, ReconciliationEnd::Done).await.unwrap());
    assert_eq!(it.row(session.id).await.failures, 0);
}

async fn a_session_has_one_worker_and_what_is_urgent_comes_first(kind: Kind) {
    let it = Reconciling::start(kind, options()).await;
    it.live().await;
    let (session, store) = (it.sessions().await.remove(0), &it.app.store);
    let now = at(crate::app::NOW_MS);
    let due = [(ReconciliationKind::Daily, 2), (ReconciliationKind::Restart, 1)];
    for (kind, minutes) in due {
        let (session_id, window) = (session.id, it.window);
        let due_at = Some(now - TimeDelta::minutes(minutes));
        let request = ReconciliationRequest { session_id, kind, window, mark: None, due_at };
        store.request_reconciliation(&request).await.unwrap();
    }
    let take = async || store.take_reconciliation(&[], LEASE).await.unwrap();
    let first = take().await.unwrap();
    assert_eq!(first.kind, ReconciliationKind::Restart);
    assert!(take().await.is_none(), "a worker is at it");
    let daily = store.take_reconciliation_of(session.id, ReconciliationKind::Daily, LEASE);
    assert!(daily.await.unwrap().is_none(), "whatever for");
    assert!(store.end_reconciliation(&first, ReconciliationEnd::Done).await.unwrap());
    let resting = ["default".to_owned()];
    assert!(store.take_reconciliation(&resting, LEASE).await.unwrap().is_none());
    assert_eq!(take().await.unwrap().kind, ReconciliationKind::Daily);
}
