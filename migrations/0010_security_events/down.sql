ALTER TABLE system_config DROP COLUMN version;
ALTER TABLE pr_validations DROP COLUMN version;
DROP TRIGGER pr_validations_status_change ON pr_validations;
DROP TABLE security_events;
