//! What a browser is told of a file that a stranger sent. Pure.

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::store::operations::attachments::AttachmentRow;

/// Longest name that is told, in characters: file systems take 255 bytes.
const NAME_CHARS_MAX: usize = 60;
/// What RFC 8187 lets stand in a name.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// The type of a file of which nothing better is known, or whose type a browser might run.
const BYTES: &str = "application/octet-stream";

/// Adds them.
pub(super) fn add(response: &mut HttpResponseBuilder, row: &AttachmentRow) {
    response
        .insert_header((CONTENT_TYPE, content_type(row.mime_type.as_deref())))
        .insert_header((CONTENT_DISPOSITION, disposition(row)))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "private, no-cache"));
}

/// The type that the bytes tell, unless a browser could run it.
pub(super) fn content_type(mime_type: Option<&str>) -> &str {
    let is_harmless = |it: &&str| {
        let is_media = ["image/", "audio/", "video/"].iter().any(|kind| it.starts_with(kind));
        (is_media && !it.contains("xml")) || ["application/pdf", "application/zip"].contains(it)
    };
    mime_type.filter(is_harmless).unwrap_or(BYTES)
}

/// Offered for saving, under the sender's name for it as far as that is harmless.
pub(super) fn disposition(row: &AttachmentRow) -> String {
    let name = row.file_name.as_deref().map(harmless).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("attachment-{}", row.id));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let ascii: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let encoded = utf8_percent_encode(&name, ENCODED);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// A name without what separates folders, what can't be seen, what turns text around, and dots at its ends;
/// a long one keeps its end, which says what it is.
fn harmless(name: &str) -> String {
    let is_seen = |c: &char| !c.is_control() && !is_hidden(*c);
    let part = |c: char| if "/\\:*?\"<>|".contains(c) { '_' } else { c };
    let name: Vec<char> = name.chars().filter(is_seen).map(part).collect();
    let skipped = name.len().saturating_sub(NAME_CHARS_MAX);
    let name: String = name[skipped..].iter().collect();
    name.trim_matches(|c: char| c == '.' || c.is_whitespace()).to_owned()
}

/// Characters without a form, and those that turn the direction of text, such as U+202E.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless() {
        assert_eq!(harmless("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(harmless("C:\\a\r\nSet-Cookie: x.pdf"), "C__aSet-Cookie_ x.pdf");
        assert_eq!(harmless("invoice\u{202e}fdp.exe"), "invoicefdp.exe");
        assert_eq!(harmless(" ... "), "");
        assert_eq!(harmless(&format!("{}.pdf", "ä".repeat(300))).chars().count(), NAME_CHARS_MAX);
        assert!(harmless(&format!("{}.pdf", "ä".repeat(300))).contains(".pdf"));
    }

    #[test]
    fn types_that_run_are_bytes() {
        for mime_type in ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml"] {
            assert_eq!(content_type(Some(mime_type)), BYTES);
        }
        assert_eq!(content_type(Some("image/jpeg")), "image/jpeg");
        assert_eq!(content_type(None), BYTES);
    }
}
