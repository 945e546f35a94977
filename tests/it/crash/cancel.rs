//! Callers lose patience: futures are dropped at any point, and nothing is left lying about.

use std::time::Duration;

use billing_ledger::store::{Store, StoreOptions, pool};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgPool};
use tokio::task::JoinSet;

use crate::support::log::{assert_recorded_once, recorded_commands, times_recorded};
use crate::support::proxy::{Moment, Proxy};
use crate::support::units::{account, balance_in, grant, insist, spend};
use crate::support::{database, plain_pool};

#[tokio::test(flavor = "multi_thread")]
async fn a_begin_that_nobody_waits_for_does_not_swallow_the_next_write() {
    let db = database().await;
    let second = plain_pool(db.connect_options()).await;
    second.execute("CREATE TABLE public.written (word text)").await.unwrap();
    let proxy = Proxy::start(&db.connect_options()).await;
    let ours = pool(proxy.connect_options(), 1).await.unwrap();
    abandon_a_begin(&proxy, &ours).await;
    ours.execute("INSERT INTO public.written VALUES ('ours')").await.unwrap();
    assert_eq!(written(&second).await, ["ours"]);
}

/// Why our pools ask every connection on its way back. When this fails after an upgrade of sqlx, `store::pool` need not
/// do so any more.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_pool_of_sqlx_alone_the_next_write_is_swallowed() {
    let db = database().await;
    let second = plain_pool(db.connect_options()).await;
    second.execute("CREATE TABLE public.written (word text)").await.unwrap();
    let proxy = Proxy::start(&db.connect_options()).await;
    let theirs = PgPoolOptions::new().max_connections(1).connect_with(proxy.connect_options()).await.unwrap();
    abandon_a_begin(&proxy, &theirs).await;
    theirs.execute("INSERT INTO public.written VALUES ('theirs')").await.unwrap();
    assert_eq!(written(&second).await, Vec::<String>::new(), "sqlx has learnt to clean up after a dropped begin");
}

/// Drops `pool.begin()` after the server has heard `BEGIN` and before the client has heard the answer.
async fn abandon_a_begin(proxy: &Proxy, pool: &PgPool) {
    let springs = proxy.trap("BEGIN", Moment::BeforeAnswer);
    let begins = tokio::spawn({
        let pool = pool.clone();
        async move { pool.begin().await.map(drop) }
    });
    let sprung = springs.sprung().await;
    begins.abort();
    assert!(begins.await.unwrap_err().is_cancelled());
    sprung.let_go();
}

async fn written(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT word FROM public.written").fetch_all(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_give_up_at_any_point_leave_a_healthy_store_and_may_ask_again() {
    const COMMANDS: usize = 2_000;
    const QUEUE: usize = 64;
    let db = database().await;
    let options = StoreOptions { queue_units: QUEUE, ..StoreOptions::default() };
    let store = Store::open(db.connect_options(), options).await.unwrap();
    let rich: Vec<_> = (0..8).map(|n| account(&format!("impatient-{n}"))).collect();
    for account in &rich {
        insist(&store, &grant(account, COMMANDS as i64)).await.unwrap();
    }
    let commands: Vec<_> = (0..COMMANDS).map(|n| spend(&rich[n % rich.len()], 1)).collect();

    let mut random = SmallRng::seed_from_u64(7);
    let mut callers = JoinSet::new();
    for command in commands.clone() {
        let (store, patience) = (store.clone(), Duration::from_micros(random.random_range(0..20_000)));
        callers.spawn(async move { tokio::time::timeout(patience, insist(&store, &command)).await.is_ok() });
        if callers.len() >= 2 * QUEUE {
            callers.join_next().await.unwrap().unwrap();
        }
    }
    callers.join_all().await;

    let pool = plain_pool(db.connect_options()).await;
    // Everything the store had accepted comes to its end, with or without somebody who waits for it. Work of one
    // account is done in order: whoever looks at it now looks after all of that.
    for account in &rich {
        balance_in(&store, account).await;
    }
    let spent = recorded_commands(&pool).await.len() - rich.len();
    assert!((1..COMMANDS).contains(&spent), "{spent} of {COMMANDS}: nobody gave up, or everybody");

    let mut again = JoinSet::new();
    for command in commands.clone() {
        let store = store.clone();
        again.spawn(async move { insist(&store, &command).await.unwrap().replayed });
    }
    let replayed = again.join_all().await.into_iter().filter(|replayed| *replayed).count();
    assert_eq!(replayed, spent, "what had been recorded was answered again and not done again");
    let asked: Vec<_> = commands.iter().map(|command| command.command_id.uuid()).collect();
    assert_recorded_once(&pool, &asked).await;
    assert_eq!(times_recorded(&pool, asked[0]).await, (1, 1));
    for account in &rich {
        assert_eq!(balance_in(&store, account).await, (COMMANDS - COMMANDS / rich.len()) as i64);
    }
    every_place_is_free(&store, QUEUE).await;
}

/// As many as may wait at once do get a place: no caller that went away has taken one along.
async fn every_place_is_free(store: &Store, queue: usize) {
    let account = account("comes-later");
    let mut callers = JoinSet::new();
    let units: Vec<_> = (0..queue).map(|_| grant(&account, 1)).collect();
    for unit in units {
        let store = store.clone();
        callers.spawn(async move { store.execute(unit).await });
    }
    for answer in callers.join_all().await {
        answer.unwrap();
    }
}
