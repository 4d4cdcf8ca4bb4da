//! Where messages are written and what they say, whatever the engine.

use super::special::Special;
use crate::simulate::people::{Form, Group, Person, channel_id};

/// Where a message was written, and under which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chat {
    Direct(Person, Form),
    /// A group, and how its members are named.
    Group(Group, Form),
    /// The channel that session number … follows.
    Channel(u64),
}

/// What a message says.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Text(String),
    Link {
        text: String,
        url: String,
    },
    Image {
        caption: Option<String>,
    },
    Voice {
        seconds: u64,
    },
    Document {
        name: String,
        caption: Option<String>,
    },
    Location {
        latitude: f64,
        longitude: f64,
        name: String,
    },
    Contact(Person),
    Poll {
        question: String,
        options: Vec<&'static str>,
    },
    /// What is sent more rarely.
    Special(Special),
    /// Not a message of its own: a new text for the message with the bare id `target`.
    Edit {
        target: String,
        text: String,
    },
    /// Not a message of its own: takes back the message with the bare id `target`.
    Revoke {
        target: String,
    },
}

impl Chat {
    pub(crate) fn id(self) -> String {
        match self {
            Self::Direct(person, form) => person.id(form),
            Self::Group(group, _) => group.id(),
            Self::Channel(session) => channel_id(session),
        }
    }

    /// The id in the engines' own fields.
    pub(crate) fn jid(self) -> String {
        match self {
            Self::Direct(person, form) => person.jid(form),
            Self::Group(..) | Self::Channel(_) => self.id(),
        }
    }

    /// How the chat names its people.
    pub(crate) const fn form(self) -> Form {
        match self {
            Self::Direct(_, form) | Self::Group(_, form) => form,
            Self::Channel(_) => Form::Phone,
        }
    }

    pub(crate) const fn is_group(self) -> bool {
        matches!(self, Self::Group(..))
    }
}

impl Content {
    /// What `body` shows: text, caption, question.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Link { text, .. } | Self::Edit { text, .. } => Some(text),
            Self::Image { caption } | Self::Document { caption, .. } => caption.as_deref(),
            Self::Poll { question, .. } => Some(question),
            Self::Special(special) => special.text(),
            Self::Voice { .. } | Self::Location { .. } | Self::Contact(_) | Self::Revoke { .. } => {
                None
            }
        }
    }

    pub(crate) const fn mimetype(&self) -> Option<&'static str> {
        match self {
            Self::Image { .. } => Some("image/jpeg"),
            Self::Voice { .. } => Some("audio/ogg; codecs=opus"),
            Self::Document { .. } => Some("application/pdf"),
            Self::Special(special) => special.mimetype(),
            Self::Text(_)
            | Self::Link { .. }
            | Self::Location { .. }
            | Self::Contact(_)
            | Self::Poll { .. }
            | Self::Edit { .. }
            | Self::Revoke { .. } => None,
        }
    }
}
