//! How a body is stored apart from the ledger: as it came, or packed by zstd with a dictionary (pure).
//!
//! Called by `store/bodies`, which writes and reads the rows. Webhooks are alike and short, so most of what a
//! body says stands in the dictionary already.
//!
//! Invariant:
//! - What is packed can be unpacked by whoever has the row and the dictionary that it names. A dictionary is
//!   named by the id in its own header, which zstd makes of its content, so no two have one id; none is ever
//!   changed or removed.
//! - Nothing is unpacked that tells another length than its row does, or a longer one than [`BODY_BYTES_MAX`];
//!   no more memory is written than that length. A checksum of the content is part of what is packed.
//! - Bytes that can't be unpacked are an error that says why, never a panic, and quotes none of them.
//!
//! Reading order: `dictionaries`, `pack`, `unpack`.

mod dictionaries;
mod pack;
#[cfg(test)]
mod tests;
mod unpack;

use std::borrow::Cow;

pub use dictionaries::{Dictionaries, Dictionary, SHIPPED, ShippedDictionary};
pub use pack::{PackCheck, Packer};
pub use unpack::{UnpackError, unpack};

/// Longest body, in bytes: the most that `server.body_bytes_max` can be set to.
pub const BODY_BYTES_MAX: u64 = 1 << 30;

/// How bytes stand for a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyCodec {
    /// They are the body: packing it would not pay.
    Raw,
    /// One zstd frame with content size, checksum and the id of its dictionary, if it has one.
    Zstd,
}

impl BodyCodec {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of a stored name; none if no release up to this one has written it.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Raw, Self::Zstd].into_iter().find(|codec| codec.name() == name)
    }
}

/// A body as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedBody<'a> {
    /// How the bytes stand for the body.
    pub codec: BodyCodec,
    /// The dictionary without which they can't be unpacked.
    pub dictionary_id: Option<i32>,
    /// Length of the body.
    pub body_bytes: usize,
    /// What is stored.
    pub bytes: Cow<'a, [u8]>,
}

impl<'a> PackedBody<'a> {
    /// A body as it came.
    pub fn raw(body: &'a [u8]) -> Self {
        Self {
            codec: BodyCodec::Raw,
            dictionary_id: None,
            body_bytes: body.len(),
            bytes: Cow::Borrowed(body),
        }
    }
}
