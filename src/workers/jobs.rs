//! Runs jobs: claims what is ready, a bounded number of each kind at a time, keeps each lease while its handler works,
//! and settles what became of it. Each kind has places of its own: a service that hangs holds up nobody else's jobs.
//!
//! Killed at any point, nothing is lost: the lease runs out and somebody else begins again. A runner that cannot renew
//! a lease in time drops that handler before the lease is over, and a handler leaves nothing running when it is dropped
//! (`jobs::Handler`): so two never work on one job at once. What it had sent by then may still have its effect.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt;
use sqlx::PgPool;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::jobs::policy::{Next, after_failure};
use crate::jobs::{self, Claimed, Handler, Lease, Outcome, Room, Settled};
use crate::workers::{Trouble, within};

/// How jobs are run.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// Jobs of one kind at once, in this process.
    pub places: usize,
    /// How often to look when nobody wakes us.
    pub poll: Duration,
    /// How long a silent runner keeps a job from the others. Renewed every third of it.
    pub lease: Duration,
    /// No attempt takes longer.
    pub attempt_max: Duration,
    /// How long a shutdown waits for running jobs; what is not done by then is dropped and given back. Longer than a
    /// mail may take: one that is broken off may have been taken, and leaves again.
    pub shutdown_wait: Duration,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            places: 4,
            poll: Duration::from_millis(200),
            lease: Duration::from_secs(15),
            attempt_max: Duration::from_secs(120),
            shutdown_wait: Duration::from_secs(35),
        }
    }
}

/// After trouble, so that a database that is down is not hammered.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// What became of the jobs that were due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// By kind: done, and to be tried again.
    counts: HashMap<String, (u32, u32)>,
    /// The bound was reached: there may be more.
    pub more: bool,
}

impl Ran {
    /// Done, and to be tried again.
    #[must_use]
    pub fn of(&self, kind: &str) -> (u32, u32) {
        self.counts.get(kind).copied().unwrap_or_default()
    }

    fn in_all(&self, kind: &str) -> usize {
        let (done, again) = self.of(kind);
        usize::try_from(done.saturating_add(again)).unwrap_or(usize::MAX)
    }

    fn count(&mut self, kind: String, is_done: bool) {
        let (done, again) = self.counts.entry(kind).or_default();
        let counted = if is_done { done } else { again };
        *counted = counted.saturating_add(1);
    }
}

/// Runs the jobs its handlers know. Jobs of other kinds stay for processes that know them.
pub struct JobRunner {
    pool: PgPool,
    clock: Clock,
    options: JobOptions,
    handlers: HashMap<&'static str, Arc<dyn Handler>>,
    places: HashMap<&'static str, Arc<Semaphore>>,
    wake: Arc<Notify>,
    owner: String,
}

impl JobRunner {
    pub fn new(pool: PgPool, clock: Clock, handlers: Vec<Arc<dyn Handler>>, options: JobOptions) -> Self {
        let handlers: HashMap<_, _> = handlers.into_iter().map(|handler| (handler.kind(), handler)).collect();
        let places = |kind: &&'static str| (*kind, Arc::new(Semaphore::new(options.places.max(1))));
        let places = handlers.keys().map(places).collect();
        let owner = format!("{}-{}", std::process::id(), uuid::Uuid::new_v4().simple());
        Self { pool, clock, options, handlers, places, wake: Arc::new(Notify::new()), owner }
    }

    /// `notify_one` on this has the runner look at once.
    #[must_use]
    pub fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    /// Runs until `shutdown`, then waits for what is running, within bounds.
    pub async fn run(self, shutdown: CancellationToken) {
        const CANNOT: &str = "jobs cannot be claimed";
        let runner = Arc::new(self);
        let running = TaskTracker::new();
        let abandon = CancellationToken::new();
        let mut trouble = Trouble::default();
        while !shutdown.is_cancelled() {
            let (pause, may_wake) = match runner.start_some(&running, &abandon).await {
                Ok(()) => {
                    trouble.is_over(CANNOT);
                    (runner.options.poll, true)
                }
                Err(error) => {
                    trouble.is(CANNOT, &error);
                    (AFTER_TROUBLE, false)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = runner.wake.notified(), if may_wake => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        running.close();
        if tokio::time::timeout(runner.options.shutdown_wait, running.wait()).await.is_err() {
            abandon.cancel();
            running.wait().await;
        }
    }

    /// Runs what is due at the moment, to its end and no more than `most` jobs of each kind; for whoever asks for it at
    /// once. What others are running is theirs.
    ///
    /// # Errors
    /// When jobs cannot be claimed. What was claimed before that is done.
    pub async fn run_due(self, most: usize) -> Result<Ran, sqlx::Error> {
        let mut ran = Ran::default();
        let abandon = CancellationToken::new();
        loop {
            let rooms: Vec<Room> = self.handlers.keys().map(|kind| self.room_for(kind, most, &ran)).collect();
            let (began, now) = (Instant::now(), self.clock.now());
            let claimed = within(jobs::claim(&self.pool, &rooms, &self.owner, self.options.lease, now)).await?;
            if claimed.is_empty() {
                ran.more = rooms.iter().any(|room| room.places == 0);
                return Ok(ran);
            }
            let working = claimed.into_iter().map(|claimed| {
                let abandon = &abandon;
                let runner = &self;
                async move {
                    let kind = claimed.job.kind.clone();
                    (kind, runner.work(claimed, began, abandon).await)
                }
            });
            for (kind, done) in futures_util::future::join_all(working).await {
                ran.count(kind, done);
            }
        }
    }

    /// No more at once than there are places, and no more in all than `most`.
    fn room_for(&self, kind: &'static str, most: usize, ran: &Ran) -> Room {
        let left = most.saturating_sub(ran.in_all(kind));
        Room { kind, places: u32::try_from(left.min(self.options.places)).unwrap_or(u32::MAX) }
    }

    /// Claims as many jobs of each kind as there is room for. There may be more: who ends one wakes us.
    async fn start_some(
        self: &Arc<Self>,
        running: &TaskTracker,
        abandon: &CancellationToken,
    ) -> Result<(), sqlx::Error> {
        // Places first, jobs second: what is claimed starts at once.
        let mut reserved = HashMap::new();
        let mut rooms = Vec::new();
        for (kind, places) in &self.places {
            let room = u32::try_from(places.available_permits()).unwrap_or(u32::MAX);
            if let (1.., Ok(permits)) = (room, places.clone().try_acquire_many_owned(room)) {
                reserved.insert(*kind, permits);
                rooms.push(Room { kind, places: room });
            }
        }
        if rooms.is_empty() {
            return Ok(());
        }
        let (began, now) = (Instant::now(), self.clock.now());
        let claimed = within(jobs::claim(&self.pool, &rooms, &self.owner, self.options.lease, now)).await?;
        for claimed in claimed {
            let place = reserved.get_mut(claimed.job.kind.as_str()).and_then(|permits| permits.split(1));
            let Some(place) = place else { continue };
            let (runner, abandon) = (self.clone(), abandon.clone());
            running.spawn(async move {
                runner.work(claimed, began, &abandon).await;
                drop(place);
                runner.wake.notify_one();
            });
        }
        Ok(())
    }

    /// One attempt, from claim to settlement: whether the job is done. `began` is from before the claim, so its lease is
    /// over no earlier.
    async fn work(&self, claimed: Claimed, began: Instant, abandon: &CancellationToken) -> bool {
        let lease = claimed.lease;
        let settled = tokio::select! {
            settled = self.attempt(&claimed, began) => settled,
            () = self.keep(lease, began) => {
                tracing::warn!(job = claimed.job.id, kind = claimed.job.kind, "a lease could not be kept; stopped");
                return false;
            }
            () = abandon.cancelled() => Settled::Released,
        };
        let done = settled == Settled::Done;
        match within(jobs::settle(&self.pool, lease, settled)).await {
            Ok(true) => return done,
            Ok(false) => tracing::warn!(job = lease.job, "a lease had run out before its job was settled"),
            Err(error) => tracing::warn!(job = lease.job, %error, "a job could not be settled; it will be run again"),
        }
        false
    }

    /// Returns once the lease can no longer be relied on.
    async fn keep(&self, lease: Lease, began: Instant) {
        // A third of the lease is kept back: time enough to stop before anybody else starts.
        let every = self.options.lease / 3;
        let mut renewed = began;
        loop {
            tokio::time::sleep_until(renewed + every).await;
            let last_moment = renewed + every * 2;
            loop {
                let asked = Instant::now();
                let extending = jobs::extend(&self.pool, lease, self.options.lease);
                match tokio::time::timeout_at(last_moment, extending).await {
                    Ok(Ok(true)) => {
                        renewed = asked;
                        break;
                    }
                    Ok(Ok(false)) | Err(_) => return,
                    Ok(Err(error)) => tracing::debug!(job = lease.job, %error, "a lease was not renewed yet"),
                }
                tokio::time::sleep(every / 10).await;
            }
        }
    }

    async fn attempt(&self, claimed: &Claimed, began: Instant) -> Settled {
        let job = &claimed.job;
        let Some(handler) = self.handlers.get(job.kind.as_str()) else { return Settled::Released };
        let running = AssertUnwindSafe(handler.run(job)).catch_unwind();
        let outcome = match tokio::time::timeout(self.options.attempt_max, running).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => Outcome::failed("internal error: the handler panicked"),
            Err(_) => Outcome::failed(format!("not finished after {} s", self.options.attempt_max.as_secs())),
        };
        match outcome {
            Outcome::Done => Settled::Done,
            Outcome::NotBefore(time) => Settled::NotBefore(time),
            Outcome::Failed { reason } => {
                self.tell(claimed, &reason).await;
                let trying_for = claimed.trying_for + TimeDelta::from_std(began.elapsed()).unwrap_or(TimeDelta::MAX);
                match after_failure(job.tries, trying_for, rand::random()) {
                    Next::After(after) => Settled::Again { after, reason },
                    Next::Dead => self.bury(claimed, reason).await,
                }
            }
            Outcome::GiveUp { reason } => {
                self.tell(claimed, &reason).await;
                self.bury(claimed, reason).await
            }
        }
    }

    async fn tell(&self, claimed: &Claimed, reason: &str) {
        let job = &claimed.job;
        tracing::info!(job = job.id, kind = job.kind, key = job.key, attempt = job.attempt, reason, "a job failed");
        let Some(handler) = self.handlers.get(job.kind.as_str()) else { return };
        if let Err(error) = handler.failed(job, reason).await {
            tracing::warn!(job = job.id, kind = job.kind, %error, "a failed attempt could not be recorded");
        }
    }

    /// A job dies only once its death is on record.
    async fn bury(&self, claimed: &Claimed, reason: String) -> Settled {
        let job = &claimed.job;
        let Some(handler) = self.handlers.get(job.kind.as_str()) else { return Settled::Released };
        match handler.gave_up(job, &reason).await {
            Ok(()) => {
                tracing::warn!(job = job.id, kind = job.kind, key = job.key, reason, "a job is dead");
                Settled::Dead { reason }
            }
            Err(error) => {
                tracing::warn!(job = job.id, kind = job.kind, %error, "giving up could not be recorded");
                Settled::Again { after: self.options.lease, reason }
            }
        }
    }
}
