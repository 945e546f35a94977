//! What is held and owed: events in, views out.

use aggregates::{
    AccountId, Charge, Command, CreditAccountCommand, HoldId, OrderId, Overdraft, Party, RefundId, Release,
    ReleaseReason, Reserve, Settle,
};
use chrono::{DateTime, TimeDelta, Utc};
use projections::holds::query::{self as holds, HoldState, HoldView};
use projections::statement::query::{LineFilter, LineKind};
use projections::{balances, statement};
use uuid::Uuid;

use super::agree::assert_agree;
use super::scene::{Scene, activate, credits, grant, package, spend, time};
use crate::support::units::account;

const NOON: &str = "2026-01-05T06:00:00Z";

/// Aggregates of one account share no id.
const OTHERS: u128 = 800;

fn hold(number: u128) -> HoldId {
    HoldId::from_uuid(Uuid::from_u128(OTHERS + number))
}

fn reserve(number: u128, amount: &str, expires_at: DateTime<Utc>) -> Command {
    let reference = Some(format!("job-{number}"));
    Command::Reserve(Reserve {
        hold: hold(number),
        amount: credits(amount),
        by: Party::Account,
        expires_at,
        meter: Some("video".to_owned()),
        reference,
    })
}

fn settle(number: u128, amount: &str) -> Command {
    Command::Settle(Settle { hold: hold(number), amount: credits(amount), by: Party::Account })
}

fn release(number: u128, why: ReleaseReason) -> Command {
    Command::Release(Release { hold: hold(number), why })
}

fn claw_back(amount: &str) -> Command {
    Command::CreditAccount(CreditAccountCommand::ClawBack {
        order: OrderId::from_uuid(Uuid::from_u128(7)),
        refund: RefundId::from_uuid(Uuid::from_u128(70)),
        amount: credits(amount),
    })
}

/// On the books, available, held, owed.
async fn stands(scene: &Scene, account: &AccountId, now: DateTime<Utc>) -> [String; 4] {
    let view = balances::query::credits_of(&scene.pool, account.key(), now).await.expect("credits");
    [view.credits, view.available, view.frozen, view.shortfall]
}

#[tokio::test]
async fn a_grant_has_a_row_while_any_of_it_is_left_or_held() {
    let scene = Scene::new().await;
    let (alice, now) = (account("alice"), time(NOON));
    let (soon, late) = (now + TimeDelta::hours(1), now + TimeDelta::days(1));
    scene.tell(&alice, now, vec![grant(1, "3.00", Some(soon)), grant(2, "2.00", None)]).await;
    scene.tell(&alice, now, vec![reserve(1, "4.00", late)]).await;
    scene.catch_up().await;
    assert_eq!(stands(&scene, &alice, now).await, ["5.00", "1.00", "4.00", "0.00"]);
    let view = balances::query::credits_of(&scene.pool, alice.key(), now).await.expect("credits");
    let grants: Vec<_> = view.grants.iter().map(|it| (it.remaining.as_str(), it.frozen.as_str())).collect();
    assert_eq!(grants, [("0.00", "3.00"), ("1.00", "1.00")]);

    // Over before it is settled: what comes back to it goes with it, and so does its row.
    let after = soon + TimeDelta::minutes(1);
    scene.tell(&alice, after, vec![settle(1, "2.00")]).await;
    scene.catch_up().await;
    assert_eq!(stands(&scene, &alice, after).await, ["2.00", "2.00", "0.00", "0.00"]);
    let view = balances::query::credits_of(&scene.pool, alice.key(), after).await.expect("credits");
    assert_eq!(view.grants.len(), 1);
    assert_agree(&scene).await;
}

#[tokio::test]
async fn a_grant_that_is_given_held_and_used_up_in_one_batch_leaves_no_row() {
    let scene = Scene::new().await;
    let (bob, now) = (account("bob"), time(NOON));
    let late = now + TimeDelta::days(1);
    scene.tell(&bob, now, vec![grant(1, "3.00", None), reserve(1, "3.00", late), settle(1, "3.00")]).await;
    scene.tell(&bob, now, vec![grant(2, "3.00", None), reserve(2, "1.00", late), spend("2.00")]).await;
    scene.catch_up().await;
    let view = balances::query::credits_of(&scene.pool, bob.key(), now).await.expect("credits");
    let grants: Vec<_> = view.grants.iter().map(|it| (it.id.as_u128(), it.frozen.as_str())).collect();
    assert_eq!(grants, [(2, "1.00")]);
    scene.tell(&bob, now, vec![settle(2, "1.00")]).await;
    scene.catch_up().await;
    assert_eq!(stands(&scene, &bob, now).await, ["0.00", "0.00", "0.00", "0.00"]);
    assert_agree(&scene).await;
}

#[tokio::test]
async fn what_is_owed_is_shown_until_it_is_repaid() {
    let scene = Scene::new().await;
    let (carol, now) = (account("carol"), time(NOON));
    let overdraw = Charge { amount: credits("5.00"), meter: None, reference: None, overdraft: Overdraft::Allow };
    scene.tell(&carol, now, vec![grant(1, "2.00", None), Command::Charge(overdraw)]).await;
    scene.tell(&carol, now, vec![claw_back("1.00")]).await;
    scene.catch_up().await;
    assert_eq!(stands(&scene, &carol, now).await, ["0.00", "0.00", "0.00", "4.00"]);
    scene.tell(&carol, now, vec![grant(2, "6.00", None)]).await;
    scene.catch_up().await;
    assert_eq!(stands(&scene, &carol, now).await, ["2.00", "2.00", "0.00", "0.00"]);
    assert_agree(&scene).await;
}

#[tokio::test]
async fn a_hold_is_listed_with_its_parts_and_its_end() {
    let scene = Scene::new().await;
    let (dave, now) = (account("dave"), time(NOON));
    let late = now + TimeDelta::hours(1);
    scene.tell(&dave, now, vec![activate(package(1), "5.00", 30, aggregates::DayRule::Calendar)]).await;
    scene.tell(&dave, now, vec![grant(1, "9.00", None)]).await;
    for (number, amount) in [(1, "7.00"), (2, "1.00"), (3, "1.00"), (4, "1.00")] {
        scene
            .tell(
                &dave,
                now + TimeDelta::seconds(number),
                vec![reserve(number.try_into().expect("small"), amount, late)],
            )
            .await;
    }
    scene.tell(&dave, now, vec![settle(1, "6.00")]).await;
    scene.tell(&dave, now, vec![release(2, ReleaseReason::Asked(Party::Account))]).await;
    scene.tell(&dave, late, vec![release(3, ReleaseReason::TimedOut)]).await;
    scene.catch_up().await;

    let one = async |number, at| holds::by_id(&scene.pool, dave.key(), hold(number), at).await.expect("a hold");
    let settled = one(1, now).await.expect("a hold");
    assert_eq!(
        (settled.state, settled.amount.as_str(), settled.charged.as_deref()),
        (HoldState::Settled, "7.00", Some("6.00"))
    );
    let parts: Vec<_> = settled.packages.iter().map(|it| (it.day.to_string(), it.amount.as_str())).collect();
    assert_eq!(parts, [("2026-01-05".to_owned(), "5.00")]);
    assert_eq!(settled.credits[0].amount, "2.00");
    assert_eq!((settled.reference.as_deref(), settled.expires_at), (Some("job-1"), late));
    assert_eq!(
        one(2, now).await.map(|it| (it.state, it.charged)),
        Some((HoldState::Released, Some("0.00".to_owned())))
    );
    assert_eq!(one(3, now).await.map(|it| it.state), Some(HoldState::TimedOut));
    assert_eq!(one(4, now).await.map(|it| (it.state, it.charged)), Some((HoldState::Open, None)));
    assert_eq!(one(4, late).await.map(|it| it.state), Some(HoldState::TimedOut), "whether or not that is recorded");
    let others = holds::by_id(&scene.pool, account("eve").key(), hold(1), now).await.expect("an answer");
    assert_eq!(others, None, "somebody else's is none");

    let list = async |state, before, limit| -> Vec<u128> {
        let listed = holds::list(&scene.pool, dave.key(), state, now, before, limit).await.expect("holds");
        listed.iter().map(|it: &HoldView| it.id.as_u128() - OTHERS).collect()
    };
    assert_eq!(list(None, None, 10).await, [4, 3, 2, 1]);
    assert_eq!(list(None, Some((now + TimeDelta::seconds(3), hold(3))), 1).await, [2]);
    for (state, expected) in
        [(HoldState::Open, 4), (HoldState::Settled, 1), (HoldState::Released, 2), (HoldState::TimedOut, 3)]
    {
        assert_eq!(list(Some(state), None, 10).await, [expected]);
    }
    assert_agree(&scene).await;
}

#[tokio::test]
async fn the_statement_can_be_asked_for_one_kind_of_movement() {
    let scene = Scene::new().await;
    let (frank, now) = (account("frank"), time(NOON));
    let (soon, late) = (now + TimeDelta::hours(1), now + TimeDelta::days(1));
    scene
        .tell(&frank, now, vec![grant(1, "9.00", Some(soon)), reserve(1, "2.00", late), reserve(2, "3.00", late)])
        .await;
    scene
        .tell(&frank, now, vec![settle(1, "1.00"), release(2, ReleaseReason::Asked(Party::Account)), claw_back("1.00")])
        .await;
    let over = CreditAccountCommand::Expire { grant: aggregates::GrantId::from_uuid(Uuid::from_u128(1)) };
    scene.tell(&frank, soon, vec![Command::CreditAccount(over)]).await;
    let overdraw = Charge { amount: credits("0.50"), meter: None, reference: None, overdraft: Overdraft::Allow };
    scene.tell(&frank, soon, vec![Command::Charge(overdraw), grant(2, "1.00", None)]).await;

    let lines = async |kind| {
        let filter = LineFilter { kind, ..LineFilter::default() };
        statement::query::lines(&scene.pool, frank.key(), &filter, None, 100).await.expect("lines")
    };
    for (kind, expected) in [
        (LineKind::Settle, vec!["-1.00"]),
        (LineKind::Release, vec!["0.00"]),
        (LineKind::Hold, vec!["0.00", "0.00"]),
        (LineKind::ClawBack, vec!["-1.00"]),
        (LineKind::Expire, vec!["-7.00"]),
        (LineKind::Overdraft, vec!["0.00"]),
        (LineKind::Repay, vec!["-0.50"]),
    ] {
        let found = lines(Some(kind)).await;
        let amounts: Vec<_> = found.iter().map(|line| line.amount.as_str()).collect();
        assert_eq!(amounts, expected, "{kind:?}");
        assert!(found.iter().all(|line| line.kind == kind));
    }
    // From the first line to the last, each balance is the one before it and what the line says.
    let mut balance = aggregates::Credits::ZERO;
    for line in lines(None).await.iter().rev() {
        let amount = line.amount.trim_start_matches('-').parse().expect("credits");
        let sum = if line.amount.starts_with('-') { balance.checked_sub(amount) } else { balance.checked_add(amount) };
        balance = sum.expect("never below zero");
        assert_eq!(line.balance_after, balance.to_string());
    }
    assert_eq!(balance, credits("0.50"));
}
