//! The dictionaries that this release has, and those of others that were read from the tables.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::get_dict_id_from_dict;

use super::UnpackError;

/// The dictionaries of this and all former releases, oldest first. Made by `tests/figures dictionary --write`
/// from simulated webhooks of every engine; a new one is added, none is taken away.
const FILES: [&[u8]; 1] = [include_bytes!("bodies-1.zstd-dictionary")];
/// zstd's level: a higher one gains little on bodies of some kilobytes.
const LEVEL: i32 = 3;

/// The dictionary that bodies are packed with: the newest.
pub static SHIPPED: LazyLock<ShippedDictionary> = LazyLock::new(|| {
    let bytes = FILES[FILES.len() - 1];
    let id = id_of(bytes).expect("a dictionary of ours has an id");
    let decoder = DecoderDictionary::copy(bytes);
    ShippedDictionary { id, bytes, encoder: EncoderDictionary::copy(bytes, LEVEL), decoder }
});

/// A dictionary that is part of the program.
pub struct ShippedDictionary {
    /// Its id, which is in its header and in all that is packed with it.
    pub id: i32,
    /// What it is, as it is stored for releases that don't have it.
    pub bytes: &'static [u8],
    pub(super) encoder: EncoderDictionary<'static>,
    pub(super) decoder: DecoderDictionary<'static>,
}

/// A dictionary, prepared to unpack with.
pub struct Dictionary(pub(super) DecoderDictionary<'static>);

impl Dictionary {
    /// Of bytes that are said to be the dictionary `id`.
    pub fn read(id: i32, bytes: &[u8]) -> Result<Self, UnpackError> {
        if id_of(bytes) != Some(id) {
            return Err(UnpackError::DamagedDictionary(id));
        }
        let decoder = DecoderDictionary::try_copy(bytes);
        decoder.map(Self).map_err(|_| UnpackError::DamagedDictionary(id))
    }
}

/// What can be unpacked with, by id.
pub struct Dictionaries(RwLock<HashMap<i32, Arc<Dictionary>>>);

impl Default for Dictionaries {
    /// Those of the program.
    fn default() -> Self {
        let shipped = FILES.iter().filter_map(|bytes| {
            let id = id_of(bytes)?;
            Some((id, Arc::new(Dictionary::read(id, bytes).ok()?)))
        });
        Self(RwLock::new(shipped.collect()))
    }
}

impl Dictionaries {
    /// One of them, if it is known.
    pub fn get(&self, id: i32) -> Option<Arc<Dictionary>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Keeps one that was read.
    pub fn learn(&self, id: i32, dictionary: Dictionary) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(id, Arc::new(dictionary));
    }
}

/// The id in a dictionary's header; none if the bytes are no dictionary.
fn id_of(bytes: &[u8]) -> Option<i32> {
    get_dict_id_from_dict(bytes).and_then(|id| i32::try_from(id.get()).ok())
}
