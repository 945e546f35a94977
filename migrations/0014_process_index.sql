-- no-transaction
-- The process managers listen to more: holds, subscriptions and grants end by themselves, and erased customers' keys go.
-- Made beside the old index, so that nobody waits for it; a statement that may not be in a transaction has its file to itself.
CREATE INDEX CONCURRENTLY process_events ON ledger.events (log_part, position)
    WHERE aggregate_type IN ('order', 'delivery', 'hold', 'subscription', 'customer')
       OR event_type IN ('activated', 'granted');
