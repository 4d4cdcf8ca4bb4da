//! How engines differ in what they take and tell, in one place. Pure.

/// A message as an engine's WAHA is asked for it: the chat, then the id.
///
/// NOWEB and GOWS find a message by its bare id whatever the chat, which may be stored there under another of
/// its names; NOWEB takes `all` for that, GOWS ignores the chat. The browser engines need the serialized id,
/// and the chat as it stands in it.
pub(super) fn message_path<'a>(
    engine: Option<&str>,
    chat: &'a str,
    waha_id: &'a str,
    bare_id: &'a str,
) -> (&'a str, &'a str) {
    match engine {
        Some("NOWEB" | "GOWS") => ("all", bare_id),
        // The chat as that engine told it; a chat that was merged since has another name.
        _ if !waha_id.is_empty() => (waha_id.split('_').nth(1).unwrap_or(chat), waha_id),
        _ => (chat, bare_id),
    }
}

/// Whether an answer is of another message than was asked for, by the serialized ids of both: NOWEB and GOWS look
/// for the bare id alone, which somebody in another chat may have repeated. A phone's chat and a LID's may be one.
pub(super) fn is_another(asked: &str, answered: &str) -> bool {
    let chat = |id: &str| -> Option<(String, String)> {
        let (user, server) = id.split('_').nth(1)?.split_once('@')?;
        let server = if server == "s.whatsapp.net" { "c.us" } else { server };
        Some((user.to_owned(), server.to_owned()))
    };
    match (chat(asked), chat(answered)) {
        (Some((user, server)), Some((other, place))) => server == place && user != other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_is_asked_in_its_way() {
        let id = "false_1@lid_3EB0";
        assert_eq!(message_path(Some("GOWS"), "1@c.us", id, "3EB0"), ("all", "3EB0"));
        assert_eq!(message_path(Some("NOWEB"), "1@c.us", id, "3EB0"), ("all", "3EB0"));
        assert_eq!(message_path(Some("WEBJS"), "1@c.us", id, "3EB0"), ("1@lid", id));
        assert_eq!(message_path(None, "1@c.us", "", "3EB0"), ("1@c.us", "3EB0"));
    }

    #[test]
    fn a_message_of_another_chat_is_another_one() {
        let asked = "false_1@c.us_3EB0";
        assert!(is_another(asked, "false_2@c.us_3EB0"));
        assert!(is_another("false_1@g.us_3EB0_2@c.us", "false_3@g.us_3EB0_2@c.us"));
        for same in ["true_1@c.us_3EB0", "false_1@s.whatsapp.net_3EB0", "false_7@lid_3EB0", "", "?"]
        {
            assert!(!is_another(asked, same), "{same}");
        }
    }
}
