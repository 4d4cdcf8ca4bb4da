//! A message's row that turned out to be another's stays, emptied, and points there: applications may refer
//! to it.
//!
//! Called where rows of messages meet: `move_messages`, and `apply/own_messages`. A pointer leads to a row
//! that points nowhere. Its key is freed, so that whatever is told under it later gets a row of its own.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryResult};

use entity::waha_messages::{Column, Entity};

use super::move_keys::update_row;
use crate::store::connect::transaction::WriteContext;
use crate::store::feed::ChangeKind;
use crate::store::sql::error::StoreError;
use crate::store::tables::message;

/// Empties a row; what it held has been read from `row`. Returns its id, for [`point`].
pub(in crate::store) async fn retire(
    context: &WriteContext<'_>,
    row: &QueryResult,
) -> Result<i64, StoreError> {
    let id = row.try_get("", "id")?;
    update_row::<Entity>(context, message::emptied(id, context.now), id).await?;
    // Nobody was shown a stub.
    if !row.try_get::<bool>("", "is_stub")? {
        context.log.add_as(&message::FOLLOWED, ChangeKind::MessageMerged, row)?;
    }
    Ok(id)
}

/// Points a row that was emptied, and those that pointed to it, to the row of the message.
pub(in crate::store) async fn point(
    context: &WriteContext<'_>,
    from: i64,
    to: i64,
) -> Result<(), StoreError> {
    let which = Column::Id.eq(from).or(Column::MergedInto.eq(from));
    let mut update = Entity::update_many();
    update = update.col_expr(Column::MergedInto, Expr::val(to));
    update = update.col_expr(Column::UpdatedAt, context.now_value());
    update.filter(which).exec(context.db).await?;
    move_file(context, from, to).await
}

/// The file goes with its message, unless that has one already: then both stay, as two told it.
async fn move_file(context: &WriteContext<'_>, from: i64, to: i64) -> Result<(), StoreError> {
    use entity::waha_attachments::{Column, Entity};
    let there = Entity::find().filter(Column::MessageRowId.is_in([from, to])).all(context.db);
    let [file] = &*there.await? else { return Ok(()) };
    let update = Entity::update_many()
        .col_expr(Column::MessageRowId, Expr::val(to))
        .col_expr(Column::UpdatedAt, context.now_value())
        .filter(Column::Id.eq(file.id));
    update.exec(context.db).await?;
    Ok(())
}
