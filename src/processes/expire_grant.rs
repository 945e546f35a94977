//! Records that a grant is over. What has expired pays nothing even before this has happened; what is held of it is waited
//! for, and the last hold records the end itself.

use aggregates::{AccountId, AggregateId, Command, CreditAccountCommand, GrantId, State};
use anyhow::Context;
use async_trait::async_trait;
use chrono::TimeDelta;

use super::expire_order::{is_refusal, settle};
use super::kinds;
use crate::dispatch::{Actor, Dispatcher, ids};
use crate::jobs::{Handler, Job, Outcome};

/// A hold whose end was decided by a clock that is behind leaves the grant to us: so it is looked at again.
const WHILE_HELD: TimeDelta = TimeDelta::hours(1);

pub struct ExpireGrant {
    dispatcher: Dispatcher,
}

impl ExpireGrant {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn expire(&self, job: &Job) -> anyhow::Result<Outcome> {
        let account = AccountId::try_new(job.account_id.as_deref().context("a grant is somebody's")?)?;
        let named = job.payload.get("grant").and_then(serde_json::Value::as_str);
        let grant: GrantId = named.context("a job that names its grant")?.parse()?;
        let aggregate = AggregateId::credit_account(account.key());
        let State::CreditAccount(state) = self.dispatcher.look(&account, aggregate).await? else {
            return Ok(Outcome::Done);
        };
        let (Some(expires_at), Some((_, frozen))) = (state.expiry(grant), state.left_and_frozen(grant)) else {
            return Ok(Outcome::Done);
        };
        let now = self.dispatcher.clock().now();
        if now < expires_at {
            return Ok(Outcome::NotBefore(expires_at));
        }
        if !frozen.is_zero() {
            let later = now.checked_add_signed(WHILE_HELD).context("a time that can be written down")?;
            return Ok(Outcome::NotBefore(later));
        }
        // The attempt is part of it: a hold may have come in between, and then nothing was recorded.
        let words = [account.as_str(), &grant.to_string(), &job.attempt.to_string()];
        let commands = vec![Command::CreditAccount(CreditAccountCommand::Expire { grant })];
        let id = ids::derived("expire_grant", &words);
        match self.dispatcher.execute(&account, &Actor::system("grant_expiry"), id, commands).await {
            Ok(receipt) if receipt.events.is_empty() => Ok(Outcome::NotBefore(now)),
            Ok(_) => Ok(Outcome::Done),
            Err(error) if is_refusal(&error) => Ok(Outcome::failed("the grant cannot be expired")),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl Handler for ExpireGrant {
    fn kind(&self) -> &'static str {
        kinds::EXPIRE_GRANT
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.expire(job).await)
    }
}
