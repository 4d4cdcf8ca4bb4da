//! Where a head and a body end, so that no byte of the next request is handed on before its turn.
//!
//! Used by `stream` and `gate`. Actix decodes the same head again and decides what it means: a mistake here
//! could only make a connection wait for its deadline.

use actix_http::{HttpMessage, Request};
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use actix_web::http::{Method, Version};

use super::chunks::ChunkDecoder;

/// Finds the empty line after a head, in bytes that come in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadScanner {
    scanned: usize,
    /// Empty lines before the first word are no end of a head.
    has_begun: bool,
    is_line_empty: bool,
}

impl HeadScanner {
    /// The length of the head, once it is whole. `bytes`: all of the head so far.
    pub(super) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(byte) = bytes.get(self.scanned) {
            self.scanned += 1;
            match byte {
                b'\n' if self.has_begun && self.is_line_empty => return Some(self.scanned),
                b'\n' => self.is_line_empty = true,
                b'\r' => {}
                _ => {
                    self.has_begun = true;
                    self.is_line_empty = false;
                }
            }
        }
        None
    }
}

/// How much of a body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunks(ChunkDecoder),
}

impl BodyFraming {
    /// Of the body that follows a head; none if there is none.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let headers = request.headers();
        if is_chunked(request) {
            return Some(Self::Chunks(ChunkDecoder::default()));
        }
        let length = headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()?;
        (length > 0).then_some(Self::Length(length))
    }

    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Length(rest) => *rest == 0,
            Self::Chunks(decoder) => decoder.is_whole(),
        }
    }
}

/// Actix has refused every other transfer encoding.
fn is_chunked(request: &Request) -> bool {
    request.version() == Version::HTTP_11 && request.headers().contains_key(TRANSFER_ENCODING)
}

/// Whether actix takes all that follows for the body, whatever its length is said to be: a connection that
/// is to speak something else than HTTP from now on.
pub(super) fn is_tunnel(request: &Request) -> bool {
    let protocols = request.headers().get_all(UPGRADE).map(|it| it.as_bytes().trim_ascii());
    let asks = request.method() == Method::CONNECT
        || protocols.into_iter().any(|it| it.eq_ignore_ascii_case(b"websocket"));
    asks && !is_chunked(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(pieces: &[&str]) -> Option<usize> {
        let (mut scanner, mut bytes) = (HeadScanner::default(), Vec::new());
        pieces.iter().find_map(|piece| {
            bytes.extend_from_slice(piece.as_bytes());
            scanner.find_end(&bytes)
        })
    }

    #[test]
    fn a_head_ends_with_an_empty_line_however_it_comes() {
        assert_eq!(end_of(&["GET / HTTP/1.1\r\na: b\r\n\r\nrest"]), Some(24));
        assert_eq!(end_of(&["GET / HTTP/1.1\r\na: b\r\n\r", "\nrest"]), Some(24));
        assert_eq!(end_of(&["GET / HTTP/1.1\na: b\n\nrest"]), Some(21));
        assert_eq!(end_of(&["\r\n\r\nGET / HTTP/1.1\r\n", "\r\n"]), Some(22));
        assert_eq!(end_of(&["GET / HTTP/1.1\r\na: b\r\n"]), None);
    }
}
