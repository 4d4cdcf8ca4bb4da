//! What WAHA keeps of one session: messages, members of groups, names. Filled by what webhooks tell.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::oddity::{Oddities, Oddity};
use super::row::{Kept, Row};
use crate::simulate::message::{Chat, Content, Message, Special};
use crate::simulate::people::{Form, Group, Person};
use crate::simulate::session::Known;
use crate::simulate::told::{Membership, Told};

/// The store of a session.
pub(super) struct Store {
    pub(super) rows: Vec<Row>,
    /// Where the message of a turn is.
    by_turn: HashMap<u64, usize>,
    /// Of the history, as the last event told.
    pub(super) status: &'static str,
    /// Starting until then, by an action over the API.
    pub(super) starting_until_ms: i64,
    pub(super) is_stopped: bool,
    pub(super) is_dead: bool,
    pub(super) status_changed_ms: i64,
    /// The last action that marks the account as online.
    pub(super) activity_ms: Option<i64>,
    pub(super) config: Option<Value>,
    /// Messages that were emitted since the start: others' and own.
    pub(super) emitted: [u64; 2],
    /// Who was met, by phone number.
    pub(super) people: BTreeMap<String, Person>,
    /// Whose two names are known.
    pub(super) linked: BTreeSet<String>,
    pub(super) groups: BTreeMap<String, GroupState>,
}

/// A group that the account is in.
#[derive(Clone)]
pub(super) struct GroupState {
    pub(super) group: Group,
    pub(super) renamed: u64,
    /// In the order of joining.
    pub(super) members: Vec<(Person, &'static str)>,
}

impl Store {
    pub(super) fn new(is_paired: bool, config: Value) -> Self {
        Self {
            rows: Vec::new(),
            by_turn: HashMap::new(),
            status: if is_paired { "WORKING" } else { "STOPPED" },
            starting_until_ms: i64::MIN,
            is_stopped: false,
            is_dead: false,
            status_changed_ms: 0,
            activity_ms: None,
            config: Some(config),
            emitted: [0; 2],
            people: BTreeMap::new(),
            linked: BTreeSet::new(),
            groups: BTreeMap::new(),
        }
    }

    /// What it is called at `now_ms`.
    pub(super) fn status(&self, now_ms: i64) -> &'static str {
        match () {
            () if self.is_stopped => "STOPPED",
            () if now_ms < self.starting_until_ms => "STARTING",
            () => self.status,
        }
    }

    /// The group with its first members, who are there before anything is told.
    pub(super) fn found(&mut self, group: Group, account: Person, people: u64) {
        let role = |place| if place == 0 { "superadmin" } else { "participant" };
        let members = group.members(people).into_iter().enumerate();
        let mut members: Vec<_> = members.map(|(place, person)| (person, role(place))).collect();
        members.push((account, "participant"));
        self.groups.insert(group.id(), GroupState { group, renamed: 0, members });
    }

    /// Keeps what an event tells.
    pub(super) fn keep(&mut self, told: &Told, known: Known, oddities: Oddities) {
        match told {
            Told::Message(message) => self.keep_message(message, known, oddities),
            Told::Hidden { chat, at_ms } => self.hide(*chat, *at_ms),
            Told::Acked { message, ack } => {
                if let Some(kept) = self.kept_mut(message.turn) {
                    kept.ack = kept.ack.max(Some(*ack));
                }
            }
            Told::Revoked { message, at_ms } => self.revoke(message, *at_ms, oddities),
            Told::Status(status) => self.status = status,
            Told::Group(..) | Told::Nothing => {}
        }
    }

    pub(super) fn change_group(
        &mut self,
        group: Group,
        change: Membership,
        (account, people): (Person, u64),
    ) {
        match change {
            Membership::Joined => self.found(group, account, people),
            Membership::Left => _ = self.groups.remove(&group.id()),
            Membership::Renamed(times) => {
                self.groups.entry(group.id()).and_modify(|state| state.renamed = times);
            }
            Membership::Member(person, role) => self.set_role(group, person, Some(role)),
            Membership::Gone(person) => self.set_role(group, person, None),
        }
    }

    fn set_role(&mut self, group: Group, person: Person, role: Option<&'static str>) {
        let Some(state) = self.groups.get_mut(&group.id()) else { return };
        state.members.retain(|(member, _)| *member != person);
        state.members.extend(role.map(|role| (person, role)));
    }

    fn kept_mut(&mut self, turn: u64) -> Option<&mut Kept> {
        let place = *self.by_turn.get(&turn)?;
        self.rows.get_mut(place)?.kept.as_mut()
    }

    fn keep_message(&mut self, message: &Arc<Message>, known: Known, oddities: Oddities) {
        if self.by_turn.contains_key(&message.turn) {
            return;
        }
        self.meet(message);
        if oddities.contains(Oddity::OneRowPerId) {
            self.forget_id(&message.bare_id);
        }
        self.by_turn.insert(message.turn, self.rows.len());
        self.emitted[usize::from(message.from_me)] += 1;
        let kept = Kept { message: Arc::clone(message), ack: None, is_revoked: false, known };
        let kept = is_listed(&message.content).then_some(kept);
        self.rows.push(Row { chat: message.chat, at_ms: message.at_ms, kept });
    }

    /// A row of its own, which no list shows.
    fn hide(&mut self, chat: Chat, at_ms: i64) {
        self.rows.push(Row { chat, at_ms, kept: None });
    }

    fn forget_id(&mut self, bare_id: &str) {
        for row in &mut self.rows {
            row.kept.take_if(|kept| kept.message.bare_id == bare_id);
        }
    }

    fn revoke(&mut self, message: &Message, at_ms: i64, oddities: Oddities) {
        self.hide(message.chat, at_ms);
        let Some(place) = self.by_turn.get(&message.turn) else { return };
        let Some(row) = self.rows.get_mut(*place) else { return };
        if oddities.contains(Oddity::RevokedGone) {
            row.kept = None;
        } else if let Some(kept) = &mut row.kept {
            kept.is_revoked = true;
        }
    }

    /// Who takes part is known from now on, and where both names were told, both.
    fn meet(&mut self, message: &Message) {
        let person = match message.chat {
            Chat::Direct(person, _) => person,
            Chat::Group(..) => message.author,
            Chat::Channel(_) => return,
        };
        let phone = person.id(Form::Phone);
        if message.linked || message.chat.is_group() {
            self.linked.insert(phone.clone());
        }
        self.people.insert(phone, person);
    }
}

/// Whether lists show it: neither reactions and votes that could not be read, nor settings and keys.
const fn is_listed(content: &Content) -> bool {
    !matches!(
        content,
        Content::Special(
            Special::LeakedReaction { .. }
                | Special::LeakedVote { .. }
                | Special::LeakedKeys
                | Special::EventAnswer { .. }
                | Special::VanishingSetting
        )
    )
}
