//! Messages as GOWS tells them: a whatsmeow event in `_data`, in Go's spelling, the message twice.

use chrono::{DateTime, SecondsFormat};

use super::parts::vcard;
use super::special::proto;
use super::{Chat, Content, Shot};
use crate::simulate::json::{Null, Obj, obj};
use crate::simulate::people::Person;

pub(super) fn payload(shot: &Shot<'_>) -> Obj {
    let message = shot.message;
    let head = message.head(shot.session);
    shot.common_head(&head).with_some("body", message.content.text()).and(&obj! {
        "to": &head.to, "participant": &head.participant,
        "hasMedia": message.content.mimetype().is_some(), "media": shot.media(),
        "ack": shot.ack, "location": shot.location(), "vCards": shot.vcards(),
        "ackName": shot.ack_name(), "replyTo": shot.reply_to(), "_data": data(shot),
    })
}

/// The whatsmeow event.
pub(super) fn data(shot: &Shot<'_>) -> Obj {
    let content = content(shot).with("messageContextInfo", context(shot));
    obj! {
        "Info": info(shot), "Message": &content, "IsEphemeral": false, "IsViewOnce": false,
        "IsViewOnceV2": false, "IsViewOnceV2Extension": false, "IsDocumentWithCaption": false,
        "IsLottieSticker": false, "IsBotInvoke": false, "IsEdit": false, "SourceWebMsg": Null,
        "UnavailableRequestID": "", "RetryCount": 0, "NewsletterMeta": Null,
        "RawMessage": &content, "Status": shot.ack.map(|ack| ack + 1),
    }
}

fn info(shot: &Shot<'_>) -> Obj {
    let message = shot.message;
    let (sender, sender_alt, recipient_alt) = parties(shot);
    let mode = if message.chat.is_group() { message.chat.form().mode() } else { "" };
    let (kind, media) = kinds(&message.content);
    obj! {
        "Chat": message.chat.jid(), "Sender": sender, "IsFromMe": message.from_me,
        "IsGroup": message.chat.is_group(), "AddressingMode": mode, "SenderAlt": sender_alt,
        "RecipientAlt": recipient_alt, "BroadcastListOwner": "", "BroadcastRecipients": Null,
        "ID": &message.bare_id, "ServerID": 0, "Type": kind, "PushName": shot.sender_name(),
        "Timestamp": rfc3339(message.at_ms), "Category": "", "Multicast": false,
        "MediaType": media, "Edit": "",
        "MsgBotInfo": obj! {
            "EditType": "", "EditTargetID": "", "EditSenderTimestampMS": "0001-01-01T00:00:00Z",
        },
        "MsgMetaInfo": obj! {
            "TargetID": "", "TargetSender": "", "TargetChat": "", "DeprecatedLIDSession": Null,
            "ThreadMessageID": "", "ThreadMessageSenderJID": "",
        },
        "VerifiedName": Null, "DeviceSentMeta": Null,
    }
}

/// Sender, and the other names of sender and recipient (empty when not told).
fn parties(shot: &Shot<'_>) -> (String, String, String) {
    let message = shot.message;
    let told = |person: Person| person.jid(message.chat.form().other());
    match message.chat {
        Chat::Direct(person, form) => {
            let other = if message.linked { told(person) } else { String::new() };
            if message.from_me {
                (with_device(&message.author.jid(form)), String::new(), other)
            } else {
                (person.jid(form), other, String::new())
            }
        }
        Chat::Group(_, form) if message.from_me => {
            (with_device(&message.author.jid(form)), told(message.author), String::new())
        }
        Chat::Group(_, form) => (message.author.jid(form), told(message.author), String::new()),
        Chat::Channel(_) => (message.chat.jid(), String::new(), String::new()),
    }
}

/// Own messages name the device that sent them.
fn with_device(jid: &str) -> String {
    jid.replacen('@', ":14@", 1)
}

const fn kinds(content: &Content) -> (&'static str, &'static str) {
    match content {
        Content::Text(_) | Content::Special(_) | Content::Edit { .. } | Content::Revoke { .. } => {
            ("text", "")
        }
        Content::Link { .. } => ("media", "url"),
        Content::Image { .. } => ("media", "image"),
        Content::Voice { .. } => ("media", "ptt"),
        Content::Document { .. } => ("media", "document"),
        Content::Location { .. } => ("media", "location"),
        Content::Contact(_) => ("media", "vcard"),
        Content::Poll { .. } => ("poll", ""),
    }
}

fn context(shot: &Shot<'_>) -> Obj {
    let keys = &shot.keys;
    let seconds = shot.message.seconds();
    obj! {
        "deviceListMetadata": obj! {
            "senderTimestamp": seconds - 40_000, "recipientKeyHash": &keys.recipient_hash,
            "recipientTimestamp": seconds - 700,
        },
        "deviceListMetadataVersion": 2, "messageSecret": &keys.secret,
    }
    .and(&proto::association(shot))
}

fn content(shot: &Shot<'_>) -> Obj {
    match &shot.message.content {
        Content::Text(text) => plain(shot, text),
        Content::Link { text, url } => obj! { "extendedTextMessage": obj! {
            "text": text, "matchedText": url, "title": "Example",
            "description": "A page of examples", "previewType": 0,
            "JPEGThumbnail": &shot.keys.thumbnail,
        } },
        Content::Image { caption } => obj! { "imageMessage": media(shot)
        .with_some("caption", caption.as_ref())
        .and(&obj! { "height": 1_600, "width": 1_200 })
        .with("JPEGThumbnail", &shot.keys.thumbnail) },
        Content::Voice { seconds } => obj! { "audioMessage": media(shot).and(&obj! {
            "seconds": *seconds, "PTT": true, "waveform": &shot.keys.enc_sha256,
        }) },
        Content::Document { name, caption } => obj! { "documentMessage": media(shot)
        .and(&obj! { "title": name, "fileName": name, "pageCount": 2 })
        .with_some("caption", caption.as_ref())
        .with("JPEGThumbnail", &shot.keys.thumbnail) },
        Content::Location { latitude, longitude, name } => obj! { "locationMessage": obj! {
            "degreesLatitude": *latitude, "degreesLongitude": *longitude, "name": name,
            "address": "1 Example Way", "JPEGThumbnail": &shot.keys.thumbnail,
        } },
        Content::Contact(person) => obj! { "contactMessage": obj! {
            "displayName": person.name(), "vcard": vcard(*person),
        } },
        Content::Poll { question, options } => poll(question, options),
        Content::Special(special) => proto::content(special, shot, || media(shot)),
        Content::Edit { target, text } => obj! { "protocolMessage": obj! {
            "key": target_key(shot, target), "type": 14,
            "editedMessage": obj! { "conversation": text }, "timestampMS": shot.message.at_ms,
        } },
        Content::Revoke { target } => obj! { "protocolMessage": obj! {
            "key": target_key(shot, target), "type": 0,
        } },
    }
}

fn plain(shot: &Shot<'_>, text: &str) -> Obj {
    let Some(quote) = &shot.message.quote else {
        return obj! { "conversation": text };
    };
    obj! { "extendedTextMessage": obj! { "text": text, "contextInfo": obj! {
        "stanzaID": &quote.bare_id, "participant": quote.author.jid(shot.message.chat.form()),
        "quotedMessage": obj! { "conversation": &quote.text },
    } } }
}

fn media(shot: &Shot<'_>) -> Obj {
    let keys = &shot.keys;
    obj! {
        "URL": format!("https://mmg.whatsapp.net/v/t62.7118-24/{}?mms3=true", keys.bytes),
        "mimetype": shot.message.content.mimetype(), "fileSHA256": &keys.sha256,
        "fileLength": keys.bytes, "mediaKey": &keys.media_key,
        "fileEncSHA256": &keys.enc_sha256,
        "directPath": format!("/v/t62.7118-24/{}", keys.bytes),
        "mediaKeyTimestamp": shot.message.seconds() - 1,
    }
}

fn poll(question: &str, options: &[&str]) -> Obj {
    let options: Vec<Obj> = options.iter().map(|name| obj! { "optionName": *name }).collect();
    obj! { "pollCreationMessageV3": obj! {
        "name": question, "options": options, "selectableOptionsCount": 0,
    } }
}

/// The key of the message that this one changes.
fn target_key(shot: &Shot<'_>, target: &str) -> Obj {
    let message = shot.message;
    let member = message.chat.is_group().then(|| message.author.jid(message.chat.form()));
    obj! { "remoteJID": message.chat.jid(), "fromMe": message.from_me, "ID": target }
        .with_some("participant", member)
}

/// A time as Go prints it, to the second.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    DateTime::from_timestamp_millis(at_ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}
