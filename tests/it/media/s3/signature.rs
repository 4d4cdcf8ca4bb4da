//! Signatures of version 4, as Amazon's documentation has them ("Create a signed AWS API request"): in the header
//! `Authorization`, or in the query of a presigned link.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::{ACCESS_KEY, REGION, SECRET_KEY};

/// What stays as it is in canonical form.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

pub(super) fn query(request: &HttpRequest) -> BTreeMap<String, String> {
    let pairs = request.query_string().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// What a request says of how it is signed.
struct Signed {
    scope: String,
    headers: String,
    signature: String,
    at: String,
    body_hash: String,
}

/// Whether somebody who has the secret signed it.
pub(super) fn check(request: &HttpRequest, body: &Bytes) -> Result<(), String> {
    let query = query(request);
    let signed = match query.get("X-Amz-Signature") {
        Some(_) => of_link(&query)?,
        None => of_header(request)?,
    };
    let whole = hex::encode(Sha256::digest(body));
    if signed.body_hash != "UNSIGNED-PAYLOAD" && signed.body_hash != whole {
        return Err("another body".to_owned());
    }
    let parts: Vec<&str> = signed.scope.split('/').collect();
    let [access_key, day, REGION, "s3", "aws4_request"] = parts[..] else {
        return Err(format!("scope {}", signed.scope));
    };
    if access_key != ACCESS_KEY {
        return Err(format!("unknown key {access_key}"));
    }
    let canonical = canonical(request, &query, &signed);
    let scope = format!("{day}/{REGION}/s3/aws4_request");
    let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
    let text = format!("{ALGORITHM}\n{}\n{scope}\n{hash}", signed.at);
    let mut key = mac(format!("AWS4{SECRET_KEY}").as_bytes(), day);
    for part in [REGION, "s3", "aws4_request"] {
        key = mac(&key, part);
    }
    let is_right = hex::encode(mac(&key, &text)) == signed.signature;
    is_right.then_some(()).ok_or_else(|| "another signature".to_owned())
}

fn of_header(request: &HttpRequest) -> Result<Signed, String> {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned).ok_or_else(|| format!("no {name}"))
    };
    let authorization = header("authorization")?;
    let rest = authorization.strip_prefix(ALGORITHM).ok_or("another algorithm")?;
    let parts: BTreeMap<&str, &str> =
        rest.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let part = |name| parts.get(name).map(|it| (*it).to_owned()).ok_or(format!("no {name}"));
    Ok(Signed {
        scope: part("Credential")?,
        headers: part("SignedHeaders")?,
        signature: part("Signature")?,
        at: header("x-amz-date")?,
        body_hash: header("x-amz-content-sha256")?,
    })
}

/// A link holds for a while after it was made; the tests look at how long, the clock is real.
fn of_link(query: &BTreeMap<String, String>) -> Result<Signed, String> {
    let part = |name: &str| query.get(name).cloned().ok_or(format!("no {name}"));
    part("X-Amz-Expires")?;
    Ok(Signed {
        scope: part("X-Amz-Credential")?,
        headers: part("X-Amz-SignedHeaders")?,
        signature: part("X-Amz-Signature")?,
        at: part("X-Amz-Date")?,
        body_hash: "UNSIGNED-PAYLOAD".to_owned(),
    })
}

fn canonical(request: &HttpRequest, query: &BTreeMap<String, String>, signed: &Signed) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
    let path: Vec<String> =
        request.path().split('/').map(|segment| encoded(&decoded(segment))).collect();
    let pairs = query.iter().filter(|(name, _)| *name != "X-Amz-Signature");
    let pairs: Vec<String> =
        pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let headers = signed.headers.split(';').map(|name| {
        let value = request.headers().get(name).map(|value| value.to_str().unwrap());
        format!("{name}:{}\n", value.unwrap_or_default().trim())
    });
    format!(
        "{}\n{}\n{}\n{}\n{}\n{}",
        request.method(),
        path.join("/"),
        pairs.join("&"),
        headers.collect::<String>(),
        signed.headers,
        signed.body_hash
    )
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
