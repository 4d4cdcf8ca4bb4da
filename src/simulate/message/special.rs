//! What is sent more rarely than texts, pictures and the like, and what WAHA passes on as messages though it
//! is none. How it looks is in `proto` for NOWEB and GOWS, in `web` for WEBJS and WPP.

pub(super) mod proto;
pub(super) mod web;

/// What it is.
#[derive(Clone, Debug)]
pub(crate) enum Special {
    Video {
        caption: Option<String>,
        seconds: u64,
    },
    Sticker {
        animated: bool,
    },
    /// A text that vanishes after a day.
    Vanishing(String),
    /// A picture to be seen once.
    ViewOnce,
    List,
    ListAnswer,
    Buttons,
    ButtonAnswer,
    /// A text with buttons that lead somewhere.
    Interactive,
    /// An answer to one of the account's stories.
    StoryAnswer(String),
    /// The first message of somebody who came from an ad.
    FromAd(String),
    /// The head of an album; its pictures follow.
    Album {
        pictures: u64,
    },
    AlbumPicture {
        album: String,
    },
    /// An invitation.
    Event,
    /// An answer to it, which the engine can't read by itself.
    EventAnswer {
        target: String,
    },
    /// What WhatsApp leaves in a chat of a call: seconds of one that was taken.
    CallEntry {
        seconds: Option<u64>,
        video: bool,
    },
    /// From now on messages vanish.
    VanishingSetting,
    /// A message was pinned.
    Pin {
        target: String,
    },
    /// Keys have changed, or somebody was added to a group.
    Notice,
    /// An edit, reaction or vote that was not decrypted, and keys: no messages.
    LeakedEdit {
        target: String,
    },
    LeakedReaction {
        target: String,
    },
    LeakedVote {
        target: String,
    },
    LeakedKeys,
}

impl Special {
    /// What WAHA's `body` shows.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Video { caption, .. } => caption.as_deref(),
            Self::Vanishing(text) | Self::StoryAnswer(text) | Self::FromAd(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) const fn mimetype(&self) -> Option<&'static str> {
        match self {
            Self::Video { .. } => Some("video/mp4"),
            Self::Sticker { .. } => Some("image/webp"),
            Self::ViewOnce | Self::AlbumPicture { .. } => Some("image/jpeg"),
            _ => None,
        }
    }

    /// Whether somebody wrote it.
    pub(crate) const fn is_written(&self) -> bool {
        !matches!(
            self,
            Self::CallEntry { .. }
                | Self::VanishingSetting
                | Self::Pin { .. }
                | Self::Notice
                | Self::EventAnswer { .. }
                | Self::LeakedEdit { .. }
                | Self::LeakedReaction { .. }
                | Self::LeakedVote { .. }
                | Self::LeakedKeys
        )
    }
}
