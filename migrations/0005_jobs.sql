-- Jobs: what must be done outside of the log (calls, mail) or later (timers), by whichever process gets to it.
--
--   jobs                 one row per thing to do; (kind, key) is done once, however often it is asked for
--   process_checkpoints  how far the process managers have read, per partition of the log
--
-- Two clocks: a timer waits for the business clock, which a sandbox may move (by_business_clock); back-off and leases
-- go by the database's own clock, which nobody moves.

CREATE SCHEMA jobs;

CREATE TABLE jobs.jobs (
    id                bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind              text        NOT NULL,
    key               text        NOT NULL,
    -- whose job it is; none for the house's own
    account_id        text,
    payload           json        NOT NULL,
    state             text        NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'dead')),
    run_at            timestamptz NOT NULL,
    by_business_clock boolean     NOT NULL DEFAULT false,
    -- of its whole life: attempt numbers are never used twice
    attempts          int4        NOT NULL DEFAULT 0,
    -- of this round; a retry by hand begins a new one
    tries             int4        NOT NULL DEFAULT 0,
    round_began_at    timestamptz,
    -- somebody asked for a retry while it was running
    retry_asked       boolean     NOT NULL DEFAULT false,
    lease             uuid,
    lease_owner       text,
    lease_until       timestamptz,
    last_error        text,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (kind, key),
    CHECK ((state = 'running') = (lease IS NOT NULL AND lease_until IS NOT NULL))
) WITH (fillfactor = 80);

CREATE INDEX jobs_ready  ON jobs.jobs (kind, by_business_clock, run_at) WHERE state = 'queued';
CREATE INDEX jobs_leased ON jobs.jobs (kind, lease_until) WHERE state = 'running';
CREATE INDEX jobs_done   ON jobs.jobs (updated_at) WHERE state = 'done';
CREATE INDEX jobs_dead   ON jobs.jobs (updated_at) WHERE state = 'dead';

CREATE TABLE jobs.process_checkpoints (
    log_part int2 PRIMARY KEY CHECK (log_part BETWEEN 0 AND 255),
    position int8 NOT NULL DEFAULT 0 CHECK (position >= 0)
);
INSERT INTO jobs.process_checkpoints (log_part) SELECT generate_series(0, 255);

GRANT USAGE ON SCHEMA jobs TO ledger_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.jobs TO ledger_writer;
GRANT SELECT, UPDATE ON jobs.process_checkpoints TO ledger_writer;

-- What the process managers listen to, and nothing else: a flood of charges neither enters this index nor is read past.
-- Whoever listens to more must widen it (and src/processes/runner.rs, whose question has to match it word for word).
CREATE INDEX events_for_processes ON ledger.events (log_part, position)
    WHERE aggregate_type IN ('order', 'delivery') OR event_type = 'activated';
