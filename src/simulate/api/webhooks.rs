//! The webhooks of a simulated WAHA: each is kept in its store when it is taken, and then sent or not.

use std::collections::VecDeque;
use std::sync::Arc;

use super::served::Waha;
use super::state::{Silence, State};
use crate::simulate::seeded_rng::{Purpose, SeededRng};
use crate::simulate::told::Moment;
use crate::simulate::{History, Sent};

/// One part of this is the finest share of loss.
const LOSS_PARTS: u64 = 1 << 20;

/// What a simulated WAHA sends, made while it is taken.
pub struct Webhooks {
    pub(super) waha: Arc<Waha>,
    pub(super) history: History,
    /// Kept, and to be sent later on.
    pub(super) delayed: VecDeque<Sent>,
    /// Webhooks of the history that were kept so far.
    pub(super) count: u64,
}

impl Webhooks {
    /// The next of the history, after what came while the connections were dead.
    fn next_moment(&mut self, state: &mut State) -> Option<Moment> {
        if state.silence != Some(Silence::Dead)
            && let Some(moment) = state.backlog.pop_front()
        {
            return Some(moment);
        }
        self.history.next()
    }

    /// Keeps it; the webhook if it is sent.
    fn keep(&mut self, state: &mut State, moment: Moment) -> Option<Sent> {
        if state.silence == Some(Silence::Dead) {
            state.backlog.push_back(moment);
            return None;
        }
        state.keep(&moment);
        self.count += 1;
        if state.options.silent_after.is_some_and(|after| self.count == after + 1) {
            state.silence = Some(Silence::Webhooks);
        }
        let is_in_memory = state.in_memory > 0;
        state.in_memory = state.in_memory.saturating_sub(1);
        let is_lost = is_in_memory || (state.is_lossy && is_lost(state, self.count));
        (!is_lost && state.silence.is_none()).then_some(moment.sent)
    }

    /// The first of what waits, if its time has come by the history's.
    fn take_delayed(&mut self, state: &State, is_over: bool) -> Option<Sent> {
        let delay_ms = i64::try_from(state.options.delay.as_millis()).unwrap_or(i64::MAX);
        let is_due =
            |sent: &Sent| is_over || sent.at_ms.saturating_add(delay_ms) <= state.history_ms();
        self.delayed.front().is_some_and(is_due).then(|| self.delayed.pop_front()).flatten()
    }
}

fn is_lost(state: &State, count: u64) -> bool {
    let mut rng = SeededRng::of(state.world.seed, count, Purpose::Loss);
    #[expect(clippy::cast_precision_loss, reason = "20 bits are exact in an f64")]
    let drawn = rng.below(LOSS_PARTS) as f64 / LOSS_PARTS as f64;
    drawn < state.options.lose
}

impl Iterator for Webhooks {
    type Item = Sent;

    fn next(&mut self) -> Option<Sent> {
        let waha = Arc::clone(&self.waha);
        let mut state = waha.state();
        loop {
            if let Some(sent) = state.news.pop_front() {
                return Some(sent);
            }
            if let Some(sent) = self.take_delayed(&state, false) {
                return Some(sent);
            }
            let Some(moment) = self.next_moment(&mut state) else {
                return self.take_delayed(&state, true);
            };
            let sent = self.keep(&mut state, moment);
            self.delayed.extend(sent);
        }
    }
}
