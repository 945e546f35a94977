//! A balance for a hundred spends, and a thousand who want one: in one process, through two stores, from two processes.

use aggregates::{
    AccountId, Command, CreditAccountCommand, DayRule, GrantId, GrantSource, ProductId, UserPackageCommand,
};
use billing_ledger::bench::workload::{CHARGE_MICROS, Workload};
use billing_ledger::store::{ExecuteError, Store};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::log::{all_stores_gone, assert_agrees, folded, recorded_commands, taken};
use crate::support::process::Worker;
use crate::support::units::{account, balance_in, grant, insist, micros, spend, unit};
use crate::support::{database, open_store, plain_pool};

const SPENDS: usize = 1_000;
const ENOUGH_FOR: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_spends_at_once_exactly_as_many_succeed_as_the_balance_has_room_for() {
    let db = database().await;
    let store = open_store(db.connect_options()).await;
    let account = account("wanted-by-all");
    insist(&store, &grant(&account, ENOUGH_FOR as i64)).await.unwrap();
    assert_eq!(spends(std::slice::from_ref(&store), &account).await, (ENOUGH_FOR, SPENDS - ENOUGH_FOR));
    assert_eq!(balance_in(&store, &account).await, 0);
    let pool = plain_pool(db.connect_options()).await;
    assert_eq!(taken(&pool).await, ENOUGH_FOR as i64);
    assert_eq!(recorded_commands(&pool).await.len(), ENOUGH_FOR + 1, "what was refused left no trace");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_with_a_cache_each_spend_no_more_than_one() {
    let db = database().await;
    let stores = [open_store(db.connect_options()).await, open_store(db.connect_options()).await];
    let account = account("wanted-by-both");
    insist(&stores[0], &grant(&account, ENOUGH_FOR as i64)).await.unwrap();
    // Both have it in memory, with the whole balance.
    for store in &stores {
        assert_eq!(balance_in(store, &account).await, ENOUGH_FOR as i64);
    }
    assert_eq!(spends(&stores, &account).await, (ENOUGH_FOR, SPENDS - ENOUGH_FOR));
    for store in &stores {
        assert_eq!(balance_in(store, &account).await, 0);
    }
    let pool = plain_pool(db.connect_options()).await;
    assert_eq!(taken(&pool).await, ENOUGH_FOR as i64);
    assert_eq!(recorded_commands(&pool).await.len(), ENOUGH_FOR + 1, "what was refused left no trace");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_charge_no_more_than_there_is() {
    let db = database().await;
    let workload = Workload::new("scarce", 1).unwrap();
    let scarce = workload.accounts()[0].clone();
    // The package gives one micro-credit a day, so whatever day it is, there is enough for a hundred charges and not
    // for one more.
    let activate = UserPackageCommand::Activate {
        product: ProductId::from_uuid(Uuid::from_u128(1)),
        daily_limit: micros(1),
        duration_days: 365,
        time_zone: chrono_tz::UTC,
        day: DayRule::Calendar,
        starts_at: None,
    };
    let give = CreditAccountCommand::Grant {
        grant: GrantId::from_uuid(Uuid::from_u128(2)),
        source: GrantSource::Promotion,
        amount: micros(ENOUGH_FOR as i64 * CHARGE_MICROS - 1),
        expires_at: None,
        reason: None,
    };
    let commands = vec![Command::UserPackage(scarce.package, activate), Command::CreditAccount(give)];
    let store = open_store(db.connect_options()).await;
    insist(&store, &unit(&scarce.id, commands)).await.unwrap();

    let arguments = ["--set", "scarce", "--accounts", "1", "--callers", "64", "--seconds", "2"];
    let url = db.url();
    let (one, other) = tokio::join!(Worker::start(&url, &arguments), Worker::start(&url, &arguments));
    let ((_, one), (_, other)) = tokio::join!(one.finish(), other.finish());
    assert_eq!(one.charges + other.charges, ENOUGH_FOR as u64);
    assert!(one.refused > 0 && other.refused > 0, "both wanted more: {} and {}", one.refused, other.refused);

    let pool = plain_pool(db.connect_options()).await;
    assert_eq!(taken(&pool).await, ENOUGH_FOR as i64 * CHARGE_MICROS);
    assert_agrees(&store, workload.accounts(), &folded(&pool).await).await;
    store.close().await;
    all_stores_gone(&pool).await;
}

/// A thousand spends of 1 at once, in turn through each store: how many succeeded, how many were refused.
async fn spends(stores: &[Store], account: &AccountId) -> (usize, usize) {
    let mut tasks = JoinSet::new();
    for n in 0..SPENDS {
        let (store, spend) = (stores[n % stores.len()].clone(), spend(account, 1));
        tasks.spawn(async move { insist(&store, &spend).await });
    }
    let (mut succeeded, mut refused) = (0, 0);
    while let Some(done) = tasks.join_next().await {
        match done.unwrap() {
            Ok(receipt) => succeeded += receipt.events.len(),
            Err(ExecuteError::Refused(refusal)) if refusal.code() == "E4001" => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    (succeeded, refused)
}
