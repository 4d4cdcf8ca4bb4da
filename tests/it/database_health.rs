//! What a database says of its state, on each of them: sizes and growth, indexes that are missing or somebody else's,
//! the server and the connection.

use std::time::Duration;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use waha_ingest::clock::Clock;
use waha_ingest::simulate::{Plan, Sent, history};

use entity::webhook_events;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};

on_each_database!(indexes_are_those_of_the_migrations, growth_is_that_of_the_last_week);

async fn indexes_are_those_of_the_migrations(kind: Kind) {
    let app = TestApp::start(kind).await;
    let sound = app.store.health().await.unwrap();
    assert_eq!(sound.indexes, waha_ingest::store::operations::health::IndexHealth::default());
    assert!(sound.idle_slots.is_empty() && sound.broken_indexes.is_empty());
    let server = sound.server.map(|server| (server.version.is_empty(), server.is_elsewhere()));
    assert_eq!(server, (kind != Kind::Sqlite).then_some((false, false)));

    let name = "idx_waha_messages_session_id_created_at";
    let drop = match kind {
        Kind::MySql => format!("DROP INDEX {name} ON waha_messages"),
        Kind::Sqlite | Kind::Postgres => format!("DROP INDEX {name}"),
    };
    app.db().execute_unprepared(&drop).await.unwrap();
    let foreign = "CREATE INDEX crm_types ON waha_messages (type)";
    app.db().execute_unprepared(foreign).await.unwrap();
    let health = app.store.health().await.unwrap().indexes;
    let missing: Vec<&str> = health.missing.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(missing, [name]);
    let foreign: Vec<&str> = health.foreign.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(foreign, ["crm_types"]);

    app.db().execute_unprepared(&health.missing[0].sql).await.unwrap();
    assert_eq!(app.store.health().await.unwrap().indexes.missing, []);
}

async fn growth_is_that_of_the_last_week(kind: Kind) {
    use webhook_events::{Column, Entity};
    let app = TestApp::start(kind).await;
    let none = app.store.health().await.unwrap();
    assert_eq!(none.growth.bytes_per_day, None, "an empty database says nothing");
    let webhooks: Vec<Sent> = history(&Plan { seed: 5, ..Plan::default() }).take(400).collect();
    app.publish_all(webhooks).await;
    app.work_until_idle().await;
    let ids: Vec<i64> = Entity::find()
        .order_by_asc(Column::Id)
        .all(app.db())
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.id)
        .collect();
    // Keys between the two belong to nobody.
    let first_new = ids[ids.len() * 3 / 4 - 1] + 1;
    let day = Duration::from_hours(24);
    for (days, which) in [(1, Column::Id.gte(first_new)), (40, Column::Id.lt(first_new))] {
        let at = app.clock.now() - day * days;
        let update = Entity::update_many().col_expr(Column::CreatedAt, Expr::value(at));
        update.filter(which).exec(app.db()).await.unwrap();
    }
    if kind == Kind::Postgres {
        app.db().execute_unprepared("ANALYZE").await.unwrap();
    }
    let health = app.store.health().await.unwrap();
    let (bytes, grows) = match kind {
        Kind::Sqlite => (health.growth.bytes, health.growth.bytes_per_day),
        Kind::Postgres | Kind::MySql => {
            let ledger = health.tables.iter().find(|it| it.name == "webhook_events").unwrap();
            (ledger.bytes + ledger.index_bytes, ledger.bytes_per_day)
        }
    };
    let (first, last) = (ids[0], ids[ids.len() - 1]);
    let new = bytes * (last + 1 - first_new) / (last + 1 - first);
    assert_eq!(grows, Some(new / 7), "{:?}", health.growth);
    assert!(health.growth.bytes >= bytes);
    if kind == Kind::Sqlite {
        assert!(health.growth.days_left().is_some_and(|days| days > 1), "{:?}", health.growth);
    }
}
