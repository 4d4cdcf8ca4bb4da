//! A body in chunks: takes their data out and hands it on in larger chunks of our own.
//!
//! Used by `stream`. A chunk of one byte costs actix, and whoever reads the body, as much memory and time as
//! a large one: handed on as it came, a body would hold many times what was received. Invariant: whatever is
//! not of the form of RFC 9112, 7.1, is refused, because actix does not see it. Extensions and trailers are
//! left out, as it allows: nobody here reads them.

use std::io::Write;

use tokio::io::ReadBuf;

/// The size and line end of a chunk of ours.
const SIZE_LINE_BYTES: usize = 10;
/// The line end after its data.
const LINE_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// No chunk begins so: actix tells who reads the body that it is broken.
const NO_CHUNK: &[u8] = b"\n";
/// What stands around data at most.
const FRAME_BYTES: usize = SIZE_LINE_BYTES + LINE_END.len() + LAST_CHUNK.len();

/// Takes the data out of chunks, in bytes that come in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChunkDecoder {
    part: ChunkPart,
    /// What is still to come of a chunk.
    size: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkPart {
    /// The first digit of a size.
    #[default]
    Size,
    SizeRest,
    /// White space after the size.
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the beginning of a line after the last chunk.
    LineStart,
    Trailer,
    TrailerLf,
    EndLf,
    End,
    Invalid,
}

impl ChunkDecoder {
    pub(super) fn is_whole(&self) -> bool {
        self.part == ChunkPart::End
    }

    /// Hands on what `from` holds of the body, in one chunk. How many bytes of `from` it took; none if there
    /// is no room.
    pub(super) fn hand_on(&mut self, from: &[u8], into: &mut ReadBuf<'_>) -> usize {
        let room = into.remaining().saturating_sub(FRAME_BYTES).min(from.len());
        if room == 0 {
            return 0;
        }
        let space = into.initialize_unfilled_to(room + FRAME_BYTES);
        let (taken, data) = self.decode(from, &mut space[SIZE_LINE_BYTES..][..room]);
        let mut end = 0;
        if data > 0 {
            let mut size_line = &mut space[..SIZE_LINE_BYTES];
            // It has room for the size of whatever fits behind it.
            let _ = write!(size_line, "{data:08x}\r\n");
            end = SIZE_LINE_BYTES + data;
        }
        let rest: [&[u8]; 2] = [if data > 0 { LINE_END } else { b"" }, self.last_words()];
        for part in rest {
            space[end..][..part.len()].copy_from_slice(part);
            end += part.len();
        }
        into.advance(end);
        taken
    }

    fn last_words(&self) -> &'static [u8] {
        match self.part {
            ChunkPart::End => LAST_CHUNK,
            ChunkPart::Invalid => NO_CHUNK,
            _ => b"",
        }
    }

    /// How many bytes it took, and how many of them were data, which now stand in `to`.
    fn decode(&mut self, from: &[u8], to: &mut [u8]) -> (usize, usize) {
        let (mut taken, mut data) = (0, 0);
        while taken < from.len() && !matches!(self.part, ChunkPart::End | ChunkPart::Invalid) {
            if self.part != ChunkPart::Data {
                self.step(from[taken]);
                taken += 1;
                continue;
            }
            let size = usize::try_from(self.size).unwrap_or(usize::MAX);
            let length = size.min(from.len() - taken).min(to.len() - data);
            if length == 0 {
                break;
            }
            to[data..][..length].copy_from_slice(&from[taken..][..length]);
            (taken, data) = (taken + length, data + length);
            self.size -= length as u64;
            if self.size == 0 {
                self.part = ChunkPart::DataCr;
            }
        }
        (taken, data)
    }

    /// Takes a byte that is no data.
    fn step(&mut self, byte: u8) {
        use ChunkPart::{
            DataCr, DataLf, End, EndLf, Extension, Invalid, LineStart, Size, SizeLf, SizeRest,
            Space, Trailer, TrailerLf,
        };
        self.part = match (self.part, byte) {
            (Size | SizeRest, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.add_digit(byte),
            (SizeRest | Space, b' ' | b'\t') => Space,
            (SizeRest | Space, b';') => Extension,
            (SizeRest | Space | Extension, b'\r') => SizeLf,
            (Extension, b'\t' | b' '..=b'~' | 0x80..) => Extension,
            (SizeLf, b'\n') if self.size == 0 => LineStart,
            (SizeLf, b'\n') => ChunkPart::Data,
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size,
            (LineStart, b'\r') => EndLf,
            (Trailer, b'\r') => TrailerLf,
            (LineStart | Trailer, byte) if byte != b'\n' => Trailer,
            (TrailerLf, b'\n') => LineStart,
            (EndLf, b'\n') => End,
            _ => Invalid,
        };
    }

    fn add_digit(&mut self, byte: u8) -> ChunkPart {
        let digit = char::from(byte).to_digit(16).unwrap_or_default();
        let size = if self.part == ChunkPart::Size { Some(0) } else { self.size.checked_mul(16) };
        match size {
            Some(size) => {
                self.size = size | u64::from(digit);
                ChunkPart::SizeRest
            }
            None => ChunkPart::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is handed on of a body that comes in pieces of `step`, and how much of it was taken.
    fn hand_on(body: &[u8], step: usize) -> (ChunkDecoder, Vec<u8>, usize) {
        let mut decoder = ChunkDecoder::default();
        let mut handed_on = Vec::new();
        let mut taken = 0;
        for mut piece in body.chunks(step) {
            while !piece.is_empty() && decoder.last_words().is_empty() {
                let mut space = [0; 64];
                let mut into = ReadBuf::new(&mut space);
                let count = decoder.hand_on(piece, &mut into);
                handed_on.extend_from_slice(into.filled());
                taken += count;
                piece = &piece[count..];
            }
        }
        (decoder, handed_on, taken)
    }

    #[test]
    fn small_chunks_become_one() {
        let body = b"1\r\na\r\n01;x=y\r\nb\r\n3 \r\ncde\r\n0\r\nafter: x\r\n\r\nGET / HTTP/1.1\r\n";
        let (decoder, handed_on, taken) = hand_on(body, body.len());
        assert!(decoder.is_whole());
        assert_eq!(handed_on, b"00000005\r\nabcde\r\n0\r\n\r\n");
        assert_eq!(taken, body.len() - b"GET / HTTP/1.1\r\n".len());
    }

    #[test]
    fn a_body_ends_at_the_same_place_however_it_comes() {
        let body = b"5;name=\"x\"\r\n0\r\n\r\n\r\nA\r\n0123456789\r\n0\r\nafter: x\r\n\r\n";
        let all = [&body[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        for step in 1..all.len() {
            let (decoder, handed_on, taken) = hand_on(&all, step);
            assert!(decoder.is_whole() && handed_on.ends_with(LAST_CHUNK), "pieces of {step}");
            assert_eq!(taken, body.len(), "pieces of {step}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let bodies = [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "0x5\r\n",
            ";\r\n",
            " 5\r\n",
            "5 5\r\n",
            "5\n",
            "5\r5",
            "1\r\nab\r\n",
            "1\r\na\n",
            "0\r\n\n",
            "0\r\na: b\n\r\n",
            "0\r\n\rx",
            "1;\0\r\n",
            "10000000000000000\r\n",
            "fffffffffffffffff\r\n",
        ];
        for body in bodies {
            let (decoder, handed_on, _) = hand_on(body.as_bytes(), 3);
            assert_eq!(decoder.part, ChunkPart::Invalid, "{body:?}");
            assert!(handed_on.ends_with(NO_CHUNK), "{body:?}");
        }
    }
}
