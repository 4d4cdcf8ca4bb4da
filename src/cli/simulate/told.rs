//! What `simulate` says while it sends: each kind of refusal when it first comes, and that nothing is
//! answered, so that nobody waits before a silent terminal.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::{ATTEMPTS_MAX, RETRY_DELAY};
use crate::cli::output::errln;
use crate::sender::Answer;

/// How long no answer may come until that is said, and how often it is said again.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Kinds of refusals that are told as they come; all are in the report.
const KINDS_MAX: usize = 8;

/// What was said. Clones share it.
#[derive(Clone)]
pub(super) struct Told {
    url: String,
    bar: ProgressBar,
    state: Arc<Mutex<State>>,
}

struct State {
    kinds: BTreeSet<Answer>,
    /// Requests without an answer so far.
    open: u64,
    /// Since when no answer has come to what is open.
    silent_since: Instant,
}

impl Told {
    pub(super) fn new(url: String, bar: ProgressBar) -> Self {
        let state = State { kinds: BTreeSet::new(), open: 0, silent_since: Instant::now() };
        Self { url, bar, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is sent.
    pub(super) fn asked(&self) {
        let mut state = self.state();
        if state.open == 0 {
            state.silent_since = Instant::now();
        }
        state.open += 1;
    }

    /// Says what a request came to, if it is no acceptance and was not said before.
    pub(super) fn answered(&self, answer: &Answer) {
        let mut state = self.state();
        state.silent_since = Instant::now();
        state.open = state.open.saturating_sub(1);
        let is_told = answer.is_accepted()
            || state.kinds.len() >= KINDS_MAX
            || !state.kinds.insert(answer.clone());
        drop(state);
        if is_told {
            return;
        }
        let remedy = remedy(answer).map(|remedy| format!("; {remedy}")).unwrap_or_default();
        let url = &self.url;
        let seconds = RETRY_DELAY.as_secs();
        self.bar.suspend(|| {
            errln!(
                "{url}: {answer}{remedy}. Each webhook is tried {ATTEMPTS_MAX} times more, every \
                 {seconds} s, as WAHA does"
            );
        });
    }

    /// Says every few seconds that nothing is answered.
    pub(super) async fn watch_for_silence(&self) -> Infallible {
        loop {
            tokio::time::sleep(SILENCE_MAX).await;
            let State { open, silent_since, .. } = *self.state();
            let silent = silent_since.elapsed();
            if open > 0 && silent >= SILENCE_MAX {
                let url = &self.url;
                let seconds = silent.as_secs();
                self.bar.suspend(|| errln!("{url}: no answer for {seconds} s, waiting"));
            }
        }
    }
}

/// What may help.
fn remedy(answer: &Answer) -> Option<&'static str> {
    match answer {
        Answer::None(_) => Some("does `waha-ingest up` or `serve` run there?"),
        Answer::Status(401, _) => Some("name the key of the source with --key"),
        Answer::Status(404, _) => Some("the URL must end in /webhooks/SOURCE"),
        Answer::Status(503, _) => Some("the log of the door says why"),
        Answer::Status(..) => None,
    }
}
