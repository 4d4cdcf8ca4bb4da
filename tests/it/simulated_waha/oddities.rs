//! What engines do unlike each other.

use serde_json::{Value, json};
use waha_ingest::simulate::api::{Oddities, Oddity, Options};
use waha_ingest::simulate::{Age, Engine, Plan};

use super::{Api, assert_shape, escaped, plan, text};

/// GOWS but for this.
fn odd(oddity: Oddity) -> Api {
    let mut options = Options::of(plan(Engine::Gows));
    options.oddities = options.oddities.with(oddity);
    Api::filled(options)
}

#[test]
fn each_oddity_is_a_member_of_its_own() {
    let set: Oddities = [Oddity::ObjectLists, Oddity::NoMetrics].into_iter().collect();
    assert!(set.contains(Oddity::ObjectLists) && set.contains(Oddity::NoMetrics));
    assert!(!set.contains(Oddity::NoAll) && Oddities::of(Engine::Wpp).contains(Oddity::NoAll));
}

#[tokio::test]
async fn groups_can_be_an_object() {
    let groups = odd(Oddity::ObjectLists).get("/api/shop-0/groups").await;
    for (id, group) in groups.as_object().unwrap() {
        assert_eq!(&group["id"], id);
        let sample = json!([{ "id": "1@lid", "phoneNumber": "1@s.whatsapp.net", "admin": null }]);
        assert_shape(&group["participants"], &sample, "participants");
    }
}

#[tokio::test]
async fn ids_can_be_objects() {
    let api = odd(Oddity::IdObjects);
    let id = json!({ "server": "c.us", "user": "1", "_serialized": "1@c.us" });
    for path in ["/api/shop-0/chats", "/api/shop-0/groups"] {
        assert_shape(&api.get(path).await[0]["id"], &id, path);
    }
}

#[tokio::test]
async fn chats_can_be_those_of_the_server_or_of_the_browser() {
    let ids = odd(Oddity::ServerIds).list("/api/shop-0/chats").await;
    assert!(ids.iter().any(|chat| text(chat, "/id").ends_with("@s.whatsapp.net")));
    assert!(!ids.iter().any(|chat| text(chat, "/id").ends_with("@c.us")));
    let seconds: Vec<_> = ids.iter().map(|chat| chat["conversationTimestamp"].as_i64()).collect();
    assert!(seconds.is_sorted_by_key(|seconds| std::cmp::Reverse(*seconds)), "newest first");
    let raw = odd(Oddity::RawChats).list("/api/shop-0/chats").await;
    assert!(raw[0]["t"].is_i64() && raw[0].get("conversationTimestamp").is_none());
}

#[tokio::test]
async fn all_messages_can_be_too_much_to_ask() {
    for engine in [Engine::Webjs, Engine::Wpp] {
        let (status, refusal) = Api::of(engine).ask("/api/shop-0/chats/all/messages").await;
        assert_eq!((status, text(&refusal, "/error")), (501, "Not Implemented"));
    }
}

#[tokio::test]
async fn an_offset_can_need_a_limit_and_a_limit_of_zero_can_be_everything() {
    let api = odd(Oddity::OffsetNeedsLimit);
    let all = api.list("/api/shop-0/chats").await;
    assert_eq!(api.list("/api/shop-0/chats?offset=3").await, all);
    assert_eq!(api.list("/api/shop-0/chats?offset=3&limit=2").await, all[3..5]);
    assert_eq!(Api::of(Engine::Gows).list("/api/shop-0/chats?offset=3").await, all[3..]);
    assert_eq!(odd(Oddity::ZeroIsAll).list("/api/shop-0/chats?limit=0").await, all);
    assert!(Api::of(Engine::Gows).list("/api/shop-0/chats?limit=0").await.is_empty());
}

#[tokio::test]
async fn there_can_be_no_store() {
    let api = odd(Oddity::StoreOff);
    for path in ["chats", "chats/all/messages", "chats/all/messages/3EB0", "lids", "lids/count"] {
        let (status, refusal) = api.ask(&format!("/api/shop-0/{path}")).await;
        assert!(status == 400 && text(&refusal, "/message").starts_with("Enable NOWEB store"));
    }
}

#[tokio::test]
async fn what_is_unknown_can_be_nothing_or_a_failure() {
    let api = Api::of(Engine::Noweb);
    assert_eq!(api.ask("/api/shop-0/contacts/1%40c.us").await, (200, Value::Null));
    let (status, refusal) = api.ask("/api/shop-0/groups/9%40g.us").await;
    let text_of = "Group with id '9@g.us' not found";
    assert_eq!((status, text(&refusal, "/exception/message")), (500, text_of));
    assert_eq!(Api::of(Engine::Gows).ask("/api/shop-0/contacts/1%40c.us").await.0, 500);
}

#[tokio::test]
async fn lids_can_come_in_any_order() {
    let api = odd(Oddity::ShuffledLids);
    let path = "/api/shop-0/lids?limit=1000";
    let (once, again) = (api.list(path).await, api.list(path).await);
    assert!(once != again && once.len() == again.len());
}

#[tokio::test]
async fn what_was_taken_back_stays_goes_or_says_so() {
    let revoked = |options: Options| async move {
        let api = Api::start(options);
        let mut ids = Vec::new();
        for sent in api.served.webhooks().filter(|sent| sent.event_type == "message.revoked") {
            let body: Value = serde_json::from_slice(&sent.body).unwrap();
            let id = text(&body, "/payload/revokedMessageId").to_owned();
            ids.extend((sent.session == "shop-0").then_some(id));
        }
        let mut told = Vec::new();
        for id in &ids {
            let path = format!("/api/shop-0/chats/all/messages/{id}?downloadMedia=false");
            told.push(api.ask(&path).await);
        }
        assert!(!told.is_empty());
        told
    };
    let plan = Plan { messages: 400, ..plan(Engine::Gows) };
    let stays = revoked(Options::of(plan.clone())).await;
    assert!(
        stays
            .iter()
            .all(|(status, body)| *status == 200 && !body.to_string().contains("protocolMessage"))
    );
    let with = |oddity| {
        let options = Options::of(plan.clone());
        Options { oddities: options.oddities.with(oddity), ..options }
    };
    let goes = revoked(with(Oddity::RevokedGone)).await;
    assert!(goes.iter().all(|(status, _)| *status == 404));
    let shown = revoked(with(Oddity::RevokedShown)).await;
    assert!(shown.iter().all(|(_, body)| body.to_string().contains("protocolMessage")));
}

#[tokio::test]
async fn ids_can_have_to_be_whole_and_chats_right() {
    let api = odd(Oddity::NoBareIds);
    let message = &api.messages().await[0];
    let id = text(message, "/id");
    let bare = id.split('_').nth(2).unwrap();
    let path = |chat: &str, id: &str| format!("/api/shop-0/chats/{chat}/messages/{}", escaped(id));
    assert_eq!(api.ask(&path("all", bare)).await.0, 404);
    assert_eq!(api.ask(&path("all", id)).await.0, 200);
    let api = odd(Oddity::WholeIds);
    let other = id.replacen("true_", "wrong_", 1).replacen("false_", "true_", 1);
    assert_eq!(api.ask(&path("all", id)).await.0, 200);
    assert_eq!(api.ask(&path("all", &other)).await.0, 404, "only the whole id is compared");
    let api = odd(Oddity::RightChat);
    assert_eq!(api.ask(&path("1%40c.us", id)).await.0, 404);
    assert_eq!(api.ask(&path("all", id)).await.0, 200);
    assert_eq!(api.ask(&path(&escaped(id.split('_').nth(1).unwrap()), id)).await.0, 200);
}

#[tokio::test]
async fn two_names_can_be_two_chats() {
    let count = |api: Api| async move { api.list("/api/shop-0/chats").await.len() };
    assert!(count(odd(Oddity::NoMerge)).await > count(Api::of(Engine::Gows)).await);
}

#[tokio::test]
async fn members_can_have_no_phone_number() {
    let api = odd(Oddity::PhonesHidden);
    let groups = api.list("/api/shop-0/groups").await;
    let lid = groups.iter().find(|group| group["AddressingMode"] == "lid").unwrap();
    let id = escaped(text(lid, "/JID"));
    let members = api.list(&format!("/api/shop-0/groups/{id}/participants/v2")).await;
    assert!(members.iter().all(|member| member["pn"].is_null()));
}

#[tokio::test]
async fn sessions_can_say_little_and_belong_to_another_worker() {
    let session = odd(Oddity::ShallowState).get("/api/sessions/shop-0").await;
    assert_eq!(session["engine"], json!({ "engine": "GOWS" }));
    let api = odd(Oddity::OtherWorker);
    let sessions = api.list("/api/sessions?all=true").await;
    let told = |session: &Value| {
        (text(session, "/status").to_owned(), text(session, "/assignedWorker").to_owned())
    };
    assert_eq!(told(&sessions[0]), ("WORKING".to_owned(), "waha-0".to_owned()));
    assert_eq!(told(&sessions[1]), ("STOPPED".to_owned(), "waha-1".to_owned()));
    assert!(!sessions[1]["me"].is_null(), "its account is remembered");
    assert_eq!(api.get("/api/server/version").await["worker"]["id"], "waha-0");
}

#[tokio::test]
async fn counters_can_be_missing() {
    assert_eq!(odd(Oddity::NoMetrics).ask("/metrics").await.0, 404);
    let old = Plan { age: Age::Spring, ..plan(Engine::Gows) };
    let api = Api::filled(Options::of(old));
    assert_eq!(api.ask("/metrics").await.0, 404, "they are younger");
    assert_eq!(api.get("/api/server/version").await["version"], "2026.4.1");
}

#[tokio::test]
async fn all_sessions_can_have_the_manners_of_one_engine() {
    let options = Options { manner: Some(Engine::Webjs), ..Options::of(plan(Engine::Gows)) };
    let api = Api::filled(options);
    assert_eq!(api.ask("/api/shop-0/chats/all/messages").await.0, 501);
    assert_eq!(api.get("/api/sessions/shop-0").await["engine"]["state"], "CONNECTED");
    assert_eq!(api.get("/api/server/version").await["browser"], "/usr/bin/chromium");
}

#[tokio::test]
async fn what_asks_whatsapp_shows_the_account_online() {
    let api = Api::of(Engine::Gows);
    let presence = async || api.get("/api/sessions/shop-0").await;
    for quiet in ["chats", "chats/all/messages", "lids", "groups"] {
        api.get(&format!("/api/shop-0/{quiet}")).await;
    }
    assert_eq!(presence().await["timestamps"]["activity"], Value::Null);
    for path in ["/api/shop-0/chats/overview", "/api/contacts/check-exists?session=shop-0&phone=1"]
    {
        api.get(path).await;
        assert_eq!(presence().await["presence"], "online", "{path}");
        assert_eq!(presence().await["timestamps"]["activity"], api.served.now_ms());
        api.served.advance(std::time::Duration::from_secs(26));
        assert_eq!(presence().await["presence"], "offline");
    }
}
