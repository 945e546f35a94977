//! What an account has in credits: its balance, and the grants that still have something left.
//!
//! A grant with nothing left has no row, so the table stays as small as what customers really have.

pub mod query;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aggregates::credit_account::{Granted, Taken};
use aggregates::{AccountKey, CreditAccountEvent, Credits, Event, GrantId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::rows::word;
use crate::{Fact, Projection, Unfit};

#[derive(Default)]
pub struct Balances {
    balances: HashMap<AccountKey, Credits>,
    grants: HashMap<(AccountKey, GrantId), Grant>,
}

/// What becomes of a grant's row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    left: Credits,
    /// It was given in this batch.
    given: Option<Given>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    source: String,
    amount: Credits,
    expires_at: Option<DateTime<Utc>>,
    /// Of two that expire together the older is spent first.
    position: i64,
}

#[async_trait]
impl Projection for Balances {
    fn name(&self) -> &'static str {
        "balances"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["balances", "grants"]
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit> {
        let Event::CreditAccount(event) = fact.event else { return Ok(()) };
        match event {
            CreditAccountEvent::Granted(granted) => self.given(fact, granted),
            CreditAccountEvent::Spent(spent) => {
                self.taken(fact.account, &spent.from);
                self.balances.insert(fact.account, spent.balance);
                Ok(())
            }
            CreditAccountEvent::Deducted(deducted) => {
                self.taken(fact.account, &deducted.from);
                self.balances.insert(fact.account, deducted.balance);
                Ok(())
            }
            CreditAccountEvent::Overdrawn(_)
            | CreditAccountEvent::Repaid(_)
            | CreditAccountEvent::Held(_)
            | CreditAccountEvent::Settled(_)
            | CreditAccountEvent::Expired(_)
            | CreditAccountEvent::ClawedBack(_) => Ok(()),
        }
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.write_balances(tx).await?;
        let mut grants: Vec<_> = self.grants.drain().collect();
        grants.sort_unstable_by_key(|(key, _)| *key);
        let (gone, kept): (Vec<_>, Vec<_>) = grants.into_iter().partition(|(_, grant)| grant.left.is_zero());
        let (given, changed): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(_, grant)| grant.given.is_some());
        delete(tx, &gone).await?;
        update(tx, &changed).await?;
        insert(tx, &given).await
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Balances {
    fn given(&mut self, fact: &Fact<'_>, granted: &Granted) -> Result<(), Unfit> {
        let given = Given {
            source: word(&granted.source)?,
            amount: granted.amount,
            expires_at: granted.expires_at,
            position: fact.position,
        };
        self.grants.insert((fact.account, granted.grant), Grant { left: granted.amount, given: Some(given) });
        self.balances.insert(fact.account, granted.balance);
        Ok(())
    }

    fn taken(&mut self, account: AccountKey, from: &[Taken]) {
        for taken in from {
            let grant = self.grants.entry((account, taken.grant));
            grant.or_insert(Grant { left: taken.left, given: None }).left = taken.left;
        }
    }

    async fn write_balances(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.balances.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<_> = self.balances.drain().collect();
        rows.sort_unstable_by_key(|(account, _)| *account);
        let (accounts, balances): (Vec<_>, Vec<_>) =
            rows.iter().map(|(account, balance)| (account.uuid(), balance.micros())).unzip();
        sqlx::query(
            "INSERT INTO balances (account, balance) SELECT * FROM unnest($1::uuid[], $2::int8[])
                 ON CONFLICT (account) DO UPDATE SET balance = excluded.balance",
        )
        .bind(&accounts)
        .bind(&balances)
        .execute(tx)
        .await?;
        Ok(())
    }
}

type Row = ((AccountKey, GrantId), Grant);

fn keys(rows: &[Row]) -> (Vec<uuid::Uuid>, Vec<uuid::Uuid>) {
    rows.iter().map(|((account, grant), _)| (account.uuid(), grant.uuid())).unzip()
}

async fn delete(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let (accounts, grants) = keys(rows);
    sqlx::query(
        "DELETE FROM grants g USING unnest($1::uuid[], $2::uuid[]) AS n (account, id)
          WHERE g.account = n.account AND g.id = n.id",
    )
    .bind(&accounts)
    .bind(&grants)
    .execute(tx)
    .await?;
    Ok(())
}

async fn update(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let (accounts, grants) = keys(rows);
    let left: Vec<i64> = rows.iter().map(|(_, grant)| grant.left.micros()).collect();
    sqlx::query(
        "UPDATE grants g SET left_over = n.left_over FROM unnest($1::uuid[], $2::uuid[], $3::int8[]) AS n (account, id, left_over)
          WHERE g.account = n.account AND g.id = n.id",
    )
    .bind(&accounts)
    .bind(&grants)
    .bind(&left)
    .execute(tx)
    .await?;
    Ok(())
}

async fn insert(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let (accounts, grants) = keys(rows);
    let left: Vec<i64> = rows.iter().map(|(_, grant)| grant.left.micros()).collect();
    let given: Vec<&Given> = rows.iter().filter_map(|(_, grant)| grant.given.as_ref()).collect();
    sqlx::query(
        "INSERT INTO grants (account, id, left_over, source, amount, expires_at, position)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::text[], $5::int8[], $6::timestamptz[], $7::int8[])
             ON CONFLICT (account, id) DO UPDATE
            SET left_over = excluded.left_over, source = excluded.source, amount = excluded.amount,
                expires_at = excluded.expires_at, position = excluded.position",
    )
    .bind(&accounts)
    .bind(&grants)
    .bind(&left)
    .bind(given.iter().map(|given| given.source.as_str()).collect::<Vec<_>>())
    .bind(given.iter().map(|given| given.amount.micros()).collect::<Vec<_>>())
    .bind(given.iter().map(|given| given.expires_at).collect::<Vec<_>>())
    .bind(given.iter().map(|given| given.position).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
