//! The inbox's table without a worker: leases, what is kept, what waits for the disk.

use std::time::Duration;

use aggregates::{AccountId, AccountKey};
use billing_ledger::inbox::{self, Arrivals, Claimed, Intake, Letter, NotificationState, Settled, Verdict};
use billing_ledger::providers::{Arrived, Genuine};
use billing_ledger::store::pool;
use reqwest::Method;
use sqlx::PgPool;

use super::scene::Scene;

const LEASE: Duration = Duration::from_secs(60);

/// One that arrived, or a copy of it.
async fn arrive(scene: &Scene, key: &str) {
    let (intake, storing) = Intake::new(scene.pool.clone(), scene.vault.clone(), Arrivals::default());
    let headers = axum::http::HeaderMap::new();
    let arrived = Arrived { method: &Method::POST, path: "/", query: None, headers: &headers, body: b"{}" };
    let genuine = Genuine { key: key.to_owned(), event: "paid".to_owned() };
    let taken = async {
        intake.take("alipay", genuine, Letter::of(&arrived)).await.expect("stored");
        drop(intake);
    };
    tokio::join!(storing, taken);
}

async fn claim(pool: &PgPool) -> Vec<Claimed> {
    inbox::claim(pool, 10, LEASE).await.expect("the inbox")
}

async fn settle(pool: &PgPool, claimed: Claimed, state: NotificationState, account: Option<AccountKey>) {
    let order = account.map(|account| ("ORD202601050607090000beef".parse().expect("a number"), account));
    let verdict = Verdict { state, reason: None, order, again_in: Duration::from_secs(600), forget: false };
    inbox::settle(pool, &[Settled { claimed, verdict }]).await.expect("the inbox");
}

#[tokio::test]
async fn a_copy_has_a_notification_worked_on_again_at_once_unless_somebody_does() {
    let scene = Scene::set().await;
    arrive(&scene, "a").await;
    let first = claim(&scene.pool).await.remove(0);
    settle(&scene.pool, first, NotificationState::Waiting, None).await;
    assert!(claim(&scene.pool).await.is_empty());
    arrive(&scene, "a").await;
    let second = claim(&scene.pool).await.remove(0);
    assert_eq!(second.attempts, 2);
    arrive(&scene, "a").await;
    assert!(claim(&scene.pool).await.is_empty(), "it is worked on twice at once");
    settle(&scene.pool, second, NotificationState::Done, None).await;
    arrive(&scene, "a").await;
    assert!(claim(&scene.pool).await.is_empty(), "what is done is not done again");
    scene.end().await;
}

/// Settling does not wait for the disk; the pool is that of jobs and processes, which do.
#[tokio::test]
async fn whoever_comes_after_settling_waits_for_the_disk() {
    let scene = Scene::set().await;
    let one = pool(scene.connect_options(), 1).await.expect("a pool");
    sqlx::query("SET synchronous_commit = on").execute(&one).await.expect("a setting");
    arrive(&scene, "a").await;
    let claimed = claim(&one).await.remove(0);
    settle(&one, claimed, NotificationState::Done, None).await;
    let waits: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&one).await.expect("an answer");
    assert_eq!(waits, "on");
    scene.end().await;
}

#[tokio::test]
async fn nothing_is_kept_of_who_was_erased_meanwhile_nor_for_long_of_nobody() {
    let scene = Scene::set().await;
    let erased = AccountId::try_new("erased").expect("an account").key();
    let other = AccountId::try_new("other").expect("an account").key();
    let (done, review) = (NotificationState::Done, NotificationState::Review);
    let whose = [
        ("erased", Some(erased), review),
        ("other", Some(other), done),
        ("new", None, done),
        ("old", None, done),
        ("old-review", None, review),
    ];
    for (key, account, state) in whose {
        arrive(&scene, key).await;
        settle(&scene.pool, claim(&scene.pool).await.remove(0), state, account).await;
    }
    scene.vault.destroy(erased).await.expect("the vault");
    sqlx::query("UPDATE inbox.notifications SET settled_at = settled_at - interval '91 days' WHERE key LIKE 'old%'")
        .execute(&scene.pool)
        .await
        .expect("the inbox");
    for forgotten in [1, 0] {
        assert_eq!(inbox::forget_erased(&scene.pool, 10).await.expect("the inbox"), forgotten);
        assert_eq!(inbox::forget_nobodys(&scene.pool, 10).await.expect("the inbox"), forgotten);
    }
    let kept: Vec<String> =
        sqlx::query_scalar("SELECT key FROM inbox.notifications WHERE sealed IS NOT NULL ORDER BY key")
            .fetch_all(&scene.pool)
            .await
            .expect("the inbox");
    assert_eq!(kept, ["new", "old-review", "other"]);
    scene.end().await;
}
