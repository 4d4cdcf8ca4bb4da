//! Old messages, calls and states of sessions go with what hangs on them; the feed tells it; what is referred to stays.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use waha_ingest::retention::{Retention, RetentionKind};
use waha_ingest::simulate::{Families, Plan, Sent, history};

use entity::{waha_calls, waha_changes, waha_chats, waha_messages, waha_session_statuses};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::rows::count;

on_each_database!(
    old_messages_go_with_what_hangs_on_them,
    old_calls_go,
    old_states_go_but_the_newest_of_each_session,
    young_ones_stay,
);

const DAY: Duration = Duration::from_hours(24);
const HANGING: [&str; 4] =
    ["waha_reactions", "waha_message_edits", "waha_message_acks", "waha_message_revocations"];

fn webhooks(seed: u64, count: usize) -> Vec<Sent> {
    let plan = Plan { seed, messages: 600, families: Families::ALL, ..Plan::default() };
    history(&plan).take(count).collect()
}

/// Rows are made by the machine's clock where no content is told, so `now` is long after both.
async fn with_old(kind: Kind) -> TestApp {
    let app = TestApp::start(kind).await;
    app.publish_all(webhooks(1, 1_500)).await;
    app.work_until_idle().await;
    app.clock.advance(3_650 * 24 * 3_600_000);
    app
}

async fn told(app: &TestApp, kind: &str) -> BTreeSet<i64> {
    let told = waha_changes::Entity::find().filter(waha_changes::Column::Kind.eq(kind));
    told.all(app.db()).await.unwrap().iter().map(|row| row.row_id).collect()
}

async fn messages(app: &TestApp) -> Vec<waha_messages::Model> {
    waha_messages::Entity::find().all(app.db()).await.unwrap()
}

async fn old_messages_go_with_what_hangs_on_them(kind: Kind) {
    let app = with_old(kind).await;
    for table in HANGING {
        assert!(count(app.db(), table).await > 0, "{table}");
    }
    let before = messages(&app).await;
    let chats = waha_chats::Entity::find().all(app.db()).await.unwrap();
    let last: BTreeSet<(i64, String)> =
        chats.into_iter().filter_map(|chat| Some((chat.id, chat.last_message_id?))).collect();
    let is_last =
        |row: &&waha_messages::Model| last.contains(&(row.chat_id, row.message_id.clone()));
    let kept: BTreeSet<i64> = before.iter().filter(is_last).map(|row| row.id).collect();
    let ages = Retention { messages_age_max: Some(DAY), ..Retention::default() };
    let planned = app.cleaner().plan(&ages).await.unwrap();
    let planned = planned.iter().find(|it| it.kind == RetentionKind::Messages).unwrap().removable;
    let equation = app.equation().await;

    let gone = app.cleaner().let_go(RetentionKind::Messages, DAY).await.unwrap();

    let left: BTreeSet<i64> = messages(&app).await.iter().map(|row| row.id).collect();
    assert_eq!(left, kept, "the last message of each chat, and nothing else");
    assert_eq!(planned.rows, gone.cast_signed());
    assert_eq!(planned.kept, i64::try_from(kept.len()).unwrap());
    let all: BTreeSet<i64> = before.iter().map(|row| row.id).collect();
    assert_eq!(told(&app, "message.deleted").await, &all - &kept);
    // What hangs on a message that is there is there.
    let keys: BTreeSet<(i64, String)> =
        messages(&app).await.into_iter().map(|row| (row.chat_id, row.message_id)).collect();
    let edits = entity::waha_message_edits::Entity::find().all(app.db()).await.unwrap();
    assert!(edits.iter().all(|row| keys.contains(&(row.chat_id, row.message_id.clone()))));
    let reactions = entity::waha_reactions::Entity::find().all(app.db()).await.unwrap();
    assert!(reactions.iter().all(|row| keys.contains(&(row.chat_id, row.message_id.clone()))));
    assert_eq!(app.equation().await, equation);
    assert_eq!(app.cleaner().let_go(RetentionKind::Messages, DAY).await.unwrap(), 0);
}

async fn old_calls_go(kind: Kind) {
    let app = with_old(kind).await;
    let calls: BTreeSet<i64> =
        waha_calls::Entity::find().all(app.db()).await.unwrap().iter().map(|row| row.id).collect();
    assert!(!calls.is_empty());
    let gone = app.cleaner().let_go(RetentionKind::Calls, DAY).await.unwrap();
    assert_eq!(gone, calls.len() as u64);
    assert_eq!(count(app.db(), "waha_calls").await, 0);
    assert_eq!(told(&app, "call.deleted").await, calls);
}

async fn old_states_go_but_the_newest_of_each_session(kind: Kind) {
    let app = with_old(kind).await;
    let statuses = || async { waha_session_statuses::Entity::find().all(app.db()).await.unwrap() };
    let before = statuses().await;
    let newest = |of: &waha_session_statuses::Model| {
        let same = before.iter().filter(|it| it.session_id == of.session_id);
        same.map(|it| it.at).max() == Some(of.at)
    };
    let (kept, old): (Vec<_>, Vec<_>) = before.iter().partition(|it| newest(it));
    assert!(!kept.is_empty() && !old.is_empty(), "{before:?}");
    let ages = Retention { statuses_age_max: Some(DAY), ..Retention::default() };
    let planned = app.cleaner().plan(&ages).await.unwrap();
    let planned = planned.iter().find(|it| it.kind == RetentionKind::Statuses).unwrap().removable;
    let count = |rows: usize| i64::try_from(rows).unwrap();
    assert_eq!((planned.rows, planned.kept), (count(old.len()), count(kept.len())));

    let gone = app.cleaner().let_go(RetentionKind::Statuses, DAY).await.unwrap();

    assert_eq!(gone, old.len() as u64);
    assert_eq!(statuses().await.iter().collect::<Vec<_>>(), kept);
    let old: BTreeSet<i64> = old.iter().map(|it| it.id).collect();
    assert_eq!(told(&app, "session.status.deleted").await, old);
    assert_eq!(app.cleaner().let_go(RetentionKind::Statuses, DAY).await.unwrap(), 0);
}

async fn young_ones_stay(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.publish_all(webhooks(1, 300)).await;
    app.work_until_idle().await;
    let before = messages(&app).await.len();
    for kind in [RetentionKind::Messages, RetentionKind::Calls, RetentionKind::Statuses] {
        assert_eq!(app.cleaner().let_go(kind, DAY * 30).await.unwrap(), 0);
    }
    assert_eq!(messages(&app).await.len(), before);
}
