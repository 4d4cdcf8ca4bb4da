//! Messages as WPP tells them: close to WEBJS, with `WPPConnect`'s own message in `_data`.

use std::sync::LazyLock;

use super::parts::vcard;
use super::special::web;
use super::webjs::{kind, numbered, quoted, raw_body};
use super::{Content, Head, Shot};
use crate::simulate::json::{Null, Obj, obj};

pub(super) fn payload(shot: &Shot<'_>) -> Obj {
    let message = shot.message;
    let head = message.head(shot.session);
    shot.common_head(&head).and(&obj! {
        "to": &head.to, "participant": &head.participant, "body": message.content.text(),
        "hasMedia": message.content.mimetype().is_some(), "media": shot.media(),
        "mediaUrl": Null, "ack": shot.ack, "ackName": shot.ack_name(), "location": Null,
        "vCards": shot.vcards(), "replyTo": shot.reply_to(), "_data": data(shot, &head),
    })
}

fn data(shot: &Shot<'_>, head: &Head) -> Obj {
    let message = shot.message;
    let name = (!message.from_me).then(|| shot.sender_name());
    obj! {
        "id": &head.id, "viewed": false, "body": raw_body(shot), "type": kind(&message.content),
        "t": message.seconds(),
    }
    .with_some("notifyName", name.as_ref())
    .and(&obj! {
        "from": &head.from, "to": &head.to, "author": &head.participant, "ack": shot.ack,
        "chatId": message.chat.id(), "fromMe": message.from_me, "timestamp": message.seconds(),
        "content": raw_body(shot), "isGroupMsg": message.chat.is_group(),
        "sender": sender(shot, head, name.as_ref()),
    })
    .and(&FLAGS)
    .and(&content(shot))
    .and(&quoted(message))
    .with("messageSecret", &shot.keys.secret)
}

/// The contact object of the author.
fn sender(shot: &Shot<'_>, head: &Head, name: Option<&String>) -> Obj {
    let id = head.participant.as_ref().unwrap_or(&head.from);
    obj! {
        "id": id, "name": name, "shortName": name, "pushname": name,
        "type": if shot.message.from_me { "out" } else { "in" }, "verifiedName": Null,
        "isBusiness": false, "isEnterprise": false, "isSmb": false, "isMyContact": false,
        "isMe": shot.message.from_me, "isUser": true, "isWAContact": true, "msgs": Null,
        "labels": Vec::<String>::new(), "formattedName": name, "statusMute": false,
        "profilePicThumbObj": obj! {
            "eurl": format!("https://pps.whatsapp.net/v/t61.24694-24/{}.jpg", shot.keys.bytes),
            "id": id, "tag": shot.keys.bytes.to_string(),
        },
    }
}

static FLAGS: LazyLock<Obj> = LazyLock::new(|| {
    let none = Vec::<String>::new;
    obj! {
        "invis": false, "isNewMsg": true, "star": false, "kicNotified": false, "recvFresh": true,
        "isFromTemplate": false, "pollInvalidated": false, "isSentCagPollCreation": false,
        "latestEditMsgKey": Null, "latestEditSenderTimestampMs": Null,
        "mentionedJidList": none(), "groupMentions": none(), "isEventCanceled": false,
        "eventInvalidated": false, "isVcardOverMmsDocument": false, "isForwarded": false,
        "labels": none(), "hasReaction": false, "productHeaderImageRejected": false,
        "lastPlaybackProgress": 0, "isDynamicReplyButtonsMsg": false, "isMdHistoryMsg": false,
        "requiresDirectConnection": false, "isMedia": false, "isNotification": false,
        "isPSA": false,
    }
});

fn content(shot: &Shot<'_>) -> Obj {
    match &shot.message.content {
        Content::Text(_) | Content::Edit { .. } | Content::Revoke { .. } => Obj::new(),
        Content::Link { url, .. } => obj! {
            "subtype": "url", "title": "Example", "matchedText": url,
            "thumbnail": &shot.keys.thumbnail,
        },
        Content::Image { caption } => media(shot).with("caption", caption),
        Content::Voice { seconds } => media(shot).with("duration", *seconds),
        Content::Document { name, caption } => {
            media(shot).and(&obj! { "caption": caption, "filename": name })
        }
        Content::Location { latitude, longitude, name } => {
            obj! { "lat": *latitude, "lng": *longitude, "loc": name }
        }
        Content::Contact(person) => {
            obj! { "vcardFormattedName": person.name(), "vcard": vcard(*person) }
        }
        Content::Poll { question, options } => {
            obj! { "pollName": question, "pollOptions": numbered(options) }
        }
        Content::Special(special) => web::content(special, shot, || media(shot)),
    }
}

fn media(shot: &Shot<'_>) -> Obj {
    let keys = &shot.keys;
    obj! {
        "mimetype": shot.message.content.mimetype(), "size": keys.bytes,
        "deprecatedMms3Url": format!("https://mmg.whatsapp.net/v/t62.7118-24/{}", keys.bytes),
        "directPath": format!("/v/t62.7118-24/{}", keys.bytes), "filehash": &keys.sha256,
        "encFilehash": &keys.enc_sha256, "mediaKey": &keys.media_key,
        "mediaKeyTimestamp": shot.message.seconds() - 1,
    }
}
