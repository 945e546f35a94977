//! Charges over HTTP, counted from the outside: `billing-ledger loadtest`, and the load of `billing-ledger bench http`.
//!
//! ```text
//! mod.rs       what is to be done, and the threads that do it
//! target.rs    which server; only this machine unless told otherwise
//! accounts.rs  who is charged, drawn by Zipf's law, and the body that says so
//! link.rs      one connection, kept alive
//! pace.rs      when the next request is due: closed loop or open loop
//! caller.rs    one connection's worth of load: ask, count, connect again
//! set_up.rs    credits for the accounts, through the API
//! report.rs    what was counted
//! ```
//!
//! The generator shares its cores with the server and the database it measures, so it is built to cost little: bodies
//! and headers are made once, of an answer only the status is looked at, and a thread drives its connections alone.
//!
//! It counts honestly. In the open loop a request's latency runs from when it was due, not from when a connection was
//! free for it. Only answers that recorded a charge have a latency and count as charges; everything else is counted by
//! its kind. A request that may have been sent is never sent again.

// Throughput and time are floats; money never is.
#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

mod accounts;
mod caller;
mod link;
mod pace;
mod report;
mod set_up;
mod target;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

pub use accounts::Accounts;
pub(crate) use link::{Link, Unanswered};
pub use report::{Percentiles, Report};
pub use set_up::set_up;
pub(crate) use target::Asked;

use caller::Caller;
use pace::Pace;
use report::Counts;
use target::Target;

/// Answers that are still under way at the end are waited for so long.
const GRACE: Duration = Duration::from_secs(5);
const CONNECTIONS_MAX: usize = 10_000;
const SECONDS_MAX: u64 = 24 * 60 * 60;
const THREADS_MAX: usize = 64;

/// Which server, on whose behalf.
#[derive(Clone, Debug)]
pub struct Server {
    pub url: Url,
    pub token: SecretString,
    /// Addresses that are not this machine's may be loaded too.
    pub allow_remote: bool,
}

/// How much load, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub connections: usize,
    pub duration: Duration,
    /// So many charges a second, however long the answers take; `None`: as fast as the answers come back.
    pub per_second: Option<f64>,
    pub threads: usize,
}

impl Load {
    fn check(&self) -> anyhow::Result<()> {
        let Self { connections, duration, per_second, threads } = *self;
        ensure!((1..=CONNECTIONS_MAX).contains(&connections), "connections: from 1 to {CONNECTIONS_MAX}");
        ensure!((1..=THREADS_MAX).contains(&threads), "threads: from 1 to {THREADS_MAX}");
        ensure!(threads <= connections, "a thread without a connection has nothing to do");
        let longest = Duration::from_secs(SECONDS_MAX);
        ensure!(!duration.is_zero() && duration <= longest, "seconds: from 1 to {SECONDS_MAX}");
        ensure!(per_second.is_none_or(|rate| rate.is_finite() && rate > 0.0), "a rate is more than nothing a second");
        Ok(())
    }

    /// What one of the threads does.
    fn share(&self, thread: usize) -> Self {
        let extra = usize::from(thread < self.connections % self.threads);
        Self {
            connections: self.connections / self.threads + extra,
            per_second: self.per_second.map(|rate| rate / self.threads as f64),
            ..*self
        }
    }
}

/// Charges the accounts, and blocks until that is done: the duration, and a few seconds for what is under way then.
///
/// # Errors
/// When the server is not where it should be, or not allowed to be there, before any load. What happens to the charges
/// themselves is counted, and no error.
pub fn run(server: &Server, accounts: &Accounts, load: &Load) -> anyhow::Result<Report> {
    load.check()?;
    let target = Arc::new(Target::find(server)?);
    let mut threads = Vec::new();
    for thread in 0..load.threads {
        let (target, accounts, load) = (target.clone(), accounts.clone(), load.share(thread));
        let builder = std::thread::Builder::new().name(format!("load-{thread}"));
        threads.push(builder.spawn(move || on_this_thread(drive(&target, &accounts, load, thread))?)?);
    }
    let mut counts = Counts::new()?;
    for thread in threads {
        match thread.join() {
            Ok(counted) => counts.add(counted?)?,
            Err(_) => bail!("a thread of the load generator panicked"),
        }
    }
    Ok(counts.report(load))
}

/// All of a thread's connections; opened before the clock starts.
async fn drive(target: &Arc<Target>, accounts: &Accounts, load: Load, thread: usize) -> anyhow::Result<Counts> {
    let mut links = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        links.push(Link::open(target.address).await.with_context(|| format!("connecting to {target}"))?);
    }
    let pace = Arc::new(Pace::starting_now(&load));
    let mut tasks = JoinSet::new();
    for (number, link) in links.into_iter().enumerate() {
        let caller = Caller::new(target.clone(), link, accounts.draws(thread, number)?)?;
        tasks.spawn(caller.charge(pace.clone(), GRACE));
    }
    let mut all = Counts::new()?;
    while let Some(counted) = tasks.join_next().await {
        all.add(counted.context("a caller")?)?;
    }
    Ok(all)
}

fn on_this_thread<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}

/// Microseconds since; a request never waits longer than fits.
fn micros_since(at: Instant) -> u64 {
    u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX)
}
