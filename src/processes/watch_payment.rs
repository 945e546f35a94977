//! Asks a provider, now and then after an order was paid, whether the money has gone back: some say nothing of what was
//! given back in their console, or after a dispute.

use aggregates::{AccountId, OrderId};
use anyhow::Context;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::expire_order::settle;
use super::kinds;
use crate::dispatch::{DispatchError, Dispatcher};
use crate::jobs::{Handler, Job, Outcome};

/// After it was paid, in seconds: an hour, a day, a week, a month.
const TIMES: [i64; 4] = [3_600, 86_400, 7 * 86_400, 30 * 86_400];

pub struct WatchPayment {
    dispatcher: Dispatcher,
}

#[derive(Deserialize)]
struct Payload {
    paid_at: DateTime<Utc>,
}

/// The first time after `now`.
pub(super) fn next(paid_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let times = TIMES.iter().filter_map(|seconds| paid_at.checked_add_signed(TimeDelta::seconds(*seconds)));
    times.into_iter().find(|time| *time > now)
}

impl WatchPayment {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn look(&self, job: &Job) -> anyhow::Result<Outcome> {
        let account = AccountId::try_new(job.account_id.as_deref().context("an order is somebody's")?)?;
        let order: OrderId = job.key.parse()?;
        let Payload { paid_at } = Payload::deserialize(&job.payload)?;
        let state = self.dispatcher.order(&account, order).await?;
        let (Ok(placed), Some(payment)) = (state.placed(), state.payment()) else { return Ok(Outcome::Done) };
        let asked = self.dispatcher.take_refunds_of(&placed.number, &payment.provider, &payment.payment_id).await;
        let later = next(paid_at, self.dispatcher.clock().now());
        if let Err(error) = &asked {
            tracing::warn!(order = %placed.number, %error, "whether its money went back cannot be asked");
        }
        match (asked, later) {
            (Ok(_), None) => Ok(Outcome::Done),
            // Another time will do, unless there is none.
            (Ok(_) | Err(DispatchError::Provider { .. } | DispatchError::NoProvider(_)), Some(later)) => {
                Ok(Outcome::NotBefore(later))
            }
            (Err(error), _) => Ok(Outcome::failed(error.to_string())),
        }
    }
}

#[async_trait]
impl Handler for WatchPayment {
    fn kind(&self) -> &'static str {
        kinds::WATCH_PAYMENT
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.look(job).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_looked_at_after_an_hour_a_day_a_week_and_a_month() {
        let paid_at: DateTime<Utc> = "2026-01-05T06:00:00Z".parse().unwrap();
        let times = std::iter::successors(next(paid_at, paid_at), |now| next(paid_at, *now));
        let hours: Vec<_> = times.map(|time| (time - paid_at).num_hours()).collect();
        assert_eq!(hours, [1, 24, 7 * 24, 30 * 24]);
    }
}
