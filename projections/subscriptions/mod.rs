//! Subscriptions as they stand, and every period that was paid for.
//!
//! What an event changes depends on what was there (a plan to come is over once it is the present one), so rows are read
//! back, changed by one event after the other, and written whole.

pub mod query;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aggregates::subscription::{PaidPeriod, Plan};
use aggregates::{AccountKey, Event, SubscriptionEvent, SubscriptionId};
use async_trait::async_trait;
use sqlx::PgConnection;

use crate::{Fact, Projection, Unfit};

#[derive(Default)]
pub struct Subscriptions {
    news: BTreeMap<SubscriptionId, News>,
    periods: Vec<(SubscriptionId, Plan, PaidPeriod)>,
}

struct News {
    account: AccountKey,
    events: Vec<SubscriptionEvent>,
}

#[async_trait]
impl Projection for Subscriptions {
    fn name(&self) -> &'static str {
        "subscriptions"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["subscriptions", "subscription_periods"]
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit> {
        let Event::Subscription(event) = fact.event else { return Ok(()) };
        let id = SubscriptionId::from_uuid(fact.aggregate.id);
        match event {
            SubscriptionEvent::Started(started) => self.periods.push((id, started.plan, started.period)),
            SubscriptionEvent::Renewed(renewed) => self.periods.push((id, renewed.plan, renewed.period)),
            SubscriptionEvent::PastDue(_)
            | SubscriptionEvent::CancelScheduled(_)
            | SubscriptionEvent::CancelWithdrawn(_)
            | SubscriptionEvent::PlanChangeScheduled(_)
            | SubscriptionEvent::PlanChanged(_)
            | SubscriptionEvent::Ended(_) => {}
        }
        let news = self.news.entry(id).or_insert_with(|| News { account: fact.account, events: Vec::new() });
        news.events.push(event.clone());
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let news = std::mem::take(&mut self.news);
        if news.is_empty() {
            return Ok(());
        }
        let mut rows = rows::read(tx, news.keys().copied()).await?;
        for (id, News { account, events }) in news {
            for event in &events {
                rows::apply(&mut rows, id, account, event);
            }
        }
        rows::write(tx, &rows).await?;
        rows::insert_periods(tx, &std::mem::take(&mut self.periods)).await
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}
