//! By `db-query`.

use super::values::{Package, Search, TABLE, columns};
use db_query::{Insert, Select, Statement, asc, col, desc};

pub(super) fn upsert(package: &Package) -> Statement {
    let (columns, key, others) = columns();
    Insert::into(TABLE, columns)
        .row(|row| {
            row.value(package.id)
                .value(package.name)
                .value(package.version)
                .value(package.kind)
                .value(package.status)
                .value(package.priority)
                .value(package.attempts)
                .value(package.size_bytes)
                .value(package.downloads)
                .value(package.score)
                .value(package.ratio)
                .value(package.yanked)
                .value(package.optional)
                .value(package.checksum.as_slice())
                .value(package.owner_id)
                .value(package.parent)
                .value(package.description)
                .value(package.created_at)
                .value(package.updated_at)
                .value(package.locked_until);
        })
        .on_conflict_update(key, others)
        .returning(key)
        .build()
        .expect("every name is one")
}

pub(super) fn select(search: &Search) -> Statement {
    Select::from("packages")
        .columns(["packages.id", "title", "priority", "owners.name"])
        .left_join("owners", col("owners.id").eq_col("packages.owner_id"))
        .filter(col("status").eq(search.status))
        .filter(col("priority").ge(search.least_priority).or(col("yanked").eq(search.yanked)))
        .filter(col("owner_id").any(search.owners.to_vec()))
        .filter(col("size_bytes").gt(search.larger_than))
        .order_by(desc("priority"))
        .order_by(asc("packages.id"))
        .limit(search.limit)
        .build()
        .expect("every name is one")
}
