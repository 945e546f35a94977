//! A use is settled once, whatever is found out the next time.

use aggregates::{AccountId, Command, CommandId, LicenseCommand, LicenseId, LicenseKey, OrderId, ProductId};
use billing_ledger::dispatch::{Actor, LicensePlace, LicenseUse, WantedUse, ids};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::scene::Scene;

#[tokio::test]
async fn a_verdict_that_changes_between_tries_takes_and_gives_back_nothing_more() {
    let scene = Scene::set().await;
    let alice = AccountId::try_new("alice").expect("an account");
    let place = LicensePlace { home: alice.clone(), license: LicenseId::from_uuid(Uuid::now_v7()) };
    let issue = LicenseCommand::Issue {
        order: OrderId::from_uuid(Uuid::now_v7()),
        product: ProductId::from_uuid(Uuid::now_v7()),
        key: LicenseKey { sealed: "v1.a2V5".to_owned(), digest: "ab12".to_owned() },
        uses: 10,
        features: [].into_iter().collect(),
    };
    let (dispatch, actor) = (&scene.dispatcher, Actor::new("alice", "user"));
    dispatch.execute(&alice, &actor, ids::fresh(), vec![Command::License(place.license, issue)]).await.expect("issued");

    let using = LicenseUse::by_command(&alice, CommandId::from_uuid(Uuid::now_v7()));
    let wants = |about: &str| WantedUse { units: 3, feature: None, about: Some(about.to_owned()) };
    let taken = dispatch.consume_license(&place, &actor, None, &using, &wants("a b c")).await.expect("taken");
    assert!(dispatch.settled_use(&using, &taken).await.expect("asked").is_none());
    // All three could be told, so nothing goes back…
    let first = dispatch.settle_use(&actor, &using, &taken, 3, "all told").await.expect("settled");
    assert_eq!((first.units, first.left, first.outcome.expose_secret()), (3, 7, "all told"));

    // …and nothing does when the same request comes again and none of them can.
    let again = dispatch.consume_license(&place, &actor, None, &using, &wants("a b c")).await.expect("taken");
    assert!(again.receipt.replayed);
    for keep in [0, 3] {
        let settled = dispatch.settle_use(&actor, &using, &again, keep, "none told").await.expect("settled");
        assert_eq!((settled.units, settled.left, settled.outcome.expose_secret()), (3, 7, "all told"));
        assert!(settled.receipt.replayed);
    }
    let settled = dispatch.settled_use(&using, &again).await.expect("asked").expect("settled");
    assert_eq!(settled.outcome.expose_secret(), "all told");
    let other = dispatch.consume_license(&place, &actor, None, &using, &wants("a b d")).await.expect_err("another one");
    assert!(other.to_string().contains("was used before for another request"), "{other}");
    scene.end().await;
}
