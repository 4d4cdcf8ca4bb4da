//! The one thread that writes: takes what waits, executes it as a group, answers.
//!
//! Started by `sqlite.rs`, ends when the last handle is dropped. What must stay true: answers go out
//! after COMMIT; a command that fails alone does not fail its group; memory per group is bounded.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::Options;
use super::claim::{Claimed, anything_due};
use super::command::Command;
use super::group::{self, Effect, Terms};
use super::lease::Hands;
use super::news::News;
use crate::queue::{Delivery, Lane, QueueError, Tag};

/// Commands that may wait for the thread, and the most that share a transaction.
pub(super) const COMMANDS_MAX: usize = 1024;

/// Bodies that share a transaction; a first one does whatever its size.
const GROUP_BYTES_MAX: u64 = 32 << 20;

/// What the thread owns.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) options: Options,
    pub(super) hands: Hands,
    pub(super) commands: Receiver<Command>,
    /// Deliveries that were dropped.
    pub(super) returned: UnboundedReceiver<Tag>,
    /// Where deliveries say so.
    pub(super) returns: UnboundedSender<Tag>,
    pub(super) news: Arc<News>,
}

impl Writer {
    /// Works until all senders of commands are gone, then gives back what is in hand.
    pub(super) async fn run(mut self) {
        let mut waiting = Vec::with_capacity(COMMANDS_MAX);
        let mut ticks = self.ticks();
        loop {
            tokio::select! {
                count = self.commands.recv_many(&mut waiting, COMMANDS_MAX) => {
                    if count == 0 {
                        break;
                    }
                }
                Some(tag) = self.returned.recv() => self.hands.drop_later(tag),
                _ = ticks.tick() => {}
            }
            self.take_returned();
            if waiting.is_empty() {
                self.execute(Vec::new());
            }
            while let Some(group) = next_group(&mut waiting) {
                self.execute(group);
            }
        }
        self.hands.drop_all();
        self.execute(Vec::new());
    }

    /// Twice as often as leases are renewed, so that none waits for a whole period more.
    fn ticks(&self) -> Interval {
        let period = (self.options.lease / 6).clamp(Duration::from_millis(1), super::WAIT_MAX);
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    fn take_returned(&mut self) {
        while let Ok(tag) = self.returned.try_recv() {
            self.hands.drop_later(tag);
        }
    }

    fn terms(&self) -> Terms {
        Terms {
            now_ms: self.options.clock.now_ms(),
            lease_ms: super::millis(self.options.lease),
            bytes_max: self.options.bytes_max,
        }
    }

    fn execute(&mut self, group: Vec<Command>) {
        let terms = self.terms();
        let group = self.answer_idle(group, terms);
        if group.is_empty() && !self.hands.anything_to_write(terms) {
            return;
        }
        match self.write(&group, terms) {
            Ok(effects) => self.answer(group, effects),
            Err(error) if group.len() > 1 && !is_busy(&error) => self.execute_each(group, terms),
            Err(error) => fail(group, &error),
        }
    }

    /// One of them failed the group: in a transaction each, the others pass.
    fn execute_each(&mut self, group: Vec<Command>, terms: Terms) {
        for command in group {
            let alone = vec![command];
            match self.write(&alone, terms) {
                Ok(effects) => self.answer(alone, effects),
                Err(error) => fail(alone, &error),
            }
        }
    }

    /// Claims that would find nothing need no transaction, and they come all the time.
    fn answer_idle(&self, mut group: Vec<Command>, terms: Terms) -> Vec<Command> {
        if !group.iter().all(|command| matches!(command, Command::Claim { .. })) {
            return group;
        }
        for command in group.extract_if(.., |command| self.is_idle(command, terms)) {
            if let Command::Claim { reply, .. } = command {
                // A closed channel means that the caller is gone.
                let _ = reply.send(Ok(Vec::new()));
            }
        }
        group
    }

    fn is_idle(&self, command: &Command, terms: Terms) -> bool {
        let Command::Claim { lane, .. } = command else { return false };
        // An error shows again, to the caller, when the claim itself is tried.
        !anything_due(&self.connection, *lane, terms.now_ms).unwrap_or(true)
    }

    /// Executes a group and takes note of what became of the leases.
    fn write(&mut self, group: &[Command], terms: Terms) -> rusqlite::Result<Vec<Effect>> {
        let written = group::write(&mut self.connection, &mut self.hands, group, terms)?;
        for tag in &written.lost {
            self.hands.forget(*tag);
        }
        if !written.lost.is_empty() {
            tracing::warn!(
                leases.count = written.lost.len(),
                "leases were lost to another process"
            );
        }
        self.hands.renewed(terms);
        for lane in self.hands.clear_given_back() {
            self.news.tell(lane);
        }
        Ok(written.effects)
    }

    fn answer(&mut self, group: Vec<Command>, effects: Vec<Effect>) {
        for (command, effect) in group.into_iter().zip(effects) {
            match (command, effect) {
                (command, Effect::Refused(error)) => command.fail(error),
                (Command::Publish { webhook, reply, .. }, _) => {
                    self.news.tell(Lane::of(webhook.event_type()));
                    let _ = reply.send(Ok(()));
                }
                (Command::Claim { reply, .. }, Effect::Claimed(rows)) => {
                    // If nobody is there any more, dropping them gives them back.
                    let _ = reply.send(Ok(self.hand_out(rows)));
                }
                (Command::Claim { reply, .. }, Effect::Done) => {
                    let _ = reply.send(Ok(Vec::new()));
                }
                (Command::Ack { ending, reply } | Command::Retry { ending, reply, .. }, _) => {
                    for tag in ending.written() {
                        self.hands.forget(tag);
                    }
                    let _ = reply.send(Ok(()));
                }
            }
        }
    }

    fn hand_out(&mut self, rows: Vec<(Tag, Claimed)>) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(rows.len());
        for (tag, Claimed { hand, webhook, failures }) in rows {
            self.hands.take(tag, hand);
            deliveries.push(Delivery::new(webhook, failures, tag, self.returns.clone()));
        }
        deliveries
    }
}

/// The next commands whose bodies fit into one transaction.
fn next_group(waiting: &mut Vec<Command>) -> Option<Vec<Command>> {
    let mut bytes = 0;
    let fits = waiting.iter().take_while(|command| {
        bytes += command.bytes();
        bytes <= GROUP_BYTES_MAX
    });
    let count = fits.count().max(1).min(waiting.len());
    (count > 0).then(|| waiting.drain(..count).collect())
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Tells each what failed all of them.
fn fail(group: Vec<Command>, error: &rusqlite::Error) {
    if group.is_empty() {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "leases could not be renewed or given back; tried again soon"
        );
    }
    for command in group {
        command.fail(QueueError::Sqlite(again(error)));
    }
}

/// The error once more: it has no `Clone`.
fn again(error: &rusqlite::Error) -> rusqlite::Error {
    if let rusqlite::Error::SqliteFailure(code, text) = error {
        return rusqlite::Error::SqliteFailure(*code, text.clone());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR);
    rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
}
