//! Tests of whole histories: what the module promises, looked up in the bodies.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use serde_json::Value;

use super::{Age, Families, Family, Plan, Sent, history};

/// Without what is rare, in which nothing links some names of a chat.
fn plan() -> Plan {
    let families = Families::default().without(Family::Rare);
    Plan { sessions: 8, people: 30, groups: 12, messages: 600, families, ..Plan::default() }
}

/// A longer history of one family.
fn only(family: Family, messages: u32) -> Plan {
    Plan { messages, families: Families::NONE.with(family), ..plan() }
}

/// Every webhook of `plan` with its body read.
fn read(plan: &Plan) -> Vec<(Sent, Value)> {
    let parse = |sent: Sent| {
        let body = serde_json::from_slice(&sent.body).expect("a body is JSON");
        (sent, body)
    };
    history(plan).map(parse).collect()
}

fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn bare(id: &str) -> &str {
    id.split('_').nth(2).unwrap_or(id)
}

/// The chat that a whole message id names.
fn chat(id: &str) -> &str {
    id.split('_').nth(1).unwrap_or_default()
}

fn keys(plan: &Plan) -> HashSet<(String, &'static str, String)> {
    let key = |sent: Sent| (sent.session, sent.event_type, sent.webhook_id.unwrap_or_default());
    history(plan).map(key).collect()
}

#[test]
fn equal_plans_give_equal_bytes_and_other_seeds_others() {
    assert!(history(&plan()).eq(history(&plan())));
    assert!(!history(&plan()).eq(history(&Plan { seed: 2, ..plan() })));
}

#[test]
fn bodies_say_what_the_webhook_says() {
    let mut request_ids = HashSet::new();
    let mut last_ms = 0;
    for (sent, body) in read(&plan()) {
        assert_eq!(text(&body, "/event"), sent.event_type);
        assert_eq!(text(&body, "/session"), sent.session);
        assert_eq!(text(&body, "/id"), sent.webhook_id.unwrap());
        assert_eq!(body["timestamp"], sent.at_ms);
        assert_eq!(body.get("engine").is_none(), text(&body, "/environment/engine") == "GOWS");
        assert!(request_ids.insert(sent.request_id));
        assert!(sent.at_ms >= last_ms);
        last_ms = sent.at_ms;
    }
}

#[test]
fn a_webhook_is_named_by_session_type_and_id() {
    assert_eq!(keys(&plan()).len(), history(&plan()).count());
}

#[test]
fn only_noweb_and_gows_share_ids_between_message_and_any() {
    let ids = |event_type| -> HashMap<String, (String, Value)> {
        let of_type = read(&plan()).into_iter().filter(|(sent, _)| sent.event_type == event_type);
        of_type
            .map(|(sent, body)| {
                (text(&body, "/payload/id").into(), (sent.webhook_id.unwrap(), body))
            })
            .collect()
    };
    let any = ids("message.any");
    for (id, (event_id, body)) in ids("message") {
        let shared = matches!(text(&body, "/environment/engine"), "NOWEB" | "GOWS");
        assert_eq!(any[&id].0 == event_id, shared);
        assert_eq!(any[&id].1["payload"], body["payload"]);
    }
    assert!(any.len() == 600);
}

#[test]
fn references_lead_to_messages() {
    let webhooks = read(&plan());
    let of = |event_type: &'static str| {
        webhooks.iter().filter(move |(sent, _)| sent.event_type == event_type).map(|(_, body)| body)
    };
    let known: HashSet<&str> =
        of("message.any").map(|body| bare(text(body, "/payload/id"))).collect();
    for (event_type, pointer) in [
        ("message", "/payload/id"),
        ("message.ack", "/payload/id"),
        ("message.ack.group", "/payload/id"),
        ("message.reaction", "/payload/reaction/messageId"),
        ("message.edited", "/payload/editedMessageId"),
        ("message.revoked", "/payload/revokedMessageId"),
        ("poll.vote", "/payload/poll/id"),
    ] {
        assert!(of(event_type).count() > 5, "too few of {event_type}");
        assert!(
            of(event_type).all(|body| known.contains(bare(text(body, pointer)))),
            "{event_type}"
        );
    }
}

#[test]
fn acks_rise_per_message_and_reader() {
    let mut last: HashMap<(String, String, String), i64> = HashMap::new();
    for (sent, body) in read(&plan()) {
        if sent.event_type.starts_with("message.ack") {
            let ack = body["payload"]["ack"].as_i64().unwrap();
            let reader = text(&body, "/payload/participant").to_owned();
            let key = (sent.session, bare(text(&body, "/payload/id")).to_owned(), reader);
            assert!(last.insert(key, ack).is_none_or(|before| before < ack));
        }
    }
    assert!(last.len() > 200);
}

#[test]
fn a_chat_under_a_lid_is_linked_to_its_phone_number() {
    let (mut used, mut linked) = (HashSet::new(), HashSet::new());
    for (sent, body) in read(&plan()) {
        let id = text(&body, "/payload/id");
        if sent.event_type.starts_with("message") && chat(id).ends_with("@lid") {
            used.insert((sent.session.clone(), chat(id).to_owned()));
        }
        let alternatives = [
            "/payload/_data/key/remoteJidAlt",
            "/payload/_data/Info/SenderAlt",
            "/payload/_data/Info/RecipientAlt",
        ];
        for alternative in alternatives.map(|pointer| text(&body, pointer)) {
            if alternative.ends_with("@lid") {
                linked.insert((sent.session.clone(), alternative.to_owned()));
            } else if !alternative.is_empty() {
                linked.insert((sent.session.clone(), chat(id).to_owned()));
            }
        }
    }
    assert!(used.len() > 20 && used.is_subset(&linked));
}

#[test]
fn nobody_changes_name_and_sessions_once_at_most() {
    let mut names: HashMap<String, HashSet<String>> = HashMap::new();
    let mut accounts: HashMap<String, HashSet<(String, String)>> = HashMap::new();
    for (sent, body) in read(&plan()) {
        let me = (text(&body, "/me/id").to_owned(), text(&body, "/me/pushName").to_owned());
        if !me.0.is_empty() {
            accounts.entry(sent.session).or_default().insert(me);
        }
        let author = text(&body, "/payload/_data/Info/Sender");
        if body["payload"]["fromMe"] == false && author.ends_with("@lid") {
            let name = text(&body, "/payload/_data/Info/PushName").to_owned();
            names.entry(author.to_owned()).or_default().insert(name);
        }
    }
    assert!(names.len() > 5 && names.values().all(|names| names.len() == 1));
    assert_eq!(accounts.len(), 8);
    assert!(accounts.values().all(|me| me.len() <= 2));
    assert!(accounts.values().any(|me| me.len() == 2));
    assert!(
        accounts
            .values()
            .all(|me| { me.iter().map(|(id, _)| id).collect::<HashSet<_>>().len() == 1 })
    );
}

#[test]
fn calls_are_received_first_and_end_once() {
    let mut courses: HashMap<String, Vec<&str>> = HashMap::new();
    for (sent, body) in read(&only(Family::Call, 2_000)) {
        if sent.event_type.starts_with("call.") {
            courses.entry(text(&body, "/payload/id").into()).or_default().push(sent.event_type);
        }
    }
    assert!(courses.len() > 50);
    for course in courses.values() {
        assert_eq!(course[0], "call.received");
        assert!(course.iter().filter(|state| **state != "call.received").count() <= 1);
    }
}

#[test]
fn guests_join_before_anything_else_happens_to_them() {
    let mut present: HashSet<(String, String)> = HashSet::new();
    for (sent, body) in read(&only(Family::Group, 3_000)) {
        if sent.event_type == "group.v2.participants" {
            let group = text(&body, "/payload/group/id").to_owned();
            let guest = (group, text(&body, "/payload/participants/0/id").to_owned());
            match text(&body, "/payload/type") {
                "join" => assert!(present.insert(guest)),
                "leave" => assert!(present.remove(&guest)),
                _ => assert!(present.contains(&guest)),
            }
        }
    }
}

#[test]
fn an_old_session_has_neither_ids_nor_times() {
    let plan = Plan { old_session: true, sessions: 3, ..plan() };
    let old: Vec<_> = read(&plan).into_iter().filter(|(sent, _)| sent.session == "1002").collect();
    assert!(old.len() > 100);
    for (sent, body) in old {
        assert_eq!((sent.webhook_id, body.get("id"), body.get("timestamp")), (None, None, None));
        assert_eq!(text(&body, "/engine"), "NOWEB");
        assert!(!sent.event_type.contains("group.v2") && sent.event_type != "message.ack.group");
    }
}

#[test]
fn message_bodies_have_the_usual_size() {
    let is_message = |sent: &Sent| sent.event_type == "message.any";
    let mut sizes: Vec<_> = history(&plan()).filter(is_message).map(|s| s.body.len()).collect();
    sizes.sort_unstable();
    assert!((2_000..4_000).contains(&sizes[sizes.len() / 2]), "{}", sizes[sizes.len() / 2]);
    assert!(sizes[sizes.len() - 1] < 30_000);
}

#[test]
fn odd_text_appears_on_demand_only() {
    let odd = |families| {
        let plan = Plan { families, ..plan() };
        let hit = |sent: &Sent| String::from_utf8_lossy(&sent.body).contains("\\ud83d.");
        history(&plan).filter(hit).count()
    };
    assert_eq!(odd(Families::default()), 0);
    assert!(odd(Families::default().with(Family::OddText)) > 20);
}

/// Every event type of WAHA is sent, but the engine's own traffic.
#[test]
fn every_event_type_is_sent() {
    let plan = Plan { families: Families::ALL, messages: 3_000, old_session: true, ..plan() };
    let sent: HashSet<&str> = history(&plan).map(|sent| sent.event_type).collect();
    for event_type in [
        "session.status",
        "message",
        "message.any",
        "message.waiting",
        "message.ack",
        "message.ack.group",
        "message.reaction",
        "message.edited",
        "message.revoked",
        "poll.vote",
        "poll.vote.failed",
        "event.response",
        "event.response.failed",
        "call.received",
        "call.accepted",
        "call.rejected",
        "label.upsert",
        "label.deleted",
        "label.chat.added",
        "label.chat.deleted",
        "group.v2.join",
        "group.v2.leave",
        "group.v2.update",
        "group.v2.participants",
        "group.v2.participants.join-request",
        "chat.archive",
        "presence.update",
        "group.join",
    ] {
        assert!(sent.contains(event_type), "{event_type}");
    }
}

/// Calls that nobody takes and that nothing ends, and acks under a name that nothing links.
#[test]
fn what_is_rare_is_sent() {
    let webhooks = read(&Plan { families: Families::default(), ..plan() });
    let mut calls: HashMap<&str, usize> = HashMap::new();
    let (mut sent, mut acked) = (HashSet::new(), HashSet::new());
    for (webhook, body) in &webhooks {
        let id = text(body, "/payload/id");
        match webhook.event_type {
            "call.received" => *calls.entry(id).or_default() += 1,
            "call.accepted" | "call.rejected" => *calls.entry(id).or_default() += 100,
            "message.any" => _ = sent.insert((bare(id), chat(id))),
            "message.ack" => _ = acked.insert((bare(id), chat(id))),
            _ => {}
        }
    }
    assert!(calls.values().any(|events| *events < 100), "a call that rings out");
    assert!(acked.iter().any(|(_, chat)| chat.ends_with("@lid")));
    assert!(acked.difference(&sent).count() > 5, "acks under another name");
}

#[test]
fn a_session_runs_on_the_newest_waha_or_on_the_one_that_is_asked_for() {
    for age in [Age::Old, Age::Spring, Age::Autumn] {
        let plan = Plan { age, messages: 20, ..plan() };
        let versions: HashSet<String> =
            read(&plan).iter().map(|(_, body)| text(body, "/environment/version").into()).collect();
        assert_eq!(versions, [age.version().to_owned()].into());
    }
    assert_eq!(Plan::default().age, Age::Autumn);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_plan_works_and_smaller_ones_give_subsets(
        seed: u64, sessions in 0_u16..7, people in 0_u32..20, groups in 0_u16..9,
        messages in 0_u32..60, fewer in 0_u32..60, bits: u32, old_session: bool,
    ) {
        let families = Families::ALL;
        let whole = Plan { seed, sessions, people, groups, messages, families, old_session, ..plan() };
        let some = Plan { families: Families::from_bits(bits).with(Family::OddText), ..whole.clone() };
        let short = Plan { messages: fewer.min(messages), ..whole.clone() };
        let all = keys(&whole);
        prop_assert!(keys(&some).is_subset(&all));
        prop_assert!(keys(&short).is_subset(&all));
    }
}

/// Whoever keeps a seed gets the same webhooks from every release: a change of this is told in the changelog.
#[test]
fn the_bytes_of_a_seed_stay() {
    use sha2::{Digest, Sha256};
    let plan = Plan { families: Families::ALL, old_session: true, messages: 1_000, ..plan() };
    let mut hash = Sha256::new();
    history(&plan).for_each(|sent| hash.update(sent.body));
    assert_eq!(
        hex::encode(hash.finalize()),
        "5261916bec30148ee4d5391e773d6bb3d01a998790907ced4b4b3b847aa290fe"
    );
}
