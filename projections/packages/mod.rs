//! The packages that customers hold: their terms, how long they run, and what they will still pay in all.

pub mod query;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aggregates::user_package::{Activated, Moved};
use aggregates::{AccountKey, Credits, Event, UserPackageEvent, UserPackageId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::rows::word;
use crate::{Fact, Projection, Unfit};

const ACTIVE: &str = "active";
const EXPIRED: &str = "expired";
const REVOKED: &str = "revoked";

const TOO_MANY_DAYS: Unfit = Unfit("a package of so many days");
const TOO_MUCH_HELD: Unfit = Unfit("more held of a package than can be counted");

#[derive(Default)]
pub struct Packages {
    rows: HashMap<(AccountKey, UserPackageId), Package>,
}

/// What becomes of a package's row; `None`: as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Package {
    activated: Option<Terms>,
    left: Option<Credits>,
    status: Option<&'static str>,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    /// More or fewer of them than before.
    days: i32,
    held: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Terms {
    activated: Activated,
    day_rule: String,
}

#[async_trait]
impl Projection for Packages {
    fn name(&self) -> &'static str {
        "packages"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["packages"]
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit> {
        let Event::UserPackage(event) = fact.event else { return Ok(()) };
        let row = self.rows.entry((fact.account, UserPackageId::from_uuid(fact.aggregate.id))).or_default();
        match event {
            UserPackageEvent::Activated(activated) => {
                *row = Package {
                    activated: Some(Terms { activated: *activated, day_rule: word(&activated.day)? }),
                    left: Some(activated.left),
                    status: Some(ACTIVE),
                    starts_at: Some(activated.starts_at),
                    ends_at: Some(activated.ends_at),
                    days: days(activated.duration_days)?,
                    held: 0,
                };
            }
            UserPackageEvent::Consumed(consumed) => row.left = Some(consumed.left),
            UserPackageEvent::Expired(_) => row.status = Some(EXPIRED),
            UserPackageEvent::Extended(extended) => {
                row.days = row.days.checked_add(days(extended.days)?).ok_or(TOO_MANY_DAYS)?;
                (row.ends_at, row.left) = (Some(extended.ends_at), Some(extended.left));
            }
            UserPackageEvent::Shortened(shortened) => {
                row.days = row.days.checked_sub(days(shortened.days)?).ok_or(TOO_MANY_DAYS)?;
                (row.ends_at, row.left) = (Some(shortened.ends_at), Some(shortened.left));
            }
            UserPackageEvent::Moved(Moved { starts_at, ends_at }) => {
                (row.starts_at, row.ends_at) = (Some(*starts_at), Some(*ends_at));
            }
            UserPackageEvent::Revoked(_) => row.status = Some(REVOKED),
            UserPackageEvent::Held(held) => {
                row.held = row.held.checked_add(held.amount.micros()).ok_or(TOO_MUCH_HELD)?;
                row.left = Some(held.left);
            }
            UserPackageEvent::Settled(settled) => {
                let held = settled.amount.checked_add(settled.returned).ok_or(TOO_MUCH_HELD)?;
                row.held = row.held.checked_sub(held.micros()).ok_or(TOO_MUCH_HELD)?;
                row.left = Some(settled.left);
            }
        }
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut rows: Vec<_> = self.rows.drain().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        let (new, changed): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, row)| row.activated.is_some());
        insert(tx, &new).await?;
        update(tx, &changed).await
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

fn days(count: u32) -> Result<i32, Unfit> {
    i32::try_from(count).map_err(|_| TOO_MANY_DAYS)
}

type Row = ((AccountKey, UserPackageId), Package);

async fn insert(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let (accounts, packages): (Vec<_>, Vec<_>) =
        rows.iter().map(|((account, package), _)| (account.uuid(), package.uuid())).unzip();
    let terms: Vec<&Terms> = rows.iter().filter_map(|(_, row)| row.activated.as_ref()).collect();
    sqlx::query(
        "INSERT INTO packages (account, package, product, daily_limit, duration_days, time_zone, day_rule, starts_at,
                               ends_at, left_over, status, held)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int8[], $5::int4[], $6::text[], $7::text[],
                              $8::timestamptz[], $9::timestamptz[], $10::int8[], $11::text[], $12::int8[])",
    )
    .bind(&accounts)
    .bind(&packages)
    .bind(terms.iter().map(|terms| terms.activated.product.uuid()).collect::<Vec<_>>())
    .bind(terms.iter().map(|terms| terms.activated.daily_limit.micros()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.days).collect::<Vec<_>>())
    .bind(terms.iter().map(|terms| terms.activated.time_zone.name()).collect::<Vec<_>>())
    .bind(terms.iter().map(|terms| terms.day_rule.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.starts_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.ends_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.left.map(Credits::micros)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.status).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.held).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn update(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let (accounts, packages): (Vec<_>, Vec<_>) =
        rows.iter().map(|((account, package), _)| (account.uuid(), package.uuid())).unzip();
    sqlx::query(
        "UPDATE packages p
            SET left_over = coalesce(n.left_over, p.left_over), status = coalesce(n.status, p.status),
                starts_at = coalesce(n.starts_at, p.starts_at), ends_at = coalesce(n.ends_at, p.ends_at),
                duration_days = p.duration_days + n.days, held = p.held + n.held
           FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::int4[],
                       $8::int8[]) AS n (account, package, left_over, status, starts_at, ends_at, days, held)
          WHERE p.account = n.account AND p.package = n.package",
    )
    .bind(&accounts)
    .bind(&packages)
    .bind(rows.iter().map(|(_, row)| row.left.map(Credits::micros)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.status).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.starts_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.ends_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.days).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.held).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
