//! Bodies are kept for the configured days, the ledger's rows for ever.

use std::time::Duration;

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use waha_ingest::retention::forget;
use waha_ingest::simulate::{Families, Plan, Sent, history};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};

on_each_database!(old_bodies_are_let_go_and_repetitions_still_known);

const DAY: Duration = Duration::from_hours(24);

/// More than one statement lets go of.
const OLD: usize = 700;

async fn old_bodies_are_let_go_and_repetitions_still_known(kind: Kind) {
    let app = TestApp::start(kind).await;
    let plan = Plan { messages: 300, families: Families::ALL, ..Plan::default() };
    let webhooks: Vec<Sent> = history(&plan).take(OLD + 5).collect();
    let (old, new) = webhooks.split_at(OLD);
    for sent in old {
        assert!(app.post(sent.body.clone()).await.is_success());
    }
    app.clock.advance(i64::try_from(DAY.as_millis()).unwrap() + 1);
    for sent in new {
        assert!(app.post(sent.body.clone()).await.is_success());
    }
    app.work_until_idle().await;
    let before = app.equation().await;

    forget(&app.store, app.clock.as_ref(), DAY).await.unwrap();

    assert_eq!(bodies(&app).await, new.len() as u64);
    assert_eq!(app.equation().await, before);
    assert!(app.post(old[0].body.clone()).await.is_success());
    app.work_until_idle().await;
    assert_eq!(app.equation().await.duplicate, before.duplicate + 1);
}

async fn bodies(app: &TestApp) -> u64 {
    use entity::webhook_events::{Column, Entity};
    Entity::find().filter(Column::Body.is_not_null()).count(app.db()).await.unwrap()
}
