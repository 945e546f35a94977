//! Which providers are set up: by the environment, which was read when the server started, and by admins, whenever they
//! say so. Of one value that both set the environment's counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aggregates::{AccountKey, ProviderSettings};
use secrecy::SecretString;
use sqlx::PgPool;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::registry::{Configured, SPECS, Spec};
use super::settings::{BadSetting, Site, Values};
use crate::dispatch::{DispatchError, Dispatcher};
use crate::vault::VaultError;

/// How soon other processes follow what an admin has set at one.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// A database that has fallen silent is asked anew after that.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Clones share it.
#[derive(Clone)]
pub struct Setup(Arc<Inner>);

struct Inner {
    environment: BTreeMap<&'static str, Values>,
    site: Site,
    /// What came of what is set, as it was when it was looked at last.
    known: Mutex<BTreeMap<&'static str, Known>>,
    /// Held by who reads them, so that nobody puts an earlier reading in the place of a later one.
    loading: tokio::sync::Mutex<()>,
}

/// A provider that is set, whether or not it is one.
#[derive(Clone)]
struct Known {
    by_admins: ProviderSettings,
    made: Result<Configured, BadSetting>,
}

/// A variable that is set and means nothing, or not what it should.
#[derive(Debug, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct BadVariable {
    pub variable: String,
    pub problem: String,
}

impl Setup {
    /// What the environment sets, by variable.
    ///
    /// # Errors
    /// Names a variable that begins like a provider's and is none of its settings.
    pub fn of_environment(variables: &BTreeMap<String, SecretString>, site: Site) -> Result<Self, BadVariable> {
        let mut environment = BTreeMap::new();
        for spec in SPECS {
            let mut values = Vec::new();
            for (variable, value) in variables.iter().filter(|(name, _)| name.starts_with(spec.prefix)) {
                let field = spec.all_fields().find(|field| spec.variable(field.name) == *variable);
                let unknown =
                    || BadVariable { variable: variable.clone(), problem: format!("is no setting of {}", spec.title) };
                values.push((field.ok_or_else(unknown)?.name.to_owned(), value.clone()));
            }
            environment.insert(spec.name, values.into_iter().collect());
        }
        Ok(Self(Arc::new(Inner { environment, site, known: Mutex::default(), loading: tokio::sync::Mutex::default() })))
    }

    /// What the environment sets of a provider.
    #[must_use]
    pub fn environment(&self, spec: &Spec) -> Values {
        self.0.environment.get(spec.name).cloned().unwrap_or_default()
    }

    #[must_use]
    pub fn site(&self) -> &Site {
        &self.0.site
    }

    /// Why a provider that is set up in part is none.
    #[must_use]
    pub fn problem(&self, spec: &Spec) -> Option<BadSetting> {
        self.known().get(spec.name).and_then(|known| known.made.as_ref().err().cloned())
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<&'static str, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Both together.
    #[must_use]
    pub fn merged(&self, spec: &Spec, by_admins: Values) -> Values {
        let mut values = by_admins;
        let environment = self.environment(spec);
        for name in environment.names() {
            if let Some(value) = environment.optional(name) {
                values.set(name, value);
            }
        }
        values
    }

    /// Reads what admins have set, and has the registry follow. What cannot be set up is said in the log. What is as it
    /// was stays as it is, connections and all.
    ///
    /// # Errors
    /// When the store or the vault cannot say.
    pub async fn load(&self, dispatch: &Dispatcher) -> Result<(), DispatchError> {
        let _loading = self.0.loading.lock().await;
        let before = self.known().clone();
        let mut known = BTreeMap::new();
        for spec in SPECS {
            let by_admins = dispatch.provider_settings(spec).await?;
            if let Some(same) = before.get(spec.name).filter(|before| before.by_admins == by_admins) {
                known.insert(spec.name, same.clone());
                continue;
            }
            let values = match dispatch.provider_values(spec, &by_admins).await {
                Ok(values) => self.merged(spec, values),
                // Of one provider's secrets nothing follows for the others.
                Err(DispatchError::Vault(error)) if !matches!(error, VaultError::Database(_)) => {
                    let problem = BadSetting::new("a secret", error.to_string());
                    known.insert(spec.name, Known { by_admins, made: Err(said(spec, problem)) });
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !values.is_empty() {
                let made = spec.configure(&values, &self.0.site).map_err(|problem| said(spec, problem));
                known.insert(spec.name, Known { by_admins, made });
            }
        }
        let made = |(name, known): (&&'static str, &Known)| Some((*name, known.made.as_ref().ok()?.clone()));
        dispatch.providers().replace(known.iter().filter_map(made).collect());
        *self.known() = known;
        Ok(())
    }

    /// What is wrong with what the environment sets: a server does not start with it. What admins have set may have become
    /// wrong since, and is theirs to mend.
    ///
    /// # Errors
    /// Names the variable.
    pub fn check_environment(&self) -> Result<(), BadVariable> {
        for spec in SPECS {
            let environment = self.environment(spec);
            let by_admins = self.known().get(spec.name).is_some_and(|it| !it.by_admins.settings().is_empty());
            let Some(BadSetting { field, problem }) = self.problem(spec) else { continue };
            if environment.optional(&field).is_some() || (!environment.is_empty() && !by_admins) {
                return Err(BadVariable { variable: spec.variable(&field), problem });
            }
        }
        Ok(())
    }

    /// Follows what admins set at other processes, until `stop`.
    pub async fn follow(self, pool: PgPool, dispatch: Dispatcher, stop: CancellationToken) {
        let mut seen = None;
        while stop.run_until_cancelled(tokio::time::sleep(FOLLOW_EVERY)).await.is_some() {
            let position = match timeout(WAIT_MAX, position(&pool)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                Ok(position) => position,
                Err(error) => {
                    tracing::debug!(%error, "whether settings have changed cannot be seen");
                    continue;
                }
            };
            if seen == Some(position) {
                continue;
            }
            match timeout(WAIT_MAX, self.load(&dispatch)).await {
                Ok(Ok(())) => seen = Some(position),
                Err(_) => tracing::warn!("the settings of providers could not be read in time"),
                Ok(Err(error)) => tracing::warn!(%error, "the settings of providers cannot be read"),
            }
        }
    }
}

/// Once for each change.
fn said(spec: &Spec, problem: BadSetting) -> BadSetting {
    tracing::warn!(provider = spec.name, %problem, "a payment provider is not set up");
    problem
}

/// How far the partition of the account `system` is.
async fn position(pool: &PgPool) -> Result<i64, sqlx::Error> {
    let part = i16::from(AccountKey::SYSTEM.log_part().number());
    let position: Option<i64> = sqlx::query_scalar("SELECT position FROM ledger.log_heads WHERE log_part = $1")
        .bind(part)
        .fetch_optional(pool)
        .await?;
    Ok(position.unwrap_or_default())
}
