//! Reads bodies, whichever place they are in.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect};

use entity::webhook_bodies::Column as Packed;
use entity::webhook_events::{Column, Entity};

use super::packed;
use crate::body_codec::{BodyCodec, PackedBody, UnpackError, unpack};
use crate::store::Store;
use crate::store::sql::error::StoreError;

/// A stored body that can't be read. The others can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body of webhook {id} can't be read: {cause}")]
pub struct BodyError {
    /// The number of its row in the ledger.
    pub id: i64,
    /// Why, without anything of its content.
    #[source]
    pub cause: UnpackError,
}

/// A body as it was signed, or why it can't be read.
pub type ReadBody = Result<Bytes, BodyError>;

/// What both places have of a body.
#[derive(FromQueryResult)]
struct BodyRow {
    id: i64,
    plain: Option<Vec<u8>>,
    codec: Option<String>,
    body_bytes: Option<i32>,
    dictionary_id: Option<i32>,
    body: Option<Vec<u8>>,
}

impl Store {
    /// The stored bodies of these rows of the ledger, as far as there are any.
    pub async fn bodies(&self, ids: &[i64]) -> Result<HashMap<i64, ReadBody>, StoreError> {
        let rows = Entity::find()
            .select_only()
            .column(Column::Id)
            .column_as(Column::Body, "plain")
            .columns([Packed::Codec, Packed::BodyBytes, Packed::DictionaryId, Packed::Body])
            .join(JoinType::LeftJoin, packed())
            .filter(Column::Id.is_in(ids.iter().copied()))
            .into_model::<BodyRow>()
            .all(&self.reading())
            .await?;
        let named = rows.iter().filter_map(|row| row.dictionary_id);
        self.learn_dictionaries(named).await?;
        Ok(rows.into_iter().filter_map(|row| Some((row.id, self.read(row)?))).collect())
    }

    fn read(&self, row: BodyRow) -> Option<ReadBody> {
        let BodyRow { id, plain, codec, body_bytes, dictionary_id, body } = row;
        let (Some(codec), Some(body_bytes), Some(body)) = (codec, body_bytes, body) else {
            return plain.map(|body| Ok(body.into()));
        };
        let unpacked = BodyCodec::of(&codec).ok_or(UnpackError::Codec(codec)).and_then(|codec| {
            let body_bytes = usize::try_from(body_bytes).map_err(|_| UnpackError::Damaged)?;
            let bytes = Cow::Owned(body);
            let packed = PackedBody { codec, dictionary_id, body_bytes, bytes };
            unpack(&packed, &self.dictionaries)
        });
        Some(unpacked.map(Bytes::from).map_err(|cause| BodyError { id, cause }))
    }
}
