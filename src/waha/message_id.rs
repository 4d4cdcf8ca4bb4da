//! Serialized message ids: `{fromMe}_{chat}_{bare id}[_{participant}]`.
//!
//! WAHA's `src/core/utils/ids.ts` (parseMessageIdSerialized). Only the bare id is the same in all
//! engines, events and retellings of a message. Chat and participant become parts of keys, and a
//! sender's client chooses what is in an id: what can't stand in a key is as if it were not told.

use super::jid::chat_form;
use crate::webhook::envelope::is_key_text;

/// Longest id of a chat or person that fits its column, in bytes.
const JID_BYTES_MAX: usize = 255;

/// The parts of a serialized message id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId {
    /// Whether the own account sent it; none in old ids without underscores.
    pub from_me: Option<bool>,
    /// The chat; none in old ids.
    pub chat: Option<String>,
    /// The id that the sending client chose.
    pub bare: String,
    /// The author, in groups and stories.
    pub participant: Option<String>,
}

impl MessageId {
    /// Reads a serialized id; anything else is a bare id. None when there is no id in it.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.trim().split('_').collect();
        let id = match parts.as_slice() {
            [from_me @ ("true" | "false"), chat, bare] => Self::of(from_me, chat, bare, None),
            [from_me @ ("true" | "false"), chat, bare, participant] => {
                Self::of(from_me, chat, bare, Some(participant))
            }
            _ => Self::bare(text.trim()),
        };
        Some(id).filter(|id| !id.bare.is_empty())
    }

    fn of(from_me: &str, chat: &str, bare: &str, participant: Option<&str>) -> Self {
        Self {
            from_me: Some(from_me == "true"),
            chat: Some(chat_form(chat)).filter(|jid| is_jid(jid)),
            bare: bare.to_owned(),
            participant: participant.map(chat_form).filter(|jid| is_jid(jid)),
        }
    }

    fn bare(text: &str) -> Self {
        Self { from_me: None, chat: None, bare: text.to_owned(), participant: None }
    }
}

fn is_jid(jid: &str) -> bool {
    is_key_text(jid, JID_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_and_four_parts() {
        let direct = MessageId::parse("false_12025550142@c.us_3EB0AA").unwrap();
        assert_eq!(direct.from_me, Some(false));
        assert_eq!(direct.chat.as_deref(), Some("12025550142@c.us"));
        assert_eq!((direct.bare.as_str(), direct.participant), ("3EB0AA", None));
        let group = MessageId::parse("true_1203@g.us_3A77_143:2@lid").unwrap();
        assert_eq!(group.participant.as_deref(), Some("143@lid"));
    }

    #[test]
    fn what_can_not_stand_in_a_key_is_not_told() {
        let long = format!("{}@c.us", "1".repeat(300));
        for odd in ["1\u{1}2@c.us", "1\n@c.us", &long] {
            let id = MessageId::parse(&format!("false_{odd}_3EB0AA_{odd}")).unwrap();
            assert_eq!((id.chat, id.participant, &*id.bare), (None, None, "3EB0AA"), "{odd:?}");
        }
    }

    #[test]
    fn anything_else_is_bare() {
        assert_eq!(MessageId::parse("3EB0AA").unwrap().bare, "3EB0AA");
        assert_eq!(MessageId::parse("a_b_c_d_e").unwrap().bare, "a_b_c_d_e");
        assert_eq!(MessageId::parse(" "), None);
        assert_eq!(MessageId::parse("true_1@c.us_"), None);
    }
}
