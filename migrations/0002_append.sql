-- Writing the log: append_batch moves heads and inserts what was decided; fence_heads settles an unknown outcome.

-- One call is one commit is one batch. c_* has one element per partition (ascending), e_* one per event, r_* one per
-- unit of work, a_* one per account seen for the first time, t_* one per kind of event new to its partition, k_* one per
-- claimed unique key.
--
-- Answers one outcome per partition, in the order of c_part:
--   committed  its events are in the log
--   already    this very batch had been committed before
--   conflict   the head is elsewhere: somebody else wrote
--   fenced     the head is where it was expected, but a fence has been put up since
--   taken      a unique key it claims belongs to another aggregate
-- A partition that is not committed leaves nothing behind and does not hold up its neighbours.
-- A command id that was recorded before fails the whole call (command_results_pkey): the writer answers it from what
-- was recorded and appends the rest again.
CREATE FUNCTION ledger.append_batch(
    batch uuid,
    c_part int2[], c_position int8[], c_epoch int8[], c_prev bytea[], c_time int8[], c_count int4[], c_root bytea[],
    c_chain bytea[],
    e_part int2[], e_position int8[], e_version int8[], e_leaf int8[], e_schema int2[], e_account uuid[],
    e_aggregate uuid[], e_command uuid[], e_aggregate_type text[], e_type text[], e_payload text[], e_metadata text[],
    r_part int2[], r_first int8[], r_count int2[], r_account uuid[], r_command uuid[], r_hash bytea[],
    a_part int2[], a_account uuid[], a_id text[],
    t_part int2[], t_aggregate_type text[], t_type text[], t_schema int2[],
    k_part int2[], k_kind text[], k_key text[], k_account uuid[], k_aggregate uuid[]
) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    taken int2[] := '{}';
    moved int2[];
    whole boolean;
BEGIN
    -- Ascending, or two writers wait for each other for ever.
    PERFORM 1 FROM ledger.log_heads h WHERE h.log_part = ANY (c_part) ORDER BY h.log_part FOR UPDATE;

    IF cardinality(k_part) > 0 THEN
        taken := ledger.claim_keys(c_part, c_position, c_epoch, c_prev, k_part, k_kind, k_key, k_account, k_aggregate);
    END IF;

    WITH head AS (
        UPDATE ledger.log_heads h SET position = h.position + c.n, committed_us = c.at, chain = c.chain
          FROM unnest(c_part, c_position, c_epoch, c_prev, c_time, c_count, c_chain) AS c (part, position, epoch, prev, at, n, chain)
         WHERE h.log_part = c.part AND h.position = c.position AND h.epoch = c.epoch AND h.chain = c.prev
           AND h.committed_us <= c.at AND c.part <> ALL (taken)
        RETURNING h.log_part)
    SELECT coalesce(array_agg(log_part), '{}') INTO moved FROM head;
    whole := cardinality(moved) = cardinality(c_part);

    IF cardinality(moved) > 0 THEN
        INSERT INTO ledger.commits (first_position, committed_us, event_count, log_part, batch_id, events_root, prev_chain, chain)
        SELECT c.position + 1, c.at, c.n, c.part, batch, c.root, c.prev, c.chain
          FROM unnest(c_part, c_position, c_time, c_count, c_root, c_prev, c_chain) AS c (part, position, at, n, root, prev, chain)
         WHERE whole OR c.part = ANY (moved);

        INSERT INTO ledger.events (position, version, leaf, log_part, schema_version, account, aggregate_id, command_id,
                                   aggregate_type, event_type, payload, metadata)
        SELECT e.position, e.version, e.leaf, e.part, e.schema, e.account, e.aggregate, e.command,
               e.aggregate_type, e.type, e.payload::json, e.metadata::json
          FROM unnest(e_part, e_position, e_version, e_leaf, e_schema, e_account, e_aggregate, e_command, e_aggregate_type,
                      e_type, e_payload, e_metadata)
               AS e (part, position, version, leaf, schema, account, aggregate, command, aggregate_type, type, payload, metadata)
         WHERE whole OR e.part = ANY (moved);

        INSERT INTO ledger.command_results (first_position, event_count, log_part, account, command_id, request_hash)
        SELECT r.first, r.n, r.part, r.account, r.command, r.hash
          FROM unnest(r_part, r_first, r_count, r_account, r_command, r_hash) AS r (part, first, n, account, command, hash)
         WHERE whole OR r.part = ANY (moved);

        IF cardinality(a_part) > 0 THEN
            INSERT INTO ledger.accounts (log_part, account, account_id)
            SELECT a.part, a.account, a.id FROM unnest(a_part, a_account, a_id) AS a (part, account, id)
             WHERE a.part = ANY (moved)
            ON CONFLICT DO NOTHING;
        END IF;

        IF cardinality(t_part) > 0 THEN
            INSERT INTO ledger.event_types (log_part, aggregate_type, event_type, schema_version)
            SELECT t.part, t.aggregate_type, t.type, t.schema
              FROM unnest(t_part, t_aggregate_type, t_type, t_schema) AS t (part, aggregate_type, type, schema)
             WHERE t.part = ANY (moved)
            ON CONFLICT DO NOTHING;
        END IF;
    END IF;

    IF whole THEN
        RETURN array_fill('committed'::text, ARRAY[cardinality(c_part)]);
    END IF;
    RETURN (
        SELECT array_agg(CASE
                   WHEN c.part = ANY (moved) THEN 'committed'
                   WHEN c.part = ANY (taken) THEN 'taken'
                   WHEN EXISTS (SELECT FROM ledger.commits k WHERE k.log_part = c.part
                                   AND k.first_position = c.position + 1 AND k.batch_id = batch) THEN 'already'
                   WHEN h.position = c.position AND h.chain = c.prev AND h.epoch <> c.epoch THEN 'fenced'
                   ELSE 'conflict' END ORDER BY c.n)
          FROM unnest(c_part, c_position, c_epoch, c_prev) WITH ORDINALITY AS c (part, position, epoch, prev, n)
          JOIN ledger.log_heads h ON h.log_part = c.part);
END $$;

-- Inserts the claimed keys of every partition whose head is where the batch expects it, in key order (so that two
-- writers cannot wait for each other), and answers the partitions that claim a key of somebody else's.
CREATE FUNCTION ledger.claim_keys(
    c_part int2[], c_position int8[], c_epoch int8[], c_prev bytea[],
    k_part int2[], k_kind text[], k_key text[], k_account uuid[], k_aggregate uuid[]
) RETURNS int2[] LANGUAGE plpgsql AS $$
DECLARE
    able  int2[];
    taken int2[] := '{}';
BEGIN
    SELECT coalesce(array_agg(h.log_part), '{}') INTO able
      FROM ledger.log_heads h
      JOIN unnest(c_part, c_position, c_epoch, c_prev) AS c (part, position, epoch, prev) ON h.log_part = c.part
     WHERE h.position = c.position AND h.epoch = c.epoch AND h.chain = c.prev;
    LOOP
        BEGIN
            INSERT INTO ledger.unique_keys (kind, key, log_part, account, aggregate_id)
            SELECT k.kind, k.key, k.part, k.account, k.aggregate
              FROM unnest(k_part, k_kind, k_key, k_account, k_aggregate) AS k (part, kind, key, account, aggregate)
             WHERE k.part = ANY (able) AND k.part <> ALL (taken)
             ORDER BY k.kind, k.key;
            RETURN taken;
        EXCEPTION WHEN unique_violation THEN
            -- Every lap takes at least one partition out, so there are at most as many laps as partitions.
            SELECT array_agg(DISTINCT k.part) INTO taken
              FROM unnest(k_part, k_kind, k_key) AS k (part, kind, key)
              JOIN ledger.unique_keys u ON u.kind = k.kind AND u.key = k.key
             WHERE k.part = ANY (able);
            IF taken IS NULL THEN
                RAISE;
            END IF;
        END;
    END LOOP;
END $$;

-- Settles an unknown outcome. Being a write, it waits for an append that still holds a head, and makes every later
-- arrival of that append fail; what the log holds after it is final.
CREATE FUNCTION ledger.fence_heads(parts int2[]) RETURNS SETOF ledger.log_heads LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM ledger.log_heads h WHERE h.log_part = ANY (parts) ORDER BY h.log_part FOR UPDATE;
    RETURN QUERY UPDATE ledger.log_heads h SET epoch = h.epoch + 1 WHERE h.log_part = ANY (parts) RETURNING h.*;
END $$;
