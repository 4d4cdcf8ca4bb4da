//! The minimal envelope read at the door: which webhook is this, and when did it happen.
//!
//! Skims the body once without building it. What is read here is fixed for good; the payload is
//! read by `normalize`, later and with all its variants.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::storable::{EVENT_TYPE_BYTES_MAX, ID_BYTES_MAX, SESSION_BYTES_MAX};
use super::verify::hash_id;
use crate::strict_json::Object;

/// The session of bodies from before 2023.10, which name none.
const DEFAULT_SESSION: &str = "default";

/// What the door needs of WAHA's envelope (its `src/core/abc/manager.abc.ts`).
#[derive(Debug, PartialEq, Eq)]
pub struct Envelope {
    /// WAHA's name of what happened.
    pub event: String,
    /// The WhatsApp account.
    pub session: String,
    /// The event id, or its hash if it is too long for a key; absent in bodies of 2024 and before.
    pub id: Option<String>,
    /// Creation of the event in ms; absent before 2025.3.
    pub timestamp_ms: Option<i64>,
}

/// Why a signed body is no WAHA envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON, or not an object.
    #[error("the body is not a JSON object")]
    NotJson,
    /// `event` is absent, empty, too long or not text.
    #[error("the envelope has no usable event")]
    NoEvent,
    /// `session` is empty, too long or not text.
    #[error("the envelope has no usable session")]
    NoSession,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    event: Scalar,
    #[serde(default)]
    session: Scalar,
    #[serde(default)]
    id: Scalar,
    #[serde(default)]
    timestamp: Scalar,
}

/// Text or number; anything else is `Other`.
#[derive(Default)]
pub(super) enum Scalar {
    #[default]
    Absent,
    Text(String),
    /// The hash of a text that is too long for any key: it may be nearly the whole body.
    Long(String),
    Integer(i64),
    /// A fraction, or a number beyond every integer: different ones are read as the same.
    Inexact(String),
    Other,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyKind)
    }
}

/// Takes a value of any kind without building it, as an untagged enum would.
struct AnyKind;

impl<'de> Visitor<'de> for AnyKind {
    type Value = Scalar;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(if text.len() <= ID_BYTES_MAX {
            Scalar::Text(text.to_owned())
        } else {
            Scalar::Long(hash_id("id", text.as_bytes()))
        })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(number).map_or_else(|_| Scalar::Text(number.to_string()), Scalar::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Inexact(serde_json::Value::from(number).to_string()))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Scalar, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Scalar, A::Error> {
        IgnoredAny.visit_map(members).map(|_| Scalar::Other)
    }
}

impl Envelope {
    /// Reads the four fields of the envelope.
    pub fn read(body: &[u8]) -> Result<Self, EnvelopeError> {
        let Object(wire): Object<Wire> =
            serde_json::from_slice(body).map_err(|_| EnvelopeError::NotJson)?;
        let session = match wire.session {
            Scalar::Absent => Some(DEFAULT_SESSION.to_owned()),
            other => other.name(SESSION_BYTES_MAX),
        };
        Ok(Self {
            event: wire.event.name(EVENT_TYPE_BYTES_MAX).ok_or(EnvelopeError::NoEvent)?,
            session: session.ok_or(EnvelopeError::NoSession)?,
            id: wire.id.id(),
            timestamp_ms: wire.timestamp.milliseconds(),
        })
    }
}

impl Scalar {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            Self::Integer(number) => Some(number.to_string()),
            Self::Inexact(text) => Some(text),
            Self::Text(_) | Self::Long(_) | Self::Absent | Self::Other => None,
        }
    }

    /// Text that names something by itself or by its hash. What is not exact names nothing: webhooks that
    /// are two would be one.
    fn id(self) -> Option<String> {
        match self {
            Self::Long(hash) => Some(hash),
            Self::Inexact(_) => None,
            other => other.text(),
        }
    }

    /// A whole number, as which times are told; fractions are cut.
    pub(super) fn milliseconds(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            other => milliseconds(&other.text()?),
        }
    }

    /// Text that can stand in a key: short, no control characters, no space around it.
    fn name(self, bytes_max: usize) -> Option<String> {
        self.text().filter(|text| is_key_text(text, bytes_max))
    }
}

/// Whether a text can stand in a key of every database: short, printable, no space around it.
pub fn is_key_text(text: &str, bytes_max: usize) -> bool {
    is_word(text, bytes_max) && text.trim() == text
}

/// Whether a text is short and printable, and not empty.
pub fn is_word(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

/// A decimal text of milliseconds; fractions are cut.
pub fn milliseconds(text: &str) -> Option<i64> {
    let whole = text.split('.').next()?;
    whole.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_new_and_old_envelopes() {
        let new = Envelope::read(
            br#"{"id":"evt_1","timestamp":1776240200733,"event":"message","session":"shop","payload":{}}"#,
        );
        assert_eq!(
            new,
            Ok(Envelope {
                event: "message".into(),
                session: "shop".into(),
                id: Some("evt_1".into()),
                timestamp_ms: Some(1_776_240_200_733),
            })
        );
        let old = Envelope::read(br#"{"event":"message","payload":{"body":"hi"}}"#).unwrap();
        assert_eq!((old.session.as_str(), old.id, old.timestamp_ms), ("default", None, None));
    }

    #[test]
    fn takes_numbers_for_texts_and_skips_odd_texts() {
        let body = br#"{"event":"message","session":42,"id":7,"timestamp":"5","payload":"\ud800"}"#;
        let envelope = Envelope::read(body).unwrap();
        assert_eq!((envelope.session.as_str(), envelope.id.as_deref()), ("42", Some("7")));
        assert_eq!(envelope.timestamp_ms, Some(5));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(Envelope::read(b"{"), Err(EnvelopeError::NotJson));
        assert_eq!(Envelope::read(br#"["message"]"#), Err(EnvelopeError::NotJson));
        assert_eq!(Envelope::read(br#"{"session":"a"}"#), Err(EnvelopeError::NoEvent));
        assert_eq!(Envelope::read(br#"{"event":"m","session":""}"#), Err(EnvelopeError::NoSession));
        for odd in [r#"{"a":[1]}"#, "[{}]", "true", "null", r#""""#] {
            let body = format!(r#"{{"event":{odd},"session":"a"}}"#);
            assert_eq!(Envelope::read(body.as_bytes()), Err(EnvelopeError::NoEvent), "{odd}");
        }
        let odd =
            Envelope::read(br#"{"event":"m","session":-1,"id":1.5,"timestamp":1e3}"#).unwrap();
        assert_eq!((odd.session.as_str(), odd.id.as_deref()), ("-1", None));
    }

    #[test]
    fn an_id_that_is_not_exact_is_none() {
        let id = |id: &str| {
            let body = format!(r#"{{"event":"m","id":{id}}}"#);
            Envelope::read(body.as_bytes()).unwrap().id
        };
        assert_eq!(id("18446744073709551615").as_deref(), Some("18446744073709551615"));
        // Both are one number to whoever reads them.
        assert_eq!([id("18446744073709551616"), id("18446744073709551617")], [None, None]);
    }
}
