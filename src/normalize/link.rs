//! Which ids a webhook shows to be one person: a LID and a phone number.
//!
//! Called for every webhook that tells anything, whatever its event type. Only WhatsApp's server
//! writes these fields, so a sender can't make somebody else one person with itself. Each pair is
//! taken from fields that speak of the same person; never a chat with whoever wrote in it.

use std::collections::BTreeSet;

use super::ids::{engine_data, id};
use crate::change::{Link, SessionKey};
use crate::waha::json::Node;

/// Longest list of members that is read; WhatsApp's groups have 1,024.
const MEMBERS_MAX: usize = 10_000;

/// The pairs that a webhook shows.
pub(super) fn links(session: &SessionKey, root: Node<'_>, payload: Node<'_>) -> BTreeSet<Link> {
    let mut pairs = Pairs::of(session, root.at("me"));
    for data in [engine_data(payload), payload.at("after").at("_data")] {
        pairs.add_key(data.at("key"));
        pairs.add_source(data.at("Info"));
        pairs.add_source(data);
        pairs.add_call(data);
        pairs.add_group(data);
        pairs.add_contact(data.at("sender"));
    }
    pairs.add_group(payload);
    pairs.add_group(payload.at("group"));
    pairs.add(payload.at("requesterId"), payload.at("requesterPn"));
    pairs.links
}

/// The name under which a webhook itself shows a person: the phone number, if it tells both ids.
/// The same for the same webhook always, whatever else is known.
pub(super) fn phone_of(links: &BTreeSet<Link>, jid: String) -> String {
    links.iter().find(|link| link.lid == jid).map_or(jid, |link| link.phone.clone())
}

/// Pairs that rows of WAHA's lists tell, one after the other.
pub(super) struct PairsTold<'a>(Pairs<'a>);

impl<'a> PairsTold<'a> {
    /// Those of a session's account.
    pub(super) fn of(session: &'a SessionKey, me: Node<'_>) -> Self {
        Self(Pairs::of(session, me))
    }

    /// Two ids of one person, if they are one of each kind.
    pub(super) fn tell(&mut self, one: Node<'_>, other: Node<'_>) {
        self.0.add(one, other);
    }

    /// Those that were told since.
    pub(super) fn take(&mut self) -> BTreeSet<Link> {
        std::mem::take(&mut self.0.links)
    }

    /// All of them.
    pub(super) fn links(self) -> BTreeSet<Link> {
        self.0.links
    }
}

struct Pairs<'a> {
    session: &'a SessionKey,
    /// The account's own ids, where both are known.
    me: Option<(String, String)>,
    links: BTreeSet<Link>,
}

impl<'a> Pairs<'a> {
    fn of(session: &'a SessionKey, me: Node<'_>) -> Self {
        let me = pair(me.at("id"), me.at("lid"));
        let mut pairs = Self { session, me: None, links: BTreeSet::new() };
        if let Some((lid, phone)) = me.clone() {
            pairs.push(lid, phone);
        }
        pairs.me = me;
        pairs
    }

    /// Baileys' key of a message.
    fn add_key(&mut self, key: Node<'_>) {
        self.add(key.at("remoteJid"), key.at("remoteJidAlt"));
        self.add(key.at("participant"), key.at("participantAlt"));
        self.add(key.at("participant"), key.at("participantPn"));
        self.add(key.at("participant"), key.at("participantLid"));
        self.add(key.at("senderLid"), key.at("senderPn"));
        // The sender is the other side only in what others wrote.
        if key.at("fromMe").flag() == Some(false) {
            self.add(key.at("remoteJid"), key.at("senderPn"));
            self.add(key.at("remoteJid"), key.at("senderLid"));
        }
    }

    /// whatsmeow's source of a message or a receipt.
    fn add_source(&mut self, info: Node<'_>) {
        self.add(info.at("Sender"), info.at("SenderAlt"));
        self.add(info.at("Sender"), info.at("SenderPN"));
        // The recipient is the chat only in what the own account wrote.
        if info.at("IsFromMe").flag() == Some(true) {
            self.add(info.at("Chat"), info.at("RecipientAlt"));
        }
    }

    fn add_call(&mut self, data: Node<'_>) {
        self.add(data.at_any(&["CallCreator", "From"]), data.at("CallCreatorAlt"));
        self.add(data.at("from"), data.at("callerPn"));
    }

    /// A notice about a group, and the members it lists: WAHA's, Baileys' and whatsmeow's form.
    fn add_group(&mut self, group: Node<'_>) {
        self.add(group.at("author"), group.at("authorPn"));
        for member in group.at("participants").items().take(MEMBERS_MAX) {
            self.add(member.at("id"), member.at("pn"));
            self.add(member.at("id"), member.at("phoneNumber"));
            self.add(member.at("id"), member.at("lid"));
        }
        for member in group.at("Participants").items().take(MEMBERS_MAX) {
            self.add(member.at("LID"), member.at("PhoneNumber"));
        }
    }

    /// The contact object of WPP.
    fn add_contact(&mut self, contact: Node<'_>) {
        self.add(contact.at("id"), contact.at("phoneNumber"));
        self.add(contact.at("id"), contact.at("lid"));
    }

    fn add(&mut self, one: Node<'_>, other: Node<'_>) {
        if let Some((lid, phone)) = pair(one, other) {
            self.push(lid, phone);
        }
    }

    fn push(&mut self, lid: String, phone: String) {
        if !self.contradicts_me(&lid, &phone) {
            self.links.insert(Link { session: self.session.clone(), lid, phone });
        }
    }

    /// Whether somebody else would become the own account: all its chats would be in one.
    fn contradicts_me(&self, lid: &str, phone: &str) -> bool {
        self.me.as_ref().is_some_and(|(my_lid, my_phone)| (my_lid == lid) != (my_phone == phone))
    }
}

/// (LID, phone), if these are one of each, in whatever order.
fn pair(one: Node<'_>, other: Node<'_>) -> Option<(String, String)> {
    if !other.is_there() {
        return None;
    }
    let (one, other) = (id(one)?, id(other)?);
    match (server(&one)?, server(&other)?) {
        ("lid", "c.us") => Some((one, other)),
        ("c.us", "lid") => Some((other, one)),
        _ => None,
    }
}

/// The server of a person's id; none for anything else, WhatsApp itself included.
fn server(jid: &str) -> Option<&str> {
    let (user, server) = jid.split_once('@')?;
    let is_number = user.len() > 1 && user.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(server)
}
