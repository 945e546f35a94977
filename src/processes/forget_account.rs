//! Makes what was sealed for an erased customer unreadable: asked for with the event, so that an erasure that was cut off
//! after it was recorded is finished all the same.

use aggregates::AccountId;
use anyhow::Context;
use async_trait::async_trait;

use super::expire_order::settle;
use super::kinds;
use crate::dispatch::Dispatcher;
use crate::jobs::{Handler, Job, Outcome};

pub struct ForgetAccount {
    dispatcher: Dispatcher,
}

impl ForgetAccount {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn forget(&self, job: &Job) -> anyhow::Result<Outcome> {
        let account = AccountId::try_new(job.account_id.as_deref().context("an account is named")?)?;
        self.dispatcher.forget(&account).await?;
        Ok(Outcome::Done)
    }
}

#[async_trait]
impl Handler for ForgetAccount {
    fn kind(&self) -> &'static str {
        kinds::FORGET_ACCOUNT
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.forget(job).await)
    }
}
