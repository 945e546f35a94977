-- The process managers have passed over what they did not listen to or knew nothing to do about: grants that end, and
-- second payments of an order. Nobody reads those events to them again, so what they would ask for is asked for here:
-- kind, key and payload are those of src/processes/mod.rs. What is known already stays as it is.
--
-- Servers of the release before have stopped by now; another grant that they passed over would be missing again.

-- As aggregates/ids.rs derives one id from another.
CREATE FUNCTION pg_temp.derived(origin uuid, role text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(set_byte(set_byte(d, 6, get_byte(d, 6) & 15 | 128), 8, get_byte(d, 8) & 63 | 128), 'hex')::uuid
      FROM substr(sha256(uuid_send(origin) || convert_to(role, 'UTF8')), 1, 16) AS d
$$;

INSERT INTO jobs.jobs (kind, key, account_id, payload, run_at, by_business_clock)
SELECT 'expire_grant', e.aggregate_id || ':' || (e.payload ->> 'grant'), a.account_id,
       json_build_object('grant', e.payload ->> 'grant'), (e.payload ->> 'expires_at')::timestamptz, true
  FROM ledger.events e JOIN ledger.accounts a USING (log_part, account)
 WHERE e.event_type = 'granted' AND e.aggregate_type = 'credit_account' AND e.payload ->> 'expires_at' IS NOT NULL
ON CONFLICT (kind, key) DO NOTHING;

INSERT INTO jobs.jobs (kind, key, account_id, payload, run_at)
SELECT 'refund_duplicate',
       pg_temp.derived(pg_temp.derived(pg_temp.derived(e.aggregate_id, 'refund'), p.provider), p.payment_id), a.account_id,
       json_build_object('order', e.aggregate_id, 'payment_id', p.payment_id, 'provider', p.provider), clock_timestamp()
  FROM ledger.events e JOIN ledger.accounts a USING (log_part, account)
 CROSS JOIN LATERAL (
       SELECT e.payload -> 'payment' ->> 'provider' AS provider, e.payload -> 'payment' ->> 'payment_id' AS payment_id) p
 WHERE e.event_type = 'payment_duplicated' AND e.aggregate_type = 'order'
ON CONFLICT (kind, key) DO NOTHING;

DROP FUNCTION pg_temp.derived(uuid, text);
