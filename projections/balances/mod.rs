//! What an account has in credits: its balance, what of it is held, what is owed, and the grants that still have
//! something left or held.
//!
//! A grant that is used up has no row, so the table stays as small as what customers really have. Events say what a grant
//! has left, but of what is held only by how much it changes: that is added to the row.

pub mod query;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aggregates::credit_account::{Granted, Held, Settled, Taken};
use aggregates::{AccountKey, CreditAccountEvent, Credits, Event, GrantId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::rows::word;
use crate::{Fact, Projection, Unfit};

#[derive(Default)]
pub struct Balances {
    balances: HashMap<AccountKey, Balance>,
    grants: HashMap<(AccountKey, GrantId), Grant>,
}

/// What becomes of an account's row. `None`: as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Balance {
    balance: Credits,
    frozen: Option<Credits>,
    shortfall: Option<Credits>,
}

/// What becomes of a grant's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Grant {
    left: Credits,
    /// More or less held than before this batch.
    frozen: i64,
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
                self.stands(fact.account, spent.balance);
                Ok(())
            }
            CreditAccountEvent::Deducted(deducted) => {
                self.taken(fact.account, &deducted.from);
                self.stands(fact.account, deducted.balance);
                Ok(())
            }
            CreditAccountEvent::Overdrawn(overdrawn) => {
                self.stands(fact.account, overdrawn.balance).shortfall = Some(overdrawn.shortfall);
                Ok(())
            }
            CreditAccountEvent::Repaid(repaid) => {
                self.taken(fact.account, &repaid.from);
                self.stands(fact.account, repaid.balance).shortfall = Some(repaid.shortfall);
                Ok(())
            }
            CreditAccountEvent::ClawedBack(clawed_back) => {
                self.taken(fact.account, &clawed_back.from);
                self.stands(fact.account, clawed_back.balance).shortfall = Some(clawed_back.shortfall);
                Ok(())
            }
            CreditAccountEvent::Held(held) => self.held(fact.account, held),
            CreditAccountEvent::Settled(settled) => self.settled(fact.account, settled),
            CreditAccountEvent::Expired(expired) => {
                self.grant(fact.account, expired.grant).left = Credits::ZERO;
                self.stands(fact.account, expired.balance);
                Ok(())
            }
        }
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.write_balances(tx).await?;
        let mut grants: Vec<_> = self.grants.drain().collect();
        grants.sort_unstable_by_key(|(key, _)| *key);
        let used_up: Vec<_> = grants.iter().filter(|(_, grant)| grant.left.is_zero()).cloned().collect();
        let (given, changed): (Vec<_>, Vec<_>) = grants.into_iter().partition(|(_, grant)| grant.given.is_some());
        insert(tx, &given).await?;
        update(tx, &changed).await?;
        delete(tx, &used_up).await
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
        self.grants
            .insert((fact.account, granted.grant), Grant { left: granted.amount, frozen: 0, given: Some(given) });
        self.stands(fact.account, granted.balance);
        Ok(())
    }

    fn grant(&mut self, account: AccountKey, grant: GrantId) -> &mut Grant {
        self.grants.entry((account, grant)).or_default()
    }

    fn taken(&mut self, account: AccountKey, from: &[Taken]) {
        for taken in from {
            self.grant(account, taken.grant).left = taken.left;
        }
    }

    fn stands(&mut self, account: AccountKey, balance: Credits) -> &mut Balance {
        let row = self.balances.entry(account).or_default();
        row.balance = balance;
        row
    }

    fn held(&mut self, account: AccountKey, held: &Held) -> Result<(), Unfit> {
        for taken in &held.from {
            self.grant(account, taken.grant).set_aside(taken.amount.micros(), taken.left)?;
        }
        self.stands(account, held.balance).frozen = Some(held.frozen);
        Ok(())
    }

    fn settled(&mut self, account: AccountKey, settled: &Settled) -> Result<(), Unfit> {
        for part in &settled.parts {
            let let_go = part.spent.checked_add(part.returned).ok_or(TOO_MUCH)?;
            self.grant(account, part.grant).set_aside(-let_go.micros(), part.left)?;
        }
        self.stands(account, settled.balance).frozen = Some(settled.frozen);
        Ok(())
    }

    async fn write_balances(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.balances.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<_> = self.balances.drain().collect();
        rows.sort_unstable_by_key(|(account, _)| *account);
        let (accounts, balances): (Vec<_>, Vec<_>) =
            rows.iter().map(|(account, row)| (account.uuid(), row.balance.micros())).unzip();
        sqlx::query(
            "INSERT INTO balances (account, balance) SELECT * FROM unnest($1::uuid[], $2::int8[])
                 ON CONFLICT (account) DO UPDATE SET balance = excluded.balance",
        )
        .bind(&accounts)
        .bind(&balances)
        .execute(&mut *tx)
        .await?;
        rows.retain(|(_, row)| row.frozen.is_some() || row.shortfall.is_some());
        write_held_and_owed(tx, &rows).await
    }
}

const TOO_MUCH: Unfit = Unfit("more is held of a grant than can be counted");

impl Grant {
    fn set_aside(&mut self, more: i64, left: Credits) -> Result<(), Unfit> {
        self.frozen = self.frozen.checked_add(more).ok_or(TOO_MUCH)?;
        self.left = left;
        Ok(())
    }
}

/// Most movements change neither, so this is a statement of its own.
async fn write_held_and_owed(tx: &mut PgConnection, rows: &[(AccountKey, Balance)]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE balances b
            SET frozen = coalesce(n.frozen, b.frozen), shortfall = coalesce(n.shortfall, b.shortfall)
           FROM unnest($1::uuid[], $2::int8[], $3::int8[]) AS n (account, frozen, shortfall)
          WHERE b.account = n.account",
    )
    .bind(rows.iter().map(|(account, _)| account.uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.frozen.map(Credits::micros)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.shortfall.map(Credits::micros)).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

type Row = ((AccountKey, GrantId), Grant);

fn keys(rows: &[Row]) -> (Vec<uuid::Uuid>, Vec<uuid::Uuid>) {
    rows.iter().map(|((account, grant), _)| (account.uuid(), grant.uuid())).unzip()
}

fn frozen(rows: &[Row]) -> Vec<i64> {
    rows.iter().map(|(_, grant)| grant.frozen).collect()
}

async fn delete(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let (accounts, grants) = keys(rows);
    sqlx::query(
        "DELETE FROM grants g USING unnest($1::uuid[], $2::uuid[]) AS n (account, id)
          WHERE g.account = n.account AND g.id = n.id AND g.left_over = 0 AND g.frozen = 0",
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
        "UPDATE grants g SET left_over = n.left_over, frozen = g.frozen + n.frozen
           FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int8[]) AS n (account, id, left_over, frozen)
          WHERE g.account = n.account AND g.id = n.id",
    )
    .bind(&accounts)
    .bind(&grants)
    .bind(&left)
    .bind(frozen(rows))
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
        "INSERT INTO grants (account, id, left_over, frozen, source, amount, expires_at, position)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int8[], $5::text[], $6::int8[], $7::timestamptz[],
                              $8::int8[])
             ON CONFLICT (account, id) DO UPDATE
            SET left_over = excluded.left_over, frozen = excluded.frozen, source = excluded.source, amount = excluded.amount,
                expires_at = excluded.expires_at, position = excluded.position",
    )
    .bind(&accounts)
    .bind(&grants)
    .bind(&left)
    .bind(frozen(rows))
    .bind(given.iter().map(|given| given.source.as_str()).collect::<Vec<_>>())
    .bind(given.iter().map(|given| given.amount.micros()).collect::<Vec<_>>())
    .bind(given.iter().map(|given| given.expires_at).collect::<Vec<_>>())
    .bind(given.iter().map(|given| given.position).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
