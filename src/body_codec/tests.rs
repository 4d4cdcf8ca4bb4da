use std::borrow::Cow;

use super::*;
use crate::simulate::{Families, Plan, history};

/// Bodies of every engine.
fn bodies() -> Vec<Vec<u8>> {
    let plan = Plan { seed: 77, messages: 40, families: Families::ALL, ..Plan::default() };
    history(&plan).map(|sent| sent.body).collect()
}

fn packed(body: &[u8]) -> PackedBody<'_> {
    Packer::new(PackCheck::Each).unwrap().pack(body)
}

fn read(packed: &PackedBody<'_>) -> Result<Vec<u8>, UnpackError> {
    unpack(packed, &Dictionaries::default())
}

#[test]
fn what_is_packed_is_unpacked_and_far_shorter() {
    let (mut plain, mut stored) = (0, 0);
    for body in bodies() {
        let packed = packed(&body);
        assert_eq!(read(&packed).unwrap(), body);
        plain += body.len();
        stored += packed.bytes.len();
    }
    assert!(stored * 3 < plain, "{plain} bytes are stored as {stored}");
}

#[test]
fn what_does_not_pay_is_left_as_it_came() {
    let noise: Vec<u8> =
        (0..200_u32).map(|it| it.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    for body in [&b""[..], b"{", &noise] {
        let packed = packed(body);
        assert_eq!((packed.codec, packed.dictionary_id), (BodyCodec::Raw, None));
        assert_eq!(read(&packed).unwrap(), body);
    }
}

#[test]
fn each_damaged_byte_is_an_error_or_makes_no_difference() {
    let body = bodies().swap_remove(3);
    let whole = packed(&body);
    for place in 0..whole.bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = whole.bytes.to_vec();
            bytes[place] ^= flip;
            let damaged = PackedBody { bytes: Cow::Owned(bytes), ..whole.clone() };
            assert!(read(&damaged).is_err_and(|error| !error.to_string().is_empty()));
        }
        let cut = Cow::Borrowed(&whole.bytes[..place]);
        assert!(read(&PackedBody { bytes: cut, ..whole.clone() }).is_err());
    }
}

/// A row that says it is short, and one that does not.
#[test]
fn a_bomb_is_not_unpacked() {
    let bomb = vec![b' '; 64 << 20];
    let bomb = packed(&bomb);
    assert!(bomb.bytes.len() < 20_000);
    let told = UnpackError::Length { row: 100, told: 64 << 20 };
    assert_eq!(read(&PackedBody { body_bytes: 100, ..bomb.clone() }), Err(told));
    let long = usize::try_from(BODY_BYTES_MAX + 1).unwrap();
    let too_long = Err(UnpackError::TooLong(BODY_BYTES_MAX + 1));
    assert_eq!(read(&PackedBody { body_bytes: long, ..bomb }), too_long);
    // A frame without a length, and two frames where one is told.
    let mut endless = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    endless.extend([0x01, 0x00, 0x00]);
    let row = PackedBody {
        dictionary_id: None,
        bytes: Cow::Owned(endless),
        ..packed(b"{}{}{}{}{}{}{}{}")
    };
    assert_eq!(read(&PackedBody { codec: BodyCodec::Zstd, ..row }), Err(UnpackError::Damaged));
    let body = bodies().swap_remove(0);
    let one = packed(&body);
    let two = Cow::Owned([&one.bytes[..], &one.bytes[..]].concat());
    assert_eq!(read(&PackedBody { bytes: two, ..one.clone() }), Err(UnpackError::Damaged));
}

#[test]
fn a_dictionary_that_is_not_known_is_named() {
    let body = bodies().swap_remove(0);
    let packed = packed(&body);
    let other = PackedBody { dictionary_id: Some(4711), ..packed.clone() };
    assert_eq!(read(&other), Err(UnpackError::NoDictionary(4711)));
    let without = PackedBody { dictionary_id: None, ..packed };
    assert_eq!(read(&without), Err(UnpackError::OtherDictionary));
    let damaged = Dictionary::read(4711, SHIPPED.bytes).err();
    assert_eq!(damaged, Some(UnpackError::DamagedDictionary(4711)));
}

/// A changed one would make what was packed with it unreadable.
#[test]
fn dictionaries_stay_as_they_are() {
    use sha2::{Digest, Sha256};
    let hash = hex::encode(Sha256::digest(SHIPPED.bytes));
    assert_eq!(
        (SHIPPED.id, hash.as_str()),
        (0x2bfd_99f0, "25d81da5ef3c68ccce6c6ef0e9aa8a22d3756dd2e1614e67952e406c22fe520d")
    );
}
