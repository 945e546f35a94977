//! A lane: one writer thread with a connection of its own, and the partitions that are its share.
//!
//! ```text
//! queue ─► take a batch ─► load what is missing ─► decide ─► append (one statement) ─► answer
//!                ▲                                              │
//!                └──── put back, after catching up ◄── conflict ┘
//! ```
//!
//! Optimistic as long as it wins. A lane that keeps losing takes its heads `FOR UPDATE` first, catches up, decides and
//! appends in that one transaction, until it finds itself alone again.
//!
//! ```text
//! mod.rs        the loop, its two modes
//! decide.rs     deciding a batch, loading what it needs
//! commit.rs     appending it, settling what became of it, answering
//! catch_up.rs   what others wrote
//! ```
//!
//! Nobody cancels a lane: callers only wait on a channel, and may stop waiting at any time.

mod catch_up;
mod commit;
mod decide;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aggregates::{AccountKey, LogPart};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bench::Bench;
use super::cache::Cache;
use super::connection::{self, within};
use super::head::Part;
use super::queue::FairQueue;
use super::snapshots::Snapshots;
use super::stats::Stats;
use super::unit::{ExecuteError, Receipt, StoreError, UnitOfWork};
use super::{StoreOptions, head, load};

/// After a repeated command slipped past the memory of recent ones, so many batches look all their commands up first.
const LOOK_UP_BATCHES: u32 = 64;
/// So many lost races in a row, and the lane takes its locks first.
const LOST_RACES_MAX: u32 = 2;
/// So many batches in a row without a trace of another writer, and it stops taking them.
const ALONE_BATCHES: u32 = 32;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const BACK_OFF_MIN: Duration = Duration::from_millis(20);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// A unit of work on its way, and where its answer goes.
pub(super) struct Pending {
    pub(super) unit: UnitOfWork,
    pub(super) account: AccountKey,
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Receipt, ExecuteError>>,
    /// Its place in the queue, given back when it is answered.
    pub(super) permit: OwnedSemaphorePermit,
}

impl Pending {
    fn answer(self, result: Result<Receipt, ExecuteError>) {
        drop(self.permit);
        // A caller that stopped waiting asks again with the same command id.
        drop(self.answer.send(result));
    }
}

/// Answers that are true already and only have to be said: callers are woken while the database works on the next
/// batch.
#[derive(Default)]
struct Answers(Vec<(Pending, Result<Receipt, ExecuteError>)>);

impl Answers {
    fn push(&mut self, pending: Pending, result: Result<Receipt, ExecuteError>) {
        self.0.push((pending, result));
    }

    fn say(&mut self) {
        for (pending, result) in self.0.drain(..) {
            pending.answer(result);
        }
    }
}

pub(super) struct Lane {
    options: Arc<StoreOptions>,
    connect: PgConnectOptions,
    connection: Option<PgConnection>,
    inbox: mpsc::Receiver<Pending>,
    closing: CancellationToken,
    queue: FairQueue<Pending>,
    pub(super) parts: BTreeMap<LogPart, Part>,
    mine: Vec<LogPart>,
    cache: Cache,
    snapshots: Snapshots,
    stats: Arc<Stats>,
    batch_units: usize,
    look_up: u32,
    lost_races: u32,
    answers: Answers,
    /// The last append contradicted the log.
    contradicted: bool,
    /// `Some(batches alone)` while the lane locks before it decides.
    locking: Option<u32>,
}

/// What ends a round early. Units that are not answered go back to the queue.
enum Setback {
    /// The database or the way to it failed before anything was sent to be committed.
    Trouble(StoreError),
    /// Nothing was committed; these partitions may have moved, and the batch is to be tried again.
    Again(Vec<LogPart>),
    /// A commit whose outcome nobody could tell: what the lane believed about its partitions is void.
    LostTrack(StoreError),
}

impl<E: Into<StoreError>> From<E> for Setback {
    fn from(error: E) -> Self {
        Self::Trouble(error.into())
    }
}

impl Lane {
    pub(super) fn new(
        options: Arc<StoreOptions>,
        connect: PgConnectOptions,
        mine: Vec<LogPart>,
        inbox: mpsc::Receiver<Pending>,
        closing: CancellationToken,
        snapshots: Snapshots,
        stats: Arc<Stats>,
    ) -> Self {
        let batch_units = options.batch_units;
        let cache = Cache::new(options.cache_aggregates / options.lanes.max(1));
        Self {
            options,
            connect,
            connection: None,
            inbox,
            closing,
            queue: FairQueue::default(),
            parts: BTreeMap::new(),
            mine,
            cache,
            snapshots,
            stats,
            batch_units,
            look_up: 0,
            lost_races: 0,
            answers: Answers::default(),
            contradicted: false,
            locking: None,
        }
    }

    /// Works until the store closes and everything accepted before that is answered.
    pub(super) async fn run(mut self) {
        let closing = self.closing.clone();
        let mut back_off = BACK_OFF_MIN;
        loop {
            self.receive();
            if self.queue.is_empty() {
                self.answers.say();
                tokio::select! {
                    received = self.inbox.recv() => match received {
                        Some(pending) => self.queue.push(pending.account, pending),
                        None => return,
                    },
                    () = closing.cancelled(), if !self.inbox.is_closed() => self.inbox.close(),
                }
            }
            self.receive();
            match self.round().await {
                Ok(()) => back_off = BACK_OFF_MIN,
                Err(error) => {
                    tracing::warn!(%error, "a lane of the store is in trouble and tries again");
                    self.answers.say();
                    self.give_up_on_overdue(&error);
                    tokio::time::sleep(back_off).await;
                    back_off = (back_off * 2).min(BACK_OFF_MAX);
                }
            }
        }
    }

    fn receive(&mut self) {
        while let Ok(pending) = self.inbox.try_recv() {
            self.queue.push(pending.account, pending);
        }
    }

    /// While there is no getting through to the database: those who waited long enough are told, and when the store is
    /// closing, everybody is.
    fn give_up_on_overdue(&mut self, error: &StoreError) {
        let now = Instant::now();
        let all = self.queue.take(usize::MAX, |_| true);
        let closing = self.closing.is_cancelled();
        for (account, pending) in all {
            if closing {
                pending.answer(Err(ExecuteError::Closed));
            } else if pending.deadline <= now {
                let text = StoreError::Corrupt(error.to_string());
                pending.answer(Err(ExecuteError::Trouble(Arc::new(text))));
            } else {
                self.queue.push(account, pending);
            }
        }
    }

    /// One batch, from the queue to its answers.
    async fn round(&mut self) -> Result<(), StoreError> {
        if self.queue.is_empty() {
            return Ok(());
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open().await?,
        };
        let mut benches = Vec::new();
        let ended = match self.locking {
            None => self.optimistic(&mut connection, &mut benches).await,
            Some(alone) => self.locked(&mut connection, &mut benches, alone).await,
        };
        // Before catching up: an account that is not in the cache would miss what is read.
        self.put_back(benches);
        match ended {
            Ok(lost) | Err(Setback::Again(lost)) => {
                if !lost.is_empty() {
                    within(self.options.unit_wait, self.catch_up(&mut connection, &lost)).await?;
                }
                self.connection = Some(connection);
                Ok(())
            }
            // The connection may be in any state: it goes.
            Err(Setback::Trouble(error)) => Err(error),
            Err(Setback::LostTrack(error)) => {
                self.parts.clear();
                self.cache.clear();
                Err(error)
            }
        }
    }

    /// Connects, and learns where the lane's partitions stand.
    async fn open(&mut self) -> Result<PgConnection, StoreError> {
        let mut connection = self.connect().await?;
        if self.parts.is_empty() {
            let opening = head::open(&mut connection, &self.mine);
            self.parts = within(self.options.unit_wait, opening).await?.into_iter().collect();
        }
        Ok(connection)
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        tokio::time::timeout(CONNECT_TIMEOUT, connection::connect(&self.connect))
            .await
            .map_err(|_| StoreError::Database(sqlx::Error::PoolTimedOut))?
            .map_err(StoreError::Database)
    }

    async fn optimistic(
        &mut self,
        connection: &mut PgConnection,
        benches: &mut Vec<Bench>,
    ) -> Result<Vec<LogPart>, Setback> {
        *benches = self.take_batch(None);
        within(self.options.unit_wait, self.decide(connection, benches)).await?;
        let lost = self.commit(connection, benches).await?;
        self.lost_races = if lost.is_empty() { 0 } else { self.lost_races + 1 };
        if self.lost_races > LOST_RACES_MAX {
            self.locking = Some(0);
        }
        Ok(lost)
    }

    /// The same in one transaction that holds the heads. `alone` counts the batches since somebody else last wrote.
    async fn locked(
        &mut self,
        connection: &mut PgConnection,
        benches: &mut Vec<Bench>,
        alone: u32,
    ) -> Result<Vec<LogPart>, Setback> {
        Stats::add(&self.stats.locked_batches, 1);
        // It may take a while to get the locks.
        self.answers.say();
        let parts: BTreeSet<LogPart> = self.queue.accounts().map(AccountKey::log_part).collect();
        let parts: Vec<LogPart> = parts.into_iter().collect();
        let moved = within(self.options.unit_wait, async {
            sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
            load::lock_heads(connection, &head::part_numbers(&parts)).await?;
            self.catch_up(connection, &parts).await
        });
        let moved = moved.await?;
        self.locking = match alone {
            _ if moved > 0 => Some(0),
            ALONE_BATCHES.. => None,
            _ => Some(alone + 1),
        };
        self.lost_races = 0;
        // Waiting for the locks took a while: more has come in.
        self.receive();
        *benches = self.take_batch(Some(&parts));
        within(self.options.unit_wait, self.decide(connection, benches)).await?;
        self.commit_locked(connection, benches).await
    }

    /// Takes what fits into one batch, each account with what is known of it.
    fn take_batch(&mut self, only: Option<&[LogPart]>) -> Vec<Bench> {
        let taken = self.queue.take(self.batch_units, |account| {
            only.is_none_or(|parts| parts.binary_search(&account.log_part()).is_ok())
        });
        let mut benches: Vec<Bench> = Vec::new();
        let mut index: HashMap<AccountKey, usize> = HashMap::with_capacity(taken.len());
        let now = Instant::now();
        for (account, pending) in taken {
            if let Some(newer) = self.parts.get(&account.log_part()).and_then(|part| part.newer.as_ref()) {
                let log_part = account.log_part();
                pending.answer(Err(ExecuteError::NewerRelease { log_part, event: newer.clone() }));
                continue;
            }
            if pending.deadline <= now {
                pending.answer(Err(ExecuteError::Contended));
                continue;
            }
            let at = *index.entry(account).or_insert_with(|| {
                benches.push(Bench::new(account, self.cache.take(account)));
                benches.len() - 1
            });
            if let Some(bench) = benches.get_mut(at) {
                bench.waiting.push_back(pending);
            }
        }
        benches.sort_by_key(|bench| bench.account.log_part());
        benches
    }

    /// Returns accounts as they were before the batch to the cache, and what they had not answered to the queue.
    fn put_back(&mut self, benches: Vec<Bench>) {
        for mut bench in benches {
            let unanswered: Vec<Pending> = bench.unanswered().collect();
            for pending in unanswered.into_iter().rev() {
                self.queue.put_back(bench.account, pending);
            }
            if !bench.cold {
                bench.cached.desk.rewind();
                self.cache.put(bench.account, bench.cached);
            }
        }
    }
}
