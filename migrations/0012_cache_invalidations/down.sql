DROP TABLE cache_invalidations_removed;
DROP TABLE cache_invalidations;
