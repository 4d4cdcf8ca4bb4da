//! One transaction for all commands that waited: one fsync makes all of them durable.
//!
//! Called by `writer.rs`. What must stay true: nothing outside the database is changed and nobody is
//! answered before COMMIT.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::claim::{Claim, Claimed, claim};
use super::command::{Command, stored_bytes};
use super::lease::Hands;
use super::statements;
use crate::queue::{QueueError, Tag};
use crate::webhook::Webhook;

/// What the transaction needs to know beside its commands.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) now_ms: i64,
    pub(super) lease_ms: i64,
    pub(super) bytes_max: u64,
}

impl Terms {
    fn until_ms(self) -> i64 {
        self.now_ms.saturating_add(self.lease_ms)
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
}

/// What a transaction did.
pub(super) struct Written {
    /// By command.
    pub(super) effects: Vec<Effect>,
    /// Leases that another holder has taken since.
    pub(super) lost: Vec<Tag>,
}

/// Renews and gives back what is due for it, then executes `commands`, all or nothing.
pub(super) fn write(
    connection: &mut Connection,
    hands: &mut Hands,
    commands: &[Command],
    terms: Terms,
) -> rusqlite::Result<Written> {
    let db = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let lost = renew(&db, hands, terms)?;
    for (tag, hand) in hands.given_back() {
        statements::give_back(&db, tag, hand)?;
    }
    let effects = execute(&db, hands, commands, terms)?;
    db.commit()?;
    Ok(Written { effects, lost })
}

fn renew(db: &Connection, hands: &Hands, terms: Terms) -> rusqlite::Result<Vec<Tag>> {
    let mut lost = Vec::new();
    for (tag, hand) in hands.to_renew(terms) {
        if !statements::renew(db, tag, hand, terms.until_ms())? {
            lost.push(tag);
        }
    }
    Ok(lost)
}

fn execute(
    db: &Connection,
    hands: &mut Hands,
    commands: &[Command],
    terms: Terms,
) -> rusqlite::Result<Vec<Effect>> {
    let mut intake = Intake { bytes: statements::bytes_used(db)?, accepted: 0, terms };
    let mut effects = Vec::with_capacity(commands.len());
    for command in commands {
        effects.push(execute_one(db, hands, command, &mut intake)?);
    }
    if intake.accepted > 0 {
        statements::count_accepted(db, intake.accepted)?;
    }
    Ok(effects)
}

fn execute_one(
    db: &Connection,
    hands: &mut Hands,
    command: &Command,
    intake: &mut Intake,
) -> rusqlite::Result<Effect> {
    let Terms { now_ms, .. } = intake.terms;
    match command {
        Command::Publish { webhook, headers, .. } => return intake.publish(db, webhook, headers),
        // Its caller was dropped while it waited: nobody would work on what it gets.
        Command::Claim { reply, .. } if reply.is_closed() => {}
        Command::Claim { lane, limit, .. } => {
            let wish =
                Claim { lane: *lane, limit: *limit, now_ms, until_ms: intake.terms.until_ms() };
            return Ok(Effect::Claimed(claim(db, wish, || hands.next_tag())?));
        }
        Command::Ack { ending, .. } => {
            for (tag, hand) in hands.of(ending.tags()) {
                statements::ack(db, tag, hand)?;
            }
        }
        Command::Retry { ending, failures, after_ms, .. } => {
            for (tag, hand) in hands.of(ending.tags()) {
                statements::retry(db, tag, hand, failures, now_ms.saturating_add(*after_ms))?;
            }
        }
    }
    Ok(Effect::Done)
}

/// What the publishes of a group add up to.
struct Intake {
    bytes: u64,
    accepted: i64,
    terms: Terms,
}

impl Intake {
    fn publish(
        &mut self,
        db: &Connection,
        webhook: &Webhook,
        headers: &str,
    ) -> rusqlite::Result<Effect> {
        let more = stored_bytes(webhook, headers);
        let Terms { bytes_max, now_ms, .. } = self.terms;
        if self.bytes + more > bytes_max {
            return Ok(Effect::Refused(QueueError::Full { bytes: self.bytes, bytes_max }));
        }
        statements::publish(db, webhook, headers, now_ms)?;
        self.bytes += more;
        self.accepted += i64::from(!webhook.is_replay());
        Ok(Effect::Done)
    }
}
