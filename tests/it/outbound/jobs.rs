//! The runner of jobs: leases, back-off, dead letters, retry by hand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use billing_ledger::clock::Clock;
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::jobs::{self, Handler, Job, NewJob, Outcome, Room, Settled, When};
use billing_ledger::store::{as_writer, pool};
use billing_ledger::workers::jobs::{JobOptions, JobRunner};
use chrono::{TimeDelta, Utc};
use serde_json::json;
use sqlx::{PgPool, Row};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::{database, eventually};

pub(super) const KIND: &str = "test";
pub(super) const LEASE: Duration = Duration::from_millis(600);

pub(super) struct House {
    pub(super) pool: PgPool,
    pub(super) clock: Clock,
    _database: TestDatabase,
}

impl House {
    pub(super) async fn open() -> Self {
        let database = database().await;
        let pool = pool(as_writer(database.connect_options()), 12).await.expect("a pool");
        Self { pool, clock: Clock::system(), _database: database }
    }

    pub(super) async fn enqueue(&self, key: &str, when: When) -> u64 {
        self.enqueue_kind(KIND, key, when).await
    }

    pub(super) async fn enqueue_kind(&self, kind: &'static str, key: &str, when: When) -> u64 {
        let job = NewJob { kind, key: key.to_owned(), account_id: None, payload: json!({"n": 1}), when };
        let mut connection = self.pool.acquire().await.expect("a connection");
        jobs::enqueue_in_tx(&mut connection, &[job]).await.expect("enqueued")
    }

    /// As a process that is killed right after would.
    pub(super) async fn claim(&self, places: u32) -> Vec<jobs::Claimed> {
        let rooms = [Room { kind: KIND, places }];
        jobs::claim(&self.pool, &rooms, "somebody", LEASE, self.clock.now()).await.expect("claimed")
    }

    fn run(&self, handler: &Arc<Script>) -> CancellationToken {
        self.run_all(vec![handler.clone()])
    }

    fn run_all(&self, handlers: Vec<Arc<dyn Handler>>) -> CancellationToken {
        let options = JobOptions { lease: LEASE, shutdown_wait: Duration::from_millis(50), ..JobOptions::default() };
        let runner = JobRunner::new(self.pool.clone(), self.clock.clone(), handlers, options);
        let shutdown = CancellationToken::new();
        tokio::spawn(runner.run(shutdown.clone()));
        shutdown
    }

    pub(super) async fn row(&self, key: &str) -> (String, i32, i32, Option<String>) {
        let sql = "SELECT state, attempts, tries, last_error FROM jobs.jobs WHERE key = $1";
        let row = sqlx::query(sql).bind(key).fetch_one(&self.pool).await.expect("a job");
        (row.get(0), row.get(1), row.get(2), row.get(3))
    }

    async fn is(&self, key: &str, state: &str) {
        eventually(state, async || (self.row(key).await.0 == state).then_some(())).await;
    }

    async fn hurry(&self) {
        let sql = "UPDATE jobs.jobs SET run_at = clock_timestamp() WHERE state = 'queued' AND NOT by_business_clock";
        sqlx::query(sql).execute(&self.pool).await.expect("jobs");
    }

    async fn sql(&self, sql: &str) {
        sqlx::query(sql).execute(&self.pool).await.expect("sql");
    }
}

/// Answers as it is told, one answer for each attempt and `Done` after the last; remembers what it was told.
#[derive(Default)]
struct Script {
    other_kind: Option<&'static str>,
    answers: Mutex<Vec<Outcome>>,
    runs: Mutex<HashMap<String, usize>>,
    at_once: Mutex<HashMap<String, usize>>,
    clashes: AtomicUsize,
    dropped: AtomicUsize,
    told: Mutex<Vec<String>>,
    /// Each run waits for one of these, where there is one.
    hold: Option<Arc<Notify>>,
    panics: bool,
    cannot_bury: AtomicUsize,
}

impl Script {
    fn answering(answers: impl IntoIterator<Item = Outcome>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    fn runs(&self, key: &str) -> usize {
        self.runs.lock().unwrap().get(key).copied().unwrap_or_default()
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

/// Inside of a run; notices being dropped.
struct Inside<'a>(&'a Script, String, bool);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *self.0.at_once.lock().unwrap().get_mut(&self.1).unwrap() -= 1;
        if !self.2 {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Handler for Script {
    fn kind(&self) -> &'static str {
        self.other_kind.unwrap_or(KIND)
    }

    async fn run(&self, job: &Job) -> Outcome {
        *self.runs.lock().unwrap().entry(job.key.clone()).or_default() += 1;
        {
            let mut at_once = self.at_once.lock().unwrap();
            let inside = at_once.entry(job.key.clone()).or_default();
            *inside += 1;
            if *inside > 1 {
                self.clashes.fetch_add(1, Ordering::SeqCst);
            }
        }
        let mut inside = Inside(self, job.key.clone(), false);
        if let Some(hold) = &self.hold {
            hold.notified().await;
        }
        tokio::task::yield_now().await;
        inside.2 = true;
        assert!(!self.panics, "as told");
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() { Outcome::Done } else { answers.remove(0) }
    }

    async fn failed(&self, job: &Job, reason: &str) -> anyhow::Result<()> {
        self.told.lock().unwrap().push(format!("failed {}: {reason}", job.attempt));
        Ok(())
    }

    async fn gave_up(&self, job: &Job, reason: &str) -> anyhow::Result<()> {
        if self.cannot_bury.load(Ordering::SeqCst) > 0 {
            self.cannot_bury.fetch_sub(1, Ordering::SeqCst);
            anyhow::bail!("as told");
        }
        self.told.lock().unwrap().push(format!("gave up after {}: {reason}", job.attempt));
        Ok(())
    }
}

#[tokio::test]
async fn a_job_is_asked_for_once_and_done_once() {
    let house = House::open().await;
    assert_eq!(house.enqueue("a", When::Now).await, 1);
    assert_eq!(house.enqueue("a", When::Now).await, 0);
    let script = Script::answering([]);
    let _running = house.run(&script).drop_guard();
    house.is("a", "done").await;
    assert_eq!(house.enqueue("a", When::Now).await, 0, "done is done");
    assert!(!jobs::retry_now(&house.pool, KIND, "a").await.unwrap());
    assert_eq!(script.runs("a"), 1);
}

#[tokio::test]
async fn many_runners_run_each_job_once_and_never_together() {
    let house = House::open().await;
    let script = Script::answering([]);
    let runners: Vec<_> = (0..4).map(|_| house.run(&script).drop_guard()).collect();
    let keys: Vec<String> = (0..150).map(|n| n.to_string()).collect();
    for key in &keys {
        house.enqueue(key, When::Now).await;
    }
    for key in &keys {
        house.is(key, "done").await;
        assert_eq!(script.runs(key), 1, "{key}");
    }
    assert_eq!(script.clashes.load(Ordering::SeqCst), 0);
    drop(runners);
}

#[tokio::test]
async fn what_a_killed_process_held_is_run_by_another_once_its_lease_is_over() {
    let house = House::open().await;
    house.enqueue("a", When::Now).await;
    let killed = house.claim(1).await.remove(0);
    assert_eq!(killed.job.attempt, 1);
    assert!(house.claim(1).await.is_empty(), "it is leased");
    let script = Script::answering([]);
    let _running = house.run(&script).drop_guard();
    house.is("a", "done").await;
    assert_eq!(house.row("a").await.1, 2);
    // Should it not have been killed but only slow: its lease says nothing any more.
    assert!(!jobs::settle(&house.pool, killed.lease, Settled::Dead { reason: "late".to_owned() }).await.unwrap());
    assert!(!jobs::extend(&house.pool, killed.lease, LEASE).await.unwrap());
    house.is("a", "done").await;
}

#[tokio::test]
async fn a_lease_is_kept_for_as_long_as_the_work_takes() {
    let house = House::open().await;
    house.enqueue("a", When::Now).await;
    let hold = Arc::new(Notify::new());
    let script = Arc::new(Script { hold: Some(hold.clone()), ..Script::default() });
    let _running = [house.run(&script).drop_guard(), house.run(&script).drop_guard()];
    eventually("a run", async || (script.runs("a") == 1).then_some(())).await;
    let until = "SELECT lease_until FROM jobs.jobs WHERE key = 'a'";
    let until =
        || async { sqlx::query_scalar::<_, chrono::DateTime<Utc>>(until).fetch_one(&house.pool).await.unwrap() };
    let first = until().await;
    let twice_over = TimeDelta::from_std(LEASE * 2).unwrap();
    eventually("renewals", async || (until().await > first + twice_over).then_some(())).await;
    assert_eq!(script.runs("a"), 1, "nobody else has begun");
    hold.notify_one();
    house.is("a", "done").await;
}

#[tokio::test]
async fn work_whose_lease_is_lost_is_stopped_before_somebody_else_begins() {
    let house = House::open().await;
    house.enqueue("a", When::Now).await;
    let script = Arc::new(Script { hold: Some(Arc::new(Notify::new())), ..Script::default() });
    let _running = house.run(&script).drop_guard();
    eventually("a run", async || (script.runs("a") == 1).then_some(())).await;
    house.sql("UPDATE jobs.jobs SET lease = gen_random_uuid(), lease_until = clock_timestamp() + interval '1 h'").await;
    eventually("an end", async || (script.dropped.load(Ordering::SeqCst) == 1).then_some(())).await;
    assert_eq!(house.row("a").await.0, "running", "it is somebody else's");
}

#[tokio::test]
async fn a_failure_is_told_and_tried_again_later() {
    let house = House::open().await;
    house.enqueue("a", When::Now).await;
    let script = Script::answering([Outcome::failed("one\nline"), Outcome::failed("two")]);
    let _running = house.run(&script).drop_guard();
    eventually("a failure", async || (house.row("a").await.3 == Some("one line".to_owned())).then_some(())).await;
    let later: bool =
        sqlx::query_scalar("SELECT run_at > updated_at FROM jobs.jobs").fetch_one(&house.pool).await.unwrap();
    assert!(later);
    eventually("success", async || {
        house.hurry().await;
        (house.row("a").await.0 == "done").then_some(())
    })
    .await;
    assert_eq!(script.told(), ["failed 1: one\nline", "failed 2: two"]);
    assert_eq!(house.row("a").await, ("done".to_owned(), 3, 3, None));
}

#[tokio::test]
async fn a_panic_is_a_failure_like_any_other() {
    let house = House::open().await;
    house.enqueue("a", When::Now).await;
    let script = Arc::new(Script { panics: true, ..Script::default() });
    let _running = house.run(&script).drop_guard();
    eventually("a failure", async || script.told().first().cloned()).await;
    assert_eq!(script.told()[0], "failed 1: internal error: the handler panicked");
}

#[tokio::test]
async fn a_dead_letter_is_told_kept_and_revived_by_hand() {
    let house = House::open().await;
    house.enqueue("a", When::Now).await;
    let script = Script::answering([Outcome::give_up("no use")]);
    let _running = house.run(&script).drop_guard();
    house.is("a", "dead").await;
    assert_eq!(script.told(), ["failed 1: no use", "gave up after 1: no use"]);
    assert_eq!(house.row("a").await.3, Some("no use".to_owned()));
    let dead = jobs::counts(&house.pool).await.unwrap();
    assert_eq!((dead.len(), dead[0].state.as_str(), dead[0].jobs), (1, "dead", 1));

    assert!(jobs::retry_now(&house.pool, KIND, "a").await.unwrap());
    house.is("a", "done").await;
    assert_eq!((house.row("a").await.1, house.row("a").await.2), (2, 1), "a new round, and no number twice");
    assert!(!jobs::retry_now(&house.pool, KIND, "nobody").await.unwrap());
}

#[tokio::test]
async fn nobody_dies_unseen() {
    let house = House::open().await;
    house.enqueue("a", When::Now).await;
    let answers = Mutex::new(vec![Outcome::give_up("no use"), Outcome::give_up("no use")]);
    let script = Arc::new(Script { answers, cannot_bury: AtomicUsize::new(1), ..Script::default() });
    let _running = house.run(&script).drop_guard();
    house.is("a", "dead").await;
    assert_eq!(script.told(), ["failed 1: no use", "failed 2: no use", "gave up after 2: no use"]);
}

#[tokio::test]
async fn a_shutdown_gives_back_what_is_not_done() {
    let house = House::open().await;
    house.enqueue("a", When::Now).await;
    let script = Arc::new(Script { hold: Some(Arc::new(Notify::new())), ..Script::default() });
    let options = JobOptions { shutdown_wait: Duration::from_millis(50), ..JobOptions::default() };
    let runner = JobRunner::new(house.pool.clone(), house.clock.clone(), vec![script.clone()], options);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(runner.run(shutdown.clone()));
    eventually("a run", async || (script.runs("a") == 1).then_some(())).await;
    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(house.row("a").await.0, "queued");
    let again = house.claim(1).await.remove(0).job;
    assert_eq!((again.attempt, again.tries), (2, 1), "it was no try, and no number comes twice");
}

#[tokio::test]
async fn a_kind_that_hangs_holds_up_no_other() {
    let house = House::open().await;
    let hanging = Arc::new(Script { hold: Some(Arc::new(Notify::new())), ..Script::default() });
    let timer = Arc::new(Script { other_kind: Some("timer"), ..Script::default() });
    for n in 0..20 {
        house.enqueue(&n.to_string(), When::Now).await;
    }
    let _running = house.run_all(vec![hanging.clone(), timer.clone()]).drop_guard();
    let places = JobOptions::default().places;
    let hangs = || (0..20).map(|n| hanging.runs(&n.to_string())).sum::<usize>();
    eventually("every place of it to be taken", async || (hangs() == places).then_some(())).await;
    house.enqueue_kind("timer", "t", When::At(Utc::now())).await;
    house.is("t", "done").await;
    assert_eq!(hangs(), places, "and it takes no more than its own");
}
