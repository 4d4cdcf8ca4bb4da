//! Ids of chats and people (WAHA's `src/core/utils/jids.ts`).

/// What a chat id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatKind {
    /// A person, by phone number (`@c.us`) or anonymous id (`@lid`).
    Person,
    /// A group.
    Group,
    /// A channel.
    Channel,
    /// A broadcast list.
    Broadcast,
    /// Stories (`status@broadcast`).
    Status,
    /// WhatsApp itself (`0@c.us`).
    System,
    /// Anything else, such as a bot.
    Other,
}

impl ChatKind {
    /// The kind of a chat id in WAHA's form.
    pub fn of(chat_id: &str) -> Self {
        match chat_id.split_once('@') {
            Some(("status", "broadcast")) => Self::Status,
            Some(("0", "c.us")) => Self::System,
            Some((_, "c.us" | "lid" | "hosted" | "hosted.lid")) => Self::Person,
            Some((_, "g.us")) => Self::Group,
            Some((_, "newsletter")) => Self::Channel,
            Some((_, "broadcast")) => Self::Broadcast,
            Some(_) | None => Self::Other,
        }
    }

    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Group => "group",
            Self::Channel => "channel",
            Self::Broadcast => "broadcast",
            Self::Status => "status",
            Self::System => "system",
            Self::Other => "other",
        }
    }
}

/// WAHA's form of an id: without device, and `@c.us` for the engines' `@s.whatsapp.net`.
pub fn chat_form(jid: &str) -> String {
    let jid = jid.trim();
    let Some((user, server)) = jid.split_once('@') else { return jid.to_owned() };
    let user = user.split(':').next().unwrap_or(user);
    let server = if server == "s.whatsapp.net" { "c.us" } else { server };
    format!("{user}@{server}")
}

/// How WAHA and its engines write an id in bodies.
pub fn spellings(jid: &str) -> Vec<String> {
    let id = chat_form(jid);
    match id.strip_suffix("@c.us").map(|user| format!("{user}@s.whatsapp.net")) {
        Some(of_engines) => vec![id, of_engines],
        None => vec![id],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_forms_become_wahas() {
        assert_eq!(chat_form("12025550100:14@s.whatsapp.net"), "12025550100@c.us");
        assert_eq!(chat_form("100000000000142@lid"), "100000000000142@lid");
        assert_eq!(chat_form("120363000000000001@g.us"), "120363000000000001@g.us");
        assert_eq!(chat_form("me"), "me");
    }

    #[test]
    fn the_suffix_tells_the_kind() {
        let kinds = ["1@c.us", "1@lid", "1-2@g.us", "1@newsletter", "status@broadcast", "0@c.us"];
        let names = kinds.map(|id| ChatKind::of(id).name());
        assert_eq!(names, ["person", "person", "group", "channel", "status", "system"]);
        assert_eq!(ChatKind::of("13135550002@bot"), ChatKind::Other);
    }
}
