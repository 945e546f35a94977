use serde_json::json;

use super::*;

#[tokio::test]
async fn an_address_that_can_be_told_takes_one_use_and_the_others_go_back() {
    let ledger = shop().await;
    let bought = buy(&ledger, "alice", BASIC).await;
    let alice = ledger.user("alice").await.with("x-license-key", &bought.key);
    let list = ["test@gmail.com", "nobody", " test@GMAIL.com", "test2@gmail.com", "a@b@", "nobody"];
    let body = json!({"mail": list, "method": "smtp"});
    let verified = alice.with("idempotency-key", "v-1").post(VERIFY, body.clone()).await.expect(200);
    let told = verified.json();
    let results: Vec<_> = told["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|it| (text(it, "mail"), text(it, "status"), it["charged"] == true))
        .collect();
    let expected = [
        ("test@gmail.com", "unknown", false),
        ("nobody", "invalid", true),
        ("test2@gmail.com", "unknown", false),
        ("a@b@", "invalid", true),
    ];
    assert_eq!(results, expected.map(|(mail, status, charged)| (mail.to_owned(), status.to_owned(), charged)));
    assert_eq!((&told["charged"], &told["remaining"]), (&json!(2), &json!(98)));

    let again = alice.with("idempotency-key", "v-1").post(VERIFY, body).await.expect(200);
    assert_eq!((again.json(), again.is_replay()), (told, true));
    alice
        .with("idempotency-key", "v-1")
        .post(VERIFY, json!({"mail": ["nobody"], "method": "smtp"}))
        .await
        .refused(409, "E3005");
    let history = alice.after(&verified).get(&format!("/api/v1/keys/{}/usage", bought.id)).await.expect(200).json();
    let [one] = items(&history).try_into().expect("one use");
    let about = (&one["units"], &one["given_back"], &one["feature"]);
    assert_eq!(about, (&json!(4), &json!(2), &json!("email_verify")));
}

#[tokio::test]
async fn a_list_for_which_there_are_not_enough_uses_takes_none() {
    let ledger = shop().await;
    let bought = buy(&ledger, "alice", THREE).await;
    let alice = ledger.user("alice").await.with("x-license-key", &bought.key);
    let list =
        |count: usize| json!({"mail": (0..count).map(|n| format!("nobody-{n}")).collect::<Vec<_>>(), "method": "smtp"});
    alice.post(VERIFY, list(4)).await.refused(402, "E4095");
    let taken = alice.post(VERIFY, list(3)).await.expect(200).json();
    assert_eq!((&taken["charged"], &taken["remaining"]), (&json!(3), &json!(0)));
    alice.post(VERIFY, list(1)).await.refused(402, "E4095");
}

#[tokio::test]
async fn a_key_without_the_feature_verifies_nothing_and_is_bound_to_nobody() {
    let ledger = shop().await;
    let bought = buy(&ledger, "alice", IMPORT).await;
    let bob = ledger.user("bob").await;
    let body = json!({"mail": ["nobody"], "method": "smtp"});
    bob.with("x-license-key", &bought.key).post(VERIFY, body.clone()).await.refused(403, "E4096");
    assert_eq!(ledger.events_of("alice", "license", "bound").await, 0);
    // The first use binds, and makes it the current one of who had none.
    let basic = buy(&ledger, "alice", BASIC).await;
    bob.with("x-license-key", &basic.key).post(VERIFY, body.clone()).await.expect(200);
    let without_key = bob.post(VERIFY, body).await.expect(200).json();
    assert_eq!((&without_key["license"], &without_key["remaining"]), (&json!(basic.id), &json!(98)));
}
