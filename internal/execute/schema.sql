-- A run is written before its flow is started; one that is still pending when the
-- process begins was cut off in between. request never changes.
CREATE TABLE IF NOT EXISTS run (
    attempt TEXT PRIMARY KEY,
    digest  TEXT NOT NULL,
    request TEXT NOT NULL,
    state   TEXT NOT NULL,
    why     TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS run_entry (
    attempt TEXT   NOT NULL,
    seq     BIGINT NOT NULL,
    body    TEXT   NOT NULL,
    PRIMARY KEY (attempt, seq)
);

-- The latest word of a person to a run.
CREATE TABLE IF NOT EXISTS run_control (
    attempt TEXT PRIMARY KEY,
    kind    TEXT NOT NULL,
    who     TEXT NOT NULL,
    why     TEXT NOT NULL
);

-- A row here means that Do may have been called for the key, in this process or
-- in one that died.
CREATE TABLE IF NOT EXISTS run_try (
    key TEXT PRIMARY KEY
);

-- What a run moves belongs to it until it has ended.
CREATE TABLE IF NOT EXISTS run_lock (
    component TEXT PRIMARY KEY,
    attempt   TEXT NOT NULL
);

-- What people are asked to do by hand, under the effect's key. The first answer
-- counts: answered_at is 0 until then.
CREATE TABLE IF NOT EXISTS run_task (
    key         TEXT PRIMARY KEY,
    attempt     TEXT   NOT NULL,
    component   TEXT   NOT NULL,
    answered_at BIGINT NOT NULL,
    done        BIGINT NOT NULL,
    body        TEXT   NOT NULL
);
CREATE INDEX IF NOT EXISTS run_task_attempt ON run_task (attempt);

-- Runs that go on are few among those that were. The states are those of
-- backout.RunState.Terminal.
CREATE INDEX IF NOT EXISTS run_open ON run (attempt) WHERE state NOT IN ('completed', 'stopped', 'halted', 'aborted');

-- When a run ended, in milliseconds since 1970, written with its last state; a run that
-- a program ended which did not know this table has the moment at which that was noticed.
CREATE TABLE IF NOT EXISTS run_ended (
    attempt TEXT PRIMARY KEY,
    at      BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS run_ended_at ON run_ended (at);
