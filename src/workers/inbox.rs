//! Works off the inbox: claims what is due, takes each notification's news, settles all of them in one statement. Killed at
//! any point nothing is lost: what was claimed is due again, and what it has done it does not do twice.
//!
//! Providers give up on us before customers do: while many notifications arrive here, few are worked off beside them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Trouble, within};
use crate::dispatch::Dispatcher;
use crate::inbox::{self, Arrivals, Claimed, Settled, Verdict};
use crate::vault::Vault;

const AT_ONCE: usize = 64;
const AT_ONCE_BESIDE_ARRIVALS: usize = 4;
/// Those that wait included: if it is the database that is slow, many more would make it slower.
const IN_ALL_BESIDE_ARRIVALS: usize = 24;
/// Whatever takes longer most likely waits for a provider, and takes nothing from arrivals.
const YOUNG: Duration = Duration::from_secs(1);
/// Longer than one notification takes.
const LEASE: Duration = Duration::from_secs(60);
/// Providers have time-outs of their own that are shorter.
const WORK_MAX: Duration = Duration::from_secs(45);
/// Between two looks when there is more than there was room for.
const LEAST_PAUSE: Duration = Duration::from_millis(1);
const POLL: Duration = Duration::from_millis(250);
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
const CANNOT: &str = "notifications cannot be worked off";

/// Runs until `shutdown`; what was begun is finished. Any number of processes may.
pub async fn run(pool: PgPool, dispatch: Dispatcher, vault: Vault, arrivals: Arrivals, shutdown: CancellationToken) {
    let mut worker = Worker { pool, dispatch, vault, arrivals, working: JoinSet::new(), claimed: HashMap::new() };
    let mut trouble = Trouble::default();
    while !shutdown.is_cancelled() {
        let pause = match worker.begin().await {
            Ok(begun) => {
                trouble.is_over(CANNOT);
                if begun { Duration::ZERO } else { POLL }
            }
            Err(error) => {
                trouble.is(CANNOT, &error);
                AFTER_TROUBLE
            }
        };
        let has_room = worker.room() > 0;
        // Room comes with time as well: arrivals end, and what is worked on grows old.
        let pause = if has_room { pause.max(LEAST_PAUSE) } else { POLL };
        let ended = tokio::select! {
            () = shutdown.cancelled() => None,
            ended = worker.working.join_next_with_id(), if !worker.working.is_empty() => ended,
            () = worker.arrivals.stored(), if has_room => None,
            () = tokio::time::sleep(pause) => None,
        };
        worker.settle(ended, &mut trouble).await;
    }
    while let Some(ended) = worker.working.join_next_with_id().await {
        worker.settle(Some(ended), &mut trouble).await;
    }
}

type Ended = Result<(Id, Verdict), JoinError>;

/// A provider that is silent holds up its own notifications and no others, as long as there is room.
struct Worker {
    pool: PgPool,
    dispatch: Dispatcher,
    vault: Vault,
    arrivals: Arrivals,
    working: JoinSet<Verdict>,
    claimed: HashMap<Id, Begun>,
}

/// A notification, and since when it is worked on.
type Begun = (Claimed, Instant);

impl Worker {
    fn room(&self) -> usize {
        let young = self.claimed.values().filter(|(_, since)| since.elapsed() < YOUNG).count();
        room(self.arrivals.are_pressing(), self.working.len(), young)
    }

    /// Whether there may be more to begin with.
    async fn begin(&mut self) -> Result<bool, sqlx::Error> {
        let room = self.room();
        if room == 0 {
            return Ok(false);
        }
        let due = within(inbox::claim(&self.pool, room, LEASE)).await?;
        let more = due.len() == room;
        for claimed in due {
            let (dispatch, vault, of) = (self.dispatch.clone(), self.vault.clone(), claimed.clone());
            let task = self.working.spawn(async move {
                let worked = tokio::time::timeout(WORK_MAX, inbox::work_on(&dispatch, &vault, &of)).await;
                worked.unwrap_or_else(|_| inbox::not_finished(&of, "it took too long"))
            });
            self.claimed.insert(task.id(), (claimed, Instant::now()));
        }
        Ok(more)
    }

    /// What has ended by now, in one statement. Where it cannot be said their leases run out, and they are tried again.
    async fn settle(&mut self, first: Option<Ended>, trouble: &mut Trouble) {
        let mut settled = Vec::new();
        let mut next = first;
        while let Some(ended) = next {
            settled.extend(verdict_of(&mut self.claimed, ended));
            next = self.working.try_join_next_with_id();
        }
        if settled.is_empty() {
            return;
        }
        if let Err(error) = within(inbox::settle(&self.pool, &settled)).await {
            trouble.is(CANNOT, &error);
        }
    }
}

/// How many more may be begun. Few at a time would be many statements.
fn room(pressing: bool, working: usize, young: usize) -> usize {
    let (in_all, at_once) =
        if pressing { (IN_ALL_BESIDE_ARRIVALS, AT_ONCE_BESIDE_ARRIVALS) } else { (AT_ONCE, AT_ONCE) };
    let room = in_all.saturating_sub(working).min(at_once.saturating_sub(young));
    if room >= at_once / 2 || young == 0 { room } else { 0 }
}

/// One that panicked is tried again, and harms no other.
fn verdict_of(claimed: &mut HashMap<Id, Begun>, ended: Ended) -> Option<Settled> {
    let (id, verdict) = match ended {
        Ok((id, verdict)) => (id, Some(verdict)),
        Err(error) => {
            tracing::error!(%error, "working on a notification failed");
            (error.id(), None)
        }
    };
    let (claimed, _) = claimed.remove(&id)?;
    let verdict = verdict.unwrap_or_else(|| inbox::not_finished(&claimed, "the ledger failed over it"));
    Some(Settled { claimed, verdict })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::NotificationState;

    #[test]
    fn beside_arrivals_few_are_worked_on_and_those_that_wait_do_not_count() {
        for (pressing, working, young, more) in [
            (false, 0, 0, 64),
            (false, 32, 32, 32),
            (false, 33, 33, 0),
            (false, 33, 0, 31),
            (false, 64, 0, 0),
            (true, 0, 0, 4),
            (true, 2, 2, 2),
            (true, 3, 3, 0),
            (true, 20, 0, 4),
            (true, 23, 0, 1),
            (true, 24, 0, 0),
            (true, 40, 40, 0),
        ] {
            assert_eq!(room(pressing, working, young), more, "{pressing} {working} {young}");
        }
    }

    #[tokio::test]
    async fn one_that_panics_waits_and_the_others_are_settled() {
        let mut working = JoinSet::new();
        let mut claimed = HashMap::new();
        for fails in [true, false] {
            let of = Claimed::example("wechat");
            let task = working.spawn(async move {
                assert!(!fails, "as a fault of the ledger would");
                Verdict { state: NotificationState::Done, ..inbox::not_finished(&Claimed::example("wechat"), "") }
            });
            claimed.insert(task.id(), (of, Instant::now()));
        }
        let mut states = Vec::new();
        while let Some(ended) = working.join_next_with_id().await {
            let Settled { verdict, .. } = verdict_of(&mut claimed, ended).unwrap();
            states.push((verdict.state.as_str(), verdict.reason, verdict.again_in.is_zero()));
        }
        states.sort();
        assert_eq!(states[0].0, "done");
        assert_eq!(states[1], ("waiting", Some("the ledger failed over it".to_owned()), false));
        assert!(claimed.is_empty());
    }
}
