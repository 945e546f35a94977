//! Keeps the read models up with the log: reads on from the checkpoints, folds, writes; one loop feeds all of them.
//!
//! Any number of processes may run it. Whoever moves the checkpoints does the work, the others stand by: one that has not
//! moved them itself looks where they are before it reads anything. Have they moved since it looked last, somebody is at
//! work, and it looks away for a little longer; have they not, and there is something to read, it takes over. So standing
//! by costs two small queries at a time, and a process that ends is replaced within about a second.
//!
//! Between two batches it pauses, unless the next one is full already: under load there is more to fold then, and a
//! thousand charges of one account are one row. Idle, it looks at the heads now and then, and at once when a read of this
//! process waits for what was written.

use std::sync::Arc;
use std::time::Duration;

use aggregates::LogPart;
use projections::{Checkpoints, Fact, Generation, Link, Runner, RunnerError, Written};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::store::stream::{Behind, Committed, Cursor, behind, read_decoded, share};
use crate::store::{StoreError, as_writer};

/// How the loop is run. The defaults are measured on two cores.
#[derive(Debug, Clone)]
pub struct Options {
    /// Events read and folded for one transaction.
    pub events_max: i64,
    /// Between two looks at an idle log.
    pub idle: Duration,
    /// Between two transactions while there is more, but not as much as one can take.
    pub pause: Duration,
    /// A process that stands by looks away for so long at most; it needs two looks to see that nobody is at work…
    pub standby_max: Duration,
    /// …and one in trouble for so long.
    pub trouble_max: Duration,
    /// What commits are dated by.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            events_max: 20_000,
            idle: Duration::from_millis(50),
            pause: Duration::from_millis(10),
            standby_max: Duration::from_millis(500),
            trouble_max: Duration::from_secs(5),
            clock: Clock::system(),
        }
    }
}

/// How far the read models are, as the loop of this process knows it: one position per partition.
pub type Positions = Vec<i64>;

/// What the rest of the process holds of the loop.
#[derive(Debug, Clone)]
pub struct Handle {
    wake: Arc<Notify>,
    positions: watch::Receiver<Positions>,
}

impl Handle {
    /// Says that somebody waits for what was written. Cheap, and safe to forget: the loop looks by itself.
    pub fn poke(&self) {
        self.wake.notify_one();
    }

    #[must_use]
    pub fn positions(&self) -> watch::Receiver<Positions> {
        self.positions.clone()
    }
}

/// The loop; it does nothing until it is run.
pub struct Loop {
    connect: PgConnectOptions,
    options: Options,
    wake: Arc<Notify>,
    positions: watch::Sender<Positions>,
    said: Option<String>,
}

/// The first wait after an error; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The first wait while another process is at work; it doubles. Longer than that one lets the checkpoints rest between two
/// looks of its own, or both would take turns at being overtaken.
const FIRST_STANDBY: Duration = Duration::from_millis(200);

/// What one turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Everything that was there when it looked is in the read models.
    Done,
    /// There is more.
    More,
    /// There is as much as one batch can take, or more.
    FullBatch,
    /// Another process is at work. Nothing was read.
    StandBy,
    /// Another process was faster. What was read and folded was for nothing.
    Overtaken,
}

/// Why a turn failed. All of it is tried again: the log may be read by a newer build soon, a server comes back.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Log(#[from] StoreError),
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Loop {
    #[must_use]
    pub fn new(connect: PgConnectOptions, options: Options) -> (Self, Handle) {
        let (positions, seen) = watch::channel(vec![0; usize::from(aggregates::LOG_PARTS)]);
        let wake = Arc::new(Notify::new());
        let handle = Handle { wake: wake.clone(), positions: seen };
        (Self { connect, options, wake, positions, said: None }, handle)
    }

    /// Runs until `shutdown`. A batch that has begun is finished.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut wait = FIRST_WAIT;
        while !shutdown.is_cancelled() {
            if let Err(trouble) = self.follow(&shutdown, &mut wait).await {
                self.say(&trouble);
                sleep(&shutdown, wait).await;
                wait = (wait * 2).min(self.options.trouble_max);
            }
        }
    }

    /// Turn after turn on one connection, until it fails.
    async fn follow(&mut self, shutdown: &CancellationToken, wait: &mut Duration) -> Result<(), Trouble> {
        let mut follower = Follower::connect(&self.connect, self.options.clone()).await?;
        self.publish(follower.written());
        let mut standby = FIRST_STANDBY;
        while !shutdown.is_cancelled() {
            let turn = follower.turn().await?;
            self.publish(follower.written());
            self.recovered();
            *wait = FIRST_WAIT;
            match turn {
                Turn::Done => self.until_woken(shutdown).await,
                Turn::More => sleep(shutdown, self.options.pause).await,
                Turn::FullBatch => (),
                Turn::StandBy | Turn::Overtaken => sleep(shutdown, standby).await,
            }
            standby = match turn {
                Turn::StandBy | Turn::Overtaken => (standby * 2).min(self.options.standby_max),
                Turn::Done | Turn::More | Turn::FullBatch => FIRST_STANDBY,
            };
        }
        follower.close().await
    }

    /// Until a read of this process waits, a while has passed, or the end.
    async fn until_woken(&self, shutdown: &CancellationToken) {
        // Not at once, even if poked: see above.
        sleep(shutdown, self.options.pause.min(self.options.idle)).await;
        tokio::select! {
            () = self.wake.notified() => (),
            () = sleep(shutdown, self.options.idle) => (),
        }
    }

    fn publish(&self, written: &Checkpoints) {
        self.positions.send_if_modified(|positions| {
            let mut moved = false;
            for (known, checkpoint) in positions.iter_mut().zip(written.values()) {
                moved |= *known != checkpoint.position;
                *known = checkpoint.position;
            }
            moved
        });
    }

    /// Once for each kind of trouble, not once a second.
    fn say(&mut self, trouble: &Trouble) {
        let what = trouble.to_string();
        if self.said.as_ref() != Some(&what) {
            tracing::error!(trouble = %what, "the read models stand still; trying again");
            self.said = Some(what);
        }
    }

    fn recovered(&mut self) {
        if self.said.take().is_some() {
            tracing::info!("the read models move again");
        }
    }
}

/// One connection that follows the log, turn by turn.
pub struct Follower {
    connection: PgConnection,
    runner: Runner,
    options: Options,
    /// The turn before moved the checkpoints, so nobody else is expected to have moved them since.
    leads: bool,
}

impl Follower {
    /// # Errors
    /// When the database cannot be read.
    pub async fn connect(connect: &PgConnectOptions, options: Options) -> Result<Self, Trouble> {
        let mut connection = PgConnection::connect_with(&as_writer(connect.clone())).await?;
        let runner = Runner::load(&mut connection, Generation::Live, projections::all()).await?;
        Ok(Self { connection, runner, options, leads: false })
    }

    /// How far the read models were when it looked last.
    #[must_use]
    pub fn written(&self) -> &Checkpoints {
        self.runner.written()
    }

    /// Looks for more, and folds and writes a batch of it unless another process does.
    ///
    /// # Errors
    /// See [`Trouble`]. What was folded is given up; follow on with a new connection.
    pub async fn turn(&mut self) -> Result<Turn, Trouble> {
        let led = std::mem::take(&mut self.leads);
        let behind = behind(&mut self.connection, &cursors(self.runner.written())).await?;
        if behind.is_empty() {
            no_lag();
            return Ok(Turn::Done);
        }
        if !led && self.runner.reload(&mut self.connection).await? {
            // How far behind the read models are is said by whoever is at work.
            no_lag();
            return Ok(Turn::StandBy);
        }
        let left = lag(&behind);
        let folded = self.fold(&behind).await?;
        match self.runner.write(&mut self.connection).await? {
            Written::Overtaken => {
                metrics::counter!("ledger_projection_overtaken_total").increment(1);
                Ok(Turn::Overtaken)
            }
            Written::Moved => {
                self.leads = true;
                metrics::counter!("ledger_projection_events_total").increment(folded.unsigned_abs());
                Ok(match left - folded {
                    ..=0 => Turn::Done,
                    rest if rest < self.options.events_max => Turn::More,
                    _ => Turn::FullBatch,
                })
            }
        }
    }

    /// Reads and folds one batch, and answers how many events it has.
    async fn fold(&mut self, behind: &[Behind]) -> Result<i64, Trouble> {
        let commits = read_decoded(&mut self.connection, &share(behind, self.options.events_max)).await?;
        if let Some(oldest) = commits.iter().map(|commit| commit.at).min() {
            let age = self.options.clock.now().signed_duration_since(oldest).to_std().unwrap_or_default();
            metrics::gauge!("ledger_projection_lag_seconds").set(age);
        }
        for commit in &commits {
            fold(&mut self.runner, commit)?;
        }
        Ok(i64::try_from(self.runner.pending()).unwrap_or(i64::MAX))
    }

    /// # Errors
    /// When the connection is already gone.
    pub async fn close(self) -> Result<(), Trouble> {
        Ok(self.connection.close().await?)
    }
}

/// Brings the read models up to where the log is now, once, and answers how many events that took.
///
/// # Errors
/// When the log cannot be read or the read models cannot be written.
pub async fn catch_up(connect: PgConnectOptions) -> Result<u64, Trouble> {
    let mut follower = Follower::connect(&connect, Options::default()).await?;
    let before = total(follower.written());
    loop {
        match follower.turn().await? {
            Turn::Done => break,
            Turn::More | Turn::FullBatch => (),
            Turn::StandBy | Turn::Overtaken => tokio::time::sleep(FIRST_STANDBY).await,
        }
    }
    let events = total(follower.written()).abs_diff(before);
    follower.close().await?;
    Ok(events)
}

fn total(written: &Checkpoints) -> i64 {
    written.values().map(|checkpoint| checkpoint.position).sum()
}

/// How many events are still to be read.
fn lag(behind: &[Behind]) -> i64 {
    let left: i64 = behind.iter().map(Behind::events).sum();
    metrics::gauge!("ledger_projection_lag_events").set(u32::try_from(left).unwrap_or(u32::MAX));
    left
}

fn no_lag() {
    metrics::gauge!("ledger_projection_lag_events").set(0);
    metrics::gauge!("ledger_projection_lag_seconds").set(0.0);
}

/// Where the next read starts.
#[must_use]
pub fn cursors(written: &Checkpoints) -> Vec<Cursor> {
    let cursor =
        |(log_part, at): (&LogPart, &projections::Checkpoint)| Cursor { log_part: *log_part, position: at.position };
    written.iter().map(cursor).collect()
}

/// Hands a commit of the log to the read models.
///
/// # Errors
/// See [`Runner::fold`].
pub fn fold(runner: &mut Runner, commit: &Committed) -> Result<(), RunnerError> {
    let link = Link {
        log_part: commit.log_part,
        first_position: commit.first_position,
        last_position: commit.last_position(),
        prev_chain: commit.prev_chain,
        chain: commit.chain,
    };
    let facts = commit.events.iter().map(|event| Fact {
        log_part: commit.log_part,
        position: event.position,
        account: event.account,
        aggregate: event.aggregate,
        version: event.version,
        at: commit.at,
        event: &event.event,
    });
    runner.fold(&link, facts)
}

/// Returns early at the end of the process.
async fn sleep(shutdown: &CancellationToken, duration: Duration) {
    tokio::select! {
        () = shutdown.cancelled() => (),
        () = tokio::time::sleep(duration) => (),
    }
}
