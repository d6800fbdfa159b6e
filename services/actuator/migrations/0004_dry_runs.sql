-- A dry run changes nothing: it keeps nobody off the instance, and is kept off by a resize only.

DROP INDEX one_active_resize_per_instance;
CREATE UNIQUE INDEX one_active_resize_per_instance ON resizes (instance_id) WHERE finished_at IS NULL AND dry_run = 0;
