//! Guessing keys is slow. Who asks for keys that are none of theirs is counted, by account and by address, in the
//! database that all servers share; too many misses lock out, and each time for longer.
//!
//! Time is the database's: there is one for all servers, and none that a sandbox can move.

use std::net::IpAddr;
use std::time::Duration;

use aggregates::AccountId;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgPool};
use utoipa::ToSchema;

/// So many misses of an account…
pub const ACCOUNT_MISSES_MAX: i32 = 10;
/// …or of an address, which may be that of many customers who have nothing to do with each other…
pub const ADDRESS_MISSES_MAX: i32 = 100;
/// …within this time lock out…
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// …for this long at first, and twice as long each time after that…
pub const LOCKOUT_MIN: Duration = Duration::from_secs(15 * 60);
/// …up to this. Who has been quiet for as long begins anew.
pub const LOCKOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// When there is nothing left to remember of somebody.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// Doubling further changes nothing, and would run out of numbers.
const DOUBLINGS_MAX: i32 = 7;

/// Whom misses are counted against. A back end speaks for many customers from one address, so that is not counted.
#[derive(Debug, Clone)]
pub struct Client {
    pub account: AccountId,
    pub address: Option<IpAddr>,
}

impl Client {
    /// In the order in which rows are locked.
    fn subjects(&self) -> (Vec<&'static str>, Vec<String>) {
        let account = ("account", self.account.to_string());
        let address = self.address.map(|address| ("address", address.to_string()));
        [account].into_iter().chain(address).unzip()
    }
}

/// For how many seconds more a client is locked out; `None`: it is not.
///
/// # Errors
/// When the database cannot be asked.
pub async fn locked(pool: &PgPool, client: &Client) -> Result<Option<u32>, sqlx::Error> {
    let (kinds, subjects) = client.subjects();
    let seconds: Option<i64> = sqlx::query_scalar(
        "SELECT ceil(extract(epoch FROM max(m.locked_until) - clock_timestamp()))::int8
           FROM guard.misses m JOIN unnest($1::text[], $2::text[]) AS n (kind, subject) USING (kind, subject)
          WHERE m.locked_until > clock_timestamp()",
    )
    .bind(kinds)
    .bind(subjects)
    .fetch_one(pool)
    .await?;
    Ok(seconds.map(|seconds| u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)))
}

/// Counts a miss against a client.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_miss(pool: &PgPool, client: &Client) -> Result<(), sqlx::Error> {
    let (kinds, subjects) = client.subjects();
    // One statement, so that a dropped future leaves no transaction behind.
    sqlx::query(
        "INSERT INTO guard.misses AS m (kind, subject, recent, last_at)
         SELECT kind, subject, ARRAY[clock_timestamp()], clock_timestamp()
           FROM unnest($1::text[], $2::text[]) AS n (kind, subject)
         ON CONFLICT (kind, subject) DO UPDATE
            SET (recent, last_at, lockouts, locked_until) = (
                SELECT CASE WHEN full_now THEN '{}' ELSE recent END, now_is,
                       CASE WHEN full_now THEN before + 1 ELSE before END,
                       CASE WHEN full_now THEN now_is + least($5 * power(2, least(before, $7)), $6)
                            ELSE m.locked_until END
                  FROM (SELECT recent, now_is, cardinality(recent) >= CASE m.kind WHEN 'address' THEN $8 ELSE $3 END AS full_now,
                               CASE WHEN m.locked_until > now_is - $6 THEN m.lockouts ELSE 0 END AS before
                          FROM (SELECT now_is,
                                       ARRAY(SELECT at FROM unnest(m.recent) AS at WHERE at > now_is - $4) || now_is
                                  FROM (SELECT clock_timestamp() AS now_is) AS clock) AS kept (now_is, recent)) AS next)",
    )
    .bind(kinds)
    .bind(subjects)
    .bind(ACCOUNT_MISSES_MAX)
    .bind(WINDOW)
    .bind(LOCKOUT_MIN)
    .bind(LOCKOUT_MAX)
    .bind(DOUBLINGS_MAX)
    .bind(ADDRESS_MISSES_MAX)
    .execute(pool)
    .await?;
    Ok(())
}

/// Who is locked out, or was lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, FromRow)]
pub struct LockoutView {
    /// `account` or `address`
    #[schema(example = "address")]
    pub kind: String,
    #[schema(example = "203.0.113.7")]
    pub subject: String,
    /// How often in a row.
    pub lockouts: i32,
    /// In the past: it is over, and counts for a day more.
    pub locked_until: DateTime<Utc>,
    pub last_miss_at: DateTime<Utc>,
}

/// Where a page ended: until when, the kind, the subject.
pub type Place = (DateTime<Utc>, String, String);

/// Up to `limit` lock-outs after the place, those that last longest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(pool: &PgPool, after: Option<&Place>, limit: i64) -> Result<Vec<LockoutView>, sqlx::Error> {
    sqlx::query_as(
        "SELECT kind, subject, lockouts, locked_until, last_at AS last_miss_at FROM guard.misses
          WHERE locked_until IS NOT NULL AND ($1::timestamptz IS NULL OR (locked_until, kind, subject) < ($1, $2, $3))
          ORDER BY locked_until DESC, kind DESC, subject DESC LIMIT $4",
    )
    .bind(after.map(|(until, ..)| *until))
    .bind(after.map(|(_, kind, _)| kind.as_str()))
    .bind(after.map(|(.., subject)| subject.as_str()))
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// Forgets up to `limit` who have been quiet for long; answers how many.
///
/// # Errors
/// When the database cannot be asked.
pub async fn prune(pool: &PgPool, limit: i64) -> Result<u64, sqlx::Error> {
    let gone = sqlx::query(
        "DELETE FROM guard.misses m
          USING (SELECT kind, subject FROM guard.misses
                  WHERE last_at < clock_timestamp() - $1
                    AND (locked_until IS NULL OR locked_until < clock_timestamp() - $2)
                  ORDER BY last_at LIMIT $3 FOR UPDATE SKIP LOCKED) AS quiet
          WHERE m.kind = quiet.kind AND m.subject = quiet.subject",
    )
    .bind(FORGOTTEN_AFTER)
    .bind(LOCKOUT_MAX)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(gone.rows_affected())
}
