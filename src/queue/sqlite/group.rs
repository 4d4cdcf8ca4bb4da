//! One transaction for all commands that waited: one fsync makes all of them durable.
//!
//! Called by `writer.rs`. Invariant: nothing outside the database is changed and nobody is
//! answered before COMMIT.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::claim::{Claim, Claimed, claim};
use super::command::{Command, StoredForm, stored_bytes};
use super::damaged_row::{self, DamagedRow};
use super::fault;
use super::file_mark::FileMark;
use super::lease::Leases;
use super::statements::{self, DueTime};
use super::waiting;
use crate::queue::{QueueError, Tag};
use crate::webhook::Webhook;

/// What the transaction needs to know beside its commands.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) now_ms: i64,
    pub(super) lease_ms: i64,
    pub(super) bytes_max: u64,
    /// Whether times that are too far ahead are looked for.
    pub(super) looks_for_future: bool,
}

impl Terms {
    /// When a lease that begins now ends.
    pub(super) fn until(self) -> DueTime {
        DueTime::after(self.now_ms, self.lease_ms)
    }

    /// How often leases are renewed: twice may fail before one runs out.
    pub(super) fn renew_every_ms(self) -> i64 {
        self.lease_ms / 3
    }
}

/// What a command did.
pub(super) enum Effect {
    /// It is written.
    Done,
    /// Nothing was done, for this reason; the others of its group are not concerned.
    Refused(QueueError),
    /// These rows were leased.
    Claimed(Vec<(Tag, Claimed)>),
    /// So many come now that waited.
    Hastened(u64),
}

/// What a transaction did.
pub(super) struct Written {
    /// By command.
    pub(super) effects: Vec<Effect>,
    /// Leases that another holder has taken since.
    pub(super) lost: Vec<Tag>,
    /// How far the file has come.
    pub(super) mark: Option<FileMark>,
}

/// Renews and gives back what is due for it, then executes `commands`, all or nothing. `path` is the
/// queue file's.
pub(super) fn write(
    connection: &mut Connection,
    path: &Path,
    hands: &mut Leases,
    commands: &[Command],
    terms: Terms,
) -> rusqlite::Result<Written> {
    let db = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let lost = renew(&db, hands, terms)?;
    for (tag, hand) in hands.given_back() {
        statements::give_back(&db, tag, hand)?;
    }
    if terms.looks_for_future {
        take_back_future(&db, terms.now_ms)?;
    }
    let mut intake = GroupTotals::new(&db, terms)?;
    let mut effects = Vec::with_capacity(commands.len());
    for command in commands {
        effects.push(execute_one(&db, hands, command, &mut intake)?);
    }
    intake.count(&db)?;
    set_aside(path, &intake.damaged)?;
    let mark = FileMark::read(&db)?;
    db.commit()?;
    Ok(Written { effects, lost, mark })
}

fn take_back_future(db: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    let count = statements::disbelieve_future(db, now_ms)?;
    if count > 0 {
        tracing::warn!(
            times.count = count,
            "the clock was ahead and was set back: what waited for a time that is too far ahead waits \
             as long as it was meant to, from now on"
        );
    }
    Ok(())
}

/// Before the commit that forgets them.
fn set_aside(path: &Path, damaged: &[DamagedRow]) -> rusqlite::Result<()> {
    damaged_row::append(path, damaged)
        .map_err(|error| fault::storage(format!("damaged webhooks can't be set aside: {error}")))?;
    for row in damaged {
        tracing::error!(
            queue.seq = row.seq,
            problem = row.problem,
            file = %damaged_row::path_beside(path).display(),
            "a stored webhook can't be read back: it was set aside, and the lane goes on"
        );
    }
    Ok(())
}

fn renew(db: &Connection, hands: &Leases, terms: Terms) -> rusqlite::Result<Vec<Tag>> {
    let mut lost = Vec::new();
    for (tag, hand) in hands.to_renew(terms) {
        if !statements::renew(db, tag, hand, terms.until())? {
            lost.push(tag);
        }
    }
    Ok(lost)
}

fn execute_one(
    db: &Connection,
    hands: &mut Leases,
    command: &Command,
    intake: &mut GroupTotals,
) -> rusqlite::Result<Effect> {
    let Terms { now_ms, .. } = intake.terms;
    match command {
        Command::Publish { webhook, stored, .. } => return intake.publish(db, webhook, stored),
        // Its caller was dropped while it waited: nobody would work on what it gets.
        Command::Claim { reply, .. } if reply.is_closed() => {}
        Command::Claim { lane, limit, .. } => {
            let until = intake.terms.until();
            let wish = Claim { lane: *lane, limit: *limit, now_ms, until };
            let found = claim(db, wish, || hands.next_tag())?;
            intake.held -= i64::try_from(found.damaged.len()).unwrap_or(i64::MAX);
            intake.damaged.extend(found.damaged);
            return Ok(Effect::Claimed(found.claimed));
        }
        Command::Ack { ending, .. } => {
            for (tag, hand) in hands.of(ending.tags()) {
                intake.held -= i64::from(statements::ack(db, tag, hand)? == 1);
            }
        }
        Command::Retry { ending, failures, after_ms, .. } => {
            for (tag, hand) in hands.of(ending.tags()) {
                statements::retry(db, tag, hand, failures, DueTime::after(now_ms, *after_ms))?;
            }
        }
        Command::Hasten { seqs, .. } => {
            return Ok(Effect::Hastened(waiting::hasten(db, seqs, now_ms)?));
        }
        Command::Mend { .. } => {}
    }
    Ok(Effect::Done)
}

/// What the commands of a group add up to.
struct GroupTotals {
    bytes: u64,
    accepted: i64,
    /// Webhooks that came minus those that went.
    held: i64,
    damaged: Vec<DamagedRow>,
    terms: Terms,
}

impl GroupTotals {
    fn new(db: &Connection, terms: Terms) -> rusqlite::Result<Self> {
        let bytes = statements::bytes_used(db)?;
        Ok(Self { bytes, accepted: 0, held: 0, damaged: Vec::new(), terms })
    }

    fn publish(
        &mut self,
        db: &Connection,
        webhook: &Webhook,
        stored: &StoredForm,
    ) -> rusqlite::Result<Effect> {
        let more = stored_bytes(webhook, &stored.headers);
        let Terms { bytes_max, now_ms, .. } = self.terms;
        if self.bytes + more > bytes_max {
            return Ok(Effect::Refused(QueueError::Full { bytes: self.bytes, bytes_max }));
        }
        statements::publish(db, webhook, stored, now_ms)?;
        self.bytes += more;
        self.held += 1;
        self.accepted += i64::from(!webhook.is_replay());
        Ok(Effect::Done)
    }

    /// Counts what was done, in the transaction that does it.
    fn count(&self, db: &Connection) -> rusqlite::Result<()> {
        let accepted = self.damaged.iter().filter(|row| row.is_accepted());
        let set_aside = accepted.clone().filter(|row| row.is_identified()).count();
        let missing = accepted.count() - set_aside;
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for (name, more) in [
            ("accepted", self.accepted),
            ("held", self.held),
            ("set_aside", whole(set_aside)),
            ("missing", whole(missing)),
        ] {
            statements::count(db, name, more)?;
        }
        Ok(())
    }
}
