-- Who paused, as whoever asked calls themselves; empty when nobody said.
ALTER TABLE pauses ADD COLUMN by_whom TEXT NOT NULL DEFAULT '';

-- One pause a target. Where an earlier version kept several, one that forbids all takes their place, for the longest of
-- their times: what was forbidden stays so.
INSERT OR REPLACE INTO pauses (target_id, direction, reason, since, until)
    SELECT target_id, 'both', coalesce(group_concat(nullif(reason, ''), '; '), ''), min(since),
        CASE WHEN count(until) < count(*) THEN NULL ELSE max(until) END
    FROM pauses GROUP BY target_id HAVING count(*) > 1;
DELETE FROM pauses WHERE direction <> 'both'
    AND target_id IN (SELECT target_id FROM pauses WHERE direction = 'both');

-- To find policies that no decision refers to any more.
CREATE INDEX decisions_of_policy ON decisions (policy_version);
