//! Gives back what nobody has settled in time. A hold that has timed out can be settled no more even before this has
//! happened.

use aggregates::{AccountId, AggregateId, Command, Hold, HoldId, Release, ReleaseReason, State};
use anyhow::Context;
use async_trait::async_trait;

use super::expire_order::{is_refusal, settle};
use super::kinds;
use crate::dispatch::{Actor, Dispatcher, ids};
use crate::jobs::{Handler, Job, Outcome};

pub struct ReleaseHold {
    dispatcher: Dispatcher,
}

impl ReleaseHold {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn release(&self, job: &Job) -> anyhow::Result<Outcome> {
        let account = AccountId::try_new(job.account_id.as_deref().context("a hold is somebody's")?)?;
        let hold: HoldId = job.key.parse()?;
        let State::Hold(Hold::Open(reserved)) = self.dispatcher.look(&account, AggregateId::hold(hold)).await? else {
            return Ok(Outcome::Done);
        };
        if self.dispatcher.clock().now() < reserved.expires_at {
            return Ok(Outcome::NotBefore(reserved.expires_at));
        }
        let id = ids::derived("release_hold", &[&hold.to_string()]);
        let commands = vec![Command::Release(Release { hold, why: ReleaseReason::TimedOut })];
        match self.dispatcher.execute(&account, &Actor::system("hold_expiry"), id, commands).await {
            Ok(_) => Ok(Outcome::Done),
            // Settled meanwhile, by a clock that is behind: the next look finds that.
            Err(error) if is_refusal(&error) => Ok(Outcome::failed("the hold cannot be released")),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl Handler for ReleaseHold {
    fn kind(&self) -> &'static str {
        kinds::RELEASE_HOLD
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.release(job).await)
    }
}
