//! What an application is told of a change: one JSON object.

use serde_json::{Value, json};

use crate::store::operations::consumers::{ConsumerRow, SessionName};
use crate::store::operations::feed::ChangeWithRow;

/// A change as it is told, and what names it.
pub(super) struct Entry {
    /// Names this delivery of it; the same each time that it is tried, another one after a rewind.
    pub(super) id: String,
    /// `{source}.{session}.{kind}`, without dots in the first two.
    pub(super) routing_key: String,
    /// All of it.
    pub(super) json: Value,
}

impl Entry {
    pub(super) fn of(told: ChangeWithRow, consumer: &ConsumerRow, session: &SessionName) -> Self {
        let ChangeWithRow { change, row, merged_into } = told;
        let ConsumerRow { epoch, generation, .. } = consumer;
        let SessionName { source, name } = session;
        let part = |text: &str| text.replace('.', "_");
        Self {
            id: format!("{epoch}_{}_{generation}", change.position),
            routing_key: format!("{}.{}.{}", part(source), part(name), change.kind),
            json: json!({
                "position": change.position,
                "epoch": epoch,
                "kind": change.kind,
                "source": source,
                "session": name,
                "session_id": change.session_id,
                "chat_id": change.chat_id,
                "row_id": change.row_id,
                "natural_key": change.natural_key,
                "changed_at": change.changed_at,
                "merged_into": merged_into,
                "row": row,
            }),
        }
    }
}
