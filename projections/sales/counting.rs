//! What an event adds to which day. Pure.

use std::collections::BTreeMap;

use aggregates::order::{Expired, Paid, Placed, Refunded};
use aggregates::{AccountKey, Money, OrderEvent, OrderId, ProductId, ProductKind};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::Unfit;
use crate::rows::{currency, text};

/// What happened to an order, as far as it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    Placed {
        account: AccountKey,
        product: ProductId,
        renewal: bool,
        currency: String,
        time_zone: Tz,
        at: DateTime<Utc>,
    },
    Expired,
    Paid {
        payment: String,
        amount: Money,
        at: DateTime<Utc>,
    },
    Refunded {
        payment: String,
        amount: Money,
        at: DateTime<Utc>,
    },
}

impl News {
    pub(super) fn of(account: AccountKey, event: &OrderEvent) -> Option<Self> {
        Some(match event {
            OrderEvent::Placed(Placed { product, kind, price, time_zone, placed_at, .. }) => Self::Placed {
                account,
                product: *product,
                renewal: matches!(kind, ProductKind::Renewal(_)),
                currency: currency(price),
                time_zone: *time_zone,
                at: *placed_at,
            },
            OrderEvent::Expired(Expired { at: _ }) => Self::Expired,
            OrderEvent::Paid(Paid { payment, at, .. }) => {
                Self::Paid { payment: name_of(&payment.provider, &payment.payment_id), amount: payment.amount, at: *at }
            }
            OrderEvent::Refunded(Refunded { provider, payment_id, amount, at, .. }) => {
                Self::Refunded { payment: name_of(provider, payment_id), amount: *amount, at: *at }
            }
            _ => return None,
        })
    }
}

fn name_of(provider: &str, payment_id: &str) -> String {
    text(&format!("{provider}:{payment_id}"))
}

/// What is kept of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sold {
    pub(super) account: AccountKey,
    pub(super) product: ProductId,
    /// Its provider collected it without being asked: its money counts, and nothing else.
    pub(super) renewal: bool,
    pub(super) currency: String,
    pub(super) time_zone: Tz,
    pub(super) placed_day: NaiveDate,
    pub(super) expired: bool,
    pub(super) paid_day: Option<NaiveDate>,
    pub(super) payment: Option<String>,
}

/// What a batch adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) placed: i64,
    pub(super) converted: i64,
    pub(super) expired: i64,
    pub(super) paid: i64,
    pub(super) revenue: i128,
    pub(super) refunds: i64,
    pub(super) refunded: i128,
}

pub(super) type Cell = (NaiveDate, ProductId, String);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(pub(super) BTreeMap<Cell, Count>);

impl Counts {
    pub(super) fn count(&mut self, all: &mut BTreeMap<OrderId, Sold>, order: OrderId, news: News) -> Result<(), Unfit> {
        if let News::Placed { account, product, renewal, currency, time_zone, at } = news {
            let placed_day = at.with_timezone(&time_zone).date_naive();
            let (expired, paid_day, payment) = (false, None, None);
            let sold = Sold { account, product, renewal, currency, time_zone, placed_day, expired, paid_day, payment };
            self.of_placing(&sold, |count| count.placed += 1);
            all.insert(order, sold);
            return Ok(());
        }
        let sold = all.get_mut(&order).ok_or(Unfit("something happened to an order before it was placed"))?;
        let day = |at: DateTime<Utc>| at.with_timezone(&sold.time_zone).date_naive();
        match news {
            News::Placed { .. } => {}
            News::Expired => {
                sold.expired = true;
                self.of_placing(sold, |count| count.expired += 1);
            }
            News::Paid { payment, amount, at } => {
                let day = day(at);
                self.of_placing(sold, |count| {
                    count.converted += 1;
                    count.expired -= i64::from(sold.expired);
                });
                (sold.expired, sold.paid_day, sold.payment) = (false, Some(day), Some(payment));
                let count = self.cell(day, sold.product, currency(&amount));
                count.paid += 1;
                count.revenue += i128::from(amount.minor());
            }
            News::Refunded { payment, amount, at } => {
                // A second payment that went back had never been counted.
                if sold.payment.as_deref() == Some(payment.as_str()) {
                    let count = self.cell(day(at), sold.product, currency(&amount));
                    count.refunds += 1;
                    count.refunded += i128::from(amount.minor());
                }
            }
        }
        Ok(())
    }

    /// What becomes of an order that somebody placed.
    fn of_placing(&mut self, sold: &Sold, counted: impl FnOnce(&mut Count)) {
        if !sold.renewal {
            counted(self.cell(sold.placed_day, sold.product, sold.currency.clone()));
        }
    }

    fn cell(&mut self, day: NaiveDate, product: ProductId, currency: String) -> &mut Count {
        self.0.entry((day, product, currency)).or_default()
    }
}
