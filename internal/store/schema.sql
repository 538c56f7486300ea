-- One text for both databases: $n placeholders, BIGINT times in microseconds of
-- UTC, nouns as their JSON wire form in body, and beside it only the columns
-- that are searched by.
CREATE TABLE IF NOT EXISTS store_schema (version BIGINT NOT NULL);

CREATE TABLE IF NOT EXISTS incident (
    id          TEXT PRIMARY KEY,
    key         TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    environment TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    is_open     BIGINT NOT NULL,
    opened_at   BIGINT NOT NULL,
    wake        BIGINT NOT NULL,
    body        TEXT   NOT NULL
);
-- Opening an incident is idempotent because of this index and nothing else.
CREATE UNIQUE INDEX IF NOT EXISTS incident_open ON incident (key) WHERE is_open = 1;
CREATE INDEX IF NOT EXISTS incident_opened ON incident (opened_at);

CREATE TABLE IF NOT EXISTS audit (
    incident TEXT   NOT NULL,
    seq      BIGINT NOT NULL,
    body     TEXT   NOT NULL,
    PRIMARY KEY (incident, seq)
);

-- What the audit logs' heads were, hour by hour; see backout.Anchor.
CREATE TABLE IF NOT EXISTS anchor (
    seq  BIGINT PRIMARY KEY,
    body TEXT   NOT NULL
);
-- How far the anchors cover each log; it follows from them and saves reading all.
CREATE TABLE IF NOT EXISTS anchor_head (
    incident TEXT PRIMARY KEY,
    seq      BIGINT NOT NULL
);

-- The outbox: one row for each message and channel, so that a channel that is
-- away delays no other. position is the order within a thread.
CREATE TABLE IF NOT EXISTS delivery (
    incident     TEXT   NOT NULL,
    audience     TEXT   NOT NULL,
    channel      TEXT   NOT NULL,
    key          TEXT   NOT NULL,
    position     BIGINT NOT NULL,
    terminal     BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    tries        BIGINT NOT NULL,
    delivered_at BIGINT NOT NULL,
    given_up     BIGINT NOT NULL,
    failure      TEXT   NOT NULL,
    body         TEXT   NOT NULL,
    PRIMARY KEY (incident, audience, channel, key)
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (next_at) WHERE delivered_at = 0 AND given_up = 0;

-- Where a channel keeps a thread: an adapter's own words under the thread's name.
CREATE TABLE IF NOT EXISTS thread (
    name TEXT PRIMARY KEY,
    at   BIGINT NOT NULL,
    body TEXT   NOT NULL
);

CREATE TABLE IF NOT EXISTS observation (
    source    TEXT   NOT NULL,
    native_id TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    component TEXT   NOT NULL,
    body      TEXT   NOT NULL,
    PRIMARY KEY (source, native_id)
);
CREATE INDEX IF NOT EXISTS observation_at ON observation (at);

-- What pipelines hand in with changes, kept apart from the observations so that
-- those stay small. One file of one version; a later one replaces it.
CREATE TABLE IF NOT EXISTS attachment (
    component TEXT   NOT NULL,
    version   TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    body      BLOB   NOT NULL,
    PRIMARY KEY (component, version, kind, name)
);

CREATE TABLE IF NOT EXISTS hold (
    component  TEXT   NOT NULL,
    owner      TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    body       TEXT   NOT NULL,
    PRIMARY KEY (component, owner)
);

-- The deploy lock of each component. A row that has run out is kept until somebody
-- takes it, so that who lost it can be told to whom.
CREATE TABLE IF NOT EXISTS deploy_lock (
    component  TEXT PRIMARY KEY,
    owner      TEXT   NOT NULL,
    token      TEXT   NOT NULL,
    attempt    TEXT   NOT NULL,
    to_version TEXT   NOT NULL,
    taken_at   BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    body       TEXT   NOT NULL
);

CREATE TABLE IF NOT EXISTS review (
    incident TEXT PRIMARY KEY,
    at       BIGINT NOT NULL,
    body     TEXT   NOT NULL
);

-- Past incidents as later ones are compared with them; seq is the number of the last
-- change, so that a reader asks only for what it has not seen.
CREATE TABLE IF NOT EXISTS precedent (
    id   TEXT PRIMARY KEY,
    seq  BIGINT NOT NULL,
    at   BIGINT NOT NULL,
    body TEXT   NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS precedent_seq ON precedent (seq);

-- Snapshots of detectors, baselines, priors: one value under one name.
CREATE TABLE IF NOT EXISTS document (
    name   TEXT PRIMARY KEY,
    format BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    body   BLOB   NOT NULL
);

CREATE TABLE IF NOT EXISTS lease (
    name       TEXT PRIMARY KEY,
    holder     TEXT   NOT NULL,
    epoch      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
