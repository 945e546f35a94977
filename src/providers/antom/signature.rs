//! How either side signs, calls and notifications alike:
//!
//! ```text
//!   signed: POST path?query ⏎ client-id.time.body
//!   header: algorithm=RSA256,keyVersion=1,signature=<base64, percent-encoded>
//! ```

use chrono::{DateTime, Utc};

use crate::providers::rsa::{PrivateKey, PublicKey};

pub(super) const CLIENT_ID: &str = "client-id";
pub(super) const REQUEST_TIME: &str = "request-time";
pub(super) const RESPONSE_TIME: &str = "response-time";
pub(super) const SIGNATURE: &str = "signature";
const ALGORITHM: &str = "RSA256";
/// What base64 has that an address must not, as it is written there.
const ESCAPED: [(&str, &str); 3] = [("+", "%2B"), ("/", "%2F"), ("=", "%3D")];

pub(super) fn message(path: &str, client_id: &str, time: &str, body: &[u8]) -> Vec<u8> {
    [format!("POST {path}\n{client_id}.{time}.").as_bytes(), body].concat()
}

/// The header's value. `None`: the library refused to sign.
pub(super) fn sign(key: &PrivateKey, key_version: &str, message: &[u8]) -> Option<String> {
    let base64 = key.sign(message)?;
    let signature = ESCAPED.iter().fold(base64, |text, (plain, escaped)| text.replace(plain, escaped));
    Some(format!("algorithm={ALGORITHM},keyVersion={key_version},signature={signature}"))
}

/// Whether the header is a signature of one of these keys over one of these messages.
pub(super) fn is_by(keys: &[PublicKey], header: &str, messages: &[Vec<u8>]) -> bool {
    let Some(signature) = signature(header) else { return false };
    messages.iter().any(|message| keys.iter().any(|key| key.verifies(message, &signature)))
}

/// In base64. Their documents put a space behind each comma, their libraries do not.
fn signature(header: &str) -> Option<String> {
    let value = |name: &str| {
        let mut named = header.split(',').filter_map(|part| part.trim().split_once('=')).filter(|(it, _)| *it == name);
        match (named.next(), named.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    };
    if value("algorithm")? != ALGORITHM {
        return None;
    }
    let unescape = |text: String, (plain, escaped): &(&str, &str)| {
        text.replace(escaped, plain).replace(&escaped.to_ascii_lowercase(), plain)
    };
    Some(ESCAPED.iter().fold(value("signature")?.to_owned(), unescape))
}

/// Milliseconds since 1970, or ISO 8601.
pub(super) fn time(text: &str) -> Option<DateTime<Utc>> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return DateTime::from_timestamp_millis(text.parse().ok()?);
    }
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}
