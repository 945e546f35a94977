//! How providers are set up, as admins have said: in the log of the account `system`, secrets sealed under its key.

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{
    AccountId, AccountKey, AggregateId, Command, CommandId, ProviderCommand, ProviderSettings, SealedSecret, Setting,
    State,
};
use secrecy::ExposeSecret;

use super::{Actor, DispatchError, Dispatcher};
use crate::providers::Spec;
use crate::providers::settings::{FieldKind, Values};
use crate::store::{ExecuteError, Receipt, RequestHash};

/// A secret that is shorter would be given away by its end.
const LAST_FOUR_FROM_CHARS: usize = 12;

/// What is set, and what is taken away.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    pub set: BTreeMap<String, String>,
    pub remove: BTreeSet<String>,
}

impl Dispatcher {
    /// What admins have set of a provider.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn provider_settings(&self, spec: &Spec) -> Result<ProviderSettings, DispatchError> {
        match self.look(&AccountId::system(), AggregateId::provider_settings(spec.name)).await? {
            State::ProviderSettings(settings) => Ok(settings),
            _ => Err(DispatchError::NotFound("provider")),
        }
    }

    /// The same, opened.
    ///
    /// # Errors
    /// When the vault cannot say.
    pub async fn provider_values(&self, spec: &Spec, settings: &ProviderSettings) -> Result<Values, DispatchError> {
        let mut values = Values::default();
        for (name, setting) in settings.settings() {
            match setting {
                Setting::Plain(text) => values.set(name, text),
                Setting::Secret(SealedSecret { sealed, .. }) => {
                    let opened = self.vault.open(AccountKey::SYSTEM, &purpose(spec.name, name), sealed).await?;
                    values.set(name, opened.expose_secret());
                }
            }
        }
        Ok(values)
    }

    /// Changes settings; those that are not named stay as they are. `checked` is what was set when the change was found
    /// to be good.
    ///
    /// # Errors
    /// When there are too many, others have been recorded meanwhile, or the vault or the store cannot record them.
    pub async fn configure_provider(
        &self,
        actor: &Actor,
        id: CommandId,
        spec: &Spec,
        checked: ProviderSettings,
        change: &SettingsChange,
    ) -> Result<Receipt, DispatchError> {
        let hash = self.hash_of(spec, change).await?;
        let mut set = BTreeMap::new();
        for (name, value) in &change.set {
            let setting = match is_secret(spec, name) {
                true => Setting::Secret(self.seal_setting(spec.name, name, value).await?),
                false => Setting::Plain(value.clone()),
            };
            set.insert(name.clone(), setting);
        }
        let configure = ProviderCommand::Configure { checked, set, remove: change.remove.clone() };
        let command = Command::Provider(spec.name.to_owned(), configure);
        self.ask(super::Ask {
            account: AccountId::system(),
            actor: actor.clone(),
            id,
            hash,
            decision: std::sync::Arc::new(vec![command]),
            claims: Vec::new(),
            about: None,
        })
        .await
    }

    /// What this command has recorded before, whatever has been set since; `None`: nothing.
    ///
    /// # Errors
    /// When it was another change, or the vault or the store cannot say.
    pub async fn configured_before(
        &self,
        id: CommandId,
        spec: &Spec,
        change: &SettingsChange,
    ) -> Result<Option<Receipt>, DispatchError> {
        let Some(first) = self.store.recorded(&AccountId::system(), id).await? else { return Ok(None) };
        match first.request_hash == self.hash_of(spec, change).await? {
            true => Ok(Some(first.receipt)),
            false => Err(ExecuteError::CommandReused(id).into()),
        }
    }

    /// Sealed anew a secret looks like another one, so what makes a repeat the same request are its digests.
    async fn hash_of(&self, spec: &Spec, change: &SettingsChange) -> Result<RequestHash, DispatchError> {
        let mut same = BTreeMap::new();
        for (name, value) in &change.set {
            let told_apart = match is_secret(spec, name) {
                true => self.vault.digest(AccountKey::SYSTEM, value).await?,
                false => value.clone(),
            };
            same.insert(name, told_apart);
        }
        Ok(RequestHash::of(&serde_json::to_vec(&(spec.name, same, &change.remove))?))
    }

    async fn seal_setting(&self, provider: &str, name: &str, value: &str) -> Result<SealedSecret, DispatchError> {
        let digest = self.vault.digest(AccountKey::SYSTEM, value).await?;
        let sealed = self.vault.seal(AccountKey::SYSTEM, &purpose(provider, name), value).await?;
        Ok(SealedSecret { sealed, digest, last_four: last_four(value) })
    }
}

fn purpose(provider: &str, name: &str) -> String {
    format!("provider {provider}.{name}")
}

fn is_secret(spec: &Spec, name: &str) -> bool {
    spec.field(name).is_none_or(|field| field.kind == FieldKind::Secret)
}

/// All that is ever shown of a secret. Keys in lines end with a line that says nothing.
pub(crate) fn last_four(secret: &str) -> String {
    let characters: Vec<char> = secret.trim().chars().collect();
    if characters.len() < LAST_FOUR_FROM_CHARS || secret.contains("-----") {
        return String::new();
    }
    characters.iter().skip(characters.len() - 4).collect()
}
