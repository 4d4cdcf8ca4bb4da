//! Files of messages, as Express serves them: with their length, an entity tag and parts.

use std::ops::Range;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, StreamExt, stream};

use super::answer::Answer;
use super::error::ApiError;
use super::oddity::Oddity;
use super::served::Waha;
use crate::simulate::file::{Attached, File};

/// Bytes that are made at a time.
const CHUNK: usize = 64 * 1024;

/// The file, or a part of it.
pub(super) async fn get(
    request: HttpRequest,
    path: Path<(String, String)>,
    waha: Data<Waha>,
) -> Answer {
    let (session, file) = path.into_inner();
    let (attached, mimetype, is_wrong) = {
        let state = waha.state();
        let saved = state.file(&format!("{session}/{file}")).ok_or(ApiError::FileNotFound)?;
        let is_wrong = state.options.oddities.contains(Oddity::WrongBytes);
        (saved.attached.clone(), saved.mimetype, is_wrong)
    };
    let bytes = attached.file().bytes();
    let range = request.headers().get(header::RANGE);
    let part = range.map_or(Part::Whole, |range| Part::of(range, bytes));
    let (start, end) = match part {
        Part::Whole => (0, bytes),
        Part::Span(start, end) => (start, end),
        Part::Outside => return Ok(unsatisfiable(bytes)),
    };
    let is_part = matches!(part, Part::Span(..));
    let status = if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut answer = HttpResponse::build(status);
    // The type by the extension, without parameters.
    let mimetype = mimetype.split(';').next().unwrap_or_default();
    answer
        .content_type(mimetype)
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, "public, max-age=0"))
        .insert_header((header::ETAG, format!("W/\"{bytes:x}\"")));
    if is_part {
        let range = format!("bytes {start}-{}/{bytes}", end - 1);
        answer.insert_header((header::CONTENT_RANGE, range));
    }
    answer.no_chunking(end - start);
    Ok(answer.streaming(chunks(attached, start..end, is_wrong)))
}

/// What a request wants of a file.
enum Part {
    Whole,
    /// Start, and end that is not included.
    Span(u64, u64),
    Outside,
}

impl Part {
    /// That of a `Range: bytes=a-b`; any other header is ignored.
    fn of(range: &HeaderValue, bytes: u64) -> Self {
        let last = bytes.saturating_sub(1);
        let Some((start, end)) = bounds(range) else { return Self::Whole };
        let (start, last) = match (start.parse::<u64>(), end.parse::<u64>()) {
            (Ok(start), Ok(end)) => (start, end.min(last)),
            (Ok(start), Err(_)) if end.is_empty() => (start, last),
            (Err(_), Ok(suffix)) if start.is_empty() => (bytes.saturating_sub(suffix), last),
            _ => return Self::Whole,
        };
        if start <= last && start < bytes { Self::Span(start, last + 1) } else { Self::Outside }
    }
}

fn bounds(range: &HeaderValue) -> Option<(&str, &str)> {
    range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')
}

fn unsatisfiable(bytes: u64) -> HttpResponse {
    HttpResponse::RangeNotSatisfiable()
        .insert_header((header::CONTENT_RANGE, format!("bytes */{bytes}")))
        .finish()
}

fn chunks(
    attached: Attached,
    span: Range<u64>,
    is_wrong: bool,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    let end = span.end;
    stream::iter(span.step_by(CHUNK)).map(move |start| {
        let length = usize::try_from(end - start).unwrap_or(CHUNK).min(CHUNK);
        Ok(chunk(attached.file(), start, (length, is_wrong)))
    })
}

/// The last byte of each is another one where bytes are wrong.
fn chunk(file: &File, start: u64, (length, is_wrong): (usize, bool)) -> Bytes {
    let mut bytes = file.read(start, length);
    if is_wrong && let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.into()
}
