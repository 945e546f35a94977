//! Events in, views out.

use aggregates::{Command, CreditAccountCommand, DayRule, UserPackageCommand};
use chrono::{NaiveDate, TimeDelta};
use projections::statement::query::{LineFilter, LineKind};
use projections::{balances, daily_usage, packages, statement};

use super::scene::{
    Scene, activate, charge, consume, create_product, credits, grant, monthly_card, package, spend, time,
};
use crate::support::units::account;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

#[tokio::test]
async fn credits_are_what_is_left_of_grants_that_have_not_expired() {
    let scene = Scene::new().await;
    let (alice, now) = (account("alice"), time("2026-01-05T06:00:00Z"));
    let tomorrow = now + TimeDelta::days(1);
    let commands = vec![grant(1, "10.00", None), grant(2, "4.00", Some(tomorrow)), grant(3, "1.00", Some(tomorrow))];
    scene.tell(&alice, now, commands).await;
    scene.tell(&alice, now, vec![spend("4.50")]).await;
    assert_eq!(scene.catch_up().await, 4);

    let view = balances::query::credits_of(&scene.pool, alice.key(), now).await.expect("credits");
    assert_eq!((view.credits.as_str(), view.available.as_str()), ("10.50", "10.50"));
    assert_eq!((view.frozen.as_str(), view.shortfall.as_str()), ("0.00", "0.00"));
    let grants: Vec<_> = view.grants.iter().map(|grant| (grant.id.as_u128(), grant.remaining.as_str())).collect();
    assert_eq!(grants, [(3, "0.50"), (1, "10.00")], "in spending order, and what is used up is gone");

    let later = balances::query::credits_of(&scene.pool, alice.key(), tomorrow).await.expect("credits");
    assert_eq!((later.credits.as_str(), later.available.as_str()), ("10.50", "10.00"));
    assert!(later.grants[0].expired && !later.grants[1].expired);

    let deduct = CreditAccountCommand::Deduct { amount: credits("10.00"), reason: "mistake".to_owned() };
    scene.tell(&alice, tomorrow, vec![Command::CreditAccount(deduct)]).await;
    scene.catch_up().await;
    let after = balances::query::credits_of(&scene.pool, alice.key(), tomorrow).await.expect("credits");
    assert_eq!((after.credits.as_str(), after.available.as_str()), ("0.50", "0.00"));

    let nobody = balances::query::credits_of(&scene.pool, account("nobody").key(), now).await.expect("credits");
    assert_eq!((nobody.credits.as_str(), nobody.grants.len()), ("0.00", 0));
}

#[tokio::test]
async fn a_day_of_a_package_has_what_was_used_and_ends_at_local_midnight() {
    let scene = Scene::new().await;
    // 14:00 in Shanghai.
    let (bob, bought) = (account("bob"), time("2026-01-05T06:00:00Z"));
    scene.tell(&bob, bought, vec![activate(package(1), "5.00", 30, DayRule::Calendar)]).await;
    scene.tell(&bob, bought, vec![charge(credits("1.25")), charge(credits("0.75"))]).await;
    scene.catch_up().await;

    let today = daily_usage::query::today(&scene.pool, bob.key(), bought).await.expect("today");
    assert_eq!((today.limit.as_str(), today.used.as_str(), today.remaining.as_str()), ("5.00", "2.00", "3.00"));
    assert_eq!(today.resets_at, Some(time("2026-01-05T16:00:00Z")));
    assert_eq!((today.packages[0].day, today.packages[0].product), (day("2026-01-05"), Some(1)));

    let midnight = time("2026-01-05T16:00:00Z");
    let next = daily_usage::query::today(&scene.pool, bob.key(), midnight).await.expect("today");
    assert_eq!((next.used.as_str(), next.remaining.as_str()), ("0.00", "5.00"), "a new day");
    scene.tell(&bob, midnight, vec![charge(credits("5.00"))]).await;
    scene.catch_up().await;

    let history = daily_usage::query::history(&scene.pool, bob.key(), day("2026-01-01"), day("2026-01-31")).await;
    let days: Vec<_> =
        history.expect("history").into_iter().map(|day| (day.day.to_string(), day.used, day.remaining)).collect();
    let expected = [("2026-01-06", "5.00", "0.00"), ("2026-01-05", "2.00", "3.00")];
    assert_eq!(days, expected.map(|(day, used, left)| (day.to_owned(), used.to_owned(), left.to_owned())));
    let only = daily_usage::query::history(&scene.pool, bob.key(), day("2026-01-06"), day("2026-01-06")).await;
    assert_eq!(only.expect("history").len(), 1);
}

#[tokio::test]
async fn today_is_the_sum_of_what_runs_and_no_package_pays_more_than_it_has_left() {
    let scene = Scene::new().await;
    let (carol, bought) = (account("carol"), time("2026-01-05T06:00:00Z"));
    let one_day = activate(package(1), "5.00", 1, DayRule::Calendar);
    let anniversary = activate(package(2), "2.00", 10, DayRule::Anniversary);
    scene.tell(&carol, bought, vec![one_day, anniversary]).await;
    scene.tell(&carol, bought, vec![consume(package(1), "4.00")]).await;
    scene.catch_up().await;

    // After local midnight the one-day card has a new day, and only 1.00 left of its life.
    let next_morning = time("2026-01-06T00:00:00Z");
    let today = daily_usage::query::today(&scene.pool, carol.key(), next_morning).await.expect("today");
    let packages: Vec<_> =
        today.packages.iter().map(|it| (it.id.as_u128(), it.remaining.as_str(), it.resets_at)).collect();
    let anniversary_resets = Some(bought + TimeDelta::days(1));
    assert_eq!(packages, [(1, "1.00", None), (2, "2.00", anniversary_resets)], "soonest end first");
    assert_eq!((today.limit.as_str(), today.remaining.as_str()), ("7.00", "3.00"));
    assert_eq!(today.resets_at, anniversary_resets);

    let ended = bought + TimeDelta::days(1);
    let today = daily_usage::query::today(&scene.pool, carol.key(), ended).await.expect("today");
    assert_eq!(today.packages.len(), 1, "a package pays nothing from the moment it ends");
}

#[tokio::test]
async fn a_package_that_has_ended_is_listed_so_even_before_that_is_recorded() {
    let scene = Scene::new().await;
    let (dave, bought) = (account("dave"), time("2026-01-05T06:00:00Z"));
    scene.tell(&aggregates::AccountId::system(), bought, vec![create_product(1, monthly_card("月卡", 1))]).await;
    let commands =
        vec![activate(package(1), "5.00", 1, DayRule::Calendar), activate(package(2), "5.00", 30, DayRule::Calendar)];
    scene.tell(&dave, bought, commands).await;
    scene.catch_up().await;

    let ended_at = bought + TimeDelta::days(1);
    let states = async |now| -> Vec<(u128, String, Option<String>)> {
        let listed = packages::query::of_account(&scene.pool, dave.key(), now).await.expect("packages");
        listed.into_iter().map(|it| (it.id.as_u128(), it.status, it.name)).collect()
    };
    let of = |first: &str| {
        let card = || Some("月卡".to_owned());
        vec![(2, "active".to_owned(), card()), (1, first.to_owned(), card())]
    };
    assert_eq!(states(bought).await, of("active"));
    assert_eq!(states(ended_at).await, of("expired"));

    scene.tell(&dave, ended_at, vec![Command::UserPackage(package(1), UserPackageCommand::Expire)]).await;
    scene.catch_up().await;
    assert_eq!(states(bought).await, of("expired"), "it is recorded, whatever the time is now");
}

#[tokio::test]
async fn a_statement_is_every_movement_newest_first_page_by_page() {
    let scene = Scene::new().await;
    let (erin, now) = (account("erin"), time("2026-01-05T06:00:00Z"));
    scene.tell(&erin, now, vec![grant(1, "10.00", None)]).await;
    for _ in 0..6 {
        scene.tell(&erin, now, vec![spend("0.25")]).await;
    }
    let all = statement::query::lines(&scene.pool, erin.key(), &LineFilter::default(), None, 100).await.expect("lines");
    assert_eq!(all.len(), 7);
    let newest = &all[0];
    assert_eq!(
        (newest.kind, newest.amount.as_str(), newest.balance_after.as_str()),
        (LineKind::Spend, "-0.25", "8.50")
    );
    assert_eq!((newest.meter.as_deref(), newest.reference.as_deref()), (Some("letters"), Some("r-1")));
    let oldest = &all[6];
    assert_eq!(
        (oldest.kind, oldest.amount.as_str(), oldest.balance_after.as_str()),
        (LineKind::Grant, "10.00", "10.00")
    );
    let stamp = format!("TXN{}", newest.at.format("%Y%m%d%H%M%S"));
    assert!(newest.transaction.starts_with(&stamp) && newest.transaction.len() == stamp.len() + 16, "{newest:?}");
    let names: std::collections::HashSet<_> = all.iter().map(|line| &line.transaction).collect();
    assert_eq!(names.len(), all.len(), "every movement has a number of its own");

    let mut paged = Vec::new();
    let mut before = None;
    loop {
        let page =
            statement::query::lines(&scene.pool, erin.key(), &LineFilter::default(), before, 3).await.expect("lines");
        let Some(last) = page.last() else { break };
        before = Some(last.version);
        paged.extend(page);
    }
    assert_eq!(paged, all);
}
