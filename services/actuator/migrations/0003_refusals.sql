-- Types that EC2 refused an instance for good when it was to start: not tried again until one of them changes.

CREATE TABLE refusals (
    instance_id TEXT NOT NULL,
    target      TEXT NOT NULL,
    at          BIGINT NOT NULL,
    -- EC2's words, and the prints of the instance and the type.
    document    TEXT NOT NULL,
    PRIMARY KEY (instance_id, target)
);
CREATE INDEX refusals_by_age ON refusals (at);
