//! The one thread that writes: takes what waits, executes it as a group, answers.
//!
//! Started by `sqlite.rs`, ends when the last handle is dropped. Invariant: answers go out
//! after COMMIT; a command that fails alone does not fail its group; memory per group is bounded; a
//! disk that was full, and a file that was damaged or removed, need no restart.

mod keep;
mod shrink;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::Options;
use super::claim::{Claimed, anything_due};
use super::command::Command;
use super::fault::{self, Fault};
use super::file_connection::FileConnection;
use super::file_mark::FileMark;
use super::group::{self, Effect, Terms};
use super::held_file::HeldFile;
use super::lane_notifier::LaneNotifier;
use super::lease::Leases;
use super::rescue::{Holder, rescue};
use crate::open_files::FileIdentity;
use crate::queue::{Delivery, QueueError, Tag};
use crate::telemetry::cause::Causes;
use crate::telemetry::outage_log::{DueLine, OutageLog};

/// Commands that may wait for the thread, and the most that share a transaction.
pub(super) const COMMANDS_MAX: usize = 1024;

/// Bodies that share a transaction; a first one does whatever its size.
const GROUP_BYTES_MAX: u64 = 32 << 20;

/// How often times that are too far ahead are looked for, though no clock was seen to go back: another
/// process may have written them.
const LOOK_FOR_FUTURE_EVERY_MS: i64 = 60_000;

/// A file is not mended more often: a disk that damages each fresh one would be filled by it.
const MEND_EVERY: Duration = Duration::from_secs(30);

/// What the thread owns.
pub(super) struct Writer {
    pub(super) connection: FileConnection,
    pub(super) options: Options,
    pub(super) hands: Leases,
    pub(super) commands: Receiver<Command>,
    /// Deliveries that were dropped.
    pub(super) returned: UnboundedReceiver<Tag>,
    /// Where deliveries say so.
    pub(super) returns: UnboundedSender<Tag>,
    pub(super) news: Arc<LaneNotifier>,
    /// When times that are too far ahead were last looked for.
    pub(super) looked_at_ms: i64,
    pub(super) mended_at: Option<Instant>,
    /// When it was last looked whether the file can be made shorter.
    pub(super) shrunk_at: Option<Instant>,
    /// For counting beside the thread; what it has open may be the last of a file that was removed.
    pub(super) reader: Arc<Mutex<FileConnection>>,
    pub(super) held: HeldFile,
    /// What the file was when it was last written.
    pub(super) known: Option<FileMark>,
    /// When its files were last seen in their place.
    pub(super) seen_at_ms: i64,
    pub(super) files_log: OutageLog,
    /// What was logged of leases that could not be written.
    pub(super) lease_failures: OutageLog,
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
                self.shrink();
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
        let now_ms = self.options.clock.now_ms();
        Terms {
            now_ms,
            lease_ms: super::millis(self.options.lease),
            bytes_max: self.options.bytes_max,
            looks_for_future: !(0..LOOK_FOR_FUTURE_EVERY_MS)
                .contains(&(now_ms - self.looked_at_ms)),
        }
    }

    fn execute(&mut self, group: Vec<Command>) {
        let terms = self.terms();
        match self.keep_files(terms.now_ms) {
            // What is damaged is mended when it is written.
            Err(error) if fault::of(&error) != Fault::Damage => return refuse(group, &error),
            _ => {}
        }
        let group = self.answer_idle(group, terms);
        let nothing_to_do = !self.hands.anything_to_write(terms) && !terms.looks_for_future;
        if group.is_empty() && nothing_to_do {
            return;
        }
        if let Some(found) = group.iter().find_map(Command::fault_found) {
            self.mend(found, terms);
        }
        match self.write_or_mend(&group, terms) {
            Ok(effects) => self.answer(group, effects),
            Err(error) if group.len() > 1 && fault::of(&error) == Fault::Command => {
                self.execute_each(group, terms);
            }
            Err(error) => self.fail(group, &error),
        }
    }

    /// Tries once more if that can help: what the file can't give back does not become better.
    fn write_or_mend(&mut self, group: &[Command], terms: Terms) -> rusqlite::Result<Vec<Effect>> {
        let error = match self.write(group, terms) {
            Err(error) if fault::of(&error) == Fault::Damage || fault::is_read_only(&error) => {
                error
            }
            written => return written,
        };
        if self.mend(&error, terms) { self.write(group, terms) } else { Err(error) }
    }

    /// Mends the file; says whether that was done.
    fn mend(&mut self, found: &rusqlite::Error, terms: Terms) -> bool {
        if fault::is_read_only(found) {
            self.close_read_only();
            return false;
        }
        if self.mended_at.is_some_and(|at| at.elapsed() < MEND_EVERY) {
            return false;
        }
        tracing::warn!(
            error = %Causes(found),
            "the queue file is damaged: it is mended now"
        );
        self.mended_at = Some(Instant::now());
        let path = self.connection.path().to_owned();
        let damaged = FileIdentity::of(&path);
        self.connection.close();
        let in_hand = self.hands.all();
        let holder =
            Holder { in_hand: &in_hand, now_ms: terms.now_ms, until_ms: terms.until().at_ms };
        let mended = rescue(&path, damaged, &holder).and_then(|()| self.reopen(terms.now_ms));
        if let Err(error) = &mended {
            tracing::error!(
                error = %Causes(error),
                "the queue file can't be mended"
            );
        }
        mended.is_ok()
    }

    /// One of them failed the group: in a transaction each, the others pass.
    fn execute_each(&mut self, group: Vec<Command>, terms: Terms) {
        for command in group {
            let alone = vec![command];
            match self.write(&alone, terms) {
                Ok(effects) => self.answer(alone, effects),
                Err(error) => self.fail(alone, &error),
            }
        }
    }

    /// Claims that would find nothing need no transaction, and they come all the time.
    fn answer_idle(&mut self, mut group: Vec<Command>, terms: Terms) -> Vec<Command> {
        if !group.iter().all(|command| matches!(command, Command::Claim { .. })) {
            return group;
        }
        let connection = &mut self.connection;
        for command in group.extract_if(.., |command| is_idle(connection, command, terms)) {
            if let Command::Claim { reply, .. } = command {
                // A closed channel means that the caller is gone.
                let _ = reply.send(Ok(Vec::new()));
            }
        }
        group
    }

    /// Executes a group and takes note of what became of the leases.
    fn write(&mut self, group: &[Command], terms: Terms) -> rusqlite::Result<Vec<Effect>> {
        self.keep_files(terms.now_ms)?;
        let path = self.connection.path().to_owned();
        let hands = &mut self.hands;
        let written = self.connection.run(|db| group::write(db, &path, hands, group, terms))?;
        self.known = written.mark;
        self.held.set_mark(written.mark);
        if terms.looks_for_future {
            self.looked_at_ms = terms.now_ms;
        }
        for tag in &written.lost {
            self.hands.forget(*tag);
        }
        if !written.lost.is_empty() {
            tracing::warn!(
                leases.count = written.lost.len(),
                "leases were lost to another process"
            );
        }
        self.lease_failures.worked();
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
                    self.news.tell(webhook.event_type().lane());
                    let _ = reply.send(Ok(()));
                }
                (Command::Claim { reply, .. }, Effect::Claimed(rows)) => {
                    // If nobody is there any more, dropping them gives them back.
                    let _ = reply.send(Ok(self.hand_out(rows)));
                }
                (Command::Claim { reply, .. }, Effect::Done | Effect::Hastened(_)) => {
                    let _ = reply.send(Ok(Vec::new()));
                }
                (Command::Hasten { reply, .. }, effect) => {
                    let count = if let Effect::Hastened(count) = effect { count } else { 0 };
                    let _ = reply.send(Ok(count));
                }
                (Command::Mend { .. }, _) => {}
                (Command::Ack { ending, reply } | Command::Retry { ending, reply, .. }, _) => {
                    for tag in ending.written() {
                        self.hands.forget(tag);
                    }
                    let _ = reply.send(Ok(()));
                }
            }
        }
    }

    /// Tells each what failed all of them. Without any, what is in hand was to be renewed or given back,
    /// which is tried at each tick.
    fn fail(&self, group: Vec<Command>, error: &rusqlite::Error) {
        if group.is_empty()
            && let Some(DueLine { error, failures }) = self.lease_failures.failed(error)
        {
            tracing::warn!(
                error,
                failures,
                "leases could not be renewed or given back; tried again soon"
            );
        }
        refuse(group, error);
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

fn is_idle(connection: &mut FileConnection, command: &Command, terms: Terms) -> bool {
    let Command::Claim { lane, .. } = command else { return false };
    // An error shows again, to the caller, when the claim itself is tried.
    !connection.run(|db| anything_due(db, *lane, terms.now_ms)).unwrap_or(true)
}

/// Tells each what failed all of them.
fn refuse(group: Vec<Command>, error: &rusqlite::Error) {
    for command in group {
        command.fail(QueueError::Sqlite(fault::again(error)));
    }
}
