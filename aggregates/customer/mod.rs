//! Who an account is: name, e-mail and locale as their token last said them. Mail needs them.
//!
//! Name and e-mail arrive sealed under the account's own key, with a keyed digest that tells whether they have changed:
//! the log never holds them in clear, and nothing is left of them once that key is destroyed.

mod event;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::event::{CustomerEvent, Described};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::{AccountKey, AggregateId};
use crate::kinds::AggregateKind;

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
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CustomerCommand {
    /// Changes nothing while digest and locale are what they were, however often it is sealed anew.
    Describe(Described),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CustomerError {
    #[error("name and e-mail must arrive sealed, in at most {SEALED_BYTES_MAX} bytes, with their digest")]
    BadProfile,
}

impl CustomerError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadProfile => "E4060",
        }
    }
}

impl Customer {
    pub fn described(&self) -> Option<&Described> {
        self.described.as_ref()
    }
}

impl Decider for Customer {
    const KIND: AggregateKind = AggregateKind::Customer;
    const SCHEMA: i32 = 1;

    type Command = CustomerCommand;
    type Event = CustomerEvent;
    type Error = CustomerError;

    fn decide(&self, _at: DateTime<Utc>, command: &CustomerCommand) -> Result<Vec<Self::Event>, Self::Error> {
        let CustomerCommand::Describe(new) = command;
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

    fn apply(&mut self, event: &CustomerEvent) {
        let CustomerEvent::Described(described) = event;
        self.described = Some(described.clone());
    }
}

cqrs_aggregate!(Customer);

impl AggregateId {
    pub fn customer(account: AccountKey) -> Self {
        Self { kind: AggregateKind::Customer, id: account.derived("customer") }
    }
}
