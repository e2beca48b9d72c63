//! Rows that rules do not show are absent, whoever leaves them out: the server, or the statement.

use super::{Place, is_refused, refused_by_rules, run, who};
use db_core::AuditOutcome;
use db_query::{
    Delete, Insert, OnConflict, Select, Statement, Update, asc, col, count_all, lateral, subquery, table_as,
};
use db_security::access::{Guard, GuardError, Mode, Refusal, Subject};
use db_testkit::{FreshDb, empty_db};

fn ids() -> Statement {
    Select::from("items").columns(["id"]).order_by(asc("id")).build().expect("valid")
}

async fn content(db: &FreshDb) -> Vec<(i64, Option<String>, Option<String>)> {
    let all = sqlx::query_as("SELECT id, owner, note FROM items ORDER BY id");
    all.fetch_all(&mut db.connect().await).await.expect("all")
}

async fn absent_and_never_an_error(db: &FreshDb, place: &Place, guard: &Guard) {
    run(
        &mut db.connect().await,
        "TRUNCATE items; INSERT INTO items (id, owner) VALUES
        (1, 'ann'), (2, 'bob'), (3, NULL), (4, 'ann')",
    )
    .await;
    let (ann, bob) = (who(guard, place, "ann"), who(guard, place, "bob"));
    let lent = ids();
    assert_eq!(ann.run(ids()).all::<(i64,)>().await.expect("hers"), [(1,), (4,)]);
    assert_eq!(bob.run(&lent).all::<(i64,)>().await.expect("his"), [(2,)]);
    let count = Select::from("items").columns(count_all().alias("n")).build().expect("valid");
    assert_eq!(ann.run(&count).scalar::<i64>().await.expect("counted"), 2);
    assert_eq!(ann.run(&count).one::<(i64,)>().await.expect("counted"), (2,));
    let nested = Select::from(subquery("s", |q| {
        q.from(table_as("items", "i")).columns(["i.id"]).cross_join(lateral("l", |q| {
            q.from(table_as("items", "k")).columns(["k.id"]).filter(col("k.id").gt(1_i64))
        }))
    }))
    .columns(["s.id"])
    .build()
    .expect("valid");
    assert_eq!(ann.run(nested).all::<(i64,)>().await.expect("hers").len(), 2);
    let of_another =
        Select::from("items").columns(["id"]).filter(col("id").eq(2_i64)).build().expect("valid");
    assert_eq!(ann.run(of_another).optional::<(i64,)>().await.expect("absent"), None);
    let delete = Delete::from("items").filter(col("id").any(vec![2_i64, 3, 4])).build().expect("valid");
    assert_eq!(ann.run(delete).none().await.expect("absent, not an error"), 1);
    let left: Vec<i64> = content(db).await.iter().map(|(id, ..)| *id).collect();
    assert_eq!(left, [1, 2, 3]);
}

#[tokio::test]
async fn refused_rows_are_absent_where_the_server_holds_to_the_rules() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        absent_and_never_an_error(&db, &place, &guard).await;
        let ann = who(&guard, &place, "ann");
        let update = Update::table("items").set("note", "hush").all_rows().build().expect("valid");
        assert_eq!(ann.run(update).none().await.expect("hers"), 1);
        assert_eq!(content(&db).await[1].2, None, "of another it is as it was");
        // New rows that she would not see are the server's to refuse, and that is told.
        let give = Update::table("items").set("owner", "bob").all_rows().build().expect("valid");
        let error = ann.run(give).none().await.expect_err("not hers any more");
        assert!(error.is_refusal() && matches!(error, GuardError::Pool(_)), "{error:?}");
        let insert = |owner: &str| {
            let insert = Insert::into("items", &["id", "owner"]).row(|row| {
                row.value(9_i64).value(owner);
            });
            insert.on_conflict(OnConflict::columns(&["id"]).update(&["owner"])).build().expect("valid")
        };
        assert_eq!(ann.run(insert("ann")).none().await.expect("hers"), 1);
        assert!(ann.run(insert("bob")).none().await.expect_err("not hers").is_refusal());
        let stats = guard.stats();
        assert_eq!((stats.refused, stats.refused_by_server), (0, 2), "{stats:?}");
        let told = place.told();
        assert!(told.iter().all(|(action, ..)| action == "access.refused_by_server"), "{told:?}");
        // The role has a right to two columns only, and none to the one that the condition is about.
        let reader = guard.subject(&Subject::new(&place.reader)).expect("a session");
        let links = Select::from("links").columns(["id"]).order_by(asc("id")).build().expect("valid");
        assert_eq!(reader.run(links).all::<(i64,)>().await.expect("three"), [(1,), (2,), (3,)]);
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn refused_rows_are_absent_where_only_the_statement_can_say_so() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        run(&mut db.connect().await, "ALTER TABLE items DISABLE ROW LEVEL SECURITY").await;
        let pool = place.pool(&db).await;
        let guard = place.blind(&db, &pool).await;
        absent_and_never_an_error(&db, &place, &guard).await;
        let ann = who(&guard, &place, "ann");
        // Whether new values fit, only the server could say, and it does not.
        let update = Update::table("items").set("note", "hush").all_rows().build().expect("valid");
        let insert = Insert::into("items", &["id"]).row(|row| {
            row.value(9_i64);
        });
        let upsert = Insert::into("items", &["id"]).row(|row| {
            row.value(1_i64);
        });
        let upsert = upsert.on_conflict_update(&["id"], &["id"]);
        for statement in [update, insert.build().expect("valid"), upsert.build().expect("valid")] {
            let error = is_refused(ann.run(statement), "new rows").await;
            assert!(matches!(&error, GuardError::Rows { table, .. } if table == "public.items"), "{error:?}");
        }
        assert_eq!(guard.stats().refused, 3);
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_never_reaches_the_server() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        // The server would let it, so that only the guard can have refused.
        let grant = format!("GRANT ALL ON links, items TO \"{}\"", place.agent);
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        run(&mut db.connect().await, &grant).await;
        let ann = who(&guard, &place, "ann");
        let opens = pool.stats();
        let delete = Delete::from("links").all_rows().returning(["id"]).build().expect("valid");
        let error = is_refused(ann.run(&delete), "no rule").await;
        assert!(
            matches!(refused_by_rules(&error), Refusal::NotAllowed { resource, .. } if resource == "public.links"),
            "{error}"
        );
        let mut stream = ann.run(&delete).stream::<(i64,)>();
        let first = futures_util::StreamExt::next(&mut stream).await.expect("an item");
        assert!(first.expect_err("refused").is_refusal());
        drop(stream);
        let nobody = guard.subject(&Subject::new("nobody")).expect("a session");
        let error = is_refused(nobody.run(ids()), "an unknown role").await;
        assert!(matches!(refused_by_rules(&error), Refusal::UnknownRole { .. }), "{error}");
        assert!(nobody.begin().await.expect_err("an unknown role").is_refusal());
        assert_eq!(pool.stats().acquires, opens.acquires, "no connection was asked for");
        let links: i64 = sqlx::query_scalar("SELECT count(*) FROM links")
            .fetch_one(&mut db.connect().await)
            .await
            .expect("counted");
        assert_eq!(links, 9);
        assert_eq!(guard.stats().refused, 4);
        let told = place.told();
        let expected = ("access.refused".to_owned(), "table public.links".to_owned(), "ann".to_owned(), AuditOutcome::Denied);
        assert_eq!(told[0], expected);
        assert_eq!(told.len(), 4, "{told:?}");
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}
