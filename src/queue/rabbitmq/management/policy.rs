//! Which settings of an operator's policies break which promise, queue by queue. Pure.
//!
//! How the broker joins a policy with our arguments (`rabbit_quorum_queue.erl`, 3.10 to 4.2): of
//! `max-length`, `max-length-bytes`, `message-ttl`, `expires` and `delivery-limit` the smaller holds,
//! of `overflow` the policy's, of `dead-letter-*` our argument. So the last can harm nothing: every
//! queue that needs it has the argument, and what else there is names no queue of ours.

use std::fmt;

use serde_json::Value;

use super::super::topology::{LANE_DELIVERY_LIMIT, SUSPECT_AFTER, SUSPECT_DELIVERY_LIMIT};
use super::answer::{Definition, FoundQueue};
use super::expected::{ExpectedQueue, QueueRole};

/// What a policy does to webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyEffect {
    /// Accepted ones vanish.
    Loses,
    /// Ones that nothing is wrong with become dead letters.
    Buries,
    /// Ones that find no room wait elsewhere: new ones in the doors' spools.
    Delays,
}

impl PolicyEffect {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Loses, Self::Buries, Self::Delays];

    /// In labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loses => "loses",
            Self::Buries => "buries",
            Self::Delays => "delays",
        }
    }

    /// Whether a promise is broken by it.
    pub fn breaks_promise(self) -> bool {
        self != Self::Delays
    }
}

/// A setting of a policy that is in force on one of our queues, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyConflict {
    /// Which queue.
    pub queue: String,
    /// The names of the policies that match it, one of which has the setting.
    pub policies: String,
    /// Which setting, as the broker calls it.
    pub setting: &'static str,
    /// Its value.
    pub value: String,
    /// What it does.
    pub effect: PolicyEffect,
    /// What that means, for people.
    pub meaning: &'static str,
}

/// Without the queue: a policy matches many.
impl fmt::Display for PolicyConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policies, setting, value, meaning, .. } = self;
        write!(f, "{policies} sets {setting} = {value}: {meaning}")
    }
}

/// Everything that is wrong with the policies in force on a queue.
pub(super) fn conflicts(expected: &ExpectedQueue, found: &FoundQueue) -> Vec<PolicyConflict> {
    let Some(role) = expected.role else { return Vec::new() };
    let Some(definition) = &found.effective_policy_definition else { return Vec::new() };
    let of = |(setting, value, effect, meaning)| PolicyConflict {
        queue: expected.name.clone(),
        policies: names(found),
        setting,
        value,
        effect,
        meaning,
    };
    let in_force = InForce { role, definition };
    let type_of_queue = (found.queue_type != "quorum").then(|| {
        let meaning = "it is on one node only, and webhooks that were accepted go with its disk";
        ("queue type", found.queue_type.clone(), PolicyEffect::Loses, meaning)
    });
    let settings = [
        type_of_queue,
        in_force.overflow(),
        in_force.length("max-length"),
        in_force.length("max-length-bytes"),
        in_force.message_ttl(),
        in_force.expires(),
        in_force.delivery_limit(),
    ];
    settings.into_iter().flatten().map(of).collect()
}

fn names(found: &FoundQueue) -> String {
    let policy = found.policy.iter().filter(|name| !name.is_empty());
    let operator_policy = found.operator_policy.iter().filter(|name| !name.is_empty());
    let mut names: Vec<String> = policy.map(|name| format!("policy {name:?}")).collect();
    names.extend(operator_policy.map(|name| format!("operator policy {name:?}")));
    if names.is_empty() { "no policy".to_owned() } else { names.join(" with ") }
}

/// A setting, its value, what it does, and what that means.
type Judgement = (&'static str, String, PolicyEffect, &'static str);

/// What is in force on a queue beside our arguments.
struct InForce<'a> {
    role: QueueRole,
    definition: &'a Definition,
}

impl InForce<'_> {
    fn number(&self, setting: &str) -> Option<i64> {
        self.definition.get(setting).and_then(Value::as_i64)
    }

    /// Whether a full queue throws its oldest away; all but `waha.dead` are declared not to.
    fn drops_head(&self) -> bool {
        match self.definition.get("overflow").and_then(Value::as_str) {
            Some(overflow) => overflow == "drop-head",
            None => self.role == QueueRole::Dead,
        }
    }

    /// Without a maximal length it matters all the same: at-least-once dead-lettering needs
    /// `reject-publish`.
    fn overflow(&self) -> Option<Judgement> {
        let value = self.definition.get("overflow")?.as_str()?;
        let meaning = "what waits for its next attempt, or is given up, can be lost on its way";
        (self.role != QueueRole::Dead && self.drops_head())
            .then(|| ("overflow", value.to_owned(), PolicyEffect::Loses, meaning))
    }

    fn length(&self, setting: &'static str) -> Option<Judgement> {
        let max = self.number(setting)?;
        let (effect, meaning) = match self.role {
            _ if self.drops_head() => {
                (PolicyEffect::Loses, "the oldest webhooks beyond it are thrown away")
            }
            QueueRole::Lane => {
                (PolicyEffect::Delays, "webhooks beyond it wait in the doors' spools")
            }
            QueueRole::Suspects | QueueRole::Dead | QueueRole::Rung(_) => {
                (PolicyEffect::Delays, "webhooks beyond it wait where they are")
            }
        };
        Some((setting, max.to_string(), effect, meaning))
    }

    fn message_ttl(&self) -> Option<Judgement> {
        let ttl_ms = self.number("message-ttl")?;
        let (effect, meaning) = match self.role {
            QueueRole::Lane | QueueRole::Suspects => {
                (PolicyEffect::Buries, "webhooks that wait for so many ms become dead letters")
            }
            QueueRole::Dead => {
                (PolicyEffect::Loses, "what the broker gave up is thrown away after so many ms")
            }
            QueueRole::Rung(wait) if i128::from(ttl_ms) < wait.as_millis().cast_signed() => (
                PolicyEffect::Buries,
                "attempts come after so many ms already, and are over sooner",
            ),
            QueueRole::Rung(_) => return None,
        };
        Some(("message-ttl", ttl_ms.to_string(), effect, meaning))
    }

    fn expires(&self) -> Option<Judgement> {
        let after_ms = self.number("expires")?;
        let meaning = "the queue goes, with what is in it, when nobody uses it for so many ms";
        Some(("expires", after_ms.to_string(), PolicyEffect::Loses, meaning))
    }

    /// Negative ones mean none, and then ours holds.
    fn delivery_limit(&self) -> Option<Judgement> {
        let limit = self.number("delivery-limit").filter(|limit| *limit >= 0)?;
        let (needed, effect, meaning) = match self.role {
            QueueRole::Lane => (
                i64::try_from(SUSPECT_AFTER).unwrap_or(i64::MAX).min(LANE_DELIVERY_LIMIT.into()),
                PolicyEffect::Buries,
                "webhooks that were in hand when workers died become dead letters, innocent ones too",
            ),
            QueueRole::Suspects => (
                SUSPECT_DELIVERY_LIMIT.into(),
                PolicyEffect::Buries,
                "a webhook becomes a dead letter when workers are stopped so often",
            ),
            QueueRole::Dead => (
                i32::MAX.into(),
                PolicyEffect::Loses,
                "what the broker gave up is thrown away when it came back so often",
            ),
            QueueRole::Rung(_) => return None,
        };
        (limit < needed).then(|| ("delivery-limit", limit.to_string(), effect, meaning))
    }
}

#[cfg(test)]
mod tests;
