//! The SQL of jobs. Every statement stands alone, so none of these futures leaves a transaction behind when dropped.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool, Row};
use uuid::Uuid;

use super::{Job, NewJob, When};

/// What is kept of a reason.
const REASON_CHARS_MAX: usize = 500;

/// Adds jobs in the caller's transaction; those that are known already stay as they are. Answers how many are new.
///
/// # Errors
/// When the database refuses.
pub async fn enqueue_in_tx(connection: &mut PgConnection, jobs: &[NewJob]) -> Result<u64, sqlx::Error> {
    if jobs.is_empty() {
        return Ok(0);
    }
    let kinds: Vec<&str> = jobs.iter().map(|job| job.kind).collect();
    let keys: Vec<&str> = jobs.iter().map(|job| job.key.as_str()).collect();
    let accounts: Vec<Option<&str>> = jobs.iter().map(|job| job.account_id.as_deref()).collect();
    let payloads: Vec<String> = jobs.iter().map(|job| job.payload.to_string()).collect();
    let timers: Vec<Option<DateTime<Utc>>> = jobs.iter().map(|job| job.when.timer()).collect();
    let added = sqlx::query(
        "INSERT INTO jobs.jobs (kind, key, account_id, payload, run_at, by_business_clock)
         SELECT n.kind, n.key, n.account_id, n.payload::json, coalesce(n.timer, clock_timestamp()), n.timer IS NOT NULL
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
                AS n (kind, key, account_id, payload, timer)
          ORDER BY n.kind, n.key
         ON CONFLICT (kind, key) DO NOTHING",
    )
    .bind(kinds)
    .bind(keys)
    .bind(accounts)
    .bind(payloads)
    .bind(timers)
    .execute(connection)
    .await?;
    Ok(added.rows_affected())
}

impl When {
    fn timer(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Now => None,
            Self::At(time) => Some(time),
        }
    }
}

/// The right to work on a job, until it runs out. Every claim gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub job: i64,
    pub token: Uuid,
}

#[derive(Debug, Clone)]
pub struct Claimed {
    pub job: Job,
    pub lease: Lease,
    /// Since the round's first attempt.
    pub trying_for: TimeDelta,
}

/// How many jobs of a kind may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub kind: &'static str,
    pub places: u32,
}

/// Takes jobs, of each kind as many as there is room for: timers that are due, then those whose runner has fallen
/// silent, then those that are ready. Two callers never get the same one.
///
/// # Errors
/// When the database cannot be asked.
pub async fn claim(
    pool: &PgPool,
    rooms: &[Room],
    owner: &str,
    lease: Duration,
    business_now: DateTime<Utc>,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let kinds: Vec<&str> = rooms.iter().map(|room| room.kind).collect();
    let places: Vec<i64> = rooms.iter().map(|room| i64::from(room.places)).collect();
    // Three range scans of two small indexes for each kind. What is locked by another claimer is passed over, not
    // waited for.
    let rows = sqlx::query(
        "WITH rooms AS (SELECT r.kind, r.places FROM unnest($1::text[], $5::int8[]) AS r (kind, places)),
         due AS (
             SELECT r.kind, 1 AS turn, j.run_at AS since, j.id FROM rooms r CROSS JOIN LATERAL (
                 SELECT id, run_at FROM jobs.jobs
                  WHERE state = 'queued' AND kind = r.kind AND by_business_clock AND run_at <= $4
                  ORDER BY run_at LIMIT r.places FOR UPDATE SKIP LOCKED) j),
         lapsed AS (
             SELECT r.kind, 2 AS turn, j.lease_until AS since, j.id FROM rooms r CROSS JOIN LATERAL (
                 SELECT id, lease_until FROM jobs.jobs
                  WHERE state = 'running' AND kind = r.kind AND lease_until < clock_timestamp()
                  ORDER BY lease_until LIMIT r.places FOR UPDATE SKIP LOCKED) j),
         ready AS (
             SELECT r.kind, 3 AS turn, j.run_at AS since, j.id FROM rooms r CROSS JOIN LATERAL (
                 SELECT id, run_at FROM jobs.jobs
                  WHERE state = 'queued' AND kind = r.kind AND NOT by_business_clock AND run_at <= clock_timestamp()
                  ORDER BY run_at LIMIT r.places FOR UPDATE SKIP LOCKED) j),
         queue AS (
             SELECT id, kind, row_number() OVER (PARTITION BY kind ORDER BY turn, since, id) AS place
               FROM (TABLE due UNION ALL TABLE lapsed UNION ALL TABLE ready) all_of_them),
         chosen AS (SELECT q.id FROM queue q JOIN rooms r USING (kind) WHERE q.place <= r.places)
         UPDATE jobs.jobs j
            SET state = 'running', lease = gen_random_uuid(), lease_owner = $2,
                lease_until = clock_timestamp() + $3 * interval '1 millisecond',
                attempts = j.attempts + 1, tries = j.tries + 1,
                round_began_at = coalesce(j.round_began_at, clock_timestamp()), updated_at = clock_timestamp()
           FROM chosen WHERE j.id = chosen.id
         RETURNING j.id, j.kind, j.key, j.account_id, j.payload, j.attempts, j.lease, j.tries, j.last_error,
                   (extract(epoch FROM clock_timestamp() - j.round_began_at) * 1000)::int8 AS trying_for_ms",
    )
    .bind(kinds)
    .bind(owner)
    .bind(millis(lease))
    .bind(business_now)
    .bind(places)
    .fetch_all(pool)
    .await?;
    rows.iter().map(claimed).collect()
}

fn claimed(row: &sqlx::postgres::PgRow) -> Result<Claimed, sqlx::Error> {
    let job = Job {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        key: row.try_get("key")?,
        account_id: row.try_get("account_id")?,
        payload: row.try_get("payload")?,
        attempt: row.try_get("attempts")?,
        tries: u32::try_from(row.try_get::<i32, _>("tries")?).unwrap_or(1),
        last_error: row.try_get("last_error")?,
    };
    let lease = Lease { job: job.id, token: row.try_get("lease")? };
    Ok(Claimed { job, lease, trying_for: TimeDelta::milliseconds(row.try_get("trying_for_ms")?) })
}

/// Keeps a lease for another while; `false` when it is somebody else's by now.
///
/// # Errors
/// When the database cannot be asked.
pub async fn extend(pool: &PgPool, lease: Lease, by: Duration) -> Result<bool, sqlx::Error> {
    let kept = sqlx::query(
        "UPDATE jobs.jobs SET lease_until = clock_timestamp() + $3 * interval '1 millisecond'
          WHERE id = $1 AND lease = $2",
    )
    .bind(lease.job)
    .bind(lease.token)
    .bind(millis(by))
    .execute(pool)
    .await?;
    Ok(kept.rows_affected() == 1)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What a job's row becomes after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    Done,
    /// Tried again after a pause.
    Again {
        after: Duration,
        reason: String,
    },
    /// Too early by the business clock: that was no try. Its number is used up.
    NotBefore(DateTime<Utc>),
    /// Not finished and nobody's fault (a shutdown): no try, and free for whoever comes next. Its number is used up: a
    /// failure may have been told under it.
    Released,
    Dead {
        reason: String,
    },
}

/// Ends a lease; `false` when it had run out and the job is somebody else's by now. Where a retry was asked for in the
/// meantime, a job that is not done is ready at once, in a new round.
///
/// # Errors
/// When the database cannot be asked.
pub async fn settle(pool: &PgPool, lease: Lease, settled: Settled) -> Result<bool, sqlx::Error> {
    let (state, pause, timer, no_try, reason) = match settled {
        Settled::Done => ("done", Duration::ZERO, None, false, None),
        Settled::Again { after, reason } => ("queued", after, None, false, Some(short(&reason))),
        Settled::NotBefore(time) => ("queued", Duration::ZERO, Some(time), true, None),
        Settled::Released => ("queued", Duration::ZERO, None, true, None),
        Settled::Dead { reason } => ("dead", Duration::ZERO, None, false, Some(short(&reason))),
    };
    let ended = sqlx::query(
        "UPDATE jobs.jobs
            SET state = CASE WHEN retry_asked AND $3 = 'dead' THEN 'queued' ELSE $3 END,
                run_at = CASE WHEN retry_asked THEN clock_timestamp()
                              ELSE coalesce($5, clock_timestamp() + $4 * interval '1 millisecond') END,
                by_business_clock = $5 IS NOT NULL AND NOT retry_asked,
                tries = CASE WHEN retry_asked THEN 0 ELSE tries - $6::int4 END,
                round_began_at = CASE WHEN retry_asked OR tries - $6::int4 = 0 THEN NULL ELSE round_began_at END,
                last_error = CASE WHEN $3 = 'done' THEN NULL ELSE coalesce($7, last_error) END,
                retry_asked = false, lease = NULL, lease_owner = NULL, lease_until = NULL,
                updated_at = clock_timestamp()
          WHERE id = $1 AND lease = $2",
    )
    .bind(lease.job)
    .bind(lease.token)
    .bind(state)
    .bind(millis(pause))
    .bind(timer)
    .bind(i32::from(no_try))
    .bind(reason)
    .execute(pool)
    .await?;
    Ok(ended.rows_affected() == 1)
}

fn short(reason: &str) -> String {
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_CHARS_MAX).collect()
}

/// Has a job tried again at once, in a new round; also one that is running, should it fail. `false` when there is no
/// such job, or it is done.
///
/// # Errors
/// When the database cannot be asked.
pub async fn retry_now(executor: impl PgExecutor<'_>, kind: &str, key: &str) -> Result<bool, sqlx::Error> {
    let asked = sqlx::query(
        "UPDATE jobs.jobs
            SET state = CASE WHEN state = 'dead' THEN 'queued' ELSE state END,
                run_at = CASE WHEN state = 'running' THEN run_at ELSE clock_timestamp() END,
                by_business_clock = by_business_clock AND state = 'running',
                tries = CASE WHEN state = 'running' THEN tries ELSE 0 END,
                round_began_at = CASE WHEN state = 'running' THEN round_began_at END,
                retry_asked = state = 'running', updated_at = clock_timestamp()
          WHERE kind = $1 AND key = $2 AND state <> 'done'",
    )
    .bind(kind)
    .bind(key)
    .execute(executor)
    .await?;
    Ok(asked.rows_affected() == 1)
}

/// Has what waits for one account tried at once: what it waits for has changed.
///
/// # Errors
/// When the database cannot be asked.
pub async fn hurry(executor: impl PgExecutor<'_>, account_id: &str, kinds: &[&str]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE jobs.jobs SET run_at = clock_timestamp(), by_business_clock = false, updated_at = clock_timestamp()
          WHERE account_id = $1 AND kind = ANY ($2) AND state = 'queued'",
    )
    .bind(account_id)
    .bind(kinds)
    .execute(executor)
    .await?;
    Ok(())
}

/// How many jobs there are of each kind that are not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    pub kind: String,
    pub state: String,
    pub jobs: i64,
}

/// For metrics: what waits, runs and is dead.
///
/// # Errors
/// When the database cannot be asked.
pub async fn counts(pool: &PgPool) -> Result<Vec<Count>, sqlx::Error> {
    let rows = sqlx::query("SELECT kind, state, count(*) AS jobs FROM jobs.jobs WHERE state <> 'done' GROUP BY 1, 2");
    let count = |row: &sqlx::postgres::PgRow| {
        Ok(Count { kind: row.try_get("kind")?, state: row.try_get("state")?, jobs: row.try_get("jobs")? })
    };
    rows.fetch_all(pool).await?.iter().map(count).collect()
}

/// Removes up to `most` jobs that were done before `before`, oldest first. What asked for them has been read long ago,
/// and is not read again.
///
/// # Errors
/// When the database cannot be asked.
pub async fn prune_done(pool: &PgPool, before: DateTime<Utc>, most: i64) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query(
        "DELETE FROM jobs.jobs WHERE id IN (
             SELECT id FROM jobs.jobs WHERE state = 'done' AND updated_at < $1 ORDER BY updated_at LIMIT $2
                FOR UPDATE SKIP LOCKED)",
    )
    .bind(before)
    .bind(most)
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}
