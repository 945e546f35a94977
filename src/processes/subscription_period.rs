//! Records that a paid period is over, and then that the grace after it is. One timer for each such time: a period that
//! was paid for meanwhile has a timer of its own, and this one finds nothing to do. Who collects is asked before that.

use aggregates::subscription::{PastDue, Renewed, Started, SubscriptionError};
use aggregates::{AccountId, AggregateId, Refusal, State, SubscriptionEvent, SubscriptionId};
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

/// A provider that collects by itself may have collected, and what it said of it got lost: nothing ends before it has
/// answered, or has been silent for so long.
const ASKED_FOR: TimeDelta = TimeDelta::days(1);
const ASKED_EVERY: TimeDelta = TimeDelta::minutes(10);

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
        let due = state.expires_at().unwrap_or(period.ends_at);
        if at < due {
            return Ok(Outcome::Done);
        }
        if self.dispatcher.clock().now() < due {
            return Ok(Outcome::NotBefore(due));
        }
        if let Err(error) = self.dispatcher.ask_collector(&account, subscription).await {
            let now = self.dispatcher.clock().now();
            match error {
                DispatchError::Provider { .. } | DispatchError::NoProvider(_) => {
                    tracing::warn!(%subscription, %error, "whether a further period was paid cannot be asked");
                    if now - due < ASKED_FOR {
                        return Ok(Outcome::NotBefore(now + ASKED_EVERY));
                    }
                }
                error => return Err(error.into()),
            }
        }
        match self.dispatcher.end_period(&account, subscription, due).await {
            Ok(_) => Ok(Outcome::Done),
            Err(DispatchError::Execute(ExecuteError::Refused(Refusal::Subscription(SubscriptionError::NotOver {
                ..
            })))) => Ok(Outcome::Done),
            Err(error) => Err(error.into()),
        }
    }
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
