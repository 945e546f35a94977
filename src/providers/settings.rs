//! What can be set of a provider, and how it is checked. Values come from the environment or from an admin; either way
//! they are text by name, and a provider is built from them or says which one is wrong.

use std::collections::BTreeMap;

use aggregates::Currency;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// How a value is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Shown as it is.
    Plain,
    /// Never shown again, but for its last four characters.
    Secret,
}

/// Something that can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// In lower case; in the environment behind the provider's prefix, in upper case.
    pub name: &'static str,
    pub kind: FieldKind,
    pub required: bool,
    /// For whoever sets it: one sentence without a full stop.
    pub about: &'static str,
}

impl Field {
    #[must_use]
    pub const fn required(name: &'static str, about: &'static str) -> Self {
        Self { name, kind: FieldKind::Plain, required: true, about }
    }

    #[must_use]
    pub const fn optional(name: &'static str, about: &'static str) -> Self {
        Self { name, kind: FieldKind::Plain, required: false, about }
    }

    #[must_use]
    pub const fn secret(name: &'static str, about: &'static str) -> Self {
        Self { name, kind: FieldKind::Secret, required: true, about }
    }

    #[must_use]
    pub const fn optional_secret(name: &'static str, about: &'static str) -> Self {
        Self { name, kind: FieldKind::Secret, required: false, about }
    }
}

/// Why there is no provider. The value is never repeated: it may be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct BadSetting {
    pub field: String,
    pub problem: String,
}

impl BadSetting {
    #[must_use]
    pub fn new(field: &str, problem: impl Into<String>) -> Self {
        Self { field: field.to_owned(), problem: problem.into() }
    }
}

/// Where this ledger is reached, for the addresses that providers are told.
#[derive(Debug, Clone)]
pub struct Site {
    pub public_url: Url,
}

impl Site {
    /// Under the public address.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }
}

/// Texts by name. `Debug` shows none.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<String, SecretString>);

impl FromIterator<(String, SecretString)> for Values {
    fn from_iter<T: IntoIterator<Item = (String, SecretString)>>(values: T) -> Self {
        Self(values.into_iter().filter(|(_, value)| !value.expose_secret().is_empty()).collect())
    }
}

impl Values {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ExposeSecret::expose_secret)
    }

    /// # Errors
    /// When it is not set.
    pub fn required(&self, name: &str) -> Result<&str, BadSetting> {
        self.optional(name).ok_or_else(|| BadSetting::new(name, "is not set"))
    }

    /// # Errors
    /// When it is not set.
    pub fn secret(&self, name: &str) -> Result<SecretString, BadSetting> {
        self.required(name).map(Into::into)
    }

    /// This one, and the one before it while both are valid: `NAME` and `NAME_previous`.
    ///
    /// # Errors
    /// When the first is not set, or one of them is not what it should be.
    pub fn rotated<T, E: std::fmt::Display>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, BadSetting> {
        let previous = format!("{name}_previous");
        let texts = [(name, Some(self.required(name)?)), (&previous, self.optional(&previous))];
        let parse = |(name, text): (&str, Option<&str>)| {
            text.map(|text| parse(text).map_err(|error| BadSetting::new(name, error.to_string())))
        };
        texts.into_iter().filter_map(parse).collect()
    }

    /// An address without a slash at its end.
    ///
    /// # Errors
    /// When it is no web address.
    pub fn url(&self, name: &str, otherwise: &str) -> Result<String, BadSetting> {
        let text = self.optional(name).unwrap_or(otherwise);
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                Ok(text.trim_end_matches('/').to_owned())
            }
            _ => Err(BadSetting::new(name, "is no address such as https://example.com")),
        }
    }

    /// `CNY`, or `LDC/2`.
    ///
    /// # Errors
    /// When there is no such currency.
    pub fn currency(&self, name: &str, otherwise: &str) -> Result<Currency, BadSetting> {
        let text = self.optional(name).unwrap_or(otherwise);
        text.parse().map_err(|error: aggregates::CurrencyError| BadSetting::new(name, error.to_string()))
    }

    /// `a=1, b=2`: what ours are called there.
    ///
    /// # Errors
    /// When an entry is no pair, or is there twice.
    pub fn pairs(&self, name: &str) -> Result<BTreeMap<String, String>, BadSetting> {
        let mut pairs = BTreeMap::new();
        for entry in list(self.optional(name).unwrap_or_default()) {
            let bad = || BadSetting::new(name, "is a list such as basic=prod_1, pro=prod_2");
            let (ours, theirs) = entry.split_once('=').ok_or_else(bad)?;
            let (ours, theirs) = (ours.trim().to_owned(), theirs.trim().to_owned());
            if ours.is_empty() || theirs.is_empty() || pairs.insert(ours, theirs).is_some() {
                return Err(bad());
            }
        }
        Ok(pairs)
    }
}

/// What stands between commas.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}
