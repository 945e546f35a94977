-- Read models of subscriptions, and of what was sold.
--
--   subscriptions         one row each: the plan, the last paid period, what is to come
--   subscription_periods  every period that was paid for
--   sold                  one row per order: what is counted of it, and on which day of its own time zone
--   sales                 per day, product and currency: orders, conversions, payments, revenue, refunds
--   keys_sold             one row per license: how many uses it had, and has
--
-- And orders know the grant that they give, so that a statement names them.
--
-- Counts and sums grow by what a batch of events adds to them, in the transaction that moves the checkpoints.

CREATE TABLE read.subscriptions (
    id             uuid PRIMARY KEY,
    account        uuid NOT NULL,
    status         text NOT NULL,
    plan           jsonb NOT NULL,
    next_plan      jsonb,
    period_number  int8 NOT NULL,
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    -- Of a period that nobody has paid for: when it will have been unpaid for too long.
    expires_at     timestamptz,
    cancel_at_end  bool NOT NULL,
    started_at     timestamptz NOT NULL,
    ended_at       timestamptz,
    reason         text,
    -- Why the customer canceled it: opens with the key of their account.
    sealed         text
) WITH (fillfactor = 80);

CREATE INDEX subscriptions_of_account ON read.subscriptions (account, started_at, id);
CREATE INDEX subscriptions_newest ON read.subscriptions (started_at, id);

CREATE TABLE read.subscription_periods (
    subscription uuid NOT NULL,
    number       int8 NOT NULL,
    order_id     uuid NOT NULL,
    product      uuid NOT NULL,
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    PRIMARY KEY (subscription, number)
);

CREATE TABLE read.sold (
    id         uuid PRIMARY KEY,
    account    uuid NOT NULL,
    product    uuid NOT NULL,
    -- Collected by its provider without being asked: counted by its money alone.
    renewal    bool NOT NULL,
    currency   text NOT NULL,
    time_zone  text NOT NULL,
    placed_day date NOT NULL,
    expired    bool NOT NULL,
    paid_day   date,
    -- The provider's name for the payment that it was paid with: only what comes back of that one was ever revenue.
    payment    text
) WITH (fillfactor = 80);

CREATE INDEX sold_paid ON read.sold (paid_day, account) WHERE paid_day IS NOT NULL;

CREATE TABLE read.sales (
    day       date NOT NULL,
    product   uuid NOT NULL,
    currency  text NOT NULL,
    -- Placed that day, renewals apart; and of those: paid by now, expired by now.
    placed    int8 NOT NULL,
    converted int8 NOT NULL,
    expired   int8 NOT NULL,
    -- On that day, whenever it was placed. Minor units.
    paid      int8 NOT NULL,
    revenue   numeric NOT NULL,
    refunds   int8 NOT NULL,
    refunded  numeric NOT NULL,
    PRIMARY KEY (day, product, currency)
) WITH (fillfactor = 70);

CREATE TABLE read.keys_sold (
    license uuid PRIMARY KEY,
    uses    int8 NOT NULL,
    unused  int8 NOT NULL,
    revoked bool NOT NULL
) WITH (fillfactor = 70);

-- The grant of the credits that an order delivers, if it delivers any: its id follows from the order's.
ALTER TABLE read.orders ADD COLUMN grant_id uuid;
CREATE INDEX orders_by_grant ON read.orders (grant_id);
CREATE INDEX orders_by_payment ON read.orders (payment_id);
CREATE INDEX payment_reviews_by_payment ON read.payment_reviews (payment_id);

GRANT SELECT, INSERT, UPDATE, DELETE
   ON read.subscriptions, read.subscription_periods, read.sold, read.sales, read.keys_sold TO ledger_writer;
