//! Notifications that nobody could have signed: all of them are counted, a few are kept for a while, so that somebody can
//! see whether a secret is wrong or whether somebody is trying.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use metrics::counter;
use serde::Serialize;
use sqlx::{PgPool, Row};
use tokio_util::sync::CancellationToken;

use super::letter::{Letter, Shown};
use crate::vault::{Vault, VaultError};

/// Kept of one provider between two times of writing down: who sends thousands shows nothing new with each.
const SAMPLES_MAX: usize = 8;
/// Kept of one provider in all.
const KEPT_MAX: i64 = 1_000;
const KEPT_DAYS: f64 = 7.0;
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Clones share what was counted.
#[derive(Clone)]
pub struct Refusals {
    vault: Vault,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    counts: HashMap<(&'static str, String), i64>,
    samples: HashMap<&'static str, Vec<(String, Letter)>>,
}

impl Refusals {
    #[must_use]
    pub fn new(vault: Vault) -> Self {
        Self { vault, state: Arc::default() }
    }

    /// How something of the inbox arrived, for an admin's eyes.
    ///
    /// # Errors
    /// When the vault does not open it.
    pub async fn opened(&self, sealed: &str) -> Result<Shown, VaultError> {
        Ok(Letter::unseal(&self.vault, sealed).await?.shown())
    }

    /// `why` is one of few sentences.
    pub fn note(&self, provider: &'static str, why: &str, letter: Option<Letter>) {
        counter!("billing_ledger_notifications_refused_total", "provider" => provider).increment(1);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state.counts.entry((provider, why.to_owned())).or_default() += 1;
        let samples = state.samples.entry(provider).or_default();
        if let Some(letter) = letter.filter(|_| samples.len() < SAMPLES_MAX) {
            samples.push((why.to_owned(), letter));
        }
    }

    fn take(&self) -> State {
        std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes down what was counted, until `stop`, and once more then.
    pub async fn keep(self, pool: PgPool, stop: CancellationToken) {
        loop {
            let stopped = stop.run_until_cancelled(tokio::time::sleep(WRITE_EVERY)).await.is_none();
            let state = self.take();
            if !state.counts.is_empty()
                && let Err(error) = write(&pool, &self.vault, state).await
            {
                tracing::warn!(%error, "refused notifications were not written down; the metric has counted them");
            }
            if stopped {
                return;
            }
        }
    }
}

async fn write(pool: &PgPool, vault: &Vault, State { counts, samples }: State) -> anyhow::Result<()> {
    // Samples first, so that whoever sees one counted sees it; without them they are counted all the same.
    if let Err(error) = keep_samples(pool, vault, samples).await {
        tracing::warn!(%error, "refused notifications were counted, and none of them kept");
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort();
    sqlx::query(
        "INSERT INTO inbox.refusals AS r (provider, day, why, count)
         SELECT provider, (clock_timestamp() AT TIME ZONE 'UTC')::date, why, count
           FROM unnest($1::text[], $2::text[], $3::int8[]) AS n (provider, why, count)
         ON CONFLICT (provider, day, why) DO UPDATE SET count = r.count + excluded.count",
    )
    .bind(counts.iter().map(|((provider, _), _)| *provider).collect::<Vec<_>>())
    .bind(counts.iter().map(|((_, why), _)| why.as_str()).collect::<Vec<_>>())
    .bind(counts.iter().map(|(_, count)| *count).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}

/// Removes those that were kept long enough.
///
/// # Errors
/// When the database cannot be asked.
pub async fn prune(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM inbox.refused WHERE received_at < clock_timestamp() - $1 * interval '1 day'")
        .bind(KEPT_DAYS)
        .execute(pool)
        .await?;
    Ok(())
}

type Samples = HashMap<&'static str, Vec<(String, Letter)>>;

async fn keep_samples(pool: &PgPool, vault: &Vault, samples: Samples) -> anyhow::Result<()> {
    for (provider, samples) in samples {
        for (why, letter) in samples {
            let sealed = letter.seal(vault).await?;
            sqlx::query("INSERT INTO inbox.refused (provider, why, sealed) VALUES ($1, $2, $3)")
                .bind(provider)
                .bind(why)
                .bind(sealed)
                .execute(pool)
                .await?;
        }
        sqlx::query(
            "DELETE FROM inbox.refused
              WHERE provider = $1
                AND id <= (SELECT id FROM inbox.refused WHERE provider = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)",
        )
        .bind(provider)
        .bind(KEPT_MAX)
        .execute(pool)
        .await?;
    }
    Ok(())
}

/// How many were refused on a day (UTC), and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RefusalCount {
    #[schema(example = "alipay")]
    pub provider: String,
    pub day: NaiveDate,
    pub why: String,
    pub count: i64,
}

/// One that was kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RefusedView {
    pub id: i64,
    pub provider: String,
    pub why: String,
    pub received_at: DateTime<Utc>,
    pub arrived: Option<Shown>,
}

const DAYS_SHOWN: f64 = 31.0;

impl Refusals {
    /// Those of the last month, newest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn counts(pool: &PgPool, provider: Option<&str>) -> Result<Vec<RefusalCount>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT provider, day, why, count FROM inbox.refusals
              WHERE ($1::text IS NULL OR provider = $1) AND day > (clock_timestamp() - $2 * interval '1 day')::date
              ORDER BY day DESC, provider, why LIMIT 1000",
        )
        .bind(provider)
        .bind(DAYS_SHOWN)
        .fetch_all(pool)
        .await?;
        let count = |row: &sqlx::postgres::PgRow| {
            Ok(RefusalCount {
                provider: row.try_get("provider")?,
                day: row.try_get("day")?,
                why: row.try_get("why")?,
                count: row.try_get("count")?,
            })
        };
        rows.iter().map(count).collect()
    }

    /// Those that were kept, newest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn kept(
        &self,
        pool: &PgPool,
        provider: Option<&str>,
        limit: i64,
    ) -> Result<Vec<RefusedView>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT id, provider, why, sealed, received_at FROM inbox.refused
              WHERE $1::text IS NULL OR provider = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(provider)
        .bind(limit)
        .fetch_all(pool)
        .await?;
        let mut kept = Vec::with_capacity(rows.len());
        for row in &rows {
            let letter = Letter::unseal(&self.vault, row.try_get("sealed")?).await;
            kept.push(RefusedView {
                id: row.try_get("id")?,
                provider: row.try_get("provider")?,
                why: row.try_get("why")?,
                received_at: row.try_get("received_at")?,
                arrived: letter.ok().map(|letter| letter.shown()),
            });
        }
        Ok(kept)
    }
}
