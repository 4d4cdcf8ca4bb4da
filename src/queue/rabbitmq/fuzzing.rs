//! How `crate::fuzzing` reaches what a message holds.

use lapin::message::Delivery as Message;
use lapin::protocol::basic::{gen_properties, parse_properties};

use super::message;
use super::sanitizer::Sanitizer;
use crate::queue::Failure;
use crate::webhook::Webhook;

/// Class, weight and size of the body, before the properties of a frame.
const CONTENT: [u8; 12] = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What a message with such properties is read as, once its frame has passed the socket; none if lapin
/// could not read them.
pub(crate) fn read_message(properties: &[u8], body: &[u8]) -> Option<(Webhook, Vec<Failure>)> {
    let length = u32::try_from(CONTENT.len() + properties.len()).ok()?.to_be_bytes();
    let mut frame = [&[2, 0, 1][..], &length, &CONTENT, properties, &[0xce]].concat();
    Sanitizer::new().pass(&mut frame);
    let content = &frame[7 + CONTENT.len()..frame.len() - 1];
    let (rest, properties) = parse_properties(content).ok()?;
    let nothing = || "".into();
    let mut message = Message::mock(1, nothing(), nothing(), false, body.to_vec());
    message.properties = properties;
    let content = message::read(message);
    rest.is_empty().then_some((content.webhook, content.failures))
}

/// The properties of the message for a webhook, as they are sent.
pub(crate) fn written(webhook: &Webhook, failures: &[Failure]) -> Vec<u8> {
    let properties = message::properties(webhook, failures).expect("JSON");
    let written = gen_properties::<Vec<u8>>(&properties)(Vec::new().into()).expect("memory");
    written.into_inner().0
}
