//! Webhooks about messages with texts. Made up: numbers and texts belong to nobody.

use serde_json::{Value, json};

pub const PHONE: &str = "12025550142@c.us";
pub const LID: &str = "100000000000142@lid";
/// The first webhook's time.
const START_MS: i64 = 1_790_000_000_000;

fn at_ms(place: usize) -> i64 {
    START_MS + i64::try_from(place).unwrap() * 1_000
}

fn webhook(place: usize, event: &str, payload: &Value) -> Value {
    json!({
        "id": format!("evt_{place}"), "timestamp": at_ms(place), "event": event,
        "session": "desk", "me": {"id": "12025550100@c.us", "lid": "100000000000100@lid"},
        "payload": payload, "environment": {"engine": "GOWS", "version": "2026.8.2"},
    })
}

fn message(place: usize, bare: &str, chat: &str, text: &str) -> Value {
    json!({
        "id": format!("false_{chat}_{bare}"), "timestamp": at_ms(place) / 1_000, "from": chat,
        "fromMe": false, "body": text, "hasMedia": false,
        "_data": {"Info": {"Chat": chat, "Sender": chat, "IsFromMe": false, "SenderAlt": ""}},
    })
}

/// A message of the person.
pub fn text(place: usize, bare: &str, chat: &str, text: &str) -> Value {
    webhook(place, "message.any", &message(place, bare, chat, text))
}

pub fn edit(place: usize, bare: &str, chat: &str, text: &str) -> Value {
    let mut payload = message(place, &format!("ED{bare}"), chat, text);
    payload["editedMessageId"] = bare.into();
    webhook(place, "message.edited", &payload)
}

pub fn revoke(place: usize, bare: &str, chat: &str) -> Value {
    let after = message(place, &format!("RE{bare}"), chat, "");
    let payload = json!({"after": after, "before": null, "revokedMessageId": bare});
    webhook(place, "message.revoked", &payload)
}

/// A message that shows both ids of the person.
pub fn link(place: usize) -> Value {
    let mut payload = message(place, "3EB0FF", PHONE, "hello");
    payload["_data"]["Info"]["SenderAlt"] = "100000000000142:3@lid".into();
    webhook(place, "message.any", &payload)
}

/// What somebody looks for, and the messages that are found.
type Looked = (&'static str, &'static [&'static str]);

/// What finds which of the texts: the same on every database.
pub const LOOKED: &[Looked] = &[
    ("arger", &["german"]),
    ("ÄRGER strasse", &["german"]),
    ("straße", &["german"]),
    ("50%", &["german"]),
    ("rabatt%code", &["german"]),
    ("rabatt_code", &["german"]),
    ("ra*att", &[]),
    ("cafe", &["accents"]),
    ("café creme", &["accents"]),
    ("brulee zcafe", &[]),
    ("ışık", &["turkish"]),
    ("isik", &["turkish"]),
    ("ILIK", &["turkish"]),
    ("istanbul", &["turkish"]),
    ("الطلب", &["arabic"]),
    ("الط", &["arabic"]),
    ("اين", &["arabic"]),
    ("سلام", &["arabic"]),
    ("طلب", &[]),
    ("שלום", &["hebrew"]),
    ("שלו", &["hebrew"]),
    ("天气", &["chinese"]),
    ("气", &["chinese"]),
    ("天天气很", &["chinese"]),
    ("公园 今天", &["chinese"]),
    ("天今", &[]),
    ("好我", &[]),
    ("东京", &[]),
    ("東京", &["japanese"]),
    ("タワー", &["japanese"]),
    ("とう", &["japanese"]),
    ("ﾀﾜｰ", &["japanese"]),
    ("안녕", &["korean"]),
    ("했어요", &[]),
    ("주문", &["korean"]),
    ("ขอบคุณ", &["thai"]),
    ("บคุ", &["thai"]),
    ("नम", &["hindi"]),
    ("दुनिया", &["hindi"]),
    ("👍", &["emoji"]),
    ("👍🏿", &["emoji"]),
    ("👩", &["emoji"]),
    ("❤", &["emoji"]),
    ("👎", &[]),
    ("done 👍", &["emoji"]),
    ("o'brien", &["quotes"]),
    ("'; DROP TABLE waha_messages; --", &["quotes"]),
    ("\"quoted\"", &["quotes"]),
    ("quoted\" OR \"a", &[]),
    ("back\\", &["quotes"]),
    ("NOT quoted", &[]),
    ("words: quoted", &[]),
    ("the who", &["stop"]),
    ("www com", &["stop"]),
    ("of what", &["stop"]),
    ("ok", &["short"]),
    ("no a", &["short"]),
    ("no x", &[]),
    ("202 555", &["numbers"]),
    ("1.250", &["numbers"]),
    ("20", &["numbers"]),
    ("2026-11-27", &["numbers"]),
    ("iphone", &["mixed"]),
    ("手机", &["mixed"]),
    ("needle", &["long"]),
    (
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        &["long"],
    ),
];

const TEXTS: &[(&str, &str)] = &[
    ("german", "Ärger mit der STRASSE: 50 % Rabatt_code"),
    ("accents", "Zˇ cafe\u{301} crème brûlée"),
    ("turkish", "IŞIK ılık İstanbul"),
    ("arabic", "أين الطَّلب من فضلك؟ ســلام"),
    ("hebrew", "שָׁלוֹם, מה שלומך"),
    ("chinese", "今天天气很好,我们去公园"),
    ("japanese", "ありがとうございます、東京タワー"),
    ("korean", "안녕하세요 주문했어요"),
    ("thai", "สวัสดีค่ะ ขอบคุณ"),
    ("hindi", "नमस्ते दुनिया"),
    ("emoji", "👍🏽 done 👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}"),
    ("quotes", "it's O'Brien \"quoted\" \\ back; DROP TABLE waha_messages; -- x"),
    ("stop", "the who is it of what www com"),
    ("short", "ok a b c no"),
    ("numbers", "+1 (202) 555-0142 total 1.250,00 € 2026-11-27"),
    ("mixed", "iPhone手机 v2x"),
];

/// Texts by bare ids.
pub fn odd_texts() -> Vec<(&'static str, String)> {
    let long = format!("{} needle {}", "hay ".repeat(9_000), "x".repeat(400));
    let texts = TEXTS.iter().map(|(bare, text)| (*bare, (*text).to_owned()));
    texts.chain([("long", long)]).collect()
}
