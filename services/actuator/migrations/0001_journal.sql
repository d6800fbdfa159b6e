-- One schema for SQLite and PostgreSQL. Times are microseconds since the Unix epoch, UTC. Documents are JSON.

CREATE TABLE resizes (
    resize_id   TEXT PRIMARY KEY,
    -- The order in which they were taken on, whatever the clock does.
    sequence    BIGINT NOT NULL UNIQUE,
    instance_id TEXT NOT NULL,
    dry_run     BIGINT NOT NULL CHECK (dry_run IN (0, 1)),
    -- Of the document.
    format      BIGINT NOT NULL,
    -- The request, the state machine, the steps.
    document    TEXT NOT NULL,
    outcome     TEXT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    finished_at BIGINT,
    CHECK ((outcome IS NULL) = (finished_at IS NULL))
);

-- Whoever asks, whatever the code does.
CREATE UNIQUE INDEX one_active_resize_per_instance ON resizes (instance_id) WHERE finished_at IS NULL;
CREATE INDEX resizes_of_instance ON resizes (instance_id, sequence);
CREATE INDEX resizes_by_age ON resizes (created_at);
CREATE INDEX resizes_by_end ON resizes (finished_at);

-- What was about to be done, written before each call that changes something, and what came of it.
CREATE TABLE lines (
    resize_id TEXT NOT NULL REFERENCES resizes (resize_id) ON DELETE CASCADE,
    seq       BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    kind      TEXT NOT NULL CHECK (kind IN ('intent', 'result')),
    step      TEXT NOT NULL,
    detail    TEXT NOT NULL,
    PRIMARY KEY (resize_id, seq)
);

-- The highest lease epoch that was seen; it never falls, and outlives the resizes.
CREATE TABLE fences (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL
);
INSERT INTO fences (id, epoch) VALUES (1, 0);
