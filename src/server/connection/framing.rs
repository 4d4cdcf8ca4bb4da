//! Where a head and a body end, so that no byte of the next request is handed on before its turn.
//!
//! Used by `stream`. Actix decodes the same bytes again and decides what they mean: a mistake here could
//! only make a connection wait for its deadline.

use actix_http::{HttpMessage, Request};
use actix_web::http::Version;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};

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
    Chunks(ChunkScanner),
}

impl BodyFraming {
    /// Of the body that follows a head; none if there is none, or none that would ever end.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let headers = request.headers();
        // Actix has refused every other transfer encoding.
        if request.version() == Version::HTTP_11 && headers.contains_key(TRANSFER_ENCODING) {
            return Some(Self::Chunks(ChunkScanner::default()));
        }
        let upgrade = headers.get(UPGRADE).map(|it| it.as_bytes().trim_ascii());
        if upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket")) {
            return None;
        }
        let length = headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()?;
        (length > 0).then_some(Self::Length(length))
    }

    /// How many of these bytes belong to the body. It is whole when fewer than all do, or when
    /// [`Self::is_whole`] says so.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Length(rest) => {
                let taken = usize::try_from(*rest).unwrap_or(usize::MAX).min(bytes.len());
                *rest -= taken as u64;
                taken
            }
            Self::Chunks(scanner) => scanner.take(bytes),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Length(rest) => *rest == 0,
            Self::Chunks(scanner) => scanner.part == ChunkPart::End,
        }
    }
}

/// Finds the end of a body in chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChunkScanner {
    part: ChunkPart,
    /// Of the chunk that is coming.
    size: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkPart {
    #[default]
    Size,
    Extension,
    Data,
    /// The line end after the data.
    DataEnd,
    /// At the beginning of a line after the last chunk.
    TrailerStart,
    Trailer,
    End,
}

impl ChunkScanner {
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.part != ChunkPart::End {
            if self.part == ChunkPart::Data {
                let data = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.size -= data as u64;
                at += data;
                if self.size == 0 {
                    self.part = ChunkPart::DataEnd;
                }
            } else {
                self.step(bytes[at]);
                at += 1;
            }
        }
        at
    }

    /// Takes a byte that is no data.
    fn step(&mut self, byte: u8) {
        self.part = match (self.part, byte) {
            (ChunkPart::Size | ChunkPart::Extension, b'\n') if self.size == 0 => {
                ChunkPart::TrailerStart
            }
            (ChunkPart::Size | ChunkPart::Extension, b'\n') => ChunkPart::Data,
            (ChunkPart::Size, byte) => match char::from(byte).to_digit(16) {
                Some(digit) => {
                    self.size = self.size.saturating_mul(16).saturating_add(digit.into());
                    ChunkPart::Size
                }
                None => ChunkPart::Extension,
            },
            (ChunkPart::DataEnd, b'\n') => ChunkPart::Size,
            (ChunkPart::TrailerStart, b'\n') => ChunkPart::End,
            (ChunkPart::TrailerStart, b'\r') => ChunkPart::TrailerStart,
            (ChunkPart::Trailer, b'\n') => ChunkPart::TrailerStart,
            (ChunkPart::TrailerStart, _) => ChunkPart::Trailer,
            (part, _) => part,
        };
    }
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

    #[test]
    fn a_body_in_chunks_ends_after_its_trailers_however_it_comes() {
        let body = "5;name=\"x\"\r\n0\r\n\r\n\r\nA\r\n0123456789\r\n0\r\nafter: x\r\n\r\n";
        let all = [body.as_bytes(), b"GET / HTTP/1.1\r\n\r\n"].concat();
        for step in 1..all.len() {
            let mut framing = BodyFraming::Chunks(ChunkScanner::default());
            let mut taken = 0;
            for piece in all.chunks(step) {
                taken += framing.take(piece);
                if framing.is_whole() {
                    break;
                }
            }
            assert_eq!(taken, body.len(), "in pieces of {step}");
        }
    }

    #[test]
    fn a_body_of_a_known_length_takes_no_more() {
        let mut framing = BodyFraming::Length(5);
        assert_eq!(framing.take(b"abc"), 3);
        assert!(!framing.is_whole());
        assert_eq!(framing.take(b"defgh"), 2);
        assert!(framing.is_whole());
    }
}
