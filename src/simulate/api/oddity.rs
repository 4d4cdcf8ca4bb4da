//! What WAHA's engines do unlike each other, or unlike what one would think; each can be switched on alone.

use crate::simulate::session::Engine;

/// One way in which an API can surprise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Oddity {
    /// Groups come as an object with a key for each, not as a list (NOWEB).
    ObjectLists,
    /// Chats and groups have objects for ids (WEBJS).
    IdObjects,
    /// Chats are named `…@s.whatsapp.net` (NOWEB).
    ServerIds,
    /// Chats are what the browser has, with `t` for their time (WPP).
    RawChats,
    /// Pages count rows that they then leave out, so they are short or empty (GOWS).
    ShortPages,
    /// The messages of all chats can't be asked for: 501 (WEBJS, WPP).
    NoAll,
    /// `sortOrder` is ignored (WEBJS).
    OneOrder,
    /// Filters apply to the newest `offset + limit` messages only (WPP).
    LateFilters,
    /// An offset without a limit is ignored (WEBJS, WPP; GOWS for groups and LIDs).
    OffsetNeedsLimit,
    /// A limit of 0 means everything (WEBJS).
    ZeroIsAll,
    /// No store: what needs it is answered 400 (NOWEB without `store.enabled`).
    StoreOff,
    /// Unknown contacts are an empty body (NOWEB).
    EmptyUnknown,
    /// Groups that are unknown are a 500 (NOWEB).
    UnknownGroupFails,
    /// Messages of the same second change places between two requests (all).
    SwappedTies,
    /// LIDs come in another order each time (NOWEB).
    ShuffledLids,
    /// A message replaces every other with the same id, also of another chat (NOWEB).
    OneRowPerId,
    /// Messages that were taken back are gone (NOWEB).
    RevokedGone,
    /// Messages that were taken back say so (WEBJS, WPP).
    RevokedShown,
    /// A message is only found by its whole id; by the bare one in direct chats at most (WEBJS).
    WholeIds,
    /// A message is never found by its bare id (WPP).
    NoBareIds,
    /// Of a message by id the chat must be right, or `all` (NOWEB).
    RightChat,
    /// The two names of a person's chat are two chats (WEBJS, WPP).
    NoMerge,
    /// Members who are named by a LID have no phone number (WEBJS).
    PhonesHidden,
    /// A session says nothing of its engine's connection (NOWEB).
    ShallowState,
    /// Each second session belongs to another worker and is shown as STOPPED.
    OtherWorker,
    /// Files are in a bucket, and links are presigned: they need no key and never expire.
    PresignedLinks,
    /// Files are in a bucket, and WAHA passes them on.
    ProxiedLinks,
    /// Files come with other bytes than the message says.
    WrongBytes,
    /// Links to files name another host than that of the API.
    ForeignLinks,
    /// No `/metrics` (all by default, and before 2026.8.2).
    NoMetrics,
    /// `offset` is ignored for messages, as by a cache that stands between.
    OffsetIgnored,
    /// Each page of messages has a row more, whose time is long past (WPP).
    AncientRow,
    /// Each list of members has a row more, which names nobody.
    NamelessMember,
    /// Lists of members lack the account.
    AccountHidden,
}

/// A set of [`Oddity`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities(u64);

impl Oddities {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// The set and `oddity`.
    #[must_use]
    pub const fn with(self, oddity: Oddity) -> Self {
        Self(self.0 | 1 << oddity as u32)
    }

    /// Whether it has `oddity`.
    pub const fn contains(self, oddity: Oddity) -> bool {
        self.0 & (1 << oddity as u32) != 0
    }

    /// What is in one of the two.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The manners of an engine.
    pub fn of(engine: Engine) -> Self {
        use Oddity as O;
        let oddities: &[Oddity] = match engine {
            Engine::Gows => &[O::ShortPages],
            Engine::Noweb => &[
                O::ObjectLists,
                O::ServerIds,
                O::EmptyUnknown,
                O::UnknownGroupFails,
                O::ShuffledLids,
                O::OneRowPerId,
                O::RevokedGone,
                O::RightChat,
                O::ShallowState,
            ],
            Engine::Webjs => &[
                O::IdObjects,
                O::NoAll,
                O::OneOrder,
                O::OffsetNeedsLimit,
                O::ZeroIsAll,
                O::RevokedShown,
                O::WholeIds,
                O::NoMerge,
                O::PhonesHidden,
            ],
            Engine::Wpp => &[
                O::RawChats,
                O::NoAll,
                O::LateFilters,
                O::OffsetNeedsLimit,
                O::RevokedShown,
                O::WholeIds,
                O::NoBareIds,
                O::NoMerge,
            ],
        };
        oddities.iter().copied().collect()
    }
}

impl FromIterator<Oddity> for Oddities {
    fn from_iter<I: IntoIterator<Item = Oddity>>(oddities: I) -> Self {
        oddities.into_iter().fold(Self::NONE, Self::with)
    }
}
