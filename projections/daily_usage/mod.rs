//! What was used of a package on each of its days. A day without use has no row.
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

type Key = (AccountKey, UserPackageId, NaiveDate);

#[derive(Default)]
pub struct DailyUsage {
    rows: HashMap<Key, Day>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Day {
    /// In this batch.
    used: Credits,
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
        let Event::UserPackage(UserPackageEvent::Consumed(consumed)) = fact.event else { return Ok(()) };
        let key = (fact.account, UserPackageId::from_uuid(fact.aggregate.id), consumed.day);
        let row = self.rows.entry(key).or_default();
        row.used = row.used.checked_add(consumed.amount).ok_or(Unfit("more used in a day than can be counted"))?;
        row.left = consumed.day_left;
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<_> = self.rows.drain().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        sqlx::query(
            "INSERT INTO daily_usage (account, package, day, used, left_over)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[], $4::int8[], $5::int8[])
                 ON CONFLICT (account, package, day) DO UPDATE
                SET used = daily_usage.used + excluded.used, left_over = excluded.left_over",
        )
        .bind(rows.iter().map(|((account, ..), _)| account.uuid()).collect::<Vec<_>>())
        .bind(rows.iter().map(|((_, package, _), _)| package.uuid()).collect::<Vec<_>>())
        .bind(rows.iter().map(|((.., day), _)| *day).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.used.micros()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.left.micros()).collect::<Vec<_>>())
        .execute(tx)
        .await?;
        Ok(())
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}
