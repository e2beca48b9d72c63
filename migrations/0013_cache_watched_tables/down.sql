DROP FUNCTION cache_unwatch_table(regclass, text);
DROP FUNCTION cache_watch_table(regclass, text);
-- With the triggers of the tables that are watched.
DROP FUNCTION cache_table_changed() CASCADE;
DROP TABLE cache_stores;
ALTER TABLE cache_invalidations DROP COLUMN marked_until, DROP COLUMN application;
