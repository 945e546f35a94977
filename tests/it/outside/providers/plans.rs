//! Subscriptions whose periods the provider collects by itself.

use serde_json::{Value, json};

use super::scene::{Ordered, Scene, way};
use crate::support::eventually;

async fn asked_for(scene: &Scene, sub: &str) -> Ordered {
    let wanted = json!({"product_type": "plan_basic", "provider": "creem"});
    let placed = scene.ledger.user(sub).await.post("/api/v1/payments/orders", wanted).await.expect(201);
    scene.ordered(sub, &placed)
}

async fn subscribed(scene: &Scene, sub: &str) -> Ordered {
    let it = asked_for(scene, sub).await;
    scene.pay(&it).await;
    scene.came_once(&it).await;
    it
}

async fn subscription(scene: &Scene, sub: &str) -> Value {
    let list = scene.ledger.user(sub).await.get("/api/v1/subscriptions").await.expect(200).json();
    list["items"][0].clone()
}

#[tokio::test]
async fn a_period_that_the_provider_collects_renews_the_subscription_once() {
    let scene = Scene::start(way("creem")).await;
    let it = subscribed(&scene, "monthly").await;
    scene.faults(json!({"repeat": 2})).await;
    // The provider collects the next period.
    scene.pay(&it).await;
    scene.all_acknowledged(&it).await;
    eventually("a renewal", async || {
        scene.hurry().await;
        (scene.ledger.events_of("monthly", "subscription", "renewed").await == 1).then_some(())
    })
    .await;
    assert_eq!(scene.ledger.events_of("monthly", "credit_account", "granted").await, 2);
    assert_eq!(scene.ledger.events_of("monthly", "order", "payment_duplicated").await, 0);
    assert_eq!(subscription(&scene, "monthly").await["status"], "active");
}

/// All are stored before anybody works on them, and so many that two processes share them: some pairs are worked on side by
/// side in one of them, others by both.
#[tokio::test]
async fn of_two_periods_told_at_once_one_pays_the_order_and_the_other_renews_it() {
    const SUBSCRIBERS: usize = 40;
    let mut scene = Scene::start(way("creem")).await;
    let mut all = Vec::new();
    for n in 0..SUBSCRIBERS {
        all.push(asked_for(&scene, &format!("at-once-{n}")).await);
    }
    scene.ledger.stop().await;
    scene.ledger.add_web_server().await;
    scene.notify_the_ledger().await;
    for _period in 0..2 {
        for it in &all {
            scene.pay(it).await;
        }
    }
    scene.all_acknowledged(&all[0]).await;
    scene.ledger.stop().await;
    scene.ledger.add_servers(2, &[]).await;
    for it in &all {
        let count = async |kind, event| scene.ledger.events_of(&it.sub, kind, event).await;
        eventually("a renewal", async || (count("subscription", "renewed").await == 1).then_some(())).await;
        // A renewal is an order of its own.
        let paid = (count("order", "paid").await, count("order", "payment_duplicated").await);
        assert_eq!(paid, (2, 0), "{}", it.sub);
        assert_eq!(count("credit_account", "granted").await, 2, "{}", it.sub);
    }
}

/// Creem names the order that began the subscription, whichever of its payments went back.
#[tokio::test]
async fn a_further_period_that_went_back_is_taken_off_its_own_order() {
    let scene = Scene::start(way("creem")).await;
    let it = subscribed(&scene, "back").await;
    scene.pay(&it).await;
    scene.all_acknowledged(&it).await;
    let renewal = eventually("a renewal", async || {
        let orders = scene.ledger.user("back").await.get("/api/v1/payments/orders").await.expect(200).json();
        let orders = orders["items"].as_array().expect("a list").clone();
        orders.into_iter().find(|order| order["order_no"] != *it.order && order["status"] == "fulfilled")
    })
    .await;
    let number = renewal["order_no"].as_str().expect("a number").to_owned();
    let path = format!("/api/v1/admin/orders/{number}/refund");
    let asked = scene.ledger.admin().await.post(&path, json!({"reason": "bought by mistake"})).await.expect(201);
    scene.refund_is(asked.json()["id"].as_str().expect("an id"), "done").await;
    let known = eventually("all of it to be worked off", async || {
        scene.hurry().await;
        let all = scene.inbox("").await;
        let told = all.iter().any(|known| known["event"] == "refund.created");
        let open = all.iter().any(|known| known["state"] == "received" || known["state"] == "waiting");
        (told && !open).then_some(all)
    })
    .await;
    assert!(known.iter().all(|known| known["state"] != "review"), "{known:?}");
    let of_refund = known.iter().find(|known| known["event"] == "refund.created").expect("it was told");
    assert_eq!(of_refund["order_no"], number);
    assert_eq!(scene.ledger.events_of("back", "order", "refunded").await, 1);
    assert_eq!(scene.status(&it).await, "fulfilled");
}

#[tokio::test]
async fn a_cancellation_is_passed_on_to_the_provider_and_so_is_its_withdrawal() {
    let scene = Scene::start(way("creem")).await;
    let it = subscribed(&scene, "leaving").await;
    let id = subscription(&scene, "leaving").await["id"].as_str().expect("an id").to_owned();
    let user = scene.ledger.user("leaving").await;
    let there = async |ends: bool| {
        eventually("the provider to have been told", async || {
            scene.hurry().await;
            (scene.trade(&it).await["more"]["ends"].is_string() == ends).then_some(())
        })
        .await;
    };
    user.post(&format!("/api/v1/subscriptions/{id}/cancel"), json!({})).await.ok();
    there(true).await;
    user.post(&format!("/api/v1/subscriptions/{id}/resume"), json!({})).await.ok();
    there(false).await;
}
