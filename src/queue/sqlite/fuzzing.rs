//! How `crate::fuzzing` reaches a row of the queue file.

use std::path::Path;

use rusqlite::{Connection, params};
use tokio::sync::mpsc;

use super::claim::{Claim, Found, claim};
use super::damaged_row::encode_body;
use super::schema;
use super::statements::DueTime;
use crate::queue::{BatchLimit, Delivery, Lane};

const NOW_MS: i64 = 1_795_000_000_000;

/// What somebody wrote into the columns, without a checksum, as rows of the first version are.
pub(crate) struct Row<'a> {
    /// Source, session, event type, id, headers.
    pub(crate) texts: [String; 5],
    pub(crate) failures: String,
    pub(crate) times: [i64; 2],
    pub(crate) body: &'a [u8],
}

/// Claims the row; none if it was set aside, whole. One or the other happens to every row.
pub(crate) fn claim_row(row: &Row) -> Option<Delivery> {
    let db = schema::make_fresh(Path::new(":memory:")).expect("a database");
    insert(&db, row).expect("inserted");
    let until = DueTime::after(NOW_MS, 10_000);
    let wish = Claim { lane: Lane::Messages, limit: BatchLimit::of(10), now_ms: NOW_MS, until };
    let Found { mut claimed, damaged } = claim(&db, wish, || 1).expect("the file is sound");
    assert_eq!(claimed.len() + damaged.len(), 1, "each row ends somewhere");
    if let [damaged] = &damaged[..] {
        let kept = damaged.webhook.as_ref().map(|webhook| &webhook.body_base64);
        assert_eq!(kept, Some(&encode_body(row.body)), "a body is set aside whole");
    }
    let (tag, claimed) = claimed.pop()?;
    let (returns, _) = mpsc::unbounded_channel();
    Some(Delivery::new(claimed.webhook, claimed.failures, tag, returns))
}

fn insert(db: &Connection, row: &Row) -> rusqlite::Result<()> {
    let Row { texts: [source, session, event_type, id, headers], failures, times, body } = row;
    db.execute(
        "INSERT INTO webhooks VALUES (1, ?1, ?2, ?3, ?4, 7, ?5, ?6, 0, ?7, ?8, NULL)",
        params![source, session, event_type, id, times[0], times[1], headers, body],
    )?;
    db.execute(
        "INSERT INTO deliveries VALUES (1, 'messages', 0, NULL, 0, 0, ?1, ?2, 0)",
        params![times[1], failures],
    )?;
    Ok(())
}
