//! What WAHA never delivered is found again: in its own list, by every engine's manners, once each, whatever comes
//! when; and whatever the list says, nothing is deleted, lowered, replaced, or taken from whoever wrote it.

mod files;
mod healing;
mod leases;
mod order;
mod people;
mod traps;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{reconciliation_hours, reconciliations, waha_messages, waha_sessions, webhook_events};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use tokio_util::sync::CancellationToken;
use waha_ingest::metrics::reconcile::ReconcileMetrics;
use waha_ingest::normalize::Rules;
use waha_ingest::reconcile::{ReconcileLimits, ReconcileProblem, Reconciler, ReconciliationCounts};
use waha_ingest::simulate::api::{Options, Served};
use waha_ingest::simulate::{Plan, Sent};
use waha_ingest::store::operations::reconciliations::{
    ReconciliationKind, ReconciliationRequest, ReconciliationTask, ReconciliationWindow,
};
use waha_ingest::waha_api::{WahaApi, WahaApiOptions};

use crate::app::TestApp;
use crate::database::Kind;

const LEASE: Duration = Duration::from_secs(120);

/// An installation, and the WAHA whose list it can read.
struct Reconciling {
    app: TestApp,
    waha: Served,
    plan: Plan,
    window: ReconciliationWindow,
}

impl Reconciling {
    async fn start(kind: Kind, options: Options) -> Self {
        Self::start_on(TestApp::start(kind).await, options)
    }

    fn start_on(app: TestApp, options: Options) -> Self {
        let plan = options.plan.clone();
        let (window, waha) = (window_of(&plan), Served::start(options).unwrap());
        Self { app, waha, plan, window }
    }

    fn reconciler(&self) -> Arc<Reconciler> {
        self.reconciler_with(500)
    }

    fn api(&self) -> WahaApi {
        let options = WahaApiOptions {
            source: "default".to_owned(),
            url: self.waha.url().parse().unwrap(),
            api_key: None.into(),
            requests_per_minute: 1_000_000.try_into().unwrap(),
            concurrency: 4,
            s3_origins: Vec::new(),
        };
        WahaApi::new(options).unwrap()
    }

    /// One that asks for so many messages at a time.
    fn reconciler_with(&self, page_rows: usize) -> Arc<Reconciler> {
        let (store, clock) = (Arc::clone(&self.app.store), self.app.clock.clone());
        let poll = Duration::from_millis(20);
        let limits = ReconcileLimits { poll, page_rows, ..ReconcileLimits::new(2) };
        let rules = Rules { user_id_key: "user.id".to_owned() };
        let silent_after = Duration::from_secs(3_600);
        let metrics = ReconcileMetrics::new();
        let apis = vec![self.api()];
        Arc::new(Reconciler::new(store, clock, apis, rules, limits, silent_after, metrics))
    }

    /// What was sent is told.
    async fn tell(&self, webhooks: Vec<Sent>) {
        self.app.publish_all(webhooks).await;
        self.app.work_until_idle().await;
    }

    /// The whole of a history happens; what of it is sent, is told.
    async fn live(&self) {
        self.tell(self.waha.webhooks().collect()).await;
    }

    async fn sessions(&self) -> Vec<waha_sessions::Model> {
        let sessions = waha_sessions::Entity::find().order_by_asc(waha_sessions::Column::Id);
        sessions.all(self.app.db()).await.unwrap()
    }

    /// Takes a session, to be compared whole.
    async fn take(&self, session_id: i64) -> ReconciliationTask {
        let kind = ReconciliationKind::Command;
        let window = self.window;
        let request = ReconciliationRequest { session_id, kind, window, mark: None, due_at: None };
        self.app.store.request_reconciliation(&request).await.unwrap();
        let taken = self.app.store.take_reconciliation_of(session_id, kind, LEASE).await;
        taken.unwrap().expect("nobody has it")
    }

    /// Compares a session whole.
    async fn compare(&self, session_id: i64) -> (ReconciliationCounts, Option<ReconcileProblem>) {
        let task = self.take(session_id).await;
        self.reconciler().reconcile(&task, &CancellationToken::new()).await
    }

    /// Compares all sessions whole; returns how many messages were missing.
    async fn heal(&self) -> u64 {
        let mut missing = 0;
        for session in self.sessions().await {
            let (counts, problem) = self.compare(session.id).await;
            assert!(problem.is_none(), "{}: {problem:?}", session.name);
            missing += counts.missing;
        }
        missing
    }

    async fn row(&self, session_id: i64) -> reconciliations::Model {
        let row = reconciliations::Entity::find()
            .filter(reconciliations::Column::SessionId.eq(session_id))
            .filter(reconciliations::Column::Kind.eq("command"));
        row.one(self.app.db()).await.unwrap().unwrap()
    }

    async fn hours(&self) -> Vec<reconciliation_hours::Model> {
        reconciliation_hours::Entity::find().all(self.app.db()).await.unwrap()
    }

    async fn assert_balanced(&self) {
        let equation = self.app.equation().await;
        assert!(equation.is_balanced(), "{equation:?}");
    }
}

/// From before a history to after it.
fn window_of(plan: &Plan) -> ReconciliationWindow {
    let start = DateTime::from_timestamp_millis(plan.start_ms).unwrap();
    let length = i64::from(plan.messages) * i64::from(plan.gap_ms) * 3;
    let until = start + TimeDelta::milliseconds(length) + TimeDelta::days(2);
    ReconciliationWindow { from: start - TimeDelta::hours(1), until }
}

/// Messages that show something.
async fn messages(db: &DatabaseConnection) -> Vec<waha_messages::Model> {
    let shown = waha_messages::Entity::find().filter(waha_messages::Column::IsStub.eq(false));
    shown.all(db).await.unwrap()
}

/// What was made from WAHA's list.
async fn backfills(db: &DatabaseConnection) -> Vec<webhook_events::Model> {
    let made = webhook_events::Entity::find()
        .filter(webhook_events::Column::WebhookId.starts_with("backfill_"));
    made.order_by_asc(webhook_events::Column::Id).all(db).await.unwrap()
}

/// When somebody did something, to the second.
fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap()
}
