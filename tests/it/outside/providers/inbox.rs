//! What was acknowledged is stored, and is worked off whatever happens; what was stored can be looked at and worked off
//! again.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::json;
use sha2::Sha256;

use super::super::http::{Caller, client};
use super::scene::{Scene, WAYS, way};
use crate::support::eventually;

/// Stored by a process that only answers, which is killed right after; worked off by the one that comes.
async fn killed_after_the_answer(name: &str) {
    let mut scene = Scene::start(way(name)).await;
    let it = scene.order("killed").await;
    scene.ledger.stop().await;
    scene.ledger.add_web_server().await;
    scene.notify_the_ledger().await;
    scene.pay(&it).await;
    scene.all_acknowledged(&it).await;
    scene.ledger.kill().await;
    scene.delivered(&it, 0).await;
    scene.ledger.add_server().await;
    scene.came_once(&it).await;
}

#[tokio::test]
async fn what_was_acknowledged_is_worked_off_after_a_kill() {
    for way in WAYS {
        killed_after_the_answer(way.name).await;
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_in_the_middle_is_followed_by_another() {
    let mut scene = Scene::start(way("wechat")).await;
    let orders: Vec<_> = {
        let mut orders = Vec::new();
        for n in 0..20 {
            orders.push(scene.order(&format!("many{n}")).await);
        }
        orders
    };
    for it in &orders {
        scene.pay(it).await;
    }
    scene.ledger.kill().await;
    scene.ledger.add_server().await;
    scene.notify_the_ledger().await;
    for it in &orders {
        scene.all_acknowledged(it).await;
        scene.came_once(it).await;
    }
}

#[tokio::test]
async fn a_notification_of_an_order_that_is_not_there_waits_and_is_shown() {
    let scene = Scene::start(way("wechat")).await;
    let it = scene.order("gone").await;
    // As if the order had been placed at another ledger: its number is known to nobody here.
    sqlx::query("UPDATE ledger.unique_keys SET key = 'elsewhere' WHERE kind = 'order_number' AND key = $1")
        .bind(&it.order)
        .execute(&scene.ledger.pool)
        .await
        .expect("the log");
    scene.pay(&it).await;
    let known =
        eventually("a notification to wait", async || scene.inbox("&state=waiting").await.into_iter().next()).await;
    assert_eq!(known["reason"], "there is no such order yet");
    sqlx::query("UPDATE ledger.unique_keys SET key = $1 WHERE kind = 'order_number' AND key = 'elsewhere'")
        .bind(&it.order)
        .execute(&scene.ledger.pool)
        .await
        .expect("the log");
    scene.came_once(&it).await;
}

#[tokio::test]
async fn admins_look_at_notifications_filter_and_replay_them_and_see_no_secret() {
    let scene = Scene::start(way("linuxdo_credit")).await;
    let it = scene.order("seen").await;
    scene.pay(&it).await;
    scene.came_once(&it).await;
    let known = eventually("a settled notification", async || {
        scene.inbox(&format!("&order_no={}", it.order)).await.into_iter().find(|known| known["state"] == "done")
    })
    .await;
    let admin = scene.ledger.admin().await;
    let path = format!("/api/v1/admin/inbox/{}", known["id"]);
    let one = admin.get(&path).await.expect(200).json();
    assert_eq!(one["arrived"]["query"]["out_trade_no"], it.order.as_str());
    assert_eq!(one["arrived"]["query"]["sign"], "[hidden]");
    for (query, count) in
        [("&provider=linuxdo_credit", 1), ("&provider=alipay", 0), ("&state=review", 0), ("&state=done", 1)]
    {
        assert_eq!(scene.inbox(query).await.len(), count, "{query}");
    }
    let replayed = admin.post_nothing(&format!("{path}/replay")).await.expect(202).json();
    assert_eq!(replayed, json!({"id": known["id"], "state": "received"}));
    eventually("it to be settled again", async || {
        let again = admin.get(&path).await.expect(200).json();
        (again["state"] == "done" && again["attempts"].as_i64() > known["attempts"].as_i64()).then_some(())
    })
    .await;
    scene.delivered(&it, 1).await;
    admin.get("/api/v1/admin/inbox/999999").await.refused(404, "E3003");
    admin.post_nothing("/api/v1/admin/inbox/999999/replay").await.refused(404, "E3003");
    scene.ledger.user("seen").await.get("/api/v1/admin/inbox").await.refused(403, "E2005");
    scene.ledger.auditor().await.post_nothing(&format!("{path}/replay")).await.refused(403, "E2005");
}

#[tokio::test]
async fn what_is_signed_and_cannot_be_read_is_acknowledged_once_and_left_to_a_person() {
    let scene = Scene::start(way("creem")).await;
    let tell = async |body: &str| {
        let secret = scene.setting("CREEM_WEBHOOK_SECRET");
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
        mac.update(body.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let ledger = Caller::new(&client(), scene.ledger.base(), None).with("creem-signature", &signature);
        ledger.send(Method::POST, "/api/webhooks/creem", Some(body.as_bytes().to_vec())).await.expect(200);
    };
    for body in ["[\"a@example.org\"", "[\"a@example.org\"", "{}"] {
        tell(body).await;
    }
    let known = eventually("both to be left to a person", async || {
        let known = scene.inbox("&state=review").await;
        (known.len() == 2).then_some(known)
    })
    .await;
    let mut copies: Vec<_> = known.iter().map(|known| known["copies"].as_i64()).collect();
    copies.sort_unstable();
    assert_eq!(copies, [Some(1), Some(2)]);
    for known in known {
        assert_eq!(known["event"], "unnamed");
        let path = format!("/api/v1/admin/inbox/{}", known["id"]);
        let shown = scene.ledger.admin().await.get(&path).await.expect(200).text();
        assert!(!shown.contains("a@example.org"), "{shown}");
    }
}

#[tokio::test]
async fn what_was_said_of_a_customer_goes_with_them() {
    let scene = Scene::start(way("creem")).await;
    let it = scene.order("erased").await;
    scene.pay(&it).await;
    scene.came_once(&it).await;
    eventually("a settled notification", async || {
        scene.inbox(&format!("&order_no={}", it.order)).await.into_iter().find(|known| known["state"] == "done")
    })
    .await;
    let admin = scene.ledger.admin().await;
    admin.post("/api/v1/admin/accounts/erased/erase", json!({"reason": "asked for"})).await.ok();
    let id = scene.inbox(&format!("&order_no={}", it.order)).await[0]["id"].clone();
    eventually("it to be forgotten", async || {
        scene.hurry().await;
        let one = admin.get(&format!("/api/v1/admin/inbox/{id}")).await.expect(200).json();
        one["arrived"].is_null().then_some(())
    })
    .await;
    admin.post_nothing(&format!("/api/v1/admin/inbox/{id}/replay")).await.refused(404, "E3003");
}
