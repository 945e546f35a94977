//! Ends an order that was not paid in time, after asking its provider once more.
//!
//! A provider that cannot be asked gets a few chances; then the order expires all the same. Money that arrives later is
//! still money: the order takes it.

use aggregates::{AccountId, AggregateId, OrderId, OrderNumber, OrderStatus, State};
use anyhow::Context;
use async_trait::async_trait;

use super::kinds;
use crate::dispatch::Dispatcher;
use crate::jobs::{Handler, Job, Outcome};
use crate::providers::{PaymentState, Provider};

/// About twenty seconds of a provider's silence.
const ATTEMPTS_ASKING_MAX: i32 = 3;

pub struct ExpireOrder {
    dispatcher: Dispatcher,
}

impl ExpireOrder {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn expire(&self, job: &Job) -> anyhow::Result<Outcome> {
        let account = AccountId::try_new(job.account_id.as_deref().context("an order is somebody's")?)?;
        let order: OrderId = job.key.parse()?;
        let State::Order(state) = self.dispatcher.look(&account, AggregateId::order(order)).await? else {
            return Ok(Outcome::Done);
        };
        let Ok((placed, OrderStatus::Pending)) = state.placed().and_then(|placed| Ok((placed, state.status()?))) else {
            return Ok(Outcome::Done);
        };
        if self.dispatcher.clock().now() < placed.expires_at {
            return Ok(Outcome::NotBefore(placed.expires_at));
        }
        let Some(provider) = self.dispatcher.providers().get(&placed.provider) else {
            return self.end(&account, order, job.attempt, "its provider is not configured here").await;
        };
        match self.was_paid(provider.as_ref(), &placed.number).await {
            Ok(true) => Ok(Outcome::Done),
            Ok(false) => self.now(&account, order).await,
            Err(why) => self.end(&account, order, job.attempt, &why).await,
        }
    }

    /// Asks the provider, and takes what was paid. A payment for review pays for nothing.
    async fn was_paid(&self, provider: &dyn Provider, number: &OrderNumber) -> Result<bool, String> {
        match provider.query(number).await {
            Ok(PaymentState::Paid(notice)) => {
                let taken = self.dispatcher.take_payment(notice).await;
                taken.map(|taken| !taken.for_review).map_err(|error| error.to_string())
            }
            Ok(PaymentState::Pending) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Nobody can be asked: wait a little, but not for ever.
    async fn end(&self, account: &AccountId, order: OrderId, attempt: i32, why: &str) -> anyhow::Result<Outcome> {
        if attempt <= ATTEMPTS_ASKING_MAX {
            return Ok(Outcome::failed(why));
        }
        self.now(account, order).await
    }

    async fn now(&self, account: &AccountId, order: OrderId) -> anyhow::Result<Outcome> {
        match self.dispatcher.expire_order(account, order).await {
            Ok(_) => Ok(Outcome::Done),
            // Paid or cancelled meanwhile.
            Err(error) if is_refusal(&error) => Ok(Outcome::Done),
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) fn is_refusal(error: &crate::dispatch::DispatchError) -> bool {
    matches!(error, crate::dispatch::DispatchError::Execute(crate::store::ExecuteError::Refused(_)))
}

/// For house timers: what went wrong goes to the server's log, and a plain sentence to the job.
pub(super) fn settle(outcome: anyhow::Result<Outcome>) -> Outcome {
    outcome.unwrap_or_else(|error| {
        tracing::warn!(error = format!("{error:#}"), "a timer failed");
        Outcome::failed("the ledger could not answer")
    })
}

#[async_trait]
impl Handler for ExpireOrder {
    fn kind(&self) -> &'static str {
        kinds::EXPIRE_ORDER
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.expire(job).await)
    }

    /// The runner has logged it, and the job shows it: the order's own history has nothing to say about it.
    async fn failed(&self, _job: &Job, _reason: &str) -> anyhow::Result<()> {
        Ok(())
    }

    async fn gave_up(&self, _job: &Job, _reason: &str) -> anyhow::Result<()> {
        Ok(())
    }
}
