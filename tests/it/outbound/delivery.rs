//! Bought, paid, key created, mailed: once, whatever happens on the way, and the order stays paid.

use std::collections::HashSet;

use aggregates::Locale;
use billing_ledger::jobs::Outcome;
use billing_ledger::processes::kinds::{CREATE_API_KEY, SEND_MAIL};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::scene::{Bought, EMAIL, NAME, Scene};
use crate::support::eventually;
use crate::support::forward::SIGNING_SECRET;
use crate::support::smtp::Accident;

/// One request with effect, one mail, and the order as it was.
async fn assert_delivered_once(scene: &Scene, bought: &Bought) {
    assert_delivered_by(scene, bought, 1).await;
}

/// More than one mail left only where a server took one and we could not know.
async fn assert_delivered_by(scene: &Scene, bought: &Bought, mails_taken: usize) {
    let mails = scene.smtp.mails();
    assert_eq!(mails.len(), mails_taken, "mails");
    let ids: HashSet<&str> = mails.iter().map(|mail| mail.id.as_str()).collect();
    assert_eq!(ids, HashSet::from([format!("{}@ledger.example", bought.delivery).as_str()]));
    let keys: HashSet<&str> = mails.iter().map(|mail| key_in(&mail.text)).collect();
    assert_eq!(keys.len(), 1, "one key");
    let types = scene.event_types(bought.delivery.uuid()).await;
    for once in ["requested", "key_created", "mail_sent"] {
        assert_eq!(types.iter().filter(|known| *known == once).count(), 1, "{types:?}");
    }
    assert_eq!(types.last().map(String::as_str), Some("mail_sent"), "{types:?}");
    assert_eq!(scene.event_types(bought.order.uuid()).await.last().map(String::as_str), Some("fulfilled"));
    assert_eq!(scene.secrets().await, 0, "a delivered key is forgotten");
}

fn key_in(text: &str) -> &str {
    text.split_whitespace().find(|word| word.starts_with("sk-")).expect("a key")
}

#[tokio::test]
async fn a_bought_package_brings_one_key_by_one_mail() {
    let scene = Scene::at_work().await;
    let bought = scene.buy("alice").await;
    scene.delivers(&bought).await;
    assert_delivered_once(&scene, &bought).await;

    let [request] = &scene.forward.requests().await[..] else { panic!("one request") };
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let expected = json!({
        "userId": "alice", "username": NAME, "email": EMAIL, "name": "Auto-generated on package purchase",
        "initialBalance": {"packageTokens": 0, "independentTokens": 0},
    });
    assert_eq!(body, expected);
    assert!(request.authorized);
    assert_eq!(request.idempotency_key, Some(bought.delivery.to_string()));
    assert_eq!(request.signature_valid, Some(true));

    let [mail] = &scene.smtp.mails()[..] else { panic!("one mail") };
    assert_eq!(mail.to, EMAIL);
    assert!(mail.subject.contains("套餐已开通"), "{}", mail.subject);
    for part in [&mail.text, &mail.html] {
        for what in [bought.number.as_str(), "基础套餐", "5.00", "30.00 CNY", "30 天", NAME, key_in(&mail.text), "curl"]
        {
            assert!(part.contains(what), "{what} is missing: {part}");
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn a_foreign_library_accepts_what_the_service_was_sent() {
    let scene = Scene::at_work().await;
    let bought = scene.buy("alice").await;
    scene.delivers(&bought).await;
    let request = scene.forward.requests().await.remove(0);
    let mut headers = axum::http::HeaderMap::new();
    headers.insert("webhook-id", request.webhook_id.unwrap().parse().unwrap());
    headers.insert("webhook-timestamp", request.webhook_timestamp.unwrap().parse().unwrap());
    headers.insert("webhook-signature", request.webhook_signature.unwrap().parse().unwrap());
    let witness = standardwebhooks::Webhook::new(SIGNING_SECRET).unwrap();
    witness.verify(request.body.as_bytes(), &headers).unwrap();
    assert!(witness.verify(b"{}", &headers).is_err());
    scene.end().await;
}

#[tokio::test]
async fn a_misbehaving_forward_service_is_recorded_and_recovered_from() {
    for (fault, reason) in [
        ("downx2", "broke before its answer"),
        ("slowx1", "did not answer in time"),
        ("500x2", "HTTP 500: internal error"),
        ("success-falsex2", "refused: 创建 API Key 失败"),
        ("htmlx2", "HTML instead of JSON"),
        ("garbagex2", "no usable apiKey"),
        ("hugex2", "longer than 64 KiB"),
        ("lost-answerx2", "broke before its answer"),
    ] {
        let scene = Scene::at_work().await;
        scene.forward.misbehave(fault).await;
        let bought = scene.buy("alice").await;
        scene.delivers(&bought).await;
        assert_delivered_once(&scene, &bought).await;
        let reasons = scene.reasons(&bought).await;
        assert!(!reasons.is_empty() && reasons.iter().all(|said| said.contains(reason)), "{fault}: {reasons:?}");
        let keys: HashSet<_> = scene.forward.requests().await.into_iter().map(|it| it.idempotency_key).collect();
        assert_eq!(keys.len(), 1, "{fault}: the same request every time");
        scene.end().await;
    }
}

#[tokio::test]
async fn a_mail_server_in_trouble_is_recorded_and_recovered_from() {
    for (accident, reason) in [
        (Accident::Absent, "hung up"),
        (Accident::AtSender("421 later"), "put us off with code 421"),
        (Accident::AtRecipient("450 mailbox busy wang@example.com"), "put us off with code 450"),
        (Accident::AtData("451 no space"), "put us off with code 451"),
        (Accident::AtSender("530 log in first"), "does not let us send, with code 530"),
        (Accident::Silent, "did not answer in time"),
        (Accident::DropsBeforeData, "hung up"),
        (Accident::DropsAfterData, "hung up"),
    ] {
        let scene = Scene::at_work().await;
        scene.smtp.plan(&[accident]);
        let bought = scene.buy("alice").await;
        scene.delivers(&bought).await;
        let mails_taken = if accident == Accident::DropsAfterData { 2 } else { 1 };
        assert_delivered_by(&scene, &bought, mails_taken).await;
        assert_eq!(scene.smtp.accidents_left(), 0, "{accident:?} happened");
        let reasons = scene.reasons(&bought).await;
        assert!(matches!(&reasons[..], [said] if said.contains(reason)), "{accident:?}: {reasons:?}");
        scene.end().await;
    }
}

#[tokio::test]
async fn a_refused_recipient_is_given_up_and_a_retry_by_hand_delivers() {
    let scene = Scene::at_work().await;
    scene.smtp.plan(&[Accident::AtRecipient("550 no such user")]);
    let bought = scene.buy("alice").await;
    let dead = || async { scene.job_state(SEND_MAIL, &bought.delivery.to_string()).await == Some("dead".to_owned()) };
    eventually("a dead letter", async || dead().await.then_some(())).await;
    let types = scene.event_types(bought.delivery.uuid()).await;
    assert_eq!(types, ["requested", "key_created", "attempt_failed", "given_up"]);
    assert_eq!(scene.secrets().await, 1, "the key waits for its customer");

    scene.retry(&bought).await;
    scene.delivers(&bought).await;
    assert_delivered_once(&scene, &bought).await;
    assert_eq!(scene.forward.requests().await.len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn a_day_of_failures_is_a_dead_letter_until_a_retry_by_hand() {
    let scene = Scene::at_work().await;
    scene.forward.misbehave("500").await;
    let bought = scene.buy("alice").await;
    let key = bought.delivery.to_string();
    eventually("a first failure", async || (!scene.reasons(&bought).await.is_empty()).then_some(())).await;
    let a_day_ago = "UPDATE jobs.jobs SET round_began_at = round_began_at - interval '25 hours'
                      WHERE kind = 'create_api_key' AND state = 'queued'";
    eventually("a dead letter", async || {
        sqlx::query(a_day_ago).execute(&scene.pool).await.unwrap();
        scene.hurry().await;
        (scene.job_state(CREATE_API_KEY, &key).await == Some("dead".to_owned())).then_some(())
    })
    .await;
    assert_eq!(scene.event_types(bought.delivery.uuid()).await.last().map(String::as_str), Some("given_up"));
    assert_eq!(scene.event_types(bought.order.uuid()).await.last().map(String::as_str), Some("fulfilled"));

    scene.forward.misbehave("").await;
    scene.retry(&bought).await;
    scene.delivers(&bought).await;
    assert_delivered_once(&scene, &bought).await;
    scene.end().await;
}

/// Each step cut off after each of its effects, and begun again: by hand, so that the cut is exactly there.
#[tokio::test]
async fn a_step_that_is_begun_again_has_no_second_effect() {
    let scene = Scene::set().await;
    let bought = scene.buy("alice").await;
    let (create, send) = (scene.handler(CREATE_API_KEY), scene.handler(SEND_MAIL));

    // Killed after the key was kept and before it was recorded: nobody is called again.
    let kept = SecretString::from(r#"{"key_id":"key-77","key":"sk-kept-in-the-vault"}"#);
    scene.vault.keep(bought.delivery.uuid(), bought.account.key(), &kept).await.unwrap();
    assert_eq!(create.run(&bought.job(CREATE_API_KEY, 1)).await, Outcome::Done);
    assert!(scene.forward.requests().await.is_empty());
    // Killed after it was recorded and before the job was settled.
    assert_eq!(create.run(&bought.job(CREATE_API_KEY, 2)).await, Outcome::Done);
    let types = scene.event_types(bought.delivery.uuid()).await;
    assert_eq!(types, ["requested", "key_created"]);

    assert_eq!(send.run(&bought.job(SEND_MAIL, 1)).await, Outcome::Done);
    // Killed after the mail was recorded and before the key was erased.
    scene.vault.keep(bought.delivery.uuid(), bought.account.key(), &kept).await.unwrap();
    assert_eq!(send.run(&bought.job(SEND_MAIL, 2)).await, Outcome::Done);
    let [mail] = &scene.smtp.mails()[..] else { panic!("one mail") };
    assert!(mail.text.contains("sk-kept-in-the-vault"));
    assert_delivered_once(&scene, &bought).await;
    // And a key step that comes late finds nothing to do.
    assert_eq!(create.run(&bought.job(CREATE_API_KEY, 3)).await, Outcome::Done);
    assert_delivered_once(&scene, &bought).await;
    assert!(scene.forward.requests().await.is_empty());
    scene.end().await;
}

#[tokio::test]
async fn what_was_given_back_before_its_key_was_made_gets_none() {
    let scene = Scene::set().await;
    let bought = scene.buy("alice").await;
    scene.refund(&bought).await;
    let (create, send) = (scene.handler(CREATE_API_KEY), scene.handler(SEND_MAIL));
    assert_eq!(create.run(&bought.job(CREATE_API_KEY, 1)).await, Outcome::Done);
    assert_eq!(send.run(&bought.job(SEND_MAIL, 1)).await, Outcome::Done);
    assert_eq!(scene.event_types(bought.delivery.uuid()).await, ["requested", "withdrawn"]);
    assert!(scene.forward.requests().await.is_empty() && scene.smtp.mails().is_empty());

    let retry = aggregates::Command::Delivery(bought.delivery, aggregates::DeliveryCommand::Retry);
    let admin = billing_ledger::dispatch::Actor::new("admin", "admin");
    let id = billing_ledger::dispatch::ids::fresh();
    let refused = scene.dispatcher.execute(&bought.account, &admin, id, vec![retry]).await.expect_err("it is over");
    assert!(refused.to_string().contains("was given back"), "{refused}");
    scene.end().await;
}

/// The mail had been given up, so nothing would have looked at the key again.
#[tokio::test]
async fn what_was_given_back_before_its_key_was_mailed_is_not_mailed_and_the_key_is_forgotten() {
    let scene = Scene::at_work().await;
    scene.smtp.plan(&[Accident::AtRecipient("550 no such user")]);
    let bought = scene.buy("alice").await;
    let key = bought.delivery.to_string();
    eventually("a dead letter", async || {
        (scene.job_state(SEND_MAIL, &key).await == Some("dead".to_owned())).then_some(())
    })
    .await;
    assert_eq!(scene.secrets().await, 1, "the key waits for its customer");
    scene.refund(&bought).await;
    eventually("the key to be forgotten", async || (scene.secrets().await == 0).then_some(())).await;
    assert_eq!(scene.event_types(bought.delivery.uuid()).await.last().map(String::as_str), Some("withdrawn"));
    assert!(scene.smtp.mails().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn many_workers_deliver_each_package_once() {
    let scene = Scene::at_work().await;
    scene.work();
    scene.work();
    let mut all = Vec::new();
    for n in 0..12 {
        all.push(scene.buy(&format!("customer-{n}")).await);
    }
    for bought in &all {
        eventually("a delivery", async || scene.is_delivered(bought).await.then_some(())).await;
    }
    let ids: HashSet<String> = scene.smtp.mails().into_iter().map(|mail| mail.id).collect();
    assert_eq!((scene.smtp.mails().len(), ids.len()), (12, 12));
    assert_eq!(scene.forward.requests().await.len(), 12);
    scene.end().await;
}

#[tokio::test]
async fn the_customers_language_decides_and_an_address_is_needed() {
    let scene = Scene::at_work().await;
    let english = scene.order_by("alice", Some(EMAIL), Locale::En).await;
    scene.pay(&english).await;
    scene.delivers(&english).await;
    assert!(scene.smtp.mails()[0].subject.starts_with("Your package is active"));

    let nobody = scene.order_by("bob", None, Locale::En).await;
    scene.pay(&nobody).await;
    eventually("a reason", async || {
        let reasons = scene.reasons(&nobody).await;
        reasons.iter().any(|said| said.contains("name and e-mail of the customer are not known")).then_some(())
    })
    .await;
    scene.end().await;
}

#[tokio::test]
async fn no_personal_data_and_no_key_is_in_the_log_or_in_a_job() {
    let scene = Scene::at_work().await;
    scene.forward.misbehave("success-falsex1").await;
    scene.smtp.plan(&[Accident::AtRecipient("450 wang@example.com is busy")]);
    let bought = scene.buy("alice").await;
    scene.delivers(&bought).await;
    let key = key_in(&scene.smtp.mails()[0].text).to_owned();
    for table in ["ledger.events", "jobs.jobs", "vault.account_keys", "vault.secrets"] {
        let dump = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
        let dump: String = sqlx::query_scalar(&dump).fetch_one(&scene.pool).await.unwrap();
        for personal in [EMAIL, NAME, &key] {
            assert!(!dump.contains(personal), "{table} shows {personal}");
        }
    }
    scene.end().await;
}
