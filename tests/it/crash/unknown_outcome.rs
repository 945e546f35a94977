//! The connection is lost around a commit. Nobody knows whether it happened, so the store puts up a fence and looks; the
//! caller gets the one true answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aggregates::AccountId;
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::store::{ExecuteError, Receipt, Store, StoreOptions, UnitOfWork};
use sqlx::PgPool;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::support::hold::Hold;
use crate::support::log::{recorded_commands, taken, times_recorded};
use crate::support::proxy::{Moment, Proxy, Sprung};
use crate::support::units::{account, account_in, balance_in, grant, insist, part_of, spend};
use crate::support::{PATIENCE, database, eventually, open_store, plain_pool};

const APPEND: &str = "append_batch";
const BALANCE: i64 = 1_000_000_000;

/// A store that reaches its database through a proxy, and an account with a balance.
struct Scene {
    db: TestDatabase,
    pool: PgPool,
    proxy: Proxy,
    store: Store,
    account: AccountId,
}

impl Scene {
    async fn set() -> Self {
        Self::with(StoreOptions::default()).await
    }

    async fn with(options: StoreOptions) -> Self {
        let db = database().await;
        let pool = plain_pool(db.connect_options()).await;
        let proxy = Proxy::start(&db.connect_options()).await;
        let store = Store::open(proxy.connect_options(), options).await.unwrap();
        let account = account("in-doubt");
        insist(&store, &grant(&account, BALANCE)).await.unwrap();
        Self { db, pool, proxy, store, account }
    }

    fn execute(&self, unit: &UnitOfWork) -> JoinHandle<Result<Receipt, ExecuteError>> {
        let (store, unit) = (self.store.clone(), unit.clone());
        tokio::spawn(async move { store.execute(unit).await })
    }

    /// As [`Self::execute`]; it has its place in the queue when this returns.
    async fn queue(&self, unit: &UnitOfWork) -> JoinHandle<Result<Receipt, ExecuteError>> {
        let (store, unit) = (self.store.clone(), unit.clone());
        let mut answer = Box::pin(async move { store.execute(unit).await });
        // One poll is what it takes.
        assert!(tokio::time::timeout(Duration::ZERO, &mut answer).await.is_err(), "the lane is busy");
        tokio::spawn(answer)
    }

    /// Asks for a spend whose append gets as far as `moment`, and no further.
    async fn spend_until(&self, moment: Moment) -> (UnitOfWork, JoinHandle<Result<Receipt, ExecuteError>>, Sprung) {
        let springs = self.proxy.trap(APPEND, moment);
        let spend = spend(&self.account, 1);
        let answer = self.execute(&spend);
        (spend, answer, springs.sprung().await)
    }

    async fn is_committed(&self, unit: &UnitOfWork) {
        eventually("the commit", async || {
            (times_recorded(&self.pool, unit.command_id.uuid()).await == (1, 1)).then_some(())
        })
        .await;
    }

    fn fences(&self) -> u64 {
        self.store.stats().fences.load(Ordering::Relaxed)
    }

    /// The caller was told the truth about its spend, which is there once; and the store goes on.
    async fn comes_to_a_good_end(&self, unit: &UnitOfWork, receipt: Receipt) {
        assert_eq!(times_recorded(&self.pool, unit.command_id.uuid()).await, (1, 1));
        let position: i64 = sqlx::query_scalar("SELECT position FROM ledger.events WHERE command_id = $1")
            .bind(unit.command_id.uuid())
            .fetch_one(&self.pool)
            .await
            .unwrap();
        assert_eq!((receipt.position, receipt.events.len()), (position, 1));
        let again = insist(&self.store, unit).await.unwrap();
        assert_eq!((again.replayed, again.events), (true, receipt.events));
        for n in 1..=10 {
            let next = insist(&self.store, &spend(&self.account, 1)).await.unwrap();
            assert_eq!((next.position, next.replayed), (receipt.position + n, false));
        }
        assert_eq!(taken(&self.pool).await, 11);
        assert_eq!(balance_in(&self.store, &self.account).await, BALANCE - 11);
        assert_eq!(recorded_commands(&self.pool).await.len(), 12);
    }
}

/// Whoever asks is answered in the end.
async fn answered(asking: JoinHandle<Result<Receipt, ExecuteError>>) -> Result<Receipt, ExecuteError> {
    tokio::time::timeout(PATIENCE, asking).await.expect("an answer in the end").expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_reported_as_committed() {
    let scene = Scene::set().await;
    let (spend, answer, sprung) = scene.spend_until(Moment::BeforeAnswer).await;
    scene.is_committed(&spend).await;
    sprung.cut();
    let receipt = answered(answer).await.unwrap();
    assert_eq!(scene.fences(), 1);
    scene.comes_to_a_good_end(&spend, receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_never_reached_the_server_is_made_again() {
    let scene = Scene::set().await;
    let (spend, answer, sprung) = scene.spend_until(Moment::BeforeForwarding).await;
    sprung.cut();
    let receipt = answered(answer).await.unwrap();
    assert_eq!(scene.fences(), 1, "the store cannot know how far it got");
    scene.comes_to_a_good_end(&spend, receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_is_still_running_is_waited_for_and_not_made_twice() {
    let scene = Scene::set().await;
    let mut hold = Hold::of(scene.db.connect_options(), &scene.pool, &scene.account).await;
    hold.hold().await;
    let (spend, answer, sprung) = scene.spend_until(Moment::BeforeAnswer).await;
    hold.has_caught_one().await;
    // The server does not learn that its client has gone, and goes on.
    sprung.cut_client_only();
    hold.makes_wait("fence_heads", 1).await;
    assert!(!answer.is_finished(), "nobody can say yet");
    assert_eq!(times_recorded(&scene.pool, spend.command_id.uuid()).await, (0, 0));
    hold.release().await;
    let receipt = answered(answer).await.unwrap();
    assert!(scene.fences() > 0);
    scene.comes_to_a_good_end(&spend, receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_dies_with_its_connection_is_made_again_once() {
    let scene = Scene::set().await;
    let mut hold = Hold::of(scene.db.connect_options(), &scene.pool, &scene.account).await;
    hold.hold().await;
    let (spend, answer, sprung) = scene.spend_until(Moment::BeforeAnswer).await;
    let first = hold.has_caught_one().await;
    // The server notices within `client_connection_check_interval`, and rolls back.
    sprung.cut();
    eventually("the server to notice", async || (hold.has_caught_one().await != first).then_some(())).await;
    assert!(!answer.is_finished());
    hold.release().await;
    let receipt = answered(answer).await.unwrap();
    assert_eq!(scene.fences(), 1);
    scene.comes_to_a_good_end(&spend, receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_backend_is_terminated_is_made_again_once() {
    let scene = Scene::set().await;
    let mut hold = Hold::of(scene.db.connect_options(), &scene.pool, &scene.account).await;
    hold.hold().await;
    let spend = spend(&scene.account, 1);
    let answer = scene.execute(&spend);
    let first = hold.has_caught_one().await;
    sqlx::query("SELECT pg_terminate_backend($1)").bind(first).execute(&scene.pool).await.unwrap();
    eventually("it to be made again", async || (hold.has_caught_one().await != first).then_some(())).await;
    hold.release().await;
    let receipt = answered(answer).await.unwrap();
    assert_eq!(scene.fences(), 1);
    scene.comes_to_a_good_end(&spend, receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_told_in_time_is_told_so_and_learns_it_by_asking_again() {
    let scene = Scene::with(StoreOptions { unit_wait: Duration::from_secs(1), ..StoreOptions::default() }).await;
    let (spend, answer, sprung) = scene.spend_until(Moment::BeforeAnswer).await;
    scene.is_committed(&spend).await;
    scene.proxy.close();
    sprung.cut();
    assert!(matches!(answered(answer).await, Err(ExecuteError::Unknown)));
    scene.proxy.open();
    let receipt = insist(&scene.store, &spend).await.unwrap();
    assert!(receipt.replayed);
    scene.comes_to_a_good_end(&spend, receipt).await;
}

/// A lane that kept losing commits with `COMMIT`, after its append has been answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_commit_is_settled_as_well() {
    loses_its_commit(Moment::BeforeAnswer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_never_reached_the_server_is_made_again() {
    loses_its_commit(Moment::BeforeForwarding).await;
}

async fn loses_its_commit(moment: Moment) {
    let scene = Scene::set().await;
    let other = open_store(scene.db.connect_options()).await;
    let springs = scene.proxy.trap("COMMIT", moment);
    // Two stores on one account drive each other to take their locks first.
    let enough = CancellationToken::new();
    let mut callers = JoinSet::new();
    for n in 0..16 {
        let (store, account) = (if n < 8 { &scene.store } else { &other }.clone(), scene.account.clone());
        let enough = enough.clone();
        callers.spawn(async move {
            let mut asked = 0;
            while !enough.is_cancelled() {
                insist(&store, &spend(&account, 1)).await.unwrap();
                asked += 1;
            }
            asked
        });
    }
    springs.sprung().await.cut();
    eventually("the fence", async || (scene.fences() > 0).then_some(())).await;
    enough.cancel();
    let asked: i64 = callers.join_all().await.into_iter().sum();
    assert_eq!(scene.fences(), 1);
    assert_eq!(taken(&scene.pool).await, asked);
    assert_eq!(recorded_commands(&scene.pool).await.len() as i64, asked + 1);
    for store in [&scene.store, &other] {
        assert_eq!(balance_in(store, &scene.account).await, BALANCE - asked);
    }
}

/// A batch may commit in one partition and refuse in another; the refusal is proved after the commit. If the connection
/// is lost there, what was committed stays committed for the store as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_after_the_commit_and_before_a_refusal_is_proved_forgets_neither() {
    let scene = Scene::with(StoreOptions { lanes: 1, ..StoreOptions::default() }).await;
    let poor = account_in("poor", |part| part != part_of(&scene.account));
    insist(&scene.store, &grant(&poor, 1)).await.unwrap();
    // Both go into one batch, because the lane is busy with something else when they arrive.
    let springs = scene.proxy.trap(APPEND, Moment::BeforeForwarding);
    let busy = scene.execute(&grant(&account("busy"), 1));
    let sprung = springs.sprung().await;
    let heads = scene.proxy.trap("chain_then", Moment::BeforeForwarding);
    let spend_one = spend(&scene.account, 1);
    let rich = scene.queue(&spend_one).await;
    let refused = scene.queue(&spend(&poor, 2)).await;
    sprung.let_go();
    answered(busy).await.unwrap();
    let sprung = heads.sprung().await;
    scene.is_committed(&spend_one).await;
    sprung.cut();

    let receipt = answered(rich).await.unwrap();
    assert_eq!(times_recorded(&scene.pool, spend_one.command_id.uuid()).await, (1, 1));
    assert_eq!(receipt.events.len(), 1);
    match answered(refused).await {
        Err(ExecuteError::Refused(refusal)) => assert_eq!(refusal.code(), "E4001"),
        other => panic!("{other:?}"),
    }
    assert_eq!(balance_in(&scene.store, &scene.account).await, BALANCE - 1);
    assert_eq!(balance_in(&scene.store, &poor).await, 1);
    assert_eq!(taken(&scene.pool).await, 1);
}

/// Nothing is cut, nothing ever comes back: as where a failover took the address along, or a firewall forgot about us.
#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_has_fallen_silent_holds_nobody_up_for_ever() {
    let scene = Scene::with(StoreOptions { unit_wait: Duration::from_secs(2), ..StoreOptions::default() }).await;
    let (spend, answer, _silent) = scene.spend_until(Moment::BeforeAnswer).await;
    let receipt = answered(answer).await.unwrap();
    assert_eq!(scene.fences(), 1);
    scene.comes_to_a_good_end(&spend, receipt).await;

    for question in ["ledger.snapshots", "command_results r"] {
        let springs = scene.proxy.trap(question, Moment::BeforeAnswer);
        let newcomer = account(&format!("newcomer-{}", question.len()));
        let unit = grant(&newcomer, 1);
        let (store, asked) = (scene.store.clone(), unit.clone());
        let answer = tokio::spawn(async move { insist(&store, &asked).await });
        let _silent = springs.sprung().await;
        answered(answer).await.unwrap();
        assert_eq!(times_recorded(&scene.pool, unit.command_id.uuid()).await, (1, 1));
    }
}
