//! What both steps of a delivery share: whose it is, how far it is, and how a failed attempt is recorded.

use aggregates::delivery::Progress;
use aggregates::{
    AccountId, AggregateId, Command, CommandId, DeliveryCommand, DeliveryId, DeliveryStep, State, reason,
};
use anyhow::Context;

use crate::dispatch::{Actor, DispatchError, Dispatcher, Profile, ids};
use crate::jobs::{Job, Outcome};
use crate::vault::VaultError;

const ACTOR: &str = "deliveries";

/// One delivery, as a job names it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) account: AccountId,
    pub(super) delivery: DeliveryId,
}

impl Case {
    pub(super) fn of(job: &Job) -> anyhow::Result<Self> {
        let account = job.account_id.as_deref().context("a delivery is somebody's")?;
        Ok(Self { account: AccountId::try_new(account)?, delivery: job.key.parse()? })
    }

    pub(super) async fn progress(&self, dispatcher: &Dispatcher) -> Result<Progress, Trouble> {
        match dispatcher.look(&self.account, AggregateId::delivery(self.delivery)).await? {
            State::Delivery(delivery) => delivery.progress().cloned().map_err(|_| Trouble::NotThere),
            _ => Err(Trouble::NotThere),
        }
    }

    /// Whom it is for.
    pub(super) async fn profile(&self, dispatcher: &Dispatcher) -> Result<Profile, Trouble> {
        if dispatcher.is_erased(&self.account).await? {
            return Err(Trouble::Erased);
        }
        dispatcher.profile(&self.account).await?.ok_or(Trouble::NobodyKnown)
    }

    /// `words` and the delivery make the command's id: the same news is recorded once.
    pub(super) async fn record(
        &self,
        dispatcher: &Dispatcher,
        words: &[&str],
        command: DeliveryCommand,
    ) -> Result<(), DispatchError> {
        let commands = vec![Command::Delivery(self.delivery, command)];
        let id = self.command_id(words);
        dispatcher.execute(&self.account, &Actor::system(ACTOR), id, commands).await.map(|_| ())
    }

    fn command_id(&self, words: &[&str]) -> CommandId {
        let delivery = self.delivery.to_string();
        ids::derived("delivery", &[&[delivery.as_str()], words].concat())
    }
}

/// Why an attempt came to nothing, in a sentence fit for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("there is no such delivery")]
    NotThere,
    #[error("the ledger could not answer")]
    Ledger(#[from] DispatchError),
    #[error("the vault could not answer")]
    Vault(#[source] VaultError),
    #[error("the account was erased")]
    Erased,
    #[error("the name and e-mail of the customer are not known")]
    NobodyKnown,
    #[error("what the vault keeps of this delivery cannot be read")]
    KeptUnreadable,
    #[error("the API key is no longer kept, so it cannot be mailed: give the customer another one by hand")]
    KeyGone,
    #[error(transparent)]
    Forward(#[from] crate::forward::ForwardError),
    #[error(transparent)]
    Mail(#[from] crate::mail::MailError),
}

impl From<VaultError> for Trouble {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Erased => Self::Erased,
            error => Self::Vault(error),
        }
    }
}

impl Trouble {
    /// Trouble with others is recorded in their own words; our own goes to the server's log in full.
    pub(super) fn outcome(self) -> Outcome {
        let reason = self.to_string();
        if let Some(source) = std::error::Error::source(&self) {
            tracing::warn!(error = %source, "{reason}");
        }
        match &self {
            Self::NotThere | Self::Erased | Self::KeptUnreadable | Self::KeyGone => Outcome::GiveUp { reason },
            Self::Mail(error) if error.is_permanent() => Outcome::GiveUp { reason },
            Self::Ledger(_) | Self::Vault(_) | Self::NobodyKnown | Self::Forward(_) | Self::Mail(_) => {
                Outcome::Failed { reason }
            }
        }
    }
}

pub(super) async fn record_failure(
    dispatcher: &Dispatcher,
    job: &Job,
    step: DeliveryStep,
    said: &str,
) -> anyhow::Result<()> {
    let attempt = u32::try_from(job.attempt)?;
    let command = DeliveryCommand::AttemptFailed { step, attempt, reason: reason::from_outside(said) };
    let words = [step.as_str(), "failed", &attempt.to_string()];
    Ok(Case::of(job)?.record(dispatcher, &words, command).await?)
}

pub(super) async fn record_giving_up(dispatcher: &Dispatcher, job: &Job, step: DeliveryStep) -> anyhow::Result<()> {
    let words = [step.as_str(), "given_up", &job.attempt.to_string()];
    Ok(Case::of(job)?.record(dispatcher, &words, DeliveryCommand::GiveUp { step }).await?)
}
