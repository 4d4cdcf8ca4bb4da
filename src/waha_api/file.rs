//! Files, as streams.

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::{Response, StatusCode, Url};

use super::call::{away, broken};
use super::error::Missing;
use super::link::{FileLink, LinkProblem};
use super::{WahaApi, WahaError};

/// A file on its way.
pub struct FileStream {
    answer: Response,
}

impl WahaApi {
    /// Reads a link that WAHA told for a file of `session`.
    pub fn link(&self, text: &str, session: &str) -> Result<FileLink, LinkProblem> {
        FileLink::parse(text, session, &self.options.url, &self.options.s3_origins)
    }

    /// Begins to fetch a file.
    pub async fn file(&self, link: &FileLink) -> Result<FileStream, WahaError> {
        let answer = match link {
            FileLink::Waha(segments) => {
                let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
                self.send(self.with_key(self.files.get(self.url(&segments, &[])))).await?
            }
            FileLink::S3(url) => self.from_bucket(url.clone()).await?,
        };
        unpacked(&answer)?;
        Ok(FileStream { answer })
    }

    /// What a bucket answers says nothing of WAHA. A link that is too old is refused there with 403.
    async fn from_bucket(&self, url: Url) -> Result<Response, WahaError> {
        let answer = self.files.get(url).send().await.map_err(broken)?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                Err(WahaError::NotFound(Missing::File))
            }
            status => Err(WahaError::Broken(format!("its bucket answered {}", status.as_u16()))),
        }
    }
}

/// An error if it is packed, which was not asked for.
fn unpacked(answer: &Response) -> Result<(), WahaError> {
    let encoding = answer.headers().get(CONTENT_ENCODING);
    match encoding.map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(()),
        Some(_) => Err(WahaError::Unusable("a file that is packed")),
    }
}

impl FileStream {
    /// Its type, as the server says: by its name, mostly.
    pub fn told_type(&self) -> Option<&str> {
        self.answer.headers().get(CONTENT_TYPE)?.to_str().ok()
    }

    /// Its length in bytes as announced, if it is.
    pub fn announced_bytes(&self) -> Option<u64> {
        self.answer.content_length()
    }

    /// The next bytes; none at the end. An error if it ends before its announced length.
    pub async fn next(&mut self) -> Result<Option<Bytes>, WahaError> {
        self.answer.chunk().await.map_err(away)
    }
}
