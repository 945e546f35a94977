//! Many notifications stored in one statement: whoever comes while one is on its way goes with the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::arrivals::Arrivals;
use super::letter::Letter;
use crate::providers::Genuine;
use crate::vault::{Vault, VaultError};

/// In one statement.
const BATCH_MAX: usize = 256;
/// What waits, before providers are asked to come again.
const WAITING_MAX: usize = 4_096;
/// A provider gives up on us about then.
const WAIT_MAX: Duration = Duration::from_secs(4);

/// Not stored, and so not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("too many notifications wait to be stored")]
    Busy,
    #[error("the notification was not stored in time")]
    TooSlow,
    #[error("its headers are too long")]
    TooLong,
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the notification could not be stored: {0}")]
    Database(Arc<sqlx::Error>),
}

struct Item {
    provider: &'static str,
    genuine: Genuine,
    sealed: String,
    answer: oneshot::Sender<Result<(), Arc<sqlx::Error>>>,
}

/// Where notifications are handed in; clones share it.
#[derive(Clone)]
pub struct Intake {
    queue: mpsc::Sender<Item>,
    vault: Vault,
    arrivals: Arrivals,
}

impl Intake {
    /// And the task that stores what is handed in; it ends when the last clone is gone.
    pub fn new(pool: PgPool, vault: Vault, arrivals: Arrivals) -> (Self, impl Future<Output = ()>) {
        let (queue, received) = mpsc::channel(WAITING_MAX);
        (Self { queue, vault, arrivals: arrivals.clone() }, store_all(pool, received, arrivals))
    }

    /// Stores a notification. Without an error it is stored for good, and may be acknowledged.
    ///
    /// # Errors
    /// When it is not known to be stored.
    pub async fn take(
        &self,
        provider: &'static str,
        genuine: Genuine,
        letter: Option<Letter>,
    ) -> Result<(), IntakeError> {
        let _on_its_way = self.arrivals.on_its_way();
        let sealed = letter.ok_or(IntakeError::TooLong)?.seal(&self.vault).await?;
        let (answer, answered) = oneshot::channel();
        let item = Item { provider, genuine, sealed, answer };
        self.queue.try_send(item).map_err(|_| IntakeError::Busy)?;
        match timeout(WAIT_MAX, answered).await {
            Ok(Ok(stored)) => stored.map_err(IntakeError::Database),
            Ok(Err(_)) => Err(IntakeError::Busy),
            Err(_) => Err(IntakeError::TooSlow),
        }
    }
}

async fn store_all(pool: PgPool, mut received: mpsc::Receiver<Item>, arrivals: Arrivals) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while received.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let stored = timeout(WAIT_MAX, store(&pool, &batch)).await;
        let stored = stored.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(Arc::new);
        if stored.is_ok() {
            arrivals.are_stored();
        }
        for item in batch.drain(..) {
            // Who does not wait any more will be asked to come again by their own time-out.
            drop(item.answer.send(stored.clone()));
        }
    }
}

/// One that is known already is counted; where it waits and nobody works on it, it is worked on again now.
async fn store(pool: &PgPool, batch: &[Item]) -> Result<(), sqlx::Error> {
    let mut once: HashMap<(&str, &str), (&Item, i32)> = HashMap::with_capacity(batch.len());
    for item in batch {
        once.entry((item.provider, &item.genuine.key)).or_insert((item, 0)).1 += 1;
    }
    let mut rows: Vec<(&Item, i32)> = once.into_values().collect();
    // In one order for all processes, or two of them wait for each other.
    rows.sort_by(|(a, _), (b, _)| (a.provider, &a.genuine.key).cmp(&(b.provider, &b.genuine.key)));
    sqlx::query(
        "INSERT INTO inbox.notifications AS n (provider, key, event, sealed, copies)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[])
         ON CONFLICT (provider, key) DO UPDATE
            SET copies = n.copies + excluded.copies, last_copy_at = clock_timestamp(),
                due_at = CASE WHEN n.state = 'waiting' AND coalesce(n.leased_until < clock_timestamp(), true)
                              THEN least(n.due_at, clock_timestamp()) ELSE n.due_at END",
    )
    .bind(rows.iter().map(|(item, _)| item.provider).collect::<Vec<_>>())
    .bind(rows.iter().map(|(item, _)| item.genuine.key.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(item, _)| item.genuine.event.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(item, _)| item.sealed.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, copies)| *copies).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}
