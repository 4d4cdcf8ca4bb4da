//! What WAHA counts of the messages that it told, since 2026.8.2 and only where it is switched on there.
//!
//! `GET /metrics`, which knows no key of the API. The cheapest witness of what should have come: it asks neither
//! the engine nor WhatsApp. Counts begin anew when WAHA starts.

use std::collections::BTreeMap;

use super::{WahaApi, WahaError};

const METRIC: &str = "waha_messages_total{";

/// Messages that WAHA has told of since it started, by session.
pub type EmittedMessages = BTreeMap<String, EmittedCount>;

/// Those of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmittedCount {
    /// Written by the account itself, on whichever device.
    pub own: u64,
    /// Written by others: those that every list of events of messages has.
    pub others: u64,
}

impl WahaApi {
    /// How many messages WAHA has told since it started; none where it does not count.
    pub async fn emitted_messages(&self) -> Result<Option<EmittedMessages>, WahaError> {
        match self.get_open(&["metrics"]).await {
            Ok(body) => Ok(Some(read(&String::from_utf8_lossy(&body)))),
            // A proxy may hide it, or it wants a password that we don't have.
            Err(
                WahaError::Unsupported
                | WahaError::NotFound(_)
                | WahaError::Unauthorized
                | WahaError::Forbidden,
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The text format of Prometheus, as far as it is needed.
fn read(text: &str) -> EmittedMessages {
    let mut emitted = EmittedMessages::new();
    for line in text.lines() {
        let Some((labels, value)) = line.strip_prefix(METRIC).and_then(|it| it.rsplit_once("} "))
        else {
            continue;
        };
        let label = |name: &str| labels.split(name).nth(1).and_then(|it| it.split('"').next());
        let session = label("session=\"");
        let count = value.split(' ').next().and_then(|number| number.parse::<f64>().ok());
        if let (Some(session), Some(count)) = (session, count.filter(|count| *count >= 0.0)) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count, and a cast saturates"
            )]
            let count = count as u64;
            let counts = emitted.entry(session.to_owned()).or_default();
            let is_own = label("fromMe=\"") == Some("true");
            *if is_own { &mut counts.own } else { &mut counts.others } += count;
        }
    }
    emitted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_and_others_messages_are_counted_apart_by_session() {
        let text = "# HELP waha_messages_total x\n\
            waha_messages_total{session=\"sales\",fromMe=\"false\",worker=\"\"} 1204\n\
            waha_messages_total{session=\"sales\",fromMe=\"true\",worker=\"\"} 8.77e2 1790000000000\n\
            waha_messages_total{session=\"other\",fromMe=\"true\"} 1\n\
            waha_messages_total{fromMe=\"true\"} 5\nwaha_up{worker=\"\"} 1\nwaha_messages_total{\n";
        let count = |own, others| EmittedCount { own, others };
        let expected = [("other".to_owned(), count(1, 0)), ("sales".to_owned(), count(877, 1204))];
        assert_eq!(read(text), expected.into());
    }
}
