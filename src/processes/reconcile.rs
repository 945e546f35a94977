//! Asks an order's provider now and then whether it was paid, so that a lost notice never loses a payment: more and more
//! rarely while the order waits, and a few times after its time is over. By the business clock.
//!
//! At the end of its time `expire_order.rs` asks, and waits for the answer.

use aggregates::order::Placed;
use aggregates::{AccountId, OrderId};
use anyhow::Context;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::expire_order::settle;
use super::kinds;
use crate::dispatch::{DispatchError, Dispatcher};
use crate::jobs::{Handler, Job, Outcome};

/// After the order was placed, in seconds.
const WAITING: [i64; 5] = [30, 60, 120, 300, 600];
/// After its time was over, in seconds.
const OVER: [i64; 3] = [300, 3_600, 86_400];

pub struct Reconcile {
    dispatcher: Dispatcher,
}

/// When the provider is asked first.
pub(super) fn first(placed: &Placed) -> DateTime<Utc> {
    next(placed, placed.placed_at).unwrap_or(placed.expires_at)
}

/// The next time after `now`; an order that waits longer than usual is asked about no more often.
fn next(placed: &Placed, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let after = |from: DateTime<Utc>, seconds: i64| from.checked_add_signed(TimeDelta::seconds(seconds));
    let waiting = WAITING.iter().filter_map(|seconds| after(placed.placed_at, *seconds));
    let waiting = waiting.filter(|time| *time < placed.expires_at);
    let over = OVER.iter().filter_map(|seconds| after(placed.expires_at, *seconds));
    waiting.chain(over).find(|time| *time > now)
}

impl Reconcile {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn look(&self, job: &Job) -> anyhow::Result<Outcome> {
        let account = AccountId::try_new(job.account_id.as_deref().context("an order is somebody's")?)?;
        let order: OrderId = job.key.parse()?;
        let state = self.dispatcher.order(&account, order).await?;
        let (Ok(placed), None) = (state.placed(), state.payment()) else { return Ok(Outcome::Done) };
        let now = self.dispatcher.clock().now();
        if now < first(placed) {
            return Ok(Outcome::NotBefore(first(placed)));
        }
        let asked = self.dispatcher.reconcile(&placed.number, None).await;
        match (asked, next(placed, now)) {
            (Ok(Some(taken)), _) if !taken.for_review => Ok(Outcome::Done),
            (Ok(_), None) => Ok(Outcome::Done),
            // Another time will do, unless there is none or the ledger is what failed.
            (Ok(_) | Err(DispatchError::Provider { .. } | DispatchError::NoProvider(_)), Some(next)) => {
                Ok(Outcome::NotBefore(next))
            }
            (Err(error), _) => Ok(Outcome::failed(error.to_string())),
        }
    }
}

#[async_trait]
impl Handler for Reconcile {
    fn kind(&self) -> &'static str {
        kinds::RECONCILE
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.look(job).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_asked_ever_more_rarely_and_a_day_after_the_end_for_the_last_time() {
        let placed: Placed = serde_json::from_value(serde_json::json!({
            "number": "ORD20260105060000abcdef01", "product": uuid::Uuid::nil(), "name": "n",
            "kind": {"package": {"duration_days": 30, "daily_limit": 5_000_000, "day": "calendar", "again": "extend"}},
            "time_zone": "Asia/Shanghai", "price": {"minor": 3000, "currency": "CNY"}, "provider": "sandbox",
            "placed_at": "2026-01-05T06:00:00Z", "expires_at": "2026-01-05T06:05:00Z",
        }))
        .unwrap();
        let times = std::iter::successors(Some(first(&placed)), |now| next(&placed, *now));
        let seconds: Vec<_> = times.map(|time| (time - placed.placed_at).num_seconds()).collect();
        assert_eq!(seconds, [30, 60, 120, 300 + 300, 300 + 3_600, 300 + 86_400]);
    }
}
