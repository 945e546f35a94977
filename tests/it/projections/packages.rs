//! Packages bought again, held, given back, waiting: events in, views out.

use aggregates::{
    AccountId, Command, DayRule, HoldId, OrderId, Party, ProductId, Reserve, Settle, UserPackageCommand, UserPackageId,
};
use chrono::{DateTime, TimeDelta, Utc};
use projections::packages::query::PackageView;
use projections::{daily_usage, packages};
use uuid::Uuid;

use super::agree::assert_agree;
use super::scene::{Scene, activate, charge, credits, package, time};
use crate::support::units::account;

/// 14:00 in Shanghai.
const BOUGHT: &str = "2026-01-05T06:00:00Z";

fn order(number: u128) -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(number))
}

fn of(number: u128, command: UserPackageCommand) -> Command {
    Command::UserPackage(package(number), command)
}

/// 5.00 for 30 days, of the product that [`activate`] is of, from a moment to come.
fn waiting(number: u128, starts_at: DateTime<Utc>) -> Command {
    of(
        number,
        UserPackageCommand::Activate {
            product: ProductId::numbered(1),
            daily_limit: credits("5.00"),
            duration_days: 30,
            time_zone: chrono_tz::Tz::Asia__Shanghai,
            day: DayRule::Calendar,
            starts_at: Some(starts_at),
        },
    )
}

async fn listed(scene: &Scene, account: &AccountId, now: DateTime<Utc>) -> Vec<PackageView> {
    packages::query::of_account(&scene.pool, account.key(), now).await.expect("packages")
}

fn hold() -> HoldId {
    HoldId::from_uuid(Uuid::from_u128(7))
}

fn reserve(amount: &str, expires_at: DateTime<Utc>) -> Command {
    Command::Reserve(Reserve {
        hold: hold(),
        amount: credits(amount),
        by: Party::Account,
        expires_at,
        meter: None,
        reference: None,
    })
}

#[tokio::test]
async fn what_an_order_adds_and_takes_is_in_the_end_the_days_and_the_total() {
    let scene = Scene::new().await;
    let (ann, now) = (account("ann"), time(BOUGHT));
    let extend = |number, days| of(1, UserPackageCommand::Extend { order: order(number), days });
    let seen = async |at| {
        let view = listed(&scene, &ann, at).await.remove(0);
        (view.status, view.duration_days, view.remaining, view.ends_at)
    };
    scene.tell(&ann, now, vec![activate(package(1), "5.00", 30, DayRule::Calendar), extend(1, 10)]).await;
    scene.catch_up().await;
    let day = |days| now + TimeDelta::days(days);
    assert_eq!(seen(now).await, ("active".to_owned(), 40, "200.00".to_owned(), day(40)));
    scene.tell(&ann, now, vec![extend(2, 20)]).await;
    let give_back =
        |number| of(1, UserPackageCommand::TakeBack { order: order(number), reason: "refunded".to_owned() });
    scene.tell(&ann, now, vec![give_back(1)]).await;
    scene.catch_up().await;
    assert_eq!(seen(now).await, ("active".to_owned(), 50, "250.00".to_owned(), day(50)));
    assert_agree(&scene).await;

    let revoke = UserPackageCommand::Revoke { reason: "refunded".to_owned() };
    scene.tell(&ann, now, vec![of(1, revoke)]).await;
    scene.catch_up().await;
    assert_eq!(seen(now).await.0, "revoked");
    assert_eq!(seen(day(60)).await.0, "revoked", "it did not end by itself");
    let today = daily_usage::query::today(&scene.pool, ann.key(), now).await.expect("today");
    assert!(today.packages.is_empty() && today.limit == "0.00");
    assert_agree(&scene).await;
}

#[tokio::test]
async fn what_waits_is_shown_so_until_it_starts_and_moves_up() {
    let scene = Scene::new().await;
    let (ben, now) = (account("ben"), time(BOUGHT));
    let day = |days| now + TimeDelta::days(days);
    let commands = vec![activate(package(1), "5.00", 30, DayRule::Calendar), waiting(2, day(30))];
    scene.tell(&ben, now, commands).await;
    scene.catch_up().await;
    let states = async |at| {
        let all = listed(&scene, &ben, at).await;
        all.into_iter().map(|it| (it.id.as_u128(), it.status, it.starts_at)).collect::<Vec<_>>()
    };
    let of_two =
        |first: &str, second: &str, starts_at| vec![(2, second.to_owned(), starts_at), (1, first.to_owned(), now)];
    assert_eq!(states(now).await, of_two("active", "waiting", day(30)));
    assert_eq!(states(day(30)).await, of_two("expired", "active", day(30)));

    let revoke = UserPackageCommand::Revoke { reason: "refunded".to_owned() };
    scene.tell(&ben, day(3), vec![of(1, revoke)]).await;
    scene.catch_up().await;
    assert_eq!(states(day(3)).await, of_two("revoked", "active", day(3)));
    assert_agree(&scene).await;
}

#[tokio::test]
async fn what_is_held_of_a_day_is_neither_used_nor_left_until_it_is_settled() {
    let scene = Scene::new().await;
    let (cas, now) = (account("cas"), time(BOUGHT));
    scene.tell(&cas, now, vec![activate(package(1), "5.00", 30, DayRule::Calendar), charge(credits("1.00"))]).await;
    scene.tell(&cas, now, vec![reserve("3.00", now + TimeDelta::days(1))]).await;
    scene.catch_up().await;
    let today = async |at| {
        let it = daily_usage::query::today(&scene.pool, cas.key(), at).await.expect("today");
        let package = &it.packages[0];
        assert_eq!((&it.used, &it.held, &it.remaining), (&package.used, &package.held, &package.remaining));
        (it.limit, it.used, it.held, it.remaining)
    };
    let numbers = |all: [&str; 4]| {
        let [limit, used, held, left] = all.map(str::to_owned);
        (limit, used, held, left)
    };
    assert_eq!(today(now).await, numbers(["5.00", "1.00", "3.00", "1.00"]));
    let view = listed(&scene, &cas, now).await.remove(0);
    assert_eq!((view.remaining.as_str(), view.held.as_str()), ("146.00", "3.00"));

    // Settled after midnight: it was the day before's, and so is what comes back.
    let after = time("2026-01-05T16:00:01Z");
    scene
        .tell(&cas, after, vec![Command::Settle(Settle { hold: hold(), amount: credits("2.00"), by: Party::Account })])
        .await;
    scene.catch_up().await;
    assert_eq!(today(after).await, numbers(["5.00", "0.00", "0.00", "5.00"]));
    let date = "2026-01-05".parse().expect("a day");
    let history = daily_usage::query::history(&scene.pool, cas.key(), date, date).await.expect("history");
    let [day] = history.as_slice() else { panic!("{history:?}") };
    assert_eq!((day.limit.as_str(), day.used.as_str(), day.held.as_str()), ("5.00", "3.00", "0.00"));
    let view = listed(&scene, &cas, after).await.remove(0);
    assert_eq!((view.remaining.as_str(), view.held.as_str()), ("147.00", "0.00"));
    assert_agree(&scene).await;
}

/// A day of which everything came back was not used.
#[tokio::test]
async fn a_day_that_was_only_held_of_is_in_no_history() {
    let scene = Scene::new().await;
    let (dan, now) = (account("dan"), time(BOUGHT));
    scene.tell(&dan, now, vec![activate(package(1), "5.00", 30, DayRule::Calendar)]).await;
    scene.tell(&dan, now, vec![reserve("3.00", now + TimeDelta::days(1))]).await;
    scene
        .tell(&dan, now, vec![Command::Settle(Settle { hold: hold(), amount: credits("0"), by: Party::Account })])
        .await;
    scene.catch_up().await;
    let date = "2026-01-05".parse().expect("a day");
    let history = daily_usage::query::history(&scene.pool, dan.key(), date, date).await.expect("history");
    assert!(history.is_empty(), "{history:?}");
    let bought = UserPackageId::from_uuid(Uuid::from_u128(1));
    assert_eq!(listed(&scene, &dan, now).await[0].id, bought.uuid());
}
