-- The server refuses to start on a schema that is older than itself, so it has to see which migrations were applied.
GRANT SELECT ON public._sqlx_migrations TO ledger_writer;
