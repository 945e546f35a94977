//! License keys: sixteen hexadecimal digits that customers copy, type and paste. In the log and the tables there is only
//! what opens with the buyer's own key, and a digest under a key of the whole ledger, which a key is looked up by.

use std::fmt;
use std::str::FromStr;

use aggregates::{AccountKey, LicenseKey};
use aws_lc_rs::rand;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};
use zeroize::Zeroize;

use super::{Vault, VaultError};

const BYTES: usize = 8;
const GROUPS: usize = 4;
const DIGITS_IN_GROUP: usize = 4;
const PURPOSE: &str = "license.key";

/// `XXXX-XXXX-XXXX-XXXX`, upper case. Never printed.
#[derive(Clone)]
pub struct LicenseCode(SecretString);

/// Whoever sends such a text has not guessed: nothing has that key. It is not said back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has the form XXXX-XXXX-XXXX-XXXX, of the digits 0 to 9 and A to F")]
pub struct NoLicenseCode;

impl LicenseCode {
    /// A new one, from the randomness of the operating system's generator.
    ///
    /// # Errors
    /// When there is none.
    pub fn try_random() -> Result<Self, VaultError> {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes).map_err(|_| VaultError::Crypto)?;
        let mut digits = hex::encode_upper(bytes);
        bytes.zeroize();
        let code = Self::of_digits(&digits);
        digits.zeroize();
        Ok(code)
    }

    /// For its owner's eyes.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn of_digits(digits: &str) -> Self {
        let mut text = String::with_capacity(GROUPS * (DIGITS_IN_GROUP + 1));
        for (n, digit) in digits.chars().enumerate() {
            if n > 0 && n % DIGITS_IN_GROUP == 0 {
                text.push('-');
            }
            text.push(digit);
        }
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for LicenseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LicenseCode(…)")
    }
}

/// As people type it: in lower case, or with space around it.
impl FromStr for LicenseCode {
    type Err = NoLicenseCode;

    fn from_str(text: &str) -> Result<Self, NoLicenseCode> {
        let groups: Vec<&str> = text.trim().split('-').collect();
        let is_group =
            |group: &&str| group.len() == DIGITS_IN_GROUP && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if groups.len() != GROUPS || !groups.iter().all(is_group) {
            return Err(NoLicenseCode);
        }
        Ok(Self::of_digits(&groups.concat().to_ascii_uppercase()))
    }
}

impl<'de> Deserialize<'de> for LicenseCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|error: NoLicenseCode| de::Error::custom(error))
    }
}

impl Vault {
    /// What a key is found by.
    #[must_use]
    pub fn license_digest(&self, code: &LicenseCode) -> String {
        self.inner.master.digest_license_key(code.expose())
    }

    /// A key as far as the log may know it.
    ///
    /// # Errors
    /// When the buyer was erased, or their key cannot be read or made.
    pub async fn seal_license(&self, buyer: AccountKey, code: &LicenseCode) -> Result<LicenseKey, VaultError> {
        let sealed = self.seal(buyer, PURPOSE, code.expose()).await?;
        Ok(LicenseKey { sealed, digest: self.license_digest(code) })
    }

    /// Back from [`Vault::seal_license`].
    ///
    /// # Errors
    /// When it was sealed for somebody else, or the buyer was erased.
    pub async fn open_license(&self, buyer: AccountKey, sealed: &str) -> Result<SecretString, VaultError> {
        self.open(buyer, PURPOSE, sealed).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, NoLicenseCode> {
        text.parse::<LicenseCode>().map(|code| code.expose().to_owned())
    }

    #[test]
    fn a_key_is_four_groups_of_four_digits_and_no_two_are_the_same() {
        let codes: Vec<LicenseCode> = (0..100).map(|_| LicenseCode::try_random().unwrap()).collect();
        let mut seen = std::collections::BTreeSet::new();
        for code in &codes {
            let text = code.expose();
            assert_eq!(read(text).as_deref(), Ok(text));
            assert_eq!((text.len(), text), (19, text.to_ascii_uppercase().as_str()));
            assert!(seen.insert(text), "{text}");
            assert!(!format!("{code:?}").contains(text));
        }
    }

    #[test]
    fn a_key_is_read_as_people_type_it_and_nothing_else_is() {
        assert_eq!(read(" 0123-4567-89ab-cdef\n").as_deref(), Ok("0123-4567-89AB-CDEF"));
        for text in [
            "",
            "0123456789ABCDEF",
            "0123-4567-89AB",
            "0123-4567-89AB-CDEF-0000",
            "0123-4567-89AB-CDEG",
            "01234-567-89AB-CDEF",
            "XXXX-XXXX-XXXX-XXXX",
            "0123–4567–89AB–CDEF",
            "０１２３-4567-89AB-CDEF",
        ] {
            assert_eq!(read(text), Err(NoLicenseCode), "{text}");
        }
    }

    #[test]
    fn what_was_sent_instead_of_a_key_is_not_said_back() {
        let error = serde_json::from_str::<LicenseCode>(r#""hunter2""#).unwrap_err().to_string();
        assert!(error.contains("XXXX-XXXX") && !error.contains("hunter2"), "{error}");
    }
}
