-- no-transaction
-- What the old one held, the new one holds too.
DROP INDEX CONCURRENTLY IF EXISTS ledger.events_for_processes;
