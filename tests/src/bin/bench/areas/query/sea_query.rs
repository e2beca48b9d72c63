//! By sea-query, its values turned into sqlx's arguments by sea-query-sqlx. No statement is cloned, though its
//! documentation does so at every turn.

use super::values::{Package, Search, TABLE, columns};
use sea_query::{
    Expr, ExprTrait, OnConflict, Order, PostgresQueryBuilder, Query, extension::postgres::PgExpr,
};
use sea_query_sqlx::SqlxBinder;
use sqlx::{IntoArguments, postgres::PgArguments};

pub(super) fn upsert(package: &Package) -> (String, PgArguments) {
    let (columns, key, others) = columns();
    let mut conflict = OnConflict::columns(key.iter().copied());
    conflict.update_columns(others.iter().copied());
    let mut insert = Query::insert();
    insert
        .into_table(TABLE)
        .columns(columns.iter().copied())
        .values_panic([
            package.id.into(),
            package.name.into(),
            package.version.into(),
            package.kind.into(),
            package.status.into(),
            package.priority.into(),
            package.attempts.into(),
            package.size_bytes.into(),
            package.downloads.into(),
            package.score.into(),
            package.ratio.into(),
            package.yanked.into(),
            package.optional.into(),
            package.checksum.as_slice().into(),
            package.owner_id.into(),
            package.parent.into(),
            package.description.into(),
            package.created_at.into(),
            package.updated_at.into(),
            package.locked_until.into(),
        ])
        .on_conflict(conflict)
        .returning_col(key[0]);
    let (text, values) = insert.build_sqlx(PostgresQueryBuilder);
    (text, values.into_arguments())
}

pub(super) fn select(search: &Search) -> (String, PgArguments) {
    let mut select = Query::select();
    select
        .column(("packages", "id"))
        .columns(["title", "priority"])
        .column(("owners", "name"))
        .from("packages")
        .left_join("owners", Expr::col(("owners", "id")).equals(("packages", "owner_id")))
        .and_where(Expr::col("status").eq(search.status))
        .and_where(Expr::col("priority").gte(search.least_priority).or(Expr::col("yanked").eq(search.yanked)))
        .and_where(Expr::col("owner_id").eq_any(search.owners))
        .and_where(Expr::col("size_bytes").gt(search.larger_than))
        .order_by("priority", Order::Desc)
        .order_by(("packages", "id"), Order::Asc)
        .limit(search.limit.into());
    let (text, values) = select.build_sqlx(PostgresQueryBuilder);
    (text, values.into_arguments())
}
