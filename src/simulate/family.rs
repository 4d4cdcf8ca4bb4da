//! The families of events that a plan can switch on and off.

/// Events that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `session.status`.
    Session,
    /// `message` (others' messages only) and WEBJS's `message.waiting`.
    Message,
    /// `message.any`.
    MessageAny,
    /// `message.ack` and `message.ack.group`.
    Ack,
    /// `call.received`, `call.accepted`, `call.rejected`.
    Call,
    /// `message.reaction`.
    Reaction,
    /// `message.edited` and `message.revoked`.
    Edit,
    /// `poll.vote` and `poll.vote.failed`; polls themselves are messages.
    Poll,
    /// `group.v2.*`, and `group.join` and `group.leave` in the old age.
    Group,
    /// `label.*`.
    Label,
    /// `presence.update`.
    Presence,
    /// `chat.archive` (WEBJS only).
    Archive,
    /// What is sent more rarely than texts and pictures, notices, and what WAHA passes on as messages though
    /// it is none; `event.response` and `event.response.failed` (GOWS).
    Rare,
    /// Event types that nobody knows. Off by default.
    Unknown,
    /// Not events: texts that hold NUL or lone surrogates. Off by default.
    OddText,
}

/// A set of [`Family`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families(u32);

impl Families {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// All of them.
    pub const ALL: Self = Self((1 << (Family::OddText as u32 + 1)) - 1);

    /// The set and `family`.
    #[must_use]
    pub const fn with(self, family: Family) -> Self {
        Self(self.0 | 1 << family as u32)
    }

    /// The set less `family`.
    #[must_use]
    pub const fn without(self, family: Family) -> Self {
        Self(self.0 & !(1 << family as u32))
    }

    /// Whether `family` is on.
    pub const fn contains(self, family: Family) -> bool {
        self.0 & (1 << family as u32) != 0
    }

    /// The set whose members have their bit (in the order of [`Family`]) set in `bits`; for tests
    /// that draw and shrink sets.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl Default for Families {
    fn default() -> Self {
        Self::ALL.without(Family::Unknown).without(Family::OddText)
    }
}
