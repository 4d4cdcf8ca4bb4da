//! Ids that nobody has used yet come into being as who they are.
//!
//! Most links tell of a LID that has no row. Then there is nothing to unite: its row says from the
//! start who stands for it. Called by `name_people` after all others of the batch are locked; if
//! the row is there after all, because somebody told of the LID before, it stays as it is and the two
//! are united as usual.

use std::collections::BTreeSet;

use super::{Newcomers, Standing};
use crate::change::PersonKey;
use crate::store::rows::contact;
use crate::store::write::Writer;
use crate::store::{StoreError, StoreError::Vanished};

/// LIDs that came into being, by session.
pub(super) struct Introduced(Vec<(i64, PersonKey)>);

impl Introduced {
    /// The names of the people who have them.
    pub(super) fn names(&self, standing: &Standing) -> Vec<(i64, String)> {
        let name = |(session, lid): &(i64, PersonKey)| Some((*session, standing.get(lid)?.clone()));
        let names: BTreeSet<(i64, String)> = self.0.iter().filter_map(name).collect();
        names.into_iter().collect()
    }
}

impl Writer<'_> {
    /// Makes rows for newcomers; adds to `standing` who stands for them. To be told which LID they
    /// have once all unions are done.
    pub(super) async fn introduce(
        &self,
        newcomers: &Newcomers,
        standing: &mut Standing,
    ) -> Result<Introduced, StoreError> {
        let mut rows = Vec::with_capacity(newcomers.len());
        for ((session, lid), phone) in newcomers {
            let name = standing.get(phone).ok_or(Vanished(contact::TABLE))?;
            rows.push(contact::row_of(*session, lid, name, self.now));
        }
        contact::make(self.dialect).run(self.db, rows).await?;
        let people: Vec<(i64, PersonKey)> = newcomers.keys().cloned().collect();
        let found = self.share(&people).await?;
        if found.len() < people.len() {
            return Err(Vanished(contact::TABLE));
        }
        standing.extend(found);
        Ok(Introduced(people))
    }
}
