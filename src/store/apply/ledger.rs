//! The ledger: one row per webhook with its outcome, and one per repetition.
//!
//! A row remembers the receipt that made it. The same receipt again is the same request (delivered
//! twice, or replayed) and is applied again, which changes nothing; another receipt is a duplicate.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, NotSet, QueryResult, Set};

use entity::webhook_duplicates;
use entity::webhook_events::{ActiveModel, Column as C, Entity};

use super::outcome::Outcome;
use crate::normalize::NORMALIZER_VERSION;
use crate::store::sql::chunks::rows_max;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;
use crate::webhook::{Receipt, Webhook, WebhookKey};

const TABLE: &str = "webhook_events";
/// What identifies a webhook.
const KEY: [C; 4] = [C::Source, C::Session, C::EventType, C::WebhookId];
/// What the same receipt may change: its end after a replay.
const END: [C; 6] =
    [C::Outcome, C::Reason, C::Attempts, C::NormalizerVersion, C::ProcessedAt, C::UpdatedAt];

/// Whose row it is.
const OWNER: [&str; 6] = ["id", "receipt", "source", "session", "event_type", "webhook_id"];

/// A webhook with its end, for the ledger.
pub(in crate::store) struct LedgerEntry<'a> {
    pub(in crate::store) webhook: &'a Webhook,
    pub(in crate::store) outcome: Outcome,
    pub(in crate::store) attempts: u32,
    pub(in crate::store) keeps_body: bool,
}

/// Who has a ledger row: its id and the receipt that made it.
pub(in crate::store) type LedgerOwners = HashMap<WebhookKey, (i64, Receipt)>;

/// Whether the ledger's row of a webhook was made by this very request.
pub(in crate::store) fn is_mine(owners: &LedgerOwners, webhook: &Webhook) -> bool {
    owners.get(webhook.key()).is_some_and(|(_, receipt)| *receipt == webhook.receipt())
}

/// Writes entries, which have different keys, in the order of their keys; tells whose rows they are.
pub(in crate::store) async fn write(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    entries: &[LedgerEntry<'_>],
    now: DateTime<Utc>,
) -> Result<LedgerOwners, DbErr> {
    let upsert = Upsert::<Entity>::new(dialect, &KEY);
    let same = format!("{} = {}", upsert.old_value(C::Receipt), upsert.new_value(C::Receipt));
    // A dead letter's body is not in the ledger until a replay ends well.
    let missing = format!("{same} AND {} IS NULL", upsert.old_value(C::Body));
    let upsert = upsert.when(&missing, &[C::Body]).when(&same, &END);
    let rows = entries.iter().map(|entry| row(entry, now)).collect();
    if dialect.returns_rows() {
        let rows = upsert.run_returning(db, rows, &OWNER).await?;
        return rows.iter().map(owner).collect();
    }
    upsert.run(db, rows).await?;
    owners(db, entries.iter().map(|entry| entry.webhook.key())).await
}

/// Writes entries of which several may be of one webhook: the first of each, then the last of those
/// others that own its row.
pub(in crate::store) async fn write_all(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    entries: Vec<LedgerEntry<'_>>,
    now: DateTime<Utc>,
) -> Result<LedgerOwners, DbErr> {
    let mut seen = HashSet::new();
    let (mut first, rest): (Vec<LedgerEntry<'_>>, Vec<LedgerEntry<'_>>) =
        entries.into_iter().partition(|entry| seen.insert(entry.webhook.key()));
    first.sort_unstable_by_key(|entry| entry.webhook.key());
    let owners = write(db, dialect, &first, now).await?;
    let owns = |entry: &LedgerEntry<'_>| {
        owners.get(entry.webhook.key()).is_some_and(|(_, it)| *it == entry.webhook.receipt())
    };
    // In the order of their keys.
    let later: BTreeMap<&WebhookKey, LedgerEntry<'_>> =
        rest.into_iter().filter(owns).map(|entry| (entry.webhook.key(), entry)).collect();
    let later: Vec<LedgerEntry<'_>> = later.into_values().collect();
    write(db, dialect, &later, now).await?;
    Ok(owners)
}

fn row(entry: &LedgerEntry<'_>, now: DateTime<Utc>) -> ActiveModel {
    let (webhook, key) = (entry.webhook, entry.webhook.key());
    let body = entry.keeps_body.then(|| webhook.body().to_vec());
    ActiveModel {
        id: NotSet,
        source: Set(key.source.clone()),
        session: Set(key.session.clone()),
        event_type: Set(key.event_type.clone()),
        webhook_id: Set(key.id.clone()),
        receipt: Set(webhook.receipt().0),
        body: Set(body),
        outcome: Set(entry.outcome.name().to_owned()),
        reason: Set(entry.outcome.reason().map(str::to_owned)),
        attempts: Set(i32::try_from(entry.attempts).unwrap_or(i32::MAX)),
        normalizer_version: Set(NORMALIZER_VERSION),
        webhook_at: Set(time(webhook.at_ms())),
        received_at: Set(time(webhook.received_at_ms())),
        processed_at: Set(now),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

/// Milliseconds as a column's time.
pub(in crate::store) fn time(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// The rows of these webhooks, as far as there are any.
pub(in crate::store) async fn owners<'a>(
    db: &impl ConnectionTrait,
    keys: impl Iterator<Item = &'a WebhookKey>,
) -> Result<LedgerOwners, DbErr> {
    let keys: Vec<&WebhookKey> = keys.collect();
    let mut owners = LedgerOwners::with_capacity(keys.len());
    for keys in keys.chunks(rows_max(KEY.len())) {
        for row in db.query_all(&select(keys)).await? {
            owners.extend([owner(&row)?]);
        }
    }
    Ok(owners)
}

/// Reads the columns [`OWNER`].
fn owner(row: &QueryResult) -> Result<(WebhookKey, (i64, Receipt)), DbErr> {
    let key = WebhookKey {
        source: row.try_get("", "source")?,
        session: row.try_get("", "session")?,
        event_type: row.try_get("", "event_type")?,
        id: row.try_get("", "webhook_id")?,
    };
    Ok((key, (row.try_get("", "id")?, Receipt(row.try_get("", "receipt")?))))
}

fn select(keys: &[&WebhookKey]) -> SelectStatement {
    let mut select = Query::select();
    select.columns(OWNER.map(Alias::new)).from(Alias::new(TABLE)).cond_where(any_of(keys));
    select
}

/// Rows with one of these keys: by the leading columns of the key and a list of ids, so that every
/// database uses the index.
pub(in crate::store) fn any_of(keys: &[&WebhookKey]) -> Cond {
    let mut groups: HashMap<[&str; 3], Vec<&str>> = HashMap::new();
    for key in keys {
        groups.entry([&key.source, &key.session, &key.event_type]).or_default().push(&key.id);
    }
    let column = |name: &'static str| Expr::col(Alias::new(name));
    groups.into_iter().fold(Cond::any(), |any, ([source, session, event_type], ids)| {
        any.add(
            Cond::all()
                .add(column("source").eq(source))
                .add(column("session").eq(session))
                .add(column("event_type").eq(event_type))
                .add(column("webhook_id").is_in(ids)),
        )
    })
}

/// Writes repetitions, once each however often they are delivered.
pub(in crate::store) async fn write_duplicates(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    duplicates: &[(i64, &Webhook)],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let mut seen = HashSet::new();
    let mut rows: Vec<(i64, i64, DateTime<Utc>)> = duplicates
        .iter()
        .map(|(id, webhook)| (*id, webhook.receipt().0, time(webhook.received_at_ms())))
        .filter(|(id, receipt, _)| seen.insert((*id, *receipt)))
        .collect();
    rows.sort_unstable();
    let row = |(id, receipt, received_at)| webhook_duplicates::ActiveModel {
        id: NotSet,
        webhook_event_id: Set(id),
        receipt: Set(receipt),
        received_at: Set(received_at),
        created_at: NotSet,
        updated_at: Set(now),
    };
    let rows = rows.into_iter().map(row).collect();
    let key = &[webhook_duplicates::Column::WebhookEventId, webhook_duplicates::Column::Receipt];
    Upsert::<webhook_duplicates::Entity>::new(dialect, key).run(db, rows).await
}

/// Says that a webhook told nothing that counted.
pub(in crate::store) async fn mark_ignored(
    db: &impl ConnectionTrait,
    row_id: i64,
    reason: &'static str,
) -> Result<(), DbErr> {
    let mut update = Query::update();
    update
        .table(Alias::new(TABLE))
        .values([
            (Alias::new("outcome"), Expr::val("ignored")),
            (Alias::new("reason"), Expr::val(reason)),
        ])
        .and_where(Expr::col(Alias::new("id")).eq(row_id));
    db.execute(&update).await.map(drop)
}
