//! Where the webhooks of a batch come from, and what follows from that.

use super::ApplyTask;
use crate::change::{Changes, Merge};
use crate::normalize::Normalized;
use crate::store::apply::backfill::Backfill;
use crate::store::apply::reread::Tellers;

/// Where webhooks come from.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    /// The door accepted them.
    Accepted,
    /// No door did; those that are new are counted in this entry of the audit log.
    Imported(i64),
    /// None did: they were made from WAHA's list of messages, by this reconciliation, which counts them.
    Backfilled(Backfill),
    /// The ledger, which has told them before.
    History,
    /// An archive of the ledger, which has let go of them: their rows are counted, and are not made again.
    Archive,
}

impl Origin {
    /// What webhooks tell together.
    pub(super) fn merged<'a>(self, tasks: impl Iterator<Item = &'a ApplyTask<'a>>) -> Changes {
        let mut all = Changes::default();
        for task in tasks {
            match &task.normalized {
                Normalized::Changes(changes) => all.merge_in(changes.clone()),
                Normalized::Ignored(_) => {}
            }
        }
        if let Self::History | Self::Archive = self {
            // An older normalizer may have told them, in chats that have rows.
            for key in all.acts.clone() {
                all.chat(&key.chat);
            }
        }
        all
    }

    /// Who of them may have told something before.
    pub(super) fn tellers(self, tasks: &[ApplyTask<'_>]) -> Tellers {
        match self {
            Self::History | Self::Archive => Tellers::of(tasks),
            Self::Accepted | Self::Imported(_) | Self::Backfilled(_) => Tellers::default(),
        }
    }

    /// The months under which the ledger may get rows.
    pub(super) fn months(self, tasks: &[ApplyTask<'_>]) -> impl Iterator<Item = i32> {
        let is_written = !matches!(self, Self::Archive);
        tasks.iter().filter(move |_| is_written).map(|task| task.webhook.month())
    }
}
