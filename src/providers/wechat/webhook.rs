//! What makes a notification genuine: their signature of this time, over the bytes that arrived.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::keys::PlatformKeys;
use super::wire::Envelope;
use crate::providers::{Arrived, Genuine, NoticeError};

const KEY_BYTES_MAX: usize = 64;
const EVENT_BYTES_MAX: usize = 100;

/// Whose payment it is, is encrypted; what cannot be decrypted with our keys is no news of ours, and does not get past
/// reading it.
pub(super) fn verify(keys: &PlatformKeys, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
    keys.verify(arrived.headers, arrived.body, now)?;
    let Ok(Envelope { id, event_type, resource: _ }) = envelope(arrived.body) else {
        return Ok(Genuine::unnamed(arrived.body));
    };
    if id.is_empty() {
        return Ok(Genuine::unnamed(arrived.body));
    }
    let is_key = id.len() <= KEY_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
    let key = if is_key { id } else { hex::encode(Sha256::digest(&id)) };
    Ok(Genuine { key, event: shown(&event_type) })
}

pub(super) fn envelope(body: &[u8]) -> Result<Envelope, NoticeError> {
    // The library's own text may repeat what was sent.
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        NoticeError::malformed(format!("is no notification: line {line}, column {column}"))
    })
}

/// As it may be shown and kept.
pub(super) fn shown(event: &str) -> String {
    event.chars().filter(char::is_ascii_graphic).take(EVENT_BYTES_MAX).collect()
}
