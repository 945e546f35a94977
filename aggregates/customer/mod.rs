//! Who an account is: name, e-mail and locale as their token last said them. Mail needs them.
//!
//! ```text
//!   (nothing) ── describe ──► described ── describe ──► …          erase, at any time ──► erased, for ever
//! ```
//!
//! Name and e-mail arrive sealed under the account's own key, with a keyed digest that tells whether they have changed:
//! the log never holds them in clear, and nothing is left of them once that key is destroyed.

mod event;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::event::{CustomerEvent, Described, Erased};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::{AccountKey, AggregateId};
use crate::kinds::AggregateKind;
use crate::reason::{self, BadReason};

pub const SEALED_BYTES_MAX: usize = 4_096;
pub const DIGEST_BYTES_MAX: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Locale {
    #[default]
    #[serde(rename = "zh-CN")]
    ZhCn,
    #[serde(rename = "en")]
    En,
}

impl Locale {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ZhCn => "zh-CN",
            Self::En => "en",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    described: Option<Described>,
    erased: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CustomerCommand {
    /// Changes nothing while digest and locale are what they were, however often it is sealed anew.
    Describe(Described),
    /// For ever: nobody is described here again. Said again it changes nothing.
    Erase { reason: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CustomerError {
    #[error("name and e-mail must arrive sealed, in at most {SEALED_BYTES_MAX} bytes, with their digest")]
    BadProfile,
    #[error("the account was erased; its data is gone for ever")]
    Erased,
    #[error(transparent)]
    BadReason(#[from] BadReason),
}

impl CustomerError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadReason(_) => "E4005",
            Self::BadProfile => "E4060",
            Self::Erased => "E4076",
        }
    }
}

impl Customer {
    pub fn is_erased(&self) -> bool {
        self.erased
    }

    pub fn described(&self) -> Option<&Described> {
        self.described.as_ref()
    }
}

impl Decider for Customer {
    const KIND: AggregateKind = AggregateKind::Customer;
    const SCHEMA: i32 = 2;

    type Command = CustomerCommand;
    type Event = CustomerEvent;
    type Error = CustomerError;

    fn decide(&self, at: DateTime<Utc>, command: &CustomerCommand) -> Result<Vec<Self::Event>, Self::Error> {
        match command {
            CustomerCommand::Describe(new) => self.describe(new),
            CustomerCommand::Erase { reason } => self.erase(at, reason),
        }
    }

    fn apply(&mut self, event: &CustomerEvent) {
        match event {
            CustomerEvent::Described(described) => self.described = Some(described.clone()),
            CustomerEvent::Erased(Erased { .. }) => *self = Self { described: None, erased: true },
        }
    }
}

impl Customer {
    fn describe(&self, new: &Described) -> Result<Vec<CustomerEvent>, CustomerError> {
        if self.erased {
            return Err(CustomerError::Erased);
        }
        if let Some(known) = &self.described
            && (&known.digest, known.locale) == (&new.digest, new.locale)
        {
            return Ok(vec![]);
        }
        let fine =
            |text: &str, max| (1..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !fine(&new.sealed, SEALED_BYTES_MAX) || !fine(&new.digest, DIGEST_BYTES_MAX) {
            return Err(CustomerError::BadProfile);
        }
        Ok(vec![CustomerEvent::Described(new.clone())])
    }

    fn erase(&self, at: DateTime<Utc>, reason: &str) -> Result<Vec<CustomerEvent>, CustomerError> {
        if self.erased {
            return Ok(vec![]);
        }
        reason::check(reason)?;
        Ok(vec![CustomerEvent::Erased(Erased { reason: reason.to_owned(), at })])
    }
}

cqrs_aggregate!(Customer);

impl AggregateId {
    pub fn customer(account: AccountKey) -> Self {
        Self { kind: AggregateKind::Customer, id: account.derived("customer") }
    }
}
