//! What makes a notification Crossmint's: Svix signs its id, time and body with the endpoint's secret.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::wire::Envelope;
use crate::forward::sign::{BadSecret, SigningKey};
use crate::providers::settings::{BadSetting, Values};
use crate::providers::{Arrived, Genuine, NoticeError};

pub(super) const ID_HEADER: &str = "svix-id";
pub(super) const TIMESTAMP_HEADER: &str = "svix-timestamp";
pub(super) const SIGNATURE_HEADER: &str = "svix-signature";
/// How far the time of signing may be off, as in the libraries of Svix.
const TOLERANCE_SECONDS: u64 = 300;
const SECRET_PREFIX: &str = "whsec_";
const ID_BYTES_MAX: usize = 128;
const EVENT_BYTES_MAX: usize = 100;

/// The present one first.
#[derive(Debug)]
pub(super) struct Keys(Vec<SigningKey>);

impl Keys {
    pub(super) fn try_new(values: &Values) -> Result<Self, BadSetting> {
        Ok(Self(values.rotated("webhook_secret", key)?))
    }
}

/// Theirs is base64 with and without its prefix.
pub(super) fn key(secret: &str) -> Result<SigningKey, BadSecret> {
    let encoded = secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret);
    SigningKey::try_new(&SecretString::from(format!("{SECRET_PREFIX}{encoded}")))
}

pub(super) fn verify(keys: &Keys, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
    let signed = |name| arrived.header(name).ok_or(NoticeError::BadSignature);
    let (id, timestamp, signatures) = (signed(ID_HEADER)?, signed(TIMESTAMP_HEADER)?, signed(SIGNATURE_HEADER)?);
    let signed_at: i64 = timestamp.parse().map_err(|_| NoticeError::BadSignature)?;
    // Whether it is theirs comes first: who cannot sign is not told about its clock.
    let is_theirs = |key: &SigningKey| key.verifies(id, timestamp, signatures, arrived.body, signed_at);
    if !keys.0.iter().any(is_theirs) {
        return Err(NoticeError::BadSignature);
    }
    if signed_at.abs_diff(now.timestamp()) > TOLERANCE_SECONDS {
        return Err(NoticeError::OtherTime);
    }
    let event = serde_json::from_slice::<Envelope<'_>>(arrived.body).map(|envelope| envelope.kind).unwrap_or_default();
    let is_event = (1..=EVENT_BYTES_MAX).contains(&event.len()) && !event.chars().any(char::is_control);
    // Theirs begin with msg_ and are short.
    let is_id = (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_event || !is_id {
        return Ok(Genuine::unnamed(&[id.as_bytes(), b".", arrived.body].concat()));
    }
    Ok(Genuine { key: id.to_owned(), event })
}
