//! Messages as WEBJS tells them: the raw message of WhatsApp Web in `_data`.

use std::sync::LazyLock;

use super::parts::vcard;
use super::special::web;
use super::{Chat, Content, Head, Message, Shot};
use crate::simulate::json::{Null, Obj, obj};
use crate::simulate::people::Form;
use crate::simulate::world::World;

pub(super) fn payload(shot: &Shot<'_>) -> Obj {
    payload_with(shot, |raw| raw)
}

/// The message with `wrap` around its raw form.
pub(super) fn payload_with(shot: &Shot<'_>, wrap: impl FnOnce(Obj) -> Obj) -> Obj {
    let message = shot.message;
    let head = message.head(shot.session);
    // Location messages carry their picture as text.
    let located = matches!(message.content, Content::Location { .. });
    let picture = located.then_some(shot.keys.thumbnail.as_str());
    let body = picture.or(message.content.text());
    shot.common_head(&head)
        .with_some("to", head.to.as_ref())
        .with_some("participant", head.participant.as_ref())
        .with("body", body.unwrap_or(""))
        .with("hasMedia", message.content.mimetype().is_some())
        .with("media", shot.media())
        .with("ack", shot.ack)
        .with("ackName", shot.ack_name())
        .with("location", shot.location())
        .with("vCards", shot.vcards().unwrap_or_default())
        .with_some("replyTo", shot.reply_to())
        .with("_data", wrap(data(shot, &head)))
}

/// The placeholder for a message that cannot be decrypted yet.
pub(super) fn waiting(world: &World, message: &Message) -> Obj {
    let session = &world.sessions[message.session];
    let head = message.head(session);
    let data = obj! {
        "id": id_object(message.from_me, message.chat, &message.bare_id, &head),
        "viewed": false, "body": "", "type": "ciphertext", "t": message.seconds(),
        "notifyName": message.author.name(), "from": &head.from, "to": &head.to, "ack": 1,
        "subtype": "fanout",
    }
    .and(&FLAGS);
    obj! {
        "id": &head.id, "timestamp": message.seconds(), "from": &head.from, "fromMe": false,
        "source": "app",
    }
    .with_some("to", head.to.as_ref())
    .with_some("participant", head.participant.as_ref())
    .and(&obj! {
        "body": "", "hasMedia": false, "media": Null, "ack": 1, "ackName": "SERVER",
        "location": Null, "vCards": Vec::<String>::new(), "_data": data,
    })
}

/// The id in parts, as WhatsApp Web keeps it.
pub(crate) fn id_object(from_me: bool, chat: Chat, bare_id: &str, head: &Head) -> Obj {
    obj! { "fromMe": from_me, "remote": chat.id(), "id": bare_id }
        .with_some("participant", head.participant.as_ref())
        .with("_serialized", &head.id)
}

fn data(shot: &Shot<'_>, head: &Head) -> Obj {
    let message = shot.message;
    let name = (!message.from_me).then(|| shot.sender_name());
    obj! {
        "id": id_object(message.from_me, message.chat, &message.bare_id, head), "viewed": false,
        "body": raw_body(shot), "type": kind(&message.content), "t": message.seconds(),
    }
    .with_some("notifyName", name)
    .and(&obj! { "from": &head.from, "to": &head.to })
    .with_some("author", author(message))
    .and(&obj! { "ack": shot.ack })
    .and(&FLAGS)
    .and(&content(shot))
    .and(&quoted(message))
    .with("messageSecret", secret(shot))
}

/// The author of a group message: text in some groups, an object in others.
fn author(message: &Message) -> Option<Obj> {
    let Chat::Group(_, form) = message.chat else { return None };
    let serialized = message.author.id(form);
    let server = if form == Form::Lid { "lid" } else { "c.us" };
    let user = serialized.split('@').next().unwrap_or_default();
    Some(obj! { "server": server, "user": user, "_serialized": &serialized })
}

/// What every raw message says, whatever it is about.
static FLAGS: LazyLock<Obj> = LazyLock::new(|| {
    let none = Vec::<String>::new;
    obj! {
        "invis": false, "isNewMsg": true, "star": false, "kicNotified": false,
        "recvFresh": true, "isFromTemplate": false, "pollInvalidated": false,
        "isSentCagPollCreation": false, "latestEditMsgKey": Null,
        "latestEditSenderTimestampMs": Null, "mentionedJidList": none(), "groupMentions": none(),
        "isEventCanceled": false, "eventInvalidated": false, "isVcardOverMmsDocument": false,
        "isForwarded": false, "isQuestion": false, "questionReplyQuotedMessage": Null,
        "hasReaction": false, "viewMode": "VISIBLE", "messageAddOnRevocationType": Null,
        "lastPlaybackProgress": 0, "isDynamicReplyButtonsMsg": false, "isCarouselCard": false,
        "parentMsgId": Null, "callSilenceReason": Null, "isVideoCall": false,
        "callDuration": Null, "callCreator": Null, "callParticipants": Null,
        "isCallLink": Null, "callLinkToken": Null, "isMdHistoryMsg": false, "stickerSentTs": 0,
        "isAvatar": false, "lastUpdateFromServerTs": 0, "invokedBotWid": Null,
        "bizBotType": Null, "botResponseTargetId": Null, "botPluginType": Null,
        "botPluginReferenceIndex": Null, "botPluginSearchProvider": Null, "botPluginSearchUrl": Null,
        "botPluginSearchQuery": Null, "botPluginMaybeParent": false, "botReelPluginThumbnailCdnUrl": Null,
        "botMessageDisclaimerText": Null, "botMsgBodyType": Null, "requiresDirectConnection": Null,
        "bizContentPlaceholderType": Null, "hostedBizEncStateMismatch": false,
        "senderOrRecipientAccountTypeHosted": false, "placeholderCreatedWhenAccountIsHosted": false,
        "galaxyFlowDisabled": false, "links": none(),
    }
});

fn content(shot: &Shot<'_>) -> Obj {
    let keys = &shot.keys;
    match &shot.message.content {
        Content::Text(_) | Content::Edit { .. } => Obj::new(),
        Content::Link { url, .. } => obj! {
            "subtype": "url", "title": "Example", "description": "A page of examples",
            "matchedText": url, "canonicalUrl": url, "thumbnail": &keys.thumbnail,
        },
        Content::Image { caption } => media(shot)
            .with_some("caption", caption.as_ref())
            .and(&obj! { "width": 1_200, "height": 1_600 }),
        Content::Voice { seconds } => media(shot).with("duration", seconds.to_string()),
        Content::Document { name, caption } => media(shot)
            .with_some("caption", caption.as_ref())
            .and(&obj! { "filename": name, "pageCount": 2 }),
        Content::Location { latitude, longitude, name } => {
            obj! { "lat": *latitude, "lng": *longitude, "loc": name, "isLive": false }
        }
        Content::Contact(person) => {
            obj! { "vcardFormattedName": person.name(), "vcard": vcard(*person) }
        }
        Content::Poll { question, options } => obj! {
            "pollName": question, "pollOptions": numbered(options), "pollSelectableOptionsCount": 0,
        },
        Content::Special(special) => web::content(special, shot, || media(shot)),
        Content::Revoke { target } => revoke(shot, target),
    }
}

fn revoke(shot: &Shot<'_>, target: &str) -> Obj {
    let message = shot.message;
    let head = super::head(shot.session, message.chat, message.author, message.from_me, target);
    let key = id_object(message.from_me, message.chat, target, &head);
    obj! { "subtype": "sender", "protocolMessageKey": key }
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

pub(super) fn numbered(options: &[&str]) -> Vec<Obj> {
    let option = |(place, name): (i64, &&str)| obj! { "name": *name, "localId": place };
    (0..).zip(options).map(option).collect()
}

/// The picture in small where there is one, else the text.
pub(super) fn raw_body<'a>(shot: &'a Shot<'_>) -> &'a str {
    let content = &shot.message.content;
    let pictured = matches!(
        content,
        Content::Image { .. } | Content::Location { .. } | Content::Document { .. }
    );
    if pictured { &shot.keys.thumbnail } else { content.text().unwrap_or("") }
}

pub(super) fn quoted(message: &Message) -> Obj {
    message.quote.as_ref().map_or_else(Obj::new, |quote| {
        obj! {
            "quotedMsg": obj! { "type": "chat", "body": &quote.text },
            "quotedStanzaID": &quote.bare_id,
            "quotedParticipant": quote.author.id(message.chat.form()),
        }
    })
}

/// A byte array in the form that WhatsApp Web gives it: a map from place to byte.
fn secret(shot: &Shot<'_>) -> Obj {
    let bytes = shot.keys.secret.bytes().take(32);
    (0..)
        .zip(bytes)
        .fold(Obj::new(), |map, (place, byte): (u8, u8)| map.with(&place.to_string(), byte))
}

pub(super) const fn kind(content: &Content) -> &'static str {
    match content {
        Content::Text(_) | Content::Link { .. } | Content::Edit { .. } => "chat",
        Content::Image { .. } => "image",
        Content::Voice { .. } => "ptt",
        Content::Document { .. } => "document",
        Content::Location { .. } => "location",
        Content::Contact(_) => "vcard",
        Content::Poll { .. } => "poll_creation",
        Content::Special(special) => web::kind(special),
        Content::Revoke { .. } => "revoked",
    }
}
