//! Body → what is stored.

use std::borrow::Cow;
use std::io;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, compress_bound};

use super::unpack::unpack_by;
use super::{BodyCodec, PackedBody, SHIPPED};

/// Whether what was packed is unpacked again and compared before it is used: some versions of zstd have packed
/// what could not be unpacked (1.5.0 to 1.5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackCheck {
    /// Every body, as while a dictionary is young, and where the original is given up.
    Each,
    /// None.
    Never,
}

/// Packs bodies with the newest dictionary; made for a batch.
pub struct Packer {
    compressor: Compressor<'static>,
    check: Option<Decompressor<'static>>,
    buffer: Vec<u8>,
    /// Bodies that did not come out of their packing as they went in, and so are stored as they came.
    pub mismatches: usize,
}

impl Packer {
    /// An error: there is no memory for it.
    pub fn new(check: PackCheck) -> io::Result<Self> {
        let mut compressor = Compressor::with_prepared_dictionary(&SHIPPED.encoder)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
        compressor.set_parameter(CParameter::DictIdFlag(true))?;
        let check = match check {
            PackCheck::Each => Some(Decompressor::with_prepared_dictionary(&SHIPPED.decoder)?),
            PackCheck::Never => None,
        };
        Ok(Self { compressor, check, buffer: Vec::new(), mismatches: 0 })
    }

    /// Packs a body, or leaves it as it came where that is not shorter.
    pub fn pack<'a>(&mut self, body: &'a [u8]) -> PackedBody<'a> {
        self.buffer.clear();
        self.buffer.reserve(compress_bound(body.len()));
        let packed = self.compressor.compress_to_buffer(body, &mut self.buffer);
        if packed.is_err() || self.buffer.len() >= body.len() {
            return PackedBody::raw(body);
        }
        let packed = PackedBody {
            codec: BodyCodec::Zstd,
            dictionary_id: Some(SHIPPED.id),
            body_bytes: body.len(),
            bytes: Cow::Owned(self.buffer.clone()),
        };
        if self.is_good(&packed, body) {
            return packed;
        }
        self.mismatches += 1;
        PackedBody::raw(body)
    }

    fn is_good(&mut self, packed: &PackedBody<'_>, body: &[u8]) -> bool {
        let Some(decompressor) = &mut self.check else { return true };
        unpack_by(packed, decompressor).is_ok_and(|unpacked| unpacked == body)
    }
}
