use super::*;
use crate::outside::taken::{the_first_is_taken, tried};

#[tokio::test]
async fn a_key_that_something_else_has_is_made_anew_and_the_payment_delivers_once() {
    let ledger = shop().await;
    the_first_is_taken(&ledger, "license_key").await;
    let bought = buy(&ledger, "alice", BASIC).await;
    assert_eq!(tried(&ledger).await, 2);
    let [only] = keys_of(&ledger.user("alice").await.after(&bought.paid)).await.try_into().expect("one key");
    assert_eq!(only["key_code"], json!(bought.key));
    for (aggregate, event) in [("order", "paid"), ("license", "issued")] {
        assert_eq!(ledger.events_of("alice", aggregate, event).await, 1, "{aggregate}.{event}");
    }
}
