//! Read back by lapin's own parser.

use lapin::protocol::BasicProperties;
use lapin::protocol::basic::parse_properties;
use lapin::types::{AMQPValue, FieldTable};
use proptest::prelude::*;

use super::*;

/// A frame with a content type, headers, and a message id.
fn frame_with(text: &[u8], table: &[u8]) -> Vec<u8> {
    let text = [&[u8::try_from(text.len()).unwrap()], text].concat();
    let head = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0xa0, 0x80];
    let content = [&head, &text[..], &length(table), table, &text].concat();
    [&[2, 0, 1], &length(&content)[..], &content, &[0xce]].concat()
}

fn frame(table: &[u8]) -> Vec<u8> {
    frame_with(b"text", table)
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap().to_be_bytes()
}

/// An entry whose value has so many arrays or tables within one another.
fn nested(levels: usize, kind: u8) -> Vec<u8> {
    let (name, head): (&[u8], _) = if kind == TABLE { (&[0, TABLE], 6) } else { (&[ARRAY], 5) };
    let head = |inner: usize| {
        let length = u32::try_from(inner * head).unwrap().to_be_bytes();
        [name, &length].concat()
    };
    let value: Vec<u8> = (0..levels).rev().flat_map(head).collect();
    if kind == TABLE { value } else { [&[1, b'x'], &value[..]].concat() }
}

/// What comes out of `bytes` that come in such pieces.
fn passed(bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut sanitizer = Sanitizer::new();
    bytes.chunks_mut(piece).for_each(|bytes| sanitizer.pass(bytes));
    bytes
}

fn properties(frame: &[u8]) -> BasicProperties {
    parse_properties(&frame[7 + 12..frame.len() - 1]).unwrap().1
}

fn headers(frame: &[u8]) -> FieldTable {
    properties(frame).headers().clone().unwrap()
}

fn depth(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::FieldTable(table) => 1 + table.inner().values().map(depth).max().unwrap_or(0),
        AMQPValue::FieldArray(array) => 1 + array.as_slice().iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[test]
fn what_is_nested_too_deep_becomes_a_text() {
    for kind in [ARRAY, TABLE] {
        for levels in [DEPTH_MAX, 21_000] {
            let frames = [frame(&nested(levels, kind)), frame(&nested(1, kind))].concat();
            let passed = passed(&frames, 4096);
            let read = headers(&passed[..passed.len() - frame(&nested(1, kind)).len()]);
            assert_eq!(depth(&AMQPValue::FieldTable(read)), DEPTH_MAX, "{levels} levels");
            let changed = passed.iter().zip(&frames).filter(|(one, other)| one != other).count();
            assert_eq!(changed, 1, "only a type");
        }
    }
}

#[test]
fn what_brokers_write_is_left_as_it_is() {
    let deaths = [&[7], &b"x-death"[..], &nested(4, ARRAY)[2..], b"\x01nV\x01tt\x01\x01dd12345678"];
    let frame = frame(&deaths.concat());
    assert_eq!(passed(&frame, 1), frame);
    assert_eq!(headers(&frame).inner().len(), 4);
}

#[test]
fn texts_that_are_no_utf8_are_replaced_and_others_are_not() {
    for (text, becomes) in [(&b"caf\xc3\xa9"[..], "caf\u{e9}"), (b"\xffcaf\xe9", "?caf?")] {
        let named = [&[u8::try_from(text.len()).unwrap()], text, b"V"].concat();
        let passed = passed(&frame_with(text, &named), 3);
        let read = properties(&passed);
        assert_eq!(read.content_type().as_ref().unwrap().as_str(), becomes);
        assert_eq!(read.message_id().as_ref().unwrap().as_str(), becomes);
        assert_eq!(headers(&passed).inner().keys().next().unwrap().as_str(), becomes);
    }
}

#[test]
fn a_routing_key_is_repaired_too() {
    let content = b"\0\x3c\0\x3c\x01c12345678\0\x01e\x03k\xff.";
    let frame = [&[1, 0, 1], &length(content)[..], content, &[0xce]].concat();
    assert!(passed(&frame, 2).ends_with(b"\x03k?.\xce"));
}

proptest! {
    #[test]
    fn any_bytes_pass_and_pieces_make_no_difference(
        table in prop::collection::vec(prop_oneof![Just(TABLE), Just(ARRAY), 0_u8..8], 0..400),
        end in prop::collection::vec(any::<u8>(), 0..80),
        piece in 1_usize..40,
    ) {
        let bytes = [frame(&table), end, frame(&nested(40, ARRAY))].concat();
        let whole = passed(&bytes, bytes.len());
        prop_assert_eq!(&passed(&bytes, piece), &whole);
        prop_assert_eq!(&passed(&whole, piece), &whole, "once is enough");
        if let Ok((_, read)) = parse_properties(&whole[7 + 12..]) {
            let depth = read.headers().clone().map(|table| depth(&AMQPValue::FieldTable(table)));
            prop_assert!(depth.is_none_or(|depth| depth <= DEPTH_MAX));
        }
    }
}
