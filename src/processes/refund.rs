//! Has a provider give money back, under a number that never changes.
//!
//! ```text
//!   first attempt ──► refund ──► done, refused ──► recorded
//!                       │     └── refused: what went back otherwise is taken first
//!                       └── no answer, later attempts ──► query_refund ──► done, refused ──► recorded
//!                                                             └── never heard of it ──► refund
//! ```
//!
//! Whether an attempt had its effect is asked before it is made again, so that a provider which forgets numbers does not
//! pay twice. A plain no ends it; anything else is tried for as long as the policy says, then somebody has to look.

use aggregates::{
    AccountId, AggregateId, OrderCommand, OrderId, OrderNumber, Payment, Refund, RefundId, RefundStage, State, reason,
};
use anyhow::Context;
use async_trait::async_trait;
use serde::Deserialize;

use super::expire_order::settle;
use super::kinds;
use crate::dispatch::{DispatchError, Dispatcher, RefundNotice, refund_number};
use crate::jobs::{Handler, Job, Outcome};
use crate::providers::{ProviderError, RefundRequest, RefundState};

pub struct RefundPayment {
    dispatcher: Dispatcher,
}

/// One refund, as a job names it.
struct Case {
    account: AccountId,
    order: OrderId,
    refund: RefundId,
}

#[derive(Deserialize)]
struct Payload {
    order: OrderId,
}

impl Case {
    fn of(job: &Job) -> anyhow::Result<Self> {
        let account = job.account_id.as_deref().context("a refund is somebody's")?;
        let Payload { order } = Payload::deserialize(&job.payload)?;
        Ok(Self { account: AccountId::try_new(account)?, order, refund: job.key.parse()? })
    }
}

impl RefundPayment {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn attempt(&self, job: &Job) -> anyhow::Result<Outcome> {
        let case = Case::of(job)?;
        let State::Order(order) = self.dispatcher.look(&case.account, AggregateId::order(case.order)).await? else {
            return Ok(Outcome::Done);
        };
        let Ok((placed, refund)) = order.placed().and_then(|placed| Ok((placed, order.refund(case.refund)?))) else {
            return Ok(Outcome::Done);
        };
        match refund.stage {
            RefundStage::Requested | RefundStage::Failing => {}
            // It can still be tried again by hand.
            RefundStage::GivenUp => return Ok(Outcome::give_up("it was given up")),
            RefundStage::Refused | RefundStage::Done => return Ok(Outcome::Done),
        }
        let is_paid_by = |paid: &&Payment| (&paid.provider, &paid.payment_id) == (&refund.provider, &refund.payment_id);
        let paid = order.payments().find(is_paid_by).map(|paid| paid.amount);
        let request = RefundRequest {
            order: placed.number.clone(),
            reference: order.checkout().and_then(|checkout| checkout.reference.clone()),
            payment_id: refund.payment_id.clone(),
            paid: paid.unwrap_or(refund.amount),
            refund: refund_number(refund.id),
            amount: refund.amount,
            reason: reason::from_outside(refund.reason.as_deref().unwrap_or_default()),
        };
        match self.have_it_done(job, refund, &request).await {
            Ok(RefundState::Done { provider_refund }) => self.done(refund, request, provider_refund).await,
            Ok(RefundState::Refused(why)) | Err(ProviderError::Refused(why)) => {
                self.refused(&case, &request.order, refund, &why).await
            }
            Ok(RefundState::Pending | RefundState::Unknown) => Ok(Outcome::failed("the provider has not done it yet")),
            Err(error @ ProviderError::Unreachable(_)) => Ok(Outcome::failed(error.to_string())),
        }
    }

    async fn have_it_done(
        &self,
        job: &Job,
        refund: &Refund,
        request: &RefundRequest,
    ) -> Result<RefundState, ProviderError> {
        let provider = self.dispatcher.providers().get(&refund.provider);
        let provider = provider
            .ok_or_else(|| ProviderError::Unreachable(format!("{} is not configured here", refund.provider)))?;
        if job.attempt > 1 {
            match provider.query_refund(request).await? {
                RefundState::Unknown => {}
                known => return Ok(known),
            }
        }
        provider.refund(request).await
    }

    async fn done(
        &self,
        refund: &Refund,
        request: RefundRequest,
        provider_refund: Option<String>,
    ) -> anyhow::Result<Outcome> {
        let RefundRequest { order, payment_id, refund: number, amount, .. } = request;
        let notice = RefundNotice {
            order,
            provider: refund.provider.clone(),
            payment_id,
            refund: number,
            amount,
            provider_refund,
            reason: None,
        };
        self.dispatcher.take_refund(notice).await?;
        Ok(Outcome::Done)
    }

    /// A provider also says no where it gave the money back itself, and its notice was lost: then the books follow it.
    async fn refused(&self, case: &Case, order: &OrderNumber, refund: &Refund, why: &str) -> anyhow::Result<Outcome> {
        match self.dispatcher.take_refunds_of(order, &refund.provider, &refund.payment_id).await {
            Err(error @ DispatchError::Provider { .. }) => return Ok(Outcome::failed(error.to_string())),
            taken => taken.map(drop)?,
        }
        // All of it has gone back, so it was this refund that has.
        let now = self.dispatcher.order(&case.account, case.order).await?;
        if now.refund(case.refund).is_ok_and(|refund| refund.stage == RefundStage::Done) {
            return Ok(Outcome::Done);
        }
        let command = OrderCommand::RefundRefused { refund: case.refund, reason: reason::from_outside(why) };
        self.record(case, &["refused"], command).await?;
        Ok(Outcome::Done)
    }

    async fn record(&self, case: &Case, words: &[&str], command: OrderCommand) -> anyhow::Result<()> {
        let refund = case.refund.to_string();
        let words = [&[refund.as_str()], words].concat();
        Ok(self.dispatcher.record_refund(&case.account, case.order, &words, command).await?)
    }
}

#[async_trait]
impl Handler for RefundPayment {
    fn kind(&self) -> &'static str {
        kinds::REFUND
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.attempt(job).await)
    }

    async fn failed(&self, job: &Job, said: &str) -> anyhow::Result<()> {
        let (case, attempt) = (Case::of(job)?, u32::try_from(job.attempt)?);
        let reason = reason::from_outside(said);
        let command = OrderCommand::RefundFailed { refund: case.refund, attempt, reason };
        self.record(&case, &["failed", &attempt.to_string()], command).await
    }

    async fn gave_up(&self, job: &Job, _reason: &str) -> anyhow::Result<()> {
        let case = Case::of(job)?;
        let command = OrderCommand::GiveUpRefund { refund: case.refund };
        self.record(&case, &["given_up", &job.attempt.to_string()], command).await
    }
}
