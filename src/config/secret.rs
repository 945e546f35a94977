//! Values nobody may print.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// What a secret starts with that `dev` made up; `serve` refuses it.
pub(super) const DEVELOPMENT_MARK: &str = "dev-";

pub(super) const MASTER_KEY_BYTES: usize = 32;

/// Wraps the keys of all accounts. Wiped when dropped.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; MASTER_KEY_BYTES]>);

impl MasterKey {
    #[must_use]
    pub fn new(bytes: [u8; MASTER_KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    #[must_use]
    pub fn expose(&self) -> &[u8; MASTER_KEY_BYTES] {
        &self.0
    }

    /// 64 hexadecimal digits, or base64 of 32 bytes in either alphabet.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(DEVELOPMENT_MARK).unwrap_or(text);
        let bytes = hex::decode(text)
            .or_else(|_| STANDARD.decode(text))
            .or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')));
        let bytes = Zeroizing::new(bytes.ok()?);
        bytes.as_slice().try_into().ok().map(Self::new)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey([REDACTED])")
    }
}

pub(super) fn is_development(secret: &str) -> bool {
    secret.starts_with(DEVELOPMENT_MARK)
}
