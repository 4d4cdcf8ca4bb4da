//! Messages as NOWEB tells them: a Baileys message in `_data`, its 64-bit numbers as text.

use super::parts::vcard;
use super::special::{Special, proto};
use super::{Chat, Content, Shot};
use crate::simulate::json::{Null, Obj, obj};

pub(super) fn payload(shot: &Shot<'_>) -> Obj {
    let message = shot.message;
    let head = message.head(shot.session);
    shot.common_head(&head)
        .with("body", message.content.text())
        .with_some("to", head.to.as_ref())
        .with_some("participant", head.participant.as_ref())
        .and(&obj! {
            "hasMedia": message.content.mimetype().is_some(), "media": shot.media(),
            "ack": shot.ack, "ackName": shot.ack_name(), "location": shot.location(),
            "vCards": shot.vcards(), "replyTo": shot.reply_to(), "_data": data(shot),
        })
}

/// The Baileys message.
pub(super) fn data(shot: &Shot<'_>) -> Obj {
    let message = shot.message;
    let data = obj! {
        "key": key(shot), "messageTimestamp": message.seconds(), "pushName": shot.sender_name(),
        "broadcast": false, "status": shot.ack.map(|ack| ack + 1),
    };
    match &message.content {
        // A notice has a type instead of a message.
        Content::Special(Special::Notice) => data.and(&obj! {
            "messageStubType": "GROUP_PARTICIPANT_ADD",
            "messageStubParameters": vec![message.author.jid(message.chat.form())],
        }),
        _ => data.with("message", content(shot).with("messageContextInfo", context(shot))),
    }
}

fn key(shot: &Shot<'_>) -> Obj {
    let message = shot.message;
    let key = obj! { "remoteJid": message.chat.jid() };
    let rest = obj! { "fromMe": message.from_me, "id": &message.bare_id };
    match message.chat {
        Chat::Direct(person, form) => {
            let other = message.linked.then(|| person.jid(form.other()));
            key.with_some("remoteJidAlt", other).and(&rest).and(&obj! {
                "participant": "", "addressingMode": form.mode(),
            })
        }
        Chat::Group(_, form) => {
            let head = message.head(shot.session);
            let shown = head.participant.map(|_| message.author.jid(form));
            let other = shown.as_ref().filter(|_| shot.session.links_lids());
            let other = other.map(|_| message.author.jid(form.other()));
            key.and(&rest)
                .with("participant", shown.unwrap_or_default())
                .with_some("participantAlt", other)
                .with("addressingMode", form.mode())
        }
        Chat::Channel(_) => key.and(&rest).with("participant", ""),
    }
}

fn context(shot: &Shot<'_>) -> Obj {
    let keys = &shot.keys;
    let seconds = shot.message.seconds();
    obj! {
        "deviceListMetadata": obj! {
            "senderKeyHash": &keys.sender_hash, "senderTimestamp": (seconds - 40_000).to_string(),
            "senderAccountType": "E2EE", "receiverAccountType": "E2EE",
            "recipientKeyHash": &keys.recipient_hash,
            "recipientTimestamp": (seconds - 700).to_string(),
        },
        "deviceListMetadataVersion": 2, "messageSecret": &keys.secret,
        "limitSharingV2": obj! {
            "sharingLimited": false, "trigger": "UNKNOWN", "limitSharingSettingTimestamp": "0",
            "initiatedByMe": false,
        },
    }
    .and(&proto::association(shot))
}

fn content(shot: &Shot<'_>) -> Obj {
    match &shot.message.content {
        Content::Text(text) => plain(shot, text),
        Content::Link { text, url } => obj! { "extendedTextMessage": obj! {
            "text": text, "matchedText": url, "title": "Example",
            "description": "A page of examples", "previewType": "NONE",
            "jpegThumbnail": &shot.keys.thumbnail, "contextInfo": quoted(shot),
        } },
        Content::Image { caption } => obj! { "imageMessage": media(shot)
        .and(&obj! { "width": 1_200, "height": 1_600 })
        .with_some("caption", caption.as_ref())
        .with("jpegThumbnail", &shot.keys.thumbnail) },
        Content::Voice { seconds } => obj! { "audioMessage": media(shot).and(&obj! {
            "seconds": *seconds, "ptt": true, "waveform": &shot.keys.enc_sha256,
        }) },
        Content::Document { name, caption } => document(shot, name, caption.as_ref()),
        Content::Location { latitude, longitude, name } => obj! { "locationMessage": obj! {
            "degreesLatitude": *latitude, "degreesLongitude": *longitude, "name": name,
            "address": "1 Example Way", "jpegThumbnail": &shot.keys.thumbnail,
        } },
        Content::Contact(person) => obj! { "contactMessage": obj! {
            "displayName": person.name(), "vcard": vcard(*person),
        } },
        Content::Poll { question, options } => poll(question, options),
        Content::Special(special) => proto::content(special, shot, || media(shot)),
        Content::Edit { target, text } => obj! { "protocolMessage": obj! {
            "key": target_key(shot, target), "type": "MESSAGE_EDIT",
            "editedMessage": obj! { "conversation": text },
            "timestampMs": shot.message.at_ms.to_string(),
        } },
        Content::Revoke { target } => obj! { "protocolMessage": obj! {
            "key": target_key(shot, target), "type": "REVOKE",
        } },
    }
}

/// Text: the short form, unless it answers something or was typed on a phone.
fn plain(shot: &Shot<'_>, text: &str) -> Obj {
    if shot.message.quote.is_none() && !shot.keys.bytes.is_multiple_of(3) {
        return obj! { "conversation": text };
    }
    obj! { "extendedTextMessage": obj! {
        "text": text, "previewType": "NONE", "contextInfo": quoted(shot), "inviteLinkGroupTypeV2": "DEFAULT",
    } }
}

fn quoted(shot: &Shot<'_>) -> Obj {
    let expiry = obj! {
        "expiration": 0, "ephemeralSettingTimestamp": "0", "disappearingMode": obj! {
            "initiator": "CHANGED_IN_CHAT", "trigger": "UNKNOWN", "initiatedByMe": false,
        },
    };
    shot.message.quote.as_ref().map_or(expiry.clone(), |quote| {
        obj! {
            "stanzaId": &quote.bare_id,
            "participant": quote.author.jid(shot.message.chat.form()),
            "quotedMessage": obj! { "conversation": &quote.text },
        }
        .and(&expiry)
    })
}

fn document(shot: &Shot<'_>, name: &str, caption: Option<&String>) -> Obj {
    let document = media(shot)
        .and(&obj! { "title": name, "pageCount": 2, "fileName": name })
        .with_some("caption", caption)
        .with("jpegThumbnail", &shot.keys.thumbnail);
    let plain = obj! { "documentMessage": document };
    if caption.is_none() {
        return plain;
    }
    obj! { "documentWithCaptionMessage": obj! { "message": plain } }
}

fn media(shot: &Shot<'_>) -> Obj {
    let keys = &shot.keys;
    obj! {
        "url": format!("https://mmg.whatsapp.net/v/t62.7118-24/{}?mms3=true", keys.bytes),
        "mimetype": shot.message.content.mimetype(), "fileSha256": &keys.sha256,
        "fileLength": keys.bytes.to_string(), "mediaKey": &keys.media_key,
        "fileEncSha256": &keys.enc_sha256,
        "directPath": format!("/v/t62.7118-24/{}", keys.bytes),
        "mediaKeyTimestamp": (shot.message.seconds() - 1).to_string(),
    }
}

fn poll(question: &str, options: &[&str]) -> Obj {
    let options: Vec<Obj> = options.iter().map(|name| obj! { "optionName": *name }).collect();
    obj! { "pollCreationMessageV3": obj! {
        "name": question, "options": options, "selectableOptionsCount": 0, "contextInfo": Null,
    } }
}

/// The key of the message that this one changes.
fn target_key(shot: &Shot<'_>, target: &str) -> Obj {
    let message = shot.message;
    let member = message.chat.is_group().then(|| message.author.jid(message.chat.form()));
    obj! { "remoteJid": message.chat.jid(), "fromMe": message.from_me, "id": target }
        .with_some("participant", member)
}
