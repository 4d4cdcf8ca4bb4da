//! Bytes of a text, one after the other, made UTF-8 where they are not. Pure.
//!
//! What was passed on can't be changed any more, so a character that has begun is ended by force.

/// In place of a byte that begins no character.
const REPLACEMENT: u8 = b'?';

/// Where in a character the next byte is.
#[derive(Debug, Default)]
pub(super) struct Utf8Repair {
    /// Bytes of this character that are still to come.
    more: u8,
    /// The range of the next one (Unicode, table 3-7).
    low: u8,
    high: u8,
}

impl Utf8Repair {
    /// The byte that a text goes on with, instead of `byte`, if `left` follow it.
    pub(super) fn repair(&mut self, byte: u8, left: u64) -> u8 {
        if self.more > 0 {
            let repaired = byte.clamp(self.low, self.high);
            *self = Self { more: self.more - 1, ..Self::continuing(0) };
            return repaired;
        }
        *self = Self::after(byte);
        if u64::from(self.more) > left || !byte.is_ascii() && self.more == 0 {
            self.more = 0;
            return REPLACEMENT;
        }
        byte
    }

    /// What follows the first byte of a character; nothing if it begins none.
    fn after(byte: u8) -> Self {
        match byte {
            0xc2..=0xdf => Self::continuing(1),
            0xe0 => Self { low: 0xa0, ..Self::continuing(2) },
            0xed => Self { high: 0x9f, ..Self::continuing(2) },
            0xe1..=0xef => Self::continuing(2),
            0xf0 => Self { low: 0x90, ..Self::continuing(3) },
            0xf4 => Self { high: 0x8f, ..Self::continuing(3) },
            0xf1..=0xf3 => Self::continuing(3),
            _ => Self::continuing(0),
        }
    }

    fn continuing(more: u8) -> Self {
        Self { more, low: 0x80, high: 0xbf }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repaired(text: &[u8]) -> Vec<u8> {
        let mut utf8 = Utf8Repair::default();
        let left = |at: usize| (text.len() - at - 1) as u64;
        text.iter().enumerate().map(|(at, byte)| utf8.repair(*byte, left(at))).collect()
    }

    proptest! {
        #[test]
        fn what_is_utf8_stays_and_all_becomes_it(
            text in ".{0,40}",
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0xc0_u8..], 0..40),
        ) {
            prop_assert_eq!(repaired(text.as_bytes()), text.as_bytes());
            prop_assert!(String::from_utf8(repaired(&bytes)).is_ok(), "{bytes:x?}");
        }
    }
}
