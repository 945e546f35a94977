//! Reading what was counted, writing what is.

use std::collections::BTreeMap;

use aggregates::{AccountKey, LicenseId, OrderId, ProductId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::Key;
use super::counting::{Count, Counts, Sold};
use crate::rows::decode;

pub(super) async fn read_sold(
    tx: &mut PgConnection,
    orders: impl Iterator<Item = OrderId>,
) -> Result<BTreeMap<OrderId, Sold>, sqlx::Error> {
    let ids: Vec<_> = orders.map(|order| order.uuid()).collect();
    let read = |row: &PgRow| {
        let sold = Sold {
            account: AccountKey::from_uuid(row.try_get("account")?),
            product: ProductId::from_uuid(row.try_get("product")?),
            renewal: row.try_get("renewal")?,
            currency: row.try_get("currency")?,
            time_zone: row.try_get::<&str, _>("time_zone")?.parse().map_err(decode)?,
            placed_day: row.try_get("placed_day")?,
            expired: row.try_get("expired")?,
            paid_day: row.try_get("paid_day")?,
            payment: row.try_get("payment")?,
        };
        Ok((OrderId::from_uuid(row.try_get("id")?), sold))
    };
    let rows = sqlx::query("SELECT * FROM sold WHERE id = ANY ($1)").bind(&ids).fetch_all(tx).await?;
    rows.iter().map(read).collect()
}

pub(super) async fn write_sold(tx: &mut PgConnection, sold: &BTreeMap<OrderId, Sold>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO sold (id, account, product, renewal, currency, time_zone, placed_day, expired, paid_day, payment)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bool[], $5::text[], $6::text[], $7::date[],
                              $8::bool[], $9::date[], $10::text[])
             ON CONFLICT (id) DO UPDATE
            SET expired = excluded.expired, paid_day = excluded.paid_day, payment = excluded.payment",
    )
    .bind(sold.keys().map(|id| id.uuid()).collect::<Vec<_>>())
    .bind(sold.values().map(|row| row.account.uuid()).collect::<Vec<_>>())
    .bind(sold.values().map(|row| row.product.uuid()).collect::<Vec<_>>())
    .bind(sold.values().map(|row| row.renewal).collect::<Vec<_>>())
    .bind(sold.values().map(|row| row.currency.as_str()).collect::<Vec<_>>())
    .bind(sold.values().map(|row| row.time_zone.name()).collect::<Vec<_>>())
    .bind(sold.values().map(|row| row.placed_day).collect::<Vec<_>>())
    .bind(sold.values().map(|row| row.expired).collect::<Vec<_>>())
    .bind(sold.values().map(|row| row.paid_day).collect::<Vec<_>>())
    .bind(sold.values().map(|row| row.payment.as_deref()).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// In the order of their key, which every writer keeps: two of them never wait for each other.
pub(super) async fn add_counts(tx: &mut PgConnection, Counts(counts): &Counts) -> Result<(), sqlx::Error> {
    let of = |number: fn(&Count) -> i64| counts.values().map(number).collect::<Vec<_>>();
    let sums = |number: fn(&Count) -> i128| counts.values().map(|count| number(count).to_string()).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO sales AS s (day, product, currency, placed, converted, expired, paid, revenue, refunds, refunded)
         SELECT day, product, currency, placed, converted, expired, paid, revenue::numeric, refunds, refunded::numeric
           FROM unnest($1::date[], $2::uuid[], $3::text[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::text[],
                       $9::int8[], $10::text[])
                AS n (day, product, currency, placed, converted, expired, paid, revenue, refunds, refunded)
             ON CONFLICT (day, product, currency) DO UPDATE
            SET placed = s.placed + excluded.placed, converted = s.converted + excluded.converted,
                expired = s.expired + excluded.expired, paid = s.paid + excluded.paid,
                revenue = s.revenue + excluded.revenue, refunds = s.refunds + excluded.refunds,
                refunded = s.refunded + excluded.refunded",
    )
    .bind(counts.keys().map(|(day, ..)| *day).collect::<Vec<_>>())
    .bind(counts.keys().map(|(_, product, _)| product.uuid()).collect::<Vec<_>>())
    .bind(counts.keys().map(|(.., currency)| currency.as_str()).collect::<Vec<_>>())
    .bind(of(|count| count.placed))
    .bind(of(|count| count.converted))
    .bind(of(|count| count.expired))
    .bind(of(|count| count.paid))
    .bind(sums(|count| count.revenue))
    .bind(of(|count| count.refunds))
    .bind(sums(|count| count.refunded))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn write_keys(tx: &mut PgConnection, keys: BTreeMap<LicenseId, Key>) -> Result<(), sqlx::Error> {
    let (new, changed): (Vec<_>, Vec<_>) = keys.into_iter().partition(|(_, key)| key.uses.is_some());
    if !new.is_empty() {
        sqlx::query(
            "INSERT INTO keys_sold (license, uses, unused, revoked)
             SELECT * FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::bool[])",
        )
        .bind(new.iter().map(|(id, _)| id.uuid()).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, key)| key.uses.map(i64::from)).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, key)| key.unused.map(i64::from)).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, key)| key.revoked).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    }
    if !changed.is_empty() {
        sqlx::query(
            "UPDATE keys_sold k SET unused = coalesce(n.unused, k.unused), revoked = k.revoked OR n.revoked
               FROM unnest($1::uuid[], $2::int8[], $3::bool[]) AS n (license, unused, revoked)
              WHERE k.license = n.license",
        )
        .bind(changed.iter().map(|(id, _)| id.uuid()).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, key)| key.unused.map(i64::from)).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, key)| key.revoked).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    }
    Ok(())
}
