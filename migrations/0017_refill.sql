-- The process managers listen to more: holds, subscriptions and grants end by themselves, and erased customers' keys go.
-- Then the read models, which have new tables and columns, are emptied and filled again from the first event: by the
-- servers, as soon as they run.

DROP INDEX ledger.events_for_processes;
CREATE INDEX events_for_processes ON ledger.events (log_part, position)
    WHERE aggregate_type IN ('order', 'delivery', 'hold', 'subscription', 'customer')
       OR event_type IN ('activated', 'granted');

DO $$
DECLARE
    emptied text;
BEGIN
    SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') INTO emptied
      FROM pg_tables WHERE schemaname = 'read' AND tablename <> 'checkpoints';
    EXECUTE 'TRUNCATE ' || emptied;
END $$;
UPDATE read.checkpoints
   SET position = 0, chain = sha256('ledger-genesis-v1'::bytea || int2send(log_part));
