//! How a payment provider is set up here, as admins have said: settings by name, secrets sealed before they arrive.
//!
//! ```text
//!   (nothing) ── configure ──► configured ── configure ──► …
//! ```
//!
//! What the names mean is the provider's business; kept in the account `system`, so that who changed what is in the log.

mod event;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

pub use self::event::{Configured, ProviderEvent};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::{AccountKey, AggregateId};
use crate::kinds::AggregateKind;

pub const SETTINGS_MAX: usize = 64;
pub const NAME_BYTES_MAX: usize = 64;
pub const VALUE_BYTES_MAX: usize = 16_384;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Setting {
    Plain(String),
    Secret(SealedSecret),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedSecret {
    pub sealed: String,
    /// By which the same secret is known again, and nothing else is learnt.
    pub digest: String,
    /// All that is ever shown of it; empty where it is too short for that.
    pub last_four: String,
}

impl Setting {
    /// Sealed anew the same secret looks like another one.
    fn is_the_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => one == other,
            (Self::Secret(one), Self::Secret(other)) => one.digest == other.digest,
            _ => false,
        }
    }

    fn is_fine(&self) -> bool {
        let fine = |text: &String| (1..=VALUE_BYTES_MAX).contains(&text.len());
        match self {
            Self::Plain(text) => fine(text),
            Self::Secret(secret) => {
                fine(&secret.sealed) && fine(&secret.digest) && secret.last_four.chars().count() <= 4
            }
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    settings: BTreeMap<String, Setting>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProviderCommand {
    /// What is as it was is no change. `checked`: what is set, as it was when it was seen that all of it together makes a
    /// provider.
    Configure { checked: ProviderSettings, set: BTreeMap<String, Setting>, remove: BTreeSet<String> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProviderSettingsError {
    #[error(
        "a provider has at most {SETTINGS_MAX} settings, with names of {NAME_BYTES_MAX} and values of {VALUE_BYTES_MAX} \
         bytes at most"
    )]
    BadSetting,
    #[error("the provider was set up otherwise meanwhile: look at its settings, and try again")]
    Changed,
}

impl ProviderSettingsError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadSetting => "E4110",
            Self::Changed => "E4111",
        }
    }
}

impl ProviderSettings {
    pub fn settings(&self) -> &BTreeMap<String, Setting> {
        &self.settings
    }
}

impl Decider for ProviderSettings {
    const KIND: AggregateKind = AggregateKind::ProviderSettings;
    const SCHEMA: i32 = 1;

    type Command = ProviderCommand;
    type Event = ProviderEvent;
    type Error = ProviderSettingsError;

    fn decide(&self, at: DateTime<Utc>, command: &ProviderCommand) -> Result<Vec<Self::Event>, Self::Error> {
        match command {
            // Two changes that make a provider each may make none together.
            ProviderCommand::Configure { checked, .. } if checked != self => Err(ProviderSettingsError::Changed),
            ProviderCommand::Configure { checked: _, set, remove } => self.configure(at, set, remove),
        }
    }

    fn apply(&mut self, event: &ProviderEvent) {
        match event {
            ProviderEvent::Configured(Configured { set, removed, at: _ }) => {
                self.settings.extend(set.clone());
                self.settings.retain(|name, _| !removed.contains(name));
            }
        }
    }
}

impl ProviderSettings {
    fn configure(
        &self,
        at: DateTime<Utc>,
        set: &BTreeMap<String, Setting>,
        remove: &BTreeSet<String>,
    ) -> Result<Vec<ProviderEvent>, ProviderSettingsError> {
        let is_name = |name: &str| {
            (1..=NAME_BYTES_MAX).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if !set.iter().all(|(name, setting)| is_name(name) && setting.is_fine()) {
            return Err(ProviderSettingsError::BadSetting);
        }
        let known = |name: &String, new: &Setting| self.settings.get(name).is_some_and(|old| old.is_the_same_as(new));
        let set: BTreeMap<_, _> = set
            .iter()
            .filter(|(name, new)| !remove.contains(*name) && !known(name, new))
            .map(|(name, new)| (name.clone(), new.clone()))
            .collect();
        let removed: BTreeSet<_> = remove.iter().filter(|name| self.settings.contains_key(*name)).cloned().collect();
        let names: BTreeSet<_> =
            self.settings.keys().chain(set.keys()).filter(|name| !removed.contains(*name)).collect();
        if names.len() > SETTINGS_MAX {
            return Err(ProviderSettingsError::BadSetting);
        }
        if set.is_empty() && removed.is_empty() {
            return Ok(vec![]);
        }
        Ok(vec![ProviderEvent::Configured(Configured { set, removed, at })])
    }
}

cqrs_aggregate!(ProviderSettings);

impl AggregateId {
    /// One for each provider there is; `name` is as orders name it.
    pub fn provider_settings(name: &str) -> Self {
        Self { kind: AggregateKind::ProviderSettings, id: id_of(name) }
    }
}

fn id_of(name: &str) -> Uuid {
    AccountKey::SYSTEM.derived(&format!("provider {name}"))
}
