//! Has the API key of a delivery made, once.
//!
//! ```text
//!   already made? ── kept in the vault? ── call the forward service ──► keep in the vault ──► record key_created
//! ```
//!
//! Cut off after the call, the next attempt asks again with the same idempotency key; cut off after keeping it, the next
//! attempt records what is kept and calls nobody. Of a delivery that was withdrawn meanwhile no key is made; one that was
//! made already is recorded, so that somebody can have it removed there.

use aggregates::{DeliveryCommand, DeliveryStep};
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::delivery::{Case, Trouble, record_failure, record_giving_up};
use super::kinds;
use crate::dispatch::Dispatcher;
use crate::forward::{ForwardClient, IssuedKey, KeyRequest};
use crate::jobs::{Handler, Job, Outcome};
use crate::vault::Vault;

const STEP: DeliveryStep = DeliveryStep::CreateKey;

pub struct CreateApiKey {
    dispatcher: Dispatcher,
    vault: Vault,
    forward: ForwardClient,
}

/// A key as the vault keeps it until it is delivered.
#[derive(Serialize, Deserialize)]
struct Kept {
    key_id: String,
    key: String,
}

impl CreateApiKey {
    #[must_use]
    pub fn new(dispatcher: Dispatcher, vault: Vault, forward: ForwardClient) -> Self {
        Self { dispatcher, vault, forward }
    }

    async fn create(&self, case: &Case) -> Result<(), Trouble> {
        let progress = case.progress(&self.dispatcher).await?;
        if progress.key.is_some() {
            return Ok(());
        }
        let key = match kept_key(&self.vault, case).await? {
            Some(key) => key,
            None if progress.next != Some(STEP) => return Ok(()),
            None => self.keep(case, self.ask_for_key(case).await?).await?,
        };
        let created = DeliveryCommand::KeyCreated { last_four: key.last_four(), key_id: key.key_id };
        Ok(case.record(&self.dispatcher, &["key_created"], created).await?)
    }

    async fn ask_for_key(&self, case: &Case) -> Result<IssuedKey, Trouble> {
        let profile = case.profile(&self.dispatcher).await?;
        let request = KeyRequest {
            delivery: case.delivery.uuid(),
            user_id: case.account.as_str(),
            username: profile.name.as_deref().unwrap_or_default(),
            email: profile.email.as_deref().unwrap_or_default(),
        };
        Ok(self.forward.create_api_key(&request).await?)
    }

    /// Answers what is kept: where two had a key made, the first one's.
    async fn keep(&self, case: &Case, issued: IssuedKey) -> Result<IssuedKey, Trouble> {
        let kept = Kept { key_id: issued.key_id, key: issued.key.expose_secret().to_owned() };
        let kept = SecretString::from(serde_json::to_string(&kept).map_err(|_| Trouble::KeptUnreadable)?);
        let kept = self.vault.keep(case.delivery.uuid(), case.account.key(), &kept).await?;
        read_kept(&kept)
    }
}

/// The key that waits to be delivered, if there is one.
pub(super) async fn kept_key(vault: &Vault, case: &Case) -> Result<Option<IssuedKey>, Trouble> {
    let kept = vault.peek(case.delivery.uuid(), case.account.key()).await?;
    kept.as_ref().map(read_kept).transpose()
}

fn read_kept(kept: &SecretString) -> Result<IssuedKey, Trouble> {
    let Kept { key_id, key } = serde_json::from_str(kept.expose_secret()).map_err(|_| Trouble::KeptUnreadable)?;
    Ok(IssuedKey { key_id, key: SecretString::from(key) })
}

#[async_trait]
impl Handler for CreateApiKey {
    fn kind(&self) -> &'static str {
        kinds::CREATE_API_KEY
    }

    async fn run(&self, job: &Job) -> Outcome {
        let Ok(case) = Case::of(job) else { return Outcome::give_up("the job names no delivery") };
        self.create(&case).await.map_or_else(Trouble::outcome, |()| Outcome::Done)
    }

    async fn failed(&self, job: &Job, reason: &str) -> anyhow::Result<()> {
        record_failure(&self.dispatcher, job, STEP, reason).await
    }

    async fn gave_up(&self, job: &Job, _reason: &str) -> anyhow::Result<()> {
        record_giving_up(&self.dispatcher, job, STEP).await
    }
}
