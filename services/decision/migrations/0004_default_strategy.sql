-- Until here a policy that named no strategy meant `threshold`. In a database that was in use by then it still does.
CREATE TABLE defaults (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    strategy TEXT NOT NULL
) STRICT;

INSERT INTO defaults (id, strategy)
    SELECT 1, 'threshold'
    WHERE EXISTS (SELECT 1 FROM decisions) OR EXISTS (SELECT 1 FROM policies) OR EXISTS (SELECT 1 FROM cooldowns);
