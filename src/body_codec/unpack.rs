//! What is stored → body.

use std::num::NonZeroU32;

use zstd::bulk::Decompressor;
use zstd::zstd_safe::{get_dict_id_from_frame, get_frame_content_size};

use super::dictionaries::{Dictionaries, Dictionary};
use super::{BODY_BYTES_MAX, BodyCodec, PackedBody};

/// Why a stored body can't be read. Says nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// A newer release wrote it.
    #[error("its codec {0:?} is not known: read it with the release that wrote it, or a newer one")]
    Codec(String),
    /// The dictionary is neither part of this release nor in the tables.
    #[error(
        "its dictionary {0} is neither part of this release nor in webhook_dictionaries: \
         read it with the release that wrote it, or a newer one"
    )]
    NoDictionary(i32),
    /// The table's row is not that dictionary.
    #[error("its dictionary {0} is damaged in webhook_dictionaries: put it back from a backup")]
    DamagedDictionary(i32),
    /// Longer than any body that a door takes.
    #[error("it claims to have {0} bytes, and no body has more than {BODY_BYTES_MAX}")]
    TooLong(u64),
    /// Row and bytes disagree.
    #[error("it claims to have {told} bytes, its row says {row}")]
    Length {
        /// By the row.
        row: u64,
        /// By the bytes.
        told: u64,
    },
    /// The row names another dictionary than the bytes.
    #[error("its bytes name another dictionary than its row")]
    OtherDictionary,
    /// The bytes are not what was written.
    #[error("its bytes are damaged: put them back from a backup")]
    Damaged,
}

/// The body that is stored so. A dictionary that `dictionaries` does not know is an error; whoever can
/// read it from the tables does so, and asks again.
pub fn unpack(
    packed: &PackedBody<'_>,
    dictionaries: &Dictionaries,
) -> Result<Vec<u8>, UnpackError> {
    let dictionary = match packed.dictionary_id {
        Some(id) => Some(dictionaries.get(id).ok_or(UnpackError::NoDictionary(id))?),
        None => None,
    };
    let mut decompressor = match dictionary.as_deref() {
        Some(Dictionary(decoder)) => Decompressor::with_prepared_dictionary(decoder),
        None => Decompressor::new(),
    }
    .map_err(|_| UnpackError::Damaged)?;
    unpack_by(packed, &mut decompressor)
}

/// The same with the right dictionary at hand.
pub(super) fn unpack_by(
    packed: &PackedBody<'_>,
    decompressor: &mut Decompressor<'_>,
) -> Result<Vec<u8>, UnpackError> {
    match packed.codec {
        BodyCodec::Raw => {
            check_length(packed, packed.bytes.len() as u64)?;
            Ok(packed.bytes.to_vec())
        }
        BodyCodec::Zstd => {
            let told = get_frame_content_size(&packed.bytes).ok().flatten();
            check_length(packed, told.ok_or(UnpackError::Damaged)?)?;
            decompress(packed, decompressor)
        }
    }
}

/// Before anything is unpacked.
fn check_length(packed: &PackedBody<'_>, told: u64) -> Result<(), UnpackError> {
    let row = packed.body_bytes as u64;
    let longest = told.max(row);
    if longest > BODY_BYTES_MAX {
        return Err(UnpackError::TooLong(longest));
    }
    if told == row { Ok(()) } else { Err(UnpackError::Length { row, told }) }
}

fn decompress(
    packed: &PackedBody<'_>,
    decompressor: &mut Decompressor<'_>,
) -> Result<Vec<u8>, UnpackError> {
    let named = get_dict_id_from_frame(&packed.bytes).map(NonZeroU32::get);
    if named != packed.dictionary_id.map(i32::cast_unsigned) {
        return Err(UnpackError::OtherDictionary);
    }
    // The buffer is as long as was told and checked: who tells less than there is gets an error.
    let body = decompressor.decompress(&packed.bytes, packed.body_bytes);
    let body = body.map_err(|_| UnpackError::Damaged)?;
    if body.len() == packed.body_bytes { Ok(body) } else { Err(UnpackError::Damaged) }
}
