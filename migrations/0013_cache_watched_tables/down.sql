DROP FUNCTION cache_unwatch_table(regclass, text);
DROP FUNCTION cache_watch_table(regclass, text);
-- With the triggers of the tables that are watched.
DROP FUNCTION cache_table_changed() CASCADE;
ALTER TABLE cache_invalidations DROP COLUMN by_table;
