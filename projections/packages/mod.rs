//! The packages that customers hold: their terms, how long they run, and what they will still pay in all.

pub mod query;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aggregates::user_package::Activated;
use aggregates::{AccountKey, Credits, Event, UserPackageEvent, UserPackageId};
use async_trait::async_trait;
use sqlx::PgConnection;

use crate::rows::word;
use crate::{Fact, Projection, Unfit};

const ACTIVE: &str = "active";
const EXPIRED: &str = "expired";

#[derive(Default)]
pub struct Packages {
    rows: HashMap<(AccountKey, UserPackageId), Package>,
}

/// What becomes of a package's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Package {
    activated: Option<Terms>,
    left: Option<Credits>,
    status: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Terms {
    activated: Activated,
    duration_days: i32,
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
                let duration_days =
                    i32::try_from(activated.duration_days).map_err(|_| Unfit("a package of so many days"))?;
                row.left = Some(activated.left);
                row.status = Some(ACTIVE);
                row.activated = Some(Terms { activated: *activated, duration_days, day_rule: word(&activated.day)? });
            }
            UserPackageEvent::Consumed(consumed) => row.left = Some(consumed.left),
            UserPackageEvent::Expired(_) => row.status = Some(EXPIRED),
            UserPackageEvent::Extended(_)
            | UserPackageEvent::Shortened(_)
            | UserPackageEvent::Moved(_)
            | UserPackageEvent::Revoked(_)
            | UserPackageEvent::Held(_)
            | UserPackageEvent::Settled(_) => {}
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
                               ends_at, left_over, status)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int8[], $5::int4[], $6::text[], $7::text[],
                              $8::timestamptz[], $9::timestamptz[], $10::int8[], $11::text[])",
    )
    .bind(&accounts)
    .bind(&packages)
    .bind(terms.iter().map(|terms| terms.activated.product.uuid()).collect::<Vec<_>>())
    .bind(terms.iter().map(|terms| terms.activated.daily_limit.micros()).collect::<Vec<_>>())
    .bind(terms.iter().map(|terms| terms.duration_days).collect::<Vec<_>>())
    .bind(terms.iter().map(|terms| terms.activated.time_zone.name()).collect::<Vec<_>>())
    .bind(terms.iter().map(|terms| terms.day_rule.as_str()).collect::<Vec<_>>())
    .bind(terms.iter().map(|terms| terms.activated.starts_at).collect::<Vec<_>>())
    .bind(terms.iter().map(|terms| terms.activated.ends_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.left.map(Credits::micros)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.status).collect::<Vec<_>>())
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
        "UPDATE packages p SET left_over = coalesce(n.left_over, p.left_over), status = coalesce(n.status, p.status)
           FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::text[]) AS n (account, package, left_over, status)
          WHERE p.account = n.account AND p.package = n.package",
    )
    .bind(&accounts)
    .bind(&packages)
    .bind(rows.iter().map(|(_, row)| row.left.map(Credits::micros)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.status).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
