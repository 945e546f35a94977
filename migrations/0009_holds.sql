-- What is held and what is owed, beside what there is. Emptied and filled again by 0017.

ALTER TABLE read.balances
    ADD COLUMN frozen    int8 NOT NULL DEFAULT 0,
    ADD COLUMN shortfall int8 NOT NULL DEFAULT 0;

-- A grant stays while any of it is left or held.
ALTER TABLE read.grants
    ADD COLUMN frozen int8 NOT NULL DEFAULT 0,
    DROP CONSTRAINT grants_left_over_check,
    ADD CONSTRAINT grants_left_over_check CHECK (left_over >= 0);

-- Holds: where each was set aside, and what became of it.
CREATE TABLE read.holds (
    id          uuid PRIMARY KEY,
    account     uuid NOT NULL,
    amount      int8 NOT NULL CHECK (amount > 0),
    packages    jsonb NOT NULL,
    credits     jsonb NOT NULL,
    meter       text,
    reference   text,
    reserved_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    state       text NOT NULL,
    -- Charged of it; null while it is open.
    charged     int8 CHECK (charged BETWEEN 0 AND amount),
    finished_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX holds_of_an_account ON read.holds (account, reserved_at DESC, id DESC);
CREATE INDEX open_holds ON read.holds (account, reserved_at DESC, id DESC) WHERE state = 'open';

GRANT SELECT, INSERT, UPDATE, DELETE ON read.holds TO ledger_writer;
