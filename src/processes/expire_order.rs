//! Ends an order that was not paid in time, after asking its provider once more.
//!
//! A provider that cannot be asked gets a few chances; then the order expires all the same. Money that arrives later is
//! still money: the order takes it. An order that its provider calls paid never expires: taking the payment is tried
//! again, and somebody is told where it cannot be.

use aggregates::{AccountId, AggregateId, OrderId, OrderStatus, State};
use anyhow::Context;
use async_trait::async_trait;

use super::kinds;
use crate::dispatch::{Dispatcher, PaymentNotice, order_ref};
use crate::jobs::{Handler, Job, Outcome};
use crate::providers::OrderRef;

/// About twenty seconds of a provider's silence.
const TRIES_ASKING_MAX: u32 = 3;
/// How failures begin once the provider has said that it was paid: the next try reads it, also in another process.
const PAID: &str = "the provider says that it was paid";

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
        if let Some(checkout) = state.checkout() {
            self.dispatcher.forget_client_secret(&placed.number, checkout).await?;
        }
        match self.payment(&placed.provider, &order_ref(placed, &state)).await {
            Ok(None) => self.now(&account, order).await,
            Ok(Some(notice)) => match self.dispatcher.take_payment(notice).await {
                // A payment for review pays for nothing.
                Ok(taken) if taken.for_review => self.now(&account, order).await,
                Ok(_) => Ok(Outcome::Done),
                Err(error) => {
                    tracing::warn!(%order, %error, "a payment could not be taken");
                    Ok(Outcome::failed(format!("{PAID}, and the ledger could not take the payment")))
                }
            },
            Err(why) if is_known_to_be_paid(job) => Ok(Outcome::failed(why)),
            // Wait a little, but not for ever.
            Err(why) if job.tries <= TRIES_ASKING_MAX => Ok(Outcome::failed(why)),
            Err(_) => self.now(&account, order).await,
        }
    }

    /// What the provider knows, or why it cannot be asked.
    async fn payment(&self, provider: &str, order: &OrderRef) -> Result<Option<PaymentNotice>, String> {
        let provider = self.dispatcher.providers().get(provider);
        let provider = provider.ok_or_else(|| "its provider is not configured here".to_owned())?;
        let paid = provider.payments(order).await.map_err(|error| error.to_string())?;
        Ok(paid.into_iter().next())
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

fn is_known_to_be_paid(job: &Job) -> bool {
    job.last_error.as_deref().is_some_and(|last| last.starts_with(PAID))
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
        match settle(self.expire(job).await) {
            // Whatever fails now, this is not forgotten.
            Outcome::Failed { reason } if is_known_to_be_paid(job) && !reason.starts_with(PAID) => {
                Outcome::failed(format!("{PAID}; since then: {reason}"))
            }
            outcome => outcome,
        }
    }
}
