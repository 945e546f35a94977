//! The short name by which integrators buy a product (`"product_type": "basic"`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub const PRODUCT_CODE_BYTES_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the code of a product has 1 to {PRODUCT_CODE_BYTES_MAX} lower-case letters, digits or _, a letter first")]
pub struct BadProductCode;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProductCode(String);

impl ProductCode {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProductCode {
    type Err = BadProductCode;

    fn from_str(text: &str) -> Result<Self, BadProductCode> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !begins || text.len() > PRODUCT_CODE_BYTES_MAX || !text.bytes().all(fits) {
            return Err(BadProductCode);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ProductCode {
    type Error = BadProductCode;

    fn try_from(text: String) -> Result<Self, BadProductCode> {
        text.parse()
    }
}

impl From<ProductCode> for String {
    fn from(code: ProductCode) -> Self {
        code.0
    }
}

impl fmt::Display for ProductCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_short_plain_word() {
        for good in ["a", "basic", "pro_2026", &*"x".repeat(32)] {
            let code: ProductCode = good.parse().unwrap();
            assert_eq!((code.as_str(), code.to_string()), (good, good.to_owned()));
        }
        for bad in ["", "Basic", "2x", "_x", "a-b", "a b", "é", &*"x".repeat(33)] {
            assert_eq!(bad.parse::<ProductCode>(), Err(BadProductCode), "{bad:?}");
        }
        assert!(serde_json::from_str::<ProductCode>("\"A\"").is_err());
    }
}
