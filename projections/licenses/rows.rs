//! What becomes of the rows of licenses and uses, and writing them. `None`: as it was.

use aggregates::{AccountKey, LicenseId, LicenseStatus, OrderId, ProductId, UseId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use super::Note;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct License {
    pub(super) issued: Option<Issued>,
    pub(super) bound: Option<(AccountKey, DateTime<Utc>)>,
    pub(super) left: Option<u32>,
    pub(super) revoked: Option<(String, DateTime<Utc>)>,
    pub(super) note: Option<Note>,
}

/// What was bought. It never changes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Issued {
    pub(super) account: AccountKey,
    pub(super) order: OrderId,
    pub(super) product: ProductId,
    pub(super) uses: u32,
    pub(super) features: Value,
    pub(super) key_sealed: String,
    pub(super) at: DateTime<Utc>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) taken: Option<Taken>,
    /// To be added to what was given back before.
    pub(super) given_back: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) at: DateTime<Utc>,
    pub(super) units: u32,
    pub(super) feature: Option<&'static str>,
    pub(super) reference: Option<String>,
}

type Row = (LicenseId, License);
type UseRow = ((LicenseId, UseId), Use);

pub(super) async fn insert(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    let new: Vec<_> = rows.iter().filter_map(|(id, row)| Some((id.uuid(), row.issued.as_ref()?))).collect();
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO licenses (id, account, order_id, product, uses, used, features, status, key_sealed, issued_at)
         SELECT id, account, order_id, product, uses, 0, features, status, key_sealed, issued_at
           FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int8[], $6::jsonb[], $7::text[], $8::text[],
                       $9::timestamptz[])
                AS n (id, account, order_id, product, uses, features, status, key_sealed, issued_at)",
    )
    .bind(new.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, row)| row.account.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, row)| row.order.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, row)| row.product.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, row)| i64::from(row.uses)).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, row)| &row.features).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, row)| LicenseStatus::of(false, row.uses).as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, row)| row.key_sealed.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, row)| row.at).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn update(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    let is_new_only = |row: &License| *row == License { issued: row.issued.clone(), ..License::default() };
    let rows: Vec<&Row> = rows.iter().filter(|(_, row)| !is_new_only(row)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE licenses l
            SET owner = coalesce(n.owner, l.owner), bound_at = coalesce(n.bound_at, l.bound_at),
                used = coalesce(l.uses - n.left_over, l.used),
                revoked_at = coalesce(n.revoked_at, l.revoked_at),
                revoked_reason = coalesce(n.revoked_reason, l.revoked_reason),
                status = CASE WHEN coalesce(n.revoked_at, l.revoked_at) IS NOT NULL THEN 'revoked'
                              WHEN coalesce(n.left_over, l.uses - l.used) = 0 THEN 'exhausted'
                              ELSE 'active' END,
                note_by = CASE WHEN n.note_by IS NULL THEN l.note_by ELSE n.note_by END,
                note_sealed = CASE WHEN n.note_by IS NULL THEN l.note_sealed ELSE n.note_sealed END
           FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::int8[], $5::timestamptz[], $6::text[], $7::uuid[],
                       $8::text[])
                AS n (id, owner, bound_at, left_over, revoked_at, revoked_reason, note_by, note_sealed)
          WHERE l.id = n.id",
    )
    .bind(rows.iter().map(|(id, _)| id.uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.bound.map(|(owner, _)| owner.uuid())).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.bound.map(|(_, at)| at)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.left.map(i64::from)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.revoked.as_ref().map(|(_, at)| *at)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.revoked.as_ref().map(|(reason, _)| reason.as_str())).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.note.as_ref().map(|(by, _)| by.uuid())).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.note.as_ref().and_then(|(_, sealed)| sealed.as_deref())).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// A use that the license had forgotten and that was said again is the same one, longer.
pub(super) async fn insert_uses(tx: &mut PgConnection, rows: &[UseRow]) -> Result<(), sqlx::Error> {
    let new: Vec<_> = rows.iter().filter_map(|(ids, row)| Some((ids, row.taken.as_ref()?))).collect();
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO license_uses AS u (license, use_id, at, units, given_back, feature, reference)
         SELECT license, use_id, at, units, 0, feature, reference
           FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::int8[], $5::text[], $6::text[])
                AS n (license, use_id, at, units, feature, reference)
         ON CONFLICT (license, use_id) DO UPDATE SET units = u.units + excluded.units",
    )
    .bind(new.iter().map(|((license, _), _)| license.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|((_, use_id), _)| use_id.uuid()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, taken)| taken.at).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, taken)| i64::from(taken.units)).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, taken)| taken.feature).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, taken)| taken.reference.as_deref()).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn give_back(tx: &mut PgConnection, rows: &[UseRow]) -> Result<(), sqlx::Error> {
    let rows: Vec<&UseRow> = rows.iter().filter(|(_, row)| row.given_back > 0).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE license_uses u
            SET given_back = u.given_back + n.given_back
           FROM unnest($1::uuid[], $2::uuid[], $3::int8[]) AS n (license, use_id, given_back)
          WHERE u.license = n.license AND u.use_id = n.use_id",
    )
    .bind(rows.iter().map(|((license, _), _)| license.uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|((_, use_id), _)| use_id.uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, row)| row.given_back).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
