//! Name and e-mail as a customer's token last said them.

use serde_json::json;

use super::harness::Instance;
use super::mail::MailFault;
use crate::support::eventually;

const CORRECTED: &str = "alice-corrected@customers.example.org";

#[tokio::test]
async fn an_address_that_a_later_token_corrects_is_where_the_next_attempt_sends_the_mail() {
    let ledger = Instance::start().await;
    ledger.mail.misbehave(MailFault::PutOff, None);
    let order = ledger.bought("alice").await;
    eventually("a mail that was refused", async || {
        ledger.hurry().await;
        ledger
            .delivery(&order)
            .await
            .filter(|delivery| delivery["step"] == "send_mail" && delivery["attempts"] != json!([]))
    })
    .await;
    assert_eq!(ledger.events_of("alice", "customer", "described").await, 1);

    let token = ledger.token(&["--role", "user", "--sub", "alice", "--email", CORRECTED]).await;
    for _ in 0..2 {
        ledger.caller_at(0, Some(&token)).get("/api/v1/user/credits").await.expect(200);
    }
    assert_eq!(ledger.events_of("alice", "customer", "described").await, 2, "once, and nothing to do the second time");

    ledger.mail.behave();
    ledger.delivered(&order).await;
    let to: Vec<String> = ledger.mail.taken().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, [CORRECTED]);
}

#[tokio::test]
async fn nothing_is_recorded_of_who_only_looks() {
    let ledger = Instance::start().await;
    ledger.user("alice").await.get("/api/packages").await.expect(200);
    assert_eq!(ledger.events_of("alice", "customer", "described").await, 0);
}
