//! Filters of the ledger find what they name and nothing else, however rare it is; and what is rare is found
//! without reading the ledger.

use std::sync::Arc;

use entity::webhook_events::{Column, Entity, Model};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryOrder};
use waha_ingest::clock::SystemClock;
use waha_ingest::store::operations::history::{LedgerFilter, LedgerOutcome};
use waha_ingest::store::{KeptFiles, Store, StoreOptions};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::queries::rows;

on_each_database!(
    pages_of_a_filter_are_those_rows_and_no_others,
    what_is_rare_is_found_without_reading_the_ledger,
);

/// Rows: more of the common kinds than are fetched by their numbers.
const ROWS: u32 = 30_000;
/// Of a page: what is odd finds what is lost between two.
const PAGE: u64 = 1_999;

/// One row of this event type, one session, and one of each other end, in a ledger of common ones.
async fn fill(app: &TestApp) {
    let ten = "(SELECT 0 AS i UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
               UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let digit = |name: char| format!("{ten} {name}");
    let digits = ['a', 'b', 'c', 'd', 'e'].map(digit).join(", ");
    let number = "(a.i + 10 * b.i + 100 * c.i + 1000 * d.i + 10000 * e.i)";
    let id = match app.db().get_database_backend() {
        DbBackend::MySql => format!("CONCAT('evt_', {number})"),
        _ => format!("'evt_' || {number}"),
    };
    let sql = format!(
        "INSERT INTO webhook_events (source, session, event_type, webhook_id, receipt, outcome, reason, \
         webhook_at, received_at, processed_at) \
         SELECT 'default', \
         CASE WHEN {number} = 17 THEN 'rare' WHEN {number} % 2 = 0 THEN 'even' ELSE 'odd' END, \
         CASE WHEN {number} = 23 THEN 'call.rejected' WHEN {number} % 3 = 0 THEN 'message.ack' ELSE 'message' END, \
         {id}, {number}, \
         CASE WHEN {number} = 29 THEN 'dead_lettered' WHEN {number} % 4 = 0 THEN 'ignored' ELSE 'applied' END, \
         CASE WHEN {number} = 29 THEN 'too_large' WHEN {number} % 4 = 0 THEN 'ephemeral' END, \
         '2026-11-20 08:00:00', '2026-11-20 08:00:00', '2026-11-20 08:00:00' \
         FROM {digits} WHERE {number} < {ROWS} ORDER BY {number}"
    );
    app.db().execute_unprepared(&sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    let analyze = match app.db().get_database_backend() {
        DbBackend::MySql => "ANALYZE TABLE webhook_events",
        DbBackend::Postgres => "VACUUM (ANALYZE) webhook_events",
        _ => "ANALYZE",
    };
    app.db().execute_unprepared(analyze).await.unwrap();
}

fn events(names: &[&str]) -> LedgerFilter {
    LedgerFilter { events: texts(names), ..LedgerFilter::default() }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|it| (*it).to_owned()).collect()
}

/// Filters that name little or nothing.
fn rare() -> Vec<LedgerFilter> {
    let of = LedgerFilter::default;
    vec![
        events(&["nosuch"]),
        events(&["call.rejected"]),
        events(&["call.rejected", "nosuch"]),
        LedgerFilter { sessions: texts(&["nosuch"]), ..of() },
        LedgerFilter { sessions: texts(&["rare"]), ..of() },
        LedgerFilter { sources: texts(&["nosuch"]), ..of() },
        LedgerFilter { webhook_ids: texts(&["nosuch"]), ..of() },
        LedgerFilter { webhook_ids: texts(&["evt_31", "evt_12000"]), ..of() },
        LedgerFilter { webhook_ids: texts(&["evt_31"]), ..events(&["message", "message.ack"]) },
        LedgerFilter { reasons: texts(&["nosuch"]), ..of() },
        LedgerFilter { reasons: texts(&["too_large"]), ..of() },
        LedgerFilter { outcomes: vec![LedgerOutcome::DeadLettered], ..of() },
        LedgerFilter { outcomes: vec![LedgerOutcome::DeadLettered], ..events(&["message"]) },
        LedgerFilter { chats: texts(&["12025550142@c.us"]), ..events(&["call.rejected"]) },
    ]
}

/// Filters that name much.
fn common() -> Vec<LedgerFilter> {
    let of = LedgerFilter::default;
    vec![
        of(),
        events(&["message"]),
        LedgerFilter { sessions: texts(&["odd"]), ..of() },
        LedgerFilter { outcomes: vec![LedgerOutcome::Ignored], ..events(&["message.ack"]) },
        LedgerFilter { outcomes: vec![LedgerOutcome::Applied], ..of() },
        LedgerFilter { reasons: texts(&["ephemeral"]), ..of() },
        LedgerFilter { normalizer_below: Some(1), ..of() },
        LedgerFilter { ids: vec![5, 6, 7], ..of() },
    ]
}

fn names(filter: &LedgerFilter, row: &Model) -> bool {
    let any_of =
        |list: &[String], value: &str| list.is_empty() || list.iter().any(|it| it == value);
    any_of(&filter.sources, &row.source)
        && any_of(&filter.sessions, &row.session)
        && any_of(&filter.events, &row.event_type)
        && any_of(&filter.webhook_ids, &row.webhook_id)
        && any_of(&filter.reasons, row.reason.as_deref().unwrap_or_default())
        && (filter.outcomes.is_empty() || filter.outcomes.iter().any(|it| it.name() == row.outcome))
        && (filter.ids.is_empty() || filter.ids.contains(&row.id))
        && filter.normalizer_below.is_none_or(|below| row.normalizer_version < below)
        && filter.chats.is_empty()
}

async fn pages_of_a_filter_are_those_rows_and_no_others(kind: Kind) {
    let app = TestApp::start(kind).await;
    fill(&app).await;
    let all = Entity::find().order_by_desc(Column::Id).all(app.db()).await.unwrap();
    assert_eq!(all.len(), ROWS as usize);
    for filter in rare().into_iter().chain(common()) {
        let expected: Vec<i64> =
            all.iter().filter(|row| names(&filter, row)).map(|row| row.id).collect();
        let (mut told, mut before) = (Vec::new(), None);
        loop {
            let page = app.store.history_page(&filter, before, PAGE).await.unwrap();
            told.extend(page.rows.iter().map(|row| row.id));
            let Some(next) = page.next else { break };
            before = Some(next);
        }
        assert!(told == expected, "{} of {}: {filter:?}", told.len(), expected.len());
        assert_eq!(
            app.store.is_in_history(&filter).await.unwrap(),
            !expected.is_empty(),
            "{filter:?}"
        );
    }
}

/// Only PostgreSQL tells what was read of one table.
async fn what_is_rare_is_found_without_reading_the_ledger(kind: Kind) {
    if kind != Kind::Postgres {
        return;
    }
    let app = TestApp::start(kind).await;
    fill(&app).await;
    let store = with_one_connection(&app).await;
    for filter in rare() {
        let before = rows_read(&store.connection()).await;
        store.history_page(&filter, None, 50).await.unwrap();
        store.is_in_history(&filter).await.unwrap();
        let read = rows_read(&store.connection()).await - before;
        assert!(read < 300, "{read} rows: {filter:?}");
    }
}

/// What it reads is told by this connection.
async fn with_one_connection(app: &TestApp) -> Store {
    let options = StoreOptions {
        url: app.database_url.clone(),
        replica: None,
        connections_max: 1,
        keeps_bodies: true,
        keeps_ephemeral_bodies: false,
        packs_bodies: false,
        kept_files: KeptFiles::default(),
        notifies: false,
        moved_at_once: waha_ingest::store::MOVED_AT_ONCE,
    };
    Store::open_existing(&options, Arc::new(SystemClock)).await.unwrap()
}

/// Rows of the ledger that were read so far.
async fn rows_read(db: &DatabaseConnection) -> i64 {
    rows(db, "SELECT pg_stat_force_next_flush()::text").await;
    let sql = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'webhook_events'";
    rows(db, sql).await[0].try_get_by_index(0).unwrap()
}
