//! What WAHA says of its sessions over its API: kept, but none of its secrets.

use entity::waha_changes;
use entity::waha_sessions::{Column, Entity};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use secrecy::SecretString;
use serde_json::Value;
use waha_ingest::directory::refresh;
use waha_ingest::simulate::api::{Options, Served};
use waha_ingest::simulate::{Families, Family, Plan};
use waha_ingest::store::apply::listed::ListedWrite;
use waha_ingest::waha_api::{WahaApi, WahaApiOptions};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};

on_each_database!(
    configurations_are_kept_without_their_secrets,
    each_source_has_its_own_sessions_and_stopped_ones_are_nobodys,
);

fn api(source: &str, waha: &Served) -> WahaApi {
    let options = WahaApiOptions {
        source: source.to_owned(),
        url: waha.url().parse().unwrap(),
        api_key: Some(SecretString::from(API_KEY)).into(),
        requests_per_minute: 600.try_into().unwrap(),
        concurrency: 2,
        s3_origins: Vec::new(),
    };
    WahaApi::new(options).unwrap()
}

const API_KEY: &str = "the key of the API";
const HMAC_KEY: &str = "the key that signs";

async fn configurations_are_kept_without_their_secrets(kind: Kind) {
    let app = TestApp::start(kind).await;
    let plan = Plan { seed: 7, sessions: 3, messages: 200, ..Plan::default() };
    let waha = Served::start(Options {
        api_key: Some(SecretString::from(API_KEY)),
        webhook_url: Some("http://ingest:8080/webhooks/default".to_owned()),
        webhook_key: Some(SecretString::from(HMAC_KEY)),
        ..Options::of(plan)
    })
    .unwrap();
    app.publish_all(waha.webhooks().take(300)).await;
    app.work_until_idle().await;
    let api = api("default", &waha);
    let rows = async || Entity::find().order_by_asc(Column::Id).all(app.db()).await.unwrap();
    let before = rows().await;
    assert!(!before.is_empty() && before.iter().all(|row| row.config.is_none()));
    let refresh = async || {
        refresh(&app.store, &api, &*app.clock, ListedWrite::Free).await.unwrap().configured
    };
    let dry = waha_ingest::directory::refresh(&app.store, &api, &*app.clock, ListedWrite::Dry);
    assert_eq!(dry.await.unwrap().configured, 0);
    assert!(rows().await.iter().all(|row| row.config.is_none()), "it only looked");
    assert_eq!(refresh().await, before.len() as u64);
    for row in rows().await {
        let config = row.config.unwrap();
        assert!(!config.contains(HMAC_KEY), "{config}");
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["webhooks"][0]["url"], "http://ingest:8080/webhooks/default");
        assert_eq!(config["webhooks"][0]["hmac"]["key"], "***");
    }
    let told = waha_changes::Entity::find().order_by_asc(waha_changes::Column::Position);
    let told = told.all(app.db()).await.unwrap();
    let last: Vec<&str> = told.iter().rev().map(|it| it.kind.as_str()).take(before.len()).collect();
    assert_eq!(last, vec!["session"; before.len()], "applications are told");
    assert_eq!(refresh().await, 0, "what did not change is not written");
}

async fn each_source_has_its_own_sessions_and_stopped_ones_are_nobodys(kind: Kind) {
    let app = TestApp::start(kind).await;
    let families = Families::default().without(Family::Session);
    let plan = Plan { seed: 7, sessions: 3, messages: 20, families, ..Plan::default() };
    let waha = Served::start(Options::of(plan)).unwrap();
    let sessions = waha.sessions();
    waha.set_status(&sessions[0], "STOPPED");
    let refresh = async |source: &str| {
        let api = api(source, &waha);
        refresh(&app.store, &api, &*app.clock, ListedWrite::Free).await.unwrap()
    };
    let names = async |source: &str| {
        let rows = Entity::find().filter(Column::Source.eq(source)).all(app.db()).await.unwrap();
        rows.into_iter().map(|row| row.name).collect::<std::collections::BTreeSet<_>>()
    };
    let counts = refresh("default").await;
    assert_eq!((counts.running, counts.configured), (2, 2));
    assert_eq!(names("default").await, sessions[1..].iter().cloned().collect());
    // The same WAHA as another source: the same names, and sessions of their own.
    assert_eq!(refresh("other").await.configured, 2);
    assert_eq!(names("other").await.len(), 2);
    // One that is known is configured while it is stopped.
    waha.set_status(&sessions[1], "STOPPED");
    waha.configure(&sessions[1], serde_json::json!({ "debug": true }));
    let counts = refresh("default").await;
    assert_eq!((counts.running, counts.configured), (1, 1));
}
