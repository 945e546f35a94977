-- What one writes by hand: mutable rows and a log of what was done to them. Fill factors leave room for HOT updates.
DROP SCHEMA IF EXISTS handwritten CASCADE;
CREATE SCHEMA handwritten;

CREATE TABLE handwritten.user_packages (
    id          bigserial   PRIMARY KEY,
    account_id  bigint      NOT NULL,
    daily_limit bigint      NOT NULL CHECK (daily_limit > 0),
    active      boolean     NOT NULL DEFAULT true,
    starts_at   timestamptz NOT NULL DEFAULT now(),
    ends_at     timestamptz NOT NULL
);
CREATE INDEX ON handwritten.user_packages (account_id, ends_at) WHERE active;

CREATE TABLE handwritten.daily_usage (
    package_id bigint NOT NULL,
    day        date   NOT NULL,
    used       bigint NOT NULL CHECK (used >= 0),
    PRIMARY KEY (package_id, day)
) WITH (fillfactor = 50);

CREATE TABLE handwritten.balances (
    account_id bigint PRIMARY KEY,
    balance    bigint NOT NULL CHECK (balance >= 0)
) WITH (fillfactor = 50);

CREATE TABLE handwritten.usage_log (
    id           bigserial   PRIMARY KEY,
    account_id   bigint      NOT NULL,
    amount       bigint      NOT NULL CHECK (amount > 0),
    from_package bigint      NOT NULL,
    from_balance bigint      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (from_package + from_balance = amount)
);
CREATE INDEX ON handwritten.usage_log (account_id, created_at);
