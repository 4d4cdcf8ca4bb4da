//! Lists as lines of JSON to keep: the rows that a page shows, but all of them that its filter names. They are
//! the objects of the API.
//!
//! Invariant: a list is read a page at a time while its lines are taken, so its length costs no memory. One that
//! can't be read to its end breaks off, so that it is not taken for whole.

use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use serde::Serialize;

use super::dead_letters::list::attach;
use crate::admin::api::ApiError;

/// Why lines break off.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    /// The next page can't be read.
    #[error("the next page can't be read")]
    Page(#[from] ApiError),
    /// A row can't be written.
    #[error("a row can't be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Rows, and what asks for the next page; none after the last.
pub(super) type Part<R> = (Vec<R>, Option<i64>);

/// The lines of a list that `read` reads by pages; the first is asked for with none.
pub(super) fn paged<R, F>(name: &str, read: impl Fn(Option<i64>) -> F + 'static) -> HttpResponse
where
    R: Serialize + 'static,
    F: Future<Output = Result<Part<R>, ApiError>> + 'static,
{
    let pages = try_unfold(Some(None), move |at: Option<Option<i64>>| {
        let page = at.map(&read);
        async move {
            let Some(page) = page else { return Ok::<_, ExportError>(None) };
            let (rows, next) = page.await?;
            Ok(Some((lines(&rows)?, next.map(Some))))
        }
    });
    let mut answer = HttpResponse::Ok().content_type("application/x-ndjson").streaming(pages);
    attach(&mut answer, name);
    answer
}

/// Those of a list that is read at once.
pub(super) fn whole<R: Serialize>(name: &str, rows: &[R]) -> Result<HttpResponse, ApiError> {
    let lines = lines(rows).map_err(|_| ApiError::Conflict("a row is no JSON".to_owned()))?;
    let mut answer = HttpResponse::Ok().content_type("application/x-ndjson").body(lines);
    attach(&mut answer, name);
    Ok(answer)
}

fn lines<R: Serialize>(rows: &[R]) -> serde_json::Result<Bytes> {
    let mut lines = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}
