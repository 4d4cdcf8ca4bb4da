//! `traceparent`: which trace a webhook belongs to (W3C Trace Context, level 1). Pure.
//!
//! Read from the request, then carried in the webhook's headers through queue, spool, dead letter and
//! replay. Invariant: anything that is not exactly of its form reads as none.

use std::fmt;

/// The request header.
pub const TRACE_PARENT_HEADER: &str = "traceparent";

/// Length of version 00: `00-{32 hex}-{16 hex}-{2 hex}`.
const LENGTH: usize = 55;
/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// A trace, and the span in it that is the parent of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: u128,
    span_id: u64,
    is_sampled: bool,
}

impl TraceParent {
    /// None if either id is zero, which stands for "no trace".
    pub fn new(trace_id: u128, span_id: u64, is_sampled: bool) -> Option<Self> {
        (trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, is_sampled })
    }

    /// Reads a header.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_once('-')?;
        let version = u8::try_from(hex(version, 2)?).ok()?;
        // A later version may have more after the flags; 255 is forbidden.
        let is_long = text.len() > LENGTH && text.as_bytes().get(LENGTH) == Some(&b'-');
        if version == u8::MAX || !(text.len() == LENGTH || version > 0 && is_long) {
            return None;
        }
        let mut parts = rest.split('-');
        let trace_id = hex(parts.next()?, 32)?;
        let span_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        Self::new(trace_id, span_id, flags & SAMPLED != 0)
    }

    /// The trace, as it is written in logs: 32 hex digits.
    pub fn trace_id(&self) -> impl fmt::Display + use<> {
        let trace_id = self.trace_id;
        fmt::from_fn(move |f| write!(f, "{trace_id:032x}"))
    }

    /// The trace and the span as numbers.
    pub fn ids(&self) -> (u128, u64) {
        (self.trace_id, self.span_id)
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, is_sampled } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(*is_sampled))
    }
}

/// So many lower-case hex digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fits = text.len() == digits && text.bytes().all(is_hex);
    fits.then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn reads_the_example_of_the_standard_and_writes_it_back() {
        let parent = TraceParent::parse(EXAMPLE).unwrap();
        assert_eq!(parent.to_string(), EXAMPLE);
        assert_eq!(parent.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(parent.is_sampled());
        assert!(!TraceParent::parse(&EXAMPLE.replace("-01", "-02")).unwrap().is_sampled());
    }

    #[test]
    fn a_later_version_may_be_longer_and_this_one_may_not() {
        assert!(TraceParent::parse(&format!("cc{}-more", &EXAMPLE[2..])).is_some());
        assert_eq!(TraceParent::parse(&format!("{EXAMPLE}-more")), None);
        assert_eq!(TraceParent::parse(&format!("cc{}more", &EXAMPLE[2..])), None);
    }

    #[test]
    fn what_is_not_of_its_form_is_none() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b70-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_or_does_not(text in ".{0,80}") {
            let _ = TraceParent::parse(&text);
        }

        #[test]
        fn what_is_written_reads_back(trace in 1u128.., span in 1u64.., sampled: bool) {
            let parent = TraceParent::new(trace, span, sampled).unwrap();
            prop_assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
        }
    }
}
