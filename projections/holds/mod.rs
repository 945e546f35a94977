//! Holds: what is set aside for work in progress, where, until when, and what became of it.

pub mod query;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aggregates::hold::{Released, Reserved, Settled};
use aggregates::{AccountKey, Credits, Event, HoldEvent, HoldId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::rows::{json, text};
use crate::{Fact, Projection, Unfit};

#[derive(Default)]
pub struct Holds {
    rows: HashMap<HoldId, Hold>,
}

/// What becomes of a hold's row. `None`: as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hold {
    reserved: Option<(AccountKey, Content)>,
    end: Option<End>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Content {
    amount: Credits,
    packages: Value,
    credits: Value,
    meter: Option<String>,
    reference: Option<String>,
    reserved_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    state: &'static str,
    charged: Credits,
    at: DateTime<Utc>,
}

#[async_trait]
impl Projection for Holds {
    fn name(&self) -> &'static str {
        "holds"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["holds"]
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit> {
        let Event::Hold(event) = fact.event else { return Ok(()) };
        let row = self.rows.entry(HoldId::from_uuid(fact.aggregate.id)).or_default();
        match event {
            HoldEvent::Reserved(reserved) => row.reserved = Some((fact.account, content(reserved)?)),
            HoldEvent::Settled(Settled { amount, at }) => {
                row.end = Some(End { state: "settled", charged: *amount, at: *at });
            }
            HoldEvent::Released(Released { timed_out, at }) => {
                let state = if *timed_out { "timed_out" } else { "released" };
                row.end = Some(End { state, charged: Credits::ZERO, at: *at });
            }
        }
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut rows: Vec<_> = self.rows.drain().collect();
        rows.sort_unstable_by_key(|(id, _)| *id);
        insert(tx, &rows).await?;
        finish(tx, &rows).await
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

fn content(reserved: &Reserved) -> Result<Content, Unfit> {
    Ok(Content {
        amount: reserved.amount,
        packages: json(&reserved.packages)?,
        credits: json(&reserved.credits)?,
        meter: reserved.meter.as_deref().map(text),
        reference: reserved.reference.as_deref().map(text),
        reserved_at: reserved.at,
        expires_at: reserved.expires_at,
    })
}

type Row = (HoldId, Hold);

async fn insert(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    let new: Vec<_> =
        rows.iter().filter_map(|(id, row)| row.reserved.as_ref().map(|(account, it)| (id, account, it))).collect();
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO holds (id, account, amount, packages, credits, meter, reference, reserved_at, expires_at, state)
         SELECT n.*, 'open'
           FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::jsonb[], $5::jsonb[], $6::text[], $7::text[],
                       $8::timestamptz[], $9::timestamptz[]) AS n",
    )
    .bind(new.iter().map(|(id, ..)| id.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, account, _)| account.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(.., it)| it.amount.micros()).collect::<Vec<_>>())
    .bind(new.iter().map(|(.., it)| it.packages.clone()).collect::<Vec<_>>())
    .bind(new.iter().map(|(.., it)| it.credits.clone()).collect::<Vec<_>>())
    .bind(new.iter().map(|(.., it)| it.meter.as_deref()).collect::<Vec<_>>())
    .bind(new.iter().map(|(.., it)| it.reference.as_deref()).collect::<Vec<_>>())
    .bind(new.iter().map(|(.., it)| it.reserved_at).collect::<Vec<_>>())
    .bind(new.iter().map(|(.., it)| it.expires_at).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn finish(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    let ended: Vec<_> = rows.iter().filter_map(|(id, row)| row.end.map(|end| (id.uuid(), end))).collect();
    if ended.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE holds h SET state = n.state, charged = n.charged, finished_at = n.at
           FROM unnest($1::uuid[], $2::text[], $3::int8[], $4::timestamptz[]) AS n (id, state, charged, at)
          WHERE h.id = n.id",
    )
    .bind(ended.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(ended.iter().map(|(_, end)| end.state).collect::<Vec<_>>())
    .bind(ended.iter().map(|(_, end)| end.charged.micros()).collect::<Vec<_>>())
    .bind(ended.iter().map(|(_, end)| end.at).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
