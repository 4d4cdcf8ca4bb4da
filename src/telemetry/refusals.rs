//! Requests that the door refused: a line in the log for each source and reason once a minute, with what
//! helps, and the last ones for `status` and the admin API.
//!
//! Written by `server`, read by `admin`. Invariant: anybody can send what is refused, so nothing
//! here grows with what is sent: sources are configured ones or none, reasons are the few below, and nothing
//! of a request is kept but where it came from.

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Refusals that are kept.
const KEPT_MAX: usize = 200;
/// How often the log repeats that a source is refused for a reason.
const REMIND_EVERY_MS: u64 = 60_000;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// 404: the path is not that of a webhook.
    UnknownPath,
    /// 404: no such source is configured.
    UnknownSource,
    /// 401: there is no signature.
    Unsigned,
    /// 401: it is signed by another algorithm.
    Algorithm,
    /// 401: the signature is of none of the source's keys.
    Signature,
    /// 413.
    TooLarge,
    /// 408: the body took too long to arrive.
    SlowBody,
    /// 400: the connection broke within the body.
    BrokenBody,
    /// 503: too many bodies in memory.
    Busy,
    /// 503: not durable in time.
    Timeout,
    /// 503: the queue refused.
    Unavailable,
}

impl RefusalReason {
    /// In answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::UnknownSource => "unknown_source",
            Self::Unsigned => "unsigned",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::TooLarge => "too_large",
            Self::SlowBody => "slow_body",
            Self::BrokenBody => "broken_body",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }

    /// The status code of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::UnknownPath | Self::UnknownSource => 404,
            Self::Unsigned | Self::Algorithm | Self::Signature => 401,
            Self::TooLarge => 413,
            Self::SlowBody => 408,
            Self::BrokenBody => 400,
            Self::Busy | Self::Timeout | Self::Unavailable => 503,
        }
    }

    /// What is wrong, and what helps.
    pub fn explain(self, source: Option<&str>) -> String {
        let source = source.unwrap_or("SOURCE");
        match self {
            Self::UnknownPath => "not the path of webhooks: WHATSAPP_HOOK_URL must end in \
                                  /webhooks/SOURCE"
                .to_owned(),
            Self::UnknownSource => "no source of this name is configured: compare the end of \
                                    WHATSAPP_HOOK_URL with the names of [sources.NAME]"
                .to_owned(),
            Self::Unsigned => format!(
                "not signed: set WAHA's WHATSAPP_HOOK_HMAC_KEY to the key of source {source}"
            ),
            Self::Algorithm => {
                "not signed with sha512, as WAHA does: look at what is between".to_owned()
            }
            Self::Signature => format!(
                "signature does not match any key of source {source}: compare WAHA's \
                 WHATSAPP_HOOK_HMAC_KEY"
            ),
            Self::TooLarge => "larger than server.body_bytes_max: raise it".to_owned(),
            Self::SlowBody => {
                "the body came too slowly: look at the network and at proxies between".to_owned()
            }
            Self::BrokenBody => {
                "the connection broke within the body: look at proxies between".to_owned()
            }
            Self::Busy => "too many bodies at a time: raise server.memory_bytes_max".to_owned(),
            Self::Timeout => "not durable in time: look at the queue and its disk".to_owned(),
            Self::Unavailable => {
                "the queue takes nothing, as with a full disk: `waha-ingest check` and the \
                                  log say why"
                    .to_owned()
            }
        }
    }

    /// Whether nothing else in the log tells it: refusals for a reason of ours have lines of their own.
    fn is_told(self) -> bool {
        !matches!(self, Self::Busy | Self::Timeout | Self::Unavailable)
    }
}

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// Who sent it: an address of IPv4, or the network of one of IPv6.
    pub address: String,
    /// The configured source that it was for, if there is one.
    pub source: Option<String>,
    /// Why.
    pub reason: RefusalReason,
}

/// What the door refused. Clones share it.
#[derive(Clone, Default)]
pub struct Refusals(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    last: VecDeque<Refusal>,
    told: HashMap<(Option<String>, RefusalReason), Told>,
}

/// What the log said of one source and reason.
struct Told {
    at_ms: i64,
    /// Refusals since then.
    untold: u64,
}

impl Refusals {
    /// Takes note of one, and logs it if a line is due. `source`: a configured one, or none.
    pub fn add(
        &self,
        source: Option<&str>,
        reason: RefusalReason,
        address: impl Display,
        now_ms: i64,
    ) {
        let address = address.to_string();
        let refusal = Refusal { at_ms: now_ms, address, source: source.map(str::to_owned), reason };
        let Some(count) = self.lock().add(refusal.clone()) else { return };
        let Refusal { address, source, .. } = refusal;
        let remedy = reason.explain(source.as_deref());
        tracing::warn!(
            client.address = address,
            webhook.source = source,
            http.status = reason.status(),
            reason = reason.name(),
            requests.count = count,
            remedy,
            "request refused"
        );
    }

    /// The last ones, the newest first.
    pub fn last(&self) -> Vec<Refusal> {
        self.lock().last.iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// How many a line stands for, if one is due.
    fn add(&mut self, refusal: Refusal) -> Option<u64> {
        let key = (refusal.source.clone(), refusal.reason);
        let now_ms = refusal.at_ms;
        if self.last.len() == KEPT_MAX {
            self.last.pop_front();
        }
        self.last.push_back(refusal);
        if !key.1.is_told() {
            return None;
        }
        let Some(told) = self.told.get_mut(&key) else {
            self.told.insert(key, Told { at_ms: now_ms, untold: 0 });
            return Some(1);
        };
        told.untold += 1;
        // Either way, because clocks are set back.
        if now_ms.abs_diff(told.at_ms) < REMIND_EVERY_MS {
            return None;
        }
        told.at_ms = now_ms;
        Some(std::mem::take(&mut told.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(source: Option<&str>, reason: RefusalReason, at_ms: i64) -> Refusal {
        Refusal { at_ms, address: "10.0.0.7".to_owned(), source: source.map(str::to_owned), reason }
    }

    #[test]
    fn a_source_and_reason_is_told_once_a_minute_with_its_count() {
        let mut inner = Inner::default();
        let mut add = |source, reason, at_ms| inner.add(refusal(source, reason, at_ms));
        let wrong = RefusalReason::Signature;
        let source = Some("default");
        assert_eq!(add(source, wrong, 0), Some(1));
        for at_ms in 1..1000 {
            assert_eq!(add(source, wrong, at_ms), None);
        }
        assert_eq!(add(Some("berlin"), wrong, 1000), Some(1), "each source by itself");
        assert_eq!(add(source, RefusalReason::Unsigned, 1000), Some(1), "each reason by itself");
        assert_eq!(add(source, wrong, 60_000), Some(1000));
        assert_eq!(add(source, RefusalReason::Busy, 60_000), None, "it has a line of its own");
    }

    #[test]
    fn no_number_of_refusals_fills_the_memory() {
        let refusals = Refusals::default();
        for at_ms in 0..10_000 {
            refusals.add(None, RefusalReason::UnknownSource, format!("10.0.0.{at_ms}"), at_ms);
        }
        let last = refusals.last();
        assert_eq!((last.len(), last[0].at_ms, last[KEPT_MAX - 1].at_ms), (KEPT_MAX, 9_999, 9_800));
        assert_eq!(refusals.lock().told.len(), 1);
    }

    #[test]
    fn a_remedy_names_the_source() {
        let said = RefusalReason::Signature.explain(Some("shop"));
        assert!(said.contains("source shop") && said.contains("WHATSAPP_HOOK_HMAC_KEY"), "{said}");
    }
}
