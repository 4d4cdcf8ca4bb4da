//! What the broker sends, made harmless for who reads it: lapin's parser, and all that drops, clones or
//! prints what it built. Pure.
//!
//! Called by `socket` with every byte. The broker passes on what anybody publishes, in one frame,
//! whatever `frame_max` a consumer asks for:
//! - Headers nested tens of thousands deep. They are parsed by recursion, so a thread's stack would be
//!   over, and the process with it. A table and an array are written as a long text is: type, length,
//!   bytes. What nests too deep is made such a text by its type alone.
//! - Short texts that are no UTF-8. lapin gives the connection up at such a frame; the message would come
//!   again on the next one, for ever. Their bytes are replaced by some that are UTF-8.
//!
//! Format: AMQP 0-9-1 section 4.2, with RabbitMQ's types (<https://www.rabbitmq.com/amqp-0-9-1-errata>).
//! Invariants: whatever the bytes are and however they are cut, not more than [`DEPTH_MAX`] tables and
//! arrays are within one another, and the short texts before and among them are UTF-8; nothing moves, and
//! what is harmless stays as it is.

mod utf8;

use utf8::Utf8Repair;

/// Tables and arrays within one another that are left as they are. What brokers themselves write, such
/// as `x-death`, has four.
pub(super) const DEPTH_MAX: usize = 16;

/// Type, channel and length of a frame.
const FRAME_HEAD_BYTES: u64 = 7;
const FRAME_END_BYTES: u64 = 1;
/// Types of frames.
const METHOD: u64 = 1;
const CONTENT_HEADER: u64 = 2;

/// Class and method.
const METHOD_BYTES: u64 = 4;
const BASIC_DELIVER: u64 = 0x003c_003c;
/// Consumer, tag with whether it is redelivered, exchange, routing key.
const DELIVER_FIELDS: &[Field] = &[Field::Short, Field::Fixed(9), Field::Short, Field::Short];

/// Class, weight, size of the body, and which properties there are.
const CONTENT_HEAD_BYTES: u64 = 14;
/// In the order of their flags, the highest first.
const PROPERTIES: &[Field] = &[
    Field::Short,
    Field::Short,
    Field::Table,
    Field::Fixed(1),
    Field::Fixed(1),
    Field::Short,
    Field::Short,
    Field::Short,
    Field::Short,
    Field::Fixed(8),
    Field::Short,
    Field::Short,
    Field::Short,
    Field::Short,
];
const FIRST_FLAG: u16 = 1 << 15;

const TABLE: u8 = b'F';
const ARRAY: u8 = b'A';
const LONG_TEXT: u8 = b'S';
const BYTES: u8 = b'x';

/// Something in a frame.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// So many bytes.
    Fixed(u64),
    /// A text with its length in one byte.
    Short,
    Table,
}

/// Where in the broker's bytes the next one is.
#[derive(Debug)]
pub(super) struct Sanitizer {
    /// Bytes of a short text that come next.
    text: u64,
    utf8: Utf8Repair,
    /// Bytes behind it that mean nothing here.
    skipped: u64,
    /// What is read behind those: what it is, its bytes that are still to come, and the number so far.
    part: Part,
    wanted: u64,
    number: u64,
    /// Bytes that came; all ends are counted alike.
    position: u64,
    /// Where the content of this frame ends.
    frame_end: u64,
    /// What may still be in it, and a flag for each that is.
    fields: &'static [Field],
    flags: u16,
    /// The tables and arrays around it.
    around: Vec<Container>,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    FrameHead,
    Method,
    ContentHead,
    ShortLength,
    /// The length of a name in a table.
    NameLength,
    /// The type of a value.
    Type,
    /// The length of a long text or of bytes.
    LongLength,
    /// The length of a table or an array.
    ContainerLength(IsTable),
}

type IsTable = bool;

#[derive(Debug)]
struct Container {
    end: u64,
    is_table: IsTable,
}

impl Sanitizer {
    /// For the bytes of a connection from its begin.
    pub(super) fn new() -> Self {
        Self {
            text: 0,
            utf8: Utf8Repair::default(),
            skipped: 0,
            part: Part::FrameHead,
            wanted: FRAME_HEAD_BYTES,
            number: 0,
            position: 0,
            frame_end: u64::MAX,
            fields: &[],
            flags: 0,
            around: Vec::new(),
        }
    }

    /// Takes the bytes that come next.
    pub(super) fn pass(&mut self, mut bytes: &mut [u8]) {
        while let Some((first, rest)) = bytes.split_first_mut() {
            if self.text == 0 && self.skipped > 0 {
                let count = self.skipped.min(rest.len() as u64 + 1);
                self.skipped -= count;
                self.position += count;
                let behind = usize::try_from(count - 1).unwrap_or(usize::MAX).min(rest.len());
                bytes = &mut rest[behind..];
                continue;
            }
            self.position += 1;
            if self.text > 0 {
                self.text -= 1;
                *first = self.utf8.repair(*first, self.text);
            } else {
                self.take(first);
            }
            bytes = rest;
        }
    }

    fn take(&mut self, byte: &mut u8) {
        self.number = (self.number << 8) | u64::from(*byte);
        self.wanted -= 1;
        if self.wanted > 0 {
            return;
        }
        let number = std::mem::take(&mut self.number);
        match self.part {
            Part::FrameHead => self.enter_frame(number),
            Part::Method if number == BASIC_DELIVER => self.enter_fields(DELIVER_FIELDS, u16::MAX),
            Part::Method => self.leave_frame(),
            Part::ContentHead => self.enter_fields(PROPERTIES, lowest_bits(number)),
            Part::ShortLength => {
                if self.enter_text(number) {
                    self.next_field();
                }
            }
            Part::NameLength => {
                if self.enter_text(number) {
                    self.want(Part::Type, 1);
                }
            }
            Part::Type => *byte = self.enter_value(*byte),
            Part::LongLength => {
                self.skipped = number;
                self.next_value();
            }
            Part::ContainerLength(is_table) => self.enter_container(number, is_table),
        }
    }

    fn enter_frame(&mut self, head: u64) {
        self.frame_end = self.position + (head & 0xffff_ffff);
        match head >> 48 {
            METHOD => self.want(Part::Method, METHOD_BYTES),
            CONTENT_HEADER => self.want(Part::ContentHead, CONTENT_HEAD_BYTES),
            _ => self.leave_frame(),
        }
    }

    fn enter_fields(&mut self, fields: &'static [Field], flags: u16) {
        (self.fields, self.flags) = (fields, flags);
        self.next_field();
    }

    fn next_field(&mut self) {
        while let Some((field, rest)) = self.fields.split_first() {
            let is_there = self.flags & FIRST_FLAG != 0;
            self.fields = rest;
            self.flags <<= 1;
            match field {
                _ if !is_there => {}
                Field::Fixed(bytes) => self.skipped += bytes,
                Field::Short => return self.want(Part::ShortLength, 1),
                Field::Table => return self.want(Part::ContainerLength(true), 4),
            }
        }
        self.leave_frame();
    }

    /// Whether the text fits; else nobody reads on in this frame.
    fn enter_text(&mut self, bytes: u64) -> bool {
        let fits = self.position + bytes <= self.limit();
        if fits {
            self.text = bytes;
        } else {
            self.leave_frame();
        }
        fits
    }

    /// The type that a value is to have.
    fn enter_value(&mut self, told: u8) -> u8 {
        let is_container = told == TABLE || told == ARRAY;
        let is_too_deep = is_container && self.around.len() >= DEPTH_MAX;
        let kind = if is_too_deep { LONG_TEXT } else { told };
        match kind {
            TABLE | ARRAY => self.want(Part::ContainerLength(kind == TABLE), 4),
            LONG_TEXT | BYTES => self.want(Part::LongLength, 4),
            _ => match fixed_bytes(kind) {
                Some(bytes) => {
                    self.skipped = bytes;
                    self.next_value();
                }
                None => self.leave_frame(),
            },
        }
        kind
    }

    fn enter_container(&mut self, bytes: u64, is_table: IsTable) {
        let end = self.position + bytes;
        if end > self.limit() {
            return self.leave_frame();
        }
        self.around.push(Container { end, is_table });
        self.next_value();
    }

    /// To the next entry of the innermost table or array that is not at its end.
    fn next_value(&mut self) {
        let at = self.ahead();
        while self.around.pop_if(|container| container.end == at).is_some() {}
        match self.around.last() {
            Some(container) if container.is_table => self.want(Part::NameLength, 1),
            Some(_) => self.want(Part::Type, 1),
            None => self.next_field(),
        }
    }

    /// Where the innermost of what it is in ends.
    fn limit(&self) -> u64 {
        self.around.last().map_or(self.frame_end, |container| container.end)
    }

    /// Where what is read next begins.
    fn ahead(&self) -> u64 {
        self.position + self.text + self.skipped
    }

    /// Reads so many bytes next, if they are there; else nobody reads on in this frame.
    fn want(&mut self, part: Part, bytes: u64) {
        if self.ahead() + bytes > self.limit() {
            return self.leave_frame();
        }
        (self.part, self.wanted) = (part, bytes);
    }

    /// To the next frame.
    fn leave_frame(&mut self) {
        self.around.clear();
        self.skipped = self.frame_end + FRAME_END_BYTES - self.position - self.text;
        (self.part, self.wanted) = (Part::FrameHead, FRAME_HEAD_BYTES);
    }
}

fn lowest_bits(number: u64) -> u16 {
    u16::try_from(number & u64::from(u16::MAX)).unwrap_or_default()
}

/// Bytes of a value whose type tells them; none if nobody knows the type.
fn fixed_bytes(kind: u8) -> Option<u64> {
    match kind {
        b'V' => Some(0),
        b't' | b'b' | b'B' => Some(1),
        b's' | b'U' | b'u' => Some(2),
        b'I' | b'i' | b'f' => Some(4),
        b'D' => Some(5),
        b'L' | b'l' | b'd' | b'T' => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
