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

/// Uses that were taken for addresses that can be told stay taken, whatever else the key is sent with.
#[tokio::test]
async fn a_key_names_one_list_and_one_method() {
    let ledger = shop().await;
    let bought = buy(&ledger, "alice", BASIC).await;
    let alice = ledger.user("alice").await.with("idempotency-key", "v-1");
    let told = alice.post(VERIFY, json!({"mail": ["nobody", "none"], "method": "smtp"})).await.expect(200).json();
    assert_eq!((&told["charged"], &told["remaining"]), (&json!(2), &json!(98)));
    for other in [
        json!({"mail": ["a@example.com", "b@example.com"], "method": "smtp"}),
        json!({"mail": ["none", "nobody"], "method": "smtp"}),
        json!({"mail": ["nobody", "none"], "method": "api", "key": "k"}),
    ] {
        alice.post(VERIFY, other).await.refused(409, "E3005");
    }
    // One that says it all the same is the same.
    let again = alice.post(VERIFY, json!({"mail": [" nobody", "none", "nobody"], "method": "smtp"})).await.expect(200);
    assert_eq!((again.json(), again.is_replay()), (told, true));
    assert_eq!(alice.post(CHECK, key_code(&bought.key)).await.expect(200).json()["remaining"], 98);
    // Neither addresses nor what they are told by are in the log in clear, nor as what anybody could try out.
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger.events WHERE payload::text LIKE '%nobody%'")
        .fetch_one(&ledger.pool)
        .await
        .expect("the log");
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_repeat_is_answered_like_the_first_although_the_license_is_used_up_or_revoked_since() {
    let ledger = shop().await;
    let other = buy(&ledger, "alice", BASIC).await;
    let bought = buy(&ledger, "alice", SINGLE).await;
    let alice = ledger.user("alice").await;
    let keyed = alice.with("idempotency-key", "v-1");
    let by_key = keyed.with("x-license-key", &bought.key);
    let body = |mail: &str| json!({"mail": [mail], "method": "smtp"});
    let told = keyed.post(VERIFY, body("nobody")).await.expect(200).json();
    assert_eq!((&told["charged"], &told["remaining"]), (&json!(1), &json!(0)));
    let replayed = async || {
        for caller in [&keyed, &by_key] {
            let again = caller.post(VERIFY, body("nobody")).await.expect(200);
            assert_eq!((again.json(), again.is_replay()), (told.clone(), true));
            caller.post(VERIFY, body("none")).await.refused(409, "E3005");
        }
        keyed.with("x-license-key", &other.key).post(VERIFY, body("nobody")).await.refused(409, "E3005");
    };
    replayed().await;
    alice.with("idempotency-key", "v-2").post(VERIFY, body("nobody")).await.refused(402, "E4095");
    let revoke = format!("/api/v1/admin/licenses/{}/revoke", bought.id);
    ledger.admin().await.after(&bought.paid).post(&revoke, json!({"reason": "sold by a thief"})).await.expect(200);
    replayed().await;
    // The one bought before is the current one again.
    let by_revoked = alice.with("idempotency-key", "v-2").with("x-license-key", &bought.key);
    by_revoked.post(VERIFY, body("nobody")).await.refused(403, "E4094");
    assert_eq!(ledger.events_of("alice", "license", "consumed").await, 1);
}

/// The log takes what was taken, and then for a while nothing that goes back.
#[tokio::test]
async fn what_was_cut_off_between_taking_and_giving_back_is_finished_by_the_repeat() {
    let ledger = shop().await;
    buy(&ledger, "alice", SINGLE).await;
    let sql = async |text: &'static str| {
        sqlx::raw_sql(text).execute(&ledger.pool).await.expect("the log");
    };
    sql("CREATE FUNCTION public.cut_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'cut off'; END $$;
         CREATE TRIGGER cut_off BEFORE INSERT ON ledger.events FOR EACH ROW WHEN (NEW.event_type = 'given_back')
             EXECUTE FUNCTION public.cut_off()")
    .await;
    let alice = ledger.user("alice").await.with("idempotency-key", "v-1");
    let body = json!({"mail": ["test@example.com"], "method": "smtp"});
    let answer = alice.post(VERIFY, body.clone()).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    assert_eq!(ledger.events_of("alice", "license", "consumed").await, 1);
    sql("DROP TRIGGER cut_off ON ledger.events").await;
    let finished = alice.post(VERIFY, body.clone()).await.expect(200);
    let told = finished.json();
    assert_eq!((&told["charged"], &told["remaining"], finished.is_replay()), (&json!(0), &json!(1), false));
    let again = alice.post(VERIFY, body).await.expect(200);
    assert_eq!((again.json(), again.is_replay()), (told, true));
    let of_alice = async |event: &str| ledger.events_of("alice", "license", event).await;
    assert_eq!((of_alice("consumed").await, of_alice("given_back").await), (1, 1));
}
