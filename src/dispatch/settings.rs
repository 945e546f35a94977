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
use crate::store::Receipt;

/// A secret that is shorter would be given away by its end.
const LAST_FOUR_FROM_CHARS: usize = 12;

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
        (set, remove): (&BTreeMap<String, String>, &BTreeSet<String>),
    ) -> Result<Receipt, DispatchError> {
        let mut sealed = BTreeMap::new();
        for (name, value) in set {
            let setting = match spec.field(name).map(|field| field.kind) {
                Some(FieldKind::Plain) => Setting::Plain(value.clone()),
                Some(FieldKind::Secret) | None => Setting::Secret(self.seal_setting(spec.name, name, value).await?),
            };
            sealed.insert(name.clone(), setting);
        }
        // Sealed anew a secret looks like another one, so what makes a repeat the same request are its digests.
        let same: BTreeMap<&String, String> =
            sealed.iter().map(|(name, setting)| (name, told_apart(setting))).collect();
        let hash = crate::store::RequestHash::of(&serde_json::to_vec(&(spec.name, same, remove))?);
        let configure = ProviderCommand::Configure { checked, set: sealed, remove: remove.clone() };
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

    async fn seal_setting(&self, provider: &str, name: &str, value: &str) -> Result<SealedSecret, DispatchError> {
        let digest = self.vault.digest(AccountKey::SYSTEM, value).await?;
        let sealed = self.vault.seal(AccountKey::SYSTEM, &purpose(provider, name), value).await?;
        Ok(SealedSecret { sealed, digest, last_four: last_four(value) })
    }
}

fn purpose(provider: &str, name: &str) -> String {
    format!("provider {provider}.{name}")
}

fn told_apart(setting: &Setting) -> String {
    match setting {
        Setting::Plain(text) => text.clone(),
        Setting::Secret(secret) => secret.digest.clone(),
    }
}

/// All that is ever shown of a secret. Keys in lines end with a line that says nothing.
pub(crate) fn last_four(secret: &str) -> String {
    let characters: Vec<char> = secret.trim().chars().collect();
    if characters.len() < LAST_FOUR_FROM_CHARS || secret.contains("-----") {
        return String::new();
    }
    characters.iter().skip(characters.len() - 4).collect()
}
