use super::*;

/// Before the first license key is written down, its digest is somebody else's. `sequence` counts what was tried.
const TAKEN_ONCE: &str = "
    CREATE SEQUENCE ledger.tried;
    GRANT USAGE ON SEQUENCE ledger.tried TO ledger_writer;
    ALTER FUNCTION ledger.claim_keys RENAME TO claim_keys_then;
    CREATE FUNCTION ledger.claim_keys(
        c_part int2[], c_position int8[], c_epoch int8[], c_prev bytea[],
        k_part int2[], k_kind text[], k_key text[], k_account uuid[], k_aggregate uuid[]
    ) RETURNS int2[] LANGUAGE plpgsql AS $$
    BEGIN
        IF 'license_key' = ANY (k_kind) AND nextval('ledger.tried') <= 1 THEN
            INSERT INTO ledger.unique_keys (kind, key, log_part, account, aggregate_id)
            SELECT k.kind, k.key, k.part, k.account, gen_random_uuid()
              FROM unnest(k_part, k_kind, k_key, k_account) AS k (part, kind, key, account)
             WHERE k.kind = 'license_key';
        END IF;
        RETURN ledger.claim_keys_then(c_part, c_position, c_epoch, c_prev, k_part, k_kind, k_key, k_account, k_aggregate);
    END $$;
";

#[tokio::test]
async fn a_key_that_something_else_has_is_made_anew_and_the_payment_delivers_once() {
    let ledger = shop().await;
    sqlx::raw_sql(TAKEN_ONCE).execute(&ledger.pool).await.expect("a function");
    let bought = buy(&ledger, "alice", BASIC).await;
    let tried: i64 =
        sqlx::query_scalar("SELECT last_value FROM ledger.tried").fetch_one(&ledger.pool).await.expect("a number");
    assert_eq!(tried, 2);
    let [only] = keys_of(&ledger.user("alice").await.after(&bought.paid)).await.try_into().expect("one key");
    assert_eq!(only["key_code"], json!(bought.key));
    for (aggregate, event) in [("order", "paid"), ("license", "issued")] {
        assert_eq!(ledger.events_of("alice", aggregate, event).await, 1, "{aggregate}.{event}");
    }
}
