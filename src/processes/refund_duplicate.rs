//! Asks for a second payment of an order back: nothing was delivered for it, and nobody has to decide about it.

use aggregates::{AccountId, OrderId, RefundId, RequestRefund};
use anyhow::Context;
use async_trait::async_trait;
use serde::Deserialize;

use super::expire_order::{is_refusal, settle};
use super::kinds;
use crate::dispatch::{Actor, Dispatcher, ids};
use crate::jobs::{Handler, Job, Outcome};

const REASON: &str = "paid twice";

pub struct RefundDuplicate {
    dispatcher: Dispatcher,
}

#[derive(Deserialize)]
struct Payload {
    order: OrderId,
    provider: String,
    payment_id: String,
}

impl RefundDuplicate {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn request(&self, job: &Job) -> anyhow::Result<Outcome> {
        let account = AccountId::try_new(job.account_id.as_deref().context("an order is somebody's")?)?;
        let Payload { order, provider, payment_id } = Payload::deserialize(&job.payload)?;
        let refund: RefundId = job.key.parse()?;
        let ask = RequestRefund {
            refund,
            provider: Some(provider),
            payment_id: Some(payment_id),
            amount: None,
            reason: REASON.to_owned(),
            revoke: None,
        };
        let id = ids::derived("refund_duplicate", &[&order.to_string(), &refund.to_string()]);
        match self.dispatcher.request_refund(&account, &Actor::system("duplicates"), id, order, ask).await {
            Ok(_) => Ok(Outcome::Done),
            // An admin was quicker, or there is nothing of it to give back.
            Err(error) if is_refusal(&error) => Ok(Outcome::Done),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl Handler for RefundDuplicate {
    fn kind(&self) -> &'static str {
        kinds::REFUND_DUPLICATE
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.request(job).await)
    }
}
