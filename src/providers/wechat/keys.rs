//! Their signatures, which answers and notifications have alike, and the cipher inside of notifications.
//!
//! ```text
//!   signed:    timestamp ⏎ nonce ⏎ body ⏎                          by the key that Wechatpay-Serial names
//!   encrypted: AES-256-GCM, the tag behind it, base64              with our APIv3 key
//! ```

use aws_lc_rs::aead::{AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};

use super::wire::Resource;
use crate::providers::NoticeError;
use crate::providers::rsa::PublicKey;
use crate::providers::settings::{BadSetting, Values};

pub(super) const TIMESTAMP: &str = "wechatpay-timestamp";
pub(super) const NONCE: &str = "wechatpay-nonce";
pub(super) const SIGNATURE: &str = "wechatpay-signature";
pub(super) const SERIAL: &str = "wechatpay-serial";
pub(super) const SIGNATURE_TYPE: &str = "wechatpay-signature-type";
pub(super) const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";
/// A signature whose time is so far off is too old, or too new.
pub(super) const TOO_FAR_SECONDS: u64 = 300;
/// Keys with such an id are named in requests too, so that they sign their answers with them.
const PUBLIC_KEY_MODE: &str = "PUB_KEY_ID_";

/// The keys that they sign with, by the id that they are named by; the current one first.
#[derive(Debug)]
pub(super) struct PlatformKeys(Vec<(String, PublicKey)>);

impl PlatformKeys {
    pub(super) fn try_new(values: &Values) -> Result<Self, BadSetting> {
        let ids = values.rotated("public_key_id", |id| Ok::<_, BadSetting>(id.to_owned()))?;
        let keys = values.rotated("public_key", PublicKey::parse)?;
        if ids.len() != keys.len() {
            let missing = if ids.len() < keys.len() { "public_key_id_previous" } else { "public_key_previous" };
            return Err(BadSetting::new(missing, "is not set: the key before this one has an id and a key"));
        }
        Ok(Self(ids.into_iter().zip(keys).collect()))
    }

    /// What requests name.
    pub(super) fn named_in_requests(&self) -> Option<&str> {
        self.0.first().map(|(id, _)| id.as_str()).filter(|id| id.starts_with(PUBLIC_KEY_MODE))
    }

    /// Whether they have signed this, now.
    pub(super) fn verify(&self, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<(), NoticeError> {
        let signed_at = self.signed_at(headers, body).ok_or(NoticeError::BadSignature)?;
        if signed_at.abs_diff(now.timestamp()) >= TOO_FAR_SECONDS {
            return Err(NoticeError::OtherTime);
        }
        Ok(())
    }

    /// `None`: it is not theirs. Signatures that are meant to fail (`WECHATPAY/SIGNTEST/…`) are no base64 of one.
    fn signed_at(&self, headers: &HeaderMap, body: &[u8]) -> Option<i64> {
        if headers.contains_key(SIGNATURE_TYPE) && one(headers, SIGNATURE_TYPE)? != SCHEME {
            return None;
        }
        let (timestamp, nonce) = (one(headers, TIMESTAMP)?, one(headers, NONCE)?);
        let (serial, signature) = (one(headers, SERIAL)?, one(headers, SIGNATURE)?);
        let message = message(timestamp, nonce, body);
        let mut named = self.0.iter().filter(|(id, _)| id == serial);
        named.any(|(_, key)| key.verifies(&message, signature)).then(|| timestamp.parse().ok())?
    }
}

pub(super) fn message(timestamp: &str, nonce: &str, body: &[u8]) -> Vec<u8> {
    [timestamp.as_bytes(), b"\n", nonce.as_bytes(), b"\n", body, b"\n"].concat()
}

/// The one header of this name.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The APIv3 key.
pub(super) struct Cipher(LessSafeKey);

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher(…)")
    }
}

impl Cipher {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        Self::of(&AES_256_GCM, text.as_bytes()).ok_or("has 32 characters")
    }

    /// `None`: the key is not as long as the algorithm wants it.
    pub(super) fn of(algorithm: &'static Algorithm, key: &[u8]) -> Option<Self> {
        UnboundKey::new(algorithm, key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// `None`: it was encrypted with another key, or changed.
    pub(super) fn open(&self, resource: &Resource) -> Option<Vec<u8>> {
        let mut bytes = STANDARD.decode(&resource.ciphertext).ok()?;
        let nonce = Nonce::try_assume_unique_for_key(resource.nonce.as_bytes()).ok()?;
        let aad = Aad::from(resource.associated_data.as_deref().unwrap_or_default());
        let length = self.0.open_in_place(nonce, aad, &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }

    /// Their side of it. `nonce` has 12 characters, others each time.
    pub(super) fn seal(&self, nonce: &str, associated_data: &str, plain: &[u8]) -> Option<String> {
        let mut bytes = plain.to_vec();
        let unique = Nonce::try_assume_unique_for_key(nonce.as_bytes()).ok()?;
        self.0.seal_in_place_append_tag(unique, Aad::from(associated_data), &mut bytes).ok()?;
        Some(STANDARD.encode(bytes))
    }
}
