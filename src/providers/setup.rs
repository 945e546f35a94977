//! Which providers are set up: by the environment, which was read when the server started, and by admins, whenever they
//! say so. Of one value that both set the environment's counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aggregates::AccountKey;
use secrecy::SecretString;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::registry::{Configured, SPECS, Spec};
use super::settings::{BadSetting, Site, Values};
use crate::dispatch::{DispatchError, Dispatcher};

/// How soon other processes follow what an admin has set at one.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Clones share it.
#[derive(Clone)]
pub struct Setup(Arc<Inner>);

struct Inner {
    environment: BTreeMap<&'static str, Values>,
    site: Site,
    /// Of those that are set, and are no provider all the same.
    problems: Mutex<BTreeMap<&'static str, BadSetting>>,
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
        Ok(Self(Arc::new(Inner { environment, site, problems: Mutex::default() })))
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
        self.0.problems.lock().unwrap_or_else(PoisonError::into_inner).get(spec.name).cloned()
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

    /// Reads what admins have set, and has the registry follow. What cannot be set up is said in the log.
    ///
    /// # Errors
    /// When the store or the vault cannot say.
    pub async fn load(&self, dispatch: &Dispatcher) -> Result<(), DispatchError> {
        let (mut configured, mut problems): (BTreeMap<&'static str, Configured>, _) = Default::default();
        for spec in SPECS {
            let values = self.merged(spec, dispatch.provider_values(spec).await?);
            if values.is_empty() {
                continue;
            }
            match spec.configure(&values, &self.0.site) {
                Ok(provider) => drop(configured.insert(spec.name, provider)),
                Err(problem) => drop(BTreeMap::insert(&mut problems, spec.name, problem)),
            }
        }
        let known =
            std::mem::replace(&mut *self.0.problems.lock().unwrap_or_else(PoisonError::into_inner), problems.clone());
        for (provider, problem) in problems.iter().filter(|(provider, problem)| known.get(*provider) != Some(problem)) {
            tracing::warn!(provider, %problem, "a payment provider is not set up");
        }
        dispatch.providers().replace(configured);
        Ok(())
    }

    /// What is wrong with what the environment alone sets: a server does not start with it.
    ///
    /// # Errors
    /// Names the variable.
    pub fn check_environment(&self) -> Result<(), BadVariable> {
        for spec in SPECS {
            let set = !self.environment(spec).is_empty();
            if let Some(BadSetting { field, problem }) = self.problem(spec).filter(|_| set) {
                return Err(BadVariable { variable: spec.variable(&field), problem });
            }
        }
        Ok(())
    }

    /// Follows what admins set at other processes, until `stop`.
    pub async fn follow(self, pool: PgPool, dispatch: Dispatcher, stop: CancellationToken) {
        let mut seen = None;
        while stop.run_until_cancelled(tokio::time::sleep(FOLLOW_EVERY)).await.is_some() {
            let position = match position(&pool).await {
                Ok(position) => position,
                Err(error) => {
                    tracing::debug!(%error, "whether settings have changed cannot be seen");
                    continue;
                }
            };
            if seen == Some(position) {
                continue;
            }
            match self.load(&dispatch).await {
                Ok(()) => seen = Some(position),
                Err(error) => tracing::warn!(%error, "the settings of providers cannot be read"),
            }
        }
    }
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
