//! By sqlx's own `QueryBuilder`, which pushes text as it is: it checks no name, and here nobody doubles a quote.

use super::values::{Package, Search, TABLE, columns};
use sqlx::{Execute, Postgres, QueryBuilder, SqlStr, postgres::PgArguments};

pub(super) fn upsert(package: &Package) -> (SqlStr, PgArguments) {
    let (columns, key, others) = columns();
    let mut builder = QueryBuilder::new("INSERT INTO ");
    builder.push(format_args!("\"{TABLE}\" ("));
    let mut names = builder.separated(", ");
    for column in columns {
        names.push(format_args!("\"{column}\""));
    }
    builder.push(") VALUES (");
    builder
        .separated(", ")
        .push_bind(package.id)
        .push_bind(package.name)
        .push_bind(package.version)
        .push_bind(package.kind)
        .push_bind(package.status)
        .push_bind(package.priority)
        .push_bind(package.attempts)
        .push_bind(package.size_bytes)
        .push_bind(package.downloads)
        .push_bind(package.score)
        .push_bind(package.ratio)
        .push_bind(package.yanked)
        .push_bind(package.optional)
        .push_bind(package.checksum.as_slice())
        .push_bind(package.owner_id)
        .push_bind(package.parent)
        .push_bind(package.description)
        .push_bind(package.created_at)
        .push_bind(package.updated_at)
        .push_bind(package.locked_until);
    builder.push(format_args!(") ON CONFLICT (\"{}\") DO UPDATE SET ", key[0]));
    let mut sets = builder.separated(", ");
    for column in others {
        sets.push(format_args!("\"{column}\" = EXCLUDED.\"{column}\""));
    }
    builder.push(format_args!(" RETURNING \"{}\"", key[0]));
    finish(builder)
}

pub(super) fn select(search: &Search) -> (SqlStr, PgArguments) {
    let mut builder = QueryBuilder::new(
        r#"SELECT "packages"."id", "title", "priority", "owners"."name" FROM "packages" LEFT JOIN "owners" ON "owners"."id" = "packages"."owner_id" WHERE "status" = "#,
    );
    builder
        .push_bind(search.status)
        .push(r#" AND ("priority" >= "#)
        .push_bind(search.least_priority)
        .push(r#" OR "yanked" = "#)
        .push_bind(search.yanked)
        .push(r#") AND "owner_id" = ANY("#)
        .push_bind(search.owners.as_slice())
        .push(r#") AND "size_bytes" > "#)
        .push_bind(search.larger_than)
        .push(r#" ORDER BY "priority" DESC, "packages"."id" ASC LIMIT "#)
        .push_bind(i64::from(search.limit));
    finish(builder)
}

fn finish(mut builder: QueryBuilder<Postgres>) -> (SqlStr, PgArguments) {
    let mut query = builder.build();
    let arguments = query.take_arguments().ok().flatten().unwrap_or_default();
    (query.sql(), arguments)
}
