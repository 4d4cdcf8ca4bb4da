//! The protobuf messages of NOWEB and GOWS, which spell names and words differently.

use super::Special;
use crate::simulate::json::{Obj, obj};
use crate::simulate::message::{Content, Shot};
use crate::simulate::people::Form;
use crate::simulate::session::Engine;

/// Baileys' spelling or whatsmeow's.
#[derive(Clone, Copy)]
struct Spelling {
    is_gows: bool,
}

impl Spelling {
    /// A name that ends in an abbreviation.
    const fn name(self, noweb: &'static str, gows: &'static str) -> &'static str {
        if self.is_gows { gows } else { noweb }
    }

    /// A word of the protocol, or its number.
    fn word(self, name: &'static str, word: &str, number: i64) -> Obj {
        if self.is_gows { Obj::new().with(name, number) } else { Obj::new().with(name, word) }
    }

    /// Alternatives of the protocol are a level of their own in whatsmeow.
    fn oneof(self, level: &'static str, name: &'static str, gows: &'static str, it: Obj) -> Obj {
        if self.is_gows {
            Obj::new().with(level, Obj::new().with(gows, it))
        } else {
            Obj::new().with(name, it)
        }
    }
}

/// The message; `media` is the engine's form of its file.
pub(in crate::simulate::message) fn content(
    special: &Special,
    shot: &Shot<'_>,
    media: impl FnOnce() -> Obj,
) -> Obj {
    let spelling = Spelling { is_gows: shot.session.engine == Engine::Gows };
    match special {
        Special::Video { caption, seconds } => obj! { "videoMessage": media()
        .with_some("caption", caption.as_ref())
        .and(&obj! { "seconds": *seconds, "height": 1_280, "width": 720 }) },
        Special::Sticker { animated } => {
            obj! { "stickerMessage": media().with("isAnimated", *animated) }
        }
        Special::Vanishing(text) => vanishing(spelling, text),
        Special::ViewOnce => view_once(spelling, media()),
        Special::AlbumPicture { .. } => obj! { "imageMessage": media() },
        Special::StoryAnswer(text) => answer_to_story(spelling, shot, text),
        Special::FromAd(text) => from_ad(spelling, text),
        Special::CallEntry { seconds, video } => call_entry(spelling, *seconds, *video),
        _ => offered(special, spelling).unwrap_or_else(|| act(special, spelling, shot)),
    }
}

/// What lists, buttons and invitations are, and the answers to them.
fn offered(special: &Special, spelling: Spelling) -> Option<Obj> {
    Some(match special {
        Special::List => obj! { "listMessage": obj! {
            "title": "Tiles", "description": "Which do you want?", "buttonText": "Choose",
            "sections": vec![obj! { "title": "Floor", "rows": vec![
                Obj::new().with(spelling.name("rowId", "rowID"), "t-1").with("title", "Blue"),
                Obj::new().with(spelling.name("rowId", "rowID"), "t-2").with("title", "Green"),
            ] }],
        }.and(&spelling.word("listType", "SINGLE_SELECT", 1)) },
        Special::ListAnswer => {
            let row = Obj::new().with(spelling.name("selectedRowId", "selectedRowID"), "t-2");
            obj! { "listResponseMessage": obj! { "title": "Green", "singleSelectReply": row }
            .and(&spelling.word("listType", "SINGLE_SELECT", 1)) }
        }
        Special::Buttons => {
            let id = spelling.name("buttonId", "buttonID");
            let button = |key: &str, text: &str| {
                Obj::new().with(id, key).with("buttonText", obj! { "displayText": text })
            };
            obj! { "buttonsMessage": obj! {
                "contentText": "Shall we come tomorrow?", "footerText": "Depot",
                "buttons": vec![button("yes", "Yes"), button("no", "No")],
            } }
        }
        Special::ButtonAnswer => {
            let shown = obj! { "selectedDisplayText": "Yes" };
            let level = obj! { "Response": obj! { "SelectedDisplayText": "Yes" } };
            let shown = if spelling.is_gows { level } else { shown };
            let id = spelling.name("selectedButtonId", "selectedButtonID");
            obj! { "buttonsResponseMessage": Obj::new().with(id, "yes").and(&shown) }
        }
        Special::Interactive => interactive(spelling),
        Special::Album { pictures } => obj! { "albumMessage": obj! {
            "expectedImageCount": *pictures, "expectedVideoCount": 0_u64,
        } },
        Special::Event => obj! { "eventMessage": obj! {
            "name": "Open day", "description": "Bring a friend", "startTime": 1_800_000_000,
            "isCanceled": false, "extraGuestsAllowed": true,
        } },
        _ => return None,
    })
}

/// What acts on another message, or tells something that nobody wrote.
fn act(special: &Special, spelling: Spelling, shot: &Shot<'_>) -> Obj {
    let encrypted = |target: &str| {
        obj! { "targetMessageKey": key(spelling, shot, target), "encPayload": "AAAA" }
    };
    match special {
        Special::VanishingSetting => obj! { "protocolMessage": spelling
        .word("type", "EPHEMERAL_SETTING", 3)
        .with("ephemeralExpiration", 604_800) },
        Special::Pin { target } => obj! { "pinInChatMessage": obj! {
            "key": key(spelling, shot, target),
        }.and(&spelling.word("type", "PIN_FOR_ALL", 1)) },
        Special::LeakedEdit { target } => obj! { "secretEncryptedMessage": encrypted(target)
        .and(&spelling.word("secretEncType", "MESSAGE_EDIT", 2)) },
        Special::LeakedReaction { target } => obj! { "encReactionMessage": encrypted(target) },
        Special::LeakedVote { target } => obj! { "pollUpdateMessage": obj! {
            "pollCreationMessageKey": key(spelling, shot, target),
            "vote": obj! { "encPayload": "AAAA" },
        } },
        Special::EventAnswer { target } => obj! { "encEventResponseMessage": obj! {
            "eventCreationMessageKey": key(spelling, shot, target), "encPayload": "AAAA",
        } },
        _ => obj! { "senderKeyDistributionMessage": Obj::new()
        .with(spelling.name("groupId", "groupID"), shot.message.chat.jid()) },
    }
}

fn vanishing(spelling: Spelling, text: &str) -> Obj {
    let told = obj! { "extendedTextMessage": obj! {
        "text": text, "contextInfo": obj! { "expiration": 86_400 },
    } };
    // whatsmeow takes the wrapper off.
    if spelling.is_gows {
        told
    } else {
        obj! { "ephemeralMessage": obj! { "message": told } }
    }
}

fn view_once(spelling: Spelling, media: Obj) -> Obj {
    let told = obj! { "imageMessage": media.with("viewOnce", true) };
    if spelling.is_gows {
        told
    } else {
        obj! { "viewOnceMessageV2": obj! { "message": told } }
    }
}

fn interactive(spelling: Spelling) -> Obj {
    let params = spelling.name("buttonParamsJson", "buttonParamsJSON");
    let button = obj! { "name": "cta_url" }.with(params, "{\"display_text\":\"Open\"}");
    let flow = obj! { "buttons": vec![button] };
    obj! { "interactiveMessage": obj! {
        "header": obj! { "title": "This week" }, "body": obj! { "text": "New tiles" },
        "footer": obj! { "text": "Until Sunday" },
    }.and(&spelling.oneof("InteractiveMessage", "nativeFlowMessage", "NativeFlowMessage", flow)) }
}

fn answer_to_story(spelling: Spelling, shot: &Shot<'_>, text: &str) -> Obj {
    let story = shot.message.quote.as_ref().map(|quote| &quote.bare_id);
    obj! { "extendedTextMessage": obj! { "text": text, "contextInfo": Obj::new()
    .with_some(spelling.name("stanzaId", "stanzaID"), story)
    .with("participant", shot.session.account.jid(Form::Phone))
    .with(spelling.name("remoteJid", "remoteJID"), "status@broadcast")
    .with("quotedMessage", obj! { "imageMessage": obj! { "caption": "Our yard" } }) } }
}

fn from_ad(spelling: Spelling, text: &str) -> Obj {
    let ad = obj! { "title": "Tiles in spring", "body": "Write to us", "sourceType": "ad" }
        .with(spelling.name("sourceId", "sourceID"), "120211111111111111")
        .with(spelling.name("sourceUrl", "sourceURL"), "https://fb.example/tiles")
        .and(&obj! { "ctwaClid": "ClickOfAnExample", "sourceApp": "facebook" });
    obj! { "extendedTextMessage": obj! { "text": text, "contextInfo": obj! {
        "conversionSource": "FB_Ads", "conversionDelaySeconds": 5, "externalAdReply": ad,
        "entryPointConversionSource": "ctwa_ad", "entryPointConversionApp": "facebook",
    } } }
}

fn call_entry(spelling: Spelling, seconds: Option<u64>, video: bool) -> Obj {
    let outcome = match seconds {
        Some(_) => spelling.word("callOutcome", "CONNECTED", 0),
        None => spelling.word("callOutcome", "MISSED", 1),
    };
    let seconds = seconds.unwrap_or_default();
    let length = if spelling.is_gows {
        obj! { "durationSecs": seconds }
    } else {
        obj! { "durationSecs": seconds.to_string() }
    };
    // The protocol itself spells it so.
    obj! { "callLogMesssage": obj! { "isVideo": video }
    .and(&outcome)
    .and(&length)
    .and(&spelling.word("callType", "REGULAR", 0)) }
}

/// To which album a picture belongs, beside the message; nothing for others.
pub(in crate::simulate::message) fn association(shot: &Shot<'_>) -> Obj {
    let Content::Special(Special::AlbumPicture { album }) = &shot.message.content else {
        return Obj::new();
    };
    let spelling = Spelling { is_gows: shot.session.engine == Engine::Gows };
    obj! { "messageAssociation": spelling
    .word("associationType", "MEDIA_ALBUM", 1)
    .with("parentMessageKey", key(spelling, shot, album)) }
}

/// The key of a message of the same chat and author.
fn key(spelling: Spelling, shot: &Shot<'_>, target: &str) -> Obj {
    let message = shot.message;
    let member = message.chat.is_group().then(|| message.author.jid(message.chat.form()));
    Obj::new()
        .with(spelling.name("remoteJid", "remoteJID"), message.chat.jid())
        .with("fromMe", message.from_me)
        .with(spelling.name("id", "ID"), target)
        .with_some("participant", member)
}
