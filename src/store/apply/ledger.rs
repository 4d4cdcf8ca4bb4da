//! The ledger: one row per webhook with its outcome, and one per repetition.
//!
//! A row remembers the receipt that made it. The same receipt again is the same request (delivered
//! twice, or replayed) and is applied again, which changes nothing; another receipt is a duplicate.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, NotSet, Order, QueryResult, Set};

use entity::webhook_duplicates;
use entity::webhook_events::{ActiveModel, Column as C, Entity};

use super::outcome::Outcome;
use crate::normalize::NORMALIZER_VERSION;
use crate::store::months::{MonthLayout, MonthTable};
use crate::store::sql::chunks::rows_max;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;
use crate::webhook::{Receipt, Webhook, WebhookKey};

const TABLE: &str = "webhook_events";
/// What identifies a webhook.
const KEY: [C; 4] = [C::Source, C::Session, C::EventType, C::WebhookId];
/// The same where the ledger is kept by month. A webhook's month follows from its body, so it is one key as well.
const KEY_BY_MONTH: [C; 5] = [C::Source, C::Session, C::EventType, C::WebhookId, C::Month];
/// What the same receipt may change: its end after a replay.
const END: [C; 6] =
    [C::Outcome, C::Reason, C::Attempts, C::NormalizerVersion, C::ProcessedAt, C::UpdatedAt];

/// Whose row it is.
const OWNER: [&str; 7] =
    ["id", "month", "receipt", "source", "session", "event_type", "webhook_id"];
/// Whether the row has a body, as one more column.
const HAS_BODY: &str = "body IS NOT NULL AS has_body";

/// A webhook with its end, for the ledger.
pub(in crate::store) struct LedgerEntry<'a> {
    pub(in crate::store) webhook: &'a Webhook,
    pub(in crate::store) outcome: Outcome,
    pub(in crate::store) attempts: u32,
    pub(in crate::store) keeps_body: bool,
    /// Whether the ledger may have it under another month than that of its body, which somebody may have edited.
    pub(in crate::store) may_be_known: bool,
}

/// Who has a ledger row.
pub(in crate::store) type LedgerOwners = HashMap<WebhookKey, LedgerOwner>;

/// Whose a ledger row is.
#[derive(Clone, Copy)]
pub(in crate::store) struct LedgerOwner {
    pub(in crate::store) id: i64,
    /// The month under which it is kept.
    pub(in crate::store) month: i32,
    /// The receipt that made it.
    pub(in crate::store) receipt: Receipt,
    /// Whether its body is in the ledger itself.
    pub(in crate::store) has_body: bool,
}

/// Whether the ledger's row of a webhook was made by this very request.
pub(in crate::store) fn is_mine(owners: &LedgerOwners, webhook: &Webhook) -> bool {
    owners.get(webhook.key()).is_some_and(|owner| owner.receipt == webhook.receipt())
}

/// Writes entries, which have different keys, in the order of their keys; tells whose rows they are.
pub(in crate::store) async fn write(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    layout: &MonthLayout,
    entries: &[LedgerEntry<'_>],
    now: DateTime<Utc>,
) -> Result<LedgerOwners, StoreError> {
    let is_keyed = layout.of(MonthTable::Ledger).is_keyed;
    let months = months(db, layout, entries).await?;
    let upsert = upsert(dialect, is_keyed);
    let rows = entries.iter().zip(&months).map(|(entry, month)| row(entry, *month, now)).collect();
    if dialect.returns_rows() {
        let columns = OWNER.into_iter().chain([HAS_BODY]).collect::<Vec<&str>>();
        let rows = upsert.run_returning(db, rows, &columns).await?;
        return Ok(rows.iter().map(owner).collect::<Result<_, _>>()?);
    }
    upsert.run(db, rows).await?;
    let keys: Vec<&WebhookKey> = entries.iter().map(|entry| entry.webhook.key()).collect();
    let found = rows_of(db, &keys, is_keyed.then_some(&months)).await?;
    let (count, owners) = (found.len(), found.into_iter().collect::<LedgerOwners>());
    // Written under its month while it had a row under none: it was not known that the key has become another.
    if owners.len() < count { Err(StoreError::Divided) } else { Ok(owners) }
}

fn upsert(dialect: Dialect, is_keyed: bool) -> Upsert<Entity> {
    let key: &[C] = if is_keyed { &KEY_BY_MONTH } else { &KEY };
    let upsert = Upsert::<Entity>::new(dialect, key);
    let same = format!("{} = {}", upsert.old_value(C::Receipt), upsert.new_value(C::Receipt));
    // A dead letter's body is not in the ledger until a replay ends well.
    let missing = format!("{same} AND {} IS NULL", upsert.old_value(C::Body));
    upsert.when(&missing, &[C::Body]).when(&same, &END)
}

/// The months under which entries are kept: that of the row which is there, else that of the body.
async fn months(
    db: &impl ConnectionTrait,
    layout: &MonthLayout,
    entries: &[LedgerEntry<'_>],
) -> Result<Vec<i32>, DbErr> {
    let own = entries.iter().map(|entry| entry.webhook.month()).collect::<Vec<i32>>();
    if !layout.of(MonthTable::Ledger).is_keyed {
        return Ok(own);
    }
    let (mut known, mut hidden) = (Vec::new(), Vec::new());
    for (entry, month) in entries.iter().zip(&own) {
        if entry.may_be_known {
            known.push(entry.webhook.key());
        } else if layout.may_hide(*month) {
            hidden.push(entry.webhook.key());
        }
    }
    let mut stored = rows_of(db, &known, None).await?;
    stored.extend(rows_of(db, &hidden, Some(&[0])).await?);
    let stored: LedgerOwners = stored.into_iter().collect();
    let month = |(entry, own): (&LedgerEntry<'_>, i32)| {
        stored.get(entry.webhook.key()).map_or(own, |owner| owner.month)
    };
    Ok(entries.iter().zip(own).map(month).collect())
}

/// Writes entries of which several may be of one webhook: the first of each, then the last of those
/// others that own its row.
pub(in crate::store) async fn write_all(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    layout: &MonthLayout,
    entries: Vec<LedgerEntry<'_>>,
    now: DateTime<Utc>,
) -> Result<LedgerOwners, StoreError> {
    let mut seen = HashSet::new();
    let (mut first, rest): (Vec<LedgerEntry<'_>>, Vec<LedgerEntry<'_>>) =
        entries.into_iter().partition(|entry| seen.insert(entry.webhook.key()));
    first.sort_unstable_by_key(|entry| entry.webhook.key());
    let owners = write(db, dialect, layout, &first, now).await?;
    let owns = |entry: &LedgerEntry<'_>| is_mine(&owners, entry.webhook);
    // In the order of their keys.
    let later: BTreeMap<&WebhookKey, LedgerEntry<'_>> =
        rest.into_iter().filter(owns).map(|entry| (entry.webhook.key(), entry)).collect();
    let later: Vec<LedgerEntry<'_>> = later.into_values().collect();
    write(db, dialect, layout, &later, now).await?;
    Ok(owners)
}

fn row(entry: &LedgerEntry<'_>, month: i32, now: DateTime<Utc>) -> ActiveModel {
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
        month: Set(month),
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
    Ok(rows_of(db, &keys, None).await?.into_iter().collect())
}

/// The same; only in these months, if they are known: then no other part is looked into.
async fn rows_of(
    db: &impl ConnectionTrait,
    keys: &[&WebhookKey],
    months: Option<&[i32]>,
) -> Result<Vec<(WebhookKey, LedgerOwner)>, DbErr> {
    let months: Option<BTreeSet<i32>> = months.map(|months| months.iter().copied().collect());
    let mut rows = Vec::with_capacity(keys.len());
    for keys in keys.chunks(rows_max(KEY.len())) {
        let mut select = select(keys);
        if let Some(months) = &months {
            select.and_where(Expr::col(C::Month).is_in(months.iter().copied()));
        }
        for row in db.query_all(&select).await? {
            rows.push(owner(&row)?);
        }
    }
    Ok(rows)
}

/// Reads the columns [`OWNER`] and [`HAS_BODY`].
fn owner(row: &QueryResult) -> Result<(WebhookKey, LedgerOwner), DbErr> {
    let key = WebhookKey {
        source: row.try_get("", "source")?,
        session: row.try_get("", "session")?,
        event_type: row.try_get("", "event_type")?,
        id: row.try_get("", "webhook_id")?,
    };
    let owner = LedgerOwner {
        id: row.try_get("", "id")?,
        month: row.try_get("", "month")?,
        receipt: Receipt(row.try_get("", "receipt")?),
        has_body: row.try_get("", "has_body")?,
    };
    Ok((key, owner))
}

fn select(keys: &[&WebhookKey]) -> SelectStatement {
    let mut select = Query::select();
    select
        .columns(OWNER.map(Alias::new))
        .expr_as(Expr::col(Alias::new("body")).is_not_null(), Alias::new("has_body"))
        .from(Alias::new(TABLE))
        .cond_where(any_of(keys));
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

/// Locks the rows of webhooks that are read again; an error if one is not there any more, because retention let go
/// of it: written anew it would be counted twice.
pub(in crate::store) async fn lock(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    keys: impl Iterator<Item = &WebhookKey>,
) -> Result<(), StoreError> {
    let keys: BTreeSet<&WebhookKey> = keys.collect();
    let keys: Vec<&WebhookKey> = keys.into_iter().collect();
    for keys in keys.chunks(rows_max(KEY.len())) {
        let mut select = select(keys);
        for column in KEY {
            select.order_by(column, Order::Asc);
        }
        let mut statement = dialect.backend().build(&select);
        if dialect != Dialect::Sqlite {
            statement.sql.push_str(" FOR UPDATE");
        }
        if db.query_all_raw(statement).await?.len() < keys.len() {
            return Err(StoreError::Vanished(TABLE));
        }
    }
    Ok(())
}

/// Writes repetitions of the webhooks with these rows, once each however often they are delivered.
pub(in crate::store) async fn write_duplicates(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    layout: &MonthLayout,
    duplicates: &[(LedgerOwner, &Webhook)],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    use webhook_duplicates::Column;
    let mut seen = HashSet::new();
    let mut rows: Vec<(i64, i64, DateTime<Utc>, i32)> = duplicates
        .iter()
        .map(|(owner, webhook)| (owner, webhook.receipt().0, time(webhook.received_at_ms())))
        .filter(|(owner, receipt, _)| seen.insert((owner.id, *receipt)))
        .map(|(owner, receipt, received_at)| (owner.id, receipt, received_at, owner.month))
        .collect();
    rows.sort_unstable();
    let row = |(id, receipt, received_at, month)| webhook_duplicates::ActiveModel {
        id: NotSet,
        webhook_event_id: Set(id),
        receipt: Set(receipt),
        received_at: Set(received_at),
        created_at: NotSet,
        updated_at: Set(now),
        month: Set(month),
    };
    let rows = rows.into_iter().map(row).collect();
    let key: &[Column] = if layout.of(MonthTable::Duplicates).is_keyed {
        &[Column::WebhookEventId, Column::Receipt, Column::Month]
    } else {
        &[Column::WebhookEventId, Column::Receipt]
    };
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
