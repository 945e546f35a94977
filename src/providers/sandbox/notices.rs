//! Notices on their way from the sandbox to the ledger, over HTTP like any provider's: late, twice, out of order or never,
//! as its faults say; and again and again until they are acknowledged.
//!
//! ```text
//!   queue ──► sandbox.notices ── due ──► claimed for a while ──► POST …/payments/notify ── 2xx ──► gone
//!                                              ▲                        └── anything else: later, a few times
//!                                              └── a sender that fell silent
//! ```

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use sqlx::{PgPool, Row};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::faults::Faults;

const PATH: &str = "api/v1/payments/notify";
const LOOK_EVERY: Duration = Duration::from_millis(100);
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
const AT_ONCE_MAX: i64 = 8;
/// Longer than one attempt takes.
const CLAIM_SECONDS: f64 = 30.0;
const TIMEOUT: Duration = Duration::from_secs(15);
const ATTEMPTS_MAX: i32 = 12;
/// How long the first of two waits to be overtaken.
const HOLD_SECONDS: f64 = 5.0;

/// Puts a notice on its way.
pub(super) async fn queue(pool: &PgPool, body: &str, faults: &Faults) -> Result<(), sqlx::Error> {
    if faults.lose {
        return Ok(());
    }
    // The one that is held goes right behind this one; where none is, this one is held.
    sqlx::query(
        "WITH overtaken AS (
             UPDATE sandbox.notices SET held = false, send_at = clock_timestamp() + ($3 + 0.5) * interval '1 second'
              WHERE held AND $4 RETURNING id)
         INSERT INTO sandbox.notices (body, copies, held, send_at)
         SELECT $1, $2, h.held, clock_timestamp() + $3 * interval '1 second'
                                + CASE WHEN h.held THEN $5 ELSE 0 END * interval '1 second'
           FROM (SELECT $4 AND NOT EXISTS (SELECT FROM overtaken) AS held) h",
    )
    .bind(body)
    .bind(i32::try_from(faults.repeat.saturating_add(1)).unwrap_or(i32::MAX))
    .bind(f64::from(faults.delay_seconds))
    .bind(faults.reorder)
    .bind(HOLD_SECONDS)
    .execute(pool)
    .await?;
    Ok(())
}

struct Notice {
    id: i64,
    body: String,
    copies: i32,
    attempts: i32,
}

/// Sends what is due, until `shutdown`. Any number of processes may.
pub async fn send(pool: PgPool, server: Url, shutdown: CancellationToken) {
    let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    let (Ok(http), Ok(url)) = (http, address(&server)) else {
        tracing::error!("the sandbox cannot send notices: no HTTP client, or no address to send them to");
        return;
    };
    while !shutdown.is_cancelled() {
        let pause = match shutdown.run_until_cancelled(send_due(&pool, &http, &url)).await {
            Some(Ok(0)) => LOOK_EVERY,
            Some(Ok(_)) => continue,
            Some(Err(error)) => {
                tracing::warn!(%error, "the sandbox's notices cannot be read");
                AFTER_TROUBLE
            }
            None => return,
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn address(server: &Url) -> Result<Url, url::ParseError> {
    format!("{}/{PATH}", server.as_str().trim_end_matches('/')).parse()
}

async fn send_due(pool: &PgPool, http: &reqwest::Client, url: &Url) -> Result<usize, sqlx::Error> {
    let due = claim(pool).await?;
    let count = due.len();
    let mut sending: JoinSet<_> = due
        .into_iter()
        .map(|notice| {
            let (pool, http, url) = (pool.clone(), http.clone(), url.clone());
            async move { deliver(&pool, &http, url, notice).await }
        })
        .collect();
    while let Some(sent) = sending.join_next().await {
        if let Ok(Err(error)) = sent {
            tracing::warn!(%error, "what became of a notice of the sandbox was not noted");
        }
    }
    Ok(count)
}

async fn claim(pool: &PgPool) -> Result<Vec<Notice>, sqlx::Error> {
    let rows = sqlx::query(
        "UPDATE sandbox.notices n
            SET send_at = clock_timestamp() + $2 * interval '1 second', attempts = attempts + 1, held = false
          WHERE id IN (SELECT id FROM sandbox.notices WHERE send_at <= clock_timestamp() ORDER BY send_at, id LIMIT $1
                          FOR UPDATE SKIP LOCKED)
         RETURNING id, body, copies, attempts",
    )
    .bind(AT_ONCE_MAX)
    .bind(CLAIM_SECONDS)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Notice {
                id: row.try_get("id")?,
                body: row.try_get("body")?,
                copies: row.try_get("copies")?,
                attempts: row.try_get("attempts")?,
            })
        })
        .collect()
}

async fn deliver(pool: &PgPool, http: &reqwest::Client, url: Url, notice: Notice) -> Result<(), sqlx::Error> {
    let answer = http.post(url).header(CONTENT_TYPE, "application/json").body(notice.body).send().await;
    let refused = match answer {
        Ok(answer) if answer.status().is_success() => None,
        Ok(answer) => Some(answer.status().to_string()),
        Err(error) => Some(error.without_url().to_string()),
    };
    match refused {
        None if notice.copies > 1 => again(pool, notice.id, 1, 0).await,
        None => forget(pool, notice.id).await,
        Some(refused) if notice.attempts >= ATTEMPTS_MAX => {
            tracing::warn!(refused, "a notice of the sandbox was never acknowledged");
            forget(pool, notice.id).await
        }
        Some(_) => {
            let doublings = u32::try_from(notice.attempts).unwrap_or_default().min(6);
            again(pool, notice.id, 0, 1 << doublings.saturating_sub(1)).await
        }
    }
}

async fn again(pool: &PgPool, id: i64, copies: i32, seconds: i32) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE sandbox.notices
            SET copies = copies - $2, attempts = CASE WHEN $2 > 0 THEN 0 ELSE attempts END,
                send_at = clock_timestamp() + $3 * interval '1 second'
          WHERE id = $1",
    )
    .bind(id)
    .bind(copies)
    .bind(seconds)
    .execute(pool)
    .await?;
    Ok(())
}

async fn forget(pool: &PgPool, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sandbox.notices WHERE id = $1").bind(id).execute(pool).await?;
    Ok(())
}
