//! The same bad days with every provider: whatever goes wrong on the way, each order ends in the right state, is delivered
//! once, and the provider hears what it expects.

use serde_json::{Value, json};

use super::scene::{Console, Ordered, Scene, Way, way};
use crate::support::eventually;
use crate::support::process::assert_verifies;

/// So soon that a test can wait for it.
const SHORT_TTL_SECONDS: &str = "6";

async fn every_fault(way: Way) {
    let scene = Scene::start(way).await;
    a_good_day(&scene).await;
    repeated(&scene).await;
    delayed(&scene).await;
    reordered(&scene).await;
    lost(&scene).await;
    tampered(&scene).await;
    wrong_amount(&scene).await;
    paid_twice(&scene).await;
    create_answer_lost(&scene).await;
    refund_answer_lost(&scene).await;
    given_back_in_the_console(&scene).await;
    assert_verifies(&scene.ledger.database.url()).await;
}

async fn a_good_day(scene: &Scene) {
    let it = scene.order("good").await;
    scene.pay(&it).await;
    scene.came_once(&it).await;
    scene.all_acknowledged(&it).await;
    let said = scene.notifications().await;
    let sent = said["sent"].as_array().expect("a list").clone();
    assert!(!sent.is_empty() && sent.iter().all(|sent| sent["attempts"] == 1), "{said}");
    let known = eventually("a notification to be settled", async || {
        let known = scene.inbox(&format!("&order_no={}", it.order)).await;
        known.first().filter(|known| known["state"] == "done").cloned()
    })
    .await;
    assert_eq!(known["provider"], scene.way.name);
}

async fn repeated(scene: &Scene) {
    scene.faults(json!({"repeat": 5})).await;
    let it = scene.order("repeated").await;
    scene.pay(&it).await;
    scene.all_acknowledged(&it).await;
    scene.came_once(&it).await;
    scene.faults(json!({})).await;
    eventually(&format!("{}: six copies of one notification", scene.way.name), async || {
        let known = scene.inbox(&format!("&order_no={}", it.order)).await;
        known.iter().any(|known| known["copies"] == 6).then_some(())
    })
    .await;
    assert_eq!(scene.ledger.events_of(&it.sub, "order", "payment_duplicated").await, 0);
}

async fn delayed(scene: &Scene) {
    scene.faults(json!({"delay_seconds": 3600})).await;
    let it = scene.order("delayed").await;
    scene.pay(&it).await;
    assert_eq!(scene.status(&it).await, "pending");
    scene.faults(json!({})).await;
    scene.hurry().await;
    scene.came_once(&it).await;
}

async fn reordered(scene: &Scene) {
    scene.faults(json!({"reorder": true})).await;
    let (first, second) = (scene.order("first").await, scene.order("second").await);
    scene.pay(&first).await;
    scene.pay(&second).await;
    scene.came_once(&second).await;
    scene.came_once(&first).await;
    scene.faults(json!({})).await;
    overtaken(scene).await;
}

/// Money comes and goes back before the ledger has heard of it.
async fn overtaken(scene: &Scene) {
    scene.faults(json!({"lose": true})).await;
    let it = scene.order("overtaken").await;
    scene.pay(&it).await;
    scene.faults(json!({})).await;
    scene.give_back(&it, json!({})).await.expect(200);
    match scene.way.name {
        // A trade that is closed pays for nothing, and one that is not paid there is not delivered.
        "alipay" | "linuxdo_credit" => {
            let confirmed = scene.confirm(&it).await;
            assert_eq!(confirmed["success"], false, "{}: {confirmed}", scene.way.name);
            scene.delivered(&it, 0).await;
        }
        // Asked whether it was paid, the ledger asks whether it went back as well.
        "crossmint" => {
            assert_eq!(scene.confirm(&it).await["success"], false);
            is_refunded(scene, &it).await;
        }
        _ => goes_back(scene, &it).await,
    }
}

/// However the ledger comes to know of it.
async fn goes_back(scene: &Scene, it: &Ordered) {
    let path = format!("/api/v1/admin/orders/{}/reconcile", it.order);
    match scene.way.console {
        Console::Told => {}
        Console::ToldByNames | Console::Silent => {
            scene.ledger.admin().await.post_nothing(&path).await.expect(200);
        }
        Console::Unclear => {
            scene.ledger.admin().await.post_nothing(&path).await.refused(503, "E5107");
            assert_eq!(scene.status(it).await, "fulfilled");
            return;
        }
    }
    is_refunded(scene, it).await;
    nothing_waits(scene, it).await;
}

async fn is_refunded(scene: &Scene, it: &Ordered) {
    eventually(&format!("{}: {} to be refunded", scene.way.name, it.sub), async || {
        scene.hurry().await;
        let order = scene.ledger.order(&it.sub, &it.order).await;
        (order["status"] == "refunded").then_some(())
    })
    .await;
    assert_eq!(scene.ledger.events_of(&it.sub, "order", "refunded").await, 1, "{}", scene.way.name);
    scene.delivered(it, 1).await;
}

async fn lost(scene: &Scene) {
    scene.faults(json!({"lose": true})).await;
    let it = scene.order("lost").await;
    scene.pay(&it).await;
    scene.faults(json!({})).await;
    assert_eq!(scene.status(&it).await, "pending");
    let confirmed = scene.confirm(&it).await;
    assert_eq!(confirmed["success"], true, "{}: {confirmed}", scene.way.name);
    scene.came_once(&it).await;
}

async fn tampered(scene: &Scene) {
    scene.faults(json!({"tamper": true})).await;
    let it = scene.order("tampered").await;
    scene.pay(&it).await;
    let refused = eventually("a notification to be refused", async || {
        let path = format!("/api/v1/admin/inbox/refused?provider={}", scene.way.name);
        let refused = scene.ledger.admin().await.get(&path).await.expect(200).json();
        let counted = refused["counts"].as_array().expect("a list").iter().any(|it| it["count"].as_i64() > Some(0));
        counted.then_some(refused)
    })
    .await;
    assert!(!refused["kept"].as_array().expect("a list").is_empty(), "{refused}");
    assert_eq!(scene.status(&it).await, "pending");
    scene.delivered(&it, 0).await;
    let said = scene.notifications().await;
    assert_eq!(acknowledged(&said, &it), 0, "{said}");
    scene.faults(json!({})).await;
    // What was really paid is found all the same.
    assert_eq!(scene.confirm(&it).await["success"], true);
    scene.came_once(&it).await;
    // It gives up in the end.
    eventually("tampered notifications to be given up", async || {
        scene.hurry().await;
        (scene.notifications().await["waiting"] == 0).then_some(())
    })
    .await;
    scene.delivered(&it, 1).await;
}

fn acknowledged(said: &Value, it: &Ordered) -> usize {
    let sent = said["sent"].as_array().expect("a list").iter();
    sent.filter(|sent| sent["number"] == it.order.as_str() && sent["acknowledged"] == true).count()
}

async fn wrong_amount(scene: &Scene) {
    if !scene.way.tells_amounts {
        return;
    }
    scene.faults(json!({"wrong_amount": 1})).await;
    let it = scene.order("wrong").await;
    scene.pay(&it).await;
    scene.faults(json!({})).await;
    eventually(&format!("{}: a mismatch to be recorded", scene.way.name), async || {
        (scene.ledger.events_of(&it.sub, "order", "payment_mismatched").await == 1).then_some(())
    })
    .await;
    assert_eq!(scene.status(&it).await, "pending");
    scene.delivered(&it, 0).await;
}

async fn paid_twice(scene: &Scene) {
    scene.faults(json!({"pay_twice": true})).await;
    let it = scene.order("twice").await;
    scene.pay(&it).await;
    scene.faults(json!({})).await;
    scene.came_once(&it).await;
    scene.all_acknowledged(&it).await;
    if !scene.way.can_be_paid_twice {
        return;
    }
    eventually(&format!("{}: the second payment to be given back", scene.way.name), async || {
        scene.hurry().await;
        let refunds = scene.trade(&it).await["refunds"].as_array().expect("a list").len();
        (refunds == 1).then_some(())
    })
    .await;
    assert_eq!(scene.ledger.events_of(&it.sub, "order", "payment_duplicated").await, 1);
    eventually("the refund to be recorded", async || {
        scene.hurry().await;
        (scene.ledger.events_of(&it.sub, "order", "refunded").await == 1).then_some(())
    })
    .await;
    assert_eq!(scene.trade(&it).await["refunds"].as_array().expect("a list").len(), 1);
    scene.delivered(&it, 1).await;
    assert_eq!(scene.status(&it).await, "fulfilled");
}

async fn create_answer_lost(scene: &Scene) {
    if !scene.way.is_called_to_create {
        return;
    }
    for (fault, sub) in [(json!({"create_answers_lost": 1}), "unheard"), (json!({"creates_fail_first": 1}), "failing")]
    {
        scene.faults(fault).await;
        scene.try_order(sub, "again").await.refused(503, "E5107");
        let placed = scene.try_order(sub, "again").await.expect(201);
        let it = scene.ordered(sub, &placed);
        scene.pay(&it).await;
        scene.came_once(&it).await;
        let orders = scene.ledger.user(sub).await.get("/api/v1/payments/orders").await.expect(200).json();
        assert_eq!(orders["items"].as_array().expect("a list").len(), 1, "{orders}");
    }
}

async fn refund_answer_lost(scene: &Scene) {
    for (fault, sub) in [(json!({"refund_answers_lost": 1}), "unknown"), (json!({"refunds_fail_first": 2}), "later")] {
        let it = scene.order(sub).await;
        scene.pay(&it).await;
        scene.came_once(&it).await;
        scene.faults(fault).await;
        let id = scene.refund(&it, json!({"reason": "bought by mistake"})).await;
        if !scene.way.refunds {
            scene.refund_is(&id, "refused").await;
            scene.faults(json!({})).await;
            continue;
        }
        scene.refund_is(&id, "done").await;
        is_refunded(scene, &it).await;
        let refunds = scene.trade(&it).await["refunds"].clone();
        assert_eq!(refunds.as_array().expect("a list").len(), 1, "{}: {refunds}", scene.way.name);
        // The provider's own notification of it is the same news.
        scene.faults(json!({})).await;
        scene.all_acknowledged(&it).await;
        nothing_waits(scene, &it).await;
        assert_eq!(scene.ledger.events_of(&it.sub, "order", "refunded").await, 1, "{}", scene.way.name);
    }
}

/// All that was said about an order has been worked off, and nobody has to look at any of it.
async fn nothing_waits(scene: &Scene, it: &Ordered) {
    let known = eventually("notifications to be settled", async || {
        scene.hurry().await;
        let all = scene.inbox("").await;
        let open = |state: &Value| state == "received" || state == "waiting";
        (!all.iter().any(|known| open(&known["state"]))).then_some(all)
    })
    .await;
    let of_it: Vec<_> = known.iter().filter(|known| known["order_no"] == it.order.as_str()).collect();
    assert!(of_it.iter().all(|known| known["state"] != "review"), "{}: {of_it:?}", scene.way.name);
}

async fn given_back_in_the_console(scene: &Scene) {
    let it = scene.order("console").await;
    scene.pay(&it).await;
    scene.came_once(&it).await;
    scene.give_back(&it, json!({})).await.expect(200);
    goes_back(scene, &it).await;
    if !scene.way.tells_of_parts {
        return;
    }
    let it = scene.order("part").await;
    scene.pay(&it).await;
    scene.came_once(&it).await;
    scene.give_back(&it, json!({"amount": 40})).await.expect(200);
    eventually(&format!("{}: a part to be refunded", scene.way.name), async || {
        scene.hurry().await;
        (scene.status(&it).await == "partially_refunded").then_some(())
    })
    .await;
    assert_eq!(scene.ledger.events_of(&it.sub, "order", "refunded").await, 1);
}

async fn around_the_end(way: Way) {
    let scene = Scene::with(way, vec![("ORDER_TTL_SECONDS", SHORT_TTL_SECONDS.to_owned())]).await;
    // Its notification is lost, and the provider is asked before it expires.
    scene.faults(json!({"lose": true})).await;
    let found = scene.order("found").await;
    scene.pay(&found).await;
    scene.faults(json!({})).await;
    let late = scene.order("late").await;
    scene.came_once(&found).await;
    assert_eq!(scene.ledger.events_of("found", "order", "expired").await, 0);
    eventually("an order to expire", async || (scene.status(&late).await == "expired").then_some(())).await;
    // Money that comes after that is still money.
    scene.pay(&late).await;
    scene.came_once(&late).await;
    let order = scene.ledger.order(&late.sub, &late.order).await;
    assert_eq!(order["late"], true, "{order}");
    scene.all_acknowledged(&late).await;
}

macro_rules! of_every_provider {
    ($($name:ident)*) => {
        $(
            mod $name {
                use super::{around_the_end, every_fault, way};

                #[tokio::test]
                async fn ends_right_whatever_goes_wrong() {
                    every_fault(way(stringify!($name))).await;
                }

                #[tokio::test]
                async fn is_asked_before_an_order_expires_and_heard_after_that() {
                    around_the_end(way(stringify!($name))).await;
                }
            }
        )*
    };
}

of_every_provider! { alipay wechat antom crossmint creem linuxdo_credit }

#[tokio::test]
async fn a_refund_that_was_refused_is_not_what_went_back_in_the_console() {
    let scene = Scene::start(way("creem")).await;
    let it = scene.order("part").await;
    scene.pay(&it).await;
    scene.came_once(&it).await;
    // Of the same amount, which it does not give back when it is asked to.
    let id = scene.refund(&it, json!({"amount": "0.40", "reason": "bought by mistake"})).await;
    scene.refund_is(&id, "refused").await;
    scene.give_back(&it, json!({"amount": 40})).await.expect(200);
    eventually("a part to be refunded", async || {
        scene.hurry().await;
        (scene.status(&it).await == "partially_refunded").then_some(())
    })
    .await;
    scene.refund_is(&id, "refused").await;
    assert_eq!(scene.ledger.events_of(&it.sub, "order", "refunded").await, 1);
}
