//! `kill -9` between any two steps from the purchase to the mail: whoever starts next goes on, and the outcome is the
//! same as if nothing had happened.

use super::barrier::{Barrier, Write};
use super::deliveries::{came, came_once};
use super::harness::{Instance, payment};
use super::mail::Moment;
use crate::support::process::assert_verifies;

/// What was done, the write before which the server dies, and how often the forward service and the mail server had to be
/// asked in all.
const MOMENTS: [(&str, Write, usize, usize); 9] = [
    ("paid and delivered, and nobody has read it", insert("jobs.jobs", "NEW.kind = 'create_api_key'"), 1, 1),
    ("key asked for, not claimed", update("jobs.jobs", "NEW.kind = 'create_api_key' AND NEW.state = 'running'"), 1, 1),
    // Under one idempotency key, so it is one key.
    ("key made, and not kept", insert("vault.secrets", "true"), 2, 1),
    ("key kept, and not recorded", insert("ledger.events", "NEW.event_type = 'key_created'"), 1, 1),
    ("key recorded, job not done", update("jobs.jobs", "NEW.kind = 'create_api_key' AND NEW.state = 'done'"), 1, 1),
    ("key recorded, and no mail asked for", insert("jobs.jobs", "NEW.kind = 'send_mail'"), 1, 1),
    // Nobody can know that it was taken.
    ("mail taken, and not recorded", insert("ledger.events", "NEW.event_type = 'mail_sent'"), 1, 2),
    (
        "mail recorded, and the key not erased",
        Write { table: "vault.secrets", operation: "DELETE", rows: "true" },
        1,
        1,
    ),
    ("key erased, job not done", update("jobs.jobs", "NEW.kind = 'send_mail' AND NEW.state = 'done'"), 1, 1),
];

const fn insert(table: &'static str, rows: &'static str) -> Write {
    Write { table, operation: "INSERT", rows }
}

const fn update(table: &'static str, rows: &'static str) -> Write {
    Write { table, operation: "UPDATE", rows }
}

#[tokio::test]
async fn killed_between_any_two_steps_of_a_delivery_the_outcome_is_the_same() {
    let mut ledger = Instance::start().await;
    ledger.create_package().await;
    for (n, (moment, write, requests, mails)) in MOMENTS.into_iter().enumerate() {
        let customer = format!("k{n}");
        eprintln!("killed when: {moment}");
        let barrier = Barrier::before(ledger.database.connect_options(), &ledger.pool, write).await;
        let order = ledger.bought(&customer).await;
        barrier.has_caught_one().await;
        ledger.kill().await;
        barrier.cut_and_open().await;
        ledger.add_server().await;
        came(&ledger, &customer, &order).await;
        let asked = (ledger.forwarded(&customer).await.len(), ledger.mail_to(&customer).len());
        assert_eq!(asked, (requests, mails), "{moment}: requests and mails");
    }
    assert_verifies(&ledger.database.url()).await;
}

#[tokio::test]
async fn killed_in_the_middle_of_a_mail_the_outcome_is_the_same() {
    let mut ledger = Instance::start().await;
    for (moment, mails) in [(Moment::BeforeData, 1), (Moment::AfterData, 2)] {
        let customer = format!("m-{moment:?}").to_lowercase();
        ledger.mail.hold(moment);
        let order = ledger.bought(&customer).await;
        ledger.mail.holds_one().await;
        ledger.kill().await;
        ledger.mail.release();
        ledger.add_server().await;
        came(&ledger, &customer, &order).await;
        assert_eq!(ledger.mail_to(&customer).len(), mails, "{moment:?}");
    }
}

/// The customer's money has left and the sandbox knows; the ledger dies before it has written anything. The provider
/// did not hear a yes, so it says it again.
#[tokio::test]
async fn killed_before_a_payment_is_recorded_the_next_notification_records_it() {
    let mut ledger = Instance::start().await;
    for (event, aggregate) in [("paid", "order"), ("requested", "delivery")] {
        let customer = format!("p-{event}");
        let order = ledger.ordered(&customer).await;
        let rows = if event == "paid" { "NEW.event_type = 'paid'" } else { "NEW.event_type = 'requested'" };
        let barrier =
            Barrier::before(ledger.database.connect_options(), &ledger.pool, insert("ledger.events", rows)).await;
        let notify = ledger.nobody();
        let body = payment(&order, &format!("t-{order}")).to_string();
        let paying = tokio::spawn(async move {
            notify.try_send(reqwest::Method::POST, "/api/v1/payments/notify", Some(body.into())).await
        });
        barrier.has_caught_one().await;
        ledger.kill().await;
        barrier.cut_and_open().await;
        assert!(paying.await.expect("no panic").is_err(), "nobody said yes");
        assert_eq!(ledger.events_of(&customer, aggregate, event).await, 0, "whole or not at all");
        assert_eq!(ledger.events_of(&customer, "order", "paid").await, 0, "whole or not at all");
        ledger.add_server().await;
        ledger.pay(&order, &format!("t-{order}")).await.ok();
        came_once(&ledger, &customer, &order).await;
    }
}
