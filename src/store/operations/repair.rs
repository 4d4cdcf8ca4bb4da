//! How rows refer to one another, where that is broken, and mending it: pointers that lead in a circle, to
//! nothing or to another pointer, and rows whose parent is gone.
//!
//! Called by `repair`, and by `check` for what is cheap to ask. The databases' foreign keys keep most of it from
//! happening; not where somebody switched them off, restored a part of the tables, or wrote rows by hand.
//!
//! What is done is decided here, per kind, and said in RUNBOOK.md:
//! - A **pointer** leads to the end of its chain; where there is none, to the conversation of the person whom
//!   `waha_contacts` knows by the chat's id; else the row stands for itself.
//! - A **person's id** that is named and has no row gets one: that two ids are one person is not forgotten.
//! - A **chat** that is gone and has messages is made again under its id, by the name that its messages tell.
//! - **Rows of a chat that is another one** move there as when the chats became one, unless they are on their way.
//! - Where the foreign key would have forgotten the parent, the row forgets it. What says nothing without its parent
//!   and was written by no person is deleted, as the foreign key would have.
//! - **All else stays**: what a person wrote is not deleted here.
//!
//! Reading order: `chain`, pure; `pointers` and `people`, which follow them; `parents`, with `lost_chats`; `strays`.
//!
//! Invariant: rows are judged once more under locks, in transactions of [`ROWS_MAX`] rows that tell the feed as
//! all others do, and a second run finds nothing of what the first one mended.

mod chain;
mod lost_chats;
mod parents;
mod people;
mod pointers;
mod strays;

use crate::store::Store;
use crate::store::operations::hold::hold;
use crate::store::sql::error::StoreError;

pub use parents::{RELATIONS, Relation};

use pointers::PointerTable;

/// Rows in one transaction.
const ROWS_MAX: u64 = 100;
/// Ids that are named of each kind.
const EXAMPLES: usize = 5;

/// What is wrong with a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It leads back to where it began.
    Circle,
    /// It leads to a row that is not there, or to one of another session.
    Nothing,
    /// It leads to a row that points on.
    Pointer,
    /// The row that it belongs to is gone.
    NoParent,
    /// Its chat turned out to be another one, and nothing moves it there.
    Merged,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It leads to the end of its chain, or nowhere if that is not known.
    Lead,
    /// The row that is missing is made.
    Make,
    /// It moves to where its chat leads.
    Move,
    /// It leads nowhere any more.
    Forget,
    /// The row is deleted.
    Delete,
    /// Nothing.
    Leave,
}

/// Rows with the same fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairFinding {
    /// Table and column.
    pub place: String,
    /// What is wrong.
    pub fault: Fault,
    /// What [`Store::repair`] does.
    pub remedy: Remedy,
    /// How many.
    pub rows: u64,
    /// Keys of the first of them.
    pub examples: Vec<i64>,
}

/// What was mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairedRows {
    /// Table and column.
    pub place: String,
    /// How many rows were made, changed or deleted.
    pub rows: u64,
}

/// A page of what was mended.
struct MendedPage {
    /// Where the next one begins.
    after: i64,
    rows: u64,
}

impl Fault {
    /// As programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::Nothing => "nothing",
            Self::Pointer => "pointer",
            Self::NoParent => "no_parent",
            Self::Merged => "merged",
        }
    }
}

impl Remedy {
    /// As programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Make => "make",
            Self::Move => "move",
            Self::Forget => "forget",
            Self::Delete => "delete",
            Self::Leave => "leave",
        }
    }

    /// What it does, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Lead => "leads where the chain ends, or nowhere",
            Self::Make => "the missing row is made",
            Self::Move => "moves to the chat that theirs turned out to be",
            Self::Forget => "forgets what is gone",
            Self::Delete => "is deleted: it says nothing alone",
            Self::Leave => "stays: see RUNBOOK.md, \"Rows that lead nowhere\"",
        }
    }
}

impl Store {
    /// All that is wrong. Reads whole tables.
    pub async fn repair_findings(&self) -> Result<Vec<RepairFinding>, StoreError> {
        let mut found = self.pointer_findings().await?;
        found.extend(self.people_findings().await?);
        found.extend(self.parent_findings().await?);
        found.extend(self.stray_findings().await?);
        Ok(found)
    }

    /// Of pointers between chats, and of those between messages: cheap, because an index has them all.
    pub async fn pointer_findings(&self) -> Result<Vec<RepairFinding>, StoreError> {
        let mut found = Vec::new();
        for table in PointerTable::ALL {
            found.extend(self.findings_of(table).await?);
        }
        Ok(found)
    }

    /// Mends all that has a remedy; `log`: the entry of the audit log that counts the rows.
    pub async fn repair(&self, log: i64) -> Result<Vec<RepairedRows>, StoreError> {
        // First what others lead to.
        let mut done = vec![self.make_lost_chats(log).await?];
        for relation in &RELATIONS {
            let place = relation.place();
            done.push(repaired(place, |after| self.mend_relation(relation, after, log)).await?);
        }
        for table in PointerTable::ALL {
            done.push(
                repaired(table.place(), |after| self.mend_pointers(table, after, log)).await?,
            );
        }
        done.push(repaired(people::place(), |after| self.mend_people(after, log)).await?);
        // Last, when pointers are right. From now on any worker moves them.
        done.push(repaired(strays::place(), |after| self.begin_moves(after, log)).await?);
        done.retain(|kind| kind.rows > 0);
        Ok(done)
    }
}

/// Page by page to the end, through outages.
async fn repaired<F>(place: String, mend: impl Fn(i64) -> F) -> Result<RepairedRows, StoreError>
where
    F: Future<Output = Result<Option<MendedPage>, StoreError>>,
{
    let (mut after, mut rows) = (i64::MIN, 0);
    while let Some(page) = hold(|| mend(after)).await? {
        after = page.after;
        rows += page.rows;
    }
    Ok(RepairedRows { place, rows })
}

/// Adds a row to what was found.
fn add_finding(found: &mut Vec<RepairFinding>, place: String, fault: (Fault, Remedy), id: i64) {
    let (fault, remedy) = fault;
    let known = found.iter().position(|it| it.fault == fault && it.remedy == remedy);
    let at = known.unwrap_or_else(|| {
        found.push(RepairFinding { place, fault, remedy, rows: 0, examples: Vec::new() });
        found.len() - 1
    });
    let finding = &mut found[at];
    finding.rows += 1;
    if finding.examples.len() < EXAMPLES {
        finding.examples.push(id);
    }
}
