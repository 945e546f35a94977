//! Deliveries: an API key made, then mailed; and what went wrong on the way, or why it was given back.

pub mod query;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aggregates::{AccountKey, DeliveryEvent, DeliveryId, DeliveryStep, Event, OrderId, UserPackageId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::rows::text;
use crate::{Fact, Projection, Unfit};

const WITHDRAWN: &str = "withdrawn";

#[derive(Default)]
pub struct Deliveries {
    rows: HashMap<DeliveryId, Delivery>,
}

/// What becomes of a delivery's row. `None`: as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Delivery {
    requested: Option<(AccountKey, OrderId, UserPackageId, DateTime<Utc>)>,
    state: Option<&'static str>,
    step: Option<&'static str>,
    /// To be added to those before.
    attempts: Vec<Value>,
    key: Option<(String, String)>,
    message_id: Option<String>,
    changed_at: Option<DateTime<Utc>>,
}

#[async_trait]
impl Projection for Deliveries {
    fn name(&self) -> &'static str {
        "deliveries"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["deliveries"]
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit> {
        let Event::Delivery(event) = fact.event else { return Ok(()) };
        let row = self.rows.entry(DeliveryId::from_uuid(fact.aggregate.id)).or_default();
        row.changed_at = Some(match event {
            DeliveryEvent::Requested(requested) => {
                row.requested = Some((fact.account, requested.order, requested.user_package, requested.at));
                row.wants(DeliveryStep::CreateKey);
                requested.at
            }
            DeliveryEvent::KeyCreated(key) => {
                row.key = Some((text(&key.key_id), text(&key.last_four)));
                // Of what was withdrawn nothing is wanted any more.
                if row.state != Some(WITHDRAWN) {
                    row.wants(DeliveryStep::SendMail);
                }
                key.at
            }
            DeliveryEvent::MailSent(mail) => {
                row.message_id = Some(text(&mail.message_id));
                row.state = Some("delivered");
                mail.at
            }
            DeliveryEvent::AttemptFailed(failed) => {
                row.attempts.push(json!({
                    "step": failed.step.as_str(), "attempt": failed.attempt, "reason": text(&failed.reason),
                    "at": failed.at,
                }));
                failed.at
            }
            DeliveryEvent::GivenUp(given_up) => {
                row.state = Some("given_up");
                given_up.at
            }
            DeliveryEvent::Retried(retried) => {
                row.wants(retried.step);
                retried.at
            }
            DeliveryEvent::Withdrawn(withdrawn) => {
                row.state = Some(WITHDRAWN);
                row.attempts.push(json!({
                    "step": withdrawn.step.as_str(), "reason": text(&withdrawn.reason), "at": withdrawn.at,
                }));
                withdrawn.at
            }
        });
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut rows: Vec<_> = self.rows.drain().collect();
        rows.sort_unstable_by_key(|(id, _)| *id);
        insert(tx, &rows).await?;
        update(tx, &rows).await
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Delivery {
    fn wants(&mut self, step: DeliveryStep) {
        self.step = Some(step.as_str());
        self.state = Some(match step {
            DeliveryStep::CreateKey => "requested",
            DeliveryStep::SendMail => "key_created",
        });
    }
}

type Row = (DeliveryId, Delivery);

async fn insert(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    let new: Vec<_> =
        rows.iter().filter_map(|(id, row)| row.requested.map(|requested| (id.uuid(), requested))).collect();
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO deliveries (id, account, order_id, user_package, requested_at, changed_at, state, step, attempts)
         SELECT id, account, order_id, user_package, requested_at, requested_at, 'requested', 'create_key', '[]'
           FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[])
                AS n (id, account, order_id, user_package, requested_at)",
    )
    .bind(new.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, (account, ..))| account.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, (_, order, ..))| order.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, (_, _, package, _))| package.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, (.., at))| *at).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn update(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    let is_new_only = |row: &Delivery| {
        row.requested.is_some() && row.state == Some("requested") && row.attempts.is_empty() && row.key.is_none()
    };
    let rows: Vec<&Row> = rows.iter().filter(|(_, row)| !is_new_only(row)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE deliveries d
            SET state = CASE WHEN d.state = 'withdrawn' AND n.state <> 'delivered' THEN d.state
                             ELSE coalesce(n.state, d.state) END,
                step = CASE WHEN d.state = 'withdrawn' THEN d.step ELSE coalesce(n.step, d.step) END,
                attempts = d.attempts || n.attempts,
                key_id = coalesce(n.key_id, d.key_id), last_four = coalesce(n.last_four, d.last_four),
                message_id = coalesce(n.message_id, d.message_id), changed_at = coalesce(n.changed_at, d.changed_at)
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
                AS n (id, state, step, attempts, key_id, last_four, message_id, changed_at)
          WHERE d.id = n.id",
    )
    .bind(rows.iter().map(|(id, _)| id.uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.state).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.step).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| Value::Array(row.attempts.clone())).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.key.as_ref().map(|(id, _)| id.as_str())).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.key.as_ref().map(|(_, last_four)| last_four.as_str())).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.message_id.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.changed_at).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
