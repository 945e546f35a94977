-- What the sandbox knows as a payment provider of its own, and how far ahead its clock is. Empty where it is off.

CREATE SCHEMA sandbox;

CREATE TABLE sandbox.orders (
    order_number text        PRIMARY KEY,
    subject      text        NOT NULL,
    amount_minor int8        NOT NULL,
    currency     text        NOT NULL,
    expires_at   timestamptz NOT NULL
);

CREATE TABLE sandbox.payments (
    payment_id   text        PRIMARY KEY,
    order_number text        NOT NULL,
    amount_minor int8        NOT NULL,
    currency     text        NOT NULL,
    method       text,
    entered_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON sandbox.payments (order_number);

-- One row at most: how far the instance's clock runs ahead of the wall clock.
CREATE TABLE sandbox.clock (
    only_one     bool PRIMARY KEY DEFAULT true CHECK (only_one),
    ahead_micros int8 NOT NULL CHECK (ahead_micros >= 0)
);

GRANT USAGE ON SCHEMA sandbox TO ledger_writer;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA sandbox TO ledger_writer;
