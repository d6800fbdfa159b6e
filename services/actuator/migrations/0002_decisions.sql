-- What persons decided, for a database that several hosts reach: the kill switch, and that the breaker was closed by
-- hand. One JSON document. With SQLite a small file beside the journal has it, which a person can write by hand.

CREATE TABLE decisions (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    document TEXT NOT NULL
);
