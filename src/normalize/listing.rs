//! What WAHA tells when it is asked for a session and its people: the same changes as webhooks make, weaker than
//! theirs. Pure.
//!
//! Called by `reconcile` and `directory` with rows of WAHA's lists. All registers are in the lower band of versions
//! ([`Version::backfilled`]), by the time at which WAHA was asked, but for who belongs to a group: a whole list of
//! members says also who is gone, and who came back. It is ordered as if it were older by what engines keep such
//! lists for, so it gives way to whatever was told live since.

use super::ids::id;
use super::link::{PairsTold, phone_of};
use super::{group, name};
use crate::change::{
    Changes, ChatKey, ContactChange, Identity, ParticipantKey, PersonKey, Register, Role,
    SessionKey, SessionStatus, Software, Version,
};
use crate::waha::jid::ChatKind;
use crate::waha::json::{self, Node};
use crate::webhook::envelope::is_word;
use crate::webhook::hash_texts;

/// NOWEB answers with what it asked WhatsApp for up to a day ago, and takes its time to ask again.
const MEMBERS_AGE_MS: i64 = 25 * 3_600_000;
/// Longest list of members that is read; WhatsApp's groups have 1,024.
pub const LISTED_MEMBERS_MAX: usize = 10_000;
/// Longest state that fits its column, in bytes.
const STATUS_BYTES_MAX: usize = 32;

/// Whose lists are read, and when WAHA was asked.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The session.
    pub session: SessionKey,
    /// The account, as JSON text: what webhooks have under `me`.
    pub me: Option<String>,
    /// In Unix milliseconds.
    pub at_ms: i64,
}

/// A member of a group in a whole list, as far as ids go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMember {
    /// How the list names the person.
    pub jid: String,
    /// The phone id, if the list tells it.
    pub phone: Option<String>,
}

impl Listing {
    /// What the list of sessions, or a session itself, tells of it: state, engine, account.
    pub fn of_session(&self, status: &str, engine: Option<&str>) -> Changes {
        let mut changes = Changes::default();
        let parsed = self.me.as_deref().and_then(|me| json::parse(me).ok());
        let me = parsed.as_ref().map(Node::from).unwrap_or_default();
        let text = |text: String| self.weak(text);
        let engine = engine.filter(|engine| is_word(engine, STATUS_BYTES_MAX));
        let software = engine.map(|engine| {
            let software = Software { engine: engine.to_owned(), waha_version: None };
            Register::new(self.weak(engine.to_owned()).version.poorer(), software)
        });
        let change = changes.session(&self.session);
        change.identity = Identity {
            software,
            me_id: id(me.at("id")).map(text),
            me_lid: id(me.at("lid")).map(text),
            me_jid: me.at("jid").text().map(text),
            push_name: me.at("pushName").text().map(text),
            metadata: None,
        };
        change.status = is_word(status, STATUS_BYTES_MAX).then(|| {
            let Register { version, value: status } = self.weak(status.to_owned());
            Register::new(version, SessionStatus { status, at: None })
        });
        changes.links = self.pairs(me).links();
        changes
    }

    /// What pairs of LID and phone tell.
    pub fn of_lids<'a>(&self, rows: impl Iterator<Item = &'a str>) -> Changes {
        let mut changes = Changes::default();
        changes.session(&self.session);
        let mut links = std::collections::BTreeSet::new();
        self.each(rows, |row, pairs| {
            pairs.tell(row.at("lid"), row.at("pn"));
            links.append(&mut pairs.take());
        });
        changes.links = links;
        changes
    }

    /// What an address book tells: names that people chose, and LIDs.
    pub fn of_contacts<'a>(&self, rows: impl Iterator<Item = &'a str>) -> Changes {
        let mut changes = Changes::default();
        changes.session(&self.session);
        self.each(rows, |row, pairs| {
            let person = id(row.at("id")).and_then(|jid| PersonKey::of(&self.session, &jid));
            let name = row.at_any(&["pushname", "pushName", "notify"]).text();
            let verified = || name::verified(row);
            let name = name.map(|name| self.weak(name)).or_else(|| {
                let Register { version, value } = self.weak(verified()?);
                Some(Register::new(version.poorer(), value))
            });
            if let (Some(person), Some(name)) = (person, name) {
                let change = ContactChange { push_name: Some(name), username: None };
                changes.contacts.insert(person, change);
            }
            pairs.tell(row.at("id"), row.at("lid"));
            pairs.tell(row.at("id"), row.at("phoneNumber"));
            changes.links.append(&mut pairs.take());
        });
        changes
    }

    /// What a list of groups tells: that they are, their subjects and descriptions.
    pub fn of_groups<'a>(&self, rows: impl Iterator<Item = &'a str>) -> Changes {
        let mut changes = Changes::default();
        changes.session(&self.session);
        self.each(rows, |row, _| {
            let Some(chat) = id(row.at_any(&["id", "JID"])).and_then(|jid| self.group(jid)) else {
                return;
            };
            let metadata = row.at("groupMetadata");
            let field = |names: &[&str]| [row, metadata].map(|it| it.at_any(names).text());
            let [own, inner] = field(&["subject", "Name", "name"]);
            let [topic, description] = field(&["desc", "description", "Topic"]);
            let change = changes.chat(&chat);
            change.name = own.or(inner).map(|name| self.weak(name));
            // An empty one may as well be one that is not told.
            change.description = topic.or(description).map(|text| {
                let Register { version, value } = self.weak(text);
                Register::new(version, Some(value))
            });
        });
        changes
    }

    /// A group, if the id is one's.
    pub fn group(&self, jid: String) -> Option<ChatKey> {
        let is_group = ChatKind::of(&jid) == ChatKind::Group;
        is_group.then(|| ChatKey { session: self.session.clone(), chat_id: jid })
    }

    /// What a whole list of a group's members tells of those that are in it, and who they are.
    pub fn of_members<'a>(
        &self,
        chat: &ChatKey,
        rows: impl Iterator<Item = &'a str>,
    ) -> (Changes, Vec<ListedMember>) {
        let (mut changes, mut members) = (Changes::default(), Vec::new());
        changes.chat(chat);
        self.each(rows.take(LISTED_MEMBERS_MAX), |row, pairs| {
            let Some(jid) = id(row.at("id")) else { return };
            pairs.tell(row.at("id"), row.at("pn"));
            let links = pairs.take();
            let role = group::role(row.at("role"));
            self.tell_role(&mut changes, chat, phone_of(&links, jid.clone()), role);
            changes.links.extend(links);
            if role.is_member() {
                members.push(ListedMember { phone: id(row.at("pn")), jid });
            }
        });
        (changes, members)
    }

    /// Says that somebody is not in a whole list of a group's members.
    pub fn tell_gone(&self, changes: &mut Changes, chat: &ChatKey, jid: String) {
        self.tell_role(changes, chat, jid, Role::Left);
    }

    /// Whether a list of members has the account itself: one that it has not was not told to the account whole.
    pub fn has_me(&self, members: &[ListedMember]) -> bool {
        let parsed = self.me.as_deref().and_then(|me| json::parse(me).ok());
        let me = parsed.as_ref().map(Node::from).unwrap_or_default();
        let own = [id(me.at("id")), id(me.at("lid"))];
        let is_me =
            |jid: Option<&String>| jid.is_some() && own.iter().any(|own| own.as_ref() == jid);
        members.iter().any(|it| is_me(Some(&it.jid)) || is_me(it.phone.as_ref()))
    }

    fn tell_role(&self, changes: &mut Changes, chat: &ChatKey, jid: String, role: Role) {
        let hash = hash_texts([&chat.chat_id, &jid, role.name()]);
        let version = Version::at(self.at_ms - MEMBERS_AGE_MS, hash);
        let key = ParticipantKey { chat: chat.clone(), jid };
        changes.participant(key, Register::new(version, role));
    }

    /// A register that is weaker than whatever a webhook tells.
    fn weak(&self, text: String) -> Register<String> {
        Register::new(Version::at(self.at_ms, hash_texts([&text])).backfilled(), text)
    }

    fn pairs(&self, me: Node<'_>) -> PairsTold<'_> {
        PairsTold::of(&self.session, me)
    }

    /// Reads row after row; one that can't be read is left out.
    fn each<'a>(
        &self,
        rows: impl Iterator<Item = &'a str>,
        mut read: impl FnMut(Node<'_>, &mut PairsTold<'_>),
    ) {
        let parsed = self.me.as_deref().and_then(|me| json::parse(me).ok());
        let me = parsed.as_ref().map(Node::from).unwrap_or_default();
        let mut pairs = self.pairs(me);
        // That of the account itself is told with the session.
        pairs.take();
        for row in rows {
            if let Ok(value) = json::parse(row) {
                read(Node::from(&value), &mut pairs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Link;

    const ME: &str = r#"{"id":"12025550100@c.us","lid":"100000000000100@lid","pushName":"Acme"}"#;

    fn listing() -> Listing {
        let session = SessionKey { source: "default".into(), name: "sales".into() };
        Listing { session, me: Some(ME.to_owned()), at_ms: 1_790_000_000_000 }
    }

    fn chat() -> ChatKey {
        listing().group("1@g.us".to_owned()).unwrap()
    }

    fn phones(links: impl IntoIterator<Item = Link>) -> Vec<(String, String)> {
        links.into_iter().map(|link| (link.lid, link.phone)).collect()
    }

    #[test]
    fn a_session_is_told_weaker_than_live() {
        let changes = listing().of_session("WORKING", Some("GOWS"));
        let session = &changes.sessions[&listing().session];
        let versions = [
            session.status.as_ref().unwrap().version,
            session.identity.me_id.as_ref().unwrap().version,
            session.identity.push_name.as_ref().unwrap().version,
            session.identity.software.as_ref().unwrap().version,
        ];
        assert!(versions.iter().all(|version| version.is_backfilled()));
        assert!(session.history.is_empty(), "nobody knows since when");
        let own = ("100000000000100@lid".to_owned(), "12025550100@c.us".to_owned());
        assert_eq!(phones(changes.links), [own]);
    }

    #[test]
    fn pairs_that_say_nothing_or_contradict_the_account_are_left_out() {
        let rows = [
            r#"{"lid":"100000000000144@lid","pn":"12025550144@s.whatsapp.net"}"#,
            r#"{"lid":"100000000000199@lid","pn":null}"#,
            r#"{"lid":"100000000000100@lid","pn":"12025550199@c.us"}"#,
            r#"{"lid":"1@g.us","pn":"12025550155@c.us"}"#,
            "17",
        ];
        let told = phones(listing().of_lids(rows.into_iter()).links);
        let other = ("100000000000144@lid".to_owned(), "12025550144@c.us".to_owned());
        assert_eq!(told, [other]);
    }

    #[test]
    fn names_are_those_that_people_chose() {
        let rows = [
            r#"{"id":"12025550144@c.us","name":"Kim of the book","pushname":"Kim","lid":"100000000000144@lid"}"#,
            r#"{"id":{"_serialized":"12025550145@c.us"},"name":"Only in the book"}"#,
            r#"{"id":"2@g.us","pushname":"A group"}"#,
        ];
        let changes = listing().of_contacts(rows.into_iter());
        let names: Vec<&str> = changes
            .contacts
            .values()
            .map(|it| it.push_name.as_ref().unwrap().value.as_str())
            .collect();
        assert_eq!(names, ["Kim"]);
        assert_eq!(changes.links.len(), 1);
    }

    #[test]
    fn groups_have_a_subject_in_every_engines_words() {
        let rows = [
            r#"{"JID":"1@g.us","Name":"Go","Topic":"Gate times"}"#,
            r#"{"id":"2@g.us","subject":"Baileys","desc":""}"#,
            r#"{"id":{"_serialized":"3@g.us"},"name":"Web","groupMetadata":{"subject":"Web","desc":"x"}}"#,
            r#"{"id":"12025550144@c.us","subject":"nobody's"}"#,
        ];
        let changes = listing().of_groups(rows.into_iter());
        let told = changes.chats.iter().map(|(key, chat)| {
            let description = chat.description.as_ref().and_then(|it| it.value.as_deref());
            (key.chat_id.as_str(), chat.name.as_ref().unwrap().value.as_str(), description)
        });
        let expected = [
            ("1@g.us", "Go", Some("Gate times")),
            ("2@g.us", "Baileys", None),
            ("3@g.us", "Web", Some("x")),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn members_are_told_as_of_a_day_ago_under_their_phones() {
        let rows = [
            r#"{"id":"100000000000144@lid","pn":"12025550144@c.us","role":"superadmin"}"#,
            r#"{"id":"100000000000155@lid","pn":null,"role":"participant"}"#,
            r#"{"id":"100000000000100@lid","pn":"12025550100@c.us","role":"participant"}"#,
        ];
        let (changes, members) = listing().of_members(&chat(), rows.into_iter());
        let told = changes.participants.iter().map(|(key, it)| (key.jid.as_str(), it.value));
        let expected = [
            ("100000000000155@lid", Role::Participant),
            ("12025550100@c.us", Role::Participant),
            ("12025550144@c.us", Role::SuperAdmin),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        let day_ago = Version::at(listing().at_ms - 24 * 3_600_000, 0);
        assert!(changes.participants.values().all(|it| it.version < day_ago));
        assert!(changes.participants.values().all(|it| !it.version.is_backfilled()));
        assert_eq!(members.len(), 3);
        assert!(listing().has_me(&members) && !listing().has_me(&members[..2]));
    }
}
