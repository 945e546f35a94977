//! What was used and is held of a package on each of its days. A day without use has no row.
//!
//! ```text
//!   days.rs    which day it is for a package, and when the next one begins
//!   query.rs   today and history, per package and in total
//! ```

mod days;
pub mod query;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aggregates::{AccountKey, Credits, Event, UserPackageEvent, UserPackageId};
use async_trait::async_trait;
use chrono::NaiveDate;
use sqlx::PgConnection;

use crate::{Fact, Projection, Unfit};

const TOO_MUCH: Unfit = Unfit("more used in a day than can be counted");

type Key = (AccountKey, UserPackageId, NaiveDate);

#[derive(Default)]
pub struct DailyUsage {
    rows: HashMap<Key, Day>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Day {
    /// In this batch.
    used: Credits,
    /// More or less than before.
    held: i64,
    /// After it.
    left: Credits,
}

#[async_trait]
impl Projection for DailyUsage {
    fn name(&self) -> &'static str {
        "daily_usage"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["daily_usage"]
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit> {
        let Event::UserPackage(event) = fact.event else { return Ok(()) };
        let (day, used, held, left) = match event {
            UserPackageEvent::Consumed(consumed) => (consumed.day, consumed.amount, Some(0), consumed.day_left),
            UserPackageEvent::Held(held) => (held.day, Credits::ZERO, Some(held.amount.micros()), held.day_left),
            UserPackageEvent::Settled(settled) => {
                let back = settled.amount.checked_add(settled.returned);
                (settled.day, settled.amount, back.and_then(|back| back.micros().checked_neg()), settled.day_left)
            }
            UserPackageEvent::Activated(_)
            | UserPackageEvent::Expired(_)
            | UserPackageEvent::Extended(_)
            | UserPackageEvent::Shortened(_)
            | UserPackageEvent::Moved(_)
            | UserPackageEvent::Revoked(_) => return Ok(()),
        };
        let row = self.rows.entry((fact.account, UserPackageId::from_uuid(fact.aggregate.id), day)).or_default();
        row.used = row.used.checked_add(used).ok_or(TOO_MUCH)?;
        row.held = held.and_then(|held| row.held.checked_add(held)).ok_or(TOO_MUCH)?;
        row.left = left;
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<_> = self.rows.drain().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        sqlx::query(
            "INSERT INTO daily_usage (account, package, day, used, left_over, held)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[], $4::int8[], $5::int8[], $6::int8[])
                 ON CONFLICT (account, package, day) DO UPDATE
                SET used = daily_usage.used + excluded.used, left_over = excluded.left_over,
                    held = daily_usage.held + excluded.held",
        )
        .bind(rows.iter().map(|((account, ..), _)| account.uuid()).collect::<Vec<_>>())
        .bind(rows.iter().map(|((_, package, _), _)| package.uuid()).collect::<Vec<_>>())
        .bind(rows.iter().map(|((.., day), _)| *day).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.used.micros()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.left.micros()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.held).collect::<Vec<_>>())
        .execute(tx)
        .await?;
        Ok(())
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}
