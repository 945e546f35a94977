//! What was sold: counts and sums per day, product and currency, one row per order to count each thing once, and how much
//! of each license was used.
//!
//! ```text
//!   counting.rs   what an event adds to which day        query.rs   indicators of a range of days
//!   rows.rs       reading what was counted, writing what is
//! ```
//!
//! A day is one of the time zone that the order was placed in. What becomes of an order (paid, expired) counts for the day
//! it was placed; money counts for the day it came or went. A renewal that a provider collects by itself is nobody's act of
//! buying: its money counts like any other, and the order neither as placed nor for its buyer.

mod counting;
pub mod query;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aggregates::{Event, LicenseEvent, LicenseId, OrderEvent, OrderId};
use async_trait::async_trait;
use sqlx::PgConnection;

use self::counting::{Counts, News, Sold};
use crate::rows::decode;
use crate::{Fact, Projection, Unfit};

#[derive(Default)]
pub struct Sales {
    orders: BTreeMap<OrderId, Vec<News>>,
    keys: BTreeMap<LicenseId, Key>,
}

/// `None`: as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Key {
    uses: Option<u32>,
    unused: Option<u32>,
    revoked: bool,
}

#[async_trait]
impl Projection for Sales {
    fn name(&self) -> &'static str {
        "sales"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["sold", "sales", "keys_sold"]
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit> {
        match fact.event {
            Event::Order(event) => self.order(fact, event),
            Event::License(event) => self.key(LicenseId::from_uuid(fact.aggregate.id), event),
            _ => {}
        }
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.write_orders(tx).await?;
        rows::write_keys(tx, std::mem::take(&mut self.keys)).await
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Sales {
    fn order(&mut self, fact: &Fact<'_>, event: &OrderEvent) {
        if let Some(news) = News::of(fact.account, event) {
            self.orders.entry(OrderId::from_uuid(fact.aggregate.id)).or_default().push(news);
        }
    }

    fn key(&mut self, license: LicenseId, event: &LicenseEvent) {
        let key = self.keys.entry(license).or_default();
        match event {
            LicenseEvent::Issued(issued) => (key.uses, key.unused) = (Some(issued.uses), Some(issued.uses)),
            LicenseEvent::Consumed(consumed) => key.unused = Some(consumed.left),
            LicenseEvent::GivenBack(given_back) => key.unused = Some(given_back.left),
            LicenseEvent::Revoked(_) => key.revoked = true,
            LicenseEvent::Bound(_) | LicenseEvent::Annotated(_) => {}
        }
    }

    async fn write_orders(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let orders = std::mem::take(&mut self.orders);
        if orders.is_empty() {
            return Ok(());
        }
        let mut sold: BTreeMap<OrderId, Sold> = rows::read_sold(tx, orders.keys().copied()).await?;
        let mut counts = Counts::default();
        for (order, news) in orders {
            for news in news {
                counts.count(&mut sold, order, news).map_err(decode)?;
            }
        }
        rows::write_sold(tx, &sold).await?;
        rows::add_counts(tx, &counts).await
    }
}
