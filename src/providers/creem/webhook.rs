//! What makes a notification Creem's: HMAC-SHA256 of the body with the endpoint's secret, and that it happened in the
//! world that the settings are of. Neither time nor nonce is signed: that each is kept once is the defence against replay.

use std::convert::Infallible;

use aws_lc_rs::hmac;
use sha2::{Digest, Sha256};
use url::{Host, Url};

use super::wire::{Envelope, Placed};
use crate::providers::settings::{BadSetting, Values};
use crate::providers::{Arrived, Genuine, NoticeError};

pub(super) const SIGNATURE_HEADER: &str = "creem-signature";
/// Older guides name it so, and their own library takes both.
const OTHER_SIGNATURE_HEADER: &str = "x-creem-signature";
const SIGNATURE_PREFIX: &str = "sha256=";
const TEST_HOST_PREFIX: &str = "test-api.";
const ID_BYTES_MAX: usize = 128;
const EVENT_BYTES_MAX: usize = 100;

/// The present one first.
pub(super) struct Keys(Vec<hmac::Key>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    pub(super) fn try_new(values: &Values) -> Result<Self, BadSetting> {
        Ok(Self(values.rotated("webhook_secret", |secret| Ok::<_, Infallible>(key(secret)))?))
    }
}

/// The secret as it is written, also where it begins with `whsec_`.
pub(super) fn key(secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
}

/// Which of their worlds the settings are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Test,
    Production,
}

impl Mode {
    /// By where the API is: each world has a host of its own, and a simulator is on this machine.
    pub(super) fn of(api_url: &str) -> Self {
        let is_test = Url::parse(api_url).ok().is_some_and(|url| match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.starts_with(TEST_HOST_PREFIX),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        });
        if is_test { Self::Test } else { Self::Production }
    }

    fn is(self, said: &str) -> bool {
        match self {
            Self::Test => matches!(said, "test" | "sandbox" | "local"),
            Self::Production => said == "prod",
        }
    }
}

pub(super) fn verify(keys: &Keys, mode: Mode, arrived: &Arrived<'_>) -> Result<Genuine, NoticeError> {
    let given = arrived.header(SIGNATURE_HEADER).or_else(|| arrived.header(OTHER_SIGNATURE_HEADER));
    let given = given.ok_or(NoticeError::BadSignature)?;
    let given = hex::decode(given.strip_prefix(SIGNATURE_PREFIX).unwrap_or(given));
    let given = given.map_err(|_| NoticeError::BadSignature)?;
    if !keys.0.iter().any(|key| hmac::verify(key, arrived.body, &given).is_ok()) {
        return Err(NoticeError::BadSignature);
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(arrived.body) else {
        return Ok(Genuine::unnamed(arrived.body));
    };
    let event = envelope.event();
    if event.is_empty() || event.len() > EVENT_BYTES_MAX || event.chars().any(char::is_control) {
        return Ok(Genuine::unnamed(arrived.body));
    }
    // Of some things no mode is told; then it is the secret that says which world it is.
    let placed = serde_json::from_str::<Placed>(envelope.object()).ok();
    if placed.and_then(|placed| placed.mode).is_some_and(|said| !mode.is(&said)) {
        return Err(NoticeError::malformed("it happened in another mode than these settings are of"));
    }
    let id = envelope.id.as_deref().filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()));
    let id = id.filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()));
    let body = || hex::encode(Sha256::digest(arrived.body));
    Ok(Genuine { key: id.map_or_else(body, str::to_owned), event: event.to_owned() })
}
