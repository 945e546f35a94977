-- What payment providers said. Stored before it is acknowledged, worked off afterwards; it is no read model and no part of
-- the log: what becomes of it is there.
--
--   notifications  genuine ones, each once, however often it came
--   refused        samples of those that nobody could have signed, kept briefly
--   refusals       how many those were, by day

CREATE SCHEMA inbox;

CREATE TABLE inbox.notifications (
    id           int8        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider     text        NOT NULL,
    -- The same notification again has the same key.
    key          text        NOT NULL,
    -- What the provider calls what happened.
    event        text        NOT NULL,
    -- How it arrived, headers and all, under the key of the account system; NULL: forgotten with its customer.
    sealed       text,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    copies       int4        NOT NULL DEFAULT 1,
    last_copy_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state        text        NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'waiting', 'done', 'nothing', 'review')),
    -- While it is received or waits: when it is next worked on, by whoever comes first.
    due_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts     int4        NOT NULL DEFAULT 0,
    -- Counted up by whoever takes it: what an earlier one says of it later does not count.
    turn         int8        NOT NULL DEFAULT 0,
    reason       text,
    order_number text,
    account      uuid,
    settled_at   timestamptz,
    UNIQUE (provider, key)
) WITH (fillfactor = 80);

CREATE INDEX notifications_due ON inbox.notifications (due_at) WHERE state IN ('received', 'waiting');
CREATE INDEX notifications_by_state ON inbox.notifications (state, id) WHERE state IN ('waiting', 'review');
CREATE INDEX notifications_of_order ON inbox.notifications (order_number) WHERE order_number IS NOT NULL;
CREATE INDEX notifications_of_account ON inbox.notifications (account) WHERE account IS NOT NULL;

CREATE TABLE inbox.refused (
    id          int8        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider    text        NOT NULL,
    why         text        NOT NULL,
    -- How it arrived; nobody knows whose data that is, so it is sealed as well.
    sealed      text        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX refused_of_provider ON inbox.refused (provider, id);
CREATE INDEX refused_oldest ON inbox.refused (received_at);

CREATE TABLE inbox.refusals (
    provider text NOT NULL,
    day      date NOT NULL,
    why      text NOT NULL,
    count    int8 NOT NULL,
    PRIMARY KEY (provider, day, why)
);

GRANT USAGE ON SCHEMA inbox TO ledger_writer;
GRANT SELECT, INSERT, UPDATE ON inbox.notifications TO ledger_writer;
GRANT SELECT, INSERT, DELETE ON inbox.refused TO ledger_writer;
GRANT SELECT, INSERT, UPDATE ON inbox.refusals TO ledger_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA inbox TO ledger_writer;
