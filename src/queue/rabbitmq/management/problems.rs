//! What an inspection found, as texts for people: one for all queues that have the same.

use super::Inspection;
use super::members::MemberFaultKind;
use super::policy::PolicyConflict;

/// Queues that are named in one text.
const NAMES_MAX: usize = 4;

impl Inspection {
    /// Queues that can't stand what a quorum queue should.
    pub fn member_problems(&self) -> Vec<String> {
        self.members(|_| true)
    }

    /// Those of them that end by themselves once a node is back.
    pub fn passing_problems(&self) -> Vec<String> {
        self.members(|kind| kind == MemberFaultKind::MemberOffline)
    }

    /// Policies that break a promise.
    pub fn policy_problems(&self) -> Vec<String> {
        self.policies(|conflict| conflict.effect.breaks_promise())
    }

    /// Policies that break none, but should be known of.
    pub fn policy_notes(&self) -> Vec<String> {
        self.policies(|conflict| !conflict.effect.breaks_promise())
    }

    /// All that breaks a promise or is about to.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.member_problems();
        problems.extend(self.policy_problems());
        problems
    }

    fn members(&self, is_asked: impl Fn(MemberFaultKind) -> bool) -> Vec<String> {
        let these = self.member_faults.iter().filter(|fault| is_asked(fault.kind));
        grouped(these.map(|fault| (fault.queue.as_str(), fault.to_string())))
    }

    fn policies(&self, is_asked: impl Fn(&PolicyConflict) -> bool) -> Vec<String> {
        let these = self.policy_conflicts.iter().filter(|conflict| is_asked(conflict));
        grouped(these.map(|conflict| (conflict.queue.as_str(), conflict.to_string())))
    }
}

/// Queues that have the same text stand together, in the order in which the texts were met.
fn grouped<'a>(found: impl Iterator<Item = (&'a str, String)>) -> Vec<String> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (queue, text) in found {
        match groups.iter_mut().find(|(same, _)| *same == text) {
            Some((_, queues)) => queues.push(queue),
            None => groups.push((text, vec![queue])),
        }
    }
    groups.into_iter().map(|(text, queues)| format!("{}: {text}", named(&queues))).collect()
}

fn named(queues: &[&str]) -> String {
    let named = queues[..queues.len().min(NAMES_MAX)].join(", ");
    match queues.len().saturating_sub(NAMES_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_with_the_same_stand_together() {
        let found = ["a", "b", "c", "d", "e", "f"].map(|queue| (queue, "bad".to_owned()));
        let other = std::iter::once(("x", "worse".to_owned()));
        let texts = grouped(found.into_iter().chain(other));
        assert_eq!(texts, ["a, b, c, d and 2 more: bad", "x: worse"]);
    }
}
