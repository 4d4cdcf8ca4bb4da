//! Files that come in parts: there only once they are complete.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;

use super::{State, error, tag, xml};

/// S3 takes no smaller parts but the last.
const PART_BYTES_MIN: usize = 5 << 20;

#[derive(Default)]
pub(super) struct Uploads {
    begun: usize,
    /// By id: the key, and the parts by number.
    open: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
}

impl Uploads {
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    pub(super) fn begin(&mut self, key: &str) -> HttpResponse {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        self.open.insert(id.clone(), (key.to_owned(), BTreeMap::new()));
        let result = "InitiateMultipartUploadResult";
        xml(&format!("<{result}><UploadId>{id}</UploadId></{result}>"))
    }

    pub(super) fn put(&mut self, id: &str, number: &str, body: Bytes) -> HttpResponse {
        let Some((_, parts)) = self.open.get_mut(id) else { return unknown(id) };
        let tag = tag(&body);
        parts.insert(number.parse().unwrap(), body);
        HttpResponse::Ok().insert_header((header::ETAG, tag)).finish()
    }

    pub(super) fn abort(&mut self, id: &str) -> HttpResponse {
        match self.open.remove(id) {
            Some(_) => HttpResponse::NoContent().finish(),
            None => unknown(id),
        }
    }
}

/// The parts that are named, in order, become the object.
pub(super) fn complete(state: &mut State, id: &str, body: &Bytes) -> HttpResponse {
    let Some((key, parts)) = state.uploads.open.remove(id) else { return unknown(id) };
    let text = String::from_utf8(body.to_vec()).unwrap().replace("&quot;", "\"");
    let named: Vec<(u32, &str)> = text
        .split("<Part>")
        .skip(1)
        .map(|part| (between(part, "PartNumber").parse().unwrap(), between(part, "ETag")))
        .collect();
    let known = named.iter().all(|(number, it)| parts.get(number).is_some_and(|b| tag(b) == *it));
    if !known || !named.is_sorted() || named.len() != parts.len() {
        return error(StatusCode::BAD_REQUEST, "InvalidPart", &text);
    }
    let small = parts.values().take(parts.len() - 1).any(|part| part.len() < PART_BYTES_MIN);
    if small {
        return error(StatusCode::BAD_REQUEST, "EntityTooSmall", id);
    }
    let whole: Vec<u8> = parts.into_values().flatten().collect();
    let whole = Bytes::from(whole);
    let tag = tag(&whole).replace('"', "&quot;");
    state.objects.insert(key, whole);
    let result = "CompleteMultipartUploadResult";
    xml(&format!("<{result}><ETag>{tag}</ETag></{result}>"))
}

fn between<'a>(text: &'a str, name: &str) -> &'a str {
    let rest = text.split_once(&format!("<{name}>")).unwrap().1;
    rest.split_once(&format!("</{name}>")).unwrap().0
}

fn unknown(id: &str) -> HttpResponse {
    error(StatusCode::NOT_FOUND, "NoSuchUpload", id)
}
