-- Licenses as their owners and admins see them, and what they were used for. And, which is no read model: who has tried
-- keys that were none of theirs, so that guessing is slow on all servers together.

CREATE TABLE read.licenses (
    id             uuid PRIMARY KEY,
    -- Who bought it: where it is kept.
    account        uuid NOT NULL,
    -- Who used it first.
    owner          uuid,
    order_id       uuid NOT NULL,
    product        uuid NOT NULL,
    uses           int8 NOT NULL,
    used           int8 NOT NULL CHECK (used BETWEEN 0 AND uses),
    features       jsonb NOT NULL,
    status         text NOT NULL,
    -- Under the key of the account that bought it…
    key_sealed     text NOT NULL,
    -- …and of the one that wrote it.
    note_sealed    text,
    note_by        uuid,
    issued_at      timestamptz NOT NULL,
    bound_at       timestamptz,
    revoked_at     timestamptz,
    revoked_reason text
) WITH (fillfactor = 80);

CREATE INDEX licenses_newest ON read.licenses (issued_at, id);
CREATE INDEX licenses_of_account ON read.licenses (account, issued_at, id);
CREATE INDEX licenses_of_owner ON read.licenses (owner, issued_at, id);
CREATE INDEX licenses_by_status ON read.licenses (status, issued_at, id);
CREATE INDEX licenses_of_order ON read.licenses (order_id);

CREATE TABLE read.license_uses (
    license    uuid NOT NULL,
    use_id     uuid NOT NULL,
    at         timestamptz NOT NULL,
    units      int8 NOT NULL,
    given_back int8 NOT NULL,
    feature    text,
    reference  text,
    PRIMARY KEY (license, use_id)
) WITH (fillfactor = 90);

CREATE INDEX license_uses_newest ON read.license_uses (license, at, use_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON read.licenses, read.license_uses TO ledger_writer;

CREATE SCHEMA guard;

-- One row for whoever has missed lately: an account by its name, or a client by its address.
CREATE TABLE guard.misses (
    kind         text        NOT NULL CHECK (kind IN ('account', 'address')),
    subject      text        NOT NULL,
    -- When, oldest first; those of the last quarter of an hour.
    recent       timestamptz[] NOT NULL,
    last_at      timestamptz NOT NULL,
    -- How often in a row, and until when.
    lockouts     int4        NOT NULL DEFAULT 0,
    locked_until timestamptz,
    PRIMARY KEY (kind, subject)
) WITH (fillfactor = 70);

CREATE INDEX misses_oldest ON guard.misses (last_at);
CREATE INDEX misses_locked ON guard.misses (locked_until, kind, subject) WHERE locked_until IS NOT NULL;

GRANT USAGE ON SCHEMA guard TO ledger_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON guard.misses TO ledger_writer;
