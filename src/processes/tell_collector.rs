//! Tells a provider that collects periods by itself whether it is to go on: after a cancellation, after one was withdrawn,
//! and after the end. What it is told is what the subscription says by then, so the order of jobs does not matter.

use aggregates::{AccountId, SubscriptionEvent, SubscriptionId};
use anyhow::Context;
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::expire_order::settle;
use super::kinds;
use crate::dispatch::{DispatchError, Dispatcher};
use crate::jobs::{Handler, Job, Outcome};
use crate::providers::ProviderError;

/// When that changed, if this changes it.
pub(super) fn changed_at(event: &SubscriptionEvent) -> Option<DateTime<Utc>> {
    match event {
        SubscriptionEvent::CancelScheduled(scheduled) => Some(scheduled.at),
        SubscriptionEvent::CancelWithdrawn(withdrawn) => Some(withdrawn.at),
        SubscriptionEvent::Ended(ended) => Some(ended.at),
        SubscriptionEvent::Started(_)
        | SubscriptionEvent::Renewed(_)
        | SubscriptionEvent::PastDue(_)
        | SubscriptionEvent::PlanChangeScheduled(_)
        | SubscriptionEvent::PlanChanged(_) => None,
    }
}

pub struct TellCollector {
    dispatcher: Dispatcher,
}

impl TellCollector {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn tell(&self, job: &Job) -> anyhow::Result<Outcome> {
        let account = AccountId::try_new(job.account_id.as_deref().context("a subscription is somebody's")?)?;
        let (subscription, _) = job.key.split_once(':').context("a subscription and a time")?;
        let subscription: SubscriptionId = subscription.parse()?;
        match self.dispatcher.tell_collectors(&account, subscription).await {
            Ok(()) => Ok(Outcome::Done),
            // It has ended there, or was never begun there.
            Err(DispatchError::Provider { source: ProviderError::Refused(why), .. }) => {
                tracing::warn!(%subscription, why, "a provider was to collect otherwise, and refused");
                Ok(Outcome::Done)
            }
            Err(DispatchError::Provider { source, .. }) => Ok(Outcome::failed(source.to_string())),
            Err(error @ DispatchError::NoProvider(_)) => Ok(Outcome::failed(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl Handler for TellCollector {
    fn kind(&self) -> &'static str {
        kinds::TELL_COLLECTOR
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.tell(job).await)
    }
}
