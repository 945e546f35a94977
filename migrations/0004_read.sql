-- Read models: made of the log and of nothing else, by the crate `projections`. All of it may be dropped and made again
-- (`billing-ledger rebuild`), so tables here refer to one another by value, without foreign keys.
--
--   checkpoints   how far each partition of the log has been read; shared by all tables here
--   balances      grants            packages        daily_usage
--   products      orders            payment_reviews deliveries
--
-- Credits are integer micro-credits, money is minor units with its currency.

CREATE SCHEMA read;

CREATE TABLE read.checkpoints (
    log_part int2  PRIMARY KEY CHECK (log_part BETWEEN 0 AND 255),
    position int8  NOT NULL DEFAULT 0 CHECK (position >= 0),
    chain    bytea NOT NULL CHECK (octet_length(chain) = 32)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);

INSERT INTO read.checkpoints (log_part, chain)
SELECT part, sha256('ledger-genesis-v1'::bytea || int2send(part::int2)) FROM generate_series(0, 255) AS part;

CREATE TABLE read.balances (
    account uuid PRIMARY KEY,
    balance int8 NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE read.grants (
    account    uuid NOT NULL,
    id         uuid NOT NULL,
    source     text NOT NULL,
    amount     int8 NOT NULL,
    left_over  int8 NOT NULL CHECK (left_over > 0),
    expires_at timestamptz,
    -- Where in the log it was given.
    position   int8 NOT NULL,
    PRIMARY KEY (account, id)
) WITH (fillfactor = 70);

CREATE TABLE read.packages (
    account       uuid NOT NULL,
    package       uuid NOT NULL,
    product       uuid NOT NULL,
    daily_limit   int8 NOT NULL,
    duration_days int4 NOT NULL,
    time_zone     text NOT NULL,
    day_rule      text NOT NULL,
    starts_at     timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL,
    left_over     int8 NOT NULL,
    status        text NOT NULL,
    PRIMARY KEY (account, package)
) WITH (fillfactor = 70);

CREATE TABLE read.daily_usage (
    account   uuid NOT NULL,
    package   uuid NOT NULL,
    day       date NOT NULL,
    used      int8 NOT NULL,
    left_over int8 NOT NULL,
    PRIMARY KEY (account, package, day)
) WITH (fillfactor = 70);

CREATE TABLE read.products (
    product     uuid PRIMARY KEY,
    number      int8 UNIQUE,
    name        text NOT NULL,
    description text NOT NULL,
    prices      jsonb NOT NULL,
    sort_order  int4 NOT NULL,
    kind        jsonb NOT NULL,
    on_sale     bool NOT NULL
);

-- A number begins with its time, so an index on numbers is in the order of time.
CREATE TABLE read.orders (
    id                uuid PRIMARY KEY,
    account           uuid NOT NULL,
    number            text COLLATE "C" NOT NULL UNIQUE,
    product           uuid NOT NULL,
    name              text NOT NULL,
    kind              jsonb NOT NULL,
    time_zone         text NOT NULL,
    price_minor       int8 NOT NULL,
    price_currency    text NOT NULL,
    provider          text NOT NULL,
    status            text NOT NULL,
    late              bool NOT NULL,
    checkout_url      text,
    checkout_qr       text,
    paid_by           text,
    payment_id        text,
    payment_method    text,
    delivered_package uuid,
    placed_at         timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL,
    paid_at           timestamptz,
    fulfilled_at      timestamptz,
    closed_at         timestamptz,
    reason            text
) WITH (fillfactor = 80);

CREATE INDEX orders_of_account ON read.orders (account, number);
CREATE INDEX orders_by_status ON read.orders (status, number);

CREATE TABLE read.payment_reviews (
    log_part        int2 NOT NULL,
    position        int8 NOT NULL,
    order_id        uuid NOT NULL,
    kind            text NOT NULL,
    provider        text NOT NULL,
    payment_id      text NOT NULL,
    amount_minor    int8 NOT NULL,
    amount_currency text NOT NULL,
    method          text,
    at              timestamptz NOT NULL,
    PRIMARY KEY (log_part, position)
);

CREATE INDEX payment_reviews_newest ON read.payment_reviews (at, provider, payment_id);

CREATE TABLE read.deliveries (
    id           uuid PRIMARY KEY,
    account      uuid NOT NULL,
    order_id     uuid NOT NULL,
    user_package uuid NOT NULL,
    state        text NOT NULL,
    step         text NOT NULL,
    attempts     jsonb NOT NULL,
    key_id       text,
    last_four    text,
    message_id   text,
    requested_at timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX deliveries_newest ON read.deliveries (requested_at, id);
CREATE INDEX deliveries_of_account ON read.deliveries (account, requested_at, id);
CREATE INDEX deliveries_by_state ON read.deliveries (state, requested_at, id);

GRANT USAGE ON SCHEMA read TO ledger_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA read TO ledger_writer;
