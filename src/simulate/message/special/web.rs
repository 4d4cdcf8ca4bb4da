//! WhatsApp Web's raw messages, of WEBJS and WPP.

use super::Special;
use crate::simulate::json::{Obj, obj};
use crate::simulate::message::Shot;

/// Its `type`.
pub(in crate::simulate::message) const fn kind(special: &Special) -> &'static str {
    match special {
        Special::Video { .. } => "video",
        Special::Sticker { .. } => "sticker",
        Special::Vanishing(_) | Special::StoryAnswer(_) | Special::FromAd(_) => "chat",
        Special::ViewOnce | Special::AlbumPicture { .. } => "image",
        Special::List => "list",
        Special::ListAnswer => "list_response",
        Special::Buttons => "buttons",
        Special::ButtonAnswer => "buttons_response",
        Special::Interactive => "interactive",
        Special::Album { .. } => "album",
        Special::Event => "event_creation",
        Special::CallEntry { .. } => "call_log",
        Special::VanishingSetting => "notification_template",
        Special::Pin { .. } => "pinned_message",
        Special::Notice => "e2e_notification",
        Special::EventAnswer { .. } => "event_response",
        Special::LeakedEdit { .. } | Special::LeakedKeys => "protocol",
        Special::LeakedReaction { .. } => "reaction_enc",
        Special::LeakedVote { .. } => "poll_update",
    }
}

/// What that type has; `media` is the engine's form of its file.
pub(in crate::simulate::message) fn content(
    special: &Special,
    shot: &Shot<'_>,
    media: impl FnOnce() -> Obj,
) -> Obj {
    match special {
        Special::Video { caption, seconds } => media()
            .with_some("caption", caption.as_ref())
            .and(&obj! { "duration": seconds.to_string(), "width": 720, "height": 1_280 }),
        Special::Sticker { animated } => media().with("isAnimated", *animated),
        Special::Vanishing(_) => obj! { "ephemeralDuration": 86_400 },
        Special::ViewOnce => media().with("isViewOnce", true),
        Special::AlbumPicture { album } => media().with("parentMsgKey", key(shot, album)),
        Special::StoryAnswer(_) => obj! { "quotedRemoteJid": "status@broadcast" },
        Special::FromAd(_) => obj! { "ctwaContext": obj! {
            "conversionSource": "FB_Ads", "sourceType": "ad", "title": "Tiles in spring",
            "sourceId": "120211111111111111", "sourceUrl": "https://fb.example/tiles",
            "description": "Write to us",
        } },
        Special::CallEntry { seconds, video } => {
            obj! { "callDuration": *seconds, "isVideoCall": *video }
        }
        Special::VanishingSetting => {
            obj! { "subtype": "change_ephemeral_setting", "templateParams": vec!["604800"] }
        }
        Special::Pin { target } => {
            obj! { "pinMessageType": 1, "pinParentKey": key(shot, target) }
        }
        Special::Notice => obj! { "subtype": "encrypt" },
        Special::LeakedEdit { target } => {
            obj! { "subtype": "message_edit", "protocolMessageKey": key(shot, target) }
        }
        _ => offered(special),
    }
}

/// What lists, buttons and invitations are, and the answers to them.
fn offered(special: &Special) -> Obj {
    match special {
        Special::List => {
            let row = |id: &str, title: &str| obj! { "rowId": id, "title": title };
            obj! { "list": obj! {
                "title": "Tiles", "description": "Which do you want?", "buttonText": "Choose",
                "sections": vec![obj! {
                    "title": "Floor", "rows": vec![row("t-1", "Blue"), row("t-2", "Green")],
                }],
            } }
        }
        Special::ListAnswer => obj! { "listResponse": obj! {
            "title": "Green", "singleSelectReply": obj! { "selectedRowId": "t-2" },
        } },
        Special::Buttons => {
            let button = |id: &str, text: &str| {
                obj! { "buttonId": id, "buttonText": obj! { "displayText": text } }
            };
            obj! {
                "contentText": "Shall we come tomorrow?", "footer": "Depot",
                "dynamicReplyButtons": vec![button("yes", "Yes"), button("no", "No")],
            }
        }
        Special::ButtonAnswer => {
            obj! { "selectedButtonId": "yes", "selectedDisplayText": "Yes" }
        }
        Special::Interactive => obj! {
            "interactiveHeader": obj! { "title": "This week" }, "footer": "Until Sunday",
            "interactivePayload": obj! { "buttons": vec![obj! { "name": "cta_url" }] },
        },
        Special::Album { pictures } => obj! { "expectedImageCount": *pictures },
        Special::Event => obj! {
            "eventName": "Open day", "eventDescription": "Bring a friend",
            "eventStartTime": 1_800_000_000,
        },
        _ => Obj::new(),
    }
}

/// The key of a message of the same chat and author.
fn key(shot: &Shot<'_>, target: &str) -> Obj {
    let message = shot.message;
    let head = crate::simulate::message::head(
        shot.session,
        message.chat,
        message.author,
        message.from_me,
        target,
    );
    crate::simulate::message::id_object(message.from_me, message.chat, target, &head)
}
