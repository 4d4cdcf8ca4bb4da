//! Each endpoint answers in WAHA's shape. The samples are made up after real answers.

use serde_json::{Value, json};
use waha_ingest::simulate::api::Options;
use waha_ingest::simulate::{Engine, Families, Plan};

use super::{Api, assert_shape, escaped, plan, text};

#[tokio::test]
async fn the_server_tells_version_start_and_health() {
    let api = Api::of(Engine::Gows);
    let version = json!({
        "version": "2026.8.2", "engine": "GOWS", "tier": "CORE", "browser": null,
        "platform": "linux/x64", "worker": { "id": null },
    });
    assert_eq!(api.get("/api/server/version").await, version);
    assert_eq!(api.get("/api/version").await, version);
    assert_eq!(api.get("/ping").await, json!({ "message": "pong" }));
    let status = json!({ "startTimestamp": 1, "uptime": 1, "worker": { "id": "" } });
    assert_shape(&api.get("/api/server/status").await, &status, "status");
    let health = api.get("/health").await;
    assert_eq!((text(&health, "/status"), &health["error"]), ("ok", &json!({})));
    assert_eq!(api.get("/api/server/environment").await["WHATSAPP_DEFAULT_ENGINE"], "GOWS");
}

#[tokio::test]
async fn counters_are_those_of_what_was_emitted() {
    let api = Api::of(Engine::Gows);
    let metrics = api.response("/metrics").await.text().await.unwrap();
    let total = |from_me: bool| -> u64 {
        let name =
            format!("waha_messages_total{{session=\"shop-0\",fromMe=\"{from_me}\",worker=\"\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    };
    let emitted = usize::try_from(total(true) + total(false)).unwrap();
    let own = api.messages().await.iter().filter(|message| message["fromMe"] == true).count();
    assert!(total(true) >= own as u64 && emitted >= api.messages().await.len());
    for name in ["waha_up{worker=\"\"} 1", "waha_session_status{session=\"shop-0\"", "waha_info{"] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
}

#[tokio::test]
async fn sessions_have_configuration_account_and_the_state_of_their_engine() {
    let mut options = Options::of(plan(Engine::Gows));
    options.webhook_url = Some("http://waha-ingest:8080/webhooks/main".to_owned());
    options.webhook_key = Some("example-key".into());
    let api = Api::filled(options);
    let webhook = json!({
        "url": "http://waha-ingest:8080/webhooks/main", "events": ["*"],
        "hmac": { "key": "example-key" },
        "retries": { "policy": "exponential", "delaySeconds": 2, "attempts": 15 },
    });
    let storage = json!({ "messages": true, "groups": true, "chats": true, "labels": true });
    let me = json!({
        "id": "1@c.us", "pushName": "Desk", "lid": "1@lid", "jid": "1:14@s.whatsapp.net",
        "reachoutTimelock": null, "messageCapping": null,
    });
    let mut sample = json!({
        "name": "shop-0", "status": "WORKING",
        "config": {
            "webhooks": [webhook], "metadata": { "user.id": "1000", "tenant.id": "t" },
            "gows": { "storage": storage },
        },
        "me": me, "presence": "offline", "timestamps": { "activity": null },
    });
    sample["assignedWorker"] = json!("");
    let listed = api.list("/api/sessions").await;
    assert_shape(&listed[0], &sample, "listed");
    assert_eq!(listed[0]["config"]["webhooks"][0], webhook);
    sample.as_object_mut().unwrap().remove("assignedWorker");
    sample["engine"] = json!({
        "engine": "GOWS", "grpc": { "client": "READY", "stream": "READY" },
        "gows": { "found": true, "connected": true },
    });
    let session = api.get("/api/sessions/shop-0").await;
    assert_shape(&session, &sample, "session");
    assert_eq!(session["engine"], sample["engine"]);
    assert_shape(&api.get("/api/sessions/shop-0/me").await, &me, "me");
}

#[tokio::test]
async fn an_update_replaces_the_configuration_and_starts_the_session_anew() {
    let api = Api::of(Engine::Noweb);
    let config = json!({ "config": { "noweb": { "store": {} } } });
    let (status, answer) = api.send("PUT", "/api/sessions/shop-0", &config).await;
    assert_eq!((status, text(&answer, "/status")), (200, "STARTING"));
    let filled = json!({
        "noweb": { "markOnline": true, "store": { "enabled": false, "fullSync": false } },
    });
    assert_eq!(answer["config"], filled, "webhooks and metadata are gone, defaults are filled in");
    let (status, refusal) = api.ask("/api/shop-0/chats").await;
    assert_eq!((status, text(&refusal, "/status")), (422, "STARTING"));
    assert_eq!(refusal["expected"], json!(["WORKING"]));
    api.served.advance(std::time::Duration::from_secs(2));
    assert_eq!(api.get("/api/sessions/shop-0").await["status"], "WORKING");
    let (_, empty) = api.send("PUT", "/api/sessions/shop-0", &json!({})).await;
    assert_eq!(empty["config"], json!({}));
}

#[tokio::test]
async fn a_configuration_that_is_not_valid_is_refused_with_all_that_is_wrong() {
    let api = Api::of(Engine::Gows);
    let webhook = json!({
        "url": "http://waha_ingest:8080/", "events": ["message", "message.of.tomorrow"],
        "retries": { "policy": "sometimes" },
    });
    let config = json!({ "config": { "webhooks": [webhook] } });
    let (status, refusal) = api.send("PUT", "/api/sessions/shop-0", &config).await;
    assert_eq!((status, text(&refusal, "/error")), (400, "Bad Request"));
    assert_eq!(refusal["message"].as_array().unwrap().len(), 3, "{refusal}");
    assert_eq!(api.get("/api/sessions/shop-0").await["status"], "WORKING");
}

#[tokio::test]
async fn sessions_stop_and_start() {
    let api = Api::of(Engine::Gows);
    let (status, stopped) = api.send("POST", "/api/sessions/shop-0/stop", &json!({})).await;
    assert_eq!((status, text(&stopped, "/status")), (201, "STOPPED"));
    assert_eq!((&stopped["engine"], &stopped["presence"]), (&json!({}), &Value::Null));
    assert!(!stopped["me"].is_null(), "the account is remembered");
    assert_eq!(api.list("/api/sessions").await.len(), 1, "without `all` only those that run");
    assert_eq!(api.list("/api/sessions?all=true").await.len(), 2);
    let (status, refusal) = api.ask("/api/sessions/shop-0/me").await;
    assert!(status == 404 && text(&refusal, "/message").starts_with("We didn't find a session"));
    let (status, _) = api.send("POST", "/api/sessions/shop-0/start", &json!({})).await;
    assert_eq!(
        (status, &api.get("/api/sessions/shop-0").await["status"]),
        (201, &json!("STARTING"))
    );
    let (status, body) = api.send("POST", "/api/sessions/nobody/stop", &json!({})).await;
    assert_eq!((status, body), (201, Value::Null));
}

#[tokio::test]
async fn a_session_that_is_not_paired_has_no_account() {
    let api = Api::start(Options::of(Plan { families: Families::default(), ..plan(Engine::Gows) }));
    let starting = |sent: &waha_ingest::simulate::Sent| {
        sent.session == "shop-0" && String::from_utf8_lossy(&sent.body).contains("SCAN_QR_CODE")
    };
    api.served.webhooks().find(starting).unwrap();
    assert_eq!(api.ask("/api/sessions/shop-0/me").await, (200, Value::Null), "null is nothing");
    let (status, refusal) = api.ask("/api/shop-0/lids").await;
    assert_eq!((status, text(&refusal, "/status")), (422, "SCAN_QR_CODE"));
}

#[tokio::test]
async fn messages_have_the_shape_of_their_engine_and_are_those_of_the_webhooks() {
    for engine in [Engine::Gows, Engine::Noweb, Engine::Webjs, Engine::Wpp] {
        let api = Api::start(Options::of(plan(engine)));
        let mut told = std::collections::HashMap::new();
        for sent in api.served.webhooks().filter(|sent| sent.event_type == "message.any") {
            let body: Value = serde_json::from_slice(&sent.body).unwrap();
            told.insert((sent.session, text(&body, "/payload/id").to_owned()), body);
        }
        let mut seen = 0;
        for chat in chats(&api).await {
            let path = format!(
                "/api/shop-0/chats/{}/messages?limit=1000&downloadMedia=false&merge=false",
                escaped(&chat)
            );
            for message in api.list(&path).await {
                let key = ("shop-0".to_owned(), text(&message, "/id").to_owned());
                let webhook = told.get(&key).unwrap_or_else(|| panic!("{message} was not told"));
                compare(&message, &webhook["payload"]);
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen} messages of {engine:?}");
    }
}

/// The ids of the chats, as messages are asked for.
async fn chats(api: &Api) -> Vec<String> {
    let id = |chat: Value| match &chat["id"] {
        Value::Object(parts) => parts["_serialized"].as_str().unwrap().to_owned(),
        id => id.as_str().unwrap().to_owned(),
    };
    api.list("/api/shop-0/chats?merge=false").await.into_iter().map(id).collect()
}

/// All but what changes after the webhook, or was not asked for. Of what was taken back nothing is left but that.
fn compare(message: &Value, payload: &Value) {
    if message["_data"]["type"] == "revoked" {
        assert_eq!(message["id"], payload["id"]);
        return;
    }
    let without = |value: &Value| {
        let mut value = value.as_object().unwrap().clone();
        for key in ["ack", "ackName", "media", "_data", "body", "vCards", "replyTo"] {
            value.remove(key);
        }
        value
    };
    assert_eq!(without(message), without(payload));
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let is_changed = message["body"] != payload["body"];
    assert!(is_changed || keys(message) == keys(payload), "{message} like {payload}");
    assert_eq!(message["media"], Value::Null);
}

#[tokio::test]
async fn gows_knows_acks_of_own_messages_only() {
    let messages = Api::of(Engine::Gows).messages().await;
    let acks = |from_me: bool| -> Vec<&str> {
        let of = messages.iter().filter(|message| message["fromMe"] == from_me);
        of.map(|message| text(message, "/ackName")).collect()
    };
    assert!(acks(false).iter().all(|ack| *ack == "UNKNOWN"));
    assert!(acks(true).contains(&"READ") && !acks(true).contains(&"UNKNOWN"));
    let sample = json!({
        "id": "x", "timestamp": 1, "from": "x", "fromMe": false, "source": "app", "body": "x",
        "to": null, "participant": null, "hasMedia": false, "media": null, "ack": null,
        "ackName": "UNKNOWN", "location": null, "vCards": null, "replyTo": null, "_data": null,
    });
    let text = messages.iter().find(|message| message["body"].is_string()).unwrap();
    assert_shape(text, &sample, "message");
}

#[tokio::test]
async fn chats_people_and_lids_are_listed() {
    let api = Api::of(Engine::Gows);
    let chat = json!({ "id": "1@c.us", "name": "x", "conversationTimestamp": 1 });
    let chats = api.list("/api/shop-0/chats").await;
    assert_shape(&json!(chats), &json!([chat]), "chats");
    assert!(chats.is_sorted_by_key(|chat| text(chat, "/id").to_owned()), "by id, first to last");
    let overview = api.list("/api/shop-0/chats/overview").await;
    assert!(overview.len() <= 20 && overview[0]["_chat"]["id"] == overview[0]["id"]);
    assert!(overview[0]["lastMessage"]["id"].is_string());
    let contact = json!([{ "id": "1@c.us", "name": "x", "pushname": "x" }]);
    let contacts = api.get("/api/contacts/all?session=shop-0").await;
    assert_shape(&contacts, &contact, "contacts");
    let id = text(&contacts, "/0/id").to_owned();
    assert_eq!(api.get(&format!("/api/shop-0/contacts/{}", escaped(&id))).await, contacts[0]);
    let lids = api.list("/api/shop-0/lids?limit=1000").await;
    assert_eq!(api.get("/api/shop-0/lids/count").await, json!({ "count": lids.len() }));
    let pair = &lids[lids.len() - 1];
    let lid = text(pair, "/lid").trim_end_matches("@lid");
    assert_eq!(&api.get(&format!("/api/shop-0/lids/{lid}")).await, pair);
    let phone = text(pair, "/pn").trim_end_matches("@c.us");
    assert_eq!(&api.get(&format!("/api/shop-0/lids/pn/{phone}")).await, pair);
    let unknown = json!({ "lid": "1@lid", "pn": null });
    assert_eq!(api.get("/api/shop-0/lids/1%40lid").await, unknown);
    assert_eq!(api.ask("/api/shop-0/lids/1%40c.us").await.0, 422);
}

#[tokio::test]
async fn groups_have_members_by_role() {
    let api = Api::of(Engine::Gows);
    let groups = api.list("/api/shop-0/groups").await;
    assert_eq!(api.get("/api/shop-0/groups/count").await, json!({ "count": groups.len() }));
    let id = escaped(text(&groups[0], "/JID"));
    assert_eq!(api.get(&format!("/api/shop-0/groups/{id}")).await, groups[0]);
    let members = api.get(&format!("/api/shop-0/groups/{id}/participants/v2")).await;
    let sample = json!([{ "id": "1@lid", "pn": "1@c.us", "role": "superadmin" }]);
    assert_shape(&members, &sample, "members");
    let owners = members.as_array().unwrap().iter().filter(|member| member["role"] == "superadmin");
    assert_eq!(owners.count(), 1);
    assert_eq!(
        groups[0]["Participants"].as_array().unwrap().len(),
        members.as_array().unwrap().len()
    );
    let (status, refusal) = api.ask("/api/shop-0/groups/9%40g.us").await;
    assert_eq!((status, text(&refusal, "/exception/name")), (500, "Error"));
}

#[tokio::test]
async fn errors_are_those_of_waha() {
    let mut options = Options::of(plan(Engine::Gows));
    options.api_key = Some("right".into());
    let api = Api::filled(options);
    let unauthorized = json!({ "message": "Unauthorized", "statusCode": 401 });
    for path in
        ["/api/sessions", "/api/files/shop-0/x.jpeg", "/health", "/api/sessions?x-api-key=no"]
    {
        assert_eq!(api.ask(path).await, (401, unauthorized.clone()), "{path}");
    }
    assert_eq!(api.ask("/ping").await.0, 200);
    assert_eq!(api.ask("/metrics").await.0, 200);
    let ask = async |path: &str| api.ask(&format!("{path}x-api-key=right")).await;
    let not_found =
        |text: &str| json!({ "message": text, "error": "Not Found", "statusCode": 404 });
    assert_eq!(ask("/api/sessions/nobody?").await, (404, not_found("Session not found")));
    let message = ask("/api/shop-0/chats/all/messages/3EB0?").await;
    assert_eq!(message, (404, not_found("Message not found")));
    let unknown = json!({ "error": "Session \"nobody\" does not exist", "session": "nobody" });
    assert_eq!(ask("/api/nobody/chats?").await, (422, unknown));
    let nameless = json!({
        "message": "Session name is required", "error": "Bad Request", "statusCode": 400,
    });
    assert_eq!(ask("/api/contacts/all?").await, (400, nameless));
    let route = ask("/api/shop-0/nothing?").await;
    assert!(
        route.0 == 404 && text(&route.1, "/message").starts_with("Cannot GET /api/shop-0/nothing")
    );
    let gone = json!({ "error": {
        "code": 404, "key": "FILE_NOT_FOUND", "message": "File not found",
        "details": "File not found or no longer available",
    } });
    assert_eq!(ask("/api/files/shop-0/x.jpeg?").await, (404, gone));
    for query in ["downloadMedia=yes", "limit=ten", "sortBy=size", "filter.ack=3"] {
        assert_eq!(
            ask(&format!("/api/shop-0/chats/all/messages?{query}&")).await.0,
            400,
            "{query}"
        );
    }
    assert_eq!(ask("/api/shop-0/chats?sortBy=messageTimestamp&").await.0, 400);
    assert_eq!(ask("/api/shop-0/chats/all/messages/a_b?").await.0, 500, "two parts");
}
