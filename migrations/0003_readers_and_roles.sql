-- The log in the column layout of postgres-es 0.5, for independent readers: `PostgresEventRepository` loads from it.
CREATE VIEW public.events AS
SELECT aggregate_type,
       aggregate_id::text                           AS aggregate_id,
       version                                      AS sequence,
       event_type,
       schema_version::text                         AS event_version,
       json_build_object(event_type, payload)       AS payload,
       metadata
  FROM ledger.events;

-- ledger_writer is what the server's connections become. It can add to the log, never change it. Roles belong to the
-- whole server and not to one database, hence the check (and the handler: two databases may be migrated at once).
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledger_writer') THEN
        CREATE ROLE ledger_writer NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;

GRANT ledger_writer TO CURRENT_USER;
GRANT USAGE ON SCHEMA ledger TO ledger_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO ledger_writer;
GRANT SELECT ON public.events TO ledger_writer;
GRANT INSERT ON ledger.commits, ledger.events, ledger.command_results, ledger.unique_keys, ledger.accounts,
                ledger.event_types TO ledger_writer;
GRANT UPDATE ON ledger.log_heads TO ledger_writer;
GRANT INSERT, UPDATE, DELETE ON ledger.snapshots TO ledger_writer;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger TO ledger_writer;
