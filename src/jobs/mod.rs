//! Jobs: calls, mail and timers, each done once with effect, however often it is begun.
//!
//! ```text
//!            enqueue_in_tx                 claim                       Done
//!   (asked) ───────────────► queued ───────────────► running ─────────────────────► done
//!                              ▲  ▲                   │  │ lease runs out: claimed again
//!                              │  └── Failed, NotBefore  │ Failed for a day, GiveUp
//!                              └──────── retry_now ── dead
//!
//! mod.rs      what a job is, and what a handler must say
//! policy.rs   when to try again, and when to stop; pure
//! table.rs    the SQL: enqueue, claim, keep, settle, retry by hand
//! ```
//!
//! A claimed job carries a lease; its runner (`workers/jobs.rs`) renews it while it works and stops working when it
//! cannot. What a killed process held is claimed by another once the lease is out. So a handler must be safe to begin
//! again at any point, and may be dropped at any `await`: it holds no transaction open across one of its own, and nothing it
//! has begun goes on without it.

pub mod policy;
mod table;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use table::{
    Claimed, Count, Lease, Room, Settled, claim, counts, enqueue_in_tx, extend, hurry, prune_done, retry_now, settle,
};

/// A job to be done; said again with the same kind and key it is the same job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    pub kind: &'static str,
    pub key: String,
    /// Whose it is; `None` for the house's own.
    pub account_id: Option<String>,
    /// No personal data, no secrets.
    pub payload: serde_json::Value,
    pub when: When,
}

/// When a job may first run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Now,
    /// A timer, by the business clock.
    At(DateTime<Utc>),
}

/// A job as its handler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: i64,
    pub kind: String,
    pub key: String,
    pub account_id: Option<String>,
    pub payload: serde_json::Value,
    /// From 1, over the whole life of the job; numbers may be missing (a killed process, a shutdown, a timer that was
    /// early), none comes twice.
    pub attempt: i32,
    /// This one included, of this round: since the last retry by hand, and without those that were no attempt.
    pub tries: u32,
    /// Why the attempt before failed.
    pub last_error: Option<String>,
}

/// What became of one attempt. Reasons are short, and fit for an admin's eyes: no personal data, no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// To be tried again, as the policy says.
    Failed {
        reason: String,
    },
    /// Too early, by the business clock: not an attempt.
    NotBefore(DateTime<Utc>),
    /// Trying again by itself would not help; somebody must look at it.
    GiveUp {
        reason: String,
    },
}

impl Outcome {
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into() }
    }

    pub fn give_up(reason: impl Into<String>) -> Self {
        Self::GiveUp { reason: reason.into() }
    }
}

/// Does one kind of job. See the module's notes on being begun again and being dropped.
#[async_trait]
pub trait Handler: Send + Sync {
    fn kind(&self) -> &'static str;

    async fn run(&self, job: &Job) -> Outcome;

    /// Told of every failed attempt before it is settled: also of panics and of running too long. Nothing need be done:
    /// the runner has logged it, and the job shows it.
    ///
    /// # Errors
    /// When this could not be recorded; the job is settled all the same.
    async fn failed(&self, _job: &Job, _reason: &str) -> anyhow::Result<()> {
        Ok(())
    }

    /// Told that nobody will try again by themselves, before the job is dead.
    ///
    /// # Errors
    /// When this could not be recorded; the job is then tried once more instead of dying unseen.
    async fn gave_up(&self, _job: &Job, _reason: &str) -> anyhow::Result<()> {
        Ok(())
    }
}
