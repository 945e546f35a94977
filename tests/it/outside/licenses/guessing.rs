use serde_json::json;

use super::*;

/// Lets what keeps somebody out be over.
async fn let_time_pass(ledger: &Instance, minutes: i32) {
    sqlx::query(
        "UPDATE guard.misses SET locked_until = locked_until - make_interval(mins => $1),
                last_at = last_at - make_interval(mins => $1),
                recent = ARRAY(SELECT at - make_interval(mins => $1) FROM unnest(recent) AS at)",
    )
    .bind(minutes)
    .execute(&ledger.pool)
    .await
    .expect("the guard");
}

/// Tries keys that nothing has, here and there, until the answer is that it was too often.
async fn guess_until_locked(servers: &[Caller]) -> (usize, u32) {
    for tried in 0..100 {
        let server = &servers[tried % servers.len()];
        let answer = match tried % 3 {
            0 => server.post(CHECK, key_code(NO_KEY)).await,
            1 => server.post(ACTIVATE, key_code(NO_KEY)).await,
            _ => server.with("x-license-key", NO_KEY).post(VERIFY, json!({"mail": ["a@b.de"], "method": "smtp"})).await,
        };
        if answer.status == 429 {
            let wait = answer.header("retry-after").expect("a time").parse().expect("seconds");
            answer.refused(429, "E4290");
            return (tried, wait);
        }
        answer.refused(404, "E3003");
    }
    panic!("a hundred keys were tried");
}

#[tokio::test]
async fn who_tries_keys_is_locked_out_on_every_server_and_longer_each_time() {
    let mut ledger = shop().await;
    ledger.add_server().await;
    let (own, free) = (buy(&ledger, "mallory", BASIC).await, buy(&ledger, "alice", BASIC).await);
    let token = ledger.token(&["--role", "user", "--sub", "mallory"]).await;
    let servers = [ledger.caller_at(0, Some(&token)), ledger.caller_at(1, Some(&token))];

    // Hits do not count, before or in between.
    for _ in 0..15 {
        servers[0].post(CHECK, key_code(&own.key)).await.expect(200);
    }
    let (tried, wait) = guess_until_locked(&servers).await;
    assert_eq!(tried, 10);
    assert!((800..=900).contains(&wait), "a quarter of an hour: {wait}");

    // What would have been a hit looks no different; what is the caller's own is still theirs.
    for server in &servers {
        server.post(CHECK, key_code(&free.key)).await.refused(429, "E4290");
        server.post(ACTIVATE, key_code(&free.key)).await.refused(429, "E4290");
        server.post(CHECK, key_code(&own.key)).await.expect(200);
    }
    // Who has nothing but the address in common with them is not.
    ledger.user("eve").await.post(CHECK, key_code(NO_KEY)).await.refused(404, "E3003");
    let seen = ledger.auditor().await.get("/api/v1/admin/licenses/lockouts").await.expect(200).json();
    let seen: Vec<_> = items(&seen).iter().map(|it| (text(it, "kind"), text(it, "subject"))).collect();
    assert_eq!(seen, [("account".to_owned(), "mallory".to_owned())]);
    ledger.user("alice").await.get("/api/v1/admin/licenses/lockouts").await.refused(403, "E2005");

    let_time_pass(&ledger, 16).await;
    servers[1].post(CHECK, key_code(&free.key)).await.expect(200);
    let (tried, wait) = guess_until_locked(&servers).await;
    assert_eq!(tried, 10);
    assert!((1_700..=1_800).contains(&wait), "half an hour: {wait}");

    // A day of quiet, and all is forgotten.
    let_time_pass(&ledger, 31 + 24 * 60).await;
    let (_, wait) = guess_until_locked(&servers).await;
    assert!((800..=900).contains(&wait), "a quarter of an hour: {wait}");
}

#[tokio::test]
async fn an_address_is_locked_out_after_ten_times_as_many_misses_as_an_account() {
    let ledger = shop().await;
    let own = buy(&ledger, "alice", BASIC).await;
    let mut missed = 0;
    for guesser in 0..12 {
        let guesser = ledger.user(&format!("guesser-{guesser}")).await;
        for _ in 0..9 {
            if missed < 100 {
                guesser.post(CHECK, key_code(NO_KEY)).await.refused(404, "E3003");
                missed += 1;
            }
        }
    }
    let (alice, bob) = (ledger.user("alice").await, ledger.user("bob").await);
    bob.post(CHECK, key_code(NO_KEY)).await.refused(429, "E4290");
    alice.post(CHECK, key_code(&own.key)).await.expect(200);
    let seen = ledger.auditor().await.get("/api/v1/admin/licenses/lockouts").await.expect(200).json();
    let seen: Vec<_> = items(&seen).iter().map(|it| (text(it, "kind"), text(it, "subject"))).collect();
    assert_eq!(seen, [("address".to_owned(), "127.0.0.1".to_owned())]);
}

/// The proxy is this test, and nobody has said that it is one.
#[tokio::test]
async fn the_address_of_a_proxy_that_is_not_trusted_is_not_counted_and_that_is_said_once() {
    let mut ledger = shop().await;
    for n in 0..3 {
        let passed_on = ledger.user("mallory").await.with("x-forwarded-for", format!("203.0.113.{n}"));
        passed_on.post(CHECK, key_code(NO_KEY)).await.refused(404, "E3003");
    }
    let counted: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM guard.misses").fetch_all(&ledger.pool).await.expect("the guard");
    assert_eq!(counted, ["account"]);
    ledger.stop().await;
    assert_eq!(ledger.log().matches("TRUSTED_PROXIES").count(), 1);
}

#[tokio::test]
async fn what_was_missed_long_ago_does_not_count_and_a_malformed_key_is_no_guess() {
    let ledger = shop().await;
    let mallory = ledger.user("mallory").await;
    for _ in 0..30 {
        mallory.post(CHECK, key_code("XXXX-XXXX-XXXX-XXXX")).await.refused(422, "E1005");
    }
    for _ in 0..4 {
        for _ in 0..9 {
            mallory.post(CHECK, key_code(NO_KEY)).await.refused(404, "E3003");
        }
        let_time_pass(&ledger, 16).await;
    }
}

#[tokio::test]
async fn customers_of_one_back_end_are_not_locked_out_for_each_other() {
    let ledger = shop().await;
    let bought = buy(&ledger, "alice", BASIC).await;
    let service = ledger.service().await;
    let wants = |account: &str, key: &str| json!({"account": account, "key_code": key, "reference": "r"});
    for _ in 0..10 {
        service.post(CONSUME, wants("mallory", NO_KEY)).await.refused(404, "E3003");
    }
    service.post(CONSUME, wants("mallory", &bought.key)).await.refused(429, "E4290");
    service.post(CONSUME, wants("bob", &bought.key)).await.expect(200);
}

#[tokio::test]
async fn who_has_been_quiet_for_long_is_forgotten() {
    let ledger = shop().await;
    let left = async || -> i64 {
        billing_ledger::lockouts::prune(&ledger.pool, 1_000).await.expect("pruned");
        sqlx::query_scalar("SELECT count(*) FROM guard.misses").fetch_one(&ledger.pool).await.expect("a count")
    };
    guess_until_locked(&[ledger.user("mallory").await]).await;
    assert_eq!(left().await, 2, "the account and the address");
    let_time_pass(&ledger, 24 * 60 + 16).await;
    assert_eq!(left().await, 2, "the next lock-out would still be longer");
    let_time_pass(&ledger, 24 * 60).await;
    assert_eq!(left().await, 0);
}
