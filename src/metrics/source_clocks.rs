//! Whether the clocks of sources agree with ours: a gauge, and a line when one does not.
//!
//! Called by the door for every verified webhook. Invariant: only what lasts for minutes is
//! told, because webhooks that WAHA sends again are late one by one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::GaugeVec;
use prometheus::core::Collector;

use crate::telemetry::family;
use crate::webhook::Webhook;
use crate::webhook::clock_offset::ClockOffset;

/// How long webhooks are looked at before something is said of a clock.
const WINDOW_MS: i64 = 300_000;
/// How often the log repeats that a clock disagrees.
const REMIND_EVERY_MS: i64 = 3_600_000;

/// What sources' clocks say. Clones share it.
#[derive(Clone)]
pub(super) struct SourceClocks {
    ahead_seconds: GaugeVec,
    windows: Arc<Mutex<HashMap<String, Window>>>,
}

/// The webhooks of one source since some time.
#[derive(Default)]
struct Window {
    began_at_ms: i64,
    offset: ClockOffset,
    /// Those of the time before.
    earlier: Option<ClockOffset>,
    /// When the log last said that the clock disagrees; none if it agrees.
    told_at_ms: Option<i64>,
}

impl SourceClocks {
    pub(super) fn new() -> Self {
        let ahead_seconds = family::times(
            "source_clock_ahead_seconds",
            "How far a source's clock is ahead of ours, by the least delay of its webhooks in five minutes; negative if it is behind.",
            &["source"],
        );
        Self { ahead_seconds, windows: Arc::default() }
    }

    /// A series for a configured source: of a clock of which nothing is known yet.
    pub(super) fn begin(&self, source: &str) {
        self.ahead_seconds.with_label_values(&[source]).set(f64::NAN);
    }

    pub(super) fn add(&self, webhook: &Webhook) {
        let source = &webhook.key().source;
        let now_ms = webhook.received_at_ms();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(window) = windows.get_mut(source) else {
            let mut window = Window { began_at_ms: now_ms, ..Window::default() };
            window.offset.add(webhook.at_ms(), now_ms);
            windows.insert(source.clone(), window);
            return;
        };
        window.offset.add(webhook.at_ms(), now_ms);
        if now_ms - window.began_at_ms < WINDOW_MS {
            return;
        }
        if let Some(ahead_ms) = window.offset.ahead_ms() {
            self.ahead_seconds.with_label_values(&[source]).set(family::seconds(ahead_ms));
            window.log(source, now_ms);
            window.earlier = Some(std::mem::take(&mut window.offset));
            window.began_at_ms = now_ms;
        }
    }

    pub(super) fn family(&self) -> Box<dyn Collector> {
        Box::new(self.ahead_seconds.clone())
    }
}

impl Window {
    fn log(&mut self, source: &str, now_ms: i64) {
        let disagreement_ms = self.offset.disagreement_ms(self.earlier.as_ref());
        match (disagreement_ms, self.told_at_ms) {
            (Some(_), Some(told_at_ms)) if now_ms - told_at_ms < REMIND_EVERY_MS => {}
            (Some(ahead_ms), _) => {
                tracing::warn!(
                    webhook.source = source,
                    clock.ahead_ms = ahead_ms,
                    "the clock of a source disagrees with ours: set it right; until then what it \
                     tells is ordered by arrival where its own times are an hour ahead"
                );
                self.told_at_ms = Some(now_ms);
            }
            (None, Some(_)) => {
                tracing::info!(webhook.source = source, "the clock of a source agrees again");
                self.told_at_ms = None;
            }
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Headers, Receipt, WebhookKey, WebhookParts};

    fn webhook(at_ms: i64, received_at_ms: i64) -> Webhook {
        WebhookParts {
            key: WebhookKey { source: "berlin".to_owned(), ..WebhookKey::default() },
            receipt: Receipt(1),
            at_ms,
            received_at_ms,
            replay: false,
            headers: Headers::new(),
            body: "{}".into(),
        }
        .into()
    }

    #[test]
    fn a_clock_is_judged_by_minutes_of_webhooks() {
        let clocks = SourceClocks::new();
        clocks.begin("berlin");
        let gauge = || clocks.ahead_seconds.with_label_values(&["berlin"]).get();
        let day_ms = 86_400_000;
        for second in 0..=300 {
            assert!(gauge().is_nan(), "too early after {second} s");
            let now_ms = 1_776_240_000_000 + second * 1000;
            clocks.add(&webhook(now_ms + day_ms - 5, now_ms));
        }
        assert!((gauge() - 86_400.0).abs() < 1.0, "{}", gauge());
    }
}
