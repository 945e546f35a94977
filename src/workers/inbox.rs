//! Works off the inbox: claims what is due, takes each notification's news, settles all of them in one statement. Killed at
//! any point nothing is lost: what was claimed is due again, and what it has done it does not do twice.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Trouble, within};
use crate::dispatch::Dispatcher;
use crate::inbox::{self, NotificationState, Settled, Verdict};
use crate::vault::Vault;

const AT_ONCE: usize = 64;
/// Longer than one notification takes.
const LEASE: Duration = Duration::from_secs(60);
/// Providers have time-outs of their own that are shorter.
const WORK_MAX: Duration = Duration::from_secs(45);
const POLL: Duration = Duration::from_millis(250);
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
const CANNOT: &str = "notifications cannot be worked off";

/// Runs until `shutdown`; what was begun is finished. Any number of processes may.
pub async fn run(pool: PgPool, dispatch: Dispatcher, vault: Vault, wake: Arc<Notify>, shutdown: CancellationToken) {
    let mut trouble = Trouble::default();
    while !shutdown.is_cancelled() {
        let pause = match work_off(&pool, &dispatch, &vault).await {
            Ok(done) => {
                trouble.is_over(CANNOT);
                if done == AT_ONCE { Duration::ZERO } else { POLL }
            }
            Err(error) => {
                trouble.is(CANNOT, &error);
                AFTER_TROUBLE
            }
        };
        if pause.is_zero() {
            continue;
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// How many there were.
async fn work_off(pool: &PgPool, dispatch: &Dispatcher, vault: &Vault) -> Result<usize, sqlx::Error> {
    let due = within(inbox::claim(pool, AT_ONCE, LEASE)).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let mut working: JoinSet<Settled> = JoinSet::new();
    for claimed in due {
        let (dispatch, vault) = (dispatch.clone(), vault.clone());
        working.spawn(async move {
            let worked = tokio::time::timeout(WORK_MAX, inbox::work_on(&dispatch, &vault, &claimed)).await;
            let verdict = worked.unwrap_or_else(|_| too_slow());
            Settled { claimed, verdict }
        });
    }
    let mut settled = Vec::with_capacity(working.len());
    while let Some(worked) = working.join_next().await {
        match worked {
            Ok(worked) => settled.push(worked),
            // Its lease runs out, and it is tried again.
            Err(error) => tracing::error!(%error, "working on a notification failed"),
        }
    }
    within(inbox::settle(pool, &settled)).await?;
    Ok(settled.len())
}

fn too_slow() -> Verdict {
    Verdict {
        state: NotificationState::Waiting,
        reason: Some("it took too long".to_owned()),
        order: None,
        again_in: Duration::from_secs(30),
        forget: false,
    }
}
