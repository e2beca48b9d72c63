//! What the program believes of the tables is what they are.

use db_model::CATALOGUE;
use db_query::Kind;
use db_testkit::fresh_db;
use std::collections::BTreeMap;

/// The type as `information_schema` names it.
fn udt(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int2 => "int2",
        Kind::Int4 => "int4",
        Kind::Int8 => "int8",
        Kind::Float8 => "float8",
        Kind::Text | Kind::OneOf(_) => "text",
        Kind::Bytea => "bytea",
        Kind::Uuid => "uuid",
        Kind::Timestamptz => "timestamptz",
        Kind::Jsonb => "jsonb",
        Kind::TextArray => "_text",
        Kind::UuidArray => "_uuid",
        Kind::Int2Array => "_int2",
        Kind::Tsvector => "tsvector",
        Kind::Interval => "interval",
        other => panic!("{other:?} is new: say how the server names it"),
    }
}

#[tokio::test]
async fn every_column_is_known_as_it_is() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let rows: Vec<(String, String, String, bool, bool)> = sqlx::query_as(
            "SELECT table_name::text, column_name::text, udt_name::text, is_nullable = 'YES', table_type = 'VIEW'
             FROM information_schema.columns NATURAL JOIN information_schema.tables WHERE table_schema = 'public'",
        )
        .fetch_all(&mut conn)
        .await
        .expect("the server's catalogue");
        for table in CATALOGUE {
            let columns = rows.iter().filter(|(name, ..)| name == table.name());
            // All columns of a view may be NULL, as far as the server knows.
            let actual: BTreeMap<_, _> = columns
                .map(|(_, column, udt, nullable, view)| (column.as_str(), (udt.as_str(), *nullable && !view)))
                .collect();
            let is_view = rows.iter().any(|(name, _, _, _, view)| name == table.name() && *view);
            let known: BTreeMap<_, _> = table
                .fields()
                .iter()
                .map(|field| (field.name(), (udt(field.kind()), field.is_nullable() && !is_view)))
                .collect();
            assert_eq!(known, actual, "{}", table.name());
            assert_eq!(table.fields().len(), known.len(), "{} has a column twice", table.name());
        }
    })
    .await;
}

/// Tables without rows of this crate: what migrations are applied, the queue's own, the cache's, and the audit log's.
const NOT_HERE: &[&str] =
    &["db_migrations", "task_dependencies", "cache_entries", "cache_invalidations", "cache_stores", "audit_"];

#[tokio::test]
async fn no_table_is_left_out() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
        )
        .fetch_all(&mut conn)
        .await
        .expect("the server's catalogue");
        let left: Vec<_> = tables
            .iter()
            .filter(|name| !CATALOGUE.iter().any(|table| table.name() == name.as_str()))
            .filter(|name| !NOT_HERE.iter().any(|known| name.starts_with(known)))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(tables.len() >= CATALOGUE.len(), "{tables:?}");
    })
    .await;
}

#[tokio::test]
async fn every_enum_has_the_texts_that_its_column_takes() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let named: Vec<(String, String, Vec<String>)> = sqlx::query_as(
            "SELECT conrelid::regclass::text, attname::text, array_agg(text[1] ORDER BY text[1])
             FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1],
                 regexp_matches(pg_get_constraintdef(pg_constraint.oid), $$'([a-z_]+)'::text$$, 'g') AS text
             WHERE contype = 'c' AND cardinality(conkey) = 1
             AND pg_get_constraintdef(pg_constraint.oid) LIKE 'CHECK ((' || attname || ' = ANY (ARRAY[%'
             GROUP BY 1, 2",
        )
        .fetch_all(&mut conn)
        .await
        .expect("the server's catalogue");
        let mut compared = 0;
        for table in CATALOGUE {
            for (_, column, texts) in named.iter().filter(|(name, ..)| name == table.name()) {
                let Kind::OneOf(known) = table.field(column).expect(column).kind() else {
                    panic!("{}.{column} takes only {texts:?}", table.name())
                };
                let mut known = known.to_vec();
                known.sort_unstable();
                assert_eq!(&known, texts, "{}.{column}", table.name());
                compared += 1;
            }
        }
        assert!(compared >= 4, "the server's answer was understood: {named:?}");
    })
    .await;
}
