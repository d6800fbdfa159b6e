-- Times are microseconds since the Unix epoch, UTC. Documents are JSON.

CREATE TABLE policies (
    -- First 12 characters of the SHA-256 of the document.
    version    TEXT PRIMARY KEY,
    document   TEXT NOT NULL,
    first_used INTEGER NOT NULL
) STRICT;

-- What ApplyPolicy was called with; the newest row wins over the configuration.
CREATE TABLE policy_applications (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    version    TEXT NOT NULL REFERENCES policies (version),
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE decisions (
    -- The order of decisions, whatever the clock does.
    sequence              INTEGER PRIMARY KEY AUTOINCREMENT,
    decision_id           TEXT NOT NULL UNIQUE,
    tick_id               TEXT NOT NULL,
    target_id             TEXT NOT NULL,
    instance_id           TEXT NOT NULL,
    decided_at            INTEGER NOT NULL,
    action                TEXT NOT NULL CHECK (action IN ('hold', 'scale_up', 'scale_down')),
    from_instance_type    TEXT NOT NULL,
    verdict               TEXT NOT NULL,
    dry_run               INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
    policy_version        TEXT NOT NULL REFERENCES policies (version),
    input_digest          TEXT NOT NULL,
    lease_epoch           INTEGER NOT NULL,
    input                 TEXT NOT NULL,
    state                 TEXT NOT NULL,
    pending               INTEGER NOT NULL CHECK (pending IN (0, 1)),
    outcome               TEXT,
    outcome_instance_type TEXT,
    outcome_detail        TEXT,
    outcome_at            INTEGER,
    UNIQUE (tick_id, target_id),
    CHECK (pending = 0 OR (dry_run = 0 AND action <> 'hold' AND outcome IS NULL)),
    CHECK ((outcome IS NULL) = (outcome_at IS NULL))
) STRICT;

-- One action at a time, for a target and for an instance.
CREATE UNIQUE INDEX one_pending_action_per_target ON decisions (target_id) WHERE pending = 1;
CREATE UNIQUE INDEX one_pending_action_per_instance ON decisions (instance_id) WHERE pending = 1;
CREATE INDEX decisions_of_target ON decisions (target_id, sequence);
CREATE INDEX ends_of_target ON decisions (target_id, sequence) WHERE outcome IS NOT NULL;
CREATE INDEX actions ON decisions (sequence) WHERE action <> 'hold';
CREATE INDEX decisions_by_age ON decisions (decided_at);

-- What must outlive the decisions: retention never forgets a cooldown or the epoch that fences old actors.
CREATE TABLE cooldowns (
    target_id TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('up', 'down')),
    ended_at  INTEGER NOT NULL,
    failures  INTEGER NOT NULL CHECK (failures >= 0),
    PRIMARY KEY (target_id, direction)
) STRICT;

CREATE TABLE target_epochs (
    target_id TEXT PRIMARY KEY,
    epoch     INTEGER NOT NULL
) STRICT;

-- An empty target_id is the whole fleet.
CREATE TABLE pauses (
    target_id TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('both', 'up', 'down')),
    reason    TEXT NOT NULL,
    since     INTEGER NOT NULL,
    until     INTEGER,
    PRIMARY KEY (target_id, direction)
) STRICT;

-- A released lease keeps its row, because its epoch must never fall.
CREATE TABLE leases (
    resource    TEXT PRIMARY KEY,
    holder      TEXT NOT NULL,
    epoch       INTEGER NOT NULL CHECK (epoch > 0),
    expires_at  INTEGER NOT NULL,
    ttl_seconds INTEGER NOT NULL
) STRICT;

-- One row, written at each start: proves that the database can be written.
CREATE TABLE starts (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    started_at INTEGER NOT NULL
) STRICT;
