-- Money that goes back: its read model, what the sandbox knows of it as a provider, and what a sandbox may do wrong.
-- And how often somebody may ask where that must hold over all processes.

CREATE TABLE read.refunds (
    order_id        uuid NOT NULL,
    id              uuid NOT NULL,
    account         uuid NOT NULL,
    provider        text NOT NULL,
    payment_id      text NOT NULL,
    amount_minor    int8 NOT NULL,
    amount_currency text NOT NULL,
    -- none: the provider gave it back of its own
    reason          text,
    revoke          bool NOT NULL,
    state           text NOT NULL,
    attempts        jsonb NOT NULL,
    provider_refund text,
    requested_at    timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL,
    done_at         timestamptz,
    PRIMARY KEY (order_id, id)
) WITH (fillfactor = 80);

CREATE INDEX refunds_by_id ON read.refunds (id);
CREATE INDEX refunds_newest ON read.refunds (requested_at, id);
CREATE INDEX refunds_of_account ON read.refunds (account, requested_at, id);
CREATE INDEX refunds_by_state ON read.refunds (state, requested_at, id);
GRANT SELECT, INSERT, UPDATE, DELETE ON read.refunds TO ledger_writer;

-- What was paid may be another amount than the price, where an admin took it for the order's.
ALTER TABLE read.orders ADD COLUMN paid_minor int8, ADD COLUMN paid_currency text,
    ADD COLUMN refunded_minor int8 NOT NULL DEFAULT 0;

ALTER TABLE read.payment_reviews ADD COLUMN id uuid, ADD COLUMN outcome text, ADD COLUMN closed_because text;
CREATE INDEX payment_reviews_by_id ON read.payment_reviews (id);
CREATE INDEX payment_reviews_of_order ON read.payment_reviews (order_id);

-- The sandbox's books: money that went back, under the number that the ledger gave it or one of its own.
CREATE TABLE sandbox.refunds (
    refund_no    text        PRIMARY KEY,
    payment_id   text        NOT NULL,
    amount_minor int8        NOT NULL CHECK (amount_minor > 0),
    currency     text        NOT NULL,
    executed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON sandbox.refunds (payment_id);

-- How often each refund was asked for.
CREATE TABLE sandbox.refund_requests (
    refund_no text PRIMARY KEY,
    times     int4 NOT NULL
);

-- What goes wrong, as it was last set; one row at most.
CREATE TABLE sandbox.faults (
    only_one bool PRIMARY KEY DEFAULT true CHECK (only_one),
    faults   jsonb NOT NULL
);

-- Notices on their way to the ledger.
CREATE TABLE sandbox.notices (
    id         bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    body       text        NOT NULL,
    send_at    timestamptz NOT NULL,
    -- waits until another one has overtaken it
    held       bool        NOT NULL DEFAULT false,
    copies     int4        NOT NULL CHECK (copies > 0),
    attempts   int4        NOT NULL DEFAULT 0
);
CREATE INDEX ON sandbox.notices (send_at);

GRANT SELECT, INSERT, UPDATE, DELETE
   ON sandbox.refunds, sandbox.refund_requests, sandbox.faults, sandbox.notices TO ledger_writer;

-- Who asked how often since when: a window per purpose and asker.
CREATE SCHEMA edge;
CREATE TABLE edge.windows (
    purpose  text        NOT NULL,
    asker    uuid        NOT NULL,
    began_at timestamptz NOT NULL,
    requests int4        NOT NULL,
    PRIMARY KEY (purpose, asker)
) WITH (fillfactor = 70);
CREATE INDEX ON edge.windows (began_at);
GRANT USAGE ON SCHEMA edge TO ledger_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON edge.windows TO ledger_writer;
