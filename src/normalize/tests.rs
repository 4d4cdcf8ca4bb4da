//! Every file of `tests/fixtures` against its snapshot (add a file, get a test), and what must hold
//! for any input.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write};
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Normalized, Rules, normalize};
use crate::change::{Changes, Merge, Version};
use crate::fixtures::fixtures;
use crate::simulate::{Families, Family, Plan, history};
use crate::webhook::envelope::Envelope;
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};

/// When webhooks arrive that tell no time.
const ARRIVAL_MS: i64 = 1_785_000_100_000;

fn rules() -> Rules {
    Rules { user_id_key: "user.id".into() }
}

/// A webhook as the door makes it.
fn webhook(body: &[u8]) -> Webhook {
    let envelope = Envelope::read(body);
    let (id, at_ms, session, event_type) = match envelope {
        Ok(it) => (it.id, it.timestamp_ms, it.session, it.event),
        Err(_) => (None, None, String::new(), String::new()),
    };
    Webhook::from(WebhookParts {
        key: WebhookKey {
            source: "garden".into(),
            session,
            event_type,
            id: id.unwrap_or_else(|| "hash-of-the-body".into()),
        },
        receipt: Receipt(1),
        at_ms: at_ms.unwrap_or(ARRIVAL_MS),
        // Nothing arrives before it is made.
        received_at_ms: at_ms.unwrap_or(ARRIVAL_MS).max(ARRIVAL_MS),
        replay: false,
        headers: Headers::new(),
        body: Bytes::copy_from_slice(body),
    })
}

#[test]
fn fixtures_match_their_snapshots() {
    insta::with_settings!({
        snapshot_path => "../../tests/fixtures/snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::glob!("../../tests/fixtures", "*/*.json", |path| {
            let body = std::fs::read(path).unwrap();
            insta::assert_snapshot!(shown(&normalize(&webhook(&body), &rules())));
        });
    });
}

#[test]
fn a_fixture_is_of_the_event_type_that_its_folder_names() {
    for path in fixtures() {
        let folder = path.parent().and_then(Path::file_name).unwrap().to_str().unwrap();
        assert_eq!(
            Envelope::read(&std::fs::read(&path).unwrap())
                .unwrap_or_else(|error| {
                    // The door reads what it can't store; serde refuses lone surrogates only in texts it keeps.
                    panic!("{}: {error}", path.display())
                })
                .event,
            folder,
            "{}",
            path.display()
        );
    }
}

/// What one engine makes of a message is what the other makes of it: fixtures of one input, as NOWEB and
/// as GOWS tell it, under one id.
#[test]
fn noweb_and_gows_tell_the_same_alike() {
    let mut pairs = 0;
    for path in fixtures() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(name) = name.strip_prefix("noweb-same-") else { continue };
        let twin = path.with_file_name(format!("gows-same-{name}"));
        assert_eq!(of_any_engine(&path), of_any_engine(&twin), "{name}");
        pairs += 1;
    }
    assert!(pairs > 30, "{pairs} pairs");
}

/// What `simulate` sends rarely is read as what it is, of each engine, and what is no message makes none.
#[test]
fn what_is_simulated_is_read_as_what_it_is() {
    let families = Families::NONE.with(Family::MessageAny).with(Family::Rare).with(Family::Call);
    let plan = Plan { messages: 6_000, families, ..Plan::default() };
    let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut acts = 0;
    for sent in history(&plan) {
        let Ok(Normalized::Changes(changes)) = normalize(&webhook(&sent.body), &rules()) else {
            panic!("{sent:?}");
        };
        acts += changes.acts.len();
        let told = changes.messages.values().flat_map(|message| message.told.values());
        kinds
            .entry(sent.session)
            .or_default()
            .extend(told.map(|it| it.content.value.kind.to_string()));
    }
    let rare = "album buttons buttons_response event image interactive list list_response pin \
                sticker system text video";
    let session_of = ["shop-0", "desk_1", "1002", "Branch3"];
    for session in session_of {
        let told = &kinds[session];
        let missing: Vec<&str> = rare.split(' ').filter(|kind| !told.contains(*kind)).collect();
        assert!(missing.is_empty(), "{session}: {missing:?} of {told:?}");
        assert!(!told.contains("other") && !told.contains("waiting"), "{session}: {told:?}");
    }
    assert!(["desk_1", "1002"].iter().all(|session| kinds[*session].contains("call_log")));
    assert!(acts > 20, "{acts}");
}

/// What a webhook tells beside its session.
fn of_any_engine(path: &Path) -> Changes {
    match normalize(&webhook(&std::fs::read(path).unwrap()), &rules()).unwrap() {
        Normalized::Changes(changes) => {
            Changes { sessions: BTreeMap::new(), links: BTreeSet::new(), ..changes }
        }
        Normalized::Ignored(ignored) => panic!("{}: {}", path.display(), ignored.reason()),
    }
}

/// A result as text for people: what is absent is left out.
fn shown(result: &Result<Normalized, super::NormalizeError>) -> String {
    match result {
        Err(error) => format!("dead letter, {}: {error}", error.reason()),
        Ok(Normalized::Ignored(ignored)) => format!("ignored: {}", ignored.reason()),
        Ok(Normalized::Changes(changes)) => shown_changes(changes),
    }
}

/// Contacts, links, members and labels.
fn people(text: &mut String, changes: &Changes) {
    for (key, contact) in &changes.contacts {
        part(text, "contact", &key.jid, contact);
    }
    for link in &changes.links {
        writeln!(text, "link {} is {}", link.lid, link.phone).unwrap();
    }
    for (key, role) in &changes.participants {
        part(text, "member", &format!("{} of {}", key.jid, key.chat.chat_id), role);
    }
    for (key, request) in &changes.join_requests {
        part(text, "join request", &format!("{} to {}", key.jid, key.chat.chat_id), request);
    }
    for (key, label) in &changes.labels {
        part(text, "label", &key.label_id, label);
    }
    for (key, is_set) in &changes.chat_labels {
        part(text, "label on chat", &format!("{} on {}", key.label_id, key.chat.chat_id), is_set);
    }
}

fn shown_changes(changes: &Changes) -> String {
    let mut text = String::new();
    let status = changes.sessions.iter().filter(|(_, session)| session.status.is_some());
    status.for_each(|(key, session)| part(&mut text, "session", &key.name, session));
    for (key, chat) in &changes.chats {
        part(&mut text, "chat", &key.chat_id, chat);
    }
    for (key, message) in &changes.messages {
        let key = format!("{} in {}", key.message_id, key.chat.chat_id);
        part(&mut text, "message", &key, message);
    }
    for (key, own) in &changes.own_messages {
        let key = format!("{} in {}", key.message_id, key.chat.chat_id);
        part(&mut text, "own message", &key, own);
    }
    for (key, edit) in &changes.edits {
        let key = format!("{} of {} by {}", key.edit_id, key.message.message_id, key.author);
        part(&mut text, "edit", &key, edit);
    }
    for (key, revocation) in &changes.revocations {
        let key = format!("of {} by {}", key.message.message_id, key.author);
        part(&mut text, "revocation", &key, revocation);
    }
    answers(&mut text, "referral", &changes.referrals);
    answers(&mut text, "reaction", &changes.reactions);
    answers(&mut text, "vote", &changes.votes);
    answers(&mut text, "event response", &changes.event_responses);
    answers(&mut text, "member ack", &changes.member_acks);
    for (key, call) in &changes.calls {
        part(&mut text, "call", &key.call_id, call);
    }
    for (key, read) in &changes.reads {
        let key = format!("of {} by {}", key.chat.chat_id, key.reader);
        part(&mut text, "read", &key, read);
    }
    people(&mut text, changes);
    text
}

fn answers<V: Debug>(text: &mut String, what: &str, told: &BTreeMap<crate::change::AnswerKey, V>) {
    for (key, answer) in told {
        let key = format!("to {} by {}", key.message.message_id, key.author);
        part(text, what, &key, answer);
    }
}

fn part(text: &mut String, what: &str, key: &str, value: &impl Debug) {
    let all = format!("{value:#?}");
    let there = all.lines().filter(|line| {
        let line = line.trim_end_matches(',');
        !line.ends_with(": None") && !line.ends_with(": {}")
    });
    let mut lines: Vec<String> = there.map(str::to_owned).collect();
    while shorten(&mut lines) {}
    writeln!(text, "{what} {key}: {}", lines.join("\n")).unwrap();
}

/// Puts what stands alone between brackets beside them. False when there is nothing left to do.
fn shorten(lines: &mut Vec<String>) -> bool {
    let alone = |three: &[String]| three[0].ends_with('(') && three[2].trim().starts_with(')');
    let Some(at) = lines.windows(3).position(alone) else { return false };
    let inner = lines[at + 1].trim().trim_end_matches(',').to_owned();
    let end = lines[at + 2].trim().to_owned();
    lines[at].push_str(&inner);
    lines[at].push_str(&end);
    lines.drain(at + 1..at + 3);
    true
}

/// A webhook of some body under another key.
fn under(key: WebhookKey, body: &Value) -> Webhook {
    let body = Bytes::from(body.to_string());
    WebhookParts { key, ..webhook(&body).parts().clone() }.into()
}

#[test]
fn what_names_no_source_is_nobodys() {
    let body = json!({ "event": "message", "session": "shop", "payload": { "id": "1", "from": "1@c.us" } });
    let key = WebhookKey { id: "1".into(), ..WebhookKey::default() };
    let error = normalize(&under(key.clone(), &body), &rules()).unwrap_err();
    assert_eq!(error.reason(), "no_source");
    let key = WebhookKey { source: "garden".into(), event_type: "message".into(), ..key };
    let Normalized::Changes(changes) = normalize(&under(key, &body), &rules()).unwrap() else {
        panic!("it tells a message");
    };
    let sessions: Vec<&str> = changes.sessions.keys().map(|key| &*key.name).collect();
    assert_eq!(sessions, ["shop"], "one without a session is named by its body");
}

#[test]
fn what_an_id_holds_makes_no_key_that_can_not_be_stored() {
    let odd = "false_1\u{1}@c.us_AA_2\n@c.us";
    let payload = json!({ "id": odd, "from": "3@c.us", "participant": "4@c.us", "vote": { "id": odd,
        "from": "3@c.us" }, "poll": { "id": odd }, "revokedMessageId": "AA", "after": { "id": odd,
        "from": "3@c.us" }, "reaction": { "messageId": odd, "text": "x" } });
    for event in ["message", "message.reaction", "poll.vote", "message.revoked"] {
        let body = json!({ "event": event, "session": "shop", "id": "1", "payload": payload });
        let told = normalize(&webhook(body.to_string().as_bytes()), &rules()).unwrap();
        let Normalized::Changes(changes) = told else { panic!("{event} tells changes") };
        let chats: Vec<&str> = changes.chats.keys().map(|key| &*key.chat_id).collect();
        assert_eq!(chats, ["3@c.us"], "{event}");
        let authors = changes.named().into_iter().map(|person| person.jid);
        assert!(authors.into_iter().all(|jid| !jid.contains(char::is_control)), "{event}");
    }
}

#[test]
fn a_state_or_user_that_can_not_be_stored_as_it_is_is_none() {
    let states = ["S".repeat(33), "W\u{1}".to_owned(), "WORKING ".to_owned(), "WORKING".to_owned()];
    let statuses = states.map(|state| json!({ "status": state, "timestamp": 1_785_000_000 }));
    let body = json!({ "event": "session.status", "session": "shop", "id": "1", "engine": "GOWS",
        "metadata": { "user.id": "u".repeat(256) },
        "payload": { "status": "WORKING", "statuses": statuses } });
    let told = normalize(&webhook(body.to_string().as_bytes()), &rules()).unwrap();
    let Normalized::Changes(changes) = told else { panic!("it tells a session") };
    let session = changes.sessions.values().next().unwrap();
    let kept: Vec<&str> = session.history.iter().map(|point| &*point.status).collect();
    assert_eq!(kept, ["WORKING", "WORKING "]);
    assert_eq!(session.identity.metadata.as_ref().unwrap().value.user_id, None);
}

/// Values that no field expects.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!("")),
        Just(json!("_")),
        Just(json!("@")),
        Just(json!("true_a_b_c")),
        Just(json!("\u{fffd}\u{0}é😀")),
        Just(json!("9".repeat(5000))),
        Just(json!([])),
        Just(json!([null, [1], {"a": "b"}])),
        Just(json!({})),
        Just(json!({"low": i64::MIN, "high": i64::MAX})),
        ".{0,40}".prop_map(Value::from),
    ]
}

/// How many nodes a value has.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0_usize,
    }
}

/// Replaces node number `at`, counted from the root; deletes it from its object without a value.
fn mutate(value: &mut Value, at: &mut usize, with: Option<&Value>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| step(item, at, with)),
        Value::Object(fields) => {
            let mut gone = None;
            for (name, field) in fields.iter_mut() {
                if *at == 1 && with.is_none() {
                    gone = Some(name.clone());
                }
                step(field, at, with);
            }
            gone.map(|name| fields.remove(&name));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn step(node: &mut Value, at: &mut usize, with: Option<&Value>) {
    *at = at.saturating_sub(1);
    if *at == 0 {
        if let Some(with) = with {
            *node = with.clone();
        }
        *at = usize::MAX;
    } else {
        mutate(node, at, with);
    }
}

fn any_fixture() -> impl Strategy<Value = Vec<u8>> {
    proptest::sample::select(fixtures()).prop_map(|path| std::fs::read(path).unwrap())
}

proptest! {
    #[test]
    fn any_bytes_are_normalized_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let webhook = webhook(&body);
        prop_assert_eq!(
            normalize(&webhook, &rules()).ok(),
            normalize(&webhook, &rules()).ok()
        );
    }

    #[test]
    fn broken_bytes_of_fixtures_are_normalized_or_refused(
        body in any_fixture(), at: prop::sample::Index, byte: u8,
    ) {
        let whole = webhook(&body);
        let mut broken = body;
        let at = at.index(broken.len());
        broken[at] = byte;
        let mut parts = parts_of(&whole);
        parts.body = Bytes::from(broken);
        let webhook = Webhook::from(parts);
        prop_assert_eq!(normalize(&webhook, &rules()).ok(), normalize(&webhook, &rules()).ok());
    }

    #[test]
    fn odd_fields_are_normalized_or_refused(
        body in any_fixture(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), proptest::option::of(odd())), 1..6),
    ) {
        let whole = webhook(&body);
        let mut value: Value = serde_json::from_str(&crate::waha::json::storable(&body)).unwrap();
        for (at, with) in &changes {
            let mut at = at.index(nodes(&value)) + 1;
            mutate(&mut value, &mut at, with.as_ref());
        }
        let mut parts = parts_of(&whole);
        parts.body = Bytes::from(value.to_string());
        let webhook = Webhook::from(parts);
        let changes = normalize(&webhook, &rules()).ok();
        prop_assert_eq!(&changes, &normalize(&webhook, &rules()).ok());
        if let Some(Normalized::Changes(changes)) = changes {
            prop_assert!(fits(&changes), "a key does not fit its column: {changes:?}");
        }
    }

    #[test]
    fn merging_knows_no_order_and_no_repetition(
        seed in 0_u64..1000, order in proptest::collection::vec(any::<u64>(), 60),
    ) {
        let plan = Plan { seed, messages: 12, people: 4, groups: 2, ..Plan::default() };
        let mut told: Vec<Changes> = history(&plan).take(60).filter_map(|sent| {
            match normalize(&webhook(&sent.body), &rules()) {
                Ok(Normalized::Changes(changes)) => Some(changes),
                Ok(Normalized::Ignored(_)) | Err(_) => None,
            }
        }).collect();
        let in_order = merged(&told);
        let twice = merged(&[in_order.clone(), in_order.clone()]);
        prop_assert_eq!(&twice, &in_order);
        // Pairs first: associative.
        let pairs: Vec<Changes> = told.chunks(2).map(merged).collect();
        prop_assert_eq!(&merged(&pairs), &in_order);
        let mut order = order.into_iter();
        told.sort_by_cached_key(|_| order.next());
        told.extend(told.clone().into_iter().step_by(3));
        prop_assert_eq!(&merged(&told), &in_order);
    }
}

proptest! {
    /// Fixtures of all kinds at once: many speak of the same people, and some of the same message.
    #[test]
    fn merging_fixtures_knows_no_order(order in proptest::collection::vec(any::<u64>(), 400)) {
        // Of a pair one is enough: both have one id.
        let of_pair = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with("gows-same");
        let bodies = fixtures().into_iter().filter(|path| !of_pair(path));
        let told = bodies.filter_map(|path| {
            match normalize(&webhook(&std::fs::read(path).unwrap()), &rules()) {
                Ok(Normalized::Changes(changes)) => Some(changes),
                Ok(Normalized::Ignored(_)) | Err(_) => None,
            }
        });
        let mut told: Vec<Changes> = told.collect();
        let in_order = merged(&told);
        let mut order = order.into_iter();
        told.sort_by_cached_key(|_| order.next());
        let pairs: Vec<Changes> = told.chunks(2).map(merged).collect();
        prop_assert_eq!(&merged(&pairs), &in_order);
        told.extend(told.clone().into_iter().step_by(3));
        prop_assert_eq!(&merged(&told), &in_order);
    }
}

#[test]
fn a_telling_that_has_less_is_below_each_that_has_more() {
    // From 2010 to 2040.
    let times = [1_262_304_000_000_i64, 1_785_000_000_000, 2_208_988_800_000];
    let bands = times.map(|at| {
        let told = Version::at(at, u64::MAX);
        [told, told.retold(), told.poorer(), told.placeholder()]
    });
    for one in &bands {
        for other in &bands {
            let below = one.iter().zip(&other[1..]).all(|(upper, lower)| upper > lower);
            assert!(below, "{one:?} and {other:?}");
        }
    }
}

fn merged(told: &[Changes]) -> Changes {
    told.iter().cloned().fold(Changes::default(), |mut all, changes| {
        all.merge_in(changes);
        all
    })
}

fn parts_of(webhook: &Webhook) -> WebhookParts {
    WebhookParts {
        key: webhook.key().clone(),
        receipt: webhook.receipt(),
        at_ms: webhook.at_ms(),
        received_at_ms: webhook.received_at_ms(),
        replay: false,
        headers: Headers::new(),
        body: webhook.body().clone(),
    }
}

/// Whether all keys can be stored by every database: what is cut would no longer be a key.
fn fits(changes: &Changes) -> bool {
    let messages = changes.messages.keys().map(|key| &key.message_id);
    let authors = changes.messages.values().flat_map(|message| message.told.keys());
    let answers = [&changes.reactions.keys().collect::<Vec<_>>(), &changes.votes.keys().collect()];
    let answering = answers.into_iter().flatten().map(|key| &key.author);
    let edits = changes.edits.keys().flat_map(|key| [&key.author, &key.edit_id]);
    let chats = changes.chats.keys().map(|key| &key.chat_id);
    let mut all = messages.chain(authors).chain(answering).chain(edits).chain(chats);
    all.all(|text| !text.is_empty() && text.chars().count() <= 255 && !text.contains('\0'))
}
