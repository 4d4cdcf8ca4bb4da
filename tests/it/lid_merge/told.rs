//! Webhooks that tell of one person under two ids. Made up: numbers and texts belong to nobody.

use serde_json::{Value, json};
use waha_ingest::webhook::{Receipt, Webhook, WebhookKey, WebhookParts};

pub(super) const PHONE: &str = "12025550142@c.us";
pub(super) const LID: &str = "100000000000142@lid";
pub(super) const GROUP: &str = "120363000000000077@g.us";
/// The first webhook's time.
const START_MS: i64 = 1_790_000_000_000;

/// Webhooks in the order in which they happened, a second apart.
#[derive(Clone, Default)]
pub(super) struct Story(pub(super) Vec<Webhook>, usize);

impl Story {
    /// Something told now.
    pub(super) fn tell(mut self, event_type: &str, payload: impl Into<Value>) -> Self {
        let place = i64::try_from(self.1 + self.0.len()).unwrap();
        let at_ms = START_MS + place * 1_000;
        let mut payload: Value = payload.into();
        if payload.get("body").is_some() {
            payload["timestamp"] = (at_ms / 1_000).into();
        }
        let body = json!({
            "id": format!("evt_{place}"), "timestamp": at_ms, "event": event_type,
            "session": "desk", "me": {"id": "12025550100@c.us", "lid": "100000000000100@lid"},
            "payload": payload, "environment": {"engine": "GOWS", "version": "2026.8.2"},
        });
        self.0.push(webhook(event_type, format!("evt_{place}"), at_ms, &body));
        self
    }

    /// A message of the person, or to it.
    pub(super) fn text(self, bare: &str, chat: &str, from_me: bool) -> Self {
        self.tell("message.any", message(bare, chat, from_me, ""))
    }

    /// The same, and it shows the person's other id.
    pub(super) fn linking_text(self, bare: &str, chat: &str, from_me: bool) -> Self {
        self.tell("message.any", message(bare, chat, from_me, &other(chat)))
    }

    /// The person has read.
    pub(super) fn read(self, bare: &str, chat: &str) -> Self {
        self.tell(
            "message.ack",
            json!({"id": format!("true_{chat}_{bare}"), "from": chat, "fromMe": true, "ack": 3}),
        )
    }

    /// How far an own message got.
    pub(super) fn ack(self, bare: &str, chat: &str, ack: u8) -> Self {
        self.tell(
            "message.ack",
            json!({"id": format!("true_{chat}_{bare}"), "from": chat, "fromMe": true, "ack": ack}),
        )
    }

    /// The same as WEBJS tells it.
    pub(super) fn whole_ack(self, bare: &str, chat: &str, ack: u8) -> Self {
        let mut payload = message(bare, chat, true, "");
        payload["ack"] = ack.into();
        self.tell("message.ack", payload)
    }

    /// The account has read a message of the person, on a phone of its own.
    pub(super) fn read_by_us(self, bare: &str, chat: &str) -> Self {
        self.tell(
            "message.ack",
            json!({"id": format!("false_{chat}_{bare}"), "from": chat, "fromMe": false, "ack": 3}),
        )
    }

    pub(super) fn own_edit(self, bare: &str, chat: &str) -> Self {
        let mut payload = message(&format!("ED{bare}{}", self.0.len()), chat, true, "");
        payload["body"] = "edited by me".into();
        payload["editedMessageId"] = bare.into();
        self.tell("message.edited", payload)
    }

    pub(super) fn own_revoke(self, bare: &str, chat: &str) -> Self {
        let after = message(&format!("RE{bare}{}", self.0.len()), chat, true, "");
        self.tell(
            "message.revoked",
            json!({"after": after, "before": null, "revokedMessageId": bare}),
        )
    }

    /// Later than what happened in another story.
    pub(super) fn starting_at(self, place: usize) -> Self {
        Self(self.0, place)
    }

    /// The person has read in a group.
    pub(super) fn group_read(self, bare: &str, reader: &str) -> Self {
        let id = format!("true_{GROUP}_{bare}_12025550100@c.us");
        self.tell(
            "message.ack.group",
            json!({"id": id, "from": GROUP, "participant": reader, "fromMe": true, "ack": 3}),
        )
    }

    /// The person is a member of a group; with the phone number or without.
    pub(super) fn member(self, what: &str, jid: &str, pn: Option<&str>) -> Self {
        self.tell(
            "group.v2.participants",
            json!({"group": {"id": GROUP}, "type": what, "timestamp": START_MS,
                "participants": [{"id": jid, "pn": pn, "role": "participant"}]}),
        )
    }

    /// A message in the group; its sender is known by one id only.
    pub(super) fn group_text(self, bare: &str, sender: &str) -> Self {
        self.tell("message", group_message(bare, sender, &format!("{bare} of {sender}")))
    }

    /// An edit of a message, in the group if there is a sender.
    pub(super) fn edit(self, bare: &str, chat: &str, sender: Option<&str>) -> Self {
        let id = format!("ED{bare}{}", self.0.len());
        let mut payload = match sender {
            Some(sender) => group_message(&id, sender, &format!("edited by {sender}")),
            None => message(&id, chat, false, ""),
        };
        payload["editedMessageId"] = bare.into();
        self.tell("message.edited", payload)
    }

    pub(super) fn revoke(self, bare: &str, chat: &str, sender: Option<&str>) -> Self {
        let id = format!("RE{bare}{}", self.0.len());
        let after = match sender {
            Some(sender) => group_message(&id, sender, ""),
            None => message(&id, chat, false, ""),
        };
        self.tell(
            "message.revoked",
            json!({"after": after, "before": null, "revokedMessageId": bare}),
        )
    }

    pub(super) fn react(self, bare: &str, chat: &str, who: &str, text: &str) -> Self {
        let participant = (chat == GROUP).then_some(who);
        let id = format!("false_{chat}_RA{}", self.0.len());
        self.tell(
            "message.reaction",
            json!({"id": id, "from": chat,
                "fromMe": false, "participant": participant, "timestamp": 1_790_000_100,
                "reaction": {"text": text, "messageId": format!("true_{chat}_{bare}")}}),
        )
    }

    pub(super) fn call(self, id: &str, from: &str) -> Self {
        self.tell("call.received", json!({"id": id, "from": from, "timestamp": 1_790_000_000}))
    }

    pub(super) fn label(self, event_type: &str, chat: &str) -> Self {
        self.tell(event_type, json!({"labelId": "6", "chatId": chat, "label": null}))
    }

    pub(super) fn archive(self, chat: &str, archived: bool) -> Self {
        self.tell("chat.archive", json!({"id": chat, "archived": archived}))
    }
}

fn message(bare: &str, chat: &str, from_me: bool, alt: &str) -> Value {
    let me = "12025550100:14@s.whatsapp.net";
    let sender = if from_me { me } else { chat };
    let (sender_alt, recipient_alt) = if from_me { ("", alt) } else { (alt, "") };
    json!({
        "id": format!("{from_me}_{chat}_{bare}"), "timestamp": 1_790_000_000, "from": chat,
        "fromMe": from_me, "body": format!("text of {bare}"), "hasMedia": false, "ack": 1,
        "_data": {"Info": {
            "Chat": chat, "Sender": sender, "IsFromMe": from_me, "SenderAlt": sender_alt,
            "RecipientAlt": recipient_alt, "PushName": if from_me { "Desk" } else { chat },
        }, "Message": {"conversation": "text"}},
    })
}

fn group_message(bare: &str, sender: &str, text: &str) -> Value {
    json!({
        "id": format!("false_{GROUP}_{bare}_{sender}"), "from": GROUP, "participant": sender,
        "fromMe": false, "body": text, "timestamp": 1_790_000_000, "hasMedia": false,
        "_data": {"Info": {"Chat": GROUP, "Sender": sender, "IsFromMe": false, "IsGroup": true},
            "Message": {"conversation": text}},
    })
}

/// The person's other id as whatsmeow writes it, with a device.
fn other(chat: &str) -> String {
    if chat == LID { PHONE.replace("@c.us", ":3@s.whatsapp.net") } else { LID.replace('@', ":3@") }
}

/// A webhook as a queue would deliver it.
pub(super) fn webhook(event_type: &str, id: String, at_ms: i64, body: &Value) -> Webhook {
    let key = WebhookKey {
        source: "default".into(),
        session: body["session"].as_str().unwrap().into(),
        event_type: event_type.into(),
        id,
    };
    Webhook::from(WebhookParts {
        key,
        receipt: Receipt::new(),
        at_ms,
        received_at_ms: at_ms,
        replay: false,
        headers: std::collections::BTreeMap::new(),
        body: serde_json::to_vec(body).unwrap().into(),
    })
}
