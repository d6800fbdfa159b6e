-- Holds of one target in a row, for one reason. `first` and `newest` are kept whole; of those between them only what is here.
-- Decisions of before are in no run.
CREATE TABLE runs (
    first    INTEGER PRIMARY KEY REFERENCES decisions (sequence) ON DELETE CASCADE,
    newest   INTEGER NOT NULL REFERENCES decisions (sequence) ON DELETE CASCADE,
    target   TEXT NOT NULL,
    -- The last ten bytes of every id; the first six are its time in milliseconds.
    tail     BLOB NOT NULL,
    holds    INTEGER NOT NULL CHECK (holds > 0),
    extremes TEXT NOT NULL,
    -- The time of the first in milliseconds, 8 bytes; then for each hold how much later it is than the one before it, seven
    -- bits a byte, and the first 8 bytes of its tick's SHA-256.
    moments  BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX runs_by_newest ON runs (newest);
CREATE INDEX runs_of_target ON runs (target, newest);
CREATE INDEX runs_by_tail ON runs (tail);
