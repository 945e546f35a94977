-- The log. docs/decisions/0001-log-schema.md says why each column is here and what it costs.
--
--   log_heads        one row per partition: where it ends. The only rows of the log that are ever updated
--   commits          one row per partition and append: the hash chain
--   events           the facts
--   command_results  which command recorded which events: idempotency
--   unique_keys      names that belong to one account only: order numbers, key digests, payment ids
--   accounts         account key -> the `sub` it is the digest of
--   event_types      what kinds of event a partition holds, so that an older build can refuse to write it
--   snapshots        disposable copies of aggregate state
--
-- Every key of the log contains log_part, so its tables can be distributed by it.

CREATE SCHEMA ledger;

CREATE TABLE ledger.log_heads (
    log_part     int2   PRIMARY KEY CHECK (log_part BETWEEN 0 AND 255),
    position     int8   NOT NULL DEFAULT 0 CHECK (position >= 0),
    committed_us int8   NOT NULL DEFAULT 0,
    epoch        int8   NOT NULL DEFAULT 0,
    chain        bytea  NOT NULL CHECK (octet_length(chain) = 32)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);

INSERT INTO ledger.log_heads (log_part, chain)
SELECT part, sha256('ledger-genesis-v1'::bytea || int2send(part::int2)) FROM generate_series(0, 255) AS part;

-- A commit is named by its first position. committed_us is microseconds since the Unix epoch and never goes back.
CREATE TABLE ledger.commits (
    first_position int8  NOT NULL CHECK (first_position > 0),
    committed_us   int8  NOT NULL,
    event_count    int4  NOT NULL CHECK (event_count > 0),
    log_part       int2  NOT NULL,
    batch_id       uuid  NOT NULL,
    events_root    bytea NOT NULL CHECK (octet_length(events_root) = 32),
    prev_chain     bytea NOT NULL CHECK (octet_length(prev_chain) = 32),
    chain          bytea NOT NULL,
    PRIMARY KEY (log_part, first_position),
    CONSTRAINT commits_chain_check CHECK (chain = sha256(
        'ledger-chain-v1'::bytea || prev_chain || int2send(log_part) || int8send(first_position)
        || int4send(event_count) || int8send(committed_us) || uuid_send(batch_id) || events_root))
);

-- payload and metadata are json, not jsonb: the text that was hashed is the text that is stored.
-- leaf is the first eight bytes of the event's leaf hash: it narrows a wrong commit down to the wrong event.
CREATE TABLE ledger.events (
    position       int8 NOT NULL CHECK (position > 0),
    version        int8 NOT NULL CHECK (version > 0),
    leaf           int8 NOT NULL,
    log_part       int2 NOT NULL,
    schema_version int2 NOT NULL,
    account        uuid NOT NULL,
    aggregate_id   uuid NOT NULL,
    command_id     uuid NOT NULL,
    aggregate_type text NOT NULL,
    event_type     text NOT NULL,
    payload        json NOT NULL,
    metadata       json NOT NULL,
    PRIMARY KEY (log_part, position),
    UNIQUE (log_part, aggregate_id, version)
);

CREATE TABLE ledger.command_results (
    first_position int8  NOT NULL,
    event_count    int2  NOT NULL CHECK (event_count > 0),
    log_part       int2  NOT NULL,
    account        uuid  NOT NULL,
    command_id     uuid  NOT NULL,
    request_hash   bytea NOT NULL CHECK (octet_length(request_hash) = 16),
    -- In this order ids that grow with time fill the index from its right edge.
    PRIMARY KEY (command_id, account, log_part)
);

-- Names that belong to one aggregate of the whole ledger. Also the look-up from a webhook or a license key to its account.
CREATE TABLE ledger.unique_keys (
    kind         text NOT NULL,
    key          text NOT NULL,
    log_part     int2 NOT NULL,
    account      uuid NOT NULL,
    aggregate_id uuid NOT NULL,
    PRIMARY KEY (kind, key)
);

-- account = the first sixteen bytes of SHA-256('acct' || account_id), so the table proves itself.
CREATE TABLE ledger.accounts (
    log_part   int2 NOT NULL,
    account    uuid NOT NULL CHECK (uuid_send(account) = substr(sha256('acct'::bytea || convert_to(account_id, 'UTF8')), 1, 16)),
    account_id text NOT NULL,
    PRIMARY KEY (log_part, account)
);

CREATE TABLE ledger.event_types (
    log_part       int2 NOT NULL,
    aggregate_type text NOT NULL,
    event_type     text NOT NULL,
    schema_version int2 NOT NULL,
    PRIMARY KEY (log_part, aggregate_type, event_type, schema_version)
);

-- state_schema changes with the shape or the fold of the state; a snapshot of another schema is ignored.
CREATE TABLE ledger.snapshots (
    log_part       int2 NOT NULL,
    aggregate_id   uuid NOT NULL,
    aggregate_type text NOT NULL,
    state_schema   int4 NOT NULL,
    version        int8 NOT NULL CHECK (version > 0),
    state          json NOT NULL,
    PRIMARY KEY (log_part, aggregate_id)
) WITH (fillfactor = 80);

-- What is written stays written. (Roles say so too; this also holds for the owner of the tables.)
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger.% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.commits
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
