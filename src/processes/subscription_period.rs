//! Records that a paid period is over, and then that the grace after it is. One timer for each such time: a period that
//! was paid for meanwhile has a timer of its own, and this one finds nothing to do. Who collects is asked then, and
//! as long as the grace lasts.

use aggregates::subscription::{PastDue, Renewed, Started, SubscriptionError};
use aggregates::{AccountId, AggregateId, Refusal, State, Subscription, SubscriptionEvent, SubscriptionId};
use anyhow::Context;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::expire_order::settle;
use super::kinds;
use crate::dispatch::{DispatchError, Dispatcher};
use crate::jobs::{Handler, Job, Outcome};
use crate::store::ExecuteError;

/// When something ends by itself after this.
pub(super) fn ends(event: &SubscriptionEvent) -> Option<DateTime<Utc>> {
    match event {
        SubscriptionEvent::Started(Started { period, .. }) | SubscriptionEvent::Renewed(Renewed { period, .. }) => {
            Some(period.ends_at)
        }
        SubscriptionEvent::PastDue(PastDue { expires_at, .. }) => Some(*expires_at),
        SubscriptionEvent::CancelScheduled(_)
        | SubscriptionEvent::CancelWithdrawn(_)
        | SubscriptionEvent::PlanChangeScheduled(_)
        | SubscriptionEvent::PlanChanged(_)
        | SubscriptionEvent::Ended(_) => None,
    }
}

/// One job for each time at which this subscription may end.
pub(super) fn key(subscription: &str, at: DateTime<Utc>) -> String {
    format!("{subscription}:{}", at.to_rfc3339())
}

/// After a period was over, in seconds: when who collects by themselves is asked what they have collected meanwhile, as long
/// as its grace lasts. Their period begins and ends about when ours does, and collecting takes a while.
const ASKED: [i64; 8] = [600, 3_600, 6 * 3_600, 86_400, 2 * 86_400, 4 * 86_400, 7 * 86_400, 14 * 86_400];
/// And a last time, so long before the grace is over.
const ASKED_LAST: TimeDelta = TimeDelta::minutes(30);

pub struct SubscriptionPeriod {
    dispatcher: Dispatcher,
}

impl SubscriptionPeriod {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn end(&self, job: &Job) -> anyhow::Result<Outcome> {
        let account = AccountId::try_new(job.account_id.as_deref().context("a subscription is somebody's")?)?;
        let (subscription, at) = job.key.split_once(':').context("a subscription and a time")?;
        let (subscription, at) = (subscription.parse::<SubscriptionId>()?, at.parse::<DateTime<Utc>>()?);
        let state = self.dispatcher.look(&account, AggregateId::subscription(subscription)).await?;
        let State::Subscription(state) = state else { return Ok(Outcome::Done) };
        let Some(period) = state.period().filter(|_| state.is_live()) else { return Ok(Outcome::Done) };
        let now = self.dispatcher.clock().now();
        match state.expires_at() {
            // The next period has been paid for.
            _ if at < period.ends_at => Ok(Outcome::Done),
            None if now < period.ends_at => Ok(Outcome::NotBefore(period.ends_at)),
            None => {
                // It may have been paid for, and what was said of that got lost.
                let is_collected = self.ask(&account, subscription).await?;
                self.end_period(&account, subscription, period.ends_at).await?;
                let state = self.dispatcher.look(&account, AggregateId::subscription(subscription)).await?;
                let State::Subscription(state) = state else { return Ok(Outcome::Done) };
                Ok(ask_next(&state, at, now).filter(|_| is_collected).map_or(Outcome::Done, Outcome::NotBefore))
            }
            Some(expires_at) if at < expires_at && now < expires_at => {
                self.ask(&account, subscription).await?;
                let state = self.dispatcher.look(&account, AggregateId::subscription(subscription)).await?;
                let State::Subscription(state) = state else { return Ok(Outcome::Done) };
                Ok(ask_next(&state, at, now).map_or(Outcome::Done, Outcome::NotBefore))
            }
            Some(expires_at) if at < expires_at => Ok(Outcome::Done),
            Some(expires_at) if now < expires_at => Ok(Outcome::NotBefore(expires_at)),
            Some(expires_at) => self.end_period(&account, subscription, expires_at).await.map(|()| Outcome::Done),
        }
    }

    /// Whether there is anybody to ask. Who does not answer is asked again in time, and so is one whose answer cannot be
    /// taken: neither keeps the period from ending.
    async fn ask(&self, account: &AccountId, subscription: SubscriptionId) -> anyhow::Result<bool> {
        match self.dispatcher.ask_collectors(account, subscription).await {
            Ok(is_collected) => Ok(is_collected),
            Err(error @ DispatchError::Provider { .. }) => {
                tracing::warn!(%subscription, %error, "whether a further period was paid cannot be asked");
                Ok(true)
            }
            Err(DispatchError::Execute(error)) if !error.is_transient() => {
                tracing::error!(%subscription, %error, "a further period that was collected cannot be taken");
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn end_period(
        &self,
        account: &AccountId,
        subscription: SubscriptionId,
        due: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        match self.dispatcher.end_period(account, subscription, due).await {
            Ok(_) => Ok(()),
            Err(DispatchError::Execute(ExecuteError::Refused(Refusal::Subscription(SubscriptionError::NotOver {
                ..
            })))) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// When who collects is asked next about the period that was over at `at`; `None`: it was paid, or there is no grace left.
fn ask_next(state: &Subscription, at: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let last = state.expires_at()?.checked_sub_signed(ASKED_LAST)?;
    let times = ASKED.iter().filter_map(|seconds| at.checked_add_signed(TimeDelta::seconds(*seconds)));
    times.filter(|time| *time < last).chain([last]).find(|time| *time > now)
}

#[async_trait]
impl Handler for SubscriptionPeriod {
    fn kind(&self) -> &'static str {
        kinds::SUBSCRIPTION_PERIOD
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.end(job).await)
    }
}
