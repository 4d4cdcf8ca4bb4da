//! Pages of messages: order, filters, and rows that are counted and not shown.

use serde_json::Value;
use waha_ingest::simulate::Engine;
use waha_ingest::simulate::api::{Oddity, Options};

use super::{Api, plan, text};

fn seconds(message: &Value) -> i64 {
    message["timestamp"].as_i64().unwrap()
}

fn path(query: &str) -> String {
    format!("/api/shop-0/chats/all/messages?downloadMedia=false&{query}")
}

fn odd(oddity: Oddity) -> Api {
    let mut options = Options::of(plan(Engine::Gows));
    options.oddities = options.oddities.with(oddity);
    Api::filled(options)
}

#[tokio::test]
async fn the_newest_ten_come_first_unless_told_otherwise() {
    let api = Api::of(Engine::Gows);
    let all = api.messages().await;
    assert!(all.is_sorted_by_key(|message| -seconds(message)) && all.len() > 60);
    assert!(api.list(&path("")).await.len() <= 10);
    let oldest = api.list(&path("sortOrder=asc&limit=10000")).await;
    assert!(oldest.is_sorted_by_key(seconds) && oldest.len() == all.len());
}

#[tokio::test]
async fn short_pages_are_not_the_end() {
    let api = Api::of(Engine::Gows);
    let all = api.messages().await.len();
    let (mut seen, mut is_short_before_end) = (0, false);
    for offset in (0..10_000).step_by(5) {
        let page = api.list(&path(&format!("limit=5&offset={offset}"))).await.len();
        seen += page;
        is_short_before_end |= page < 5 && seen < all;
        if seen == all {
            break;
        }
    }
    assert!(seen == all && is_short_before_end, "reactions and edits are counted");
}

#[tokio::test]
async fn filters_are_inclusive_and_together() {
    let api = Api::of(Engine::Gows);
    let all = api.messages().await;
    let (from_s, until_s) = (seconds(&all[50]), seconds(&all[10]));
    let query = format!("limit=1000&filter.timestamp.gte={from_s}&filter.timestamp.lte={until_s}");
    let within = |message: &&Value| (from_s..=until_s).contains(&seconds(message));
    assert_eq!(api.list(&path(&query)).await.len(), all.iter().filter(within).count());
    let own = api.list(&path("limit=10000&filter.fromMe=true")).await;
    assert!(!own.is_empty() && own.iter().all(|message| message["fromMe"] == true));
    let read = api.list(&path("limit=10000&filter.ack=READ")).await;
    assert!(!read.is_empty() && read.iter().all(|message| message["ackName"] == "READ"));
}

#[tokio::test]
async fn a_chat_is_both_names_of_a_person_unless_they_are_not_merged() {
    let api = Api::of(Engine::Gows);
    let of_chat = async |chat: &str, merge: bool| {
        let chat = super::escaped(chat);
        let path = format!(
            "/api/shop-0/chats/{chat}/messages?downloadMedia=false&limit=1000&merge={merge}"
        );
        api.list(&path).await
    };
    let mut is_merged = false;
    for pair in api.list("/api/shop-0/lids?limit=1000").await {
        let (lid, phone) = (text(&pair, "/lid"), text(&pair, "/pn"));
        let apart = [of_chat(lid, false).await, of_chat(phone, false).await];
        let together = of_chat(lid, true).await;
        assert_eq!(together, of_chat(phone, true).await);
        assert_eq!(together.len(), apart[0].len() + apart[1].len());
        let bare = phone.trim_end_matches("@c.us");
        assert_eq!(of_chat(bare, false).await, apart[1], "a bare number is a phone number");
        assert!(apart[0].iter().all(|message| text(message, "/id").contains(lid)));
        is_merged |= !apart[0].is_empty() && !apart[1].is_empty();
    }
    assert!(is_merged);
    assert!(of_chat("1@c.us", true).await.is_empty(), "an unknown chat has no messages");
}

#[tokio::test]
async fn a_message_is_found_by_its_bare_and_its_whole_id() {
    let api = Api::of(Engine::Gows);
    for message in api.messages().await.iter().take(20) {
        let id = text(message, "/id");
        let bare = id.split('_').nth(2).unwrap();
        for (chat, id) in [("all", bare), ("all", id), ("anything", id)] {
            let path = format!(
                "/api/shop-0/chats/{chat}/messages/{}?downloadMedia=false",
                super::escaped(id)
            );
            assert_eq!(&api.get(&path).await, message);
        }
    }
}

#[tokio::test]
async fn equal_seconds_can_change_places_between_two_requests() {
    let mut options =
        Options::of(waha_ingest::simulate::Plan { gap_ms: 300, ..plan(Engine::Gows) });
    options.oddities = options.oddities.with(Oddity::SwappedTies);
    let api = Api::filled(options);
    let (once, again) = (api.messages().await, api.messages().await);
    assert_ne!(once, again);
    assert_eq!(once.len(), again.len());
    assert!(again.is_sorted_by_key(|message| -seconds(message)));
}

#[tokio::test]
async fn filters_can_come_after_the_page() {
    let api = odd(Oddity::LateFilters);
    let all = api.messages().await;
    let old = seconds(&all[all.len() - 5]);
    assert!(api.list(&path(&format!("filter.timestamp.lte={old}"))).await.is_empty());
    assert!(!api.list(&path(&format!("limit=10000&filter.timestamp.lte={old}"))).await.is_empty());
}

#[tokio::test]
async fn the_order_can_be_ignored() {
    let api = odd(Oddity::OneOrder);
    assert_eq!(api.list(&path("sortOrder=asc&limit=10000")).await, api.messages().await);
}
