//! What WAHA says of its sessions over its API: kept, but none of its secrets.

use entity::waha_changes;
use entity::waha_sessions::{Column, Entity};
use sea_orm::{EntityTrait, QueryOrder};
use secrecy::SecretString;
use serde_json::Value;
use waha_ingest::directory::refresh;
use waha_ingest::simulate::Plan;
use waha_ingest::simulate::api::{Options, Served};
use waha_ingest::store::apply::listed::ListedWrite;
use waha_ingest::waha_api::{WahaApi, WahaApiOptions};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};

on_each_database!(configurations_are_kept_without_their_secrets);

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
    let options = WahaApiOptions {
        source: "default".to_owned(),
        url: waha.url().parse().unwrap(),
        api_key: Some(SecretString::from(API_KEY)).into(),
        requests_per_minute: 600.try_into().unwrap(),
        concurrency: 2,
        s3_origins: Vec::new(),
    };
    let api = WahaApi::new(options).unwrap();
    let rows = async || Entity::find().order_by_asc(Column::Id).all(app.db()).await.unwrap();
    let before = rows().await;
    assert!(!before.is_empty() && before.iter().all(|row| row.config.is_none()));
    let refresh = async || {
        refresh(&app.store, &api, &*app.clock, ListedWrite::Free).await.unwrap().configured
    };
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
