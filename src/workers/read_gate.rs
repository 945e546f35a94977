//! Read your writes: a read that names a position of the log waits, bounded, until the read models are there.
//!
//! Where the loop runs in this process it is asked in memory; the database is asked as well, now and then, because the
//! loop of another process may be the one that does the work.

use std::time::Duration;

use aggregates::LogPart;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::projections::{Handle, Positions};

const FIRST_LOOK: Duration = Duration::from_millis(5);
const LOOKS_APART_MAX: Duration = Duration::from_millis(100);

/// The read models were not there in time.
#[derive(Debug, thiserror::Error)]
#[error("the read models have not reached position {position} of partition {log_part} yet")]
pub struct Lagging {
    pub log_part: LogPart,
    pub position: i64,
    /// Why it could not be found out at all.
    #[source]
    pub trouble: Option<sqlx::Error>,
}

/// Lets reads wait for what they must see; clones share it.
#[derive(Debug, Clone)]
pub struct ReadGate {
    pool: PgPool,
    here: Option<Handle>,
}

impl ReadGate {
    /// `here` where the loop runs in this process.
    #[must_use]
    pub fn new(pool: PgPool, here: Option<Handle>) -> Self {
        Self { pool, here }
    }

    /// Returns when everything up to `position` is in the read models.
    ///
    /// # Errors
    /// When `bound` has passed before.
    pub async fn wait(&self, log_part: LogPart, position: i64, bound: Duration) -> Result<(), Lagging> {
        let deadline = Instant::now() + bound;
        let mut here = self.here.as_ref().map(Handle::positions);
        if here.as_mut().is_some_and(|here| has_reached(&here.borrow(), log_part, position)) {
            return Ok(());
        }
        if let Some(handle) = &self.here {
            handle.poke();
        }
        let mut apart = if here.is_some() { FIRST_LOOK } else { Duration::ZERO };
        loop {
            let look = (Instant::now() + apart).min(deadline);
            if heard(here.as_mut(), log_part, position, look).await {
                return Ok(());
            }
            let trouble = match timeout_at(deadline, self.stored(log_part)).await {
                Ok(Ok(stored)) if stored >= position => return Ok(()),
                Ok(Ok(_)) | Err(_) => None,
                Ok(Err(error)) => Some(error),
            };
            if Instant::now() >= deadline {
                return Err(Lagging { log_part, position, trouble });
            }
            apart = (apart * 2).clamp(FIRST_LOOK, LOOKS_APART_MAX);
        }
    }

    /// Whether the log has come that far at all: what it does not hold is not worth waiting for.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn is_written(&self, log_part: LogPart, position: i64) -> Result<bool, sqlx::Error> {
        let head: Option<i64> = sqlx::query_scalar("SELECT position FROM ledger.log_heads WHERE log_part = $1")
            .bind(i16::from(log_part.number()))
            .fetch_optional(&self.pool)
            .await?;
        Ok(head.unwrap_or(0) >= position)
    }

    async fn stored(&self, log_part: LogPart) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT position FROM read.checkpoints WHERE log_part = $1")
            .bind(i16::from(log_part.number()))
            .fetch_one(&self.pool)
            .await
    }
}

/// Whether the loop of this process gets there before `until`. Without a loop, it only waits.
async fn heard(
    here: Option<&mut watch::Receiver<Positions>>,
    log_part: LogPart,
    position: i64,
    until: Instant,
) -> bool {
    let Some(here) = here else {
        tokio::time::sleep_until(until).await;
        return false;
    };
    let reached = async { here.wait_for(|positions| has_reached(positions, log_part, position)).await.is_ok() };
    match timeout_at(until, reached).await {
        Ok(true) => true,
        Err(_) => false,
        // The loop has ended; the database still knows.
        Ok(false) => {
            tokio::time::sleep_until(until).await;
            false
        }
    }
}

fn has_reached(positions: &Positions, log_part: LogPart, position: i64) -> bool {
    positions.get(usize::from(log_part.number())).is_some_and(|reached| *reached >= position)
}
