//! Which of several servers is written to. Pure.
//!
//! Invariant: of servers that have a history in common, one on an older timeline is a former
//! primary that came back by mistake; nothing is written there, also if no other one answers.

use std::cmp::Reverse;

use super::server::{ServerIdentity, ServerState};

/// What follows from the servers' answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct ServerChoice {
    /// The one to write to.
    pub(in crate::store) server: Option<usize>,
    /// Others that take writes and should not.
    pub(in crate::store) rivals: Vec<usize>,
}

/// A server that takes writes.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    server: usize,
    identity: Option<&'a ServerIdentity>,
}

impl Candidate<'_> {
    fn timeline(&self) -> Option<u32> {
        self.identity?.timeline
    }

    fn place(&self) -> Option<&str> {
        Some(&self.identity?.place)
    }

    /// Whether it lacks what was written since a promotion that is known of.
    fn is_behind(&self, known: Option<&ServerIdentity>) -> bool {
        known.is_some_and(|known| {
            self.place() == Some(known.place.as_str()) && self.timeline() < known.timeline
        })
    }
}

/// Chooses among answers, which are in the order of the URL: the newest timeline, else `current`, else the
/// first. `known` is the server that was seen last.
pub(in crate::store) fn choose(
    current: Option<usize>,
    known: Option<&ServerIdentity>,
    answers: &[Option<&ServerState>],
) -> ServerChoice {
    let states = answers.iter().enumerate().filter_map(|(server, state)| Some((server, (*state)?)));
    let writable: Vec<Candidate<'_>> = states
        .filter(|(_, state)| state.refusal.is_none())
        .map(|(server, state)| Candidate { server, identity: state.identity.as_ref() })
        .collect();
    let fit: Vec<&Candidate<'_>> = writable.iter().filter(|it| !it.is_behind(known)).collect();
    // Timelines of different clusters say nothing of one another.
    let is_one_cluster = fit.windows(2).all(|pair| pair[0].place() == pair[1].place());
    let rank = |it: &&&Candidate<'_>| {
        let timeline = it.timeline().filter(|_| is_one_cluster);
        (timeline, current == Some(it.server), Reverse(it.server))
    };
    let server = fit.iter().max_by_key(rank).map(|it| it.server);
    let is_rival = |it: &&Candidate<'_>| it.timeline().is_some() && Some(it.server) != server;
    ServerChoice { server, rivals: writable.iter().filter(is_rival).map(|it| it.server).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(timeline: u32) -> ServerState {
        ServerState { refusal: None, identity: Some(identity(timeline)) }
    }

    fn identity(timeline: u32) -> ServerIdentity {
        ServerIdentity { place: "cluster".to_owned(), timeline: Some(timeline) }
    }

    const STANDBY: ServerState = ServerState { refusal: Some("a standby"), identity: None };
    const OTHER_KIND: ServerState = ServerState { refusal: None, identity: None };

    #[test]
    fn the_first_that_takes_writes_is_chosen_and_kept() {
        let (one, two) = (STANDBY, OTHER_KIND);
        assert_eq!(choose(None, None, &[None, Some(&one), Some(&two)]).server, Some(2));
        assert_eq!(choose(None, None, &[Some(&two), Some(&two)]).server, Some(0));
        let kept = choose(Some(1), None, &[Some(&two), Some(&two)]);
        assert_eq!(kept, ServerChoice { server: Some(1), rivals: vec![] });
        assert_eq!(choose(Some(0), None, &[None, Some(&one)]), ServerChoice::default());
    }

    #[test]
    fn the_newer_timeline_wins_and_the_older_is_told() {
        let (old, new) = (primary(1), primary(2));
        let choice = choose(Some(0), Some(&identity(1)), &[Some(&old), Some(&new)]);
        assert_eq!(choice, ServerChoice { server: Some(1), rivals: vec![0] });
    }

    #[test]
    fn a_former_primary_that_is_alone_is_not_written_to() {
        let old = primary(1);
        let choice = choose(Some(1), Some(&identity(2)), &[Some(&old), None]);
        assert_eq!(choice, ServerChoice { server: None, rivals: vec![0] });
        assert_eq!(choose(Some(1), Some(&identity(1)), &[Some(&old), None]).server, Some(0));
    }

    #[test]
    fn timelines_of_different_clusters_are_not_compared() {
        let mut stranger = primary(9);
        stranger.identity.as_mut().unwrap().place = "another".to_owned();
        let choice = choose(None, None, &[Some(&primary(1)), Some(&stranger)]);
        assert_eq!(choice, ServerChoice { server: Some(0), rivals: vec![1] });
    }
}
