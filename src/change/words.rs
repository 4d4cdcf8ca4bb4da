//! Keys of rows in words, for people who look at what a webhook tells.

use super::rename::Table;
use super::{
    AnswerKey, CallKey, ChatKey, ChatLabelKey, EditKey, JoinRequestKey, LabelKey, MessageKey,
    ParticipantKey, PersonKey, ReadKey, RevocationKey, SessionKey,
};

/// A key in words, below its session.
pub trait Words {
    /// By the ids that were told, whatever they were found to be names of.
    fn words(&self) -> String;
}

/// Says a key's words by a pattern over its fields.
macro_rules! words {
    ($($key:ty: $pattern:literal, $($field:ident).+ $(, $more:ident $(. $call:ident())?)*;)+) => {
        $(impl Words for $key {
            fn words(&self) -> String {
                format!($pattern, self.$($field).+ $(, self.$more$(.$call())?)*)
            }
        })+
    };
}

words! {
    SessionKey: "{}", name;
    ChatKey: "{}", chat_id;
    PersonKey: "{}", jid;
    CallKey: "{}", call_id;
    LabelKey: "{}", label_id;
    MessageKey: "{} in {}", message_id, chat.words();
    ChatLabelKey: "{} on {}", label_id, chat.words();
    ReadKey: "{1} by {0}", reader, chat.words();
    ParticipantKey: "{} in {}", jid, chat.words();
    JoinRequestKey: "{} to {}", jid, chat.words();
    AnswerKey: "by {} to {}", author, message.words();
    EditKey: "{} by {} of {}", edit_id, author, message.words();
    RevocationKey: "by {} of {}", author, message.words();
}

/// The keys of a table in words.
pub(super) fn words_of(table: &impl Table) -> Vec<String> {
    let mut words = Vec::new();
    table.each_key(&mut |key| words.push(key.words()));
    words
}
