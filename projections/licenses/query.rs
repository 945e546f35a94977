//! `GET /api/v1/keys`, what a key was used for, and what admins search. What is sealed leaves here as it is: the edge
//! opens it for whoever may read it, and shows it to nobody else.

use aggregates::{AccountKey, LicenseId, LicenseStatus, OrderId, ProductId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, QueryBuilder, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rows::{decode, from_json, from_word};

/// Licenses, or uses of one, in one answer.
pub const LICENSES_MAX: i64 = 1_000;

/// A license with nothing in it that only some may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LicenseView {
    pub id: Uuid,
    /// Who bought it, by their own name.
    pub account: String,
    /// Who used it first.
    pub owner: Option<String>,
    pub order_no: Option<String>,
    /// The number of its product in the catalogue…
    pub product: Option<u32>,
    /// …and what integrators call it.
    #[schema(example = "basic")]
    pub product_type: Option<String>,
    #[schema(value_type = String, example = "active")]
    pub status: LicenseStatus,
    pub uses: u32,
    pub used: u32,
    pub remaining: u32,
    #[schema(example = json!(["email_verify"]))]
    pub features: Vec<String>,
    pub issued_at: DateTime<Utc>,
    pub bound_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoked_reason: Option<String>,
}

/// A license and what of it is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedLicense {
    pub view: LicenseView,
    /// Where it is kept, and whose key opens it.
    pub home: AccountKey,
    pub owner: Option<AccountKey>,
    pub key: String,
    /// Its author, and what only their key opens.
    pub note: Option<(AccountKey, String)>,
}

impl SealedLicense {
    /// Whether an account may see it at all: it bought it, or uses it.
    #[must_use]
    pub fn is_known_to(&self, account: AccountKey) -> bool {
        self.home == account || self.owner == Some(account)
    }

    /// Whether it is this account's to use: bound to it, or bought by it and bound to nobody.
    #[must_use]
    pub fn is_of(&self, account: AccountKey) -> bool {
        self.owner.unwrap_or(self.home) == account
    }
}

/// Which licenses; everything that is `None` matches.
#[derive(Clone, Copy, Debug, Default)]
pub struct LicenseFilter {
    /// Bought or used by it.
    pub account: Option<AccountKey>,
    pub order: Option<OrderId>,
    pub status: Option<LicenseStatus>,
}

const SELECT: &str = "
SELECT l.id, l.account, l.owner, l.product, l.uses, l.used, l.features, l.status, l.key_sealed, l.note_sealed, l.note_by,
       l.issued_at, l.bound_at, l.revoked_at, l.revoked_reason, o.number AS order_no, p.code AS product_type,
       a.account_id AS bought_by, b.account_id AS used_by
  FROM read.licenses l
  JOIN ledger.accounts a ON a.log_part = get_byte(uuid_send(l.account), 1)::int2 AND a.account = l.account
  LEFT JOIN ledger.accounts b ON b.log_part = get_byte(uuid_send(l.owner), 1)::int2 AND b.account = l.owner
  LEFT JOIN read.orders o ON o.id = l.order_id
  LEFT JOIN read.products p ON p.product = l.product";

/// # Errors
/// When the database cannot be read.
pub async fn by_id(pool: &PgPool, id: LicenseId) -> Result<Option<SealedLicense>, sqlx::Error> {
    let sql = format!("{SELECT} WHERE l.id = $1");
    let row = sqlx::query(&sql).bind(id.uuid()).fetch_optional(pool).await?;
    row.as_ref().map(view).transpose()
}

/// Up to `limit` licenses issued before the one named by `before` (its time and id), or the newest ones.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(
    pool: &PgPool,
    filter: &LicenseFilter,
    before: Option<(DateTime<Utc>, LicenseId)>,
    limit: i64,
) -> Result<Vec<SealedLicense>, sqlx::Error> {
    let mut sql = QueryBuilder::new(SELECT);
    sql.push(" WHERE true");
    if let Some(account) = filter.account {
        sql.push(" AND (l.account = ").push_bind(account.uuid());
        sql.push(" OR l.owner = ").push_bind(account.uuid()).push(")");
    }
    if let Some(order) = filter.order {
        sql.push(" AND l.order_id = ").push_bind(order.uuid());
    }
    if let Some(status) = filter.status {
        sql.push(" AND l.status = ").push_bind(status.as_str());
    }
    if let Some((at, id)) = before {
        sql.push(" AND (l.issued_at, l.id) < (").push_bind(at).push(", ").push_bind(id.uuid()).push(")");
    }
    sql.push(" ORDER BY l.issued_at DESC, l.id DESC LIMIT ").push_bind(limit.clamp(0, LICENSES_MAX));
    sql.build().fetch_all(pool).await?.iter().map(view).collect()
}

fn view(row: &PgRow) -> Result<SealedLicense, sqlx::Error> {
    let count =
        |column: &str| -> Result<u32, sqlx::Error> { u32::try_from(row.try_get::<i64, _>(column)?).map_err(decode) };
    let (uses, used) = (count("uses")?, count("used")?);
    let account = |column: &str| -> Result<Option<AccountKey>, sqlx::Error> {
        Ok(row.try_get::<Option<Uuid>, _>(column)?.map(AccountKey::from_uuid))
    };
    let view = LicenseView {
        id: row.try_get("id")?,
        account: row.try_get("bought_by")?,
        owner: row.try_get("used_by")?,
        order_no: row.try_get("order_no")?,
        product: ProductId::from_uuid(row.try_get("product")?).number(),
        product_type: row.try_get("product_type")?,
        status: from_word(row.try_get("status")?)?,
        uses,
        used,
        remaining: uses.saturating_sub(used),
        features: from_json(row.try_get("features")?)?,
        issued_at: row.try_get("issued_at")?,
        bound_at: row.try_get("bound_at")?,
        revoked_at: row.try_get("revoked_at")?,
        revoked_reason: row.try_get("revoked_reason")?,
    };
    Ok(SealedLicense {
        view,
        home: AccountKey::from_uuid(row.try_get("account")?),
        owner: account("owner")?,
        key: row.try_get("key_sealed")?,
        note: account("note_by")?.zip(row.try_get("note_sealed")?),
    })
}

/// Units taken at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UseView {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    /// Taken…
    pub units: u32,
    /// …and given back, because nothing came of them.
    pub given_back: u32,
    #[schema(example = "email_verify")]
    pub feature: Option<String>,
    pub reference: Option<String>,
}

/// Which uses; everything that is `None` matches.
#[derive(Clone, Copy, Debug, Default)]
pub struct UseFilter {
    /// At or after…
    pub from: Option<DateTime<Utc>>,
    /// …and before.
    pub to: Option<DateTime<Utc>>,
}

/// Up to `limit` uses before the one named by `before` (its time and id), or the newest ones.
///
/// # Errors
/// When the database cannot be read.
pub async fn uses(
    pool: &PgPool,
    license: LicenseId,
    filter: UseFilter,
    before: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<UseView>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT use_id, at, units, given_back, feature, reference FROM read.license_uses
          WHERE license = $1 AND ($2::timestamptz IS NULL OR (at, use_id) < ($2, $3))
            AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6)
          ORDER BY at DESC, use_id DESC LIMIT $4",
    )
    .bind(license.uuid())
    .bind(before.map(|(at, _)| at))
    .bind(before.map(|(_, id)| id))
    .bind(limit.clamp(0, LICENSES_MAX))
    .bind(filter.from)
    .bind(filter.to)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(UseView {
                id: row.try_get("use_id")?,
                at: row.try_get("at")?,
                units: u32::try_from(row.try_get::<i64, _>("units")?).map_err(decode)?,
                given_back: u32::try_from(row.try_get::<i64, _>("given_back")?).map_err(decode)?,
                feature: row.try_get("feature")?,
                reference: row.try_get("reference")?,
            })
        })
        .collect()
}
