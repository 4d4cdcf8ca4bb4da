//! What must hold of whatever comes out, whoever sent what went in.

use crate::change::{
    Changes, ChatKey, InChat, Merge, MessageKey, Named, SessionChange, SessionKey,
};
use crate::webhook::envelope::{is_key_text, is_word};
use crate::webhook::storable::{
    EVENT_TYPE_BYTES_MAX, ID_BYTES_MAX, SESSION_BYTES_MAX, SOURCE_BYTES_MAX,
};
use crate::webhook::{Webhook, WebhookKey};

/// Longest text of a key below a session's, in bytes; its column counts characters.
const KEY_BYTES_MAX: usize = 255;
const STATUS_BYTES_MAX: usize = 32;

/// A webhook's identity fits the ledger of every database; a malformed body tells no session and no
/// event type, and somebody else's message no source.
pub(super) fn check_key(key: &WebhookKey) {
    let WebhookKey { source, session, event_type, id } = key;
    let fits = |text: &str, bytes_max| text.is_empty() || is_key_text(text, bytes_max);
    assert!(fits(source, SOURCE_BYTES_MAX), "source {source:?}");
    assert!(fits(session, SESSION_BYTES_MAX), "session {session:?}");
    assert!(fits(event_type, EVENT_TYPE_BYTES_MAX), "event type {event_type:?}");
    assert!(is_key_text(id, ID_BYTES_MAX), "id {id:?}");
}

/// Whether what two webhooks tell is ordered by their versions: they are two, and no twins by the few
/// bits of their hashes that versions have.
pub(super) fn are_ordered(one: &Webhook, other: &Webhook) -> bool {
    one.key().hash() >> 50 != other.key().hash() >> 50
}

/// In whatever order and however often: the same.
pub(super) fn check_merge(one: &Changes, other: &Changes) {
    let merged = |first: &Changes, second: &Changes| {
        let mut merged = first.clone();
        merged.merge_in(second.clone());
        merged
    };
    let both = merged(one, other);
    assert_eq!(both, merged(other, one), "the order makes a difference");
    assert_eq!(both, merged(&both, one), "a repetition makes a difference");
}

/// Keys fit their columns whole and hold nothing that can't be read; no text holds what PostgreSQL
/// refuses.
pub(super) fn check_changes(changes: &Changes) {
    let Changes {
        sessions,
        chats,
        messages,
        own_messages,
        edits,
        revocations,
        referrals,
        reactions,
        votes,
        event_responses,
        member_acks,
        calls,
        reads,
        contacts,
        links,
        participants,
        join_requests,
        labels,
        chat_labels,
        acts,
    } = changes;
    for (key, session) in sessions {
        check_session_change(key, session);
    }
    chats.keys().for_each(check_chat);
    for (key, message) in messages {
        check_message(key);
        message.told.keys().for_each(|author| check_text(author));
    }
    own_messages.keys().chain(acts).for_each(check_message);
    for key in edits.keys() {
        check_about_message(key);
        check_text(&key.edit_id);
    }
    revocations.keys().for_each(check_about_message);
    referrals.keys().for_each(check_about_message);
    reactions.keys().for_each(check_about_message);
    votes.keys().for_each(check_about_message);
    event_responses.keys().for_each(check_about_message);
    member_acks.keys().for_each(check_about_message);
    for key in calls.keys() {
        check_session(&key.session);
        check_text(&key.call_id);
    }
    reads.keys().for_each(check_in_chat);
    let ids = links.iter().flat_map(|link| [&link.lid, &link.phone]);
    for id in contacts.keys().map(|key| &key.jid).chain(ids) {
        check_text(id);
    }
    participants.keys().for_each(check_in_chat);
    join_requests.keys().for_each(check_in_chat);
    chat_labels.keys().for_each(check_in_chat);
    let labels = labels.keys().map(|key| &key.label_id);
    for id in labels.chain(chat_labels.keys().map(|key| &key.label_id)) {
        check_text(id);
    }
    let text = format!("{changes:?}");
    assert!(!holds_nul(&text), "{text}");
}

fn check_session_change(key: &SessionKey, session: &SessionChange) {
    check_session(key);
    for point in &session.history {
        assert!(is_word(&point.status, STATUS_BYTES_MAX), "{point:?}");
    }
    let user = session.identity.metadata.as_ref().and_then(|it| it.value.user_id.as_deref());
    user.into_iter().for_each(check_text);
}

fn check_session(key: &SessionKey) {
    assert!(is_key_text(&key.source, SOURCE_BYTES_MAX), "{key:?}");
    assert!(is_key_text(&key.name, SESSION_BYTES_MAX), "{key:?}");
}

fn check_chat(key: &ChatKey) {
    check_session(&key.session);
    check_text(&key.chat_id);
}

fn check_in_chat(key: &(impl InChat + Named)) {
    check_chat(key.chat());
    key.person().iter().for_each(|person| check_text(&person.jid));
}

fn check_message(key: &MessageKey) {
    check_chat(&key.chat);
    check_text(&key.message_id);
}

fn check_about_message(key: &(impl InChat + Named)) {
    check_in_chat(key);
    check_message(key.about().expect("it is about one"));
}

fn check_text(text: &str) {
    assert!(is_key_text(text, KEY_BYTES_MAX), "{text:?}");
}

/// Whether a text of `Debug` tells of a NUL: `\0` behind an even number of backslashes.
fn holds_nul(debug: &str) -> bool {
    let mut bytes = debug.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && bytes.next() == Some(b'0') {
            return true;
        }
    }
    false
}
