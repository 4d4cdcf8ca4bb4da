//! Which part of a file is asked for (RFC 9110, 14.2). Several parts at once are answered with all of it.

use std::ops::Range;

use actix_web::HttpRequest;
use actix_web::http::header::{self, Header};

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Of(Range<u64>),
    /// Nothing: what was asked for lies behind the end.
    Outside,
}

/// What a request asks for of a file of so many bytes. What can't be read asks for nothing in particular.
pub(super) fn part(request: &HttpRequest, size: u64) -> Part {
    if !request.headers().contains_key(header::RANGE) {
        return Part::Whole;
    }
    let Ok(header::Range::Bytes(asked)) = header::Range::parse(request) else { return Part::Whole };
    let [one] = &*asked else { return Part::Whole };
    match one.to_satisfiable_range(size) {
        Some((first, last)) => Part::Of(first..last + 1),
        None => Part::Outside,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn one_range_is_followed() {
        let of = |range: &str, size| {
            part(
                &TestRequest::default().insert_header((header::RANGE, range)).to_http_request(),
                size,
            )
        };
        assert_eq!(of("bytes=0-0", 10), Part::Of(0..1));
        assert_eq!(of("bytes=5-", 10), Part::Of(5..10));
        assert_eq!(of("bytes=-3", 10), Part::Of(7..10));
        assert_eq!(of("bytes=5-99", 10), Part::Of(5..10));
        assert_eq!(of("bytes=10-", 10), Part::Outside);
        assert_eq!(of("bytes=0-", 0), Part::Outside);
        for whole in ["bytes=0-1,3-4", "lines=1-2", "bytes=9-1", "bytes=x"] {
            let part = of(whole, 10);
            assert!(matches!(part, Part::Whole | Part::Outside), "{whole}: {part:?}");
        }
    }
}
