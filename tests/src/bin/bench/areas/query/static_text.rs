//! By nobody: the text stands in the program, and only the values are bound. What is above this is a builder's price.

use super::values::{Package, Search};
use sqlx::{Arguments, Encode, Postgres, Type, postgres::PgArguments};

const UPSERT: &str = r#"INSERT INTO "packages" ("id", "name", "version", "kind", "status", "priority", "attempts", "size_bytes", "downloads", "score", "ratio", "yanked", "optional", "checksum", "owner_id", "parent", "description", "created_at", "updated_at", "locked_until") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT ("id") DO UPDATE SET "name" = EXCLUDED."name", "version" = EXCLUDED."version", "kind" = EXCLUDED."kind", "status" = EXCLUDED."status", "priority" = EXCLUDED."priority", "attempts" = EXCLUDED."attempts", "size_bytes" = EXCLUDED."size_bytes", "downloads" = EXCLUDED."downloads", "score" = EXCLUDED."score", "ratio" = EXCLUDED."ratio", "yanked" = EXCLUDED."yanked", "optional" = EXCLUDED."optional", "checksum" = EXCLUDED."checksum", "owner_id" = EXCLUDED."owner_id", "parent" = EXCLUDED."parent", "description" = EXCLUDED."description", "created_at" = EXCLUDED."created_at", "updated_at" = EXCLUDED."updated_at", "locked_until" = EXCLUDED."locked_until" RETURNING "id""#;
const SELECT: &str = r#"SELECT "packages"."id", "title", "priority", "owners"."name" FROM "packages" LEFT JOIN "owners" ON "owners"."id" = "packages"."owner_id" WHERE "status" = $1 AND ("priority" >= $2 OR "yanked" = $3) AND "owner_id" = ANY($4) AND "size_bytes" > $5 ORDER BY "priority" DESC, "packages"."id" ASC LIMIT $6"#;

pub(super) fn upsert(package: &Package) -> (&'static str, PgArguments) {
    // As much as the values take, with the four bytes of each one's length.
    let mut bound = Bound::with_room(20, 320);
    bound.bind(package.id);
    bound.bind(package.name);
    bound.bind(package.version);
    bound.bind(package.kind);
    bound.bind(package.status);
    bound.bind(package.priority);
    bound.bind(package.attempts);
    bound.bind(package.size_bytes);
    bound.bind(package.downloads);
    bound.bind(package.score);
    bound.bind(package.ratio);
    bound.bind(package.yanked);
    bound.bind(package.optional);
    bound.bind(package.checksum.as_slice());
    bound.bind(package.owner_id);
    bound.bind(package.parent);
    bound.bind(package.description);
    bound.bind(package.created_at);
    bound.bind(package.updated_at);
    bound.bind(package.locked_until);
    (UPSERT, bound.0)
}

pub(super) fn select(search: &Search) -> (&'static str, PgArguments) {
    let mut bound = Bound::with_room(6, 128);
    bound.bind(search.status);
    bound.bind(search.least_priority);
    bound.bind(search.yanked);
    bound.bind(search.owners.as_slice());
    bound.bind(search.larger_than);
    bound.bind(i64::from(search.limit));
    (SELECT, bound.0)
}

struct Bound(PgArguments);

impl Bound {
    fn with_room(values: usize, bytes: usize) -> Self {
        let mut arguments = PgArguments::default();
        arguments.reserve(values, bytes);
        Self(arguments)
    }

    fn bind<'q, V: Encode<'q, Postgres> + Type<Postgres>>(&mut self, value: V) {
        self.0.add(value).expect("it can be encoded");
    }
}
