//! Licenses, what is left of them, and what they were used for.

use aggregates::{
    AccountId, Command, Feature, LicenseCommand, LicenseId, LicenseKey, LicenseStatus, OrderId, ProductId, UseId,
};
use chrono::{DateTime, TimeDelta, Utc};
use projections::licenses::query::{self as licenses, LicenseFilter, SealedLicense, UseFilter};
use uuid::Uuid;

use super::scene::{Scene, time};
use crate::support::units::account;

fn license(number: u128) -> LicenseId {
    LicenseId::from_uuid(Uuid::from_u128(number))
}

fn of(number: u128, command: LicenseCommand) -> Command {
    Command::License(license(number), command)
}

fn issue(number: u128, uses: u32) -> Command {
    let key = LicenseKey { sealed: format!("v1.key-{number}"), digest: format!("{number:064x}") };
    let (order, product) = (OrderId::from_uuid(Uuid::from_u128(number)), ProductId::numbered(2));
    let features = [Feature::EmailVerify, Feature::ApiAccess].into_iter().collect();
    of(number, LicenseCommand::Issue { order, product, key, uses, features })
}

fn consume(number: u128, use_id: u128, units: u32, by: &AccountId) -> Command {
    let (use_id, feature) = (UseId::from_uuid(Uuid::from_u128(use_id)), Some(Feature::EmailVerify));
    let reference = Some(format!("r-{}", use_id.uuid().as_u128()));
    of(number, LicenseCommand::Consume { use_id, units, by: by.key(), feature, reference })
}

fn give_back(number: u128, use_id: u128, keep: u32) -> Command {
    of(number, LicenseCommand::GiveBack { use_id: UseId::from_uuid(Uuid::from_u128(use_id)), keep })
}

async fn one(scene: &Scene, number: u128) -> SealedLicense {
    licenses::by_id(&scene.pool, license(number)).await.expect("a read").expect("a license")
}

fn state(license: &SealedLicense) -> (LicenseStatus, u32, u32) {
    (license.view.status, license.view.used, license.view.remaining)
}

fn now() -> DateTime<Utc> {
    time("2026-01-05T06:00:00Z")
}

#[tokio::test]
async fn a_license_shows_whose_it_is_and_what_is_left_batch_by_batch_or_all_at_once() {
    for catch_up_between in [true, false] {
        let scene = Scene::new().await;
        let (alice, bob) = (account("alice"), account("bob"));
        let told = [
            (issue(1, 10), Some((LicenseStatus::Active, 0, 10))),
            (consume(1, 7, 6, &bob), Some((LicenseStatus::Active, 6, 4))),
            (consume(1, 8, 4, &bob), Some((LicenseStatus::Exhausted, 10, 0))),
            (give_back(1, 7, 5), Some((LicenseStatus::Active, 9, 1))),
            (give_back(1, 7, 2), Some((LicenseStatus::Active, 6, 4))),
            (of(1, LicenseCommand::Revoke { reason: "refunded".to_owned() }), Some((LicenseStatus::Revoked, 6, 4))),
            (give_back(1, 8, 0), Some((LicenseStatus::Revoked, 2, 8))),
        ];
        for (minutes, (command, expected)) in (0..).zip(told) {
            scene.tell(&alice, now() + TimeDelta::minutes(minutes), vec![command]).await;
            if catch_up_between {
                scene.catch_up().await;
                assert_eq!(Some(state(&one(&scene, 1).await)), expected);
            }
        }
        scene.catch_up().await;
        let known = one(&scene, 1).await;
        assert_eq!(state(&known), (LicenseStatus::Revoked, 2, 8));
        assert_eq!((known.home, known.owner, known.key.as_str()), (alice.key(), Some(bob.key()), "v1.key-1"));
        assert!(known.is_known_to(alice.key()) && !known.is_of(alice.key()) && known.is_of(bob.key()));
        let view = known.view;
        // Nothing was ever recorded for bob himself, so nobody knows his name.
        assert_eq!((view.account.as_str(), view.owner, view.product), ("alice", None, Some(2)));
        assert_eq!(view.features, ["email_verify", "api_access"]);
        assert_eq!((view.issued_at, view.bound_at), (now(), Some(now() + TimeDelta::minutes(1))));
        assert_eq!(view.revoked_reason.as_deref(), Some("refunded"));

        let uses = licenses::uses(&scene.pool, license(1), UseFilter::default(), None, 10).await.expect("uses");
        let told: Vec<_> = uses.iter().map(|it| (it.reference.clone(), it.units, it.given_back)).collect();
        assert_eq!(told, [(Some("r-8".to_owned()), 4, 4), (Some("r-7".to_owned()), 6, 4)]);
        let next = (uses[0].at, uses[0].id);
        let older = licenses::uses(&scene.pool, license(1), UseFilter::default(), Some(next), 10).await.expect("uses");
        assert_eq!(older, uses[1..], "a page goes on where the last one ended");
    }
}

#[tokio::test]
async fn licenses_are_found_by_who_bought_or_uses_them_by_order_and_by_status() {
    let scene = Scene::new().await;
    let (alice, bob) = (account("alice"), account("bob"));
    for number in 1..=3 {
        scene.tell(&alice, now() + TimeDelta::minutes(number), vec![issue(number.unsigned_abs().into(), 1)]).await;
    }
    scene.tell(&bob, now(), vec![issue(4, 1)]).await;
    scene.tell(&alice, now(), vec![consume(2, 7, 1, &bob)]).await;
    scene.catch_up().await;
    let found = async |filter: LicenseFilter| {
        let list = licenses::list(&scene.pool, &filter, None, 10).await.expect("a list");
        list.into_iter().map(|it| it.view.id.as_u128()).collect::<Vec<_>>()
    };
    let of = |account: &AccountId| LicenseFilter { account: Some(account.key()), ..LicenseFilter::default() };
    assert_eq!(found(LicenseFilter::default()).await, [3, 2, 1, 4], "newest first");
    assert_eq!(found(of(&alice)).await, [3, 2, 1]);
    assert_eq!(found(of(&bob)).await, [2, 4]);
    let order = Some(OrderId::from_uuid(Uuid::from_u128(3)));
    assert_eq!(found(LicenseFilter { order, ..LicenseFilter::default() }).await, [3]);
    let status = Some(LicenseStatus::Exhausted);
    assert_eq!(found(LicenseFilter { status, ..of(&bob) }).await, [2]);
    let first = licenses::list(&scene.pool, &of(&alice), None, 1).await.expect("a list").remove(0).view;
    let before = Some((first.issued_at, LicenseId::from_uuid(first.id)));
    let next = licenses::list(&scene.pool, &of(&alice), before, 10).await.expect("a list");
    assert_eq!(next.iter().map(|it| it.view.id.as_u128()).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn a_note_is_replaced_and_taken_away() {
    let scene = Scene::new().await;
    let alice = account("alice");
    let annotate =
        |sealed: Option<&str>| of(1, LicenseCommand::Annotate { by: alice.key(), sealed: sealed.map(str::to_owned) });
    scene.tell(&alice, now(), vec![issue(1, 1), annotate(Some("v1.a"))]).await;
    scene.catch_up().await;
    assert_eq!(one(&scene, 1).await.note, Some((alice.key(), "v1.a".to_owned())));
    scene.tell(&alice, now(), vec![annotate(Some("v1.b"))]).await;
    scene.tell(&alice, now(), vec![consume(1, 7, 1, &alice)]).await;
    scene.catch_up().await;
    assert_eq!(one(&scene, 1).await.note, Some((alice.key(), "v1.b".to_owned())));
    scene.tell(&alice, now(), vec![annotate(None)]).await;
    scene.catch_up().await;
    assert_eq!(one(&scene, 1).await.note, None);
}
