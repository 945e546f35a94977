//! Names that are drawn at random, and that something else has already.

use aggregates::UpgradePolicy;
use serde_json::json;

use super::harness::{Instance, order_no};
use super::plans::{bought, monthly, one_day, put_on_sale};

const CARD: u32 = 101;
const PLAN: u32 = 102;

/// Before the first name of this kind is written down, it is somebody else's. The sequence counts what was tried.
pub(super) async fn the_first_is_taken(ledger: &Instance, kind: &str) {
    let sql = format!(
        "CREATE SEQUENCE ledger.tried;
         GRANT USAGE ON SEQUENCE ledger.tried TO ledger_writer;
         ALTER FUNCTION ledger.claim_keys RENAME TO claim_keys_then;
         CREATE FUNCTION ledger.claim_keys(
             c_part int2[], c_position int8[], c_epoch int8[], c_prev bytea[],
             k_part int2[], k_kind text[], k_key text[], k_account uuid[], k_aggregate uuid[]
         ) RETURNS int2[] LANGUAGE plpgsql AS $$
         BEGIN
             IF '{kind}' = ANY (k_kind) AND nextval('ledger.tried') <= 1 THEN
                 INSERT INTO ledger.unique_keys (kind, key, log_part, account, aggregate_id)
                 SELECT k.kind, k.key, k.part, k.account, gen_random_uuid()
                   FROM unnest(k_part, k_kind, k_key, k_account) AS k (part, kind, key, account)
                  WHERE k.kind = '{kind}';
             END IF;
             RETURN ledger.claim_keys_then(
                 c_part, c_position, c_epoch, c_prev, k_part, k_kind, k_key, k_account, k_aggregate);
         END $$;"
    );
    sqlx::raw_sql(&sql).execute(&ledger.pool).await.expect("a function");
}

pub(super) async fn tried(ledger: &Instance) -> i64 {
    sqlx::query_scalar("SELECT last_value FROM ledger.tried").fetch_one(&ledger.pool).await.expect("a number")
}

async fn assert_placed_anew(ledger: &Instance, sub: &str, order: &str, orders: i64) {
    assert_eq!(tried(ledger).await, 2);
    assert_eq!(ledger.events_of(sub, "order", "placed").await, orders, "the number that was taken is no order's");
    let taken: Vec<String> = sqlx::query_scalar(
        "SELECT key FROM ledger.unique_keys k WHERE kind = 'order_number'
            AND NOT EXISTS (SELECT FROM ledger.events e WHERE e.aggregate_id = k.aggregate_id)",
    )
    .fetch_all(&ledger.pool)
    .await
    .expect("the names");
    assert_eq!(taken.len(), 1);
    assert_ne!(taken, [order]);
}

#[tokio::test]
async fn an_order_number_that_something_else_has_is_drawn_anew() {
    let ledger = Instance::start().await;
    put_on_sale(&ledger, CARD, "10.00 CNY", one_day()).await;
    the_first_is_taken(&ledger, "order_number").await;
    let buy = async || {
        let alice = ledger.user("alice").await.with("idempotency-key", "buy");
        order_no(&alice.post("/api/v1/payments/orders", json!({"product_id": CARD})).await.expect(201))
    };
    let order = buy().await;
    assert_placed_anew(&ledger, "alice", &order, 1).await;
    assert_eq!(buy().await, order, "and asked again it is the same order");
    ledger.pay(&order, "p").await.ok();
    ledger.order_is("alice", &order, "fulfilled").await;
}

#[tokio::test]
async fn the_number_of_a_renewals_order_is_drawn_anew_too() {
    let ledger = Instance::start().await;
    put_on_sale(&ledger, PLAN, "20.00 CNY", monthly(100, UpgradePolicy::NextCycle)).await;
    let paid = bought(&ledger, "alice", PLAN).await;
    let list = ledger.user("alice").await.after(&paid).get("/api/v1/subscriptions").await.expect(200).json();
    the_first_is_taken(&ledger, "order_number").await;
    let path = format!("/sandbox/renew/{}", list["items"][0]["id"].as_str().expect("an id"));
    let renewed = ledger.nobody().post(&path, json!({"transaction_id": "r"})).await.ok();
    assert_placed_anew(&ledger, "alice", &order_no(&renewed), 2).await;
    assert_eq!(ledger.events_of("alice", "subscription", "renewed").await, 1);
}
