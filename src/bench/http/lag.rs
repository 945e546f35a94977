//! How far the read models are behind the log, as the database has it.

use std::time::Duration;

use anyhow::bail;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) events: i64,
}

pub(super) async fn lag(pool: &PgPool) -> anyhow::Result<Lag> {
    let events = sqlx::query_scalar(
        "SELECT coalesce(sum(h.position - c.position), 0)::int8
           FROM ledger.log_heads h JOIN read.checkpoints c ON c.log_part = h.log_part",
    )
    .fetch_one(pool)
    .await?;
    Ok(Lag { events })
}

/// How long that took.
pub(super) async fn wait_until_caught_up(pool: &PgPool) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    while begin.elapsed() < CAUGHT_UP_WITHIN {
        if lag(pool).await?.events == 0 {
            return Ok(begin.elapsed());
        }
        sleep(BETWEEN_LOOKS).await;
    }
    bail!("the read models did not catch up within {} s", CAUGHT_UP_WITHIN.as_secs())
}
