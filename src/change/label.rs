//! What is told about labels, and which chats have them.

use super::rename::{Named, in_chat};
use super::{ChatKey, Merge, Register, SessionKey};

/// A label of a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelKey {
    /// Whose label.
    pub session: SessionKey,
    /// WhatsApp's id of it: a small number.
    pub label_id: String,
}

impl Named for LabelKey {}

/// What is told about a label.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelChange {
    /// How it looks.
    pub look: Option<Register<LabelLook>>,
    /// Whether it was deleted; a label can come back under its id.
    pub deleted: Option<Register<bool>>,
}

impl Merge for LabelChange {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: look, deleted);
    }
}

/// How a label looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelLook {
    /// Its name.
    pub name: Option<String>,
    /// WhatsApp's number of the colour.
    pub color: Option<i32>,
    /// The colour as `#rrggbb`.
    pub color_hex: Option<String>,
}

/// A label on a chat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatLabelKey {
    /// The chat.
    pub chat: ChatKey,
    /// The label.
    pub label_id: String,
}

in_chat!(ChatLabelKey: chat);

/// Whether the chat has it; the newest telling counts.
pub type ChatLabelChange = Register<bool>;
