//! Key and mail go wrong in every way there is. The order never does: it stays fulfilled, every failed attempt is there
//! with its reason, and once the fault has gone the delivery goes on by itself: one key, one mail.
//!
//! A mail whose last word was lost leaves again: nobody can know whether it was taken. All copies have one Message-ID, by
//! which a mail reader tells that they are one. In every other case one mail is one mail, and they are counted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::harness::Instance;
use super::mail::MailFault;
use crate::support::eventually;

/// Enough to see that it is tried again.
const ATTEMPTS: usize = 2;

/// Fault of the forward service, and what its failures are recorded as.
const FORWARD: [(&str, &str); 6] = [
    ("down", "forward service"),
    ("500", "500"),
    ("success-false", "创建 API Key 失败"),
    ("html", "JSON"),
    ("garbage", "apiKey"),
    ("lost-answer", "forward service"),
];

/// Fault of the mail server, and what its failures are recorded as.
const MAIL: [(MailFault, &str); 3] =
    [(MailFault::PutOff, "451"), (MailFault::DropBeforeData, "mail server"), (MailFault::DropAfterData, "mail server")];

#[tokio::test]
async fn whatever_the_forward_service_does_the_order_stays_and_the_key_comes_once() {
    let ledger = Instance::start().await;
    for (fault, reason) in FORWARD {
        ledger.forward.misbehave(fault).await;
        let customer = format!("customer-{fault}");
        let order = ledger.bought(&customer).await;
        fails(&ledger, &customer, &order, "create_key", reason).await;
        assert!(ledger.mail_to(&customer).is_empty(), "{fault}: no key, no mail");
        ledger.forward.misbehave("").await;
        came_once(&ledger, &customer, &order).await;
    }
}

#[tokio::test]
async fn whatever_the_mail_server_does_the_order_stays_and_the_mail_comes_once() {
    let ledger = Instance::start().await;
    for (fault, reason) in MAIL {
        ledger.mail.misbehave(fault, None);
        let customer = format!("customer-{fault:?}").to_lowercase();
        let order = ledger.bought(&customer).await;
        fails(&ledger, &customer, &order, "send_mail", reason).await;
        ledger.mail.behave();
        let delivery = came(&ledger, &customer, &order).await;
        let failed = delivery["attempts"].as_array().map_or(0, Vec::len);
        // Each of those was taken, and none of them said to be.
        let lost = if fault == MailFault::DropAfterData { failed } else { 0 };
        assert_eq!(ledger.mail_to(&customer).len(), 1 + lost, "{fault:?}");
        assert_eq!(ledger.forwarded(&customer).await.len(), 1, "{fault:?}: one key was enough");
    }
}

/// Longer than the client waits for it.
#[tokio::test]
async fn a_forward_service_that_does_not_answer_is_asked_again() {
    let ledger = Instance::start().await;
    ledger.forward.misbehave("slowx1").await;
    let order = ledger.bought("patience").await;
    let attempts = eventually("an attempt to time out", async || {
        let delivery = ledger.delivery(&order).await?;
        delivery["attempts"].as_array().filter(|attempts| !attempts.is_empty()).cloned()
    })
    .await;
    assert!(attempts[0]["reason"].as_str().is_some_and(|reason| reason.contains("time")), "{attempts:?}");
    assert_eq!(ledger.order("patience", &order).await["status"], "fulfilled");
    came_once(&ledger, "patience", &order).await;
}

/// A day of failures, with the day taken out of the job table.
#[tokio::test]
async fn after_a_day_of_failures_somebody_has_to_look_and_can_retry_by_hand() {
    let ledger = Instance::start().await;
    ledger.forward.misbehave("500").await;
    let order = ledger.bought("dora").await;
    fails(&ledger, "dora", &order, "create_key", "500").await;
    let gave_up = eventually("it to be given up", async || {
        let day = "UPDATE jobs.jobs SET round_began_at = round_began_at - interval '25 hours'
                    WHERE kind = 'create_api_key' AND state = 'queued' AND round_began_at > now() - interval '1 day'";
        sqlx::query(day).execute(&ledger.pool).await.expect("the job table");
        ledger.hurry().await;
        ledger.delivery(&order).await.filter(|delivery| delivery["state"] == "given_up")
    })
    .await;
    assert_eq!(ledger.order("dora", &order).await["status"], "fulfilled");

    // Nobody tries by themselves any more, though the fault has gone…
    ledger.forward.misbehave("").await;
    ledger.hurry().await;
    let dead: String = sqlx::query_scalar("SELECT state FROM jobs.jobs WHERE kind = 'create_api_key'")
        .fetch_one(&ledger.pool)
        .await
        .expect("a job");
    assert_eq!(dead, "dead");

    // …until an admin asks for it.
    let id = gave_up["id"].as_str().expect("an id");
    let retry = format!("/api/v1/admin/deliveries/{id}/retry");
    ledger.user("dora").await.post_nothing(&retry).await.expect(403);
    ledger.admin().await.post_nothing(&retry).await.ok();
    came_once(&ledger, "dora", &order).await;
    // And what is done is done.
    let again = ledger.admin().await.post_nothing(&retry).await;
    assert!(again.status.is_client_error(), "{}", again.text());
}

/// An address that does not exist will not exist in an hour either.
#[tokio::test]
async fn a_mailbox_that_refuses_for_good_is_for_somebody_to_look_at() {
    let ledger = Instance::start().await;
    ledger.mail.misbehave(MailFault::Refuse, None);
    let order = ledger.bought("rita").await;
    let gave_up = eventually("it to be given up", async || {
        ledger.hurry().await;
        ledger.delivery(&order).await.filter(|delivery| delivery["state"] == "given_up")
    })
    .await;
    assert!(gave_up["attempts"].to_string().contains("550"), "{gave_up}");
    assert_eq!(ledger.order("rita", &order).await["status"], "fulfilled");
    ledger.mail.behave();
    let id = gave_up["id"].as_str().expect("an id");
    ledger.admin().await.post_nothing(&format!("/api/v1/admin/deliveries/{id}/retry")).await.ok();
    came_once(&ledger, "rita", &order).await;
}

/// Failed attempts are there with their reasons, and the order does not mind.
async fn fails(ledger: &Instance, customer: &str, order: &str, step: &str, reason: &str) {
    let attempts = eventually("attempts to fail", async || {
        ledger.hurry().await;
        let delivery = ledger.delivery(order).await?;
        assert_ne!(delivery["state"], "delivered", "{delivery}");
        delivery["attempts"].as_array().filter(|attempts| attempts.len() >= ATTEMPTS).cloned()
    })
    .await;
    for (n, attempt) in attempts.iter().enumerate() {
        assert_eq!(attempt["step"], step, "{attempt}");
        assert_eq!(attempt["attempt"], json!(n + 1), "{attempts:?}");
        assert!(attempt["reason"].as_str().is_some_and(|said| said.contains(reason)), "{reason:?} is not in {attempt}");
    }
    assert_eq!(ledger.order(customer, order).await["status"], "fulfilled");
}

/// It recovers by itself: one key, one mail, however often it was asked for.
pub(super) async fn came_once(ledger: &Instance, customer: &str, order: &str) {
    came(ledger, customer, order).await;
    assert_eq!(ledger.mail_to(customer).len(), 1, "{customer}: mails");
}

/// One key, and mails that are one by their Message-ID. Answers the delivery.
pub(super) async fn came(ledger: &Instance, customer: &str, order: &str) -> Value {
    let delivery = ledger.delivered(order).await;
    assert_eq!(ledger.order(customer, order).await["status"], "fulfilled");
    let keys: BTreeSet<String> = ledger.forwarded(customer).await.iter().map(idempotency_key).collect();
    assert_eq!(keys.len(), 1, "all requests carry one idempotency key: {keys:?}");
    for (aggregate, event) in [("delivery", "key_created"), ("delivery", "mail_sent"), ("user_package", "activated")] {
        assert_eq!(ledger.events_of(customer, aggregate, event).await, 1, "{customer}: {aggregate}.{event}");
    }
    let mail = ledger.mail_to(customer);
    let ids: BTreeSet<&str> = mail.iter().map(|mail| mail.message_id.as_str()).collect();
    assert_eq!(ids.len(), 1, "{customer}: {ids:?}");
    assert_eq!(delivery["message_id"].as_str(), ids.first().copied());
    let last_four = delivery["last_four"].as_str().expect("it is shown");
    for mail in &mail {
        let key = mail.text.split_whitespace().find(|word| word.starts_with("sk-")).expect("a key");
        assert!(key.ends_with(last_four), "the key in the mail is the key that was made");
    }
    eventually("the key to be erased", async || {
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM vault.secrets WHERE account = $1")
            .bind(crate::support::units::account(customer).key().uuid())
            .fetch_one(&ledger.pool)
            .await
            .expect("the vault");
        ledger.hurry().await;
        (kept == 0).then_some(())
    })
    .await;
    delivery
}

fn idempotency_key(request: &Value) -> String {
    request["idempotency_key"].as_str().expect("a key").to_owned()
}
