//! Which links to files are followed. Pure.
//!
//! A link comes in a webhook, so a hostile or broken WAHA chooses it, and the key goes along: of a link to
//! WAHA only the path is used, below the configured address, and only if it is that of a file of the very
//! session. WAHA serves any session's files to any key, so the session is looked at here.

use percent_encoding::percent_decode_str;
use reqwest::Url;

/// Where WAHA serves its own files: `/api/files/{session}/{file}`.
const FILES: [&str; 2] = ["api", "files"];
/// Where it serves those that it has put on S3: `/api/s3/{bucket}/{session}/{file}`.
const S3: [&str; 2] = ["api", "s3"];
/// Longest part of a path, in bytes: a serialized message id with both of its parties.
const SEGMENT_BYTES_MAX: usize = 512;

/// A link that may be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileLink {
    /// A file of WAHA's, as segments below the configured address.
    Waha(Vec<String>),
    /// A presigned link to a configured S3 server. It needs no key and gets none.
    S3(Url),
}

/// Why a link is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkProblem {
    /// It is no link.
    #[error("the link to the file can't be read")]
    Unreadable,
    /// It leads to somebody whom nobody configured.
    #[error(
        "the link leads to a server that is not configured: s3_origins of the source names S3 servers"
    )]
    Foreign,
    /// Its path is not one that WAHA makes.
    #[error("the path of the link is none of WAHA's files")]
    Path,
    /// It is another session's file.
    #[error("the link leads to a file of another session")]
    Session,
}

impl LinkProblem {
    /// As metrics and rows say it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unreadable => "link_unreadable",
            Self::Foreign => "link_foreign",
            Self::Path => "link_path",
            Self::Session => "link_session",
        }
    }
}

impl FileLink {
    /// Reads a link that WAHA told for a file of `session`. `base`: where this WAHA is; `s3_origins`: where
    /// presigned links may lead.
    pub fn parse(
        text: &str,
        session: &str,
        base: &Url,
        s3_origins: &[String],
    ) -> Result<Self, LinkProblem> {
        let url = Url::parse(text).map_err(|_| LinkProblem::Unreadable)?;
        if !["http", "https"].contains(&url.scheme()) || url.cannot_be_a_base() {
            return Err(LinkProblem::Foreign);
        }
        let segments = segments(&url, base);
        let names = segments.iter().map(String::as_str).collect::<Vec<_>>();
        match names.as_slice() {
            ["api", "files" | "s3", ..] => waha(&names, session),
            _ if is_of(&url, s3_origins) => Ok(Self::S3(url)),
            // What a client would read as leading out of the folder does not even begin with it.
            _ if url.origin() == base.origin() => Err(LinkProblem::Path),
            _ => Err(LinkProblem::Foreign),
        }
    }
}

/// The raw segments, without those under which a proxy has WAHA. The parser has resolved `..` in all its
/// spellings, so what leads out of a folder has another beginning.
fn segments(url: &Url, base: &Url) -> Vec<String> {
    let of = |url: &Url| -> Vec<String> {
        url.path_segments().map(|it| it.map(str::to_owned).collect()).unwrap_or_default()
    };
    let mut prefix = of(base);
    prefix.retain(|it| !it.is_empty());
    let all = of(url);
    match all.strip_prefix(prefix.as_slice()) {
        Some(rest) => rest.to_vec(),
        None => all,
    }
}

/// The segments of a file of WAHA's, decoded, if each is what WAHA makes.
fn waha(segments: &[&str], session: &str) -> Result<FileLink, LinkProblem> {
    let is_right = match segments {
        [a, b, _, _] => [*a, *b] == FILES,
        [a, b, _, _, _] => [*a, *b] == S3,
        _ => false,
    };
    let decoded: Option<Vec<String>> = segments.iter().copied().map(decoded).collect();
    let Some(decoded) = decoded.filter(|_| is_right) else { return Err(LinkProblem::Path) };
    if decoded[decoded.len() - 2] != session {
        return Err(LinkProblem::Session);
    }
    Ok(FileLink::Waha(decoded))
}

/// A segment as text, if it has nothing but what names of sessions, buckets and files are made of.
fn decoded(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    let is_right = |c: char| c.is_ascii_alphanumeric() || "-_.@:=+".contains(c);
    let is_name = !["", ".", ".."].contains(&&*text) && text.len() <= SEGMENT_BYTES_MAX;
    (is_name && text.chars().all(is_right)).then(|| text.into_owned())
}

/// Whether it leads to one of these origins, and says no user.
fn is_of(url: &Url, origins: &[String]) -> bool {
    let origin = url.origin().ascii_serialization();
    let has_user = !url.username().is_empty() || url.password().is_some();
    !has_user && origins.contains(&origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<FileLink, LinkProblem> {
        let base = Url::parse("http://waha:3000/below/").unwrap();
        FileLink::parse(text, "sales", &base, &["https://s3.example.com".to_owned()])
    }

    #[test]
    fn of_a_link_to_waha_the_path_counts() {
        let path =
            |names: &[&str]| Ok(FileLink::Waha(names.iter().copied().map(str::to_owned).collect()));
        let file = path(&["api", "files", "sales", "3EB0.jpeg"]);
        assert_eq!(parse("http://localhost:3000/api/files/sales/3EB0.jpeg"), file);
        assert_eq!(parse("https://169.254.0.1/below/api/files/sales/3EB0.jpeg?a=b#c"), file);
        let serialized = path(&["api", "files", "sales", "true_1@c.us_A.oga"]);
        assert_eq!(parse("http://x/api/files/sales/true_1%40c.us_A.oga"), serialized);
        let s3 = path(&["api", "s3", "bucket", "sales", "3EB0.jpeg"]);
        assert_eq!(parse("http://x/api/s3/bucket/sales/3EB0.jpeg"), s3);
    }

    #[test]
    fn a_presigned_link_leads_to_a_configured_server() {
        let link = "https://s3.example.com/waha/sales/3EB0.jpeg?X-Amz-Signature=00";
        assert!(matches!(parse(link), Ok(FileLink::S3(_))));
        for foreign in [
            "http://s3.example.com/waha/sales/3EB0.jpeg",
            "https://s3.example.com:444/waha/sales/3EB0.jpeg",
            "https://s3.example.com.evil.example/waha/sales/3EB0.jpeg",
            "https://user@s3.example.com/waha/sales/3EB0.jpeg",
            "https://169.254.169.254/latest/meta-data",
            "file:///api/files/sales/passwd",
            "gopher://waha:3000/api/files/sales/3EB0.jpeg",
        ] {
            assert_eq!(parse(foreign), Err(LinkProblem::Foreign), "{foreign}");
        }
    }

    #[test]
    fn tricks_with_paths_are_refused() {
        for (trick, problem) in [
            ("http://waha:3000/api/files/../server/environment", LinkProblem::Path),
            ("http://waha:3000/api/files/sales/%2e%2e/%2E%2E/sessions", LinkProblem::Path),
            ("http://waha:3000/api/files/sales/..%2f..%2fserver", LinkProblem::Path),
            ("http://waha:3000/api/files/sales/..%252f..%252fserver", LinkProblem::Path),
            ("http://waha:3000/api/files/sales/..\\..\\server", LinkProblem::Foreign),
            ("http://waha:3000/api/files/sales/a%00.jpeg", LinkProblem::Path),
            ("http://waha:3000/api/files/sales//3EB0.jpeg", LinkProblem::Path),
            ("http://waha:3000/api/files/sales", LinkProblem::Path),
            ("http://waha:3000/api/sessions", LinkProblem::Path),
            ("http://waha:3000/api/files/other/3EB0.jpeg", LinkProblem::Session),
            ("http://x/api/s3/sales/other/3EB0.jpeg", LinkProblem::Session),
            ("/api/files/sales/3EB0.jpeg", LinkProblem::Unreadable),
        ] {
            let refused = parse(trick);
            assert!(refused.is_err(), "{trick}");
            if problem != LinkProblem::Foreign {
                assert_eq!(refused, Err(problem), "{trick}");
            }
        }
    }
}
