//! What was found, by the hour in which messages were sent.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{DbErr, FromQueryResult};

use entity::reconciliation_hours::{ActiveModel, Column as C, Entity};
use entity::{waha_chats as chat, waha_messages as message};

use super::ReconciliationWindow;
use crate::store::Store;
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

/// What is known of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HourState {
    /// All of it was compared.
    Complete,
    /// Only a part of it was: it is not over yet, or was not asked for.
    Partial,
    /// It could not be compared, for this reason.
    Unknown(&'static str),
}

/// What was found in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourFinding {
    /// When it begins.
    pub hour: DateTime<Utc>,
    /// Messages that WAHA lists.
    pub listed: u32,
    /// Messages here that webhooks told.
    pub live: u32,
    /// Messages here that only WAHA's list told.
    pub backfilled: u32,
    /// Messages here that WAHA does not list.
    pub only_here: u32,
    /// Of those, the ones that are known to be revoked.
    pub revoked_here: u32,
    /// Messages that WAHA lists and that could not be taken over.
    pub refused: u32,
    /// What that says.
    pub state: HourState,
}

impl HourFinding {
    /// Nothing, in this hour.
    pub fn of(hour: DateTime<Utc>) -> Self {
        let state = HourState::Complete;
        let (listed, live, backfilled) = (0, 0, 0);
        let (only_here, revoked_here, refused) = (0, 0, 0);
        Self { hour, listed, live, backfilled, only_here, revoked_here, refused, state }
    }
}

/// A message here, by the time at which it was sent.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct OurMessage {
    /// Its row.
    pub id: i64,
    /// When.
    pub sent_at: DateTime<Utc>,
    /// The version of its content, which says whether a webhook told it.
    pub content_version: i64,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Messages here that were sent in a window; notices, which WAHA's lists leave out, are not among them. By the
    /// index on chat and time, of the chats in which anything was written since.
    pub async fn our_messages(
        &self,
        session_id: i64,
        window: ReconciliationWindow,
    ) -> Result<Vec<OurMessage>, StoreError> {
        use sea_orm::ConnectionTrait;
        let of_message = |column: message::Column| Expr::col((message::Entity, column));
        let of_chat = |column: chat::Column| Expr::col((chat::Entity, column));
        let [from, until] =
            [window.from, window.until].map(|at| Expr::val(self.dialect.bind(at.into())));
        let mut select = Query::select();
        select
            .columns(
                [
                    message::Column::Id,
                    message::Column::SentAt,
                    message::Column::ContentVersion,
                    message::Column::RevokedAt,
                ]
                .map(|column| (message::Entity, column)),
            )
            .from(chat::Entity)
            .inner_join(
                message::Entity,
                of_message(message::Column::SessionId)
                    .eq(of_chat(chat::Column::SessionId))
                    .and(of_message(message::Column::ChatId).eq(of_chat(chat::Column::Id))),
            )
            .and_where(of_chat(chat::Column::SessionId).eq(session_id))
            .and_where(of_chat(chat::Column::LastMessageAt).gte(from.clone()))
            .and_where(of_message(message::Column::SentAt).between(from, until))
            .and_where(of_message(message::Column::IsStub).eq(false))
            .and_where(of_message(message::Column::IsNotice).eq(false));
        let rows = self.reading().query_all(&select).await?;
        let read = |row| OurMessage::from_query_result(row, "");
        Ok(rows.iter().map(read).collect::<Result<_, DbErr>>()?)
    }
}

/// Writes what was found; what is complete by now stays so when only a part of the hour is looked at again.
pub(super) async fn write(
    context: &WriteContext<'_>,
    session_id: i64,
    hours: &[HourFinding],
) -> Result<(), StoreError> {
    let rows = hours.iter().map(|hour| row(session_id, hour, context.now)).collect();
    let upsert = Upsert::<Entity>::new(context.dialect, &[C::SessionId, C::HourAt]);
    let whole = format!(
        "{} <> 'partial' OR {} <> 'complete'",
        upsert.new_value(C::State),
        upsert.old_value(C::State)
    );
    // The state comes last, because it decides about the others.
    let columns = [
        C::Listed,
        C::Live,
        C::Backfilled,
        C::OnlyHere,
        C::RevokedHere,
        C::Refused,
        C::Reason,
        C::CheckedAt,
        C::UpdatedAt,
        C::State,
    ];
    Ok(upsert.when(&whole, &columns).run(context.db, rows).await?)
}

fn row(session_id: i64, finding: &HourFinding, now: DateTime<Utc>) -> ActiveModel {
    let HourFinding { hour, listed, live, backfilled, only_here, revoked_here, refused, state } =
        *finding;
    let number = |count: u32| Set(i32::try_from(count).unwrap_or(i32::MAX));
    let (state, reason) = match state {
        HourState::Complete => ("complete", None),
        HourState::Partial => ("partial", None),
        HourState::Unknown(reason) => ("unknown", Some(reason.to_owned())),
    };
    ActiveModel {
        id: NotSet,
        session_id: Set(session_id),
        hour_at: Set(hour),
        listed: number(listed),
        live: number(live),
        backfilled: number(backfilled),
        only_here: number(only_here),
        revoked_here: number(revoked_here),
        refused: number(refused),
        state: Set(state.to_owned()),
        reason: Set(reason),
        checked_at: Set(now),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
