-- Products of every kind have codes; packages are extended, moved, held and revoked; orders deliver more than packages.

ALTER TABLE read.products ADD COLUMN code text;
CREATE UNIQUE INDEX products_by_code ON read.products (code);

ALTER TABLE read.packages ADD COLUMN held int8 NOT NULL DEFAULT 0 CHECK (held >= 0);
-- A batch may only give back, so what is inserted may be below zero; what it is added to is not.
ALTER TABLE read.daily_usage ADD COLUMN held int8 NOT NULL DEFAULT 0;

-- What an order delivered: which kind of thing, and which one.
ALTER TABLE read.orders DROP COLUMN delivered_package;
ALTER TABLE read.orders ADD COLUMN delivered_kind text, ADD COLUMN delivered_id uuid;
