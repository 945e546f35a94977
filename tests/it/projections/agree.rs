//! Whatever is used, every read model says what the log folds to.

use std::collections::{BTreeMap, HashMap};

use aggregates::{
    AccountKey, Charge, Command, DayRule, GrantId, HoldId, OrderId, Overdraft, Party, Release, ReleaseReason, Reserve,
    Settle, State, UserPackageCommand, UserPackageId,
};
use billing_ledger::replay::{self, Range};
use billing_ledger::store::StoreError;
use chrono::{DateTime, TimeDelta, Utc};
use projections::{balances, daily_usage, packages};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use uuid::Uuid;

use super::scene::{Scene, activate, charge, grant, package, time};
use crate::support::units::{account, micros};

/// Balances, grants, packages and days are those of the folded log, at several moments.
pub(super) async fn assert_agree(scene: &Scene) {
    let now = time("2026-01-05T06:00:00Z");
    for at in [now, now + TimeDelta::hours(11), now + TimeDelta::days(3), now + TimeDelta::days(40)] {
        assert_agree_at(scene, at).await;
    }
}

/// From when to when.
type Run = (DateTime<Utc>, DateTime<Utc>);

async fn assert_agree_at(scene: &Scene, now: DateTime<Utc>) {
    let mut packages: HashMap<AccountKey, HashMap<UserPackageId, String>> = HashMap::new();
    let mut runs_of: HashMap<AccountKey, BTreeMap<Uuid, Run>> = HashMap::new();
    let mut accounts = Vec::new();
    replay::fold(
        &scene.pool,
        &Range::default(),
        |_, _| (),
        |_, aggregates| {
            for ((account, id), folded) in aggregates {
                match folded.state {
                    State::CreditAccount(state) => accounts.push((account, state)),
                    State::UserPackage(state) => {
                        let run = state.run();
                        let runs =
                            run.is_some_and(|(_, starts, ends)| starts <= now && now < ends) && !state.is_revoked();
                        let left = runs.then(|| (UserPackageId::from_uuid(id.id), state.left_today(now).to_string()));
                        packages.entry(account).or_default().extend(left);
                        let run = run.map(|(_, starts_at, ends_at)| (id.id, (starts_at, ends_at)));
                        runs_of.entry(account).or_default().extend(run);
                    }
                    _ => {}
                }
            }
            Ok::<_, StoreError>(())
        },
    )
    .await
    .expect("a fold");
    for (account, state) in accounts {
        let view = balances::query::credits_of(&scene.pool, account, now).await.expect("credits");
        assert_eq!(view.credits, state.balance().to_string(), "balance of {account}");
        assert_eq!(view.available, state.available(now).to_string(), "available to {account} at {now}");
        assert_eq!(view.frozen, state.frozen().to_string(), "held of {account}");
        assert_eq!(view.shortfall, state.shortfall().to_string(), "owed by {account}");
        for grant in view.grants {
            let (left, frozen) = state.left_and_frozen(GrantId::from_uuid(grant.id)).expect("a grant with a row");
            assert_eq!((grant.remaining, grant.frozen), (left.to_string(), frozen.to_string()), "of {account}");
        }
    }
    for (account, folded) in runs_of {
        let listed = packages::query::of_account(&scene.pool, account, now).await.expect("packages");
        let seen: BTreeMap<_, _> = listed.into_iter().map(|it| (it.id, (it.starts_at, it.ends_at))).collect();
        assert_eq!(seen, folded, "the packages of {account}");
    }
    for (account, folded) in packages {
        let view = daily_usage::query::today(&scene.pool, account, now).await.expect("today");
        let seen: HashMap<_, _> =
            view.packages.into_iter().map(|it| (UserPackageId::from_uuid(it.id), it.remaining)).collect();
        assert_eq!(seen, folded, "left today of the packages of {account} at {now}");
    }
}

/// Of one of the last steps, if it is this account's.
fn of_a_package(step: u128, what: u8, amount: i64) -> Command {
    let of = step.saturating_sub(u128::from(amount.unsigned_abs()) % 40);
    let order = OrderId::from_uuid(Uuid::from_u128(of));
    let reason = || "given back".to_owned();
    let command = match what {
        4 => UserPackageCommand::Extend { order, days: 2 },
        5 => UserPackageCommand::TakeBack { order, reason: reason() },
        _ => UserPackageCommand::Revoke { reason: reason() },
    };
    Command::UserPackage(package(of), command)
}

/// One of the last few steps, whatever it was.
fn lately(step: u128, chance: i64) -> HoldId {
    HoldId::from_uuid(Uuid::from_u128(step.saturating_sub(u128::from(chance.unsigned_abs()) % 20)))
}

#[tokio::test(flavor = "multi_thread")]
async fn after_random_charges_read_models_are_what_the_log_folds_to() {
    let scene = Scene::new().await;
    let start = time("2026-01-05T06:00:00Z");
    let mut random = TestRunner::deterministic();
    let uses = proptest::collection::vec((0..8_u32, 0..16_u8, 1..3_000_000_i64, 0..100_i64), 500);
    let uses = uses.new_tree(&mut random).expect("values").current();
    for (step, (who, what, amount, minutes)) in (1_u128..).zip(uses) {
        let account = account(&format!("random-{who}"));
        let at = start + TimeDelta::minutes(minutes * i64::from(who + 1));
        let command = match what {
            0 => grant(step, "3.00", None),
            1 => grant(step, "2.00", Some(at + TimeDelta::hours(12))),
            2 => activate(package(step), "1.50", 2, DayRule::Calendar),
            3 => activate(package(step), "2.50", 4, DayRule::Anniversary),
            4..=6 => of_a_package(step, what, amount),
            7 | 8 => Command::Reserve(Reserve {
                hold: HoldId::from_uuid(Uuid::from_u128(step)),
                amount: micros(amount),
                by: Party::Account,
                expires_at: at + TimeDelta::days(1),
                meter: None,
                reference: None,
            }),
            // Of a hold of the last few steps, if there is one and it is this account's.
            9 | 10 => {
                Command::Settle(Settle { hold: lately(step, amount), amount: micros(amount / 8), by: Party::Account })
            }
            11 => Command::Release(Release { hold: lately(step, amount), why: ReleaseReason::Asked(Party::Account) }),
            12 => {
                let (amount, overdraft) = (micros(amount), Overdraft::Allow);
                Command::Charge(Charge { amount, meter: None, reference: None, overdraft })
            }
            _ => charge(micros(amount)),
        };
        let unit =
            billing_ledger::store::UnitOfWork::new(account, crate::support::units::command_id(), at, vec![command])
                .expect("commands are JSON");
        // A refusal records nothing, and is as good a use as any.
        match crate::support::units::insist(&scene.store, &unit).await {
            Ok(_) | Err(billing_ledger::store::ExecuteError::Refused(_)) => {}
            Err(error) => panic!("{error}"),
        }
        if step % 70 == 0 {
            scene.catch_up().await;
        }
    }
    scene.catch_up().await;
    assert_agree(&scene).await;
    let used: i64 = sqlx::query_scalar("SELECT coalesce(sum(used), 0)::int8 FROM read.daily_usage")
        .fetch_one(&scene.pool)
        .await
        .expect("a sum");
    let consumed: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum((payload->>'amount')::int8), 0)::int8 FROM ledger.events
          WHERE aggregate_type = 'user_package' AND event_type IN ('consumed', 'settled')",
    )
    .fetch_one(&scene.pool)
    .await
    .expect("a sum");
    assert!(consumed > 0);
    assert_eq!(used, consumed, "every use is counted once");
    let held: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT coalesce(sum(held), 0)::int8 FROM read.daily_usage),
                (SELECT coalesce(sum(held), 0)::int8 FROM read.packages),
                (SELECT coalesce(sum(CASE event_type WHEN 'held' THEN (payload->>'amount')::int8
                                     ELSE -(payload->>'amount')::int8 - (payload->>'returned')::int8 END), 0)::int8
                   FROM ledger.events WHERE aggregate_type = 'user_package' AND event_type IN ('held', 'settled'))",
    )
    .fetch_one(&scene.pool)
    .await
    .expect("sums");
    assert!(held.2 > 0 && held.0 == held.2 && held.1 == held.2, "what is held is held once: {held:?}");
}
