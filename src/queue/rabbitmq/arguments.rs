//! Arguments of queues. They must never change: see `topology`.

use lapin::types::{AMQPValue, FieldTable, ShortString};

/// Arguments of a queue whose messages go to the safety net after so many returns.
pub(super) fn gives_up(dead: &ShortString, delivery_limit: i32) -> FieldTable {
    safely_dead_lettered([
        ("x-dead-letter-exchange", AMQPValue::LongString(dead.as_str().into())),
        ("x-delivery-limit", delivery_limit.into()),
    ])
}

/// Quorum queue that keeps a message until the queue it is dead-lettered to has confirmed it.
pub(super) fn safely_dead_lettered<const N: usize>(more: [(&str, AMQPValue); N]) -> FieldTable {
    let mut arguments = quorum(more);
    for (name, value) in
        [("x-dead-letter-strategy", "at-least-once"), ("x-overflow", "reject-publish")]
    {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    arguments
}

pub(super) fn quorum<const N: usize>(more: [(&str, AMQPValue); N]) -> FieldTable {
    let mut arguments = table(more);
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

pub(super) fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}
