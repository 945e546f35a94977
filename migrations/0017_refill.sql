-- The read models, which have new tables and columns, are emptied and filled again from the first event: by the servers, as
-- soon as they run.

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
