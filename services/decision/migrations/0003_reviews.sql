-- The newest review of each target. `guide` is the part that every decision is made from, `review` all candidates.
CREATE TABLE reviews (
    target_id   TEXT PRIMARY KEY,
    reviewed_at INTEGER NOT NULL,
    guide       TEXT NOT NULL,
    review      TEXT NOT NULL
) STRICT;
