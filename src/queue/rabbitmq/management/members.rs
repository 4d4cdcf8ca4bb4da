//! Whether each queue has the members that keep it alive and whole when a node is lost.

use std::fmt;

use super::answer::{ClusterNode, FoundQueue};

/// Members from which on a queue stands the loss of a node; more need not be.
const MEMBERS_ENOUGH: usize = 3;

/// What is wrong with the members of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberFaultKind {
    /// The queue is not there.
    Missing,
    /// Most of its members are away: it takes and gives nothing.
    WithoutMajority,
    /// It has fewer members than it could: it works, but a lost node stops or empties it.
    ShortOfMembers,
    /// A member is away: it works, but can't stand that another goes.
    MemberOffline,
}

impl MemberFaultKind {
    /// Every one.
    pub const ALL: [Self; 4] =
        [Self::Missing, Self::WithoutMajority, Self::ShortOfMembers, Self::MemberOffline];

    /// In labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::WithoutMajority => "without_majority",
            Self::ShortOfMembers => "short_of_members",
            Self::MemberOffline => "member_offline",
        }
    }
}

/// A queue that can't stand what a quorum queue should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFault {
    /// Which queue.
    pub queue: String,
    /// What is wrong.
    pub kind: MemberFaultKind,
    /// Nodes that hold it.
    pub members: Vec<String>,
    /// Those of them that are in sight.
    pub online: Vec<String>,
    /// How many members it should have.
    pub needed: usize,
}

/// Without the queue: many have the same fault.
impl fmt::Display for MemberFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, members, online, needed, .. } = self;
        let (count, in_sight) = (members.len(), online.len());
        match kind {
            MemberFaultKind::Missing => {
                write!(f, "not there; declared again at the next connection")
            }
            MemberFaultKind::WithoutMajority => write!(
                f,
                "{in_sight} of {count} members online, no majority: it takes and gives nothing until {} are back",
                away(members, online)
            ),
            MemberFaultKind::ShortOfMembers => write!(
                f,
                "{count} of {needed} members ({}): a lost node stops it or takes what it holds; grow it with `check --grow`",
                members.join(", ")
            ),
            MemberFaultKind::MemberOffline => {
                write!(f, "{in_sight} of {count} members online, {} away", away(members, online))
            }
        }
    }
}

fn away(members: &[String], online: &[String]) -> String {
    let away = members.iter().filter(|member| !online.contains(member));
    away.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The gravest thing that is wrong with a queue, if there is one.
pub(super) fn fault(
    name: &str,
    queue: Option<&FoundQueue>,
    nodes: &[ClusterNode],
) -> Option<MemberFault> {
    let needed = nodes.len().min(MEMBERS_ENOUGH);
    let of = |kind, members: &[String], online: &[String]| MemberFault {
        queue: name.to_owned(),
        kind,
        members: members.to_vec(),
        online: online.to_vec(),
        needed,
    };
    let Some(FoundQueue { members, online, .. }) = queue else {
        return Some(of(MemberFaultKind::Missing, &[], &[]));
    };
    let kind = if online.len() * 2 <= members.len() {
        MemberFaultKind::WithoutMajority
    } else if members.len() < needed {
        MemberFaultKind::ShortOfMembers
    } else if online.len() < members.len() {
        MemberFaultKind::MemberOffline
    } else {
        return None;
    };
    Some(of(kind, members, online))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(members: usize, online: usize, nodes: usize) -> Option<MemberFaultKind> {
        let names = |count: usize| (0..count).map(|i| format!("rabbit@{i}")).collect::<Vec<_>>();
        let node = |name| ClusterNode { name, is_running: true };
        let nodes: Vec<ClusterNode> = names(nodes).into_iter().map(node).collect();
        let found =
            FoundQueue { members: names(members), online: names(online), ..FoundQueue::default() };
        fault("waha.chats", Some(&found), &nodes).map(|fault| fault.kind)
    }

    #[test]
    fn members_are_compared_with_nodes() {
        assert_eq!(kind(1, 1, 1), None, "more can't be had");
        assert_eq!(kind(3, 3, 3), None);
        assert_eq!(kind(3, 3, 5), None, "three stand the loss of one");
        assert_eq!(kind(1, 1, 3), Some(MemberFaultKind::ShortOfMembers));
        assert_eq!(kind(2, 2, 3), Some(MemberFaultKind::ShortOfMembers));
        assert_eq!(kind(3, 2, 3), Some(MemberFaultKind::MemberOffline));
        assert_eq!(kind(3, 1, 3), Some(MemberFaultKind::WithoutMajority));
        assert_eq!(kind(2, 1, 3), Some(MemberFaultKind::WithoutMajority), "half is no majority");
        assert_eq!(kind(1, 0, 3), Some(MemberFaultKind::WithoutMajority));
        let missing = fault("waha.chats", None, &[]).map(|fault| fault.kind);
        assert_eq!(missing, Some(MemberFaultKind::Missing));
    }

    #[test]
    fn who_is_away_is_named() {
        let found = FoundQueue {
            members: ["a", "b", "c"].map(str::to_owned).to_vec(),
            online: vec!["b".to_owned()],
            ..FoundQueue::default()
        };
        let text = fault("waha.dead", Some(&found), &[]).map(|it| it.to_string());
        assert!(text.as_ref().is_some_and(|text| text.contains("a, c are back")), "{text:?}");
    }
}
