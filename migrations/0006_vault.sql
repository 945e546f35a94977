-- The vault: what makes personal data readable, and secrets on their way to their owner. Outside of the log, so that it
-- can be destroyed.
--
--   account_keys   one data key per account, wrapped by LEDGER_MASTER_KEY; NULL once destroyed, and never made anew
--   secrets        API keys between creation and delivery, sealed under their account's key

CREATE SCHEMA vault;

CREATE TABLE vault.account_keys (
    account      uuid        PRIMARY KEY,
    wrapped      bytea,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE TABLE vault.secrets (
    id         uuid        PRIMARY KEY,
    account    uuid        NOT NULL,
    sealed     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT USAGE ON SCHEMA vault TO ledger_writer;
GRANT SELECT, INSERT, UPDATE ON vault.account_keys TO ledger_writer;
GRANT SELECT, INSERT, DELETE ON vault.secrets TO ledger_writer;
