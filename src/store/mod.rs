//! The store: units of work in, committed events out.
//!
//! ```text
//! unit.rs        what is asked and answered: UnitOfWork, Receipt, ExecuteError
//! mod.rs         the handle: bounds what waits, routes each account to its lane
//! lane/          the writer thread: group commit, conflicts, unknown outcomes
//!   queue.rs       who is next, fairly
//!   bench.rs       one account's part of a batch: decided in memory
//!   draft.rs       decided benches -> the rows of a batch
//!   append.rs      the one statement that commits
//!   fence.rs       what became of a commit whose answer was lost
//!   load.rs        cold aggregates, others' events, earlier answers
//!   past.rs        what one command recorded, and an aggregate as it was
//!   head.rs        where partitions end, and whether this build may write them
//!   cache.rs       aggregates that stay in memory
//!   snapshots.rs   disposable copies of state
//! hash.rs        leaves, Merkle roots and the chain
//! stream/        reading forward
//! connection.rs  connections, and a pool that is safe to cancel
//! schema.rs      migrations
//! stats.rs       counters
//! ```
//!
//! Why it is built like this, with measurements: `docs/decisions/`.

mod append;
mod bench;
mod cache;
mod connection;
mod draft;
mod fence;
pub mod hash;
mod head;
mod lane;
mod load;
mod past;
mod queue;
mod schema;
mod snapshots;
mod stats;
pub mod stream;
mod unit;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aggregates::{AccountId, AccountKey, AggregateId, CommandId, Decide, Halt, LogPart, State, View};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use uuid::Uuid;

pub use connection::{as_writer, pool};
pub use head::Head;
pub(crate) use head::head_of;
pub use schema::{MIGRATOR, check_migrated, migrate};
pub use stats::Stats;
pub use unit::{Claim, ExecuteError, First, Receipt, RequestHash, StoreError, UnitOfWork};

use crate::clock::Clock;
use lane::{Lane, Pending};
use snapshots::Snapshots;

/// One unit of work records at most so many events…
pub const UNIT_EVENTS_MAX: usize = 1_000;
/// …and so many bytes of them.
pub const UNIT_BYTES_MAX: usize = 1 << 20;

/// How a store is run. The defaults are measured on two cores; see `docs/benchmarks.md`.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Writer threads, each with a connection and its share of the partitions.
    pub lanes: usize,
    /// Units of work that may wait per lane before callers hear "busy".
    pub queue_units: usize,
    /// Units of work in one commit.
    pub batch_units: usize,
    /// Bytes of events in one commit.
    pub batch_bytes: usize,
    /// Aggregates that stay in memory.
    pub cache_aggregates: usize,
    /// Events between two snapshots of an aggregate.
    pub snapshot_every: i64,
    /// How long a unit may wait for its turn and for the database.
    pub unit_wait: Duration,
    /// Connections for readers.
    pub readers: u32,
    /// When commits happen.
    pub clock: Clock,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            lanes: 2,
            queue_units: 8_192,
            batch_units: 1_024,
            batch_bytes: 4 << 20,
            cache_aggregates: 200_000,
            snapshot_every: 500,
            unit_wait: Duration::from_secs(30),
            readers: 4,
            clock: Clock::system(),
        }
    }
}

/// Decides nothing, and remembers what it was shown.
pub(crate) struct Look {
    aggregate: AggregateId,
    seen: Arc<Mutex<State>>,
}

impl Decide for Look {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let state = view.state(self.aggregate)?.clone();
        // A poisoned lock means that the one who asked is gone.
        if let Ok(mut seen) = self.seen.lock() {
            *seen = state;
        }
        Ok(())
    }
}

struct LaneEnd {
    inbox: mpsc::Sender<Pending>,
    places: Arc<Semaphore>,
}

struct Inner {
    lanes: Vec<LaneEnd>,
    unit_wait: Duration,
    pool: PgPool,
    stats: Arc<Stats>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// A handle on the log; clones share it. Dropping a future of [`Store::execute`] is harmless: the unit of work goes its
/// way, and the same command id finds out what became of it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Connects and starts the lanes. The database must have been migrated.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(connect: PgConnectOptions, options: StoreOptions) -> Result<Self, StoreError> {
        let connect = as_writer(connect);
        let pool = connection::pool(connect.clone(), options.readers).await?;
        let stats = Arc::new(Stats::default());
        let closing = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (snapshots, write_snapshots) = Snapshots::new(pool.clone(), options.snapshot_every.max(1));
        tasks.spawn(write_snapshots);
        let unit_wait = options.unit_wait;
        let options = Arc::new(options);
        let mut lanes = Vec::new();
        for number in 0..options.lanes.max(1) {
            let mine =
                LogPart::all().filter(|part| usize::from(part.number()) % options.lanes.max(1) == number).collect();
            let (inbox, received) = mpsc::channel(options.queue_units.max(1));
            let places = Arc::new(Semaphore::new(options.queue_units.max(1)));
            let lane = Lane::new(
                options.clone(),
                connect.clone(),
                mine,
                received,
                closing.clone(),
                snapshots.clone(),
                stats.clone(),
            );
            spawn(number, lane, tasks.token())?;
            lanes.push(LaneEnd { inbox, places });
        }
        tasks.close();
        Ok(Self { inner: Arc::new(Inner { lanes, unit_wait, pool, stats, closing, tasks }) })
    }

    /// Records a unit of work, once, however often it is asked for with the same command id.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn execute(&self, unit: UnitOfWork) -> Result<Receipt, ExecuteError> {
        let account = unit.account.key();
        let lane = self.lane(account)?;
        let Ok(permit) = lane.places.clone().try_acquire_owned() else {
            Stats::add(&self.inner.stats.busy, 1);
            return Err(ExecuteError::Busy);
        };
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + self.inner.unit_wait;
        let pending = Pending { unit, account, deadline, answer, permit };
        lane.inbox.try_send(pending).map_err(|_| ExecuteError::Closed)?;
        // The lane answers whatever it accepted; silence means that it is gone, and with it what it knew.
        answered.await.unwrap_or(Err(ExecuteError::Unknown))
    }

    fn lane(&self, account: AccountKey) -> Result<&LaneEnd, ExecuteError> {
        if self.inner.closing.is_cancelled() {
            return Err(ExecuteError::Closed);
        }
        let lanes = &self.inner.lanes;
        lanes.get(usize::from(account.log_part().number()) % lanes.len().max(1)).ok_or(ExecuteError::Closed)
    }

    /// Who holds a unique name: the account and the aggregate.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn find_key(&self, kind: &str, key: &str) -> Result<Option<(AccountId, Uuid)>, StoreError> {
        if !draft::can_be_stored(key) {
            return Ok(None);
        }
        load::key_holder(&self.inner.pool, kind, key).await
    }

    /// One aggregate as a decision would see it now, and proved to be so: never lagging, unlike a read model.
    ///
    /// # Errors
    /// As [`Store::execute`].
    pub async fn look(&self, account: &AccountId, aggregate: AggregateId) -> Result<State, ExecuteError> {
        let seen = Arc::new(Mutex::new(State::empty(aggregate.kind)));
        let unit = UnitOfWork::looking(account.clone(), Look { aggregate, seen: seen.clone() });
        self.execute(unit).await?;
        let state = seen.lock().map_err(|_| ExecuteError::Panicked)?;
        Ok(state.clone())
    }

    /// What a command has recorded; `None`: nothing yet. For who has to know before it can ask again; a command that is
    /// on its way is settled by [`Store::execute`] alone.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn recorded(&self, account: &AccountId, command: CommandId) -> Result<Option<First>, StoreError> {
        let mut connection = self.inner.pool.acquire().await?;
        past::first(&mut connection, account.key(), command).await
    }

    /// One aggregate as it was after its `version`th event: what an answer of that time has to say again.
    ///
    /// # Errors
    /// When the database cannot be asked, or there is no such event.
    pub async fn as_of(&self, account: &AccountId, aggregate: AggregateId, version: i64) -> Result<State, StoreError> {
        let mut connection = self.inner.pool.acquire().await?;
        past::as_of(&mut connection, account.key(), aggregate, version).await
    }

    /// The account that an aggregate belongs to; `None`: nothing was recorded of it. Looks into every partition, which is
    /// for what comes by its id alone, and seldom.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn home_of(&self, aggregate: AggregateId) -> Result<Option<AccountKey>, StoreError> {
        load::home_of(&self.inner.pool, aggregate).await
    }

    /// The customer's own name for an account; `None`: nothing was ever recorded for it.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn account_id(&self, account: AccountKey) -> Result<Option<AccountId>, StoreError> {
        load::account_id(&self.inner.pool, account).await
    }

    /// Connections for readers.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.inner.stats
    }

    /// Takes no more work, answers what was accepted, and ends the lanes.
    pub async fn close(&self) {
        self.inner.closing.cancel();
        self.inner.tasks.wait().await;
        self.inner.pool.close().await;
    }
}

/// A lane has a thread of its own: hashing a big batch holds up nobody's sockets. `token` is held until it ends.
fn spawn(number: usize, lane: Lane, token: TaskTrackerToken) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(sqlx::Error::Io)?;
    std::thread::Builder::new()
        .name(format!("lane-{number}"))
        .spawn(move || {
            runtime.block_on(lane.run());
            drop(token);
        })
        .map_err(sqlx::Error::Io)?;
    Ok(())
}
